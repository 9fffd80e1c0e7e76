# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MySQL with two hosts: what the topology compiler derives, and what it refuses, word for word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import database_role
from ansible_collections.updraft.airflow.plugins.module_utils._topology_mysql_pair import server_id
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import MemoryStore, compiled, daemon, facts, findings, info, installation, inventory, plan

HOSTS = {"web": "webserver scheduler", "db1": "metadata_db", "db2": "metadata_db"}
ADDRESSES = {name: f"198.18.0.{number}" for number, name in enumerate(HOSTS, start=2)}
REPOSITORY = {key: "x" for key in ("uris", "suites", "components", "signed_by")}
VARIABLES: dict[str, Any] = {"airflow_metadata_db_engine": "mysql", "airflow_metadata_db_mysql_repository": REPOSITORY}
PAIR = {"max_connections": "400", "gtid_mode": "ON"}
SOURCE = {"writable": True, "uuid": "a", "follows": None}
CLOSED = {"writable": False, "uuid": "a", "follows": None}
REPLICA = {"writable": False, "uuid": "b", "follows": ADDRESSES["db1"]}


def host(name: str, **found: Any) -> Host:
    """One host of the inventory with what was found on it."""
    return Host(name, VARIABLES, facts(ADDRESSES[name]), info(hostname=f"{name}.example.org", **found))


def server(name: str, member: dict[str, Any] | None, databases: int = 1, **changed: Any) -> Host:
    """A host with a MySQL server of this collection's."""
    found = {
        "kind": "mysql",
        "version": "8.4.3",
        "own": True,
        "settings": PAIR,
        "databases": databases,
        "in_pair": True,
        "member": member,
        "passwords": {"database_replication_password": "of before"},
        **changed,
    }
    return host(name, mysql_server=found)


def pair(*details: Host, **variables: Any) -> Inputs:
    """The inventory with some of its hosts replaced."""
    inputs: Inputs = inventory(HOSTS, details={each.name: each for each in details}, **VARIABLES, **variables)
    return inputs


def in_service(*details: Host, **record: Any) -> Inputs:
    """The inventory of a pair in service."""
    place = {"host": "127.0.0.1", "port": 15432, "name": "airflow", **record}
    return pair(host("web", installation=installation(engine="mysql", database=place)), *details)


def test_daemons_reach_the_source_by_a_port_of_their_own_host() -> None:
    database = plan(pair(), "web")["database"]
    assert (database["host"], database["port"], database["server_port"]) == ("127.0.0.1", 15432, 3306)
    assert database["url"].startswith("mysql+mysqldb://airflow:")
    assert database["url"].endswith("@127.0.0.1:15432/airflow?charset=utf8mb4&ssl_mode=PREFERRED&connect_timeout=10")
    assert database["async_url"].endswith("@127.0.0.1:15432/airflow?charset=utf8mb4&connect_timeout=10")
    assert database["proxy"]["asks"] == "/source"
    assert database["proxy"]["asks_by_tls"] is False
    assert [(each["address"], each["port"], each["api_port"]) for each in database["proxy"]["members"]] == [
        ("198.18.0.3", 3306, 8008),
        ("198.18.0.4", 3306, 8008),
    ]
    assert "airflow-database-proxy.service" in daemon(plan(pair(), "web"), "scheduler")["after"]


def test_one_host_stays_a_plain_server() -> None:
    alone = inventory({"web": "webserver scheduler", "db1": "metadata_db"}, **VARIABLES)
    database = plan(alone, "db1")["database"]
    assert (database["pair"], database["proxy"]) == (None, None)
    assert "skip_log_bin" in database["settings"]
    assert "super_read_only" not in database["settings"]


def test_a_fresh_pair_begins_with_the_first_host() -> None:
    first, second = (plan(pair(), name)["database"]["pair"] for name in ("db1", "db2"))
    assert (first["is_source"], second["is_source"]) == (True, False)
    assert (second["settings"]["peer_host"], second["settings"]["peer_port"]) == ("198.18.0.3", 3306)
    assert first["settings"]["peer_url"] == second["settings"]["own_url"] == "http://198.18.0.4:8008"
    assert first["replication"]["hosts"] == ["198.18.0.3", "198.18.0.4"]


