# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says about its Airflow: units, journal, processes, what was started. `host` is testinfra's."""

from __future__ import annotations

import base64
import json
import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ON_HOST = Path(__file__).parent / "on_host"
UNITS = "airflow-*.service"
LONGEST_COMMAND = 300
AUDIT_NOTES = "/run/airflow-exec-audit"


def run(host: Any, *argv: str) -> str:
    """Run a command that must succeed; return what it printed."""
    command = shlex.join(argv)
    result = host.run(command)
    if result.rc != 0:
        raise AssertionError(f"{command[:LONGEST_COMMAND]} ended with {result.rc}: {result.stderr or result.stdout}")
    return str(result.stdout)


def run_script(host: Any, name: str, *arguments: str) -> str:
    """Run one of the scripts beside this file on the host, with its system's Python."""
    encoded = base64.b64encode((ON_HOST / name).read_bytes()).decode()
    place = f"/tmp/airflow-checks-{name}"
    return run(host, "sh", "-c", 'echo "$1" | base64 -d > "$2" && shift && exec /usr/bin/python3 "$@"', "sh", encoded, place, *arguments)


def http_status(host: Any, url: str, login: str = "") -> int:
    """Return how an address that only the host reaches answers, to `user:password` if given."""
    return int(run_script(host, "http_status.py", url, login))


def listens_on(host: Any, port: int) -> set[str]:
    """Return the addresses that a port is open at, but for the loopback of IPv6, which some hosts lack."""
    addresses = run(host, "ss", "-Hltn", f"sport = :{port}")
    return {line.split()[3].rsplit(":", 1)[0] for line in addresses.splitlines()} - {"[::1]"}


# --- units ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """A unit as systemd sees it."""

    name: str
    active: str
    sub_state: str
    enabled: str
    started: int
    main_pid: int
    restarts: int


def units(host: Any, pattern: str = UNITS) -> dict[str, Unit]:
    """Return the units that match, loaded or only installed, by name."""
    # It ends with 1 where none matches.
    listed = str(host.run(f"systemctl list-unit-files --no-legend --no-pager {shlex.quote(pattern)}").stdout).split("\n")
    names = [line.split()[0] for line in listed if line.strip() and "@." not in line.split()[0]]
    found = {}
    for name in names:
        properties = "Id,ActiveState,SubState,UnitFileState,ActiveEnterTimestampMonotonic,MainPID,NRestarts"
        lines = run(host, "systemctl", "show", f"--property={properties}", name).strip().split("\n")
        said = dict(line.split("=", 1) for line in lines)
        found[name] = Unit(
            name,
            said["ActiveState"],
            said["SubState"],
            said["UnitFileState"],
            int(said["ActiveEnterTimestampMonotonic"]),
            int(said["MainPID"]),
            int(said["NRestarts"]),
        )
    return found


def start_times(host: Any, pattern: str = UNITS) -> dict[str, tuple[int, int]]:
    """Return for every unit when it was started and with which process: equal before and after means not restarted."""
    return {name: (unit.started, unit.main_pid) for name, unit in units(host, pattern).items()}


def journal(host: Any, unit: str, lines: int = 50) -> str:
    """Return the last lines of a unit's journal."""
    return run(host, "journalctl", f"--unit={unit}", f"--lines={lines}", "--no-pager", "--output=short-iso")


# --- processes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Process:
    """A process of Airflow: of its environment the names, and the values that were asked for."""

    pid: int
    parent: int
    user: str
    argv: tuple[str, ...]
    prefix: str
    version: str
    cgroup: str
    names: frozenset[str]
    shown: dict[str, str]


def processes(host: Any, *shown: str) -> list[Process]:
    """Return all processes of Airflow; `shown` are names of environment variables whose values are wanted."""
    found = []
    for line in run_script(host, "processes.py", *shown).splitlines():
        said = json.loads(line)
        found.append(Process(**{**said, "argv": tuple(said["argv"]), "names": frozenset(said["names"])}))
    return found


def daemon(host: Any, unit: str, *shown: str) -> Process:
    """Return the main process of a unit."""
    main_pid = units(host, unit)[unit].main_pid
    for process in processes(host, *shown):
        if process.pid == main_pid:
            return process
    raise AssertionError(f"{unit} has no process of Airflow: {journal(host, unit)}")


def running_versions(host: Any) -> set[str]:
    """Return the versions of all Airflow processes that run out of a virtual environment."""
    return {process.version for process in processes(host) if process.version}


# --- what was started ---------------------------------------------------------------------------------------------------


@dataclass
class Audit:
    """What was started out of the environments watched; filled when the watch ends."""

    environments: list[str]
    events: list[dict[str, Any]] = field(default_factory=list)

    def in_words(self) -> list[str]:
        """Return one line for each start."""
        return [f"{event['path']} opened by {event['command'] or event['pid']} (child of {event['parent']})" for event in self.events]


@contextmanager
def exec_audit(host: Any, *folders: str) -> Iterator[Audit]:
    """Watch the virtual environments at or below the folders while the block runs; read `events` after it."""
    listed = run_script(host, "exec_audit.py", "start", AUDIT_NOTES, *folders)
    audit = Audit(listed.splitlines())
    try:
        yield audit
    finally:
        said = run_script(host, "exec_audit.py", "stop", AUDIT_NOTES)
        audit.events = [json.loads(line) for line in said.splitlines()]


# --- what the tutorial's DAG wrote down -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Execution:
    """One execution of a task of `eight_sleeps`; `ended` is None while it runs or when it was killed."""

    run_id: str
    task_id: str
    attempt: int
    started: float
    ended: float | None


def executions(host: Any, place: str) -> list[Execution]:
    """Return every execution that the DAG noted outside Airflow."""
    starts: list[tuple[tuple[str, str, int], float]] = []
    ends: dict[tuple[str, str, int], list[float]] = {}
    for line in run(host, "cat", place).splitlines():
        event, run_id, task_id, attempt, moment = line.split(" ")
        key = (run_id, task_id, int(attempt))
        if event == "start":
            starts.append((key, float(moment)))
        else:
            ends.setdefault(key, []).append(float(moment))
    found = []
    for key, started in starts:
        waiting = ends.get(key, [])
        found.append(Execution(*key, started, waiting.pop(0) if waiting else None))
    return found


def executed_once(found: list[Execution], run_id: str, tasks: int = 8) -> list[str]:
    """Return what is wrong with a run of which every task should have been executed exactly once, to its end."""
    own = [execution for execution in found if execution.run_id == run_id]
    counted = Counter(execution.task_id for execution in own)
    wrong = [f"{task_id} was executed {count} times" for task_id, count in sorted(counted.items()) if count != 1]
    wrong += [f"{execution.task_id} never ended" for execution in own if execution.ended is None]
    return wrong + ([f"{len(counted)} tasks of {tasks} were executed"] if len(counted) != tasks else [])
