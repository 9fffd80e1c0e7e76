# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the database cluster is lost for good: others go on without it, and another one takes its place while everything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from airflow_checks import api, breaking, hosts, writes
from airflow_checks.breaking import inside
from airflow_checks.fixtures import Installation, edit_inventory, installation_on

LOST, NEW = "updraft-replaced-d3", "updraft-replaced-d4"
STAYING = ("updraft-replaced-d1", "updraft-replaced-d2")
ADDRESSES = {LOST: "198.18.0.123", NEW: "198.18.0.124"}
MOST_SECONDS_WITHOUT_WRITES = 45
SECONDS_TO_FOLLOW = 60
ADVICE = (
    f"While it is away, leave it out (--limit 'airflow:!{LOST}'); where it is lost for good, put another host into its place in group "
    "airflow_metadata_db."
)


@pytest.fixture(scope="module")
def written(host: Any) -> Iterator[writes.Writes]:
    """Writes that go on from before the loss until all is as it was."""
    with writes.writes(installation_on(host)) as each:
        each.since()
        yield each


def members(asked: str = STAYING[0]) -> dict[str, str]:
    """The members of the cluster, by name, with what they are."""
    found = json.loads(inside(asked, "patronictl", "-c", "/etc/patroni/config.yml", "list", "--format", "json"))
    # Older releases of Patroni call one that follows running, too.
    return {each["Member"]: each["Role"] for each in found if each["State"] in ("running", "streaming")}


def of_etcd() -> list[str]:
    """The members of etcd that have started."""
    files = [f"--{option}=/etc/etcd/tls/{name}" for option, name in (("cacert", "ca.crt"), ("cert", "server.crt"), ("key", "server.key"))]
    words = ["env", "ETCDCTL_API=3", "etcdctl", "--endpoints=https://127.0.0.1:2379", *files, "member", "list", "--write-out=json"]
    return sorted(each["name"] for each in json.loads(inside(STAYING[0], *words))["members"])


def test_others_go_on_without_a_host_that_is_lost(written: writes.Writes, installation: Installation, run_site: Any) -> None:
    assert sorted(members()) == sorted([*STAYING, LOST])
    lost_at = max(written.acknowledged().values())
    breaking.lose(LOST)
    told = run_site()
    assert told.status != 0
    assert ADVICE in told.output
    without = run_site("--limit", f"airflow:!{LOST}")
    assert (without.status, without.changed) == (0, 0), without.in_words()
    assert f"{LOST} could not be read" in without.output
    assert written.longest_gap(lost_at) <= MOST_SECONDS_WITHOUT_WRITES


def test_another_host_takes_its_place(written: writes.Writes, installation: Installation, run_site: Any) -> None:
    started = hosts.start_times(installation.host)
    edit_inventory(LOST, NEW)
    before = max(written.acknowledged().values())
    replaced = run_site()
    assert replaced.status == 0, replaced.output[-3000:]
    again = run_site()
    assert (again.status, again.changed) == (0, 0), again.in_words()
    assert hosts.start_times(installation.host) == started
    api.wait_until("three members", lambda: len(members()) == len([*STAYING, NEW]) or None, SECONDS_TO_FOLLOW)
    assert sorted(members()) == sorted([*STAYING, NEW])
    assert of_etcd() == sorted([*STAYING, NEW])
    for name in (*STAYING, NEW):
        rules = inside(name, "sh", "-c", "cat /var/lib/postgresql/*/main/pg_hba.conf")
        assert ADDRESSES[NEW] in rules and ADDRESSES[LOST] not in rules
    assert written.lost() == []
    print("RESULT without_writes_while_replaced", round(written.longest_gap(before), 1), "s")


def test_the_new_one_can_lead(written: writes.Writes) -> None:
    leader = next(name for name, role in members().items() if role in ("Leader", "Master"))
    assert leader != NEW
    words = ["patronictl", "-c", "/etc/patroni/config.yml"]
    # Only one that has every write may.
    other = next(name for name in STAYING if name != leader)
    breaking.lose(other)
    moved_at = max(written.acknowledged().values())
    api.wait_until("the new one in step", lambda: members(NEW).get(NEW) == "Sync Standby" or None, SECONDS_TO_FOLLOW)
    inside(leader, *words, "switchover", "airflow", "--candidate", NEW, "--force")
    api.wait_until("a write", lambda: max(written.acknowledged().values()) > moved_at or None, SECONDS_TO_FOLLOW)
    assert members(NEW)[NEW] in ("Leader", "Master")
    breaking.boot(other)
    assert written.lost() == []