def test_both_start_closed_and_log_what_they_do() -> None:
    first, second = (plan(pair(), name)["database"] for name in ("db1", "db2"))
    for database in (first, second):
        assert "skip_log_bin" not in database["settings"]
        assert database["settings"]["super_read_only"] == "ON"
        assert database["settings"]["gtid_mode"] == "ON"
    assert (first["settings"]["server_id"], second["settings"]["server_id"]) == (str(0xC6120003), str(0xC6120004))
    assert (first["listen_addresses"], second["listen_addresses"]) == ("127.0.0.1,198.18.0.3", "127.0.0.1,198.18.0.4")


def test_a_host_with_a_name_has_a_number_too() -> None:
    numbers = {server_id(Host(name, {}, {})) for name in ("db1", "db2")}
    assert len(numbers) == 2
    assert all(0 < int(number) < 2**32 for number in numbers)


def test_a_replica_takes_a_password_of_32_characters() -> None:
    store = MemoryStore()
    made = compiled(pair(), store).new_secrets["database_replication_password"]
    assert len(made) == 32
    assert "database_superuser_password" not in compiled(pair(), store).new_secrets


def test_the_other_server_verifies_a_certificate() -> None:
    (certificate,) = plan(pair(), "db1")["certificates"]
    assert certificate["key"] == "/etc/mysql/airflow-tls/server.key"
    assert certificate["subject_alt_names"] == ["IP:198.18.0.3", "DNS:db1", "IP:127.0.0.1", "IP:::1", "DNS:localhost"]
    assert plan(pair(), "web")["certificates"] == []


@pytest.mark.parametrize(
    ("first", "second", "source"),
    [
        pytest.param(server("db1", SOURCE), server("db2", REPLICA), "db1", id="as it was made"),
        pytest.param(server("db1", {**REPLICA, "follows": ADDRESSES["db2"]}), server("db2", SOURCE), "db2", id="after a promotion"),
        pytest.param(server("db1", CLOSED), server("db2", SOURCE), "db2", id="an old source that is back"),
        pytest.param(server("db1", CLOSED), server("db2", REPLICA), "db1", id="a source that starts again"),
        pytest.param(host("db1"), server("db2", SOURCE), "db2", id="a new host in place of the first"),
    ],
)
def test_the_servers_say_who_is_the_source(first: Host, second: Host, source: str) -> None:
    inputs = in_service(first, second)
    assert findings(inputs) == []
    assert {name for name in ("db1", "db2") if plan(inputs, name)["database"]["pair"]["is_source"]} == {source}
    assert plan(inputs, "web")["database"]["server"] == source


@pytest.mark.parametrize(
    ("limited", "servers", "refused"),
    [
        (["web", "db1"], (server("db1", SOURCE), server("db2", CLOSED)), True),
        (["web", "db1"], (server("db1", SOURCE), host("db2")), True),
        (["db2"], (server("db1", SOURCE), server("db2", CLOSED)), True),
        (["web", "db1"], (server("db1", SOURCE), server("db2", REPLICA)), False),
        (["db1", "db2"], (server("db1", SOURCE), server("db2", CLOSED)), False),
        (["web"], (server("db1", SOURCE), server("db2", CLOSED)), False),
    ],
)
def test_two_servers_become_a_pair_together(limited: list[str], servers: tuple[Host, Host], refused: bool) -> None:
    sentence = (
        f"This run is limited to {', '.join(limited)}, and the two MySQL servers are not a source and its replica yet: run the playbook "
        "for all hosts, without --limit."
    )
    whole = in_service(*servers)
    hosts = dict(whole.hosts)
    for each in servers:
        if each.info and each.info.get("mysql_server"):
            # With its settings as they are to be, it has not to start again.
            wanted = plan(whole, each.name)["database"]
            settings = {**wanted["settings"], "bind_address": wanted["listen_addresses"], "port": "3306"}
            found = {**each.info, "mysql_server": {**each.info["mysql_server"], "settings": settings}}
            hosts[each.name] = replace(each, info=found)
    assert findings(replace(whole, hosts=hosts, limited=limited)) == ([sentence] if refused else [])


