# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One round of one side: its daemons are started, do every workload, and are stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from installations.processes import until

from . import usage
from .sides import Side
from .workloads import CHAIN, SHORT, SLEEPING, Workload, not_once

IDLE_SECONDS = 20
SAMPLE_SECONDS = 2
MOST_SECONDS = 900
ENDED = "SELECT 1 FROM dag_run WHERE dag_id = '{dag}' AND run_id = '{run}' AND state IN ('success', 'failed')"
TIMES = (
    "SELECT count(*) FILTER (WHERE state = 'success'), extract(epoch FROM max(end_date) - min(queued_dttm)) "
    "FROM task_instance WHERE dag_id = '{dag}' AND run_id = '{run}'"
)


@dataclass
class Memory:
    """The most that was seen."""

    sessions: list[int]
    peak_mb: float = 0
    _next: float = field(default=0, repr=False)

    def sample(self) -> None:
        """Look, unless that was a moment ago: looking costs time that the tasks need."""
        if time.monotonic() >= self._next:
            self.peak_mb = max(self.peak_mb, usage.memory_mb(self.sessions))
            self._next = time.monotonic() + SAMPLE_SECONDS


def run_round(side: Side, number: int, wanted: list[Workload]) -> dict[str, float]:
    """The figures of one round, by name."""
    try:
        side.start()
        known = "SELECT dag_id FROM dag"
        until("the DAGs are not parsed", lambda: {load.dag_id for load in wanted} <= set(side.query(known)))
        figures = _idle(side)
        for load in wanted:
            side.airflow("dags", "trigger", load.dag_id, "--run-id", f"round{number}")
        memory = Memory(side.sessions)
        for load in wanted:
            figures |= _run(side, load, f"round{number}", memory)
        figures["peak_mb"] = memory.peak_mb
        return figures
    finally:
        side.stop_all()


def _idle(side: Side) -> dict[str, float]:
    """What daemons take that have nothing to do."""
    time.sleep(IDLE_SECONDS)
    before, database_before = usage.cpu_seconds(side.sessions), _database_seconds(side)
    time.sleep(IDLE_SECONDS)
    return {
        "idle_cpu": (usage.cpu_seconds(side.sessions) - before) / IDLE_SECONDS,
        "idle_database_cpu": (_database_seconds(side) - database_before) / IDLE_SECONDS,
        "idle_mb": usage.memory_mb(side.sessions),
    }


def _database_seconds(side: Side) -> float:
    return usage.cpu_seconds(process.session for process in side.servers.processes)


def _run(side: Side, load: Workload, run_id: str, memory: Memory) -> dict[str, float]:
    """One workload: its run waits until its DAG is no longer paused."""
    before, database_before = usage.cpu_seconds(side.sessions), _database_seconds(side)
    names = {"dag": load.dag_id, "run": run_id}

    def ended() -> bool:
        memory.sample()
        return bool(side.query(ENDED.format(**names)))

    side.query(f"UPDATE dag SET is_paused = false WHERE dag_id = '{load.dag_id}'")
    until(f"{load.dag_id} of {side.name} has not ended", ended, MOST_SECONDS)
    side.query(f"UPDATE dag SET is_paused = true WHERE dag_id = '{load.dag_id}'")
    succeeded, seconds = side.query(TIMES.format(**names))[0].split("|")
    failed = not_once(side.lines.read_text(), load, run_id)
    assert int(succeeded) == load.tasks and not failed, f"{load.dag_id} of {side.name}: {succeeded} succeeded; not run once: {failed}"
    cpu = (usage.cpu_seconds(side.sessions) - before) / load.tasks
    database_cpu = (_database_seconds(side) - database_before) / load.tasks
    return _figures(side, load, float(seconds), cpu, database_cpu)


def _figures(side: Side, load: Workload, seconds: float, cpu: float, database_cpu: float) -> dict[str, float]:
    if load.dag_id == SHORT:
        return {"tasks_per_second": load.tasks / seconds, "task_cpu": cpu, "task_database_cpu": database_cpu}
    if load.dag_id == CHAIN:
        return {"chain_seconds": seconds, "chain_task_cpu": cpu}
    return {"sleeping_seconds": seconds, "sleeping_of_ideal": seconds / load.ideal_seconds(side.slots)} if load.dag_id == SLEEPING else {}
