# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL with three hosts: what the topology compiler derives, and what it refuses, word for word."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import MemoryStore, compiled, daemon, facts, findings, info, installation, inventory, plan

HOSTS = {"web": "webserver scheduler", "db1": "metadata_db", "db2": "metadata_db", "db3": "metadata_db"}
ADDRESSES = {name: f"198.18.0.{number}" for number, name in enumerate(HOSTS, start=2)}
PASSWORDS = ("database_superuser_password", "database_replication_password", "database_rewind_password", "database_cluster_password")
BEGUN = "db1=https://198.18.0.3:2380,db2=https://198.18.0.4:2380,db3=https://198.18.0.5:2380"
ETCD = {"is_made": True, "cluster": BEGUN, "state": "new", "members": {"db1": "198.18.0.3", "db2": "198.18.0.4", "db3": "198.18.0.5"}}
RECORD = {"host": "127.0.0.1", "port": 15432, "name": "airflow"}


def host(name: str, variables: dict[str, Any] | None = None, system: dict[str, Any] | None = None, **found: Any) -> Host:
    """One host of the inventory with what was found on it."""
    return Host(name, variables or {}, system or facts(ADDRESSES[name]), info(hostname=f"{name}.example.org", **found))


def cluster(*details: Host, **variables: Any) -> Inputs:
    """The inventory with some of its hosts replaced."""
    inputs: Inputs = inventory(HOSTS, details={each.name: each for each in details}, **variables)
    return inputs


def member(name: str, **changed: Any) -> Host:
    """A host that is a member already."""
    found = {
        "scope": "airflow",
        "is_made": True,
        "version": "15",
        "data_dir": "/var/lib/postgresql/15/main",
        "members": ["198.18.0.3", "198.18.0.4", "198.18.0.5"],
        "settings": {"max_connections": "400"},
        "passwords": {secret: f"{secret} of before" for secret in PASSWORDS},
        **changed,
    }
    return host(name, patroni=found, etcd=ETCD)


def established(*others: Host, **record: Any) -> Inputs:
    """The inventory of a cluster in service."""
    there = [member(name) for name in ("db1", "db2", "db3")]
    web = host("web", installation=installation(database={**RECORD, **record}))
    return cluster(*(each for each in (web, *there) if each.name not in [other.name for other in others]), *others)


def single_server(name: str = "db1", **changed: Any) -> Host:
    """A host with the server of an installation of one."""
    found = {
        "name": "15/main",
        "config_dir": "/etc/postgresql/15/main",
        "data_dir": "/srv/data",
        "own": True,
        "disabled": False,
        "settings": {"max_connections": "300"},
        "databases": 1,
        **changed,
    }
    return host(name, postgresql_clusters=[found])


def growing(*details: Host, recorded: str = "198.18.0.3") -> Inputs:
    """An installation on one server, in whose group there are three hosts now."""
    record = installation(database={"host": recorded, "port": 5432, "name": "airflow"})
    return cluster(host("web", installation=record, units=["airflow-scheduler.service", "airflow-webserver.service"]), *details)


def test_daemons_reach_the_leader_by_a_port_of_their_own_host() -> None:
    database = plan(cluster(), "web")["database"]
    assert (database["host"], database["port"], database["ssl_mode"]) == ("127.0.0.1", 15432, "prefer")
    assert database["url"].endswith("@127.0.0.1:15432/airflow?sslmode=prefer&connect_timeout=10")
    assert "@127.0.0.1:15432/airflow?ssl=prefer" in database["async_url"]
    assert database["cluster"] is None
    proxy = database["proxy"]
    assert (proxy["address"], proxy["port"], proxy["unit"]) == ("127.0.0.1", 15432, "airflow-database-proxy.service")
    assert proxy["members"] == [{"name": f"db{n}", "address": f"198.18.0.{n + 2}", "port": 5432, "api_port": 8008} for n in (1, 2, 3)]


def test_the_proxys_port_and_the_members_are_the_users() -> None:
    database = plan(cluster(airflow_metadata_db_proxy_port=16000, airflow_metadata_db_port=5433), "web")["database"]
    assert (database["port"], database["proxy"]["members"][0]["port"]) == (16000, 5433)


def test_one_host_stays_a_plain_server() -> None:
    topology = compiled(inventory({"web": "webserver scheduler", "db1": "metadata_db"}))
    for name in ("web", "db1"):
        database = topology.plan(name)["database"]
        assert (database["cluster"], database["proxy"], database["port"]) == (None, None, 5432)
        assert topology.plan(name)["certificates"] == []
    assert not set(PASSWORDS) & set(topology.new_secrets)


