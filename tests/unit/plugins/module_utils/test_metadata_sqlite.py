# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a metadata database in SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource, declared_type
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import BATCH_ROWS, BATCH_SIZE, ColumnType, MoveError


def make(path: Path, *statements: str) -> Path:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("INTEGER", ColumnType("integer", bits=32)),
        ("BIGINT", ColumnType("integer", bits=64)),
        ("VARCHAR(250)", ColumnType("text", length=250)),
        ("varchar(250)", ColumnType("text", length=250)),
        ("VARCHAR(5000)", ColumnType("text")),
        ("CHAR(32)", ColumnType("uuid")),
        ("TIMESTAMP", ColumnType("timestamptz")),
        ("DATETIME", ColumnType("timestamp")),
        ("JSON", ColumnType("json")),
        ("GEOMETRY", None),
    ],
)
def test_declared_types_tell_what_the_server_will_hold(declared: str, kind: ColumnType | None) -> None:
    assert declared_type(declared) == kind


def test_a_name_with_special_characters_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20?#"
    folder.mkdir()
    source = SqliteSource(str(make(folder / "x?mode=rwc.db", "CREATE TABLE alembic_version (version_num VARCHAR(32))")))
    assert [table.name for table in source.tables()] == ["alembic_version"]
    assert source.revision("alembic_version") is None
    source.close()
    assert [entry.name for entry in folder.iterdir()] == ["x?mode=rwc.db"]


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(MoveError, match="There is no SQLite database at"):
        SqliteSource(str(tmp_path / "no.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(MoveError, match="cannot be read"):
        SqliteSource(str(path))


def test_rows_that_wait_in_the_write_ahead_log_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE variable (id INTEGER PRIMARY KEY)")
    writer.execute("INSERT INTO variable VALUES (1)")
    writer.commit()
    source = SqliteSource(str(path))
    assert source.count("variable") == 1
    writer.execute("INSERT INTO variable VALUES (2)")
    writer.commit()
    assert source.count("variable") == 1  # one state for all queries
    source.close()
    writer.close()


def test_it_cannot_write(tmp_path: Path) -> None:
    source = SqliteSource(str(make(tmp_path / "x.db", "CREATE TABLE t (n INTEGER)")))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        list(source.query("INSERT INTO t VALUES (1)"))
    source.close()


def test_batches_are_bounded_by_rows_and_by_size(tmp_path: Path) -> None:
    path = make(
        tmp_path / "x.db",
        "CREATE TABLE t (n INTEGER, v BLOB)",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1200) INSERT INTO t SELECT n, x'00' FROM r",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5)"
        f" INSERT INTO t SELECT n, zeroblob({BATCH_SIZE * 3 // 4}) FROM r",
    )
    source = SqliteSource(str(path))
    (table,) = source.tables()
    sizes = [len(batch) for batch in source.batches(table, ["n", "v"])]
    assert sum(sizes) == 1205
    assert max(sizes) == BATCH_ROWS
    assert sizes[-2:] == [2, 1]
    source.close()


def test_the_last_number_of_a_table_that_gives_none_twice(tmp_path: Path) -> None:
    path = make(
        tmp_path / "x.db",
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO a VALUES (41)",
        "DELETE FROM a",
    )
    source = SqliteSource(str(path))
    assert (source.last_number("a"), source.last_number("b")) == (41, 0)
    assert [table.name for table in source.tables()] == ["a"]
    source.close()


def test_kept_tables_are_typed_by_their_values(tmp_path: Path) -> None:
    path = make(
        tmp_path / "x.db",
        "CREATE TABLE t (a DATETIME, b VARCHAR(2), c INTEGER, d, e)",
        "INSERT INTO t VALUES ('2024-01-01', x'00', 1, 1, NULL)",
        "INSERT INTO t VALUES (NULL, NULL, 2, 1.5, NULL)",
    )
    source = SqliteSource(str(path))
    (table,) = source.tables()
    kinds = {column.name: source.kept_type("t", column).kind for column in table.columns}
    assert kinds == {"a": "text", "b": "bytes", "c": "integer", "d": "float", "e": "text"}
    source.close()


def test_a_kept_column_of_mixed_values_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "x.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES ('x'), (1)")
    source = SqliteSource(str(path))
    with pytest.raises(MoveError, match=r"The column t\.a, which is not Airflow's, mixes integer and text values"):
        source.kept_type("t", source.tables()[0].columns[0])
    source.close()
