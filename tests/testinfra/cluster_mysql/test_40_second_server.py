# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MySQL server gets a second one as its replica while tasks run, and hands over to it and back."""

from __future__ import annotations

import time

from airflow_checks import asking, faults, load, mysql_pair, writes
from airflow_checks.breaking import inside
from airflow_checks.failing import Group
from airflow_checks.fixtures import Installation, edit_inventory, play

FIRST, SECOND = "updraft-cm-d1", "updraft-cm-d2"
ONE, TWO = f"airflow_metadata_db: {{hosts: {{{FIRST}: {{}}}}}}", f"airflow_metadata_db: {{hosts: {{{FIRST}: {{}}, {SECOND}: {{}}}}}}"
KEPT = ("dag_run", "task_instance", "log", "ab_user")
MOST_SECONDS_TO_GROW = 60
"""MySQL is restarted with a binary log, and the daemons with another address; more is a defect."""

MOST_SECONDS_TO_HAND_OVER = 15


def counted(installation: Installation) -> dict[str, int]:
    """How many rows tables have."""
    return {table: int(installation.query(f"SELECT COUNT(*) FROM {table}")[0][0]) for table in KEPT}


def wait_until_in_step() -> None:
    """The replica has every transaction of the source."""
    source, replica = (FIRST, SECOND) if mysql_pair.is_source(FIRST) else (SECOND, FIRST)
    executed = "".join(mysql_pair.ask(source, "SELECT @@GLOBAL.gtid_executed").split())
    assert mysql_pair.ask(replica, f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{executed}', 30)") == "0"


def test_a_second_server_becomes_the_replica(installation: Installation, group: Group) -> None:
    run_id = faults.begin(installation)
    before = counted(installation)
    assert all(before.values()), before
    edit_inventory(ONE, TWO)
    with writes.writes(installation) as written, asking.asking(installation) as asked:
        since = written.since()
        grown = play("site")
        no_write, no_page, lost = written.longest_gap(since), asked.longest_gap(since), written.lost()
    print(f"RESULT a second MySQL server: no write for {no_write:.1f} s, no page for {no_page:.1f} s")
    assert grown.status == 0, grown.output[-4000:]
    assert lost == []
    assert no_write <= MOST_SECONDS_TO_GROW
    faults.ends_well(installation, run_id)
    after = counted(installation)
    assert {table: rows for table, rows in before.items() if after[table] < rows} == {}
    assert mysql_pair.is_source(FIRST)
    assert mysql_pair.is_whole(group("airflow_metadata_db"))
    wait_until_in_step()
    again = play("site")
    assert (again.status, again.changed) == (0, 0), again.in_words()
    faults.ends_well(installation, faults.begin(installation))


def test_the_replica_refuses_writes_of_everybody() -> None:
    replica = SECOND if mysql_pair.is_source(FIRST) else FIRST
    for statement in ("CREATE DATABASE other", "DELETE FROM airflow.dag_run"):
        told = inside(replica, "sh", "-c", 'mysql --execute "$1" 2>&1 || true', "sh", statement)
        assert "super-read-only" in told, told


def test_the_servers_change_places_and_back_while_tasks_run(installation: Installation, group: Group) -> None:
    for target in (SECOND, FIRST):
        with writes.writes(installation) as written, load.load(installation) as runs:
            runs.wait_for_a_start(since=0)
            since = written.since()
            promoted = play("promote_replica")
            no_write, lost = written.longest_gap(since), written.lost()
            runs.wait_for_a_start(since=time.time())
            runs.stopped.set()
            runs.wait()
        print(f"RESULT {target} is promoted: no write for {no_write:.1f} s")
        assert promoted.status == 0, promoted.output[-3000:]
        assert lost == []
        assert no_write <= MOST_SECONDS_TO_HAND_OVER
        # One of 2.x that ends in the moment without a source cannot say so.
        assert runs.problems(may_be_killed=False, may_end_again=True) == []
        assert mysql_pair.is_source(target)
        assert mysql_pair.is_whole(group("airflow_metadata_db"))
        wait_until_in_step()
    again = play("site")
    assert (again.status, again.changed) == (0, 0), again.in_words()
