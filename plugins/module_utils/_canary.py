# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary: one run with a task on each queue, watched and removed through the REST API of either generation."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from ._api_http import ApiError
from ._canary_log import ending, log_text, reason_of
from ._canary_names import BUNDLE, DAG_ID, POOL

ENDED = ("success", "failed", "upstream_failed", "skipped", "removed")
NOT_SENT = (None, "none", "no_status", "scheduled")
PAUSE_SECONDS = 0.5
LOG_SECONDS = 20.0
"""How long a log may take to get to where it is read from."""

END_SECONDS = 20.0
NOT_FOUND = 404
CONFLICT = 409


class Api(Protocol):
    """What is needed of a client; `version` is v1 or v2."""

    version: str

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer."""


@dataclass(frozen=True)
class Queue:
    """A queue and who serves it."""

    name: str
    servers: tuple[str, ...]
    """Units with their hosts, for messages."""
    slots: int
    """How many tasks they run at once."""
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
    """How many tasks the schedulers let run at once."""


@dataclass
class Flight:
    """What a run showed."""

    sung: list[dict[str, Any]] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    """A sentence for each queue that had no slot free."""
    problems: list[str] = field(default_factory=list)


class CanaryError(Exception):
    """Nothing could be run; the text is for the user."""


class Canary:
    """One flight."""

    def __init__(
        self,
        api: Api,
        site: Site,
        wait: float,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`wait` is how many seconds a queue has to run its task."""
        self._api = api
        self._site = site
        self._wait = wait
        self._clock = clock
        self._pause = pause
        self._song = secrets.token_hex(16)

    def knock(self) -> None:
        """Ask for something that only a known user gets. Raises ApiError."""
        self._get("/pools", limit=1)

    def fly(self) -> Flight:
        """Run a task on every queue and read its log. Raises ApiError and CanaryError."""
        self._remove_runs()
        self._make_pool()
        self._wait_for_dag()
        run = self._trigger()
        tasks = self._watch(run)
        flight = Flight()
        for number, queue in enumerate(self._site.queues):
            self._judge(flight, run, queue, tasks.get(_task_id(number), {}))
        if not (flight.busy or flight.problems):
            self._until(END_SECONDS, lambda: self._get(f"/dags/{DAG_ID}/dagRuns/{quote(run)}")["state"] in ENDED)
        return flight

    def remove(self) -> None:
        """Remove its runs, its pool and its DAG. Raises ApiError."""
        self._remove_runs()
        self._delete(f"/dags/{DAG_ID}")
        self._delete(f"/pools/{POOL}")

    def _get(self, path: str, **parameters: Any) -> Any:
        query = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
        return self._api.request("GET", f"/api/{self._api.version}{path}{query}")

    def _send(self, method: str, path: str, body: Any) -> Any:
        return self._api.request(method, f"/api/{self._api.version}{path}", body)

    def _find(self, path: str, **parameters: Any) -> Any:
        """The same, None for what is not there."""
        try:
            return self._get(path, **parameters)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return None

    def _delete(self, path: str) -> None:
        """Remove what may be gone already. A task that was told to end may need a moment."""

        def deleted() -> bool:
            try:
                self._send("DELETE", path, None)
            except ApiError as error:
                if error.status == CONFLICT and self._clock() < deadline:
                    return False
                if error.status != NOT_FOUND:
                    raise
            return True

        deadline = self._clock() + END_SECONDS
        self._until(END_SECONDS, deleted)

    def _until(self, seconds: float, condition: Callable[[], bool]) -> bool:
        deadline = self._clock() + seconds
        while not condition():
            if self._clock() >= deadline:
                return False
            self._pause(PAUSE_SECONDS)
        return True

    def _remove_runs(self) -> None:
        """Remove every run that is there: also those that an earlier canary left because it was killed."""
        runs = (self._find(f"/dags/{DAG_ID}/dagRuns", limit=100) or {}).get("dag_runs", [])
        for run in runs:
            path = f"/dags/{DAG_ID}/dagRuns/{quote(run['dag_run_id'])}"
            if run["state"] not in ENDED:
                # What runs is told to end, and a run that is under way is not deleted.
                self._send("PATCH", path, {"state": "failed"})
            self._delete(path)

    def _make_pool(self) -> None:
        """A pool of its own: it neither waits for a slot of the users' pools nor takes one."""
        self._delete(f"/pools/{POOL}")
        self._send("POST", "/pools", {"name": POOL, "slots": len(self._site.queues), "description": "The canary's, while it flies."})

    def _wait_for_dag(self) -> None:
        if not self._until(self._wait, self._dag_is_there):
            raise CanaryError(self._parse_problem())
        if self._get(f"/dags/{DAG_ID}")["is_paused"]:
            self._send("PATCH", f"/dags/{DAG_ID}", {"is_paused": False})

    def _dag_is_there(self) -> bool:
        dag = self._find(f"/dags/{DAG_ID}")
        if dag is None or dag.get("is_stale") or dag.get("is_active") is False:
            return False
        found = (self._find(f"/dags/{DAG_ID}/tasks") or {}).get("tasks", [])
        wanted = {_task_id(number): queue.name for number, queue in enumerate(self._site.queues)}
        return {task["task_id"]: task["queue"] for task in found} == wanted

    def _parse_problem(self) -> str:
        for error in self._get("/importErrors", limit=100).get("import_errors", []):
            if error.get("bundle_name") == BUNDLE:
                return f"The canary's DAG does not parse: {ending(error['stack_trace'])}"
        return (
            f"The canary's DAG was not parsed within {self._wait:.0f} seconds: look at the journal of {_any(self._site.parsers)}, which "
            "should have done it."
        )

    def _trigger(self) -> str:
        run = f"canary__{self._song[:8]}"
        body: dict[str, Any] = {"dag_run_id": run, "conf": {"song": self._song}}
        if self._api.version != "v1":
            body["logical_date"] = None
        self._send("POST", f"/dags/{DAG_ID}/dagRuns", body)
        return run

    def _tasks(self, run: str) -> dict[str, dict[str, Any]]:
        found = self._get(f"/dags/{DAG_ID}/dagRuns/{quote(run)}/taskInstances", limit=100)["task_instances"]
        return {task["task_id"]: task for task in found}

    def _watch(self, run: str) -> Mapping[str, dict[str, Any]]:
        """The tasks when all have ended, or when the time is over."""
        last: dict[str, dict[str, Any]] = {}

        def all_ended() -> bool:
            last.update(self._tasks(run))
            return len(last) == len(self._site.queues) and all(task["state"] in ENDED for task in last.values())

        self._until(self._wait, all_ended)
        return last

    def _judge(self, flight: Flight, run: str, queue: Queue, task: Mapping[str, Any]) -> None:
        state, host = task.get("state"), task.get("hostname") or "an unknown host"
        if state == "success":
            problem = self._log_problem(run, queue, task)
            if problem:
                flight.problems.append(problem)
            else:
                flight.sung.append({"queue": queue.name, "host": host, "seconds": round(task.get("duration") or 0.0, 1)})
        elif state in ENDED:
            text = ending(self._log(run, task))
            flight.problems.append(f"The canary's task on the queue {queue.name} ended as {state} on {host}: {text or 'it wrote no log.'}")
        elif state in (*NOT_SENT, "queued"):
            self._judge_waiting(flight, queue, state)
        else:
            flight.problems.append(
                f"The canary's task on the queue {queue.name} did not end within {self._wait:.0f} seconds (it is {state} on {host}): look "
                f"at the journal of {_any(queue.servers)}."
            )

    def _judge_waiting(self, flight: Flight, queue: Queue, state: str | None) -> None:
        waited = f"within {self._wait:.0f} seconds"
        told = f"it is {state or 'not scheduled'}"
        full = next(self._full(queue), None)
        if full:
            flight.busy.append(f"The canary's task on the queue {queue.name} found no free slot {waited} ({told}): {full}")
        elif state == "queued":
            flight.problems.append(
                f"Nobody took the canary's task from the queue {queue.name} {waited} ({told}): {_any(queue.servers)} should have; look at "
                "its journal there."
            )
        else:
            flight.problems.append(
                f"The scheduler did not send the canary's task to the queue {queue.name} {waited} ({told}): look at the journal of "
                f"{_any(self._site.schedulers)}."
            )

    def _full(self, queue: Queue) -> Iterator[str]:
        """Why a slot cannot be had, if it is other tasks that have them all."""
        others = self._others(queue.siblings)
        if others >= queue.slots:
            yield f"{others} other tasks run or are queued for the {queue.slots} slots of {_any(queue.servers)}."
        everywhere = self._others(())
        if everywhere >= self._site.slots:
            yield f"{everywhere} other tasks run or are queued, and [core] parallelism allows {self._site.slots}."

    def _others(self, queues: Sequence[str]) -> int:
        """How many tasks of others run or are queued."""
        wanted: dict[str, Any] = {"state": ["running", "queued"], "limit": 1, **({"queue": list(queues)} if queues else {})}
        everybody = self._get("/dags/~/dagRuns/~/taskInstances", **wanted)["total_entries"]
        own = self._get(f"/dags/{DAG_ID}/dagRuns/~/taskInstances", **wanted)["total_entries"]
        return int(everybody) - int(own)

    def _log(self, run: str, task: Mapping[str, Any]) -> str:
        path = f"/dags/{DAG_ID}/dagRuns/{quote(run)}/taskInstances/{task['task_id']}/logs/{max(1, task.get('try_number') or 1)}"
        return log_text(self._get(path, full_content="true"))

    def _log_problem(self, run: str, queue: Queue, task: Mapping[str, Any]) -> str | None:
        """Why the log cannot be read. Airflow answers 200 then too, with an error for a log: only what the task wrote proves anything."""
        texts = [""]

        def is_readable() -> bool:
            texts.append(self._log(run, task))
            return self._song in texts[-1]

        if self._until(LOG_SECONDS, is_readable):
            return None
        return (
            f"The canary's task on the queue {queue.name} ran on {task.get('hostname')} ({_any(queue.servers)}), but its log cannot be "
            f"read: {reason_of(texts[-1])}"
        )


def _task_id(number: int) -> str:
    """The task of the queue with this number, as the DAG names it."""
    return f"queue_{number}"


def _any(servers: Sequence[str]) -> str:
    return " or ".join(servers) or "Airflow"