def test_only_a_member_gets_the_secrets_of_the_members() -> None:
    topology = compiled(cluster())
    assert set(PASSWORDS) <= set(topology.new_secrets)
    values = [topology.new_secrets[name] for name in PASSWORDS]
    assert len(set(values)) == len(PASSWORDS)
    assert not [value for value in values if value in str(topology.plan("web"))]
    assert all(value in str(topology.plan("db2")["database"]["cluster"]) for value in values)


def test_the_first_member_begins_the_cluster_and_no_other_can() -> None:
    topology = compiled(cluster())
    first, second = (topology.plan(name)["database"]["cluster"] for name in ("db1", "db2"))
    assert (first["is_first"], first["takes_over"], second["is_first"], second["bootstrap"]) == (True, None, False, None)
    assert first["bootstrap"]["dcs"] == first["settings"]
    assert "bootstrap" not in first["patroni"]


def test_a_failover_is_fast_and_loses_nothing() -> None:
    settings = plan(cluster(), "db1")["database"]["cluster"]["settings"]
    assert settings["loop_wait"] + 2 * settings["retry_timeout"] <= settings["ttl"] == 20
    assert (settings["synchronous_mode"], settings["failsafe_mode"], settings["primary_start_timeout"]) == (True, True, 0)
    assert settings["postgresql"]["parameters"]["wal_sender_timeout"] == "5s"


def test_the_members_admit_each_other_and_airflows_hosts() -> None:
    lines = plan(cluster(), "db1")["database"]["cluster"]["settings"]["postgresql"]["pg_hba"]
    assert lines[0] == "local all all peer"
    assert "hostssl replication replicator 198.18.0.5/32 scram-sha-256" in lines
    assert "hostssl postgres rewinder 198.18.0.5/32 scram-sha-256" in lines
    assert "host airflow airflow 198.18.0.2/32 scram-sha-256" in lines
    assert not [line for line in lines[1:] if not line.endswith("scram-sha-256") or " all " in line]


def test_a_member_listens_where_it_is_needed() -> None:
    found = plan(cluster(), "db2")["database"]["cluster"]
    assert found["patroni"]["restapi"]["listen"] == "198.18.0.4:8008"
    assert found["patroni"]["postgresql"]["listen"] == "localhost,198.18.0.4:5432"
    assert found["etcd"]["listen-client-urls"] == "https://198.18.0.4:2379,https://127.0.0.1:2379"
    assert found["etcd"]["listen-peer-urls"] == "https://198.18.0.4:2380"
    assert found["etcd"]["initial-cluster"] == ("db1=https://198.18.0.3:2380,db2=https://198.18.0.4:2380,db3=https://198.18.0.5:2380")
    forwarded = host("db2", {"airflow_advertised_address": "db.example.org"})
    found = plan(cluster(forwarded), "db2")["database"]["cluster"]
    assert found["patroni"]["postgresql"]["listen"] == "*:5432"
    assert found["patroni"]["restapi"]["listen"] == "*:8008"
    assert found["etcd"]["listen-client-urls"] == "https://0.0.0.0:2379"
    assert found["etcd"]["advertise-client-urls"] == "https://db.example.org:2379"


def test_an_ipv6_address_has_brackets_in_urls_only() -> None:
    details = host("db1", {"airflow_advertised_address": "2001:db8::1"}, facts("2001:db8::1"))
    topology = compiled(cluster(details))
    found = topology.plan("db1")
    assert found["database"]["cluster"]["patroni"]["restapi"]["listen"] == "[2001:db8::1]:8008"
    assert "hostssl postgres rewinder 2001:db8::1/128 scram-sha-256" in found["database"]["cluster"]["settings"]["postgresql"]["pg_hba"]
    assert "IP:2001:db8::1" in found["certificates"][0]["subject_alt_names"]
    assert topology.plan("web")["database"]["proxy"]["members"][0]["address"] == "[2001:db8::1]"


def test_a_member_has_two_certificates() -> None:
    topology = compiled(cluster())
    assert topology.plan("web")["certificates"] == []
    found = {entry["name"]: entry for entry in topology.plan("db1")["certificates"]}
    assert {name: entry["owner"] for name, entry in found.items()} == {"postgresql": "postgres", "etcd": "etcd"}
    assert found["etcd"]["subject_alt_names"] == ["IP:198.18.0.3", "DNS:db1", "IP:127.0.0.1", "IP:::1", "DNS:localhost"]
    assert (found["etcd"]["usages"], found["etcd"]["mode"]) == (["serverAuth", "clientAuth"], "0600")


def test_the_smallest_member_says_how_much_memory_all_take() -> None:
    small = host("db3", None, facts(ADDRESSES["db3"], memtotal_mb=1024))
    assert plan(cluster(small), "db1")["database"]["settings"]["shared_buffers"] == "256MB"


