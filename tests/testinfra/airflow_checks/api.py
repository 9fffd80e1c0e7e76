# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client of Airflow's REST API, for 2.11 (/api/v1) and 3.3 (/api/v2) alike.

airflow = api.connect("http://127.0.0.1:8080", "jane", "secret")
run_id = airflow.trigger("hello")
assert airflow.wait_for_run("hello", run_id)["state"] == "success"
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar
from urllib.parse import quote

import requests

Answer = dict[str, Any]
Got = TypeVar("Got")

SECONDS_PER_REQUEST = 30
SECONDS_BETWEEN_LOOKS = 0.5
ENDED = ("success", "failed")
LINES = {2: {"api": "/api/v1", "health": "/health"}, 3: {"api": "/api/v2", "health": "/api/v2/monitor/health"}}


def wait_until(what: str, look: Callable[[], Got | None], seconds: float) -> Got:
    """Look again and again until there is something to see; after the deadline, fail with what was waited for."""
    deadline = time.monotonic() + seconds
    last_error: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if seen := look():
                return seen
        except (requests.ConnectionError, requests.Timeout) as error:
            last_error = error
        time.sleep(SECONDS_BETWEEN_LOOKS)
    raise TimeoutError(f"Waited {seconds:.0f} s for {what}." + (f" Last error: {last_error}" if last_error else ""))


def line_at(base_url: str, seconds: float = 60) -> int:
    """Return 2 or 3, whichever answers at the address, as soon as something does."""

    def look() -> int:
        for line in (3, 2):
            if requests.get(base_url + LINES[line]["health"], timeout=SECONDS_PER_REQUEST, allow_redirects=False).ok:
                return line
        return 0

    return wait_until(f"Airflow at {base_url}", look, seconds)


def health(base_url: str, line: int) -> Answer:
    """Return what the health page says; nobody needs to log in for it."""
    answer: Answer = _checked(requests.get(base_url + LINES[line]["health"], timeout=SECONDS_PER_REQUEST)).json()
    return answer


def wait_healthy(base_url: str, line: int, parts: tuple[str, ...] = ("metadatabase", "scheduler"), seconds: float = 120) -> Answer:
    """Wait until all the named parts are healthy."""

    def look() -> Answer | None:
        said = health(base_url, line)
        return said if all((said.get(part) or {}).get("status") == "healthy" for part in parts) else None

    return wait_until(f"{', '.join(parts)} of {base_url} to be healthy", look, seconds)


def _checked(response: requests.Response) -> requests.Response:
    if not response.ok:
        request = response.request
        raise AssertionError(f"{request.method} {request.url} answered {response.status_code}: {response.text[:1000]}")
    return response


def connect(base_url: str, username: str, password: str, line: int = 0) -> Client:
    """Log in: with the password at every request on 2.11, for a token on 3.3. A wrong password is an AssertionError."""
    line = line or line_at(base_url)
    session = requests.Session()
    if line == 3:
        answer = session.post(f"{base_url}/auth/token", json={"username": username, "password": password}, timeout=SECONDS_PER_REQUEST)
        session.headers["Authorization"] = f"Bearer {_checked(answer).json()['access_token']}"
    else:
        # As UTF-8, so that a password may hold any character.
        session.auth = (username.encode(), password.encode())  # type: ignore[assignment]
    client = Client(base_url, line, session)
    client.get("/dags?limit=1")
    return client


