# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A metadata database on a PostgreSQL server: connection, catalogue, bulk load and definitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._database import about_certificate
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection, Server, Target
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    BATCH_ROWS,
    BATCH_SIZE,
    KEPT_SCHEMA,
    MARKER_TABLE,
    ColumnType,
    Loading,
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
_KEPT_TYPES = {
    "boolean": "boolean",
    "integer": "bigint",
    "float": "double precision",
    "numeric": "numeric",
    "text": "text",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "json": "json",
    "jsonb": "jsonb",
    "uuid": "uuid",
    "bytes": "bytea",
}
_VARCHAR = re.compile(r"character varying\((\d+)\)")

# The rows that are fetched first; how many come next depends on their size.
_FIRST_ROWS = 20

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
# A server notices only between two statements that a client is gone, and one may build an index for minutes. From 14 on it can look
# meanwhile, on Linux.
_NOTICE_LOST_CLIENT = """
    SELECT set_config(name, '5s', false) FROM pg_settings WHERE name = 'client_connection_check_interval' AND version() LIKE '%linux%'
"""
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


_MARKER = f"""
    CREATE TABLE {KEPT_SCHEMA}.{MARKER_TABLE} (
        id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
        source text NOT NULL,
        fingerprint text NOT NULL,
        revision text NOT NULL,
        phase text NOT NULL,
        tables jsonb NOT NULL,
        record jsonb,
        copied_at timestamptz NOT NULL DEFAULT now(),
        changed_at timestamptz NOT NULL DEFAULT now()
    )
"""
_LEFTOVERS = """
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END, c.relname
    FROM pg_class c
    WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('S', 'v', 'm')
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype IN ('a', 'i', 'e'))
"""
_OTHER_SESSIONS = """
    SELECT usename, coalesce(host(client_addr), 'the server itself'), coalesce(nullif(application_name, ''), 'no name')
    FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
    ORDER BY backend_start
"""


@dataclass(frozen=True)
class _Definition:
    """A constraint or index: how it is dropped and how exactly it is made again."""

    drop: str
    create: str


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
        self._size = 0

    def write(self, line: bytes) -> None:
        """Take a row."""
        self._lines.append(line)
        self._size += len(line)
        if len(self._lines) >= BATCH_ROWS or self._size >= BATCH_SIZE:
            self.flush()

    def flush(self) -> None:
        """Hand over what is left."""
        self._sink(self._lines)
        self._lines, self._size = [], 0


