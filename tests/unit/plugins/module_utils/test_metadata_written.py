# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was written since a copy: two SQLite databases are compared, the later one also as Airflow 3 has it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import metadata_written
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource

SCHEMA = """
CREATE TABLE connection (id INTEGER PRIMARY KEY, conn_id VARCHAR(250), conn_type VARCHAR(500), description TEXT, host VARCHAR(500),
    schema VARCHAR(500), login TEXT, password TEXT, port INTEGER, is_encrypted BOOLEAN, extra TEXT);
CREATE TABLE variable (id INTEGER PRIMARY KEY, key VARCHAR(250), val TEXT, description TEXT, is_encrypted BOOLEAN);
CREATE TABLE slot_pool (id INTEGER PRIMARY KEY, pool VARCHAR(256), slots INTEGER, description TEXT, include_deferred BOOLEAN);
CREATE TABLE ab_user (id INTEGER PRIMARY KEY, username VARCHAR(512), first_name VARCHAR(256), last_name VARCHAR(256), email VARCHAR(512),
    password VARCHAR(256), active BOOLEAN, last_login DATETIME, login_count INTEGER);
CREATE TABLE ab_role (id INTEGER PRIMARY KEY, name VARCHAR(64));
CREATE TABLE ab_user_role (id INTEGER PRIMARY KEY, user_id INTEGER, role_id INTEGER);
CREATE TABLE dag (dag_id VARCHAR(250) PRIMARY KEY, is_paused BOOLEAN);
CREATE TABLE dag_run (id INTEGER PRIMARY KEY, dag_id VARCHAR(250), run_id VARCHAR(250), execution_date TIMESTAMP, state VARCHAR(50),
    start_date TIMESTAMP, end_date TIMESTAMP);
CREATE TABLE task_instance (dag_id VARCHAR(250), task_id VARCHAR(250), run_id VARCHAR(250), map_index INTEGER, state VARCHAR(20),
    start_date TIMESTAMP, try_number INTEGER, PRIMARY KEY (dag_id, task_id, run_id, map_index));
INSERT INTO connection VALUES (1, 'warehouse', 'postgres', NULL, 'db', 'dwh', 'jane', 'gAAA', 5432, 1, NULL);
INSERT INTO variable VALUES (1, 'team', 'gAAB', NULL, 1), (2, 'empty', NULL, NULL, NULL), (3, NULL, 'nameless', NULL, 0);
INSERT INTO slot_pool VALUES (1, 'default_pool', 128, 'Default pool', 0), (2, 'odd', NULL, NULL, 0);
INSERT INTO ab_user VALUES (1, 'jane', 'Jane', 'Doe', 'jane@example.org', 'scrypt:x', 1, NULL, 3);
INSERT INTO ab_role VALUES (1, 'Admin'), (2, 'Viewer');
INSERT INTO ab_user_role VALUES (1, 1, 1);
INSERT INTO dag VALUES ('hello', 0), ('relay', 1), ('updraft_canary', 1);
INSERT INTO dag_run VALUES
    (1, 'hello', 'done', '2026-01-01 00:00:00.000000', 'success', '2026-01-01 00:00:01.000000', '2026-01-01 00:00:02.000000'),
    (2, 'relay', 'under_way', '2026-01-01 00:00:00.000000', 'running', '2026-01-01 00:00:01.000000', NULL);
INSERT INTO task_instance VALUES
    ('hello', 'only', 'done', -1, 'success', '2026-01-01 00:00:01.000000', 1),
    ('relay', 'first', 'under_way', -1, 'success', '2026-01-01 00:00:01.000000', 1),
    ('relay', 'second', 'under_way', -1, 'queued', NULL, 1),
    ('relay', 'third', 'under_way', -1, NULL, NULL, 0);
"""
# As far as these columns are concerned.
MIGRATION_TO_3 = """
ALTER TABLE dag_run RENAME COLUMN execution_date TO logical_date;
UPDATE variable SET val = '' WHERE val IS NULL;
UPDATE variable SET key = '__airflow_var_fix_888b59e02a5b_3' WHERE key IS NULL;
UPDATE variable SET is_encrypted = 0 WHERE is_encrypted IS NULL;
UPDATE slot_pool SET slots = 0 WHERE slots IS NULL;
UPDATE dag_run SET start_date = '2026-01-01 00:00:01' WHERE id = 1;
"""
Written = Callable[..., dict[str, Any]]
NOTHING: dict[str, list[str]] = {"added": [], "changed": [], "removed": []}


