# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container in which a demo runs."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_checks import api

from . import machine
from .machine import FOLDER, NAME
from .progress import Progress, run

SECONDS_TO_BOOT = 120


def start_container(release: str, ports: Sequence[int]) -> dict[int, str]:
    """Make the image of a host and start it; return the addresses on this machine at which its ports are."""
    run(f"Making the image of a host with Debian {release}", ["tests/images/build", release], FOLDER / "image.log")
    with Progress(f"Starting the container {NAME}"):
        machine.make_network()
        addresses = machine.start(release, ports)
        api.wait_until(f"systemd in the container {NAME}", machine.booted, SECONDS_TO_BOOT)
    return addresses
