# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A metadata database in an SQLite file, read and never written."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    ColumnType,
    MoveError,
    SourceColumn,
    SourceTable,
    batched,
    describe_key,
)

_LENGTH = re.compile(r"(?:VAR)?CHAR\((\d+)\)")
_SIMPLE_KINDS = {
    "BOOLEAN": "boolean",
    "BLOB": "bytes",
    "TEXT": "text",
    "TIMESTAMP": "timestamptz",
    "DATETIME": "timestamp",
    "JSON": "json",
    "FLOAT": "float",
    "DOUBLE": "float",
    "REAL": "float",
    "CHAR(32)": "uuid",
    # Airflow's only columns of this type are connection.description and its like, which are text on PostgreSQL.
    "VARCHAR(5000)": "text",
}


_KEPT_KINDS = {"integer": "integer", "real": "float", "text": "text", "blob": "bytes"}


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def declared_type(declared: str) -> ColumnType | None:
    """What Airflow makes of a declared type on PostgreSQL, None for a type it does not use."""
    name = declared.upper().strip()
    if name in _SIMPLE_KINDS:
        return ColumnType(_SIMPLE_KINDS[name])
    if name in ("INTEGER", "BIGINT"):
        return ColumnType("integer", bits=64 if name == "BIGINT" else 32)
    match = _LENGTH.fullmatch(name)
    return ColumnType("text", length=int(match.group(1))) if match else None


class SqliteSource:
    """The database in a file; `lenient` keeps bytes that are not UTF-8 as surrogates, so that they can be found."""

    def __init__(self, path: str, lenient: bool = False) -> None:
        if not os.path.isfile(path):
            raise MoveError(f"There is no SQLite database at {path}; check the path in source.")
        self.path = self.place = path
        self.error: type[Exception] = sqlite3.Error
        try:
            self._connection = sqlite3.connect(f"file:{quote(os.path.abspath(path))}?mode=ro", uri=True, timeout=60)
            self._connection.isolation_level = None
            # One read transaction, so that every query sees the same state.
            self._connection.execute("BEGIN")
            self._names = [
                row[0]
                for row in self._connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
                )
            ]
        except sqlite3.Error as error:
            raise MoveError(f"The SQLite database {path} cannot be read ({error}); check its path and rights.") from None
        if lenient:
            self._connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")

    def close(self) -> None:
        """Leave the file alone."""
        self._connection.close()

    def unreadable(self, error: Exception) -> MoveError:
        """See Source."""
        reason = type(error).__name__ if isinstance(error, sqlite3.OperationalError) else str(error)
        return MoveError(
            f"The SQLite database {self.path} cannot be read to its end ({reason}); restore it from a backup or repair it with the"
            " sqlite3 tool's .recover."
        )

    def lenient(self, error: Exception) -> SqliteSource | None:
        """See Source."""
        is_about_text = isinstance(error, sqlite3.OperationalError) and "decode" in str(error)
        return SqliteSource(self.path, lenient=True) if is_about_text else None

    def damage(self) -> str | None:
        """See Source."""
        found = [row[0] for row in self.query("PRAGMA quick_check(1)")]
        return None if found == ["ok"] else " ".join(str(found[0]).split())

    def tables(self) -> list[SourceTable]:
        """See Source."""
        return [SourceTable(name, tuple(self._columns(name))) for name in self._names]

    def _columns(self, table: str) -> Iterator[SourceColumn]:
        for _number, name, declared, _required, _default, key in self._connection.execute(f"PRAGMA table_info({quoted(table)})"):
            yield SourceColumn(name, declared_type(declared), bool(key))

    def revision(self, version_table: str) -> str | None:
        """See Source."""
        if version_table not in self._names:
            return None
        row = self._connection.execute(f"SELECT version_num FROM {quoted(version_table)}").fetchone()
        return str(row[0]) if row else None

    def count(self, table: str) -> int:
        """See Source."""
        return int(self._connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0])

    def batches(self, table: SourceTable, columns: list[str]) -> Iterator[list[tuple[Any, ...]]]:
        """See Source."""
        types = {column.name: column.type for column in table.columns}
        names = ", ".join(map(quoted, columns))
        rows = self._connection.execute(f"SELECT {names} FROM {quoted(table.name)}")
        yield from batched(rows, [types[name] for name in columns])

    def last_number(self, table: str) -> int:
        """See Source."""
        sequences = self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone()
        if not sequences:
            return 0
        row = self._connection.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return int(row[0] or 0)

    def has_values(self, table: str, column: str) -> bool:
        """See Source."""
        rows = self._connection.execute(f"SELECT 1 FROM {quoted(table)} WHERE {quoted(column)} IS NOT NULL LIMIT 1")
        return rows.fetchone() is not None

    def kept_type(self, table: str, column: SourceColumn) -> ColumnType:
        """See Source; by the values, for SQLite does not enforce declared types."""
        rows = self._connection.execute(f"SELECT DISTINCT typeof({quoted(column.name)}) FROM {quoted(table)}")
        classes = {row[0] for row in rows} - {"null"}
        if classes == {"integer", "real"}:
            classes = {"real"}
        if len(classes) > 1:
            raise MoveError(
                f"The column {table}.{column.name}, which is not Airflow's, mixes {' and '.join(sorted(classes))} values;"
                " bring them to one type or drop the table in a copy of the source."
            )
        return ColumnType(_KEPT_KINDS[classes.pop()] if classes else "text", bits=64)

    def orphans(self) -> Iterator[tuple[str, str, int, list[str]]]:
        """Rows without the row a foreign key names: table, parent table, how many, and up to three rows."""
        found: dict[tuple[str, str], list[int]] = {}
        counts: dict[tuple[str, str], int] = {}
        for table, rowid, parent, _number in self._connection.execute("PRAGMA foreign_key_check"):
            counts[(table, parent)] = counts.get((table, parent), 0) + 1
            rows = found.setdefault((table, parent), [])
            if rowid is not None and len(rows) < 3:
                rows.append(rowid)
        for (table, parent), rows in found.items():
            yield table, parent, counts[(table, parent)], [self.key_of(table, rowid) for rowid in rows]

    def key_of(self, table: str, rowid: int) -> str:
        """The primary key of a row, as a message shows it."""
        keys = [column.name for column in self._columns(table) if column.key] or ["rowid"]
        names = ", ".join(name if name == "rowid" else quoted(name) for name in keys)
        row = self._connection.execute(f"SELECT {names} FROM {quoted(table)} WHERE rowid = ?", (rowid,)).fetchone()
        return describe_key(keys, row)

    def query(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a reading statement."""
        return iter(self._connection.execute(sql))
