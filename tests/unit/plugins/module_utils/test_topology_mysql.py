# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, accounts and rules of MySQL."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._topology_mysql import (
    SSL_MODES,
    accounts,
    async_connect_args,
    bind_address,
    host_findings,
    is_mariadb,
    mysql_async_url,
    mysql_url,
    name_findings,
    parse_version,
    resolves_no_names,
    version_findings,
    version_warnings,
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


def test_mariadb_tells_itself() -> None:
    assert is_mariadb("10.11.6-MariaDB-0+deb12u1")
    assert not is_mariadb("9.7.0")


def test_localhost_would_be_a_socket() -> None:
    assert list(host_findings("localhost")) == [
        "airflow_metadata_db_host is localhost, which MySQL's client library takes for a socket: write 127.0.0.1."
    ]
    assert list(host_findings("127.0.0.1")) == []
