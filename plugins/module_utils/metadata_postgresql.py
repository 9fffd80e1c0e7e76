# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A metadata database on a PostgreSQL server: connection, catalogue, bulk load and definitions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._database import about_certificate
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    KEPT_SCHEMA,
    ColumnType,
    Definition,
    MoveError,
    TargetColumn,
)

_TYPES = {
    "boolean": ColumnType("boolean"),
    "smallint": ColumnType("integer", bits=16),
    "integer": ColumnType("integer", bits=32),
    "bigint": ColumnType("integer", bits=64),
    "double precision": ColumnType("float"),
    "numeric": ColumnType("numeric"),
    "text": ColumnType("text"),
    "character varying": ColumnType("text"),
    "timestamp without time zone": ColumnType("timestamp"),
    "timestamp with time zone": ColumnType("timestamptz"),
    "json": ColumnType("json"),
    "jsonb": ColumnType("jsonb"),
    "uuid": ColumnType("uuid"),
    "bytea": ColumnType("bytes"),
}
# What holds rows that Airflow does not know.
_KEPT_TYPES = {"integer": "bigint", "float": "double precision", "text": "text", "bytes": "bytea"}
_VARCHAR = re.compile(r"character varying\((\d+)\)")

# How the server writes values, independent of what the server, the database or the role are set to.
_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "lock_timeout": "30s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
# One number for all runs of the move in one database; any other would do.
_ADVISORY_LOCK = 7_265_221_340

_TABLES = """
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT EXISTS (SELECT 1 FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.relname
"""
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull OR a.atthasdef OR a.attidentity <> ''
    FROM pg_attribute a
    WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
_CONSTRAINTS = """
    SELECT r.relname, c.conname, pg_get_constraintdef(c.oid), c.contype = 'f'
    FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid LEFT JOIN pg_class i ON i.oid = c.conindid
    WHERE r.relnamespace = %s::regnamespace AND r.relname = ANY (%s) AND c.conparentid = 0
      AND (c.contype = 'f' OR (c.contype = 'u' AND i.relname = c.conname))
    ORDER BY c.contype = 'u', r.relname, c.conname
"""
_INDEXES = """
    SELECT r.relname, i.relname, pg_get_indexdef(x.indexrelid)
    FROM pg_index x JOIN pg_class r ON r.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
    WHERE r.relnamespace = %s::regnamespace AND r.relname = ANY (%s)
      AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid AND c.contype IN ('p', 'u', 'x'))
    ORDER BY r.relname, i.relname
"""
# Sequences belong to a column by ownership, by its default, or, as FAB makes them, by their name alone.
_SEQUENCES = """
    SELECT s.relname, r.relname, a.attname
    FROM pg_class s
    JOIN pg_class r ON r.relnamespace = s.relnamespace AND r.relkind IN ('r', 'p')
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef f ON f.adrelid = r.oid AND f.adnum = a.attnum
    WHERE s.relkind = 'S' AND s.relnamespace = %s::regnamespace
      AND (EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = s.oid
                   AND d.refobjid = r.oid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i'))
           OR EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                      AND d.refobjid = s.oid)
           OR (s.relname = r.relname || '_' || a.attname || '_seq'
               AND EXISTS (SELECT 1 FROM pg_index x WHERE x.indrelid = r.oid AND x.indisprimary AND a.attnum = ANY (x.indkey))
               AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.refobjid = s.oid AND d.classid = 'pg_attrdef'::regclass)
               AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = s.oid AND d.classid = 'pg_class'::regclass
                               AND d.deptype IN ('a', 'i'))))
    ORDER BY s.relname
"""


