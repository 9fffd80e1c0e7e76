# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading whole tables of a metadata database, row by row, as spelled values (see canonical.py)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from .canonical import spell

ROWS_AT_ONCE = 2000

SQLITE_KINDS = {
    "BOOLEAN": "boolean",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "FLOAT": "number",
    "TIMESTAMP": "timestamp",
    "DATETIME": "timestamp",
    "JSON": "json",
    "BLOB": "binary",
    "CHAR(32)": "uuid",
}
POSTGRESQL_KINDS = {
    "bool": "boolean",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "float4": "number",
    "float8": "number",
    "timestamp": "timestamp",
    "timestamptz": "timestamp",
    "json": "json",
    "jsonb": "json",
    "bytea": "binary",
    "uuid": "uuid",
}
MYSQL_KINDS = {
    "tinyint(1)": "boolean",
    "int": "integer",
    "bigint": "integer",
    "float": "number",
    "double": "number",
    "timestamp(6)": "timestamp",
    "datetime(6)": "timestamp",
    "json": "json",
    "blob": "binary",
    "longblob": "binary",
    "char(32)": "uuid",
}


@dataclass(frozen=True)
class Column:
    """One value of a row: its label, what it is made of in SQL, and of which kind it is."""

    label: str
    expression: str
    kind: str


@dataclass(frozen=True)
class Selection:
    """Rows to read: a FROM clause, the columns, the labels that identify a row, and which rows count."""

    source: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    kept: Callable[[dict[str, str]], bool] | None = None


class Database(Protocol):
    """A metadata database opened for reading, all tables as of one moment."""

    def tables(self) -> list[str]:
        """Return the names of all tables."""

    def whole(self, table: str) -> Selection:
        """Return the selection of a whole table, with the kinds of its declared types."""

    def rows(self, selection: Selection) -> Iterator[dict[str, str]]:
        """Yield every row as spelled values by label."""


def _spelled(selection: Selection, rows: Iterator[tuple[Any, ...]]) -> Iterator[dict[str, str]]:
    columns = [(column.label, column.kind) for column in selection.columns]
    for row in rows:
        spelled = {label: spell(kind, value) for (label, kind), value in zip(columns, row)}
        if selection.kept is None or selection.kept(spelled):
            yield spelled


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Sqlite:
    """A SQLite file, never written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        connection.execute("BEGIN")

    def tables(self) -> list[str]:
        """Return the names of all tables but SQLite's own."""
        found = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
        return sorted(row[0] for row in found)

    def whole(self, table: str) -> Selection:
        """Return the selection of a whole table."""
        declared = self.connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
        columns = tuple(Column(row[1], _quoted(row[1]), SQLITE_KINDS.get(row[2].upper(), "text")) for row in declared)
        key = tuple(row[1] for row in sorted(declared, key=lambda row: row[5]) if row[5])
        return Selection(_quoted(table), columns, key)

    def rows(self, selection: Selection) -> Iterator[dict[str, str]]:
        """Yield every row."""
        listed = ", ".join(column.expression for column in selection.columns)
        yield from _spelled(selection, self.connection.execute(f"SELECT {listed} FROM {selection.source}"))


