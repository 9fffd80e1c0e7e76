# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database cluster in service gets another member, or goes on without one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import MemoryStore, compiled, facts, findings, info, installation, inventory

WEB = "webserver scheduler"
NUMBERS = {"web": 2, "db1": 3, "db2": 4, "db3": 5, "db4": 6, "db5": 7, "web2": 8}
RECORD = {"host": "127.0.0.1", "port": 15432, "name": "airflow"}
ETCD: dict[str, Any] = {
    "is_made": True,
    "cluster": "db1=https://198.18.0.3:2380,db2=https://198.18.0.4:2380,db3=https://198.18.0.5:2380",
    "state": "new",
    "members": {"db1": "198.18.0.3", "db2": "198.18.0.4", "db3": "198.18.0.5"},
}
PATRONI = {
    "scope": "airflow",
    "is_made": True,
    "version": "15",
    "data_dir": "/var/lib/postgresql/15/main",
    "members": ["198.18.0.3", "198.18.0.4", "198.18.0.5"],
    "settings": {},
    "passwords": {},
}


def host(name: str, **found: Any) -> Host:
    """A host with what was found on it."""
    return Host(name, {}, facts(f"198.18.0.{NUMBERS[name]}"), info(hostname=f"{name}.example.org", **found))


def member(name: str, **changed: Any) -> Host:
    """A member of the cluster in service."""
    return host(name, patroni={**PATRONI, **changed}, etcd=ETCD)


def listing(name: str, *members: str, **changed: Any) -> Host:
    """A member whose etcd tells which members it knows."""
    listed = [{"name": each, "address": f"198.18.0.{NUMBERS[each]}"} for each in members]
    own = {**PATRONI, "members": [each["address"] for each in listed], **changed}
    return host(name, patroni=own, etcd={**ETCD, "listed": listed})


def away(name: str) -> Host:
    """A host that cannot be reached."""
    return Host(name, {}, {}, None, "Failed to connect to the host via ssh: No route to host")


def cluster(*databases: Host, others: tuple[Host, ...] = (), limited: list[str] | None = None, variables: Any = None) -> Inputs:
    """An installation on one host with this database."""
    web = host("web", installation=installation(database=RECORD))
    details = {each.name: replace(each, variables={**(variables or {}), **each.variables}) for each in (web, *others, *databases)}
    roles = {name: WEB if name.startswith("web") else "metadata_db" for name in details}
    inputs: Inputs = replace(inventory(roles, details=details, **(variables or {})), limited=limited)
    return inputs


GIVEN = {"airflow_base_url": "http://airflow.example.org"}
REPLACED = (member("db1"), member("db2"), host("db4"))


def part(inputs: Inputs, name: str) -> dict[str, Any]:
    """The plan of a member."""
    found: dict[str, Any] = compiled(inputs).plan(name)["database"]["cluster"]
    return found


def test_another_host_takes_the_place_of_one_that_is_gone() -> None:
    inputs = cluster(*REPLACED)
    new, old = part(inputs, "db4"), part(inputs, "db2")
    assert (new["joins"], new["is_first"], new["changes_members"]) == (True, False, True)
    assert new["etcd"]["initial-cluster-state"] == "existing"
    assert new["etcd"]["initial-cluster"] == "db1=https://198.18.0.3:2380,db2=https://198.18.0.4:2380,db4=https://198.18.0.6:2380"
    # What a member began with stays as it was: its service need not restart.
    assert (old["joins"], old["etcd"]["initial-cluster"], old["etcd"]["initial-cluster-state"]) == (False, ETCD["cluster"], "new")
    assert new["asked"]["host"] == old["asked"]["host"] == "db1"
    assert new["asked"]["arguments"]["endpoint"] == "https://198.18.0.3:2379"
    assert [each["name"] for each in new["asked"]["arguments"]["members"]] == ["db1", "db2", "db4"]


def test_who_is_gone_is_admitted_nowhere_and_the_proxies_know_the_new_one() -> None:
    inputs = cluster(*REPLACED)
    assert not [line for line in part(inputs, "db1")["settings"]["postgresql"]["pg_hba"] if "198.18.0.5/" in line]
    assert part(inputs, "db1")["patroni"]["etcd3"]["hosts"] == ["198.18.0.3:2379", "198.18.0.4:2379", "198.18.0.6:2379"]
    proxy = compiled(inputs).plan("web")["database"]["proxy"]
    assert [each["name"] for each in proxy["members"]] == ["db1", "db2", "db4"]
    # Before the new one can lead, and without giving up the old one, should the run be refused later.
    assert proxy["knows_first"] is True
    assert proxy["former"] == [{"name": "former-198.18.0.5", "address": "198.18.0.5", "port": 5432, "api_port": 8008}]
    same = compiled(cluster(member("db1"), member("db2"), member("db3"))).plan("web")["database"]["proxy"]
    assert (same["knows_first"], same["former"]) == (False, [])


