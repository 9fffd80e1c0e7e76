# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a target in MySQL holds, what may be reset, and what a kill leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import metadata_state
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState, require_fresh, reset, set_switched
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from metadata_mysql_server import MysqlServer, catalogue
from metadata_server import PASSWORD, SOURCE_NAME, USER, Made

CHECKOUT = Path(__file__).resolve().parents[2]


def state_of(server: MysqlServer, database: str) -> dict[str, Any]:
    with server.target(database) as target:
        return TargetState(target).as_dict()


def reset_it(server: MysqlServer, database: str, source_name: str = SOURCE_NAME) -> dict[str, Any]:
    with server.target(database) as target:
        return reset(target, TargetState(target), source_name)


def test_an_empty_database(mysql: MysqlServer) -> None:
    database = mysql.create()
    assert state_of(mysql, database)["state"] == "empty"
    assert reset_it(mysql, database) == {"changed": False, "dropped": []}
    with mysql.target(database) as target, pytest.raises(MoveError, match="run 'airflow db migrate' of the source's version"):
        require_fresh(TargetState(target))


@pytest.mark.parametrize("line", [2, 3])
def test_a_schema_without_data_may_be_dropped(line: int, mysql: MysqlServer, made_in_mysql: Made) -> None:
    database = mysql.create(made_in_mysql.templates[line])
    found = state_of(mysql, database)
    assert (found["state"], found["revision"]) == ("fresh", {2: "5f2621c13b39", 3: "d2f4e1b3c5a7"}[line])
    with mysql.target(database) as target:
        target.run("CREATE VIEW mine AS SELECT 1 AS n")
    assert reset_it(mysql, database)["changed"] is True
    assert catalogue(mysql, database) == {}
    assert state_of(mysql, database)["state"] == "empty"


def test_a_migrated_schema_without_data_is_fresh(mysql: MysqlServer, made_in_mysql: Made) -> None:
    assert state_of(mysql, made_in_mysql.migrated)["state"] == "fresh"


def test_a_migrate_that_was_killed_may_be_dropped(mysql: MysqlServer, made_in_mysql: Made) -> None:
    database = mysql.create(made_in_mysql.templates[2])
    mysql.query("SET foreign_key_checks = 0; DROP TABLE alembic_version, xcom, task_instance, variable", database)
    assert (state_of(mysql, database)["state"], state_of(mysql, database)["revision"]) == ("fresh", None)
    assert reset_it(mysql, database)["changed"] is True


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("INSERT INTO variable (\"key\", val) VALUES ('a', 'b')", "variable"),
        ("INSERT INTO log (event) VALUES ('success')", "log"),
        ("CREATE TABLE mine AS SELECT 1 AS n", "mine"),
    ],
)
def test_another_installation_is_never_touched(statement: str, table: str, mysql: MysqlServer, made_in_mysql: Made) -> None:
    database = mysql.create(made_in_mysql.templates[2])
    mysql.query(f"{statement}; INSERT INTO ab_role (name) VALUES ('Admin'); INSERT INTO log (event) VALUES ('cli_migratedb')", database)
    found = state_of(mysql, database)
    assert found["state"] == "foreign"
    assert f"(rows in {table})" in found["sentence"]
    with pytest.raises(MoveError, match="it is not dropped, choose an empty database"):
        reset_it(mysql, database)


def test_tables_that_are_not_airflows_are_foreign(mysql: MysqlServer) -> None:
    database = mysql.create()
    mysql.query("CREATE TABLE mine (n integer)", database)
    assert state_of(mysql, database)["state"] == "foreign"


def test_an_unfinished_move_is_reset_only_by_its_own_installation(
    mysql: MysqlServer, made_in_mysql: Made, sources_for_mysql: dict[int, Path]
) -> None:
    database = mysql.create(made_in_mysql.templates[3])
    mysql.copy(sources_for_mysql[3], database)
    found = state_of(mysql, database)
    assert (found["state"], found["move"]["phase"], found["move"]["source"]) == ("unfinished", "copied", SOURCE_NAME)
    with pytest.raises(MoveError, match=r"not of other:/airflow; it is not dropped"):
        reset_it(mysql, database, "other:/airflow")
    with mysql.target(database) as target, pytest.raises(MoveError, match="run the phase reset"):
        require_fresh(TargetState(target))
    assert reset_it(mysql, database)["changed"] is True
    assert catalogue(mysql, database) == {}


