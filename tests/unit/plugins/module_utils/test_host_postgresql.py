# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL clusters, found by their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_postgresql import find_clusters


def make_cluster(folder: Path, name: str, *oids: int, own: bool = False, port: int = 5432) -> dict[str, Any]:
    """The files of a cluster as Debian lays them out, and what is to be found of it."""
    configuration, data = folder / "etc" / name, folder / "lib" / name
    (configuration / "conf.d").mkdir(parents=True)
    for oid in (1, 4, 13757, *oids):
        (data / "base" / str(oid)).mkdir(parents=True)
    (data / "base" / "pgsql_tmp").mkdir()
    settings = f"port = {port}\t# chosen\n#data_directory = '/elsewhere'\ndata_directory = '{data}'\t\t# another directory\n"
    (configuration / "postgresql.conf").write_text(settings)
    if own:
        (configuration / "conf.d" / "airflow.conf").write_text("# by Ansible\nport = 5434\nmax_connections = '100'\n")
    settings_of = {"port": "5434", "max_connections": "100"} if own else {}
    return {
        "name": name,
        "config_dir": str(configuration),
        "data_dir": str(data),
        "port": 5434 if own else port,
        "own": own,
        "disabled": False,
        "settings": settings_of,
        "databases": len(oids),
    }


def install_server(folder: Path, version: str) -> None:
    """The program of a version."""
    programs = folder / "servers" / version / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").touch()


def found(folder: Path) -> list[dict[str, Any]]:
    """What there is below a folder of the test."""
    return find_clusters(str(folder / "etc"), str(folder / "servers"))


def test_a_host_without_a_server(tmp_path: Path) -> None:
    assert found(tmp_path) == []


@pytest.mark.parametrize("version", ["15-old", "15.bak", "15.", "old15", "15\n"])
def test_a_folder_put_aside_is_no_cluster(tmp_path: Path, version: str) -> None:
    for each in ("9.6", "15", version):
        install_server(tmp_path, each)
    make_cluster(tmp_path, f"{version}/main")
    assert found(tmp_path) == []
    expected = [make_cluster(tmp_path, "15/main"), make_cluster(tmp_path, "9.6/main")]
    assert found(tmp_path) == expected


def test_a_cluster_whose_server_was_removed_does_not_count(tmp_path: Path) -> None:
    install_server(tmp_path, "17")
    make_cluster(tmp_path, "15/main", 16384)
    expected = make_cluster(tmp_path, "17/main")
    assert found(tmp_path) == [expected]


def test_clusters_with_and_without_databases(tmp_path: Path) -> None:
    install_server(tmp_path, "15")
    install_server(tmp_path, "17")
    expected = [
        make_cluster(tmp_path, "15/main"),
        make_cluster(tmp_path, "15/other", 16384, 24601, port=5433),
        make_cluster(tmp_path, "17/main", 16388, own=True),
    ]
    assert found(tmp_path) == expected


def test_a_cluster_without_its_data_has_no_databases(tmp_path: Path) -> None:
    install_server(tmp_path, "15")
    configuration = tmp_path / "etc" / "15" / "main"
    configuration.mkdir(parents=True)
    (configuration / "postgresql.conf").write_text("port = 5432\n")
    (cluster,) = found(tmp_path)
    assert (cluster["name"], cluster["data_dir"], cluster["settings"], cluster["databases"]) == ("15/main", str(configuration), {}, 0)