def test_a_server_grows_into_a_pair_with_its_data() -> None:
    single = server("db2", SOURCE, in_pair=False, settings={"max_connections": "400", "skip_log_bin": ""}, passwords={})
    inputs = in_service(host("db1"), single, host="198.18.0.4", port=3306)
    assert findings(inputs) == []
    database = plan(inputs, "db2")["database"]
    assert (database["pair"]["is_source"], database["restarts"]) == (True, True)
    # The new one is installed, and its version compared, before anything stops.
    found = [plan(inputs, name)["database"]["pair"] for name in ("db1", "db2")]
    assert [(each["is_new_here"], each["peer_series"]) for each in found] == [(True, "8.4"), (False, None)]


def test_the_password_is_kept_on_the_servers_too() -> None:
    inputs = in_service(server("db1", SOURCE), server("db2", REPLICA))
    assert plan(inputs, "db1")["database"]["pair"]["settings"]["password"] == "of before"


def test_data_are_thrown_away_for_one_server_only() -> None:
    inputs = in_service(server("db1", SOURCE), server("db2", CLOSED))
    assert plan(inputs, "db2")["database"]["pair"]["clone_anew"] is False
    changed = {**VARIABLES, "airflow_metadata_db_clone_anew": "db2"}
    details = {each.name: Host(each.name, changed, each.facts, each.info) for each in inputs.hosts.values()}
    asked = Inputs(details, inputs.groups, inputs.files_dir)
    assert [plan(asked, name)["database"]["pair"]["clone_anew"] for name in ("db1", "db2")] == [False, True]


def test_the_units_of_the_two_do_not_leave() -> None:
    units = ["airflow-database-open.service", "airflow-database-role.service"]
    there = {name: server(name, member) for name, member in (("db1", SOURCE), ("db2", REPLICA))}
    inputs = in_service(*(Host(name, VARIABLES, each.facts, {**(each.info or {}), "units": units}) for name, each in there.items()))
    assert plan(inputs, "db1")["handover"] is None


@pytest.mark.parametrize(
    ("first", "second", "alone"),
    [
        pytest.param(host("db1"), host("db2"), True, id="a fresh one"),
        pytest.param(server("db1", SOURCE, in_pair=False), host("db2"), True, id="a single server gets a second one"),
        pytest.param(server("db1", SOURCE), host("db2"), True, id="a new host in place of the replica"),
        pytest.param(server("db1", CLOSED, is_alone=True), host("db2"), True, id="one that is back, and has no replica"),
        pytest.param(server("db1", SOURCE), server("db2", REPLICA), False, id="as it was made"),
    ],
)
def test_nobody_else_can_be_the_source_where_the_other_has_no_data(first: Host, second: Host, alone: bool) -> None:
    record = installation(engine="mysql", database={"host": "127.0.0.1", "port": 15432, "name": "airflow"})
    web = host("web", installation=record) if first.info and first.info.get("mysql_server") else host("web")
    plans = [compiled(pair(web, first, second)).plan(name)["database"]["pair"] for name in ("db1", "db2")]
    assert [each["is_alone"] for each in plans] == [alone, False]
    assert plans[0]["alone"] == database_role.ALONE


def test_tasks_of_3_outlast_a_promotion() -> None:
    assert plan(pair(), "web")["settings"]["workers"]["execution_api_retries"] == "30"