@dataclass(frozen=True)
class Connection:
    """Where the server is and who asks."""

    host: str
    port: int
    database: str
    user: str
    password: str
    ssl_mode: str
    ssl_root_cert: str | None = None

    def place(self) -> str:
        """The database as a message names it."""
        return f"the database {self.database} on {self.host}:{self.port}"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class _Chunks:
    """Lets the driver read lines as from a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)

    def read(self, _size: int = -1) -> bytes:
        """The next piece, empty at the end."""
        return next(self._chunks, b"")


class _Sink:
    """Lets the driver write rows as to a file; it writes one row at a time."""

    def __init__(self, sink: Callable[[list[bytes]], None]) -> None:
        self._sink = sink
        self._lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        """Take a row."""
        self._lines.append(line)
        if len(self._lines) >= 500:
            self.flush()

    def flush(self) -> None:
        """Hand over what is left."""
        self._sink(self._lines)
        self._lines = []


class PostgresqlTarget:
    """The schema Airflow uses in a PostgreSQL database; every statement runs in one transaction until commit."""

    def __init__(self, connection: Connection) -> None:
        try:
            import psycopg2
        except ImportError:
            raise MoveError(
                "The Python that runs the move has no psycopg2; run the module with the interpreter of the Airflow"
                " environment (ansible_python_interpreter)."
            ) from None
        self.error: type[Exception] = psycopg2.Error
        self.place = connection.place()
        arguments: dict[str, Any] = {
            "host": connection.host,
            "port": connection.port,
            "dbname": connection.database,
            "user": connection.user,
            "password": connection.password,
            "sslmode": connection.ssl_mode,
            "connect_timeout": 30,
            "application_name": "updraft.airflow move",
        }
        if connection.ssl_root_cert:
            arguments["sslrootcert"] = connection.ssl_root_cert
        try:
            self._connection: Any = psycopg2.connect(**arguments)
        except psycopg2.Error as error:
            reason = " ".join(str(error).split())
            raise MoveError(
                f"No connection to {self.place} ({reason}{about_certificate(reason, asdict(connection))}); check the server and the "
                "variables airflow_metadata_db_*."
            ) from None
        self._prepare()

    def _prepare(self) -> None:
        for name, value in _SESSION.items():
            self.run("SELECT set_config(%s, %s, false)", (name, value))
        self.schema = str(self.value("SELECT current_schema()") or "")
        if not self.schema:
            raise MoveError(f"The role has no schema to work in, in {self.place}; grant it USAGE on its schema.")
        if self.value("SHOW server_encoding") != "UTF8":
            raise MoveError(f"The encoding of {self.place} is not UTF8; create the database with ENCODING 'UTF8'.")
        self.commit()

    def failure(self, error: Exception) -> str:
        """See Target."""
        diagnosis = getattr(error, "diag", None)
        message = (getattr(diagnosis, "message_primary", None) or str(error).partition("\n")[0]).strip()
        names = [f"{word} {getattr(diagnosis, key)}" for word, key in _DIAGNOSIS if getattr(diagnosis, key, None)]
        return f"{message} ({', '.join(names)})" if names else message

    def run(self, sql: str, parameters: tuple[Any, ...] | None = None) -> int:
        """See Target."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return int(cursor.rowcount)

    def rows(self, sql: str, parameters: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a small result."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    def value(self, sql: str, parameters: tuple[Any, ...] | None = None) -> Any:
        """The first value of the first row, None without one."""
        rows = self.rows(sql, parameters)
        return rows[0][0] if rows else None

    def commit(self) -> None:
        """See Target."""
        self._connection.commit()

    def rollback(self) -> None:
        """See Target."""
        # A lost connection is undone by the server itself.
        with contextlib.suppress(self.error):
            self._connection.rollback()

    def close(self) -> None:
        """Leave the server; an open transaction is undone."""
        self._connection.close()

    def lock(self) -> None:
        """Keep other runs of the move out until the end of the transaction."""
        if not self.value("SELECT pg_try_advisory_xact_lock(%s)", (_ADVISORY_LOCK,)):
            raise MoveError(f"Another run of the move works in {self.place}; wait until it has ended.")

    def begin(self) -> None:
        """See Target."""
        self.lock()
        # Indexes are built faster once than kept up to date row by row; the setting ends with the transaction.
        self.run("SET LOCAL maintenance_work_mem = '256MB'")
        self.run("LOCK TABLE " + ", ".join(map(self.full, self.tables())) + " IN ACCESS EXCLUSIVE MODE")

    def full(self, table: str, schema: str | None = None) -> str:
        """A table's name with its schema, as SQL."""
        return f"{quoted(schema or self.schema)}.{quoted(table)}"

    def tables(self, schema: str | None = None) -> list[str]:
        """See Target; tables of extensions are not counted."""
        name = schema or self.schema
        if not self.value("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,)):
            return []
        return [row[0] for row in self.rows(_TABLES, (quoted(name),))]

    def columns(self, table: str, schema: str | None = None) -> list[TargetColumn]:
        """See Target."""
        return [
            TargetColumn(name, self._type(table, name, declared), optional)
            for name, declared, optional in self.rows(_COLUMNS, (schema or self.schema, table))
        ]

    def _type(self, table: str, column: str, declared: str) -> ColumnType:
        match = _VARCHAR.fullmatch(declared)
        if match:
            return ColumnType("text", length=int(match.group(1)))
        if declared not in _TYPES:
            raise MoveError(f"The column {table}.{column} has the type {declared}, which the move does not know.")
        return _TYPES[declared]

    def revision(self, version_table: str) -> str | None:
        """See Target."""
        if version_table not in self.tables():
            return None
        revision = self.value(f"SELECT version_num FROM {self.full(version_table)}")
        return str(revision) if revision else None

    def count(self, table: str, schema: str | None = None) -> int:
        """The number of rows."""
        return int(self.value(f"SELECT count(*) FROM {self.full(table, schema)}"))

    def definitions(self, tables: list[str]) -> list[Definition]:
        """See Target."""
        found = []
        for table, name, text, _is_foreign in self.rows(_CONSTRAINTS, (quoted(self.schema), tables)):
            alter = f"ALTER TABLE {self.full(table)}"
            found.append(
                Definition(
                    f"{table}.{name}",
                    f"{alter} DROP CONSTRAINT {quoted(name)}",
                    f"{alter} ADD CONSTRAINT {quoted(name)} {text}",
                )
            )
        for table, name, text in self.rows(_INDEXES, (quoted(self.schema), tables)):
            found.append(Definition(f"{table}.{name}", f"DROP INDEX {self.full(name)}", text))
        return found

    def sequences(self) -> list[tuple[str, str, str]]:
        """See Target."""
        return [(row[0], row[1], row[2]) for row in self.rows(_SEQUENCES, (quoted(self.schema),))]

    def empty(self, tables: list[str]) -> None:
        """See Target."""
        if tables:
            self.run("TRUNCATE " + ", ".join(map(self.full, tables)))

    def set_sequence(self, sequence: str, table: str, column: str, at_least: int) -> int:
        """See Target."""
        highest = self.value(f"SELECT max({quoted(column)}) FROM {self.full(table)}") or 0
        last = max(int(highest), at_least)
        self.run("SELECT setval(%s::regclass, %s, %s)", (self.full(sequence), max(last, 1), last > 0))
        return last

    def make_kept(self, table: str, columns: dict[str, ColumnType]) -> None:
        """See Target."""
        self.run(f"CREATE SCHEMA IF NOT EXISTS {KEPT_SCHEMA}")
        typed = ", ".join(f"{quoted(name)} {_KEPT_TYPES[column.kind]}" for name, column in columns.items())
        self.run(f"CREATE TABLE {self.full(table, KEPT_SCHEMA)} ({typed})")

    def load(self, table: str, columns: list[str], lines: Iterable[bytes], schema: str | None = None) -> None:
        """See Target; the table was made or emptied in this transaction, so its rows are born frozen."""
        names = ", ".join(map(quoted, columns))
        with self._connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {self.full(table, schema)} ({names}) FROM STDIN (FREEZE)", _Chunks(lines))

    def read(self, table: str, columns: list[str], sink: Callable[[list[bytes]], None], schema: str | None = None) -> None:
        """See Target."""
        names = ", ".join(map(quoted, columns))
        rows = _Sink(sink)
        with self._connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {self.full(table, schema)} ({names}) TO STDOUT", rows)
        rows.flush()

    def analyze(self, tables: list[str]) -> None:
        """See Target."""
        for table in tables:
            self.run(f"ANALYZE {self.full(table)}")
        self.commit()


_DIAGNOSIS = (("table", "table_name"), ("column", "column_name"), ("constraint", "constraint_name"))
