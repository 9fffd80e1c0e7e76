# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DAGs of the benchmark. Each task writes a line outside Airflow, so that nothing is believed that only Airflow says."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

WARM_UP_TASKS = 4
CHAIN, SHORT, SLEEPING, WARM_UP = "chain", "short", "sleeping", "warm_up"
DAGS = """
import json
import os
import time
from datetime import datetime

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow.decorators import task
    from airflow.models.dag import DAG

SIZES = json.loads(%r)


def work(run, seconds=0):
    time.sleep(seconds)
    line = f"{run['dag_id']} {run['run_id']} {run['task_id']}\\n"
    file = os.open(%r, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


def write(seconds, task_instance=None):
    names = ("dag_id", "run_id", "task_id")
    work({name: getattr(task_instance, name) for name in names}, seconds)


for dag_id, size in SIZES.items():
    # The task slots alone are to be the limit.
    limits = {"max_active_tasks": size["tasks"]}
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1), is_paused_upon_creation=True, **limits) as dag:
        tasks = [task(task_id=f"t{number}")(write)(size["seconds"]) for number in range(size["tasks"])]
        if size["in_turn"]:
            for before, after in zip(tasks, tasks[1:]):
                before >> after
    globals()[dag_id] = dag
"""


@dataclass(frozen=True)
class Workload:
    """A DAG with tasks of one kind."""

    dag_id: str
    tasks: int
    seconds: int = 0
    in_turn: bool = False

    def ideal_seconds(self, slots: int) -> float:
        """How long it takes where starting a task costs nothing."""
        return float(self.seconds * -(-self.tasks // slots))


def workloads(short: int, chain: int, sleeping: int, seconds: int) -> list[Workload]:
    """All of them, in the order in which they run."""
    return [
        Workload(WARM_UP, WARM_UP_TASKS),
        Workload(SHORT, short),
        Workload(CHAIN, chain, in_turn=True),
        Workload(SLEEPING, sleeping, seconds),
    ]


def write_dags(folder: Path, lines: Path, wanted: list[Workload]) -> None:
    """The file with the DAGs, whose tasks write to the file of lines."""
    sizes = {load.dag_id: {"tasks": load.tasks, "seconds": load.seconds, "in_turn": load.in_turn} for load in wanted}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "throughput.py").write_text(DAGS % (json.dumps(sizes), str(lines)))


def not_once(text: str, load: Workload, run_id: str) -> list[str]:
    """The tasks of a run that did not write exactly one line."""
    written = Counter(text.splitlines())
    return [f"t{number}" for number in range(load.tasks) if written[f"{load.dag_id} {run_id} t{number}"] != 1]
