# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, accounts and rules of MySQL."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._topology_mysql import (
    SSL_MODES,
    accounts,
    async_connect_args,
    bind_address,
    host_findings,
    mysql_async_url,
    mysql_url,
    name_findings,
    parse_version,
    resolves_no_names,
    version_findings,
    version_warnings,
)
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Inputs
from topology_inventory import (
    OLD_HOME,
    MemoryStore,
    daemon,
    facts,
    findings,
    info,
    installation,
    inventory,
    on_server,
    plan,
    server,
    single,
)

PASSWORD = "p@ss:w/rd %25#&'\"\\ü"


def test_a_url_gives_everything_back() -> None:
    parts = urlsplit(mysql_url("air flow", PASSWORD, "2001:db8::1", 3307, "airflow", "verify-full", "/etc/ssl/my ca.pem"))
    assert parts.scheme == "mysql+mysqldb"
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == ("air flow", PASSWORD)
    assert (parts.hostname, parts.port, parts.path) == ("2001:db8::1", 3307, "/airflow")
    assert dict(parse_qsl(parts.query)) == {"charset": "utf8mb4", "ssl_mode": "VERIFY_IDENTITY", "ssl_ca": "/etc/ssl/my ca.pem"}


def test_further_options_come_last() -> None:
    assert mysql_url("a", "b", "h", 3306, "d", "disable", None, {"connect_timeout": "5"}).endswith(
        "?charset=utf8mb4&ssl_mode=DISABLED&connect_timeout=5"
    )


def test_the_asynchronous_url_has_no_option_that_aiomysql_does_not_know() -> None:
    parts = urlsplit(mysql_async_url("airflow", PASSWORD, "db", 3306, "airflow"))
    assert (parts.scheme, parts.query) == ("mysql+aiomysql", "charset=utf8mb4")
    assert unquote(parts.password or "") == PASSWORD


@pytest.mark.parametrize(
    ("mode", "verifies", "checks_name"), [("require", False, False), ("verify-ca", True, False), ("verify-full", True, True)]
)
def test_the_asynchronous_driver_gets_a_context(mode: str, verifies: bool, checks_name: bool) -> None:
    names: dict[str, Any] = {}
    exec(async_connect_args(mode, ssl.get_default_verify_paths().openssl_cafile) or "", names)
    context = names["connect_args"]["ssl"]
    assert (context.verify_mode == ssl.CERT_REQUIRED, context.check_hostname) == (verifies, checks_name)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_where_no_tls_is_demanded_there_is_no_context(mode: str) -> None:
    assert async_connect_args(mode) is None
    assert SSL_MODES[mode] in ("DISABLED", "PREFERRED")


def test_the_role_is_admitted_from_the_hosts_that_need_it() -> None:
    loopback = ["localhost", "127.0.0.1", "::1"]
    assert accounts(["10.0.0.1"], alone=True) == loopback
    assert accounts(["10.0.0.1", "10.0.0.2", "10.0.0.1"], alone=False) == [*loopback, "10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("admitted", "needs_no_names"), [(["localhost", "127.0.0.1", "::1", "2001:DB8::5"], True), (["localhost", "web1.example.org"], False)]
)
def test_names_are_looked_up_only_where_there_are_some(admitted: list[str], needs_no_names: bool) -> None:
    assert resolves_no_names(admitted) is needs_no_names


def test_the_server_listens_where_it_is_needed() -> None:
    assert bind_address("10.0.0.1", alone=True) == "127.0.0.1"
    assert bind_address("10.0.0.1", alone=False) == "127.0.0.1,10.0.0.1"
    assert bind_address(None, alone=False) == "*"


@pytest.mark.parametrize(
    ("text", "version"), [("8.0.36", (8, 0)), ("8.4.3-0ubuntu1", (8, 4)), ("1:9.7.0-2", (9, 7)), ("unknown", None), ("", None)]
)
def test_versions_are_read(text: str, version: tuple[int, int] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("version", "line", "refused", "warned"),
    [
        ((5, 7), 2, True, False),
        ((8, 0), 2, False, False),
        ((8, 0), 3, False, False),
        ((8, 4), 2, False, True),
        ((8, 4), 3, False, False),
        ((9, 7), 3, False, True),
        (None, 3, False, False),
    ],
)
def test_too_old_is_refused_and_too_new_is_told(version: tuple[int, int] | None, line: int, refused: bool, warned: bool) -> None:
    assert bool(list(version_findings(version, "3.3.2", "the MySQL of db1"))) is refused
    assert bool(list(version_warnings(version, "3.3.2", line, "db1"))) is warned