class PostgresqlServer(Server):
    """The schema Airflow uses in a PostgreSQL database."""

    engine = "PostgreSQL"

    def __init__(self, connection: Connection) -> None:
        try:
            import psycopg2
        except ImportError:
            raise MoveError(
                "The Python that runs the move has no psycopg2; run the module with the interpreter of the Airflow"
                " environment (ansible_python_interpreter)."
            ) from None
        self.error = psycopg2.Error
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
            self._connection = psycopg2.connect(**arguments)
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
        self.run(_NOTICE_LOST_CLIENT)
        self.schema = str(self.value("SELECT current_schema()") or "")
        if not self.schema:
            raise MoveError(f"The role has no schema to work in, in {self.place}; grant it USAGE on its schema.")
        if self.value("SHOW server_encoding") != "UTF8":
            raise MoveError(f"The encoding of {self.place} is not UTF8; create the database with ENCODING 'UTF8'.")
        self.commit()

    def failure(self, error: Exception) -> str:
        """See Server."""
        diagnosis = getattr(error, "diag", None)
        message = (getattr(diagnosis, "message_primary", None) or str(error).partition("\n")[0]).strip()
        names = [f"{word} {getattr(diagnosis, key)}" for word, key in _DIAGNOSIS if getattr(diagnosis, key, None)]
        return f"{message} ({', '.join(names)})" if names else message

    def full(self, table: str, schema: str | None = None) -> str:
        """See Server."""
        return f"{self.quoted(schema or self.schema)}.{self.quoted(table)}"

    def tables(self, schema: str | None = None) -> list[str]:
        """See Server; tables of extensions are not counted."""
        name = schema or self.schema
        if not self.value("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,)):
            return []
        return [row[0] for row in self.rows(_TABLES, (self.quoted(name),))]

    def columns(self, table: str, schema: str | None = None) -> list[TargetColumn]:
        """See Server."""
        found = []
        for name, declared, optional in self.rows(_COLUMNS, (schema or self.schema, table)):
            column = column_type(declared)
            if column is None:
                raise MoveError(f"The column {table}.{name} has the type {declared}, which the move does not know.")
            found.append(TargetColumn(name, column, optional))
        return found

    def only_read(self) -> None:
        """Read one state from now on, and write nothing."""
        self._connection.set_session(isolation_level="REPEATABLE READ", readonly=True)

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a result of any size."""
        with self._connection.cursor(name="updraft") as cursor:
            cursor.execute(sql)
            wanted = _FIRST_ROWS
            while rows := cursor.fetchmany(wanted):
                yield from rows
                longest = max(sum(len(value) for value in row if isinstance(value, (str, memoryview))) for row in rows)
                wanted = max(1, min(BATCH_ROWS, BATCH_SIZE // max(longest, 1)))

    def sequences(self) -> list[tuple[str, str, str]]:
        """Every sequence with the table and column it numbers."""
        return [(row[0], row[1], row[2]) for row in self.rows(_SEQUENCES, (self.quoted(self.schema),))]


def column_type(declared: str) -> ColumnType | None:
    """What a column can hold by its type, None for a type that Airflow does not use."""
    match = _VARCHAR.fullmatch(declared)
    return ColumnType("text", length=int(match.group(1))) if match else _TYPES.get(declared)


class PostgresqlTarget(PostgresqlServer, Target):
    """A PostgreSQL database that is written."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._definitions: list[_Definition] = []

    def lock(self, patience: int = 0) -> None:
        """See Target; where a killed run is still undone, its session is there."""
        if not self.value("SELECT pg_try_advisory_xact_lock(%s)", (_ADVISORY_LOCK,)):
            raise MoveError(f"Another run of the move works in {self.place}; wait until it has ended.")

    def begin(self) -> None:
        """See Target."""
        self.lock()
        # Indexes are built faster once than kept up to date row by row; the setting ends with the transaction.
        self.run("SET LOCAL maintenance_work_mem = '256MB'")
        self.run("LOCK TABLE " + ", ".join(map(self.full, self.tables())) + " IN ACCESS EXCLUSIVE MODE")

    def make_marker(self, source: str) -> None:
        """See Target."""
        self.run(f"CREATE SCHEMA IF NOT EXISTS {KEPT_SCHEMA}")
        self.run(_MARKER)
        columns = "source, fingerprint, revision, phase, tables"
        self.run(f"INSERT INTO {KEPT_SCHEMA}.{MARKER_TABLE} ({columns}) VALUES (%s, '', '', 'started', '{{}}')", (source,))

    def prepare(self, tables: list[Loading], kept: list[Loading]) -> None:
        """See Target; foreign keys, unique constraints and indexes but primary keys are dropped."""
        self._definitions = self._read_definitions(self.tables())
        for definition in self._definitions:
            self.run(definition.drop)
        if tables:
            self.run("TRUNCATE " + ", ".join(self.full(table.name) for table in tables))
        for table in kept:
            typed = ", ".join(f"{self.quoted(name)} {_KEPT_TYPES[column.kind]}" for name, column in table.columns.items())
            self.run(f"CREATE TABLE {self.full(table.name, KEPT_SCHEMA)} ({typed})")

    def _read_definitions(self, tables: list[str]) -> list[_Definition]:
        """Foreign keys, unique constraints and indexes, in the order in which they can be dropped."""
        found = []
        for table, name, text, _is_foreign in self.rows(_CONSTRAINTS, (self.quoted(self.schema), tables)):
            alter = f"ALTER TABLE {self.full(table)}"
            found.append(_Definition(f"{alter} DROP CONSTRAINT {self.quoted(name)}", f"{alter} ADD CONSTRAINT {self.quoted(name)} {text}"))
        for _table, name, text in self.rows(_INDEXES, (self.quoted(self.schema), tables)):
            found.append(_Definition(f"DROP INDEX {self.full(name)}", text))
        return found

    def load(self, table: Loading, batches: Iterable[list[bytes]], schema: str | None = None) -> None:
        """See Target; the table was made or emptied in this transaction, so its rows are born frozen."""
        names = ", ".join(map(self.quoted, table.columns))
        chunks = (b"".join(lines) for lines in batches)
        with self._connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {self.full(table.name, schema)} ({names}) FROM STDIN (FREEZE)", _Chunks(chunks))

    def finish(self, tables: list[Loading]) -> list[dict[str, Any]]:
        """See Target."""
        for definition in reversed(self._definitions):
            self.run(definition.create)
        numbers = {table.name: table.last_number for table in tables}
        return [
            {"name": sequence, "table": table, "last": self._set_sequence(sequence, table, column, numbers[table])}
            for sequence, table, column in self.sequences()
            if table in numbers
        ]

    def _set_sequence(self, sequence: str, table: str, column: str, at_least: int) -> int:
        highest = self.value(f"SELECT max({self.quoted(column)}) FROM {self.full(table)}") or 0
        last = max(int(highest), at_least)
        self.run("SELECT setval(%s::regclass, %s, %s)", (self.full(sequence), max(last, 1), last > 0))
        return last

    def read(self, table: str, columns: dict[str, ColumnType], sink: Callable[[list[bytes]], None], schema: str | None = None) -> None:
        """See Target."""
        names = ", ".join(map(self.quoted, columns))
        rows = _Sink(sink)
        with self._connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {self.full(table, schema)} ({names}) TO STDOUT", rows)
        rows.flush()

    def analyze(self, tables: list[str]) -> None:
        """See Target."""
        for table in tables:
            self.run(f"ANALYZE {self.full(table)}")
        self.commit()

    def may_read(self, table: str) -> bool:
        """See Target."""
        return bool(self.value("SELECT has_table_privilege(%s, 'SELECT')", (self.full(table),)))

    def sessions(self) -> list[str]:
        """See Target; the server reads them once per transaction."""
        self.commit()
        return [f"{user} from {address} ({name})" for user, address, name in self.rows(_OTHER_SESSIONS)]

    def drop_everything(self) -> None:
        """See Target."""
        for table in self.tables():
            self.run(f"DROP TABLE IF EXISTS {self.full(table)} CASCADE")
        for kind, name in self.rows(_LEFTOVERS, (self.quoted(self.schema),)):
            self.run(f"DROP {kind} IF EXISTS {self.full(name)} CASCADE")
        self.run(f"DROP SCHEMA IF EXISTS {KEPT_SCHEMA} CASCADE")

    def obstacles(self, migrates: bool) -> list[str]:
        """See Target; what Airflow needs of PostgreSQL is in every version that it supports."""
        return []

    def binary(self, digits: str) -> str:
        """See Target."""
        return f"'\\x{digits}'::bytea"

    def digest(self, table: str, join: str, values: list[tuple[str, str]], where: str) -> str:
        """See Target; a timestamp that gets a time zone on the way is the same moment in UTC."""
        zoned = {"timestamptz": " AT TIME ZONE 'UTC'"}
        fields = ", ".join(f"(({expression}){zoned.get(kind, '')})::text" for expression, kind in values)
        half = "coalesce(sum(('x' || {}(h, 16))::bit(64)::bigint::numeric), 0)"
        return str(
            self.value(
                f"SELECT count(*) || ':' || {half.format('left')} || ':' || {half.format('right')}"
                f" FROM (SELECT md5(ROW({fields})::text) AS h FROM {self.full(table)} t {join} {where}) q"
            )
        )


_DIAGNOSIS = (("table", "table_name"), ("column", "column_name"), ("constraint", "constraint_name"))