CASES = {
    "three hosts": (
        inventory({**HOSTS, "db3": "metadata_db"}, **VARIABLES),
        "Group airflow_metadata_db has 3 hosts (db1, db2, db3), and MySQL has a single server here, or a source and a replica: keep two.",
    ),
    "one that had data of its own": (
        in_service(server("db1", SOURCE), server("db2", SOURCE, in_pair=False)),
        "The MySQL servers of db1, db2 both take writes, and db2 had data before it was to be one of two: those of only one server are "
        "kept. Save what the other one has, remove its databases, and run this again.",
    ),
    "two that take writes": (
        in_service(server("db1", SOURCE), server("db2", SOURCE)),
        "The MySQL servers of db1, db2 both take writes, and which of them is the source is not guessed: on the one that is not to be it, "
        "say SET GLOBAL super_read_only = ON, and run this again.",
    ),
    "one that does not answer": (
        in_service(server("db1", None), server("db2", REPLICA)),
        "The MySQL server of db1 has data and does not answer, so it is not known whether it is the source: start it (systemctl start "
        "mysql), or look why it does not run (journalctl -u mysql).",
    ),
    "a source without data": (
        in_service(host("db1"), server("db2", REPLICA)),
        "The MySQL server of db2 is a replica, and its source (198.18.0.3) is not in group airflow_metadata_db, or has no data any more: "
        "let it take over by updraft.airflow.promote_replica, and run this again.",
    ),
    "a source of another name": (
        in_service(host("db1"), server("db2", {**REPLICA, "follows": "198.18.0.9"})),
        "The MySQL server of db2 is a replica, and its source (198.18.0.9) is not in group airflow_metadata_db, or has no data any more: "
        "let it take over by updraft.airflow.promote_replica, and run this again.",
    ),
    "nobody": (
        in_service(server("db1", CLOSED), server("db2", CLOSED)),
        "The MySQL servers of db1, db2 both have data, and neither takes writes or follows the other: say which is the source by "
        "updraft.airflow.promote_replica with airflow_promote_host.",
    ),
    "an old source that may have been followed": (
        in_service(host("db1"), server("db2", CLOSED)),
        "The MySQL server of db2 is closed and had a replica, which may have taken over and taken writes since, and the other host has no "
        "data: bring the replica back, or give up what it took by updraft.airflow.promote_replica with airflow_promote_host: db2 and "
        "airflow_promote_unsynced: true.",
    ),
    "an address of IPv6": (
        pair(Host("db2", {**VARIABLES, "airflow_advertised_address": "fd00::4"}, facts(ADDRESSES["db2"]), info())),
        "db2 has the address fd00::4, and MySQL copies the data of a source from none of IPv6: set airflow_advertised_address of that host "
        "to a name or an IPv4 address.",
    ),
    "two versions": (
        in_service(server("db1", SOURCE), server("db2", REPLICA, version="9.7.4")),
        "The two MySQL servers have different versions (db1: 8.4, db2: 9.7), and a replica is a copy of its source: give both the "
        "same one.",
    ),
    "a port of the pair": (
        inventory({"h1": "webserver scheduler metadata_db", "h2": "metadata_db"}, **VARIABLES, airflow_webserver_port=8008),
        "airflow_webserver_port is 8008, which the unit airflow-database-role has on the same host: choose another one.",
    ),
    "somebody's server": (
        pair(server("db2", None, own=False)),
        "db2 has a MySQL server with databases of others, which would get Airflow's settings: put another host into airflow_metadata_db, "
        "or make role and database there yourself and name it by airflow_metadata_db_managed (false), airflow_metadata_db_host and "
        "airflow_metadata_db_password.",
    ),
    "a copy for nobody": (
        pair(airflow_metadata_db_clone_anew="web"),
        "airflow_metadata_db_clone_anew is web, which has none of two MySQL servers: name one of group airflow_metadata_db, or remove it.",
    ),
    "a copy for the source": (
        pair(airflow_metadata_db_clone_anew="db1"),
        "airflow_metadata_db_clone_anew is db1, whose MySQL server is the source: its data are not thrown away; remove it.",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_cannot_work_is_refused(case: str) -> None:
    inputs, *sentences = CASES[case]
    assert findings(inputs) == sentences


def test_from_a_pair_to_one_host_is_no_way() -> None:
    hosts = {"web": "webserver scheduler", "db1": "metadata_db"}
    record = installation(engine="mysql", database={"host": "127.0.0.1", "port": 15432, "name": "airflow"})
    inputs = inventory(hosts, details={"web": host("web", installation=record), "db1": server("db1", SOURCE)}, **VARIABLES)
    assert any("moving from server to server is not supported" in finding for finding in findings(inputs))