def test_the_warning_names_what_upstream_tests() -> None:
    assert list(version_warnings((9, 7), "3.3.2", 3, "db1")) == [
        "db1 is MySQL 9.7, which is above what upstream tests Airflow 3.3.2 with (8.0, 8.4 and Innovation releases)."
    ]


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("airflow_metadata_db_user", "root", "which MySQL keeps for itself"),
        ("airflow_metadata_db_name", "sys", "which MySQL keeps for itself"),
        ("airflow_metadata_db_name", "Airflow", "it must start with a letter"),
        ("airflow_metadata_db_user", "a" * 33, "(32 at most)"),
        ("airflow_metadata_db_name", "a" * 65, "(64 at most)"),
    ],
)
def test_names_that_cannot_be_made(variable: str, value: str, sentence: str) -> None:
    (finding,) = name_findings(variable, value)
    assert finding.startswith(f"{variable} is {value!r}")
    assert sentence in finding


def test_names_that_can_be_made() -> None:
    assert list(name_findings("airflow_metadata_db_user", "a" * 32)) == list(name_findings("airflow_metadata_db_name", "airflow")) == []


def test_localhost_would_be_a_socket() -> None:
    assert list(host_findings("localhost")) == [
        "airflow_metadata_db_host is localhost, which MySQL's client library takes for a socket: write 127.0.0.1."
    ]
    assert list(host_findings("127.0.0.1")) == []


def on_mysql(components: str = "metadata_db", **keywords: Any) -> Inputs:
    """One host with everything, its database on MySQL."""
    inputs: Inputs = single(components, **{"airflow_metadata_db_engine": "mysql", **keywords})
    return inputs


def mysql_server(**changed: Any) -> dict[str, Any]:
    """A server of MySQL as the host information module finds it."""
    return dict(info(mysql_server={"kind": "mysql", "version": "9.7.4", "own": False, "settings": {}, "databases": 0, **changed}))


def test_a_managed_server_on_the_same_host() -> None:
    database = plan(on_mysql(found=mysql_server()))["database"]
    assert (database["engine"], database["managed"], database["host"], database["port"]) == ("mysql", True, "127.0.0.1", 3306)
    assert database["listen_addresses"] == "127.0.0.1"
    assert database["accounts"] == ["localhost", "127.0.0.1", "::1"]
    assert database["settings"]["skip_name_resolve"] == "ON"
    assert (database["hba"], database["config_dir"]) == ([], None)
    assert database["url"].startswith("mysql+mysqldb://airflow:") and database["url"].endswith("?charset=utf8mb4&ssl_mode=PREFERRED")
    assert database["async_url"].startswith("mysql+aiomysql://airflow:")


def test_a_managed_server_of_its_own_admits_the_others() -> None:
    inputs = inventory({"h1": "webserver scheduler", "db": "metadata_db"}, airflow_metadata_db_engine="mysql")
    there = replace(inputs.hosts["db"], info=mysql_server())
    inputs = replace(inputs, hosts={**inputs.hosts, "db": there})
    found = plan(inputs)["database"]
    assert (found["host"], found["listen_addresses"]) == ("198.18.0.3", "127.0.0.1,198.18.0.3")
    assert found["accounts"][-1] == "198.18.0.2"
    assert (found["on_this_host"], plan(inputs, "db")["database"]["on_this_host"]) == (False, True)


def test_celery_keeps_results_in_a_second_database() -> None:
    found = plan(on_mysql("metadata_db broker worker", found=mysql_server()))
    assert [entry["name"] for entry in found["database"]["databases"]] == ["airflow", "airflow_results"]
    backend = daemon(found, "worker")["environment"]["AIRFLOW__CELERY__RESULT_BACKEND"]
    assert backend.startswith("db+mysql+mysqldb://airflow_results:")


def test_the_drivers_are_installed_with_airflow() -> None:
    (environment,) = plan(on_mysql(found=mysql_server()))["environments"]
    assert [lock.rpartition("-")[2] for lock in environment["locks"][1:]] == ["mysql.txt"]


@pytest.mark.parametrize(("version", "line"), [("2.11.2", 2), ("3.3.2", 3)])
def test_demanded_tls_is_given_to_the_asynchronous_driver_in_a_file(version: str, line: int) -> None:
    inputs = on_mysql(found=mysql_server(), airflow_version=version, airflow_metadata_db_ssl_mode="require")
    found = plan(inputs)
    assert bool(found["python_modules"]) is (line == 3)
    told = found["settings"].get("database", {}).get("sql_alchemy_connect_args_async")
    assert told == ("airflow_mysql_tls.connect_args" if line == 3 else None)


def test_a_server_in_service_restarts_for_another_setting_only() -> None:
    before = plan(on_mysql(found=mysql_server()))["database"]
    own = {**before["settings"], "bind_address": "127.0.0.1", "port": "3306"}
    place = {"host": "127.0.0.1", "port": 3306, "name": "airflow"}
    record = installation(engine="mysql", database=place)

    def restarts(**changed: str) -> bool:
        found = {**mysql_server(own=True, settings={**own, **changed}), "installation": record}
        return bool(plan(on_mysql(found=found), store=MemoryStore(metadata_db_password="old"))["database"]["restarts"])

    assert not restarts()
    assert restarts(max_connections="10")
    assert restarts(transaction_isolation="REPEATABLE-READ")


