# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A metadata database on a server, as the move uses it: what the engines share, and what each of them has to say for itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    ColumnType,
    Loading,
    MoveError,
    SourceColumn,
    TargetColumn,
)


@dataclass(frozen=True)
class Connection:
    """Where a server is and who asks."""

    host: str
    port: int
    database: str
    user: str
    password: str
    ssl_mode: str = "prefer"
    ssl_root_cert: str | None = None

    def place(self) -> str:
        """The database as a message names it."""
        return f"the database {self.database} on {self.host}:{self.port}"


class Server:
    """A connection to a database; every statement runs in one transaction until commit."""

    engine: str
    error: type[Exception]
    place: str
    _connection: Any

    def failure(self, error: Exception) -> str:
        """A driver's error in words, without the values in it."""
        raise NotImplementedError

    def run(self, sql: str, parameters: tuple[Any, ...] | None = None) -> int:
        """Run a statement and tell how many rows it matched."""
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
        """End the transaction and keep it."""
        self._connection.commit()

    def rollback(self) -> None:
        """End the transaction as if it had never been."""
        # A lost connection is undone by the server itself.
        with contextlib.suppress(self.error):
            self._connection.rollback()

    def close(self) -> None:
        """Leave the server; an open transaction is undone."""
        with contextlib.suppress(self.error):
            self._connection.close()

    def quoted(self, name: str) -> str:
        """A name as an SQL identifier."""
        return '"' + name.replace('"', '""') + '"'

    def tables(self, schema: str | None = None) -> list[str]:
        """The tables Airflow uses, or with KEPT_SCHEMA those it does not know."""
        raise NotImplementedError

    def columns(self, table: str, schema: str | None = None) -> list[TargetColumn]:
        """The columns of a table."""
        raise NotImplementedError

    def full(self, table: str, schema: str | None = None) -> str:
        """A table's name, as SQL."""
        raise NotImplementedError

    def revision(self, version_table: str) -> str | None:
        """The revision in a version table, None without one."""
        if version_table not in self.tables():
            return None
        revision = self.value(f"SELECT version_num FROM {self.full(version_table)}")
        return str(revision) if revision else None

    def count(self, table: str, schema: str | None = None) -> int:
        """The number of rows."""
        return int(self.value(f"SELECT count(*) FROM {self.full(table, schema)}"))


class Target(Server):
    """A server's database that is written. A table's schema is None, or KEPT_SCHEMA for those that Airflow does not know."""

    def lock(self, patience: int = 0) -> None:
        """Keep other runs of the move out, at least until the end of the transaction. One that was killed may need a while to be undone."""
        raise NotImplementedError

    def begin(self) -> None:
        """Keep everybody else out until the end of the transaction."""
        raise NotImplementedError

    def make_marker(self, source: str) -> None:
        """Make the table of the move's marker, with its row."""
        raise NotImplementedError

    def undo(self) -> None:
        """Leave the target as it was before the copy began."""
        self.rollback()

    def prepare(self, tables: list[Loading], kept: list[Loading]) -> None:
        """Empty tables, make those for rows that Airflow does not know, and take away what slows the loading."""
        raise NotImplementedError

    def load(self, table: Loading, batches: Iterable[list[bytes]], schema: str | None = None) -> None:
        """Bulk-load canonical lines into an empty table."""
        raise NotImplementedError

    def finish(self, tables: list[Loading]) -> list[dict[str, Any]]:
        """Put back what was taken away, see to it that every foreign key holds, and tell where each sequence goes on."""
        raise NotImplementedError

    def read(self, table: str, columns: dict[str, ColumnType], sink: Callable[[list[bytes]], None], schema: str | None = None) -> None:
        """Give every row as a canonical line to the sink."""
        raise NotImplementedError

    def analyze(self, tables: list[str]) -> None:
        """Let the planner know the new rows."""
        raise NotImplementedError

    def may_read(self, table: str) -> bool:
        """Whether the rows of a table may be read."""
        raise NotImplementedError

    def sessions(self) -> list[str]:
        """The other sessions of this role in this database, in words."""
        raise NotImplementedError

    def drop_everything(self) -> None:
        """Drop all tables of the database, the kept ones too, and what belongs to them."""
        raise NotImplementedError

    def obstacles(self, migrates: bool) -> list[str]:
        """What the server must be told before Airflow can use it, or, with `migrates`, before its migration from 2.11 to 3.x can run."""
        raise NotImplementedError

    def binary(self, digits: str) -> str:
        """Bytes given by hexadecimal digits, as SQL."""
        raise NotImplementedError

    def digest(self, table: str, join: str, values: list[tuple[str, str]], where: str) -> str:
        """A digest of a set of rows: of the values of expressions, each given with the kind of its column."""
        raise NotImplementedError


class ServerSource:
    """What the sources on servers share; see Source."""

    def __init__(self, server: Server) -> None:
        self._reader = server
        self.place = server.place
        self.error = server.error

    def unreadable(self, error: Exception) -> MoveError:
        """See Source."""
        return MoveError(f"{self.place[:1].upper()}{self.place[1:]} cannot be read ({self._reader.failure(error)}).")

    def lenient(self, error: Exception) -> None:
        """See Source; a server lets no text in that is not of its encoding."""

    def damage(self) -> None:
        """See Source; a server cannot tell it without reading everything."""

    def revision(self, version_table: str) -> str | None:
        """See Source."""
        return self._reader.revision(version_table)

    def count(self, table: str) -> int:
        """See Source."""
        return self._reader.count(table)

    def has_values(self, table: str, column: str) -> bool:
        """See Source."""
        query = f"SELECT 1 FROM {self._reader.full(table)} WHERE {self._reader.quoted(column)} IS NOT NULL LIMIT 1"
        return self._reader.value(query) is not None

    def kept_type(self, table: str, column: SourceColumn) -> ColumnType:
        """See Source; what is of no type that Airflow uses is read as text."""
        return ColumnType(column.type.kind if column.type else "text", bits=64)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """See Source."""
        return self._reader.rows(sql)

    def close(self) -> None:
        """See Source."""
        self._reader.close()