def test_a_member_that_runs_airflow_too() -> None:
    hosts = {"h1": "webserver scheduler metadata_db", "h2": "metadata_db", "h3": "metadata_db"}
    found = plan(inventory(hosts), "h1")
    assert found["database"]["cluster"]["name"] == "h1"
    assert found["database"]["proxy"]["port"] == 15432
    after = daemon(found, "scheduler")["after"]
    assert {"patroni.service", "etcd.service", "airflow-database-proxy.service"} <= set(after)
    assert "postgresql.service" not in after
    assert found["database"]["cluster"]["patroni"]["postgresql"]["listen"] == "localhost,198.18.0.2:5432"


def test_the_proxys_unit_does_not_leave() -> None:
    record = installation(database=RECORD)
    web = host("web", installation=record, units=["airflow-database-proxy.service", "airflow-scheduler.service"])
    assert plan(established(web), "web")["handover"] is None


def test_tasks_of_3_outlast_a_failover_and_an_api_server_that_starts() -> None:
    patient = {"execution_api_retries": "30", "execution_api_retry_wait_max": "5.0", "max_failed_heartbeats": "1"}
    assert plan(cluster(), "web")["settings"]["workers"] == patient
    assert plan(inventory({"web": "webserver scheduler", "db1": "metadata_db"}), "web")["settings"]["workers"] == patient
    assert "workers" not in plan(cluster(airflow_version="2.11.2"), "web")["settings"]


def test_a_cluster_in_service_keeps_what_it_has() -> None:
    topology = compiled(established())
    found = topology.plan("db1")["database"]
    assert (found["cluster"]["is_first"], found["cluster"]["bootstrap"], found["restarts"]) == (False, None, False)
    assert found["settings"]["max_connections"] == "400"
    assert found["cluster"]["api"]["password"] == "database_cluster_password of before"
    assert topology.new_secrets["database_rewind_password"] == "database_rewind_password of before"


def test_the_proxys_port_may_change() -> None:
    assert findings(established(port=16000)) == []


def test_a_password_that_differs_from_the_members_is_refused() -> None:
    assert findings(established(), MemoryStore(database_rewind_password="another")) == [
        "The database_rewind_password in /inventory/credentials/airflow/database_rewind_password and the one in /etc/patroni/config.yml on "
        "db1 differ: make them equal, or remove the wrong one."
    ]


def test_an_interrupted_beginning_goes_on() -> None:
    halfway = [member(name, is_made=False, version=None, settings={}) for name in ("db1", "db2", "db3")]
    topology = compiled(cluster(*halfway))
    assert topology.plan("db1")["database"]["cluster"]["is_first"] is True


def test_one_server_grows_into_a_cluster_with_its_data() -> None:
    inputs = growing(single_server("db2"), recorded="198.18.0.4")
    topology = compiled(inputs)
    first, other = topology.plan("db2")["database"], topology.plan("db1")["database"]
    assert first["cluster"]["takes_over"] == {
        "unit": "postgresql@15-main.service",
        "config_dir": "/etc/postgresql/15/main",
        "data_dir": "/srv/data",
        "is_stopped": False,
    }
    assert (first["cluster"]["data_dir"], other["cluster"]["data_dir"]) == ("/srv/data", "/var/lib/postgresql/15/main")
    assert (first["cluster"]["is_first"], other["cluster"]["is_first"], other["cluster"]["takes_over"]) == (True, False, None)
    # Enough connections stay as many, and the tasks end before the server stops.
    assert first["settings"]["max_connections"] == "300"
    assert topology.plan("web")["handover"]["stop"] == ["airflow-scheduler.service"]
    assert "becomes the first member of the database cluster" in topology.plan("web")["warnings"][0]


def test_a_server_of_its_own_host_grows_too() -> None:
    hosts = {"h1": "webserver scheduler metadata_db", "h2": "metadata_db", "h3": "metadata_db"}
    found = {**(single_server().info or {}), "installation": installation()}
    topology = compiled(inventory(hosts, details={"h1": Host("h1", {}, facts("198.18.0.2"), found)}))
    assert topology.plan("h1")["database"]["cluster"]["takes_over"] is not None


def test_growth_that_was_interrupted_goes_on() -> None:
    patroni = {"is_made": False, "version": "15", "data_dir": "/srv/data", "members": [], "settings": {}, "passwords": {}}
    found = {**(single_server(disabled=True).info or {}), "patroni": patroni}
    first = compiled(growing(Host("db1", {}, facts(ADDRESSES["db1"]), found))).plan("db1")["database"]["cluster"]
    assert (first["is_first"], first["takes_over"]["is_stopped"]) == (True, True)


