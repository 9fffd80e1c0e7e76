# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MySQL server, found by its files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_mysql import DATA, find_server

HISTORY = {"upgrade_history": [{"version": "8.4.3"}, {"version": "9.7.4-2", "maturity": "LTS"}]}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with a MySQL server as Debian lays it out."""
    for folder in (
        "usr/sbin",
        "etc/mysql/mysql.conf.d",
        f"{DATA}/#innodb_redo",
        f"{DATA}/mysql",
        f"{DATA}/sys",
        f"{DATA}/performance_schema",
    ):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/sbin/mysqld").touch()
    (tmp_path / f"{DATA}/ibdata1").touch()
    (tmp_path / f"{DATA}/mysql_upgrade_history").write_text(json.dumps(HISTORY))
    return tmp_path


def found(host: Path) -> dict[str, Any] | None:
    return find_server(str(host))


def test_a_host_without_a_server(host: Path) -> None:
    (host / "usr/sbin/mysqld").unlink()
    assert found(host) is None


def test_a_server_of_nobody_yet(host: Path) -> None:
    assert found(host) == {"kind": "mysql", "version": "9.7.4-2", "own": False, "settings": {}, "databases": 0}


def test_a_server_with_databases_of_others(host: Path) -> None:
    (host / f"{DATA}/wordpress").mkdir()
    (host / f"{DATA}/my@002ddata").mkdir()
    assert (found(host) or {})["databases"] == 2


def test_a_server_of_ours_tells_what_it_was_given(host: Path) -> None:
    (host / "etc/mysql/mysql.conf.d/zz-airflow.cnf").write_text(
        "# Managed\n[mysqld]\nbind_address = 127.0.0.1,10.0.0.1\nport=3306\nskip_log_bin\n"
    )
    server = found(host) or {}
    assert server["own"] is True
    assert server["settings"] == {"bind_address": "127.0.0.1,10.0.0.1", "port": "3306", "skip_log_bin": ""}


def test_mariadb_is_told_though_it_has_a_program_of_that_name(host: Path) -> None:
    (host / "usr/sbin/mariadbd").touch()
    assert (found(host) or {})["kind"] == "mariadb"


@pytest.mark.parametrize(("name", "content", "version"), [("mysql_upgrade_info", "8.0.36\n", "8.0.36"), ("other", "", None)])
def test_older_servers_write_their_version_elsewhere(name: str, content: str, version: str | None, host: Path) -> None:
    (host / f"{DATA}/mysql_upgrade_history").write_text("{}")
    (host / DATA / name).write_text(content)
    assert (found(host) or {})["version"] == version


def test_data_that_cannot_be_read_have_no_databases(host: Path) -> None:
    shutil.rmtree(host / DATA)
    assert (found(host) or {})["databases"] == 0


def test_the_layout_of_the_rhel_family(tmp_path: Path) -> None:
    for folder in ("usr/libexec", "etc/my.cnf.d", f"{DATA}/shop"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/libexec/mysqld").touch()
    (tmp_path / "etc/my.cnf.d/zz-airflow.cnf").write_text("[mysqld]\nmax_connections = 120\n")
    wanted = {"kind": "mysql", "version": None, "own": True, "settings": {"max_connections": "120"}, "databases": 1}
    wanted |= {"in_pair": False, "is_alone": False, "member": None, "passwords": {}}
    assert found(tmp_path) == wanted
    (tmp_path / "usr/libexec/mariadbd").touch()
    assert found(tmp_path) == {**wanted, "kind": "mariadb"}


def test_one_of_two_knows_the_password_of_both(host: Path) -> None:
    (host / "etc/mysql/mysql.conf.d/zz-airflow.cnf").write_text("[mysqld]\ngtid_mode = ON\n")
    (host / "etc/airflow-database").mkdir()
    (host / "etc/airflow-database/pair.json").write_text(json.dumps({"password": "p"}))
    server = found(host) or {}
    assert (server["in_pair"], server["is_alone"], server["passwords"]) == (True, False, {"database_replication_password": "p"})
    (host / "etc/airflow-database/alone").touch()
    assert (found(host) or {})["is_alone"] is True
