# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing after the other fails while tasks, requests and writes go on. Each comes back by itself, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow_checks import api, asking, breaking, fault_table, hosts, load, writes
from airflow_checks.breaking import Action, inside, send
from airflow_checks.fixtures import CHECKOUT, Installation

RESULTS = Path(__file__).with_name("results.json")
"""What was seen of each fault when it was last run, so that one that is run alone does not take the others off the page."""

PAGE = CHECKOUT / "docs" / "faults.md"
SECONDS_BEFORE = 8
SECONDS_UNTIL_BACK = 240
SECONDS_UNTIL_OUT = 5
"""A webserver that hangs is out of the load balancer by then (its probe asks twice a second, and gives it 1.75 each time)."""

RETRY_SECONDS = 75
MEMBERS = 3
SHARED = "198.18.0.208"
UNITS = ("airflow-*.service", "patroni.service", "etcd.service", "rabbitmq-server.service", "nginx.service", "keepalived.service")
Group = Callable[[str], dict[str, Any]]
Find = Callable[[Group], list[str]]


def of(group: str, number: int = 0) -> Find:
    """A host of a group, by its number in the inventory."""
    return lambda find: [sorted(find(group))[number]]


def _leads(name: str) -> bool:
    return "f" in inside(name, "runuser", "-u", "postgres", "--", "psql", "-Atc", "SELECT pg_is_in_recovery()")


def leader(find: Group) -> list[str]:
    """The host of the database's leader."""
    return [next(name for name in sorted(find("airflow_metadata_db")) if _leads(name))]


def follower(find: Group) -> list[str]:
    """The host of a database that does not lead."""
    return [next(name for name in sorted(find("airflow_metadata_db")) if not _leads(name))]


def followers(find: Group) -> list[str]:
    """All of them."""
    return [name for name in sorted(find("airflow_metadata_db")) if not _leads(name)]


def serving(find: Group) -> list[str]:
    """The load balancer that has the shared address."""
    return [next(name for name in sorted(find("airflow_load_balancer")) if f" {SHARED}/" in inside(name, "ip", "-4", "addr"))]


def every_master(find: Group) -> list[str]:
    """All hosts with a connection to the database."""
    return sorted(find("airflow_scheduler"))


def all_hosts(find: Group) -> list[str]:
    """The whole cluster."""
    return sorted(find("airflow"))


@dataclass(frozen=True)
class Fault:
    """What fails, how, and for how many seconds nothing may happen: no task begins, no page is answered, no write is acknowledged."""

    name: str
    where: Find
    inject: Action
    heal: Action = breaking.nothing
    lasts: float = 30
    kills_tasks: bool = False
    spares_pages: bool = False
    no_task: float = 45
    no_page: float = 6
    no_write: float | None = 3


HANGS, GOES_ON = "STOP", "CONT"
FAULTS = (
    Fault("nothing", of("airflow_scheduler"), breaking.nothing, no_task=10, no_page=2),
    *(
        Fault(f"scheduler {number + 1} is killed", of("airflow_scheduler", number), send("airflow-scheduler"), no_task=10)
        for number in range(2)
    ),
    Fault("a scheduler hangs", of("airflow_scheduler", 1), send("airflow-scheduler", HANGS), send("airflow-scheduler", GOES_ON)),
    *(
        Fault(f"webserver {number + 1} is killed", of("airflow_webserver", number), send("airflow-webserver"), spares_pages=True)
        for number in range(2)
    ),
    Fault(
        "a webserver hangs",
        of("airflow_webserver"),
        send("airflow-webserver", HANGS),
        send("airflow-webserver", GOES_ON),
        spares_pages=True,
    ),
    Fault("a DAG processor is killed", of("airflow_scheduler"), send("airflow-dag-processor")),
    Fault("a triggerer is killed", of("airflow_scheduler"), send("airflow-triggerer")),
    *(
        Fault(f"worker {number + 1} is killed", of("airflow_worker", number), send("airflow-worker"), kills_tasks=True)
        for number in range(2)
    ),
    Fault("a worker hangs", of("airflow_worker"), send("airflow-worker", HANGS), send("airflow-worker", GOES_ON), kills_tasks=True),
    Fault("a worker's host is lost", of("airflow_worker", 1), breaking.lose, breaking.boot, kills_tasks=True, lasts=60),
    Fault("a worker's network is cut", of("airflow_worker"), breaking.cut, breaking.join, kills_tasks=True),
    Fault("a master's host is lost", of("airflow_scheduler", 1), breaking.lose, breaking.boot, lasts=60),
    Fault("a master's network is cut", of("airflow_scheduler", 1), breaking.cut, breaking.join),
    Fault("a load balancer is killed", serving, send("nginx")),
    Fault("a load balancer hangs", serving, send("nginx", HANGS), send("nginx", GOES_ON), no_page=10),
    Fault("a load balancer's host is lost", serving, breaking.lose, breaking.boot),
    Fault("a load balancer's keepalived is killed", serving, send("keepalived"), no_page=10),
    Fault("a load balancer's probe is killed", serving, send("airflow-web-probe")),
    Fault("the leader's PostgreSQL is killed", leader, breaking.kill_server_process),
    Fault("the leader's Patroni is killed with PostgreSQL", leader, send("patroni"), no_write=25),
    Fault("the host of the database's leader is lost", leader, breaking.lose, breaking.boot, lasts=60, no_write=25),
    Fault("the host of the database's leader stands still", leader, breaking.freeze, breaking.thaw, lasts=60, no_write=25),
    Fault("the network of the database's leader is cut", leader, breaking.cut, breaking.join, lasts=60, no_write=25),
    Fault("the host of a database that follows is lost", follower, breaking.lose, breaking.boot, lasts=45, no_write=25),
    Fault("the disk of the database's leader is full", leader, breaking.fill, breaking.free, lasts=45, no_write=25),
    Fault("the database answers 200 ms later", every_master, breaking.delay(200), breaking.hurry, lasts=45, no_write=5),
    *(Fault(f"broker {number + 1} is killed", of("airflow_broker", number), send("rabbitmq-server"), no_task=15) for number in range(3)),
    Fault("a broker hangs", of("airflow_broker", 1), send("rabbitmq-server", HANGS), send("rabbitmq-server", GOES_ON)),
    Fault("a member of etcd is killed", follower, send("etcd")),
    Fault("a member of etcd hangs", follower, send("etcd", HANGS), send("etcd", GOES_ON)),
    Fault("two members of etcd hang", followers, send("etcd", HANGS), send("etcd", GOES_ON), no_write=25),
    Fault(
        "all hosts lose their power and get it again",
        all_hosts,
        breaking.lose,
        breaking.boot,
        lasts=5,
        kills_tasks=True,
        no_task=180,
        no_page=120,
        no_write=None,
    ),
)