def path(*parts: str) -> str:
    """Return a path of quoted parts."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


@dataclass
class Client:
    """Somebody who is logged in."""

    base_url: str
    line: int
    session: requests.Session

    def request(self, method: str, where: str, **arguments: Any) -> requests.Response:
        """Send a request; an answer that is no success is an AssertionError that shows it."""
        url = self.base_url + LINES[self.line]["api"] + where
        return _checked(self.session.request(method, url, timeout=SECONDS_PER_REQUEST, **arguments))

    def get(self, where: str) -> Answer:
        """Return an object."""
        answer: Answer = self.request("GET", where).json()
        return answer

    def version(self) -> str:
        """Return the version that is running."""
        return str(self.get("/version")["version"])

    def every(self, where: str, name: str, page: int = 100) -> list[Answer]:
        """Return all objects of a list, page by page."""
        found: list[Answer] = []
        while True:
            joint = "&" if "?" in where else "?"
            answer = self.get(f"{where}{joint}limit={page}&offset={len(found)}")
            found += answer[name]
            if not answer[name] or len(found) >= answer["total_entries"]:
                return found

    # --- DAGs and runs ------------------------------------------------------------------------------------------------

    def dag(self, dag_id: str) -> Answer:
        """Return a DAG."""
        return self.get(path("dags", dag_id))

    def wait_for_dag(self, dag_id: str, seconds: float = 120) -> Answer:
        """Wait until a DAG is known and can be run."""

        def look() -> Answer | None:
            response = self.session.get(self.base_url + LINES[self.line]["api"] + path("dags", dag_id), timeout=SECONDS_PER_REQUEST)
            if response.status_code == 404:
                return None
            found: Answer = _checked(response).json()
            return found if found.get("is_active", not found.get("is_stale")) else None

        return wait_until(f"the DAG {dag_id}", look, seconds)

    def pause(self, dag_id: str, is_paused: bool) -> None:
        """Pause a DAG, or let it run."""
        self.request("PATCH", path("dags", dag_id), json={"is_paused": is_paused})

    def trigger(self, dag_id: str, conf: Answer | None = None) -> str:
        """Ask for a run; return its id."""
        asked: Answer = {"dag_run_id": f"check_{uuid.uuid4().hex}", "conf": conf or {}}
        if self.line == 3:
            asked["logical_date"] = None
        return str(self.request("POST", path("dags", dag_id, "dagRuns"), json=asked).json()["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> Answer:
        """Return a run."""
        return self.get(path("dags", dag_id, "dagRuns", run_id))

    def runs(self, dag_id: str) -> list[Answer]:
        """Return all runs of a DAG."""
        return self.every(path("dags", dag_id, "dagRuns"), "dag_runs")

    def wait_for_run(self, dag_id: str, run_id: str, states: tuple[str, ...] = ENDED, seconds: float = 300) -> Answer:
        """Wait until a run is in one of the states."""

        def look() -> Answer | None:
            found = self.run(dag_id, run_id)
            return found if found["state"] in states else None

        return wait_until(f"run {run_id} of {dag_id} to be {' or '.join(states)}", look, seconds)

    def end_run(self, dag_id: str, run_id: str) -> None:
        """Let a run fail, so that none of its tasks starts any more."""
        self.request("PATCH", path("dags", dag_id, "dagRuns", run_id), json={"state": "failed"})

    def tasks(self, dag_id: str, run_id: str) -> list[Answer]:
        """Return the task instances of a run, with `start_date` and `end_date`."""
        return self.every(path("dags", dag_id, "dagRuns", run_id, "taskInstances"), "task_instances")

    def wait_for_task(self, dag_id: str, run_id: str, task_id: str, states: tuple[str, ...], seconds: float = 120) -> Answer:
        """Wait until a task is in one of the states."""

        def look() -> Answer | None:
            for task in self.tasks(dag_id, run_id):
                if task["task_id"] == task_id and task["state"] in states:
                    return task
            return None

        return wait_until(f"task {task_id} of {run_id} to be {' or '.join(states)}", look, seconds)

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1) -> str:
        """Return the text of a task's log as the API gives it; what went wrong in getting it is in the text too."""
        where = path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", str(attempt))
        if self.line == 2:
            return self.request("GET", f"{where}?full_content=true", headers={"Accept": "text/plain"}).text
        content = self.request("GET", f"{where}?full_content=true", headers={"Accept": "application/json"}).json()["content"]
        return "\n".join(event if isinstance(event, str) else str(event.get("event", event)) for event in content)

    def what_failed(self, dag_id: str, run_id: str) -> str:
        """Return the tasks of a run that did not succeed, with the ends of their logs; for the reader of a failed test."""
        told = []
        for task in self.tasks(dag_id, run_id):
            if task["state"] != "success":
                log = self.log(dag_id, run_id, task["task_id"], task["try_number"])[-2000:] if task["try_number"] else ""
                told.append(f"{task['task_id']} of {run_id} is {task['state']}: {task}\n{log}")
        return "\n".join(told)

    # --- other objects ------------------------------------------------------------------------------------------------

    def connections(self) -> dict[str, Answer]:
        """Return all connections by id, as far as the API shows them."""
        return {found["connection_id"]: found for found in self.every("/connections", "connections")}

    def variables(self) -> dict[str, str | None]:
        """Return all variables; 3.3 hides values whose name sounds like a secret."""
        return {found["key"]: found["value"] for found in self.every("/variables", "variables")}

    def variable(self, key: str) -> str | None:
        """Return the value of a variable."""
        value: str | None = self.get(path("variables", key))["value"]
        return value

    def pools(self) -> dict[str, Answer]:
        """Return all pools by name."""
        return {found["name"]: found for found in self.every("/pools", "pools")}

    def import_errors(self) -> list[Answer]:
        """Return the files that could not be parsed."""
        return self.every("/importErrors", "import_errors")


def instant(text: str) -> datetime:
    """Return a moment of an answer."""
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def most_at_once(tasks: list[Answer]) -> int:
    """Return how many of the tasks ran at the same moment, at most."""
    changes = []
    for task in tasks:
        if task["start_date"] and task["end_date"]:
            changes += [(instant(task["start_date"]), 1), (instant(task["end_date"]), -1)]
    running = most = 0
    # Of an end and a start at one moment the end comes first: they did not overlap.
    for _when, change in sorted(changes):
        running += change
        most = max(most, running)
    return most


def seconds_taken(tasks: list[Answer]) -> float:
    """Return the time from the first start to the last end."""
    started = [instant(task["start_date"]) for task in tasks if task["start_date"]]
    ended = [instant(task["end_date"]) for task in tasks if task["end_date"]]
    return (max(ended) - min(started)).total_seconds()
