# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer between the daemons and the database: what the topology compiler derives, and what it refuses, word for word."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._topology_sizing import most_pooled, pooled
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs, compile_topology
from topology_inventory import (
    AWKWARD_PASSWORD,
    MemoryStore,
    adopted,
    compiled,
    daemon,
    facts,
    findings,
    info,
    installation,
    inventory,
    on_server,
    plan,
    single,
)

CONN = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
CONN_ASYNC = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"
RESULTS = "AIRFLOW__CELERY__RESULT_BACKEND"
UNIT = "airflow-database-pool.service"
CELERY = {"h1": "webserver scheduler metadata_db broker", "h2": "worker", "h3": "worker"}
STORE = MemoryStore(metadata_db_password="meta", results_db_password="res", broker_password="b")
OLD_URL = "postgresql+psycopg2://jane:pw@db.example.org/airflow"


def pooled_server(**variables: Any) -> Inputs:
    """One host with everything, and PgBouncer."""
    inputs: Inputs = single("metadata_db", airflow_metadata_db_pgbouncer=True, **variables)
    return inputs


def celery(hosts: dict[str, str] | None = None, **variables: Any) -> Inputs:
    """Two workers, and everything else on a third host, with PgBouncer."""
    inputs: Inputs = inventory(hosts or CELERY, airflow_metadata_db_pgbouncer=True, **variables)
    return inputs


def test_without_the_variable_there_is_none() -> None:
    found = plan(single("metadata_db"))
    assert (found["database"]["pool"], found["database"]["pool_leaves"]) == (None, False)
    assert UNIT not in daemon(found, "scheduler")["after"]


def test_daemons_connect_to_it_and_the_command_line_to_the_server() -> None:
    found = plan(pooled_server(), store=STORE)
    for name in ("webserver", "scheduler", "dag_processor", "triggerer"):
        environment = daemon(found, name)["environment"]
        assert environment[CONN] == "postgresql+psycopg2://airflow:meta@127.0.0.1:16432/airflow?sslmode=disable"
        assert environment[CONN_ASYNC] == "postgresql+psycopg://airflow:meta@127.0.0.1:16432/airflow?sslmode=disable"
        assert UNIT in daemon(found, name)["after"]
    straight = "postgresql+psycopg2://airflow:meta@127.0.0.1:5432/airflow?sslmode=disable"
    assert found["cli_environment"][CONN] == found["database"]["url"] == straight
    assert found["cli_environment"][CONN_ASYNC] == found["database"]["async_url"] == straight.replace("psycopg2", "psycopg")
    assert (found["database"]["host"], found["database"]["port"]) == ("127.0.0.1", 5432)


def test_the_port_is_the_users() -> None:
    found = plan(pooled_server(airflow_metadata_db_pgbouncer_port=7000))
    assert ":7000/" in daemon(found, "scheduler")["environment"][CONN]
    assert found["database"]["pool"]["port"] == 7000


def test_the_asynchronous_driver_of_3_prepares_nothing() -> None:
    found = plan(pooled_server())
    assert found["settings"]["database"]["sql_alchemy_connect_args_async"] == "airflow_pgbouncer.connect_args"
    module = next(entry for entry in found["python_modules"] if entry["path"] == "/opt/airflow/config/airflow_pgbouncer.py")
    names: dict[str, Any] = {}
    exec(module["content"], names)
    assert names["connect_args"] == {"prepare_threshold": None}


def test_2_has_no_asynchronous_driver() -> None:
    found = plan(pooled_server(airflow_version="2.11.2"))
    assert "database" not in found["settings"]
    assert found["python_modules"] == []
    assert CONN_ASYNC not in daemon(found, "scheduler")["environment"]


@pytest.mark.parametrize(("version", "databases"), [("3.3.2", ["airflow_results"]), ("2.11.2", ["airflow", "airflow_results"])])
def test_a_worker_has_what_it_opens_and_no_more(version: str, databases: list[str]) -> None:
    topology = compiled(celery(airflow_version=version), STORE)
    pool = topology.plan("h2")["database"]["pool"]
    assert [entry["name"] for entry in pool["databases"]] == databases
    assert ("meta" in pool["users"]) is (version == "2.11.2")
    assert pool["server"] == {"host": "198.18.0.2", "port": 5432, "ssl_mode": "prefer", "ssl_root_cert": None}
    environment = daemon(topology.plan("h2"), "worker")["environment"]
    assert environment[RESULTS] == "db+postgresql+psycopg2://airflow_results:res@127.0.0.1:16432/airflow_results?sslmode=disable"
    assert "@198.18.0.2:5432/airflow_results" in topology.plan("h2")["cli_environment"][RESULTS]


