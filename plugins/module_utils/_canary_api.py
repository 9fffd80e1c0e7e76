# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the canary asks of Airflow's REST API, in either of its generations."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from ._api_http import ApiError
from ._canary_log import log_text
from ._canary_names import BUNDLE, DAG_ID, POOL

ENDED = ("success", "failed", "upstream_failed", "skipped", "removed")
PAUSE_SECONDS = 0.5
PATIENCE_SECONDS = 20.0
NOT_FOUND = 404
CONFLICT = 409
DAG = f"/dags/{DAG_ID}"


class Client(Protocol):
    """A client that is logged in; `version` is v1 or v2."""

    version: str

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer. Raises ApiError."""

    def collect(self, path: str, name: str) -> list[dict[str, Any]]:
        """All objects of a list. Raises ApiError."""


class CanaryApi:
    """Every method raises ApiError for what is refused."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic, pause: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._root = ""
        self.clock = clock
        self.pause = pause

    def until(self, seconds: float, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; whether it came true in time."""
        deadline = self.clock() + seconds
        while not condition():
            if self.clock() >= deadline:
                return False
            self.pause(PAUSE_SECONDS)
        return True

    def knock(self) -> None:
        """Ask for something that only a known user gets."""
        self._get("/pools", limit=1)

    def remove_runs(self) -> None:
        """Remove every run that is there: also those that an earlier canary left because it was killed."""
        for run in self._all(f"{DAG}/dagRuns", "dag_runs"):
            path = f"{DAG}/dagRuns/{quote(run['dag_run_id'])}"
            if run["state"] not in ENDED:
                # What runs is told to end, and a run that is under way is not deleted.
                self._send("PATCH", path, {"state": "failed"})
            self._delete(path)

    def remove(self) -> None:
        """Remove the runs, the DAG and the pool. What is gone already is no failure."""
        self.remove_runs()
        self._delete(DAG)
        self._delete(f"/pools/{POOL}")

    def has_dag(self) -> bool:
        """Whether there is a DAG, in whatever state."""
        return self._find(DAG) is not None

    def make_pool(self, slots: int) -> None:
        """A pool of its own: it neither waits for a slot of the users' pools nor takes one."""
        self._delete(f"/pools/{POOL}")
        self._send("POST", "/pools", {"name": POOL, "slots": slots, "description": "The canary's, while it flies."})

    def dag_queues(self) -> dict[str, str]:
        """The tasks of the DAG with their queues; empty while there is no such DAG that could run."""
        dag = self._find(DAG)
        if dag is None or dag.get("is_stale") or dag.get("is_active") is False:
            return {}
        return {task["task_id"]: task["queue"] for task in (self._find(f"{DAG}/tasks") or {}).get("tasks", [])}

    def import_error(self) -> str:
        """Why Airflow 3 could not parse the file, empty when it did not say so."""
        errors = self._all("/importErrors", "import_errors")
        return next((str(error["stack_trace"]) for error in errors if error.get("bundle_name") == BUNDLE), "")

    def trigger(self, run: str, conf: Mapping[str, Any]) -> None:
        """Start a run, also of a DAG that somebody paused."""
        if self._get(DAG)["is_paused"]:
            self._send("PATCH", DAG, {"is_paused": False})
        # Airflow 3 wants to be told that the run stands for no time.
        moment = {} if self._client.version == "v1" else {"logical_date": None}
        self._send("POST", f"{DAG}/dagRuns", {"dag_run_id": run, "conf": conf, **moment})

    def run_state(self, run: str) -> str:
        """What the scheduler has made of the run."""
        return str(self._get(f"{DAG}/dagRuns/{quote(run)}")["state"])

    def scheduler_heartbeat(self) -> str:
        """When the scheduler that was seen last gave its last sign of life; empty where none did."""
        page = "/health" if self._client.version == "v1" else "/monitor/health"
        return str(self._get(page)["scheduler"]["latest_scheduler_heartbeat"] or "")

    def tasks(self, run: str) -> dict[str, dict[str, Any]]:
        """The task instances of a run by their names."""
        return {task["task_id"]: task for task in self._all(f"{DAG}/dagRuns/{quote(run)}/taskInstances", "task_instances")}

    def log(self, run: str, task: Mapping[str, Any]) -> str:
        """The text that is shown as a task's log."""
        number = task.get("try_number") or 1
        return log_text(self._get(f"{DAG}/dagRuns/{quote(run)}/taskInstances/{task['task_id']}/logs/{number}", full_content="true"))

    def others(self, queues: Sequence[str]) -> int:
        """How many tasks but the canary's run or are queued, in some queues or in all of them."""
        wanted: dict[str, Any] = {"state": ["running", "queued"], "limit": 1, **({"queue": list(queues)} if queues else {})}
        found = self._get("/dags/~/dagRuns/~/taskInstances", **wanted)["total_entries"]
        own = self._get(f"{DAG}/dagRuns/~/taskInstances", **wanted)["total_entries"]
        return int(found) - int(own)

    def _path(self, path: str) -> str:
        return f"/api/{self._client.version}{path}"

    def _get(self, path: str, **parameters: Any) -> Any:
        query = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
        return self._client.request("GET", self._path(path) + query)

    def _send(self, method: str, path: str, body: Any = None) -> None:
        self._client.request(method, self._path(path), body)

    def _find(self, path: str) -> Any:
        """The same, None for what is not there."""
        try:
            return self._get(path)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return None

    def _all(self, path: str, name: str) -> list[dict[str, Any]]:
        try:
            return self._client.collect(self._path(path), name)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return []

    def _delete(self, path: str) -> None:
        """Remove what may be gone already. A task that was told to end may need a moment."""
        deadline = self.clock() + PATIENCE_SECONDS
        while True:
            try:
                return self._send("DELETE", path)
            except ApiError as error:
                if error.status == NOT_FOUND:
                    return None
                if error.status != CONFLICT or self.clock() >= deadline:
                    raise
            self.pause(PAUSE_SECONDS)
