# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing after the other fails while tasks, requests and writes go on. Each comes back by itself, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from airflow_checks import api, hosts, load, writes
from airflow_checks.fixtures import CHECKOUT, Installation

TABLE = CHECKOUT / ".cache" / "faults.json"
SECONDS_BEFORE = 8
SECONDS_AFTER = 45
SECONDS_UNTIL_BACK = 240
SECONDS_BETWEEN_ASKING = 0.25
ANSWER_SECONDS = 5
UNITS = ("airflow-*.service", "patroni.service", "etcd.service", "rabbitmq-server.service", "nginx.service")
Find = Callable[[Any], str]


def inside(name: str, *words: str) -> str:
    """Run a command on a host, by its container."""
    return subprocess.run(["docker", "exec", name, *words], capture_output=True, text=True, check=True).stdout


def docker(*words: str) -> None:
    """Do something to a host from outside."""
    subprocess.run(["docker", *words], capture_output=True, check=True)


def kill(unit: str, signal: str = "KILL", whom: str = "all") -> Callable[[str], None]:
    """Send a signal to a unit's processes."""

    def send(host: str) -> None:
        inside(host, "systemctl", "kill", f"--kill-whom={whom}", f"--signal={signal}", unit)

    return send


def first(group: str) -> Find:
    """The first host of a group."""
    return lambda find: str(next(iter(find(group))))


def leader(_find: Any) -> str:
    """The host of the database's leader."""
    for number in (1, 2, 3):
        host = f"updraft-cluster-s{number}"
        if "f" in inside(host, "runuser", "-u", "postgres", "--", "psql", "-Atc", "SELECT pg_is_in_recovery()"):
            return host
    raise AssertionError("No database leads.")


def follower(find: Any) -> str:
    """The host of a database that does not lead."""
    return next(str(host) for host in find("airflow_metadata_db") if host != leader(find))


def nothing(_host: str) -> None:
    """What failed comes back by itself."""


@dataclass(frozen=True)
class Fault:
    """What fails, how, and for how long nothing may happen."""

    name: str
    where: Find
    inject: Callable[[str], None]
    heal: Callable[[str], None] = nothing
    kills_tasks: bool = False
    no_start: float = 45
    no_answer: float = 6
    no_write: float = 25


stop_signal, continue_signal = (kill("airflow-webserver", signal) for signal in ("STOP", "CONT"))
FAULTS = (
    Fault("a scheduler is killed", first("airflow_scheduler"), kill("airflow-scheduler"), no_start=10, no_write=3),
    Fault("a webserver is killed", first("airflow_webserver"), kill("airflow-webserver"), no_start=10, no_write=3),
    Fault(
        "a webserver hangs", first("airflow_webserver"), kill("airflow-webserver", "STOP"), kill("airflow-webserver", "CONT"), no_write=3
    ),
    Fault("a worker is killed", first("airflow_worker"), kill("airflow-worker"), kills_tasks=True, no_write=3),
    Fault("the database's server process is killed", leader, kill("patroni"), no_write=25),
    Fault("the host of the database's leader is lost", leader, lambda host: docker("kill", host), lambda host: docker("start", host)),
    Fault("a broker is killed", first("airflow_broker"), kill("rabbitmq-server"), no_start=15, no_write=3),
    Fault("a member of etcd is killed", follower, kill("etcd"), no_write=3),
)


@dataclass
class Asked:
    """How the page answered."""

    answers: list[tuple[float, bool]]

    def longest_gap(self, since: float) -> float:
        """The longest time without an answer, from a moment on."""
        moments = [since, *(sent for sent, good in self.answers if good and sent > since)]
        return max((later - earlier for earlier, later in zip(moments, moments[1:])), default=0.0)


@contextmanager
def asking(url: str) -> Iterator[Asked]:
    """Ask for a page all the time."""
    asked, stopped = Asked([]), threading.Event()

    def ask() -> None:
        while not stopped.is_set():
            sent = time.time()
            try:
                good = requests.get(f"{url}/api/v2/version", timeout=ANSWER_SECONDS).ok
            except requests.RequestException:
                good = False
            asked.answers.append((sent, good))
            stopped.wait(SECONDS_BETWEEN_ASKING)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield asked
    finally:
        stopped.set()
        thread.join()


def all_up(find: Any) -> bool:
    """Whether every unit of every host runs."""
    for host in find("airflow").values():
        for pattern in UNITS:
            if any(unit.active != "active" for unit in hosts.units(host, pattern).values()):
                return False
    return True


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_is_lost(fault: Fault, installation: Installation, group: Callable[[str], dict[str, Any]]) -> None:
    with writes.writes(installation) as written, asking(installation.base_url) as asked, load.load(installation) as runs:
        time.sleep(SECONDS_BEFORE)
        where = fault.where(group)
        at = time.time()
        fault.inject(where)
        time.sleep(SECONDS_AFTER)
        fault.heal(where)
        runs.stopped.set()
        runs.wait()
        seen = {
            "fault": fault.name,
            "where": where,
            "no task started (s)": round(runs.longest_gap(at), 1),
            "no page (s)": round(asked.longest_gap(at), 1),
            "no write (s)": round(written.longest_gap(at), 1),
            "runs": len(runs.asked),
            "tasks cut off": runs.retried(),
            "problems": runs.problems(fault.kills_tasks),
            "writes lost": len(written.lost()),
        }
    print("RESULT", json.dumps(seen))
    table = {one["fault"]: one for one in json.loads(TABLE.read_text(encoding="utf-8"))} if TABLE.exists() else {}
    TABLE.write_text(json.dumps(list({**table, fault.name: seen}.values()), indent=2) + "\n", encoding="utf-8")
    assert seen["problems"] == []
    assert seen["writes lost"] == 0
    assert seen["no task started (s)"] <= fault.no_start
    assert seen["no page (s)"] <= fault.no_answer
    assert seen["no write (s)"] <= fault.no_write
    api.wait_until("everything to run again", lambda: all_up(group) or None, SECONDS_UNTIL_BACK)
