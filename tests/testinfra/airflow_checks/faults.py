# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load that a fault meets. Counted is what its tasks wrote down outside Airflow.

The DAG `pairs` has three tasks that sleep at the same time, for 3, 6 and 9 seconds, and one after each. None is ever tried again, so that
a task which is lost or given up shows.
"""

from __future__ import annotations

from . import api, hosts
from .fixtures import Installation

PAIRS = 3
TASKS = 2 * PAIRS
WORKERS = "airflow-worker*.service"


def begin(installation: Installation, dag_id: str = "pairs", tasks: int = PAIRS) -> str:
    """Ask for a run; return its id when so many of its tasks sleep."""
    client = installation.client()
    client.wait_for_dag(dag_id)
    client.pause(dag_id, False)
    run_id = client.trigger(dag_id)
    api.wait_until(f"{tasks} tasks that sleep", lambda: len(installation.executions(run_id)) == tasks or None, 120)
    return run_id


def ends_well(installation: Installation, run_id: str) -> None:
    """Wait for the end of the pairs; each task was executed once."""
    client = installation.client()
    ended = client.wait_for_run("pairs", run_id, seconds=120)
    states = {task["task_id"]: task["state"] for task in client.tasks("pairs", run_id)}
    assert ended["state"] == "success", states
    assert hosts.executed_once(installation.executions(run_id), run_id, TASKS) == []


def main_pids(installation: Installation, pattern: str = WORKERS) -> dict[str, int]:
    """The main process of each unit: the same before and after means that it went on by itself."""
    return {name: unit.main_pid for name, unit in hosts.units(installation.host, pattern).items()}
