# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks count as running."""

from __future__ import annotations

import os
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import find_daemons
from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import Process
from ansible_collections.updraft.airflow.plugins.module_utils.host_tasks import TASK_TITLE, Tasks, is_silent, names, told_by


@pytest.mark.parametrize(
    ("title", "is_task"),
    [
        ("/v/bin/python /v/bin/airflow tasks run report load manual --local", True),
        ("airflow tasks run report load manual", True),
        ("airflow task runner: report load manual 12", True),
        ("airflow task supervisor: ['airflow', 'tasks', 'run']", True),
        ("airflow worker -- LocalExecutor: ['airflow', 'tasks', 'run']", True),
        ("airflow worker -- LocalExecutor: 01a1fd03-ed2d-7206-b2ea-2d1495d9d3ba", True),
        ("airflow worker -- LocalExecutor [blue]: 01a1fd03", True),
        ("airflow worker -- 01a1fd03-ed2f-7cb2-85b8-503aa14c49b7", True),
        ("airflow supervisor: 01a1fd03", True),
        ("airflow worker -- LocalExecutor: <idle>", False),
        ("airflow worker -- LocalExecutor [blue]: <idle>", False),
        ("airflow worker -- LocalExecutor", False),
        ("airflow scheduler -- DagFileProcessorManager", False),
        ("airflow serve-logs", False),
        ("/v/bin/python /v/bin/airflow scheduler -D", False),
        ("vi airflow tasks run notes", False),
    ],
)
def test_titles(title: str, is_task: bool) -> None:
    assert bool(TASK_TITLE.match(title)) is is_task


def test_the_task_of_a_scheduler_is_seen(old_airflow: Any) -> None:
    old_airflow.make_database("running")
    old_airflow.start("scheduler", TASK=str(old_airflow.database))
    daemons = find_daemons(str(old_airflow.home))
    tasks = Tasks(str(old_airflow.home), str(old_airflow.database))
    assert [process.arguments[0] for process in tasks.processes(daemons)] == ["airflow task runner: report load manual_0 1"]


def test_a_task_whose_scheduler_died_is_seen_by_its_environment(old_airflow: Any) -> None:
    old_airflow.make_database("running")
    scheduler = old_airflow.start("scheduler", TASK=str(old_airflow.database))
    tasks = Tasks(str(old_airflow.home), str(old_airflow.database))
    (process,) = tasks.processes(find_daemons(str(old_airflow.home)))
    scheduler.kill()
    scheduler.wait()
    try:
        assert [found.pid for found in tasks.processes([])] == [process.pid]
        assert Tasks(str(old_airflow.folder), None).processes([]) == []
    finally:
        os.kill(process.pid, 9)


@pytest.mark.parametrize("line", [2, 3])
def test_running_rows_with_their_last_sign_of_life(tmp_path: Path, line: int) -> None:
    path = tmp_path / "airflow.db"
    own = ", last_heartbeat_at TEXT" if line == 3 else ", job_id INTEGER"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE task_instance (dag_id, task_id, run_id, map_index, state, start_date{own})")
        connection.execute("CREATE TABLE job (id INTEGER, latest_heartbeat TEXT)")
        connection.execute("INSERT INTO job VALUES (7, '2026-01-01 00:00:07')")
        seen = "'2026-01-01 00:00:07'" if line == 3 else "7"
        connection.execute(f"INSERT INTO task_instance VALUES ('d', 't', 'r', -1, 'running', '2026-01-01 00:00:01', {seen})")
        connection.execute("INSERT INTO task_instance VALUES ('d', 'u', 'r', 0, 'running', '2026-01-01 00:00:01', NULL)")
        connection.execute("INSERT INTO task_instance VALUES ('d', 'v', 'r', 0, 'success', '2026-01-01 00:00:01', NULL)")
    connection.close()
    found = [(task["task_id"], task["seen"]) for task in Tasks(str(tmp_path), str(path)).recorded()]
    assert found == [("t", "2026-01-01 00:00:07"), ("u", "2026-01-01 00:00:01")]


def test_silence_is_counted_in_universal_time() -> None:
    now = datetime(2026, 1, 1, 12, 0, tzinfo=timezone.utc)
    assert not is_silent({"seen": "2026-01-01 11:59:10.123456"}, now)
    assert is_silent({"seen": "2026-01-01 11:58:59"}, now)
    assert is_silent({"seen": None}, now)
    assert not is_silent({"seen": (now - timedelta(seconds=10)).astimezone(timezone(timedelta(hours=5))).isoformat()}, now)


def test_a_mapped_task_is_named_with_its_index() -> None:
    task = {"dag_id": "d", "task_id": "t", "run_id": "r"}
    assert names([{**task, "map_index": -1}, {**task, "map_index": 0}], []) == (
        "dag_id d, task_id t, run_id r; dag_id d, task_id t, run_id r, map index 0"
    )


def test_tasks_named_by_their_processes() -> None:
    def process(pid: int, title: str) -> Process:
        return Process(pid, 1, 0, 0, 1, "S", (title,))

    second = [
        process(1, "airflow worker -- LocalExecutor: ['airflow', 'tasks', 'run', 'd', 't', 'r 1', '--local']"),
        process(2, "airflow task runner: d u r1 12"),
        process(3, "/v/bin/python /v/bin/airflow tasks run d u r1 --local"),
    ]
    assert names(told_by(second), second) == "dag_id d, task_id t, run_id r 1; dag_id d, task_id u, run_id r1"
    task_id = "01a1fd03-ed2d-7206-b2ea-2d1495d9d3ba"
    third = [process(1, f"airflow worker -- LocalExecutor: {task_id}"), process(2, f"airflow worker -- {task_id}")]
    assert told_by(third) == [] and names([], third) == f"task instance {task_id}"
    other = [process(7, "airflow supervisor: callback")]
    assert names([], other) == "process 7 (airflow supervisor: callback)"
