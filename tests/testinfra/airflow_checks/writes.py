# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acknowledged writes to the metadata database while hosts fail: how long there were none, and whether each is still there."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from . import api, hosts
from .fixtures import Installation

UNIT = "updraft-writer"
SECONDS_TO_BEGIN = 30
NOTES = "/var/tmp/updraft-writes"
SCRIPT = "/var/tmp/updraft-writer.py"


@dataclass
class Writes:
    """What was acknowledged."""

    installation: Installation

    def acknowledged(self) -> dict[int, float]:
        """When each number was."""
        lines = hosts.run(self.installation.host, "cat", NOTES).splitlines()
        return {int(number): float(moment) for number, moment in (line.split() for line in lines)}

    def lost(self) -> list[int]:
        """Numbers that were acknowledged and are not there."""
        # In this order: more are acknowledged meanwhile.
        acknowledged = set(self.acknowledged())
        return sorted(acknowledged - {row[0] for row in self.installation.query("SELECT number FROM updraft_writes")})

    def since(self) -> float:
        """When the last one was, once there is one."""
        return api.wait_until("a write", lambda: max(self.acknowledged().values(), default=None), SECONDS_TO_BEGIN)

    def longest_gap(self, since: float) -> float:
        """The longest time without one, from a moment on."""
        moments = [since, *sorted(moment for moment in self.acknowledged().values() if moment > since)]
        return max((later - earlier for earlier, later in zip(moments, moments[1:])), default=0.0)


@contextmanager
def writes(installation: Installation) -> Iterator[Writes]:
    """Write while the block runs, and until what it looked at is over."""
    host = installation.host
    encoded = base64.b64encode((hosts.ON_HOST / "writer.py").read_bytes()).decode()
    hosts.run(host, "sh", "-c", f'echo "$1" | base64 -d > {SCRIPT}', "sh", encoded)
    address = installation.database_setting()
    hosts.run(host, "sh", "-c", f"rm -f {NOTES}; touch {NOTES}")
    # The address holds a password: the unit gets it from a file that only root reads.
    hosts.run(host, "sh", "-c", f'umask 077; printf "ADDRESS=%s\\n" "$1" > {SCRIPT}.env', "sh", address)
    run = ["systemd-run", f"--property=EnvironmentFile={SCRIPT}.env", "/opt/airflow/current/bin/python", SCRIPT]
    hosts.run(host, *run[:1], f"--unit={UNIT}", *run[1:], NOTES)
    try:
        yield Writes(installation)
    finally:
        # It is gone where the host was lost.
        hosts.run(host, "sh", "-c", f"systemctl stop {UNIT} || ! systemctl is-active --quiet {UNIT}")
        hosts.run(host, *run[:1], "--wait", *run[1:])
        hosts.run(host, "rm", f"{SCRIPT}.env")
