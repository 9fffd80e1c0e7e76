# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which task a message in a queue is about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._queue_handback import WaitingTask, task_of

COMMAND = ["airflow", "tasks", "run", "hello", "greet", "manual__1", "--local", "--subdir", "DAGS_FOLDER/hello.py"]
WORKLOAD = {"type": "ExecuteTask", "ti": {"dag_id": "hello", "run_id": "manual__1", "task_id": "greet", "map_index": 3, "try_number": 2}}


@pytest.mark.parametrize(
    ("body", "task"),
    [
        ([[COMMAND], {}, {}], WaitingTask("hello", "manual__1", "greet")),
        ([[[*COMMAND, "--map-index", "4"]], {}, {}], WaitingTask("hello", "manual__1", "greet", 4)),
        ([[json.dumps(WORKLOAD)], {}, {}], WaitingTask("hello", "manual__1", "greet", 3, 2)),
    ],
)
def test_a_message_of_airflow_names_its_task(body: Any, task: WaitingTask) -> None:
    assert task_of(body) == task


@pytest.mark.parametrize(
    "body",
    [None, [], [[]], [["not JSON"]], [['{"type": "RunCallback"}']], [[["airflow", "version"]]], {"kind": "other"}, [[7]]],
)
def test_what_airflow_did_not_send_is_nobodys_task(body: Any) -> None:
    assert task_of(body) is None


def test_a_task_is_named_for_people() -> None:
    assert WaitingTask("hello", "manual__1", "greet").label == "hello/manual__1/greet"
    assert WaitingTask("hello", "manual__1", "greet", 0).label == "hello/manual__1/greet[0]"
