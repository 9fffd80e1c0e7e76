# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A metadata database on a MySQL server: connection, catalogue, and reading.

MySQL has no schemas inside a database, and Airflow's role has no second database. So the tables that Airflow does not know are beside the
others, with the name of the schema in front of theirs.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._database import about_certificate
from ansible_collections.updraft.airflow.plugins.module_utils._mysql import connect, reason
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_tables import MYSQL_MOMENTS
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection, Server
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    KEPT_SCHEMA,
    ColumnType,
    MoveError,
    TargetColumn,
)

KEPT_PREFIX = f"{KEPT_SCHEMA}__"
LONGEST_NAME = 64
NO_SUCH_PRIVILEGE = (1142, 1143)

# How the server reads and writes, independent of what it or the account is set to. With the first two modes it takes standard SQL.
_SESSION = (
    "SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION sql_safe_updates = 0, max_execution_time = 0, information_schema_stats_expiry = 0",
    "SET SESSION lock_wait_timeout = 30, innodb_lock_wait_timeout = 30",
    "SET SESSION wait_timeout = 28800, net_read_timeout = 3600, net_write_timeout = 3600",
)

_TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name
"""
_COLUMNS = """
    SELECT column_name, data_type, column_type, character_maximum_length, character_set_name, datetime_precision,
           is_nullable = 'YES' OR column_default IS NOT NULL OR extra LIKE '%%auto_increment%%', column_key = 'PRI'
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND CAST(table_name AS BINARY) = %s AND extra NOT LIKE '%%INVISIBLE%%'
    ORDER BY ordinal_position
"""
_FOREIGN_KEYS = """
    SELECT constraint_name, table_name, column_name, referenced_table_name, referenced_column_name
    FROM information_schema.key_column_usage
    WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL
    ORDER BY table_name, constraint_name, ordinal_position
