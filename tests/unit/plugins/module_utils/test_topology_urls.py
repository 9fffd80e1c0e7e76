# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection URLs: what goes in comes out."""

from __future__ import annotations

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._topology_urls import (
    parse_server_url,
    postgresql_async_url,
    postgresql_url,
    split_web_url,
    sqlite_async_url,
    sqlite_url,
    web_url,
)
from topology_inventory import AWKWARD_PASSWORD

PRINTABLE = "".join(chr(code) for code in range(33, 127)) + "ä€🙂"


@pytest.mark.parametrize("password", [AWKWARD_PASSWORD, PRINTABLE, "plain", "a b", "%41"])
@pytest.mark.parametrize("host", ["127.0.0.1", "db.example.org", "2001:db8::5"])
def test_every_part_comes_out_as_it_went_in(password: str, host: str) -> None:
    for url in (
        postgresql_url("air@flow", password, host, 6543, "airflow", "require"),
        postgresql_async_url("air@flow", password, host, 6543, "airflow", "require"),
    ):
        address = parse_server_url(url)
        assert (address.user, address.password, address.host, address.port, address.name, address.ssl_mode) == (
            "air@flow",
            password,
            host,
            6543,
            "airflow",
            "require",
        )


def test_no_character_of_a_password_stands_bare() -> None:
    url = postgresql_url("airflow", AWKWARD_PASSWORD, "db", 5432, "airflow", "prefer")
    assert url.partition("://")[2].partition("@db:")[0] == "airflow:p%40ss%3Aw%2Frd%20%2525%23%26%27%22%5C"


def test_only_the_wire_gets_keepalives() -> None:
    assert postgresql_url("a", "b", "127.0.0.1", 5432, "c", "disable") == "postgresql+psycopg2://a:b@127.0.0.1:5432/c?sslmode=disable"
    assert "keepalives_idle=30" in postgresql_url("a", "b", "db", 5432, "c", "prefer")


def test_asyncpg_gets_nothing_it_does_not_know() -> None:
    assert postgresql_async_url("a", "b", "db", 5432, "c", "verify-full") == "postgresql+asyncpg://a:b@db:5432/c?ssl=verify-full"
    assert postgresql_async_url("a", "b", "db", 5432, "c", "verify-full", "/ca.pem") == (
        "postgresql+asyncpg://a:b@db:5432/c?ssl=verify-full&dsn=postgresql%3A%2F%2F%3Fsslrootcert%3D%252Fca.pem"
    )


def test_further_options_are_kept() -> None:
    url = postgresql_url("a", "b", "127.0.0.1", 5432, "c", "disable", None, {"options": "-csearch_path=x y"})
    assert url.endswith("?sslmode=disable&options=-csearch_path%3Dx%20y")
    assert parse_server_url(url).further_options == {"options": "-csearch_path=x y"}


def test_sqlite() -> None:
    assert sqlite_url("/opt/airflow/airflow.db") == "sqlite:////opt/airflow/airflow.db"
    assert sqlite_async_url("/opt/airflow/airflow.db") == "sqlite+aiosqlite:////opt/airflow/airflow.db"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://jane@db/airflow", ("jane", "", "db", None, "airflow")),
        ("postgresql:///airflow?host=/run/postgresql", ("", "", "/run/postgresql", None, "airflow")),
        ("postgresql+psycopg2://jane:a/b#c?d@db:1/x", ("jane", "a/b#c?d", "db", 1, "x")),
        ("no address", ("", "", "", None, "")),
    ],
)
def test_addresses_of_others(url: str, expected: tuple[str, str, str, int | None, str]) -> None:
    address = parse_server_url(url)
    assert (address.user, address.password, address.host, address.port, address.name) == expected


def test_web_addresses() -> None:
    assert web_url("::1", 8080) == "http://[::1]:8080"
    assert web_url("h", 80) == "http://h"


@pytest.mark.parametrize("url", ["airflow.example.org", "ftp://x", "http://", "http://[half:80", ""])
def test_what_is_no_web_address(url: str) -> None:
    assert split_web_url(url) is None
