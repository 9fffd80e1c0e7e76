# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary's flight against an Airflow of a few dictionaries: what it says of each queue, and that nothing of it stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from ansible_collections.updraft.airflow.plugins.module_utils._api_http import ApiError
from ansible_collections.updraft.airflow.plugins.module_utils._canary import Canary, Flight, Queue, Site, task_id
from ansible_collections.updraft.airflow.plugins.module_utils._canary_api import CanaryApi
from ansible_collections.updraft.airflow.plugins.module_utils._canary_names import BUNDLE, DAG_ID, POOL

ROLE = Path(__file__).parents[4] / "roles" / "common"
DAG_FILE = ROLE / "files" / "canary.py"
DEFAULT = Queue("default", ("airflow-worker on h1", "airflow-worker on h2"), 4, ("default",))
REPORTS = Queue("reports", ("airflow-worker@reports on h1",), 2, ("reports", "slow"))
RUN = re.compile(r"/dagRuns/(canary__\w+|left)")


class Airflow:
    """The API of either version. Tasks are in the states given; logs say what their function makes of the song."""

    def __init__(self, version: str = "v2", states: dict[str, str | None] | None = None) -> None:
        self.version = version
        self.states = states or {}
        self.log: Callable[[str], str] = lambda song: f"The canary sings {song}"
        self.busy: dict[str, int] = {}
        self.dag: dict[str, Any] | None = {"is_paused": False, **({"is_active": True} if version == "v1" else {"is_stale": False})}
        self.queues = ["default", "reports"]
        self.pools: dict[str, int] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.import_errors: list[dict[str, str]] = []
        self.refused: dict[tuple[str, str], list[int]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.conf: dict[str, Any] = {}
        self.comes_back = 0
        self.heartbeat: str | None = "2026-01-01T00:00:00Z"

    def request(self, method: str, path: str, body: Any = None) -> Any:
        parts = urlsplit(path)
        assert parts.path.startswith(f"/api/{self.version}/")
        place = unquote(parts.path.removeprefix(f"/api/{self.version}"))
        self.requests.append((method, place, body))
        for (verb, pattern), statuses in self.refused.items():
            if method == verb and re.search(pattern, place) and statuses:
                raise ApiError(f"HTTP {statuses[0]}: no", statuses.pop(0))
        return self._answer(method, place, body, parse_qs(parts.query))

    def collect(self, path: str, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.request("GET", path)[name]
        return found

    def _answer(self, method: str, place: str, body: Any, query: dict[str, list[str]]) -> Any:
        if place == "/importErrors":
            return {"import_errors": self.import_errors}
        if place in ("/health", "/monitor/health"):
            return {"scheduler": {"latest_scheduler_heartbeat": self.heartbeat}}
        if place.startswith("/pools"):
            return self._pool(method, place, body)
        if place == "/dags/~/dagRuns/~/taskInstances":
            return {"total_entries": sum(self.busy[queue] for queue in query.get("queue", list(self.busy)))}
        if place == f"/dags/{DAG_ID}/dagRuns/~/taskInstances":
            return {"total_entries": 0}
        if self.dag is None:
            raise ApiError("HTTP 404: not found", 404)
        run = RUN.search(place)
        return self._run(method, place, body, run[1]) if run else self._dag(method, place, body)

    def _pool(self, method: str, place: str, body: Any) -> Any:
        if method == "POST":
            self.pools[body["name"]] = body["slots"]
        elif method == "DELETE" and self.pools.pop(place.removeprefix("/pools/"), None) is None:
            raise ApiError("HTTP 404: not found", 404)
        return {}

    def _dag(self, method: str, place: str, body: Any) -> Any:
        assert self.dag is not None
        if place.endswith("/tasks"):
            return {"tasks": [{"task_id": task_id(number), "queue": queue} for number, queue in enumerate(self.queues)]}
        if place.endswith("/dagRuns"):
            if method == "POST":
                assert not self.dag["is_paused"]
                assert ("logical_date" in body) == (self.version != "v1")
                self.conf = body["conf"]
                self.runs[body["dag_run_id"]] = {"dag_run_id": body["dag_run_id"], "state": "running"}
            return {"dag_runs": list(self.runs.values())}
        if method == "PATCH":
            self.dag.update(body)
        elif method == "DELETE":
            assert not self.runs
            self.comes_back -= 1
            self.dag = self.dag if self.comes_back >= 0 else None
        return self.dag

    def _run(self, method: str, place: str, body: Any, run: str) -> Any:
        if place.endswith("/taskInstances"):
            tasks = [{"task_id": task, "state": state, "hostname": "h1", "duration": 0.25} for task, state in self.states.items()]
            return {"task_instances": tasks}
        if "/logs/1" in place:
            text = self.log(self.conf["song"])
            return {"content": repr([("h1", text)]) if self.version == "v1" else [{"event": line} for line in text.splitlines()]}
        if method == "PATCH":
            self.runs[run].update(body)
        elif method == "DELETE":
            if self.runs[run]["state"] == "running":
                raise ApiError("HTTP 409: it runs", 409)
            del self.runs[run]
        elif self.runs[run]["state"] == "running":
            self.runs[run]["state"] = "success"
            return {"state": "running"}
        return self.runs.get(run)

    def left(self) -> tuple[Any, ...]:
        """What should all be empty."""
        return self.dag, self.pools, self.runs


class Clock:
    """Time that passes when somebody waits."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def canary(airflow: Airflow, *queues: Queue, slots: int = 16) -> Canary:
    clock = Clock()
    site = Site(queues or (DEFAULT, REPORTS), ("airflow-scheduler on h1",), ("airflow-dag-processor on h1",), slots)
    return Canary(CanaryApi(airflow, clock, clock.pause), site, 60)


def flown(airflow: Airflow, **keywords: Any) -> Flight:
    """The flight, after which nothing is left."""
    flight = canary(airflow, **keywords).fly()
    assert airflow.left() == (None, {}, {})
    return flight


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_it_sings_on_every_queue_and_leaves_nothing(version: str) -> None:
    airflow = Airflow(version, {"queue_0": "success", "queue_1": "success"})
    flight = flown(airflow)
    assert (flight.problems, flight.busy) == ([], [])
    assert flight.sung == [{"queue": "default", "host": "h1", "seconds": 0.2}, {"queue": "reports", "host": "h1", "seconds": 0.2}]
    assert ("POST", "/pools", {"name": POOL, "slots": 2, "description": "The canary's, while it flies."}) in airflow.requests
    # The run had ended before it was removed.
    assert not [request for request in airflow.requests if request[0] == "PATCH"]


def test_what_an_earlier_one_left_is_removed_first() -> None:
    airflow = Airflow(states={"queue_0": "success", "queue_1": "success"})
    airflow.runs["left"] = {"dag_run_id": "left", "state": "running"}
    airflow.pools[POOL] = 1
    assert flown(airflow).problems == []
    assert [request[:2] for request in airflow.requests][:4] == [
        ("GET", f"/dags/{DAG_ID}/dagRuns"),
        ("PATCH", f"/dags/{DAG_ID}/dagRuns/left"),
        ("DELETE", f"/dags/{DAG_ID}/dagRuns/left"),
        ("DELETE", f"/pools/{POOL}"),
    ]


def test_a_paused_dag_runs() -> None:
    airflow = Airflow(states={"queue_0": "success", "queue_1": "success"})
    assert airflow.dag
    airflow.dag["is_paused"] = True
    assert flown(airflow).problems == []


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            "queued",
            "Nobody took the canary's task from the queue reports within 60 seconds (it is queued): airflow-worker@reports on h1 should "
            "have; look at its journal there.",
        ),
        (
            "scheduled",
            "The scheduler did not send the canary's task to the queue reports within 60 seconds (it is scheduled, and its run is running; "
            "a scheduler was last seen at 2026-01-01T00:00:00Z): look at the journal of airflow-scheduler on h1.",
        ),
        (
            None,
            "The scheduler did not send the canary's task to the queue reports within 60 seconds (it is not scheduled, and its run is "
            "running; a scheduler was last seen at 2026-01-01T00:00:00Z): look at the journal of airflow-scheduler on h1.",
        ),
        (
            "running",
            "The canary's task on the queue reports did not end within 60 seconds (it is running on h1): look at the journal of "
            "airflow-worker@reports on h1.",
        ),
        (
            "failed",
            "The canary's task on the queue reports ended as failed on h1 (airflow-worker@reports on h1): one two",
        ),
    ],
)
def test_a_queue_whose_task_does_not_end_well(state: str | None, sentence: str) -> None:
    airflow = Airflow(states={"queue_0": "success", "queue_1": state})
    airflow.busy = {"default": 3, "reports": 1, "slow": 0}
    airflow.log = lambda song: f"{song}" if state != "failed" else "::group::start\none\ntwo"
    flight = canary(airflow).fly()
    assert flight.problems[-1] == sentence
    assert flight.busy == []
    assert airflow.left() == (None, {}, {})


def test_a_scheduler_that_was_never_seen() -> None:
    airflow = Airflow("v1", {"queue_0": "success", "queue_1": None})
    airflow.busy = {"default": 0, "reports": 0, "slow": 0}
    airflow.heartbeat = None
    assert "a scheduler was never seen): look" in flown(airflow).problems[-1]


def test_a_queue_whose_slots_are_taken_is_busy() -> None:
    airflow = Airflow("v1", {"queue_0": "success", "queue_1": "queued"})
    airflow.busy = {"default": 0, "reports": 0, "slow": 2}
    flight = flown(airflow)
    assert (flight.problems, len(flight.sung)) == ([], 1)
    assert flight.busy == [
        "The canary's task on the queue reports found no free slot within 60 seconds (it is queued): other tasks that run or are queued: "
        "2, slots of airflow-worker@reports on h1: 2."
    ]


def test_schedulers_whose_slots_are_taken_are_busy() -> None:
    airflow = Airflow(states={"queue_0": "scheduled", "queue_1": "success"})
    airflow.busy = {"default": 1, "reports": 0, "slow": 0, "elsewhere": 15}
    flight = flown(airflow)
    assert flight.problems == []
    assert flight.busy == [
        "The canary's task on the queue default found no free slot within 60 seconds (it is scheduled): other tasks that run or are "
        "queued: 16, [core] parallelism of all schedulers: 16."
    ]


def test_without_a_limit_nothing_is_busy() -> None:
    airflow = Airflow(states={"queue_0": "scheduled"})
    airflow.queues = ["default"]
    airflow.busy = {"default": 1000}
    flight = canary(airflow, Queue("default", ("airflow-scheduler on h1",), 0), slots=0).fly()
    assert (flight.busy, len(flight.problems)) == ([], 1)


def test_an_answer_of_200_is_no_log() -> None:
    airflow = Airflow(states={"queue_0": "success", "queue_1": "success"})
    airflow.log = lambda _song: "Could not read served logs: Client error '403 FORBIDDEN' for url 'http://h1:8793/log'"
    assert flown(airflow).problems[0] == (
        "The canary's task on the queue default ran on h1 (airflow-worker on h1 or airflow-worker on h2), but its log cannot be read: the "
        "log server refuses the webserver; give both the same secret key, and clocks that agree."
    )


def test_a_log_may_come_a_little_later() -> None:
    airflow = Airflow(states={"queue_0": "success", "queue_1": "success"})
    answers = iter(["", "not yet"])
    airflow.log = lambda song: next(answers, f"The canary sings {song}")
    assert flown(airflow).problems == []


def test_a_dag_that_nobody_parses() -> None:
    airflow = Airflow()
    airflow.queues = ["default"]
    assert flown(airflow).problems == [
        "The canary's DAG is not there within 60 seconds: look at the journal of airflow-dag-processor on h1, which should have parsed it."
    ]


@pytest.mark.parametrize("mark", [{"is_stale": True}, {"is_active": False}])
def test_a_dag_of_yesterday_is_none(mark: dict[str, bool]) -> None:
    airflow = Airflow(states={"queue_0": "success", "queue_1": "success"})
    assert airflow.dag
    airflow.dag.update(mark)
    assert "is not there" in flown(airflow).problems[0]


def test_a_dag_that_does_not_parse() -> None:
    airflow = Airflow()
    airflow.dag = None
    airflow.import_errors = [
        {"bundle_name": "dags-folder", "stack_trace": "another"},
        {"bundle_name": BUNDLE, "stack_trace": "Traceback:\n  deep\nPolicyViolation: every DAG needs an owner\n"},
    ]
    assert flown(airflow).problems == ["The canary's DAG does not parse: Traceback: deep PolicyViolation: every DAG needs an owner"]


def test_what_is_refused_is_told_and_the_rest_is_removed() -> None:
    airflow = Airflow()
    airflow.refused = {("POST", "/dagRuns$"): [400]}
    assert flown(airflow).problems == ["The canary could not be run: HTTP 400: no"]


def test_what_cannot_be_removed_is_told_too() -> None:
    airflow = Airflow(states={"queue_0": "success", "queue_1": "success"})
    airflow.refused = {("DELETE", f"/dags/{DAG_ID}$"): [500]}
    flight = canary(airflow).fly()
    assert (len(flight.sung), flight.problems) == (2, ["The canary could not be removed: HTTP 500: no"])


def test_a_task_that_was_told_to_end_may_need_a_moment() -> None:
    airflow = Airflow(states={"queue_0": "success", "queue_1": "success"})
    airflow.refused = {("DELETE", f"/dags/{DAG_ID}$"): [409, 409, 409]}
    assert flown(airflow).problems == []


def test_a_dag_that_was_parsed_again_meanwhile_is_removed_once_more() -> None:
    airflow = Airflow()
    airflow.comes_back = 1
    canary(airflow).remove()
    assert airflow.left() == (None, {}, {})


def test_each_run_has_a_song_of_its_own() -> None:
    songs = set()
    for _ in range(2):
        airflow = Airflow(states={"queue_0": "success", "queue_1": "success"})
        flown(airflow)
        songs.add(airflow.conf["song"])
    assert len(songs) == 2


def test_the_file_and_the_module_mean_the_same_dag() -> None:
    text = DAG_FILE.read_text(encoding="utf-8")
    assert f'dag_id="{DAG_ID}"' in text
    assert f'pool="{POOL}"' in text
    assert 'task_id=f"queue_{number}"' in text and task_id(7) == "queue_7"
    # What the role puts the queues in place of.
    assert text.count('QUEUES = ["default"]') == 1


def test_between_flights_no_dag_processor_looks_into_the_file() -> None:
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
    # By default Airflow parses what has both words in it.
    content = variables["__airflow_canary_file"]["content"].lower()
    assert "airflow" in content and "dag" not in content