def units_that_are_down(find: Group) -> list[str]:
    """What does not run, by host."""
    return [
        f"{name}: {unit}"
        for name, host in find("airflow").items()
        for pattern in UNITS
        for unit, state in hosts.units(host, pattern).items()
        if state.active != "active"
    ]


def is_whole(find: Group) -> bool:
    """Whether everything runs, the followers follow, and every queue has all its members."""
    if units_that_are_down(find):
        return False
    (name,) = leader(find)
    members = json.loads(inside(name, "patronictl", "-c", "/etc/patroni/config.yml", "list", "--format", "json"))
    # Older releases of Patroni call one that follows running, too.
    if len(members) != MEMBERS or any(member["State"] not in ("running", "streaming") for member in members):
        return False
    (broker,) = of("airflow_broker")(find)
    words = ("rabbitmqctl", "--quiet", "--formatter=json", "list_queues", "--vhost=airflow-quorum", "members", "online")
    # Queues that answer a worker are its own, and have no members.
    return all(len(queue["online"]) == MEMBERS for queue in json.loads(inside(broker, *words)) if queue["members"])


def wait_until_whole(find: Group) -> None:
    """Wait until the next fault finds a cluster that has nothing to mend."""

    def asked() -> bool | None:
        try:
            return is_whole(find) or None
        except (subprocess.CalledProcessError, StopIteration, AssertionError, ValueError):
            return None

    api.wait_until("everything to run again", asked, SECONDS_UNTIL_BACK)


def hosts_that_queued(installation: Installation, run_ids: list[str]) -> int:
    """On how many hosts a scheduler queued tasks of these runs."""
    names = ", ".join(f"'{run_id}'" for run_id in run_ids)
    jobs = f"SELECT queued_by_job_id FROM task_instance WHERE run_id IN ({names})"
    return len(installation.query(f"SELECT DISTINCT hostname FROM job WHERE id IN ({jobs})"))


def machine() -> str:
    """What the table was measured on."""
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {gibibytes:.0f} GiB"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "_"))
def test_nothing_is_lost(fault: Fault, installation: Installation, group: Group) -> None:
    wait_until_whole(group)
    with writes.writes(installation) as written, asking.asking(installation.base_url) as asked, load.load(installation) as runs:
        time.sleep(SECONDS_BEFORE)
        names = fault.where(group)
        at = time.time()
        for name in names:
            fault.inject(name)
        time.sleep(fault.lasts)
        for name in names:
            fault.heal(name)
        runs.wait_for_a_start(since=at + fault.lasts)
        runs.stopped.set()
        runs.wait()
        seen = fault_table.Seen(
            fault=fault.name,
            where=", ".join(names),
            no_task=runs.longest_gap(at),
            no_page=asked.longest_gap(at),
            no_write=None if fault.no_write is None else written.longest_gap(at),
            runs=len(runs.asked),
            cut_off=len(runs.cut_off()),
            tried_again=runs.longest_until_tried_again(at),
        )
        problems = runs.problems(fault.kills_tasks)
        problems += [f"write {number} was acknowledged and is not there" for number in written.lost()]
        failed = asked.failed(at + SECONDS_UNTIL_OUT)
        queued_on = hosts_that_queued(installation, runs.asked)
    print("RESULT", seen, problems)
    assert problems == []
    assert seen.no_task <= fault.no_task
    assert seen.no_page <= fault.no_page
    assert failed == 0 or not fault.spares_pages
    assert fault.no_write is None or (seen.no_write is not None and seen.no_write <= fault.no_write)
    assert seen.tried_again is None or seen.tried_again <= RETRY_SECONDS
    assert queued_on == len(group("airflow_scheduler"))
    wait_until_whole(group)
    every = fault_table.keep(RESULTS, seen)
    PAGE.write_text(
        fault_table.page(every, [each.name for each in FAULTS], machine(), str(installation.variables["test_version"])), encoding="utf-8"
    )
