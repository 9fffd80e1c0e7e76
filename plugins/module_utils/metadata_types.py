# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the data move share: column types, tables, and the errors a user sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

KEPT_SCHEMA = "airflow_kept"
MARKER_TABLE = "updraft_move"
VERSION_TABLES = ("alembic_version", "alembic_version_fab")


class MoveError(Exception):
    """The move cannot go on; the text is one sentence for the user."""


class RefusedValue(ValueError):
    """The target cannot hold a value; the text says what it is, without table and column."""


@dataclass(frozen=True)
class ColumnType:
    """What a target column can hold."""

    kind: str  # boolean integer float numeric text timestamp timestamptz json jsonb uuid bytes
    length: int | None = None
    bits: int = 32


@dataclass(frozen=True)
class SourceColumn:
    """A column of the source, with its declared type."""

    name: str
    declared: str
    key: bool


@dataclass(frozen=True)
class SourceTable:
    """A table of the source."""

    name: str
    columns: tuple[SourceColumn, ...]

    @property
    def names(self) -> list[str]:
        """The names of the columns, in their order."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class TargetColumn:
    """A column of the target, as its catalogue tells."""

    name: str
    type: ColumnType
    optional: bool  # nullable, or has a default


@dataclass
class CopiedTable:
    """What was copied of one table: counted and digested on the way."""

    name: str
    rows: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Definition:
    """A constraint or index: how it is dropped and how exactly it is made again."""

    name: str
    drop: str
    create: str


class Source(Protocol):
    """A metadata database that is read; a second engine implements this."""

    path: str

    def tables(self) -> list[SourceTable]:
        """Every table of the database."""

    def revision(self, version_table: str) -> str | None:
        """The revision in a version table, None without one."""

    def count(self, table: str) -> int:
        """The number of rows."""

    def batches(self, table: SourceTable, columns: list[str]) -> Iterator[list[tuple[Any, ...]]]:
        """The rows in batches of bounded size."""

    def last_number(self, table: str) -> int:
        """The highest number given to a row of a table that gives none twice, 0 without one."""

    def storage_classes(self, table: str, column: str) -> set[str]:
        """The kinds (integer, real, text, blob) of the values in a column, empty when all are NULL."""


class Target(Protocol):
    """A metadata database that is written, in one transaction until commit; a second engine implements this."""

    place: str
    error: type[Exception]

    def tables(self, schema: str | None = None) -> list[str]:
        """The tables of the schema Airflow uses, or of another one."""

    def columns(self, table: str, schema: str | None = None) -> list[TargetColumn]:
        """The columns of a table."""

    def revision(self, version_table: str) -> str | None:
        """The revision in a version table, None without one."""

    def begin(self) -> None:
        """Keep everybody else out until the end of the transaction."""

    def definitions(self, tables: list[str]) -> list[Definition]:
        """Foreign keys, unique constraints and indexes but primary keys, in the order in which they are dropped."""

    def run(self, sql: str, parameters: tuple[Any, ...] | None = None) -> int:
        """Run a statement and tell how many rows it touched."""

    def empty(self, tables: list[str]) -> None:
        """Empty tables, all at once."""

    def make_kept(self, table: str, columns: dict[str, ColumnType]) -> None:
        """Make a table for rows that Airflow does not know."""

    def load(self, table: str, columns: list[str], lines: Iterable[bytes], schema: str | None = None) -> None:
        """Bulk-load pieces of canonical lines into an empty table."""

    def read(self, table: str, columns: list[str], sink: Callable[[list[bytes]], None], schema: str | None = None) -> None:
        """Give every row as a canonical line to the sink."""

    def sequences(self) -> list[tuple[str, str, str]]:
        """Every sequence with the table and column it numbers."""

    def set_sequence(self, sequence: str, table: str, column: str, at_least: int) -> int:
        """Let a sequence go on behind the rows that are there; tells the last number used."""

    def failure(self, error: Exception) -> str:
        """A driver's error in words, without the values in it."""

    def commit(self) -> None:
        """End the transaction and keep it."""

    def rollback(self) -> None:
        """End the transaction as if it had never been."""

    def analyze(self, tables: list[str]) -> None:
        """Let the planner know the new rows."""
