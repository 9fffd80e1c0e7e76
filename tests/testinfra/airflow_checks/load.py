# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the DAG `steady` that are asked for while hosts fail, and what became of them by the notes of their tasks."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from . import api, hosts
from .fixtures import Installation

DAG = "steady"
TASKS = 3
SECONDS_BETWEEN_RUNS = 2.0
ANSWER_SECONDS = 5
"""Who waited longer for a webserver that hangs would measure his own patience."""

END_SECONDS = 420
"""A task that was lost with its broker is queued again after this at the latest, so longer is not waited for."""


@dataclass
class Load:
    """Runs that were asked for."""

    installation: Installation
    client: api.Client
    seconds_between_runs: float = SECONDS_BETWEEN_RUNS
    asked: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def keep_asking(self) -> None:
        """Ask for one run after the other. Each has its name beforehand, so that one that was not answered can be asked for again."""
        while not self.stopped.is_set():
            run_id = f"load_{uuid.uuid4().hex}"
            while not self._ask(run_id) and not self.stopped.is_set():
                time.sleep(0.5)
            self.stopped.wait(self.seconds_between_runs)

    def _ask(self, run_id: str) -> bool:
        place = self.client.base_url + api.LINES[self.client.line]["api"] + api.path("dags", DAG, "dagRuns")
        wanted: api.Answer = {"dag_run_id": run_id, "conf": {}, **({"logical_date": None} if self.client.line == 3 else {})}
        try:
            answer = self.client.session.post(place, json=wanted, timeout=ANSWER_SECONDS)
        except requests.RequestException:
            return False
        # Conflict: somebody took it, and his answer was lost.
        if not answer.ok and answer.status_code != requests.codes.conflict:
            return False
        self.asked.append(run_id)
        return True

    def executions(self) -> list[hosts.Execution]:
        """What the tasks of these runs noted."""
        return self.installation.executions(*self.asked) if self.asked else []

    def states(self) -> dict[str, str]:
        """The state of each run."""
        runs = {run["dag_run_id"]: run["state"] for run in self.client.every(api.path("dags", DAG, "dagRuns"), "dag_runs")}
        return {run_id: runs.get(run_id, "lost") for run_id in self.asked}

    def wait(self) -> None:
        """Wait until all runs have ended."""
        api.wait_until("the end of all runs", lambda: set(self.states().values()) <= {"success", "failed", "lost"}, END_SECONDS)

    def problems(self, may_be_killed: bool, may_end_again: bool = False) -> list[str]:
        """What went wrong: runs that did not succeed, tasks that did not come to their end just once, or were begun again without need.

        `may_end_again` is for tasks that end and cannot say so, of 2.x while there is no database, and those whose host is lost just then:
        they are tried again, once.
        """
        wrong = [f"{run_id} is {state}" for run_id, state in self.states().items() if state != "success"]
        tasks: dict[tuple[str, str], list[hosts.Execution]] = {}
        for one in self.executions():
            tasks.setdefault((one.run_id, one.task_id), []).append(one)
        for (run_id, task_id), found in tasks.items():
            ended = [one for one in found if one.ended is not None]
            was_tried_again = may_end_again and [one.attempt for one in ended] == [1, 2]
            if len(ended) != 1 and not was_tried_again:
                wrong.append(f"{task_id} of {run_id} came to its end {len(ended)} times")
            if len(found) > len(ended) and not may_be_killed:
                wrong.append(f"{task_id} of {run_id} was begun {len(found)} times, and nobody killed it")
        if len(tasks) != TASKS * len(self.asked):
            wrong.append(f"{len(tasks)} tasks were executed of {TASKS * len(self.asked)}")
        return wrong

    def cut_off(self) -> list[hosts.Execution]:
        """Executions that did not come to their end."""
        return [one for one in self.executions() if one.ended is None]

    def longest_until_tried_again(self, since: float) -> float | None:
        """How long it took, from a moment on, until each task that was cut off was begun again; None where none was."""
        every = sorted(self.executions(), key=lambda one: one.started)
        later = [
            next(one.started for one in every if (one.run_id, one.task_id) == (cut.run_id, cut.task_id) and one.started > cut.started)
            for cut in self.cut_off()
        ]
        return max((moment - since for moment in later), default=None)

    def wait_for_a_start(self, since: float) -> None:
        """Wait until a task began after a moment."""
        api.wait_until("a task to begin", lambda: any(one.started > since for one in self.executions()) or None, END_SECONDS)

    def longest_gap(self, since: float) -> float:
        """The longest time without the start of a task, from a moment on until the last start."""
        starts = [since, *sorted(one.started for one in self.executions() if one.started > since)]
        return max((later - earlier for earlier, later in zip(starts, starts[1:])), default=0.0)


@contextmanager
def load(installation: Installation, seconds_between_runs: float = SECONDS_BETWEEN_RUNS) -> Iterator[Load]:
    """Ask for runs while the block runs."""
    client = installation.client()
    client.wait_for_dag(DAG)
    client.pause(DAG, False)
    asked = Load(installation, client, seconds_between_runs)
    asking = threading.Thread(target=asked.keep_asking)
    asking.start()
    try:
        yield asked
    finally:
        asked.stopped.set()
        asking.join()