def test_an_empty_host_of_the_same_name_and_address_is_a_new_member() -> None:
    new = part(cluster(member("db1"), member("db2"), host("db3")), "db3")
    assert (new["joins"], new["etcd"]["initial-cluster-state"], new["etcd"]["initial-cluster"]) == (True, "existing", ETCD["cluster"])


def test_members_are_added_one_after_the_other() -> None:
    inputs = cluster(member("db1"), member("db2"), member("db3"), host("db4"), host("db5"))
    assert part(inputs, "db4")["etcd"]["initial-cluster"] == ETCD["cluster"] + ",db4=https://198.18.0.6:2380"
    assert part(inputs, "db5")["etcd"]["initial-cluster"].endswith(",db4=https://198.18.0.6:2380,db5=https://198.18.0.7:2380")


def test_a_cluster_that_stays_asks_nobody() -> None:
    same = part(cluster(member("db1"), member("db2"), member("db3")), "db1")
    assert (same["changes_members"], same["joins"], same["asked"]) == (False, False, None)


def test_fewer_members_are_let_go() -> None:
    five = [f"198.18.0.{number}" for number in range(3, 8)]
    fewer = cluster(*(member(name, members=five) for name in ("db1", "db2", "db3")))
    assert part(fewer, "db1")["changes_members"] is True
    assert findings(fewer) == []


def test_two_of_three_are_not_replaced() -> None:
    assert findings(cluster(member("db1"), host("db4"), host("db5"))) == [
        "Of the 3 members of the database cluster (198.18.0.3, 198.18.0.4, 198.18.0.5) only db1 would stay in group airflow_metadata_db, "
        "and a member is replaced or added with a majority of them only: put the hosts back that have the data, with the addresses they "
        "had, and replace one after the other."
    ]


def test_members_change_in_a_run_for_all_hosts_only() -> None:
    assert findings(cluster(*REPLACED, limited=["db4"])) == [
        "This run is limited to db4, and the database cluster would get or lose a member: run the playbook for all hosts, without --limit."
    ]


@pytest.mark.parametrize(
    ("limited", "admits"), [(["web2"], True), (["web2", "db1"], True), (["web2", "db1", "db2", "db3"], False), (None, False)], ids=str
)
def test_hosts_are_let_in_where_a_member_that_is_left_alone_may_lead(limited: list[str] | None, admits: bool) -> None:
    databases = (member("db1"), member("db2"), member("db3"))
    topology = compiled(cluster(*databases, others=(host("web2"),), limited=limited, variables=GIVEN))
    assert topology.plan("web2")["database"]["admits"] is admits


def test_a_run_for_others_goes_on_without_a_member_that_is_away() -> None:
    databases = (away("db1"), member("db2"), member("db3"))
    topology = compiled(cluster(*databases, others=(host("web2"),), limited=["web2"], variables=GIVEN))
    plan = topology.plan("web2")
    assert [each["address"] for each in plan["database"]["proxy"]["members"]] == ["198.18.0.3", "198.18.0.4", "198.18.0.5"]
    assert plan["database"]["server"] == "db2"
    assert [each["host"] for each in plan["database"]["admission"]] == ["db2", "db3"]
    assert [warning for warning in plan["warnings"] if warning.startswith("db1")] == [
        "db1 could not be read, and is taken for the member of the database cluster at 198.18.0.3 that it was: where it is lost for good, "
        "put another host into its place in group airflow_metadata_db and run site for all hosts."
    ]


def test_a_run_for_all_but_the_member_that_is_away() -> None:
    limited = ["web", "db2", "db3"]
    inputs = cluster(away("db1"), member("db2"), member("db3"), limited=limited)
    store = MemoryStore(**{f"database_{name}_password": name for name in ("superuser", "replication", "rewind", "cluster")})
    without, whole = compiled(inputs, store), compiled(cluster(member("db1"), member("db2"), member("db3")), store)
    for name in limited:
        for part_of_it in ("cluster", "proxy"):
            assert without.plan(name)["database"][part_of_it] == whole.plan(name)["database"][part_of_it]


def test_an_address_that_is_given_is_where_it_was() -> None:
    lost = replace(away("db3"), variables={"airflow_advertised_address": "198.18.0.5"})
    others = (host("web2"),)
    assert findings(cluster(member("db1"), member("db2"), lost, others=others, limited=["web2"], variables=GIVEN)) == []


