# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a target holds, and what may be reset."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import metadata_state
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import PostgresqlTarget
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState, require_fresh, reset, set_switched
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from metadata_server import PASSWORD, SOURCE_NAME, USER, Made, Server

OBJECTS = """
    SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'airflow_kept') AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""


def state_of(server: Server, database: str) -> dict[str, Any]:
    with server.target(database) as target:
        return TargetState(target).as_dict()


def reset_it(server: Server, database: str, source_name: str = SOURCE_NAME) -> dict[str, Any]:
    with server.target(database) as target:
        return reset(target, TargetState(target), source_name)


def test_an_empty_database(server: Server) -> None:
    database = server.create()
    assert state_of(server, database)["state"] == "empty"
    assert reset_it(server, database) == {"changed": False, "dropped": []}
    with server.target(database) as target, pytest.raises(MoveError, match="run 'airflow db migrate' of the source's version"):
        require_fresh(TargetState(target))


@pytest.mark.parametrize("line", [2, 3])
def test_a_schema_without_data_may_be_dropped(line: int, server: Server, made: Made) -> None:
    database = server.create(made.templates[line])
    found = state_of(server, database)
    assert found["state"] == "fresh"
    assert found["revision"] == {2: "5f2621c13b39", 3: "d2f4e1b3c5a7"}[line]
    assert found["fab_revision"] == {2: None, 3: "02ca36b0235b"}[line]
    assert reset_it(server, database)["changed"] is True
    assert server.query(OBJECTS, database) == [(0,)]
    assert state_of(server, database)["state"] == "empty"


def test_a_migrated_schema_without_data_is_fresh(server: Server, made: Made) -> None:
    assert state_of(server, made.migrated)["state"] == "fresh"


def test_a_migrate_that_was_killed_before_its_stamp_may_be_dropped(server: Server, made: Made) -> None:
    database = server.create(made.templates[2])
    server.query("DROP TABLE alembic_version", database)
    assert (state_of(server, database)["state"], state_of(server, database)["revision"]) == ("fresh", None)


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("INSERT INTO ab_user (first_name, last_name, username, email) VALUES ('a', 'b', 'c', 'd')", "ab_user"),
        ("INSERT INTO variable (key, val) VALUES ('a', 'b')", "variable"),
        ("INSERT INTO slot_pool (pool, slots, include_deferred) VALUES ('mine', 1, false)", "slot_pool"),
        ("INSERT INTO log (event) VALUES ('success')", "log"),
        ("CREATE TABLE mine AS SELECT 1 AS n", "mine"),
    ],
)
def test_another_installation_is_never_touched(statement: str, table: str, server: Server, made: Made) -> None:
    database = server.create(made.templates[2])
    server.query(statement, database)
    found = state_of(server, database)
    assert found["state"] == "foreign"
    assert f"(rows in {table})" in found["sentence"]
    with pytest.raises(MoveError, match="it is not dropped, choose an empty database"):
        reset_it(server, database)
    with server.target(database) as target, pytest.raises(MoveError, match="nothing is overwritten"):
        require_fresh(TargetState(target))


def test_tables_that_are_not_airflows_are_foreign(server: Server) -> None:
    database = server.create()
    server.query("CREATE TABLE mine (n integer)", database)
    assert state_of(server, database)["state"] == "foreign"


def test_seeds_of_a_first_start_are_no_data(server: Server, made: Made) -> None:
    database = server.create(made.templates[2])
    server.query("INSERT INTO ab_role (name) VALUES ('Admin'); INSERT INTO log (event) VALUES ('cli_migratedb')", database)
    assert state_of(server, database)["state"] == "fresh"


def test_an_unfinished_move_is_reset_only_by_its_own_installation(server: Server, copied: dict[int, str]) -> None:
    database = server.create(copied[3])
    found = state_of(server, database)
    assert (found["state"], found["move"]["phase"]) == ("unfinished", "copied")
    with pytest.raises(MoveError, match=r"not of other:/airflow; it is not dropped"):
        reset_it(server, database, "other:/airflow")
    with server.target(database) as target, pytest.raises(MoveError, match="run the phase reset"):
        require_fresh(TargetState(target))
    assert reset_it(server, database)["changed"] is True
    assert server.query(OBJECTS, database) == [(0,)]


def test_a_finished_move_is_never_reset(server: Server, copied: dict[int, str]) -> None:
    database = server.create(copied[2])
    with server.target(database) as target:
        assert set_switched(target, TargetState(target)) == {"changed": True}
        assert set_switched(target, TargetState(target)) == {"changed": False}
    assert state_of(server, database)["state"] == "switched"
    with pytest.raises(MoveError, match="holds the finished move"):
        reset_it(server, database)


def test_where_there_is_no_marker_nothing_is_marked(server: Server, made: Made) -> None:
    with server.target(server.create(made.templates[2])) as target:
        assert set_switched(target, TargetState(target)) == {"changed": False}


def test_a_database_in_use_is_not_reset(server: Server, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_state, "SESSIONS_TIMEOUT", 1)
    database = server.create(made.templates[2])
    with server.target(database) as daemon:
        daemon.rows("SELECT 1")
        with pytest.raises(MoveError, match=r"is in use by airflow from 127\.0\.0\.1 .*; it is not dropped"):
            reset_it(server, database)
    assert state_of(server, database)["state"] == "fresh"


def test_a_reset_waits_for_a_session_that_ends(server: Server, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    database = server.create(made.templates[2])
    with server.target(database) as killed:
        killed.rows("SELECT 1")
        # The session ends while the reset waits.
        monkeypatch.setattr("time.sleep", lambda _seconds: killed.close())
        assert reset_it(server, database)["changed"] is True


def test_extensions_in_the_schema_are_left_alone(server: Server, made: Made) -> None:
    database = server.create(made.templates[2])
    server.query("CREATE EXTENSION pg_stat_statements", database)
    assert state_of(server, database)["state"] == "fresh"
    reset_it(server, database)
    assert server.query("SELECT extname FROM pg_extension WHERE extname = 'pg_stat_statements'", database) == [("pg_stat_statements",)]


def test_a_wrong_password_is_a_sentence_without_it(server: Server) -> None:
    database = server.create()
    with pytest.raises(MoveError, match="password authentication failed") as refused:
        PostgresqlTarget(Connection("127.0.0.1", server.port, database, USER, PASSWORD + "x", "disable"))
    assert PASSWORD not in str(refused.value)


def test_a_database_of_another_encoding_is_refused(server: Server) -> None:
    server.query(f"CREATE DATABASE latin TEMPLATE template0 OWNER {USER} ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(MoveError, match="encoding of the database latin"), server.target("latin"):
        pass