@pytest.fixture(params=["", MIGRATION_TO_3], ids=["2 and 2", "2 and 3"])
def written(tmp_path: Path, request: pytest.FixtureRequest) -> Written:
    """What is found when these statements were run since."""
    before, now = tmp_path / "before.db", tmp_path / "now.db"
    with contextlib.closing(sqlite3.connect(before)) as connection:
        connection.executescript(SCHEMA)
    shutil.copy(before, now)

    def run(statements: str, **own: list[str]) -> dict[str, Any]:
        with contextlib.closing(sqlite3.connect(now)) as connection:
            connection.executescript(request.param + statements)
        with contextlib.closing(SqliteSource(str(before))) as copy, contextlib.closing(SqliteSource(str(now))) as later:
            found: dict[str, Any] = metadata_written.written(copy, later, own)
            return found

    return run


def test_nothing_was_written(written: Written) -> None:
    found = written("")
    assert (found["writes"], found["told"], found["running"], found["left_out"]) == (0, [], [], {})
    assert (found["told_left_out"], found["told_running"]) == ([], [])


def test_what_daemons_and_logins_write_is_nothing(written: Written) -> None:
    # A scheduler takes back what was queued, queues it anew, and a task that is scheduled has the number of its next try.
    found = written(
        "UPDATE task_instance SET state = NULL WHERE task_id = 'second';"
        "UPDATE task_instance SET state = 'scheduled', try_number = 1 WHERE task_id = 'third';"
        "UPDATE ab_user SET last_login = '2026-02-02 00:00:00.000000', login_count = 9;"
        "INSERT INTO dag VALUES ('new', 0);"
    )
    assert found["written"]["runs"] == []
    assert found["writes"] == 0


def test_runs_are_counted_by_dag(written: Written) -> None:
    found = written(
        "INSERT INTO dag_run (dag_id, run_id, state, start_date) VALUES ('hello', 'new', 'running', '2026-02-02 00:00:00.000000');"
        "UPDATE dag_run SET state = 'success', end_date = '2026-02-02 00:00:00.000000' WHERE run_id = 'under_way';"
        "DELETE FROM dag_run WHERE run_id = 'done';"
    )
    assert found["written"]["runs"] == [
        {"dag_id": "hello", "began": 1, "went_on": 0, "removed": 1},
        {"dag_id": "relay", "began": 0, "went_on": 1, "removed": 0},
    ]
    assert found["writes"] == 3
    assert found["told"] == ["3 DAG runs (hello: 1 began and 1 removed, relay: 1 went on)"]


def test_a_run_that_ended_once_more_went_on(written: Written) -> None:
    found = written("UPDATE dag_run SET end_date = '2026-02-02 00:00:00.000000' WHERE run_id = 'done';")
    assert found["told"] == ["1 DAG run (hello: 1 went on)"]


@pytest.mark.parametrize(
    "progress",
    [
        "UPDATE task_instance SET state = 'success', start_date = '2026-02-02 00:00:00.000000' WHERE task_id = 'second';",
        "UPDATE task_instance SET state = 'running', start_date = '2026-02-02 00:00:00.000000' WHERE task_id = 'third';",
        "UPDATE task_instance SET state = NULL, start_date = '2026-02-02 00:00:00.000000' WHERE task_id = 'third';",
        "INSERT INTO task_instance VALUES ('relay', 'mapped', 'under_way', 3, 'success', '2026-02-02 00:00:00.000000', 1);",
    ],
    ids=["ended", "runs", "ran and waits again", "mapped"],
)
def test_a_run_in_which_a_task_ran_went_on(progress: str, written: Written) -> None:
    assert written(progress)["told"] == ["1 DAG run (relay: 1 went on)"]


def test_tasks_that_run_are_named(written: Written) -> None:
    found = written(
        "UPDATE task_instance SET state = 'running' WHERE task_id = 'third';"
        "INSERT INTO task_instance VALUES ('relay', 'mapped', 'under_way', 3, 'running', NULL, 1);"
    )
    assert found["running"] == [
        {"dag_id": "relay", "task_id": "mapped", "run_id": "under_way", "map_index": 3},
        {"dag_id": "relay", "task_id": "third", "run_id": "under_way", "map_index": -1},
    ]
    assert found["told_running"] == ["2 tasks run now (mapped of relay, run under_way, map index 3; third of relay, run under_way)"]


def test_objects_are_named_and_no_value_is_told(written: Written) -> None:
    found = written(
        "INSERT INTO connection (conn_id, conn_type, password) VALUES ('lake', 's3', 'gAAsecret');"
        "UPDATE variable SET val = 'gAAsecret' WHERE key = 'team';"
        "DELETE FROM slot_pool WHERE pool = 'odd';"
        "INSERT INTO ab_user_role VALUES (2, 1, 2);"
        "UPDATE dag SET is_paused = 0 WHERE dag_id = 'relay';"
    )
    assert found["written"] == {
        "runs": [],
        "connections": {**NOTHING, "added": ["lake"]},
        "variables": {**NOTHING, "changed": ["team"]},
        "pools": {**NOTHING, "removed": ["odd"]},
        "users": {**NOTHING, "changed": ["jane"]},
        "paused": ["relay"],
    }
    assert found["told"] == [
        "1 connection (lake)",
        "1 variable (team changed)",
        "1 pool (odd removed)",
        "1 user (jane changed)",
        "1 DAG that was paused or unpaused (relay)",
    ]
    assert found["writes"] == 5
    assert "secret" not in str(found)