REASON = "could not be looked at: Failed to connect to the host via ssh: No route to host."
LOST = "where it is lost for good, put another host into its place in group airflow_metadata_db."
CASES = {
    "a run for all": (
        cluster(member("db1"), member("db2"), away("db3")),
        f"db3 {REASON} While it is away, leave it out (--limit 'airflow:!db3'); {LOST}",
    ),
    "nobody knows where it was": (
        cluster(member("db1"), member("db2"), away("db4"), limited=["web"]),
        f"db4 {REASON} Start it; {LOST}",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_to_do_about_a_member_that_is_away(case: str) -> None:
    inputs, sentence = CASES[case]
    assert findings(inputs)[0] == sentence


def test_a_member_that_joined_later_may_be_away() -> None:
    now = ("db1", "db2", "db4")
    inputs = cluster(listing("db1", *now), listing("db2", *now), away("db4"), limited=["web"])
    addresses = [each["address"] for each in compiled(inputs).plan("web")["database"]["proxy"]["members"]]
    assert addresses == ["198.18.0.3", "198.18.0.4", "198.18.0.6"]


def test_one_that_was_replaced_is_no_member_by_its_old_name() -> None:
    """Another host has its address now."""
    now = [{"name": name, "address": address} for name, address in (("db1", "198.18.0.3"), ("db2", "198.18.0.4"), ("db4", "198.18.0.5"))]
    members = [host(name, patroni=PATRONI, etcd={**ETCD, "listed": now}) for name in ("db1", "db2")]
    assert findings(cluster(*members, away("db3"), limited=["web"]))[0].startswith("db3 could not be looked at")
    assert findings(cluster(*members, away("db4"), limited=["web"])) == []


def test_of_one_that_is_not_read_nothing_is_said_that_nobody_knows() -> None:
    assert findings(cluster(member("db1"), member("db2"), away("db4"), limited=["web"])) == [CASES["nobody knows where it was"][1]]


def test_the_member_that_is_asked_takes_part() -> None:
    """The first has its data, and nothing of etcd's."""
    databases = (host("db1", patroni=PATRONI), listing("db2", "db1", "db2", "db3"), listing("db3", "db1", "db2", "db3"))
    inputs = cluster(*databases)
    assert part(inputs, "db1")["joins"] is True
    asked = part(inputs, "db1")["asked"]
    assert (asked["host"], asked["arguments"]["endpoint"]) == ("db2", "https://198.18.0.4:2379")
    assert compiled(inputs).plan("web")["database"]["server"] == "db1"


def test_one_that_answers_is_asked_before_one_that_does_not() -> None:
    now = ("db1", "db2", "db3")
    assert part(cluster(member("db1"), listing("db2", *now), host("db4")), "db2")["asked"]["host"] == "db2"


FORGOTTEN = (
    "{} ({}) has what a member of etcd holds, and etcd does not know it ({}): it was removed, or had another address. Nothing there is of "
    "use to the others: keep it aside on that host (systemctl stop etcd; mv /var/lib/etcd/airflow /var/lib/etcd/airflow.old), and run this "
    "again, which adds the host as a new member."
)


def test_a_host_that_was_removed_brings_nothing_back() -> None:
    now = ("db1", "db2", "db4")
    databases = (listing("db1", *now), listing("db2", *now), member("db3"))
    assert findings(cluster(*databases)) == [FORGOTTEN.format("db3", "198.18.0.5", "198.18.0.3, 198.18.0.4, 198.18.0.6")]


def test_neither_does_one_that_an_earlier_run_took_for_a_member() -> None:
    """All files name it, and etcd has two members."""
    two = [{"name": name, "address": f"198.18.0.{NUMBERS[name]}"} for name in ("db1", "db2")]
    members = [host(name, patroni=PATRONI, etcd={**ETCD, "listed": two}) for name in ("db1", "db2")]
    inputs = cluster(*members, member("db3"))
    assert findings(inputs) == [FORGOTTEN.format("db3", "198.18.0.5", "198.18.0.3, 198.18.0.4")]


def test_a_member_has_another_address() -> None:
    now = ("db1", "db2", "db3")
    moved = replace(member("db3"), variables={"airflow_advertised_address": "198.18.0.9"})
    assert findings(cluster(listing("db1", *now), listing("db2", *now), moved)) == [
        FORGOTTEN.format("db3", "198.18.0.9", "198.18.0.3, 198.18.0.4, 198.18.0.5")
    ]


def test_most_members_are_never_told_to_give_up_what_they_hold() -> None:
    now = ("db1", "db2", "db3")
    moved = [replace(listing(name, *now), variables={"airflow_advertised_address": f"198.18.7.{NUMBERS[name]}"}) for name in ("db1", "db2")]
    (sentence,) = findings(cluster(*moved, listing("db3", *now)))
    assert sentence.startswith("Of the 3 members of the database cluster")


def test_a_host_that_was_removed_joins_when_what_its_etcd_held_is_gone() -> None:
    """What it knows of other members is of another time."""
    now = ("db1", "db2", "db4")
    inputs = cluster(listing("db1", *now), listing("db2", *now), host("db3", patroni=PATRONI))
    assert findings(inputs) == []
    assert (part(inputs, "db3")["joins"], part(inputs, "db3")["asked"]["host"]) == (True, "db1")
    assert [each["address"] for each in compiled(inputs).plan("web")["database"]["proxy"]["former"]] == ["198.18.0.6"]
