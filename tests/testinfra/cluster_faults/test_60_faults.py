# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing after the other fails while tasks, requests and writes go on. Each comes back by itself, and nothing is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from airflow_checks import breaking, fault_table
from airflow_checks.breaking import inside, send
from airflow_checks.failing import Fault, Group, let_fail, of, units_that_are_down, wait_until_whole
from airflow_checks.fixtures import CHECKOUT, Installation

RESULTS = Path(__file__).with_name("results.json")
"""What was seen of each fault when it was last run, so that one that is run alone does not take the others off the page."""

PAGE = CHECKOUT / "docs" / "faults.md"
SECONDS_UNTIL_BACK = 240
MEMBERS = 3
SHARED = "198.18.0.208"
UNITS = ("airflow-*.service", "patroni.service", "etcd.service", "rabbitmq-server.service", "nginx.service", "keepalived.service")


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


HANGS, GOES_ON = "STOP", "CONT"
# Sessions with a database that says nothing are ended when the proxy has asked it in vain twice, three seconds each time.
UNTIL_GIVEN_UP = 10
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
    Fault(
        "the host of the database's leader stands still",
        leader,
        breaking.freeze,
        breaking.thaw,
        lasts=60,
        no_page=UNTIL_GIVEN_UP,
        no_write=25,
    ),
    Fault(
        "the network of the database's leader is cut",
        leader,
        breaking.cut,
        breaking.join,
        lasts=60,
        no_page=UNTIL_GIVEN_UP,
        no_write=25,
    ),
    Fault("the host of a database that follows is lost", follower, breaking.lose, breaking.boot, lasts=45, no_write=25),
    # Nobody takes over from a leader that answers. It lasts 45 seconds, and what waited is done afterwards.
    Fault("the disk of the database's leader is full", leader, breaking.fill, breaking.free, lasts=45, no_task=75, no_write=60),
    # A scheduler asks its database some hundred times before it has sent a task.
    Fault(
        "the database answers 200 ms later",
        every_master,
        breaking.delay,
        breaking.hurry,
        before=breaking.lead_through_delay,
        after=breaking.lead_past_delay,
        lasts=90,
        no_task=75,
        no_write=5,
    ),
    *(Fault(f"broker {number + 1} is killed", of("airflow_broker", number), send("rabbitmq-server"), no_task=15) for number in range(3)),
    Fault("a broker hangs", of("airflow_broker", 1), send("rabbitmq-server", HANGS), send("rabbitmq-server", GOES_ON)),
    Fault("a member of etcd is killed", follower, send("etcd")),
    Fault("a member of etcd hangs", follower, send("etcd", HANGS), send("etcd", GOES_ON)),
    Fault("two members of etcd hang", followers, send("etcd", HANGS), send("etcd", GOES_ON), no_write=25),
    # Tasks that had done their work, and were cut off before they could say so, are tried again, as those are that were cut off in it. That
    # begins when everything has started again, for which each layer waits for the one below it.
    Fault(
        "all hosts lose their power and get it again",
        all_hosts,
        breaking.lose,
        breaking.boot,
        lasts=5,
        kills_tasks=True,
        may_end_again=True,
        no_task=180,
        no_page=120,
        no_write=None,
        again=180,
    ),
)


def is_whole(find: Group) -> bool:
    """Whether everything runs, the followers follow, and every queue has all its members."""
    if units_that_are_down(find, UNITS):
        return False
    (name,) = leader(find)
    members = json.loads(inside(name, "patronictl", "-c", "/etc/patroni/config.yml", "list", "--format", "json"))
    # Older releases of Patroni call one that follows running, too.
    if len(members) != MEMBERS or any(member["State"] not in ("running", "streaming") for member in members):
        return False
    brokers = sorted(find("airflow_broker"))
    if any(sees_partition(name) for name in brokers):
        return False
    # Queues that answer a worker are its own, and have no members.
    queues = rabbitmq(brokers[0], "list_queues", "--vhost=airflow-quorum", "members", "online")
    return all(len(queue["online"]) == MEMBERS for queue in queues if queue["members"])


def rabbitmq(name: str, *words: str) -> Any:
    """What the node of a host tells."""
    return json.loads(inside(name, "rabbitmqctl", "--quiet", "--formatter=json", *words))


def sees_partition(name: str) -> bool:
    """Whether a node does not see all others, or went on apart from one of them."""
    status = rabbitmq(name, "cluster_status")
    return len(status["running_nodes"]) < MEMBERS or bool(status["partitions"])


def patroni_times(name: str) -> tuple[int, int]:
    """When a host's Patroni was last stopped and started, by the clock that all containers share."""
    words = ("systemctl", "show", "--value", "--property=InactiveEnterTimestampMonotonic", "--property=ActiveEnterTimestampMonotonic")
    stopped, started = sorted(int(value) for value in inside(name, *words, "patroni").split())
    return stopped, started


def test_patroni_is_restarted_in_turns_for_another_program(group: Group, run_site: Any) -> None:
    wait_until_whole(is_whole, group, SECONDS_UNTIL_BACK)
    (led,) = leader(group)
    names = sorted(group("airflow_metadata_db"))
    before = {name: patroni_times(name) for name in names}
    for name in names:
        inside(name, "touch", "/usr/local/lib/airflow_patroni.py")
    done = run_site()
    assert done.failed == 0, done.output[-4000:]
    times = sorted((*patroni_times(name), name) for name in names)
    assert all(stopped > before[name][1] for stopped, _started, name in times)
    assert all(later[0] > earlier[1] for earlier, later in zip(times, times[1:])), times
    assert times[-1][2] == led
    assert leader(group) != [led]
    again = run_site()
    assert (again.failed, again.changed) == (0, 0), again.in_words()


def hosts_that_queued(installation: Installation, run_ids: list[str]) -> int:
    """On how many hosts a scheduler queued tasks of these runs."""
    names = ", ".join(f"'{run_id}'" for run_id in run_ids)
    jobs = f"SELECT queued_by_job_id FROM task_instance WHERE run_id IN ({names})"
    return len(installation.query(f"SELECT DISTINCT hostname FROM job WHERE id IN ({jobs})"))


def machine() -> str:
    """What the table was measured on."""
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {gibibytes:.0f} GiB"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_nothing_is_lost(fault: Fault, installation: Installation, group: Group) -> None:
    wait_until_whole(is_whole, group, SECONDS_UNTIL_BACK)
    outcome = let_fail(fault, installation, group)
    seen = outcome.seen
    print("RESULT", seen, outcome.problems)
    assert outcome.wrong(fault) == []
    assert hosts_that_queued(installation, outcome.runs) == len(group("airflow_scheduler"))
    wait_until_whole(is_whole, group, SECONDS_UNTIL_BACK)
    every = fault_table.keep(RESULTS, seen)
    PAGE.write_text(
        fault_table.page(every, [each.name for each in FAULTS], machine(), str(installation.variables["test_version"])), encoding="utf-8"
    )