def test_a_finished_move_is_never_reset(mysql: MysqlServer, made_in_mysql: Made) -> None:
    database = mysql.create(made_in_mysql.templates[2])
    mysql.copy(made_in_mysql.files[2], database)
    with mysql.target(database) as target:
        assert set_switched(target, TargetState(target)) == {"changed": True}
        assert set_switched(target, TargetState(target)) == {"changed": False}
    assert state_of(mysql, database)["state"] == "switched"
    with pytest.raises(MoveError, match="holds the finished move"):
        reset_it(mysql, database)


def test_a_database_in_use_is_not_reset(mysql: MysqlServer, made_in_mysql: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_state, "SESSIONS_TIMEOUT", 1)
    database = mysql.create(made_in_mysql.templates[2])
    with mysql.target(database) as daemon:
        daemon.rows("SELECT 1")
        with pytest.raises(MoveError, match=r"is in use by airflow from \S+ \(updraft\.airflow move\); it is not dropped"):
            reset_it(mysql, database)
    assert state_of(mysql, database)["state"] == "fresh"


@pytest.mark.parametrize(
    ("variable", "value", "obstacle"),
    [
        ("explicit_defaults_for_timestamp", "OFF", "explicit_defaults_for_timestamp is off"),
        ("log_bin_trust_function_creators", "OFF", "set log_bin_trust_function_creators = 1 there"),
    ],
)
def test_what_the_server_lacks_is_told(variable: str, value: str, obstacle: str, mysql: MysqlServer) -> None:
    database = mysql.create()
    with mysql.target(database) as target:
        assert target.obstacles(migrates=True) == []
    mysql.query(f"SET GLOBAL {variable} = {value}")
    try:
        with mysql.target(database) as target:
            (found,) = target.obstacles(migrates=True)
    finally:
        mysql.query(f"SET GLOBAL {variable} = ON")
    assert obstacle in found


def test_a_database_of_another_character_set_is_told(mysql: MysqlServer) -> None:
    database = mysql.create()
    mysql.query(f"ALTER DATABASE {database} CHARACTER SET latin1")
    with mysql.target(database) as target:
        (found,) = target.obstacles(migrates=False)
    assert "is latin1: make the database with CHARACTER SET utf8mb4" in found


KILLED = """
import sys
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder as Finder
Finder(paths=[sys.argv[1]])._install()
from ansible_collections.updraft.airflow.plugins.module_utils import metadata_copy, metadata_marker, metadata_mysql_target, metadata_sqlite
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection
def wait(point):
    if point == sys.argv[4]:
        print("reached", flush=True)
        sys.stdin.read()
class Source(metadata_sqlite.SqliteSource):
    def batches(self, table, columns):
        for batch in super().batches(table, columns):
            wait(table.name)
            yield batch
class Target(metadata_mysql_target.MysqlTarget):
    def make_marker(self, source):
        super().make_marker(source)
        wait("marker")
    def prepare(self, tables, kept):
        super().prepare(tables, kept)
        wait("prepared")
    def finish(self, tables):
        wait("loaded")
        return super().finish(tables)
    def commit(self):
        wait("commit")
        super().commit()
target = Target(Connection("127.0.0.1", int(sys.argv[3]), sys.argv[5], sys.argv[6], sys.argv[7], "disable"))
metadata_copy.Copy(Source(sys.argv[2]), target, metadata_marker.Marker(target), "killed").run()
"""


@pytest.mark.parametrize("point", ["marker", "prepared", "xcom", "loaded"])
def test_what_a_killed_copy_leaves_is_known_and_cleared(
    point: str, mysql: MysqlServer, made_in_mysql: Made, sources_for_mysql: dict[int, Path], tmp_path: Path
) -> None:
    database = mysql.create(made_in_mysql.templates[2])
    (tmp_path / "ansible_collections/updraft").mkdir(parents=True)
    (tmp_path / "ansible_collections/updraft/airflow").symlink_to(CHECKOUT)
    arguments = [str(tmp_path), str(sources_for_mysql[2]), str(mysql.port), point, database, USER, PASSWORD]
    with subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reached\n"
        process.kill()
    found = state_of(mysql, database)
    assert (found["state"], found["move"]["phase"], found["move"]["source"]) == ("unfinished", "started", "killed")
    with mysql.target(database) as target, pytest.raises(MoveError, match="not even to a whole copy"):
        set_switched(target, TargetState(target))
    with pytest.raises(MoveError, match="it is not dropped"):
        reset_it(mysql, database)
    assert reset_it(mysql, database, "killed")["changed"] is True
    assert catalogue(mysql, database) == {}
    assert state_of(mysql, database)["state"] == "empty"
