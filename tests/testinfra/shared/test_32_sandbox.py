# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons are in the sandbox that is meant for them, and tasks of every kind run in theirs."""

from __future__ import annotations

import re

from airflow_checks import hosts
from airflow_checks.fixtures import Installation

# Goals of the project, in systemd's own measure of what a service may do: 10 is anything, 0 is nothing.
MOST_EXPOSED = 1.5
MOST_EXPOSED_WITH_TASKS = 2.5
ELSEWHERE = "/var/lib"


def runs_tasks(installation: Installation, unit: str) -> bool:
    """Whether a unit runs tasks."""
    if "test_workers" in installation.variables:
        return unit.startswith("airflow-worker")
    return unit == "airflow-scheduler.service"


def daemons(installation: Installation) -> dict[str, hosts.Unit]:
    """The units of Airflow's own daemons."""
    return {name: unit for name, unit in hosts.units(installation.host).items() if name != "airflow-database-pool.service"}


def exposure(installation: Installation, unit: str) -> float:
    """What systemd makes of a unit."""
    said = hosts.run(installation.host, "systemd-analyze", "security", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


def test_daemons_are_hardly_exposed(installation: Installation) -> None:
    found = {unit: exposure(installation, unit) for unit in daemons(installation)}
    print(f"RESULT exposure {' '.join(f'{unit}={level}' for unit, level in found.items())}")
    most = {unit: MOST_EXPOSED_WITH_TASKS if runs_tasks(installation, unit) else MOST_EXPOSED for unit in found}
    assert {unit: level for unit, level in found.items() if level > most[unit]} == {}


def is_writable(installation: Installation, pid: int, path: str) -> bool:
    """Whether a process has the file system around a path to write to, by what the kernel says of its mounts."""
    mounts: dict[str, str] = {}
    for line in hosts.run(installation.host, "cat", f"/proc/{pid}/mountinfo").splitlines():
        _id, _parent, _device, _root, place, options, *_rest = line.split()
        mounts[place.rstrip("/")] = options.split(",")[0]
    # Of several at one place the last one counts.
    around = max((place for place in mounts if f"{path}/".startswith(f"{place}/")), key=len)
    return mounts[around] == "rw"


def test_daemons_without_tasks_change_nothing_but_what_airflow_writes(installation: Installation) -> None:
    logs = installation.variables.get("test_logs", "/opt/airflow/logs")
    for name, unit in daemons(installation).items():
        found = {path: is_writable(installation, unit.main_pid, path) for path in (logs, ELSEWHERE, "/usr/local", "/etc/airflow")}
        assert found == {logs: True, ELSEWHERE: runs_tasks(installation, name), "/usr/local": False, "/etc/airflow": False}, name


def test_tasks_of_every_kind_run(installation: Installation) -> None:
    client = installation.client()
    client.wait_for_dag("kinds_of_tasks")
    client.pause("kinds_of_tasks", False)
    run_id = client.trigger("kinds_of_tasks")
    state = client.wait_for_run("kinds_of_tasks", run_id)["state"]
    assert state == "success", client.what_failed("kinds_of_tasks", run_id)
    logs = {task["task_id"]: client.log("kinds_of_tasks", run_id, task["task_id"]) for task in client.tasks("kinds_of_tasks", run_id)}
    assert re.search(r"NoNewPrivs:\s+1", logs["shell"])
    assert re.search(r"/opt/airflow/venvs/\S+ written", logs["python"])
    assert re.search(r"/tmp/\S+ written", logs["environment"])
    assert "/usr written" in logs["other_python"]
    assert "processes told localhost" in logs["processes"]