def test_a_host_that_opens_no_database_has_none() -> None:
    topology = compiled(celery(airflow_result_backend="redis"), STORE)
    assert topology.plan("h1")["database"]["pool"] is not None
    assert topology.plan("h2")["database"]["pool"] is None
    assert UNIT not in daemon(topology.plan("h2"), "worker")["after"]


def test_it_verifies_the_server_as_the_daemons_would() -> None:
    pool = plan(celery(airflow_tls="own_ca"), "h2")["database"]["pool"]
    assert pool["server"] == {"host": "198.18.0.2", "port": 5432, "ssl_mode": "verify-full", "ssl_root_cert": "/etc/airflow-tls/ca.crt"}


def test_a_server_of_others_is_reached_by_it_too() -> None:
    variables = {
        "airflow_metadata_db_host": "db.example.org",
        "airflow_metadata_db_password": "x",
        "airflow_metadata_db_ssl_mode": "require",
    }
    found = plan(single(airflow_metadata_db_pgbouncer=True, **variables))
    pool = found["database"]["pool"]
    assert pool["server"] == {"host": "db.example.org", "port": 5432, "ssl_mode": "require", "ssl_root_cert": None}
    assert pool["after"] == []
    assert "sslmode=require" in found["database"]["async_url"]


def test_in_a_cluster_it_stands_before_the_way_to_the_leader() -> None:
    hosts = {"web": "webserver scheduler", "db1": "metadata_db", "db2": "metadata_db", "db3": "metadata_db"}
    found = plan(inventory(hosts, airflow_metadata_db_pgbouncer=True), "web")
    pool = found["database"]["pool"]
    assert (pool["server"]["host"], pool["server"]["port"]) == ("127.0.0.1", 15432)
    assert pool["after"] == ["airflow-database-proxy.service"]
    # How long a server is waited for is PgBouncer's own affair.
    assert "connect_timeout" not in daemon(found, "scheduler")["environment"][CONN]
    assert "connect_timeout=10" in found["cli_environment"][CONN]


def test_passwords_are_quoted_as_pgbouncer_reads_them() -> None:
    pool = plan(pooled_server(airflow_metadata_db_password=AWKWARD_PASSWORD))["database"]["pool"]
    assert pool["users"] == '"airflow" "p@ss:w/rd %25#&\'""\\"\n'


def test_it_starts_after_the_server_of_its_host() -> None:
    assert plan(pooled_server())["database"]["pool"]["after"] == ["postgresql.service"]


def test_sizes_follow_from_what_daemons_may_open() -> None:
    assert pooled(2) == {"size": 5, "reserve": 3}
    assert pooled(105) == {"size": 35, "reserve": 18}
    assert most_pooled(105) == 53
    pool = plan(pooled_server())["database"]["pool"]
    assert pool["databases"] == [{"name": "airflow", "size": 35, "reserve": 18}]
    assert pool["clients"] == 210


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_all_pools_fit_the_server_and_twice_the_workers_do(version: str) -> None:
    few = {"h1": CELERY["h1"], "h2": "worker"}
    many = {**few, "h3": "worker"}
    variables = {"airflow_version": version, "airflow_worker_concurrency": 60}
    sized = plan(celery(few, **variables))["database"]["max_connections"]
    topology = compile_topology(celery(many, **variables), MemoryStore())
    pools = [topology.plan(name)["database"]["pool"]["databases"] for name in many]
    opened = sum(entry["size"] + entry["reserve"] for entries in pools for entry in entries)
    assert opened + 20 <= sized
    # Without PgBouncer it would be more.
    plain = inventory(few, **variables)
    assert sized < plan(plain)["database"]["max_connections"]


def test_a_pool_that_is_not_wanted_any_more_goes_when_the_daemons_have_left_it() -> None:
    units = ["airflow-scheduler.service", "airflow-webserver.service", UNIT]
    found = plan(single("metadata_db", found=info(installation=installation(), units=units)), store=MemoryStore(metadata_db_password="old"))
    assert found["database"]["pool_leaves"] is True
    assert found["handover"] is None
    assert "@127.0.0.1:5432/" in daemon(found, "scheduler")["environment"][CONN]


def test_on_a_host_that_loses_its_daemons_it_goes_last_with_its_files() -> None:
    gone = Host(
        "h4",
        {"airflow_metadata_db_pgbouncer": True},
        facts("198.18.0.9"),
        info(installation=installation(), units=[UNIT, "airflow-worker.service"]),
    )
    inputs = inventory({**CELERY, "h4": ""}, details={"h4": gone}, airflow_metadata_db_pgbouncer=True)
    handover = plan(inputs, "h4", MemoryStore(metadata_db_password="old"))["handover"]
    assert handover["leave"] == ["airflow-worker.service", UNIT]
    assert handover["leave_files"] == ["database-pool.ini", "database-pool-users.txt"]


