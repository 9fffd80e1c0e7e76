# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of two MySQL servers takes over, and why none does."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.filter.mysql_succession import mysql_succession

SOURCE = {"writable": True, "uuid": "a", "follows": None, "follows_uuid": None, "receives": False, "applies": False}
REPLICA = {"writable": False, "uuid": "b", "follows": "198.18.0.3", "follows_uuid": "a", "receives": True, "applies": True}
CLOSED = {**SOURCE, "writable": False}
STOPPED = (
    "The MySQL server of db2 does not follow that of db1, or does not get on with what comes from there, so that it cannot take over: run "
    "updraft.airflow.site, which makes it the replica. db1 stays the source."
)
PROXY = {"airflow-database-proxy.service": {"active": "active"}}
SERVERS = ["db1", "db2"]


def decided(wanted: str = "", servers: list[str] | None = None, **members: dict[str, Any] | None) -> dict[str, Any]:
    answers = {name: {"__airflow_member": {"member": member} if member else {"unreachable": True}} for name, member in members.items()}
    return mysql_succession(servers or SERVERS, answers, ["web"], wanted)


def test_the_replica_takes_over_and_the_source_follows() -> None:
    found = decided(db1=SOURCE, db2=REPLICA)
    assert (found["target"], found["old"], found["refusal"], found["is_done"]) == ("db2", "db1", None, False)


def test_it_goes_back_the_same_way() -> None:
    assert decided(db1={**REPLICA, "follows": "198.18.0.4"}, db2=SOURCE)["target"] == "db1"


def test_a_replica_whose_source_is_lost() -> None:
    found = decided(db1=None, db2=REPLICA)
    assert (found["target"], found["old"], found["lost"], found["refusal"]) == ("db2", None, "db1", None)


def test_the_proxies_know_since_when_the_source_is_lost() -> None:
    answers = {
        "db1": {"__airflow_member": {"unreachable": True}},
        "db2": {"__airflow_member": {"member": REPLICA}},
        "web": {"__airflow_way": {"status": {"units": PROXY, "ways": {"db1": {"up": False, "age": 7}, "db2": {"up": False, "age": 99}}}}},
        "lost": {"__airflow_way": {"unreachable": True}},
        "ended": {"__airflow_way": {"status": {"units": PROXY, "ways": None}}},
        "broker": {"__airflow_way": {"status": {"units": {}, "ways": None}}},
    }
    found = mysql_succession(SERVERS, answers, ["web", "lost", "ended", "broker", "db1"])
    assert found["ways"] == [{"host": "web", "up": False, "age": 7}, {"host": "lost"}, {"host": "ended"}]


def test_one_that_is_the_source_already() -> None:
    assert decided("db2", db1=REPLICA, db2=SOURCE)["is_done"] is True


def test_an_old_source_that_came_back_follows_the_one_that_is_promoted_anew() -> None:
    found = decided("db2", db1=CLOSED, db2=CLOSED)
    assert (found["target"], found["old"], found["refusal"]) == ("db2", "db1", None)


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "one server": (
        {"servers": ["db1"], "db1": SOURCE},
        "This playbook is for a source and a replica of MySQL, and the group of databases has 1 hosts.",
    ),
    "nobody": ({"db1": None, "db2": None}, "No MySQL server of the two answers."),
    "two sources": (
        {"db1": SOURCE, "db2": SOURCE},
        "The MySQL servers of db1, db2 both take writes, and which of them is the source is not guessed: on the one that is not to be it, "
        "say SET GLOBAL super_read_only = ON, and run this again.",
    ),
    "a stranger": (
        {"wanted": "web", "db1": SOURCE, "db2": REPLICA},
        "airflow_promote_host is web, which is none of the two (db1, db2): name one of them.",
    ),
    "one that is lost": ({"wanted": "db2", "db1": SOURCE, "db2": None}, "The MySQL server of db2 does not answer, so it cannot take over."),
    "a replica that is lost": (
        {"db1": SOURCE, "db2": None},
        "The MySQL server of db1 is the source, and that of db2 does not answer: there is nobody to take over.",
    ),
    "one that does not follow": ({"db1": SOURCE, "db2": CLOSED, "wanted": "db2"}, STOPPED),
    "one that does not receive": ({"db1": SOURCE, "db2": {**REPLICA, "receives": False}}, STOPPED),
    "one that does not apply": ({"db1": SOURCE, "db2": {**REPLICA, "applies": False}}, STOPPED),
    "one that follows another server": ({"db1": SOURCE, "db2": {**REPLICA, "follows_uuid": "c"}}, STOPPED),
    "neither follows": (
        {"db1": CLOSED, "db2": CLOSED},
        "Neither MySQL server takes writes or follows the other: say which is to be the source by airflow_promote_host.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_what_cannot_take_over(case: str) -> None:
    arguments, sentence = REFUSALS[case]
    assert decided(**arguments)["refusal"] == sentence
