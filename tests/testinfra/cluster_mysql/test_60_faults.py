# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing after the other fails while tasks are sent and run. Each comes back by itself, and every task ends in success."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from airflow_checks import api, breaking, hosts, load
from airflow_checks.breaking import Action, inside, send
from airflow_checks.fixtures import Installation

SECONDS_BEFORE = 8
SECONDS_BETWEEN_RUNS = 6
SECONDS_UNTIL_BACK = 120
PLACES = 3
UNITS = ("airflow-*.service", "redis-server.service", "redis-sentinel.service", "nginx.service")
PASSWORD = "sed -n 's/^sentinel sentinel-pass //p' /etc/redis/airflow-sentinel.conf"
ASK = f'REDISCLI_AUTH=$({PASSWORD}) redis-cli --user sentinel "$@"'
Group = Callable[[str], dict[str, Any]]
Find = Callable[[Group], str]


def ask(name: str, *words: str) -> str:
    """What the Redis of a host answers, or with a port its sentinel."""
    said: str = inside(name, "sh", "-c", ASK, "sh", *words)
    return said


def of(group: str, number: int = 0) -> Find:
    """A host of a group, by its number in the inventory."""
    return lambda find: str(sorted(find(group))[number])


def leads(name: str) -> bool:
    """Whether a host's Redis is the master."""
    return "role:master" in ask(name, "info", "replication")


def master(find: Group) -> str:
    """The host of Redis's master."""
    return next(name for name in sorted(find("airflow_broker")) if leads(name))


@dataclass(frozen=True)
class Fault:
    """What fails, how, and for how many seconds no task may begin."""

    name: str
    where: Find
    inject: Action
    heal: Action = breaking.nothing
    lasts: float = 15
    kills_tasks: bool = False
    no_task: float = 60


FAULTS = (
    Fault("nothing", of("airflow_scheduler"), breaking.nothing, no_task=20),
    Fault("the scheduler is killed", of("airflow_scheduler"), send("airflow-scheduler")),
    Fault("a webserver is killed", of("airflow_webserver", 1), send("airflow-webserver"), no_task=20),
    Fault("a worker is killed", of("airflow_worker", 1), send("airflow-worker"), kills_tasks=True),
    Fault("the process of Redis's master is killed", master, send("redis-server")),
    Fault("the host of Redis's master is lost", master, breaking.lose, breaking.boot, lasts=45),
    Fault("the host of Redis's master stands still for 15 seconds", master, breaking.freeze, breaking.thaw),
    Fault("Redis's master hangs for 15 seconds", master, send("redis-server", "STOP"), send("redis-server", "CONT")),
)


def is_whole(find: Group) -> bool:
    """Whether everything runs, and two replicas follow the master."""
    for host in find("airflow").values():
        for pattern in UNITS:
            if any(unit.active != "active" for unit in hosts.units(host, pattern).values()):
                return False
    return f"connected_slaves:{PLACES - 1}" in ask(master(find), "info", "replication")


def wait_until_whole(find: Group) -> None:
    """Wait until the next fault finds a cluster that has nothing to mend."""

    def asked() -> bool | None:
        try:
            return is_whole(find) or None
        except (subprocess.CalledProcessError, StopIteration, AssertionError, ValueError):
            return None

    api.wait_until("everything to run again", asked, SECONDS_UNTIL_BACK)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "_"))
def test_nothing_is_lost(fault: Fault, installation: Installation, group: Group) -> None:
    wait_until_whole(group)
    with load.load(installation, SECONDS_BETWEEN_RUNS) as runs:
        time.sleep(SECONDS_BEFORE)
        runs.wait_for_a_start(since=0)
        name = fault.where(group)
        at = time.time()
        fault.inject(name)
        time.sleep(fault.lasts)
        fault.heal(name)
        runs.wait_for_a_start(since=at + fault.lasts)
        runs.stopped.set()
        runs.wait()
        gap = runs.longest_gap(at)
        problems = runs.problems(fault.kills_tasks)
    print(f"RESULT {fault.name} ({name}): no task for {gap:.1f} s, {len(runs.asked)} runs, {len(runs.cut_off())} tasks cut off", problems)
    assert problems == []
    assert gap <= fault.no_task
    wait_until_whole(group)