def test_what_has_grown_begins_nothing_again() -> None:
    grown = Host("db1", {}, facts(ADDRESSES["db1"]), {**(single_server(disabled=True).info or {}), **(member("db1").info or {})})
    grown = Host("db1", {}, grown.facts, {**(grown.info or {}), "postgresql_clusters": (single_server().info or {})["postgresql_clusters"]})
    found = compiled(established(grown)).plan("db1")["database"]
    assert (found["cluster"]["is_first"], found["restarts"]) == (False, False)


CASES = {
    "two hosts": (
        inventory({"web": "webserver scheduler", "db1": "metadata_db", "db2": "metadata_db"}),
        "Group airflow_metadata_db has 2 hosts (db1, db2): of two database servers neither has a majority when they lose each other; keep "
        "one, or make them three.",
    ),
    "four hosts": (
        inventory({**HOSTS, "db4": "metadata_db"}),
        "Group airflow_metadata_db has 4 hosts (db1, db2, db3, db4): 4 members outlive the loss of no more hosts than 3 do; take one out, "
        "or add one.",
    ),
    "MySQL": (
        cluster(
            airflow_metadata_db_engine="mysql",
            airflow_metadata_db_mysql_repository={key: "x" for key in ("uris", "suites", "components", "signed_by")},
        ),
        "Group airflow_metadata_db has 3 hosts (db1, db2, db3), and MySQL has a single server here, or a source and a replica: keep two.",
    ),
    "another distribution": (
        cluster(
            *(host(name, None, facts(ADDRESSES[name], "9", distribution="Rocky", os_family="RedHat")) for name in ("db1", "db2", "db3"))
        ),
        *(
            f"{name} runs Rocky 9, whose packages have no Patroni for a database cluster: use Debian 12 or 13, or keep one host in "
            "airflow_metadata_db."
            for name in ("db1", "db2", "db3")
        ),
    ),
    "two releases": (
        cluster(host("db3", None, facts(ADDRESSES["db3"], "13"))),
        "The members of the database cluster would have different versions of PostgreSQL (db1: 15, db2: 15, db3: 17): give all of them the "
        "same release of the distribution.",
    ),
    "two of three are new": (
        established(host("db2"), host("db3")),
        "Of the 3 members of the database cluster (198.18.0.3, 198.18.0.4, 198.18.0.5) only db1 would stay in group airflow_metadata_db, "
        "and a member is replaced or added with a majority of them only: put the hosts back that have the data, with the addresses they "
        "had, and replace one after the other.",
    ),
    "somebody's server": (
        cluster(single_server("db2", own=False)),
        "db2 has a PostgreSQL server that is not Airflow's (/etc/postgresql/15/main), where a member of the database cluster is to be: use "
        "another host, or remove the server (pg_dropcluster).",
    ),
    "two servers of Airflow's": (
        growing(single_server("db1"), single_server("db2")),
        "db1, db2 of group airflow_metadata_db each have a database server of Airflow's, and which of them begins the database cluster is "
        "not guessed: remove the others (pg_dropcluster).",
    ),
    "no host with the data": (
        growing(),
        "The existing installation's database is at 198.18.0.3, and no host of group airflow_metadata_db has its data: put the host that "
        "has them into the group, and the database cluster begins with them.",
    ),
    "a port of the members": (
        inventory({"h1": "webserver scheduler metadata_db", "h2": "metadata_db", "h3": "metadata_db"}, airflow_webserver_port=8008),
        "airflow_webserver_port is 8008, which Patroni has on the same host: choose another one.",
    ),
    "the server's own port for the proxy": (
        inventory({"h1": "webserver scheduler metadata_db", "h2": "metadata_db", "h3": "metadata_db"}, airflow_metadata_db_proxy_port=5432),
        "airflow_metadata_db_proxy_port is 5432, which airflow_metadata_db_port has on the same host: choose another one.",
    ),
    "no port": (
        cluster(airflow_metadata_db_proxy_port=70000),
        "airflow_metadata_db_proxy_port is 70000: a port is between 1 and 65535.",
    ),
    "another name": (
        established(name="second"),
        "The existing installation is on second at 127.0.0.1:15432, and the inventory now says airflow at 127.0.0.1:15432: moving from "
        "server to server is not supported by this release; name the old one.",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_cannot_work_is_refused(case: str) -> None:
    inputs, *sentences = CASES[case]
    assert findings(inputs) == sentences


def test_from_a_cluster_to_one_host_is_no_way() -> None:
    hosts = {"web": "webserver scheduler", "db1": "metadata_db"}
    details = {"web": host("web", installation=installation(database=RECORD)), "db1": member("db1")}
    assert findings(inventory(hosts, details=details)) == [
        "The existing installation is on airflow at 127.0.0.1:15432, and the inventory now says airflow at 198.18.0.3:5432: moving from "
        "server to server is not supported by this release; name the old one."
    ]