"""

_INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_TEXTS = ("tinytext", "text", "mediumtext", "longtext")
_BYTES = ("tinyblob", "blob", "mediumblob", "longblob", "varbinary")
# Character sets that hold every character.
_WHOLE = ("utf8mb4", "utf16", "utf16le", "utf32")
# Timestamps stay the text that the server sends, whatever zone and range they are of.
_READ_NUMBERS = {"TINY": int, "SHORT": int, "LONG": int, "INT24": int, "LONGLONG": int, "FLOAT": float, "DOUBLE": float}


class ForeignKey:
    """A foreign key with its pairs of columns."""

    def __init__(self, name: str, table: str, parent: str) -> None:
        self.name = name
        self.table = table
        self.parent = parent
        self.columns: list[str] = []
        self.parent_columns: list[str] = []


def column_type(data_type: str, declared: str, length: int | None, charset: str | None, fraction: int | None) -> ColumnType | None:
    """What a column can hold by what the catalogue says of it, None for a type that Airflow does not use."""
    missing = "" if charset is None or charset in _WHOLE else charset
    if declared == "tinyint(1)":
        return ColumnType("boolean", engine="MySQL")
    if data_type in _INTEGERS and "unsigned" not in declared:
        return ColumnType("integer", bits=_INTEGERS[data_type], engine="MySQL")
    if data_type == "timestamp":
        return ColumnType("timestamptz", moments=MYSQL_MOMENTS, fraction=fraction or 0, engine="MySQL")
    if data_type == "datetime":
        return ColumnType("timestamp", fraction=fraction or 0, engine="MySQL")
    if declared == "char(32)":
        return ColumnType("uuid", engine="MySQL")
    if data_type in ("varchar", "char"):
        return ColumnType("text", length=length, charset=missing, engine="MySQL")
    if data_type in _TEXTS:
        return ColumnType("text", size=length, charset=missing, engine="MySQL")
    if data_type in _BYTES:
        return ColumnType("bytes", size=length, engine="MySQL")
    kind = {"float": "single", "double": "float", "json": "jsonb"}.get(data_type)
    return ColumnType(kind, engine="MySQL") if kind else None


class MysqlServer(Server):
    """A MySQL database."""

    engine = "MySQL"

    def __init__(self, connection: Connection) -> None:
        try:
            import pymysql
        except ImportError:
            raise MoveError(
                "The Python that runs the move has no PyMySQL; run the module with the interpreter of the Airflow"
                " environment (ansible_python_interpreter)."
            ) from None
        self.error = pymysql.MySQLError
        self.place = connection.place()
        self.database = connection.database
        self._pymysql = pymysql
        settings = {**asdict(connection), "name": connection.database}
        try:
            self._connection = connect(
                settings, conv=_conversions(pymysql), connect_timeout=30, program_name="updraft.airflow move", autocommit=False
            )
        # What is missing for the server's way of logging in is told by a RuntimeError.
        except (pymysql.MySQLError, RuntimeError, OSError) as error:
            text = reason(error)
            raise MoveError(
                f"No connection to {self.place} ({text}{about_certificate(text, settings)}); check the server and the variables"
                " airflow_metadata_db_*."
            ) from None
        self._prepare()

    def _prepare(self) -> None:
        version = str(self.value("SELECT VERSION()"))
        if "mariadb" in version.lower():
            raise MoveError(
                f"{self.place[:1].upper()}{self.place[1:]} is MariaDB, which Airflow does not support; use MySQL or PostgreSQL."
            )
        for statement in _SESSION:
            self.run(statement)
        self.version = tuple(int(part) for part in version.partition("-")[0].split(".")[:2])
        self.largest_packet = int(self.value("SELECT @@max_allowed_packet"))
        self.commit()

    def failure(self, error: Exception) -> str:
        """See Server."""
        return reason(error)

    def only_read(self) -> None:
        """Read one state from now on, and write nothing."""
        self.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def full(self, table: str, schema: str | None = None) -> str:
        """See Server."""
        return self.quoted(kept_name(table) if schema == KEPT_SCHEMA else table)

    def tables(self, schema: str | None = None) -> list[str]:
        """See Server."""
        names = [str(row[0]) for row in self.rows(_TABLES)]
        if schema == KEPT_SCHEMA:
            return [name[len(KEPT_PREFIX) :] for name in names if name.startswith(KEPT_PREFIX)]
        return [name for name in names if not name.startswith(KEPT_PREFIX)]

    def described(self, table: str, schema: str | None = None) -> list[tuple[str, str, ColumnType | None, bool, bool]]:
        """Every column: its name, its type in MySQL's words and as what can be held, whether it is optional, whether it is of the key."""
        name = kept_name(table) if schema == KEPT_SCHEMA else table
        return [
            (column, declared, column_type(kind, declared, length, charset, fraction), bool(optional), bool(is_key))
            for column, kind, declared, length, charset, fraction, optional, is_key in self.rows(_COLUMNS, (name,))
        ]

    def columns(self, table: str, schema: str | None = None) -> list[TargetColumn]:
        """See Server."""
        found = []
        for name, declared, column, optional, _is_key in self.described(table, schema):
            if column is None:
                raise MoveError(f"The column {table}.{name} has the type {declared}, which the move does not know.")
            found.append(TargetColumn(name, column, optional))
        return found

    def foreign_keys(self) -> list[ForeignKey]:
        """Every foreign key of the database."""
        found: dict[tuple[str, str], ForeignKey] = {}
        for name, table, column, parent, parent_column in self.rows(_FOREIGN_KEYS):
            key = found.setdefault((table, name), ForeignKey(name, table, parent))
            key.columns.append(column)
            key.parent_columns.append(parent_column)
        return list(found.values())

    def orphans(self, key: ForeignKey, columns: Sequence[str], limit: int) -> list[tuple[Any, ...]]:
        """Rows without the row that a foreign key names, and before their columns how many there are."""
        pairs = list(zip(key.columns, key.parent_columns))
        same = " AND ".join(f"p.{self.quoted(parent)} = c.{self.quoted(child)}" for child, parent in pairs)
        given = " AND ".join(f"c.{self.quoted(child)} IS NOT NULL" for child in key.columns)
        wanted = ", ".join(["COUNT(*) OVER ()", *(f"c.{self.quoted(name)}" for name in columns)])
        return self.rows(
            f"SELECT {wanted} FROM {self.full(key.table)} c"
            f" WHERE {given} AND NOT EXISTS (SELECT 1 FROM {self.full(key.parent)} p WHERE {same}) LIMIT {limit}"
        )

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a result of any size; nothing else can be asked until its end."""
        cursor = self._connection.cursor(self._pymysql.cursors.SSCursor)
        try:
            cursor.execute(sql)
            yield from cursor.fetchall_unbuffered()
        except GeneratorExit:
            # Reading on to the end would take as long as the rest of the table.
            self._connection._force_close()
            raise
        finally:
            with contextlib.suppress(self.error):
                cursor.close()


def _conversions(pymysql: Any) -> dict[Any, Any]:
    """PyMySQL's own, with what is read left as the server sends it but for numbers."""
    types = pymysql.constants.FIELD_TYPE
    own = {key: value for key, value in pymysql.converters.conversions.items() if not isinstance(key, int)}
    numbers = {getattr(types, name): read for name, read in _READ_NUMBERS.items()}
    return {**own, **numbers, types.DECIMAL: Decimal, types.NEWDECIMAL: Decimal}


def kept_name(table: str) -> str:
    """The name of a table that Airflow does not know; where it would be too long, its end is a digest of all of it."""
    name = KEPT_PREFIX + table
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9]}_{hashlib.sha256(table.encode()).hexdigest()[:8]}"


def read_value(name: str, kind: ColumnType | None) -> str:
    """A column as SQLAlchemy stores its values in SQLite, as SQL; other types than Airflow's as text."""
    if kind is None:
        return f"CAST({name} AS CHAR)"
    if kind.kind == "single":
        # By itself it is shown with six digits.
        return f"{name} + 0E0"
    if kind.kind in ("timestamp", "timestamptz") and kind.fraction not in (0, 6):
        return f"CAST({name} AS DATETIME(6))"
    return name
