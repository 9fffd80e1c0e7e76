# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A member of a database cluster, found by its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_patroni import find_etcd, find_patroni
from topology_inventory import compiled, inventory

HEAD = "# Managed by Ansible (updraft.airflow): changes made here are overwritten.\n"


def make_member(folder: Path, *, has_data: bool = True, **further: Any) -> Path:
    """The files of a member as the role writes them, with the data elsewhere."""
    hosts = {"web": "webserver scheduler", "db1": "metadata_db", "db2": "metadata_db", "db3": "metadata_db"}
    written = compiled(inventory(hosts)).plan("db1")["database"]["cluster"]["patroni"]
    written["postgresql"]["data_dir"] = str(folder / "data")
    (folder / "data").mkdir()
    if has_data:
        (folder / "data" / "PG_VERSION").write_text("15\n")
    path = folder / "config.yml"
    path.write_text(HEAD + json.dumps({**written, **further}, indent=2))
    return path


def test_a_host_without_patroni(tmp_path: Path) -> None:
    assert find_patroni(str(tmp_path / "config.yml")) is None


def test_somebody_elses_patroni_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("scope: theirs\n")
    assert find_patroni(str(tmp_path / "config.yml")) is None


def test_settings_that_somebody_spoiled_are_none(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text(HEAD + "scope: edited\n")
    assert find_patroni(str(tmp_path / "config.yml")) is None


def test_a_member_with_data(tmp_path: Path) -> None:
    path = make_member(tmp_path)
    dynamic = {"ttl": 20, "postgresql": {"parameters": {"max_connections": 400, "ssl": "on"}}}
    (tmp_path / "data" / "patroni.dynamic.json").write_text(json.dumps(dynamic))
    found = find_patroni(str(path))
    assert found is not None
    assert (found["scope"], found["is_made"], found["version"], found["data_dir"]) == ("airflow", True, "15", str(tmp_path / "data"))
    assert found["members"] == ["198.18.0.3", "198.18.0.4", "198.18.0.5"]
    assert found["settings"] == {"max_connections": "400", "ssl": "on"}
    assert sorted(found["passwords"]) == [
        "database_cluster_password",
        "database_replication_password",
        "database_rewind_password",
        "database_superuser_password",
    ]
    assert len(set(found["passwords"].values())) == 4


def test_a_member_that_has_not_got_its_data_yet(tmp_path: Path) -> None:
    found = find_patroni(str(make_member(tmp_path, has_data=False)))
    assert found is not None
    assert (found["is_made"], found["version"], found["settings"]) == (False, None, {})


def test_a_first_member_that_is_still_making_its_data(tmp_path: Path) -> None:
    found = find_patroni(str(make_member(tmp_path, bootstrap={"dcs": {}})))
    assert found is not None
    assert found["is_made"] is False


def test_the_settings_of_the_cluster_may_be_unreadable(tmp_path: Path) -> None:
    path = make_member(tmp_path)
    for text in ("{", "[]", '{"postgresql": []}'):
        (tmp_path / "data" / "patroni.dynamic.json").write_text(text)
        assert (find_patroni(str(path)) or {})["settings"] == {}


def make_etcd(folder: Path, *, is_made: bool = True) -> Path:
    """The settings of a member of etcd as the role writes them, with the data elsewhere."""
    hosts = {"web": "webserver scheduler", "db1": "metadata_db", "db2": "metadata_db", "db3": "metadata_db"}
    written = compiled(inventory(hosts)).plan("db1")["database"]["cluster"]["etcd"]
    if is_made:
        (folder / "etcd" / "member").mkdir(parents=True)
    path = folder / "airflow.json"
    path.write_text(json.dumps({**written, "data-dir": str(folder / "etcd")}))
    return path


ANSWER = {
    "members": [
        {"ID": 1, "name": "db1", "peerURLs": ["https://198.18.0.3:2380"], "clientURLs": ["https://198.18.0.3:2379"]},
        {"ID": 2, "name": "db4", "peerURLs": ["https://[2001:db8::6]:2380"]},
        {"ID": 3, "peerURLs": ["https://198.18.0.7:2380"]},
    ]
}


def test_etcd_tells_which_members_it_knows_now(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def ask(words: Any) -> str:
        asked.append(list(words))
        return json.dumps(ANSWER)

    assert (find_etcd(str(make_etcd(tmp_path)), ask) or {})["listed"] == [
        {"name": "db1", "address": "198.18.0.3"},
        {"name": "db4", "address": "2001:db8::6"},
        {"name": "", "address": "198.18.0.7"},
    ]
    (words,) = asked
    assert {"--cacert=/etc/etcd/tls/ca.crt", "--cert=/etc/etcd/tls/server.crt", "--key=/etc/etcd/tls/server.key"} <= set(words)


@pytest.mark.parametrize("answer", ["", "{", "[]", '{"members": [{"peerURLs": 3}]}'])
def test_an_etcd_that_does_not_answer_tells_nothing(tmp_path: Path, answer: str) -> None:
    assert (find_etcd(str(make_etcd(tmp_path)), lambda _words: answer) or {})["listed"] is None


def test_a_member_that_has_not_begun_is_not_asked(tmp_path: Path) -> None:
    assert (find_etcd(str(make_etcd(tmp_path, is_made=False)), lambda _words: pytest.fail("it was asked")) or {})["listed"] is None


def test_a_host_without_etcd(tmp_path: Path) -> None:
    assert find_etcd(str(tmp_path / "airflow.json")) is None
    (tmp_path / "airflow.json").write_text("name: edited")
    assert find_etcd(str(tmp_path / "airflow.json")) is None


@pytest.mark.parametrize("is_made", [True, False])
def test_a_member_of_etcd_knows_with_whom_it_began(tmp_path: Path, is_made: bool) -> None:
    assert find_etcd(str(make_etcd(tmp_path, is_made=is_made)), lambda _words: "") == {
        "is_made": is_made,
        "cluster": "db1=https://198.18.0.3:2380,db2=https://198.18.0.4:2380,db3=https://198.18.0.5:2380",
        "state": "new",
        "members": {"db1": "198.18.0.3", "db2": "198.18.0.4", "db3": "198.18.0.5"},
        "listed": None,
    }
