# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the data move share: column types, tables, and the errors a user sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
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
    notes: list[str] = field(default_factory=list)


class Source(Protocol):
    """A metadata database that is read; a second engine implements this."""

    def tables(self) -> list[SourceTable]:
        """Every table with rows of its own."""

    def revision(self, version_table: str) -> str | None:
        """The revision in a version table, None without one."""

    def count(self, table: str) -> int:
        """The number of rows."""

    def batches(self, table: SourceTable, columns: list[str]) -> Iterator[list[tuple[Any, ...]]]:
        """The rows in bounded batches."""

    def last_number(self, table: str) -> int:
        """The highest number the source gave to a row of a table that never gives one twice, or 0."""


class Target(Protocol):
    """A metadata database that is written; a second engine implements this."""

    def tables(self) -> list[str]:
        """The tables of the schema Airflow uses."""

    def columns(self, table: str) -> list[TargetColumn]:
        """The columns of a table."""

    def load(self, table: str, columns: list[str], lines: Iterable[bytes]) -> None:
        """Bulk-load canonical lines."""

    def read(self, table: str, columns: list[str], sink: Callable[[bytes], object]) -> None:
        """Give every row as a canonical line to the sink."""
