# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks of a hand-made installation are running now: by the processes of the host and by its SQLite database."""

from __future__ import annotations

import re
import sqlite3
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import Daemon, belongs_to
from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import (
    Process,
    descendants,
    environment,
    in_container,
    list_processes,
)
from ansible_collections.updraft.airflow.plugins.module_utils.host_sqlite import read_only

# Command lines and titles of processes that carry out a task. A worker of LocalExecutor that waits calls itself so too.
TASK_TITLE = re.compile(
    r"(?:\S*/)?(?:python\S* )?(?:\S*/)?airflow tasks run "
    r"|airflow task (?:runner|supervisor): "
    r"|airflow worker -- LocalExecutor(?: \[[^]]*\])?: (?!<idle>)"
    r"|airflow worker -- (?!LocalExecutor)"
    r"|airflow supervisor: "
)
NAMED = (
    re.compile(r"airflow task runner: (?P<dag_id>\S+) (?P<task_id>\S+) (?P<run_id>\S+)"),
    re.compile(r"airflow tasks run (?P<dag_id>\S+) (?P<task_id>\S+) (?P<run_id>\S+)"),
    re.compile(r"'tasks', 'run', '(?P<dag_id>[^']+)', '(?P<task_id>[^']+)', '(?P<run_id>[^']+)'"),
)
TASK_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Every task tells the database each few seconds that it lives. One that did not for so long, and has no process, ended without a word.
SILENCE = timedelta(seconds=60)
KEYS = ("dag_id", "task_id", "run_id", "map_index")


class Tasks:
    """The running tasks of one AIRFLOW_HOME."""

    def __init__(self, home: str, metadata_path: str | None) -> None:
        self.home = home
        self.metadata_path = metadata_path
        self._belonging: dict[tuple[int, int], bool] = {}

    def processes(self, daemons: list[Daemon]) -> list[Process]:
        """Processes that carry out a task, also those whose scheduler died."""
        everything = list_processes()
        below = {process.pid for daemon in daemons for process in descendants(daemon.process.pid, everything)}
        found = [process for process in everything.values() if TASK_TITLE.match(" ".join(process.arguments))]
        return [process for process in found if process.pid in below or self._belongs(process)]

    def _belongs(self, process: Process) -> bool:
        key = (process.pid, process.started)
        if key not in self._belonging:
            self._belonging[key] = not in_container(process) and belongs_to(process, environment(process), self.home)
        return self._belonging[key]

    def recorded(self) -> list[dict[str, Any]]:
        """Task instances that the database calls running, with the time of their last sign of life."""
        if self.metadata_path is None:
            return []
        with read_only(self.metadata_path) as connection:
            rows = connection.execute(_running_query(connection)).fetchall()
        return [{**dict(zip(KEYS, row)), "seen": row[len(KEYS)]} for row in rows]


def _running_query(connection: sqlite3.Connection) -> str:
    """3.x keeps the last sign of life with the task instance, 2.x with its job."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(task_instance)")}
    if "last_heartbeat_at" in columns:
        seen, source = "coalesce(t.last_heartbeat_at, t.start_date)", "task_instance t"
    else:
        seen, source = "coalesce(j.latest_heartbeat, t.start_date)", "task_instance t LEFT JOIN job j ON j.id = t.job_id"
    return (
        f"SELECT t.dag_id, t.task_id, t.run_id, t.map_index, {seen} FROM {source} WHERE t.state = 'running' "
        "ORDER BY t.dag_id, t.run_id, t.task_id, t.map_index"
    )


def is_silent(task: dict[str, Any], now: datetime | None = None) -> bool:
    """Whether a task has given no sign of life for so long that it only counts as running while it has a process."""
    try:
        seen = datetime.fromisoformat(str(task["seen"]))
    except ValueError:
        return True
    if seen.tzinfo is None:
        seen = seen.replace(tzinfo=timezone.utc)
    return (now or datetime.now(timezone.utc)) - seen > SILENCE


def without_time(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks as the caller knows them."""
    return [{key: task[key] for key in KEYS} for task in tasks]


def told_by(processes: list[Process]) -> list[dict[str, Any]]:
    """The tasks that 2.x names in the titles of its processes, each once."""
    found = {}
    for process in processes:
        title = " ".join(process.arguments)
        match = next(filter(None, (pattern.search(title) for pattern in NAMED)), None)
        if match:
            found[match.groups()] = {**match.groupdict(), "map_index": -1}
    return list(found.values())


def names(tasks: list[dict[str, Any]], processes: list[Process]) -> str:
    """The tasks by name, for a sentence; 3.x tells no more than an id where the database was not read."""
    if tasks:
        return "; ".join(_name(task) for task in tasks)
    ids = {match.group(0) for process in processes for match in [TASK_ID.search(" ".join(process.arguments))] if match}
    if ids:
        return "; ".join(f"task instance {task_id}" for task_id in sorted(ids))
    return "; ".join(f"process {process.pid} ({' '.join(process.arguments)[:120]})" for process in processes)


def _name(task: dict[str, Any]) -> str:
    mapped = f", map index {task['map_index']}" if task["map_index"] not in (None, -1) else ""
    return f"dag_id {task['dag_id']}, task_id {task['task_id']}, run_id {task['run_id']}{mapped}"