REFUSALS = {
    "Debian's stable release has none": (
        on_mysql(),
        "h1 has no MySQL server, and Debian 12 has none to install: name a repository that has one by "
        "airflow_metadata_db_mysql_repository, use PostgreSQL, or another server by airflow_metadata_db_host.",
    ),
    "MariaDB is there": (
        on_mysql(found=mysql_server(kind="mariadb", version="10.11.6-MariaDB")),
        "h1 has a MariaDB server, which Airflow does not support and MySQL's packages would replace: put another host into "
        "airflow_metadata_db, or remove MariaDB yourself.",
    ),
    "an old server": (
        on_mysql(found=mysql_server(version="5.7.44")),
        "Airflow 3.3.2 needs MySQL 8.0 or newer, and the MySQL of h1 is 5.7: use a newer one.",
    ),
    "a socket": (
        single(airflow_metadata_db_engine="mysql", airflow_metadata_db_host="localhost", airflow_metadata_db_password="x"),
        "airflow_metadata_db_host is localhost, which MySQL's client library takes for a socket: write 127.0.0.1.",
    ),
    "half a repository": (
        on_mysql(airflow_metadata_db_mysql_repository={"uris": "https://repo.example.org"}),
        "airflow_metadata_db_mysql_repository lacks suites, components, signed_by: give all of uris, suites, components, signed_by.",
    ),
    "more than a repository": (
        on_mysql(airflow_metadata_db_mysql_repository=dict.fromkeys(("uris", "suites", "components", "signed_by", "key"), "x")),
        "airflow_metadata_db_mysql_repository has key, which it does not know: use uris, suites, components, signed_by.",
    ),
    "a server of others": (
        on_mysql(found=mysql_server(databases=2)),
        "h1 has a MySQL server with databases of others, which would get Airflow's settings: put another host into airflow_metadata_db, or "
        "make role and database there yourself and name it by airflow_metadata_db_managed (false), airflow_metadata_db_host and "
        "airflow_metadata_db_password.",
    ),
    "a name that is too long for the results": (
        on_mysql("metadata_db broker worker", found=mysql_server(), airflow_metadata_db_user="a" * 25),
        f"airflow_metadata_db_user is too long for {'a' * 25}_results, which Celery's results are kept under: MySQL takes 32 characters at "
        "most.",
    ),
    "a repository of Debian's on another system": (
        on_mysql(
            found=mysql_server(),
            system=facts(distribution="Rocky", os_family="RedHat", release="9", distribution_major_version="9"),
            airflow_metadata_db_mysql_repository=dict.fromkeys(("uris", "suites", "components", "signed_by"), "x"),
        ),
        "airflow_metadata_db_mysql_repository is one of Debian's packages, and h1 is no Debian or Ubuntu: remove it.",
    ),
    "a repository for nothing": (
        server(airflow_metadata_db_mysql_repository=dict.fromkeys(("uris", "suites", "components", "signed_by"), "x")),
        "airflow_metadata_db_mysql_repository is set, and airflow_metadata_db_engine is not mysql: set that, or remove the repository.",
    ),
    "the server's own role": (
        on_mysql(found=mysql_server(), airflow_metadata_db_user="root"),
        "airflow_metadata_db_user is 'root', which MySQL keeps for itself: choose another name.",
    ),
    "no server": (
        single(airflow_metadata_db_engine="mysql", airflow_metadata_db_password="x"),
        "airflow_metadata_db_engine is mysql and no server is named: set airflow_metadata_db_host, or put a host into airflow_metadata_db.",
    ),
    "from PostgreSQL to MySQL": (
        on_mysql(found={**mysql_server(), "installation": installation()}),
        "The existing installation is on PostgreSQL, and the inventory now says MySQL: moving from server to server is not supported by "
        "this release; set airflow_metadata_db_engine to postgresql.",
    ),
    "taken over on PostgreSQL": (
        single(
            airflow_metadata_db_engine="mysql",
            airflow_adopt_home=OLD_HOME,
            found=info(adopted=on_server("postgresql://jane:x@db/airflow")),
        ),
        f"The installation in {OLD_HOME} is on a server already (db), which is taken over where it is: remove airflow_metadata_db_engine.",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_is_one_clear_sentence(name: str) -> None:
    inputs, sentence = REFUSALS[name]
    assert findings(inputs) == [sentence]


def test_a_warning_about_the_server_that_is_there() -> None:
    assert plan(on_mysql(found=mysql_server()))["warnings"] == [
        "The server of h1 is MySQL 9.7, which is above what upstream tests Airflow 3.3.2 with (8.0, 8.4 and Innovation releases).",
    ]