def test_a_status_looks_for_it() -> None:
    servers = compiled(pooled_server()).status("h1")["host"]["servers"]
    assert {"name": "pool of connections", "component": "proxy", "units": [UNIT]} in servers


def test_an_address_that_is_taken_over_keeps_its_options() -> None:
    found = info(adopted=on_server(f"{OLD_URL}?sslmode=require&application_name=af&connect_timeout=3", "3.3.2"))
    result = plan(single(found=found, airflow_metadata_db_pgbouncer=True))
    assert daemon(result, "scheduler")["environment"][CONN].endswith("@127.0.0.1:16432/airflow?sslmode=disable&application_name=af")
    assert result["database"]["pool"]["server"]["ssl_mode"] == "require"


CASES: dict[str, tuple[Inputs, str]] = {
    "MySQL": (
        single(
            airflow_metadata_db_pgbouncer=True,
            airflow_metadata_db_engine="mysql",
            airflow_metadata_db_host="db.example.org",
            airflow_metadata_db_password="x",
        ),
        "airflow_metadata_db_pgbouncer is true and the metadata database is MySQL: PgBouncer is for PostgreSQL only; remove that variable.",
    ),
    "SQLite": (
        single(airflow_metadata_db_pgbouncer=True),
        "airflow_metadata_db_pgbouncer is true and the metadata database is SQLite: PgBouncer is for PostgreSQL only; remove that "
        "variable.",
    ),
    "its console's name": (
        pooled_server(airflow_metadata_db_name="pgbouncer"),
        "airflow_metadata_db_pgbouncer is true and the database's name is 'pgbouncer', which PgBouncer keeps for its console: remove "
        "that variable.",
    ),
    "a name it cannot read": (
        single(
            airflow_metadata_db_pgbouncer=True,
            airflow_metadata_db_host="db.example.org",
            airflow_metadata_db_name="air$flow",
            airflow_metadata_db_password="x",
        ),
        "airflow_metadata_db_pgbouncer is true and the database's name is 'air$flow', which PgBouncer cannot read: remove that variable.",
    ),
    "options of libpq's": (
        single(
            found=info(adopted=on_server(f"{OLD_URL}?options=-csearch_path%3Da&sslcert=/x", "3.3.2")), airflow_metadata_db_pgbouncer=True
        ),
        "airflow_metadata_db_pgbouncer is true and the address of the metadata database has options that PgBouncer cannot pass on "
        "(options, sslcert): remove them, or that variable.",
    ),
    "several hosts": (
        single(found=info(adopted=on_server("postgresql://jane:pw@/airflow?host=db1,db2", "3.3.2")), airflow_metadata_db_pgbouncer=True),
        "airflow_metadata_db_pgbouncer is true and the address of the metadata database names several hosts (db1,db2), of which PgBouncer "
        "would use all alike: name one, or remove that variable.",
    ),
    "other arguments of the driver": (
        pooled_server(airflow_config={"database": {"sql_alchemy_connect_args_async": "mine.args"}}),
        "airflow_metadata_db_pgbouncer is true and [database] sql_alchemy_connect_args_async is 'mine.args': the driver has to be told "
        "there that it prepares no statements; remove that option, or that variable.",
    ),
    "the server's port": (
        pooled_server(airflow_metadata_db_pgbouncer_port=5432),
        "airflow_metadata_db_pgbouncer_port is 5432, which airflow_metadata_db_port has on the same host: choose another one.",
    ),
    "no port": (
        pooled_server(airflow_metadata_db_pgbouncer_port=70000),
        "airflow_metadata_db_pgbouncer_port is 70000: a port is between 1 and 65535.",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_cannot_work_is_refused(case: str) -> None:
    inputs, sentence = CASES[case]
    assert findings(inputs) == [sentence]


def test_an_account_without_a_password_is_refused() -> None:
    found = info(adopted=on_server("postgresql://jane@db.example.org/airflow", "3.3.2"))
    assert (
        "airflow_metadata_db_pgbouncer is true and the address of the metadata database holds no password, and PgBouncer logs in by one: "
        "set airflow_metadata_db_password, or remove that variable."
    ) in findings(single(found=found, airflow_metadata_db_pgbouncer=True))


def test_one_taken_over_on_sqlite_moves_past_it() -> None:
    found = plan(single("metadata_db", found=info(adopted=adopted()), airflow_metadata_db_pgbouncer=True))
    assert found["database"]["pool"] is not None
    assert "@127.0.0.1:5432/" in found["cli_environment"][CONN]
