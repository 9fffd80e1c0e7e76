# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary: one run with a task on each queue, and what is to be said about those that did not sing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._api_http import ApiError
from ._canary_api import ENDED, PATIENCE_SECONDS, CanaryApi
from ._canary_log import ending, reason_of

NOT_SENT = (None, "none", "no_status", "scheduled")
QUEUED = "queued"
LOG_SECONDS = 10.0
"""How long a log may take to get to where it is read from."""

SETTLE_SECONDS = 1.0
"""How long a DAG processor takes with a file that it has begun to read."""


@dataclass(frozen=True)
class Queue:
    """A queue and who serves it."""

    name: str
    servers: tuple[str, ...]
    """Units with their hosts, for messages."""
    slots: int
    """How many tasks they run at once; 0 is any number."""
    siblings: tuple[str, ...] = ()
    """The queues whose tasks take these slots; none means every task's."""


@dataclass(frozen=True)
class Site:
    """Who takes part, for messages and to tell what is busy from what is broken."""

    queues: Sequence[Queue]
    schedulers: tuple[str, ...]
    parsers: tuple[str, ...]
    """Who reads DAG files."""
    slots: int
    """How many tasks the schedulers let run at once; 0 is any number."""


@dataclass
class Flight:
    """What a run showed."""

    sung: list[dict[str, Any]] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    """A sentence for each queue that had no slot free."""
    problems: list[str] = field(default_factory=list)


class Canary:
    """One flight."""

    def __init__(self, api: CanaryApi, site: Site, wait: int) -> None:
        """`wait` is how many seconds the DAG may take to be there, and then each task to end."""
        self._api = api
        self._site = site
        self._wait = wait
        self._song = secrets.token_hex(16)
        self._run = f"canary__{self._song[:8]}"

    def fly(self) -> Flight:
        """Run a task on every queue and read its log, and leave nothing, whatever comes of it. What failed first is told first."""
        flight = Flight()
        try:
            self._fly(flight)
        except ApiError as error:
            flight.problems.append(f"The canary could not be run: {error}")
        try:
            self._api.remove()
        except ApiError as error:
            flight.problems.append(f"The canary could not be removed: {error}")
        return flight

    def remove(self) -> None:
        """Remove what is left, also of a DAG that was being parsed just now. Raises ApiError."""
        self._api.remove()
        self._api.pause(SETTLE_SECONDS)
        if self._api.has_dag():
            self._api.remove()

    def _fly(self, flight: Flight) -> None:
        api, queues = self._api, self._site.queues
        api.remove_runs()
        api.make_pool(len(queues))
        wanted = {task_id(number): queue.name for number, queue in enumerate(queues)}
        if not api.until(self._wait, lambda: api.dag_queues() == wanted):
            flight.problems.append(self._parse_problem())
            return
        api.trigger(self._run, {"song": self._song})
        tasks = self._watch()
        for number, queue in enumerate(queues):
            self._judge(flight, queue, tasks.get(task_id(number), {}))
        if len(flight.sung) == len(queues):
            # What ends a task and what ends a run are two: neither is to find that the other's row is gone.
            api.until(PATIENCE_SECONDS, lambda: api.run_state(self._run) in ENDED)

    def _watch(self) -> Mapping[str, dict[str, Any]]:
        """The tasks when all have ended, or when the time is over."""
        last: dict[str, dict[str, Any]] = {}

        def all_ended() -> bool:
            last.update(self._api.tasks(self._run))
            return len(last) == len(self._site.queues) and all(task["state"] in ENDED for task in last.values())

        self._api.until(self._wait, all_ended)
        return last

    def _judge(self, flight: Flight, queue: Queue, task: Mapping[str, Any]) -> None:
        state = task.get("state")
        if state in (*NOT_SENT, QUEUED):
            full = self._full(queue)
            if full:
                flight.busy.append(f"{self._subject(queue)} found no free slot {self._in_time} (it is {state or 'not scheduled'}): {full}.")
            else:
                flight.problems.append(self._waiting_problem(queue, state))
            return
        problem = self._task_problem(queue, task)
        if problem:
            flight.problems.append(problem)
        else:
            flight.sung.append({"queue": queue.name, "host": task["hostname"], "seconds": round(task.get("duration") or 0.0, 1)})

    def _full(self, queue: Queue) -> str:
        """Why a slot cannot be had, if it is other tasks that have them all."""
        others = self._api.others(queue.siblings) if queue.slots else 0
        if queue.slots and others >= queue.slots:
            return f"other tasks that run or are queued: {others}, slots of {either(queue.servers)}: {queue.slots}"
        others = self._api.others(()) if self._site.slots else 0
        if self._site.slots and others >= self._site.slots:
            return f"other tasks that run or are queued: {others}, [core] parallelism of all schedulers: {self._site.slots}"
        return ""

    def _waiting_problem(self, queue: Queue, state: str | None) -> str:
        if state == QUEUED:
            return (
                f"Nobody took the canary's task from the queue {queue.name} {self._in_time} (it is {state}): {either(queue.servers)} "
                "should have; look at its journal there."
            )
        seen = self._api.scheduler_heartbeat()
        found = (
            f"it is {state or 'not scheduled'}, and its run is {self._api.run_state(self._run)}; "
            f"a scheduler was {f'last seen at {seen}' if seen else 'never seen'}"
        )
        return (
            f"The scheduler did not send the canary's task to the queue {queue.name} {self._in_time} ({found}): look at the journal of "
            f"{either(self._site.schedulers)}."
        )

    def _task_problem(self, queue: Queue, task: Mapping[str, Any]) -> str:
        """What is wrong with a task that somebody took; nothing when it has sung."""
        state, host = task["state"], task.get("hostname") or "an unknown host"
        if state == "success":
            return self._log_problem(queue, task, host)
        if state in ENDED:
            text = ending(self._api.log(self._run, task))
            return f"{self._subject(queue)} ended as {state} on {host} ({either(queue.servers)}): {text or 'it wrote no log.'}"
        return (
            f"{self._subject(queue)} did not end {self._in_time} (it is {state} on {host}): look at the journal of {either(queue.servers)}."
        )

    def _log_problem(self, queue: Queue, task: Mapping[str, Any], host: str) -> str:
        """Airflow answers 200 also with an error in place of a log: only what the task itself wrote proves anything."""
        shown = ""

        def is_readable() -> bool:
            nonlocal shown
            shown = self._api.log(self._run, task)
            return self._song in shown

        if self._api.until(LOG_SECONDS, is_readable):
            return ""
        return f"{self._subject(queue)} ran on {host} ({either(queue.servers)}), but its log cannot be read: {reason_of(shown)}"

    def _parse_problem(self) -> str:
        error = self._api.import_error()
        if error:
            return f"The canary's DAG does not parse: {ending(error)}"
        parsers = either(self._site.parsers)
        return f"The canary's DAG is not there {self._in_time}: look at the journal of {parsers}, which should have parsed it."

    @property
    def _in_time(self) -> str:
        return f"within {self._wait} seconds"

    @staticmethod
    def _subject(queue: Queue) -> str:
        return f"The canary's task on the queue {queue.name}"


def task_id(number: int) -> str:
    """The task of the queue with this number, as the DAG names it."""
    return f"queue_{number}"


def either(servers: Sequence[str]) -> str:
    """Units for a sentence."""
    return " or ".join(servers) or "Airflow"
