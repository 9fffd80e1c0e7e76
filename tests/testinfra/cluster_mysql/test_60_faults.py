# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing after the other fails while tasks, requests and writes go on, and every task ends in success. But for a source of MySQL that is
lost, whose replica an administrator promotes, each comes back by itself."""

from __future__ import annotations

import pytest
from airflow_checks import breaking, mysql_pair
from airflow_checks.breaking import inside, send
from airflow_checks.failing import Fault, Group, let_fail, of, units_that_are_down, wait_until_whole
from airflow_checks.fixtures import Installation, play

SECONDS_BETWEEN_RUNS = 6
SECONDS_UNTIL_BACK = 120
PLACES = 3
UNITS = ("airflow-*.service", "redis-server.service", "redis-sentinel.service", "nginx.service", "mysql.service")
ENDING = ("airflow-database-open.service",)
PASSWORD = "sed -n 's/^sentinel sentinel-pass //p' /etc/redis/airflow-sentinel.conf"
ASK = f'REDISCLI_AUTH=$({PASSWORD}) redis-cli --user sentinel "$@"'


def ask(name: str, *words: str) -> str:
    """What the Redis of a host answers, or with a port its sentinel."""
    said: str = inside(name, "sh", "-c", ASK, "sh", *words)
    return said


def master(find: Group) -> list[str]:
    """The host of Redis's master."""
    return [next(name for name in sorted(find("airflow_broker")) if "role:master" in ask(name, "info", "replication"))]


def source(find: Group) -> list[str]:
    """The host of MySQL's source."""
    return [next(name for name in sorted(find("airflow_metadata_db")) if mysql_pair.is_source(name))]


def replica(find: Group) -> list[str]:
    """The host of its replica."""
    return [next(name for name in sorted(find("airflow_metadata_db")) if not mysql_pair.is_source(name))]


def lose_and_promote(name: str) -> None:
    """The host loses its power, and somebody lets the replica take over."""
    breaking.lose(name)
    promoted = play("promote_replica")
    assert promoted.status == 0, promoted.output[-3000:]


def boot_and_rejoin(name: str) -> None:
    """It has power again, and somebody makes it the replica."""
    breaking.boot(name)
    # What waited for the replica when the power went was told to nobody, and the new source does not have it.
    joined = play("site", "--extra-vars", f"airflow_metadata_db_clone_anew={name}")
    assert joined.status == 0, joined.output[-3000:]


HANGS, GOES_ON = "STOP", "CONT"
# The load balancer and the only scheduler are on the first host: nothing answers while it is away, and no task begins.
NO_TASK, AWAY = 60, 60
# A task of 2.x that ends while nobody takes writes is tried again when the scheduler, which was started again, has looked for orphans.
TRIED_AGAIN = 100
FAULTS = (
    Fault("nothing", of("airflow_scheduler"), breaking.nothing, lasts=15, no_task=20),
    Fault("the scheduler is killed", of("airflow_scheduler"), send("airflow-scheduler"), lasts=15, no_task=NO_TASK),
    Fault("a webserver is killed", of("airflow_webserver", 1), send("airflow-webserver"), lasts=15, no_task=20, spares_pages=True),
    Fault("a worker is killed", of("airflow_worker", 1), send("airflow-worker"), lasts=15, no_task=NO_TASK, kills_tasks=True),
    Fault("the process of Redis's master is killed", master, send("redis-server"), lasts=15, no_task=NO_TASK),
    Fault(
        "Redis's master hangs for 15 seconds",
        master,
        send("redis-server", HANGS),
        send("redis-server", GOES_ON),
        lasts=15,
        no_task=NO_TASK,
    ),
    Fault(
        "the host of Redis's master stands still for 15 seconds",
        master,
        breaking.freeze,
        breaking.thaw,
        lasts=15,
        no_task=NO_TASK,
        no_page=AWAY,
        no_write=AWAY,
    ),
    Fault(
        "the host of Redis's master is lost",
        master,
        breaking.lose,
        breaking.boot,
        lasts=45,
        kills_tasks=True,
        no_task=NO_TASK + 45,
        no_page=AWAY + 45,
        no_write=None,
    ),
    Fault("MySQL's replica is killed", replica, send("mysql"), lasts=15, no_task=NO_TASK, no_write=25),
    Fault("MySQL's source is killed", source, send("mysql"), may_end_again=True, no_task=TRIED_AGAIN, no_write=25),
    Fault("the host of MySQL's replica is lost", replica, breaking.lose, breaking.boot, lasts=45, no_task=NO_TASK, no_write=25),
    Fault(
        "the host of MySQL's source is lost, and the replica is promoted",
        source,
        lose_and_promote,
        boot_and_rejoin,
        lasts=15,
        may_end_again=True,
        no_task=TRIED_AGAIN,
        no_page=30,
        no_write=30,
    ),
)


def is_whole(find: Group) -> bool:
    """Whether everything runs, two replicas follow Redis's master, and MySQL's follows its source."""
    if units_that_are_down(find, UNITS, ENDING):
        return False
    (name,) = master(find)
    return f"connected_slaves:{PLACES - 1}" in ask(name, "info", "replication") and mysql_pair.is_whole(find("airflow_metadata_db"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_nothing_is_lost(fault: Fault, installation: Installation, group: Group) -> None:
    wait_until_whole(is_whole, group, SECONDS_UNTIL_BACK)
    outcome = let_fail(fault, installation, group, SECONDS_BETWEEN_RUNS)
    print("RESULT", outcome.seen, outcome.problems)
    assert outcome.wrong(fault) == []
    wait_until_whole(is_whole, group, SECONDS_UNTIL_BACK)