class Postgresql:
    """A PostgreSQL database, in one read-only snapshot."""

    TABLES = """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relkind IN ('r', 'p') ORDER BY 1
    """
    COLUMNS = """
        SELECT a.attname, t.typname, COALESCE(array_position(i.indkey::int2[], a.attnum), -1)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
        WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    """

    def __init__(self, connection: Any, schema: str = "public") -> None:
        self.connection = connection
        self.schema = schema
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute("SELECT set_config('search_path', %s, false)", (schema,))

    def _fetch(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def _name(self, table: str) -> str:
        return f"{_quoted(self.schema)}.{_quoted(table)}"

    def tables(self) -> list[str]:
        """Return the names of all tables of the schema."""
        return [row[0] for row in self._fetch(self.TABLES, self.schema)]

    def whole(self, table: str) -> Selection:
        """Return the selection of a whole table."""
        declared = self._fetch(self.COLUMNS, self._name(table))
        columns = []
        for name, type_name, _position in declared:
            kind = POSTGRESQL_KINDS.get(type_name, "text")
            columns.append(Column(name, _quoted(name) + ("::text" if kind == "text" else ""), kind))
        key = tuple(row[0] for row in sorted(declared, key=lambda row: row[2]) if row[2] >= 0)
        return Selection(self._name(table), tuple(columns), key)

    def rows(self, selection: Selection) -> Iterator[dict[str, str]]:
        """Yield every row, fetched through a cursor on the server."""
        listed = ", ".join(column.expression for column in selection.columns)
        with self.connection.cursor(name="airflow_checks") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(f"SELECT {listed} FROM {selection.source}")
            yield from _spelled(selection, cursor)


class Mysql:
    """A MySQL database, in one read-only snapshot. What a copy has put aside is no table of it."""

    TABLES = """
        SELECT table_name FROM information_schema.tables
        WHERE table_schema = database() AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'airflow!_kept!_!_%%' ESCAPE '!' ORDER BY 1
    """
    COLUMNS = """
        SELECT c.column_name, c.column_type, k.ordinal_position FROM information_schema.columns c
        LEFT JOIN information_schema.key_column_usage k ON k.table_schema = c.table_schema AND k.table_name = c.table_name
          AND k.column_name = c.column_name AND k.constraint_name = 'PRIMARY'
        WHERE c.table_schema = database() AND c.table_name = %s ORDER BY c.ordinal_position
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._fetch("SET time_zone = '+00:00'")
        self._fetch("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def _fetch(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def tables(self) -> list[str]:
        """Return the names of all tables."""
        return [row[0] for row in self._fetch(self.TABLES)]

    def whole(self, table: str) -> Selection:
        """Return the selection of a whole table."""
        declared = self._fetch(self.COLUMNS, table)
        # A float is shown with six digits unless it is made a double.
        columns = tuple(
            Column(name, f"`{name}` + 0E0" if kind == "float" else f"`{name}`", MYSQL_KINDS.get(kind, "text")) for name, kind, _ in declared
        )
        key = tuple(row[0] for row in sorted((row for row in declared if row[2]), key=lambda row: int(row[2])))
        return Selection(f"`{table}`", columns, key)

    def rows(self, selection: Selection) -> Iterator[dict[str, str]]:
        """Yield every row, fetched one by one."""
        from pymysql.cursors import SSCursor

        listed = ", ".join(column.expression for column in selection.columns)
        with self.connection.cursor(SSCursor) as cursor:
            cursor.execute(f"SELECT {listed} FROM {selection.source}")
            yield from _spelled(selection, cursor)


def _open_mysql(url: str) -> Any:
    import pymysql  # only where a server is read

    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=unquote(parts.path[1:]),
        charset="utf8mb4",
        ssl={"check_hostname": False},
    )


@contextmanager
def opened(place: str | Mapping[str, Any]) -> Iterator[Database]:
    """Open a database: the path of a SQLite file, the URL of a MySQL database, or psycopg2's connection arguments (or its string).

    `schema` among the arguments names a schema other than `public`.
    """
    if isinstance(place, str) and "=" not in place and "://" not in place:
        connection = sqlite3.connect(f"file:{quote(place)}?mode=ro", uri=True, timeout=60, isolation_level=None)
        try:
            yield Sqlite(connection)
        finally:
            connection.close()
        return
    if isinstance(place, str) and place.startswith("mysql"):
        connection = _open_mysql(place)
        try:
            yield Mysql(connection)
        finally:
            connection.close()
        return
    import psycopg2.extras  # only where a server is read

    arguments = {"dsn": place} if isinstance(place, str) else dict(place)
    schema = arguments.pop("schema", "public")
    server = psycopg2.connect(**arguments)
    # Documents arrive as they are written, so that the driver rounds no number.
    psycopg2.extras.register_default_json(server, loads=str)
    psycopg2.extras.register_default_jsonb(server, loads=str)
    try:
        yield Postgresql(server, schema)
    finally:
        server.close()
