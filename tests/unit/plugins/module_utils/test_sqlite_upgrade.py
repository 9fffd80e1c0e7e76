# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy that Airflow migrates within its line, against what it was. The migrations themselves run in tests/integration_db."""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from ansible_collections.updraft.airflow.plugins.module_utils.sqlite_upgrade import (
    CONNECTION_CLASS,
    Comparison,
    has_deadlines,
    prepare,
    without_deadlines,
    without_log,
)

BEFORE = """
CREATE TABLE alembic_version (version_num VARCHAR(32));
INSERT INTO alembic_version VALUES ('405de8318b3a');
CREATE TABLE connection (id INTEGER PRIMARY KEY, conn_id VARCHAR(250) NOT NULL UNIQUE, conn_type VARCHAR(500) NOT NULL,
  description VARCHAR(5000), host VARCHAR(500), schema VARCHAR(500), login TEXT, password TEXT, port INTEGER, is_encrypted BOOLEAN,
  is_extra_encrypted BOOLEAN, extra TEXT);
INSERT INTO connection VALUES (1, 'db', 'postgres', 'told', 'host', 'schema', 'login', 'secret', 5432, 1, 0, 'extra');
CREATE TABLE trigger (id INTEGER PRIMARY KEY, kwargs JSON);
INSERT INTO trigger VALUES (1, '{"__type": "dict", "__var": {"a": 1}}');
CREATE TABLE log (id INTEGER PRIMARY KEY, event TEXT);
INSERT INTO log VALUES (4, 'paused');
CREATE TABLE job (id INTEGER PRIMARY KEY, hostname TEXT);
INSERT INTO job VALUES (1, 'h1'), (2, 'h2');
CREATE TABLE task_instance (dag_id TEXT, job INTEGER REFERENCES job (id), state TEXT, PRIMARY KEY (dag_id));
INSERT INTO task_instance VALUES ('a', 1, 'success'), ('b', 2, 'failed');
CREATE TABLE serialized_dag (dag_id TEXT PRIMARY KEY);
INSERT INTO serialized_dag VALUES ('a');
"""
MIGRATED = (
    """UPDATE alembic_version SET version_num = '5f2621c13b39';
DELETE FROM serialized_dag;
INSERT INTO log VALUES (5, 'cli_migratedb');
ALTER TABLE job ADD COLUMN more TEXT;
UPDATE trigger SET kwargs = 'token';
""",
    '{"__var": {"a": 1}, "__type": "dict"}',
)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A database of 2.7 as its first `airflow db migrate` makes it."""
    path = tmp_path / "it's before?.db"
    run(path, BEFORE)
    return path


def run(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)


def compared(before: Path, statements: str, kwargs: str = MIGRATED[1]) -> Comparison:
    """The comparison with what statements make of a copy."""
    after = before.with_name("after.db")
    after.write_bytes(before.read_bytes())
    run(after, statements)
    comparison = Comparison(str(before), str(after), {"token": kwargs}.__getitem__, kept_as="backup.db")
    comparison.run()
    return comparison


def test_what_airflow_does_on_purpose_is_told(before: Path) -> None:
    comparison = compared(before, MIGRATED[0])
    assert comparison.failures == []
    assert comparison.losses == [
        {
            "table": "serialized_dag",
            "rows": 1,
            "revision": "5f2621c13b39",
            "reason": "made again when the DAGs are parsed",
            "kept_as": "backup.db",
        }
    ]
    assert {"name": "log", "now": "log", "before": 1, "after": 2} in comparison.tables


@pytest.mark.parametrize(
    ("statement", "failure"),
    [
        ("DELETE FROM task_instance WHERE dag_id = 'a'", "task_instance had 2 rows and has 1"),
        ("DROP TABLE log", "the table log is gone"),
        ("ALTER TABLE job DROP COLUMN hostname", "the column job.hostname is gone"),
        ("UPDATE connection SET port = host, host = port", "the content of connection has changed (host, port)"),
        (
            "UPDATE task_instance SET state = CASE state WHEN 'failed' THEN 'success' ELSE 'failed' END",
            "the content of task_instance has changed (which values belong together)",
        ),
        ("UPDATE log SET event = 'x' WHERE id = 4", "the content of log has changed (event)"),
        (
            "DELETE FROM task_instance WHERE dag_id = 'a'; INSERT INTO task_instance VALUES ('c', 1, 'success'), ('d', 1, 'failed')",
            "the content of task_instance has changed (dag_id, job, state)",
        ),
        ("UPDATE task_instance SET job = 7 WHERE dag_id = 'a'", "task_instance has rows whose row in job is missing"),
        ("UPDATE trigger SET kwargs = 'unknown'", "trigger cannot be compared (user-defined function raised exception)"),
    ],
)
def test_any_other_difference_is_named(statement: str, failure: str, before: Path) -> None:
    assert failure in compared(before, f"{MIGRATED[0]};{statement}").failures


def test_a_trigger_with_other_arguments_is_named(before: Path) -> None:
    assert compared(before, MIGRATED[0], '{"__var": {"a": 2}, "__type": "dict"}').failures == [
        "the content of trigger has changed (kwargs)"
    ]


def test_a_database_that_is_not_of_a_release_is_refused(before: Path) -> None:
    run(before, "UPDATE alembic_version SET version_num = '0123456789ab'")
    with pytest.raises(MoveError, match="is at the revision 0123456789ab, which is not that of a release"):
        compared(before, "")


def test_the_columns_of_connections_get_the_order_that_the_migration_copies_them_in(before: Path) -> None:
    prepare(str(before))
    with closing(sqlite3.connect(before)) as connection:
        # This is what the migration to 2.9.2 does.
        connection.execute(
            "CREATE TABLE connection_new (id, conn_id, conn_type, host, schema, login, password, port, extra, is_encrypted,"
            " is_extra_encrypted, description)"
        )
        connection.execute("INSERT INTO connection_new SELECT * FROM connection")
        found = connection.execute("SELECT host, port, password, extra, is_encrypted, description FROM connection_new").fetchall()
        assert found == [("host", 5432, "secret", "extra", 1, "told")]
        assert connection.execute("SELECT count(*) FROM serialized_dag").fetchone() == (0,)


def test_a_table_of_connections_with_a_column_of_somebody_else_is_refused(before: Path) -> None:
    run(before, "ALTER TABLE connection ADD COLUMN mine TEXT")
    with pytest.raises(MoveError, match="has not the columns that Airflow gives it"):
        prepare(str(before))


def test_what_is_only_in_the_log_is_brought_into_the_file(before: Path) -> None:
    with closing(sqlite3.connect(before, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("INSERT INTO log VALUES (5, 'migrated')")
        # As it is left by a process that ends without closing it.
        left = before.with_name("left.db")
        left.write_bytes(before.read_bytes())
        left.with_name("left.db-wal").write_bytes(before.with_name(f"{before.name}-wal").read_bytes())
    without_log(str(left))
    left.with_name("left.db-wal").unlink(missing_ok=True)
    with closing(sqlite3.connect(left)) as connection:
        assert connection.execute("SELECT id FROM log ORDER BY 1").fetchall() == [(4,), (5,)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_migrations_cannot_turn_foreign_keys_on(before: Path) -> None:
    made: dict[str, Any] = {}
    exec(CONNECTION_CLASS, made)
    with closing(sqlite3.connect(before, **made["arguments"])) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (0,)
        connection.execute("DELETE FROM job")
        assert connection.execute("SELECT count(*) FROM task_instance").fetchone() == (2,)


@pytest.mark.parametrize("pack", [lambda text: text, lambda text: zlib.compress(text.encode())], ids=["plain", "compressed"])
def test_deadlines_of_a_serialized_dag_are_left_out(pack: Any) -> None:
    with_old = pack(json.dumps({"dag": {"deadline": [{"interval": 60.0}], "dag_id": "a"}}))
    with_new = pack(json.dumps({"dag": {"dag_id": "a", "deadline": ["0196"]}}))
    assert without_deadlines(with_old) == without_deadlines(with_new)
    assert has_deadlines(with_old)
    plain = pack('{ "dag": {"dag_id": "a", "deadline": null}}')
    assert without_deadlines(plain) == plain
    assert not has_deadlines(plain)


@pytest.mark.parametrize("value", [None, 3, "no JSON", b"not compressed", '"text"', "{}"])
def test_what_is_no_serialized_dag_stays_as_it_is(value: Any) -> None:
    assert without_deadlines(value) == value