def test_what_the_collection_writes_is_told_apart(written: Written) -> None:
    found = written(
        "INSERT INTO connection (conn_id, conn_type) VALUES ('inventory', 's3'), ('mine', 's3');"
        "INSERT INTO ab_user (username) VALUES ('updraft');"
        "INSERT INTO dag_run (dag_id, run_id, state) VALUES ('updraft_canary', 'left', 'failed');"
        "UPDATE dag SET is_paused = 0 WHERE dag_id = 'updraft_canary';",
        connections=["inventory", "warehouse"],
        users=["updraft"],
        dags=["updraft_canary"],
    )
    assert found["told"] == ["1 connection (mine)"]
    assert found["writes"] == 1
    assert found["left_out"] == {"connections": ["inventory"], "users": ["updraft"]}
    assert found["told_left_out"] == ["Not counted, for site wrote it or would write it again: connections (inventory), users (updraft)"]


def test_tables_that_one_side_does_not_have_are_empty(written: Written) -> None:
    found = written("DROP TABLE ab_user_role; DROP TABLE ab_role; DROP TABLE ab_user;")
    assert found["told"] == ["1 user (jane removed)"]


def test_long_lists_end(written: Written) -> None:
    names = [f"v{number:02}" for number in range(25)]
    found = written("INSERT INTO variable (key, val) VALUES " + ", ".join(f"('{name}', '')" for name in names) + ";")
    assert found["told"] == ["25 variables (" + ", ".join(names[:20]) + " and 5 more)"]
    assert found["written"]["variables"]["added"] == names


def test_rows_of_an_older_copy_were_added_to_and_not_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
        connection.executescript(
            """
            CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT);
            DELETE FROM alembic_version;
            INSERT INTO alembic_version VALUES ('686269002441');
            CREATE TABLE serialized_dag (dag_id TEXT);
            INSERT INTO serialized_dag VALUES ('a');
            """
        )
    copy = SqliteSource(str(path))
    try:
        counts = {table.name: copy.count(table.name) for table in copy.tables()}
        moved = {**counts, "serialized_dag": 0, "variable": counts["variable"] + 1, "dataset_alias": 2}
        for tables, expected in ((moved, []), ({**moved, "variable": counts["variable"] - 1}, ["variable"])):
            marker = {"source": "h1:/a", "phase": "switched", "tables": tables}
            found = metadata_written.refusals(MarkedServer(**marker), copy, "h1:/a")  # type: ignore[arg-type]
            assert [sentence.rpartition(" in ")[2].rstrip(".") for sentence in found] == expected
    finally:
        copy.close()


class MarkedServer:
    """A server as far as its marker is read."""

    place = "the database airflow on 127.0.0.1:5432"

    def __init__(self, **marker: Any) -> None:
        self.marker = marker

    def full(self, table: str, schema: str | None = None) -> str:
        return f"{schema}.{table}"

    def tables(self, schema: str | None = None) -> list[str]:
        return ["updraft_move"] if self.marker else []

    def rows(self, _sql: str) -> list[tuple[Any, ...]]:
        names = ("source", "fingerprint", "revision", "phase", "tables", "record", "changed_at")
        return [tuple(self.marker.get(name) for name in names)]


TABLES = {"connection": 1, "variable": 3, "dag_run": 2}


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ({"source": "h1:/a", "phase": "switched", "tables": TABLES}, ""),
        ({}, "The database airflow on 127.0.0.1:5432 has no marker of a move, so nothing says that it began as the copy in {copy}."),
        (
            {"source": "h2:/a", "phase": "switched", "tables": TABLES},
            "The database airflow on 127.0.0.1:5432 holds the move of h2:/a, not of h1:/a.",
        ),
        (
            {"source": "h1:/a", "phase": "verified", "tables": TABLES},
            "The move in the database airflow on 127.0.0.1:5432 came to verified and was not switched to: run updraft.airflow.site first.",
        ),
        (
            {"source": "h1:/a", "phase": "switched", "tables": {**TABLES, "dag_run": 3, "gone": 1}},
            "{copy} is not the copy that the database airflow on 127.0.0.1:5432 began as: other numbers of rows in dag_run, gone.",
        ),
    ],
    ids=["fits", "no marker", "of another host", "unfinished", "another copy"],
)
def test_only_the_copy_of_the_finished_move_is_compared(marker: dict[str, Any], expected: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        connection.executescript(SCHEMA)
    source = SqliteSource(str(copy))
    try:
        found = metadata_written.refusals(MarkedServer(**marker), source, "h1:/a")  # type: ignore[arg-type]
    finally:
        source.close()
    assert found == ([expected.format(copy=copy)] if expected else [])
