# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MySQL server, found by its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_mysql import find_server

HISTORY = {"upgrade_history": [{"version": "8.4.3"}, {"version": "9.7.4-2", "maturity": "LTS"}]}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with a MySQL server as Debian lays it out."""
    for folder in ("sbin", "etc/mysql.conf.d", "data/#innodb_redo", "data/mysql", "data/sys", "data/performance_schema"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sbin/mysqld").touch()
    (tmp_path / "data/ibdata1").touch()
    (tmp_path / "data/mysql_upgrade_history").write_text(json.dumps(HISTORY))
    return tmp_path


def found(host: Path) -> dict[str, Any] | None:
    return find_server(str(host / "sbin"), str(host / "etc"), str(host / "data"))


def test_a_host_without_a_server(host: Path) -> None:
    (host / "sbin/mysqld").unlink()
    assert found(host) is None


def test_a_server_of_nobody_yet(host: Path) -> None:
    assert found(host) == {"kind": "mysql", "version": "9.7.4-2", "own": False, "settings": {}, "databases": 0}


def test_a_server_with_databases_of_others(host: Path) -> None:
    (host / "data/wordpress").mkdir()
    (host / "data/my@002ddata").mkdir()
    assert (found(host) or {})["databases"] == 2


def test_a_server_of_ours_tells_what_it_was_given(host: Path) -> None:
    (host / "etc/mysql.conf.d/zz-airflow.cnf").write_text(
        "# Managed\n[mysqld]\nbind_address = 127.0.0.1,10.0.0.1\nport=3306\nskip_log_bin\n"
    )
    server = found(host) or {}
    assert server["own"] is True
    assert server["settings"] == {"bind_address": "127.0.0.1,10.0.0.1", "port": "3306", "skip_log_bin": ""}


def test_mariadb_is_told_though_it_has_a_program_of_that_name(host: Path) -> None:
    (host / "sbin/mariadbd").touch()
    assert (found(host) or {})["kind"] == "mariadb"


@pytest.mark.parametrize(("name", "content", "version"), [("mysql_upgrade_info", "8.0.36\n", "8.0.36"), ("other", "", None)])
def test_older_servers_write_their_version_elsewhere(name: str, content: str, version: str | None, host: Path) -> None:
    (host / "data/mysql_upgrade_history").write_text("{}")
    (host / "data" / name).write_text(content)
    assert (found(host) or {})["version"] == version


def test_data_that_cannot_be_read_have_no_databases(host: Path) -> None:
    assert (find_server(str(host / "sbin"), str(host / "etc"), str(host / "nowhere")) or {})["databases"] == 0
