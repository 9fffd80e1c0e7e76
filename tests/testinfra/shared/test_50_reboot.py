# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons come back by themselves when the host does."""

from __future__ import annotations

import subprocess

from airflow_checks import api, hosts
from airflow_checks.fixtures import Installation, installation_on


def test_the_units_survive_a_restart_of_the_host(installation: Installation) -> None:
    before = hosts.start_times(installation.host)
    line = installation.line
    subprocess.run(["docker", "restart", installation.name], check=True, capture_output=True)
    parts = ("metadatabase", "scheduler", "triggerer") if line == 2 else ("metadatabase", "scheduler", "triggerer", "dag_processor")
    # Its port on this machine may be another one.
    api.wait_healthy(installation_on(installation.host).base_url, line, parts)
    after = hosts.units(installation.host)
    assert {name: unit.active for name, unit in after.items()} == dict.fromkeys(before, "active")
    assert not {unit.main_pid for unit in after.values()} & {0}
