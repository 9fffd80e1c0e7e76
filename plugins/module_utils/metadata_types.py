# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the data move share: column types, tables, and the errors a user sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

KEPT_SCHEMA = "airflow_kept"
MARKER_TABLE = "updraft_move"
VERSION_TABLES = ("alembic_version", "alembic_version_fab")


class MoveError(Exception):
    """The move cannot go on; the text is one sentence for the user."""


class RefusedValue(ValueError):
    """The target cannot hold a value; the text says what it is, without table and column."""


class RefusedCharacter(RefusedValue):
    """A character that another one can stand in for, where the user wants that."""


@dataclass(frozen=True)
class ColumnType:
    """What a target column can hold."""

    kind: str  # boolean integer float single numeric text timestamp timestamptz json jsonb uuid bytes
    length: int | None = None  # characters of text
    bits: int = 32  # of a whole or floating number
    size: int | None = None  # bytes of text or binary data
    charset: str = ""  # MySQL's name of what text is made of, where that is not all of Unicode
    fraction: int = 6  # digits of a second
    moments: tuple[str, str] | None = None  # the first and the last point in time
    engine: str = "PostgreSQL"


@dataclass(frozen=True)
class SourceColumn:
    """A column of the source. Its type is what Airflow makes of it on PostgreSQL, None for a type Airflow does not use."""

    name: str
    type: ColumnType | None
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

    @property
    def keys(self) -> list[str]:
        """The names of the columns of the primary key."""
        return [column.name for column in self.columns if column.key]


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
class Loading:
    """A table that is to be loaded."""

    name: str
    columns: dict[str, ColumnType]
    last_number: int = 0  # the highest number that the source has given to a row


class Source(Protocol):
    """A metadata database that is read, in one state of it, and never written.

    Values come as SQLAlchemy stores them in SQLite: 0 and 1, numbers, text (timestamps, UUIDs and JSON documents too), and bytes.
    """

    place: str
    """The database as a message names it."""
    error: type[Exception]
    """What its driver raises."""

    def unreadable(self, error: Exception) -> MoveError:
        """The driver's error in one sentence, without the values in it."""

    def lenient(self, error: Exception) -> Source | None:
        """The same database, with text that is not UTF-8 kept as surrogates, when that is what the error is about."""

    def damage(self) -> str | None:
        """What keeps the database from being read to its end, where it can tell."""

    def tables(self) -> list[SourceTable]:
        """Every table of the database."""

    def revision(self, version_table: str) -> str | None:
        """The revision in a version table, None without one."""

    def count(self, table: str) -> int:
        """The number of rows."""

    def has_values(self, table: str, column: str) -> bool:
        """Whether a column holds anything but NULL."""

    def batches(self, table: SourceTable, columns: list[str]) -> Iterator[list[tuple[Any, ...]]]:
        """The rows in batches of bounded size."""

    def last_number(self, table: str) -> int:
        """The highest number given to a row of a table that gives none twice, 0 without one."""

    def kept_type(self, table: str, column: SourceColumn) -> ColumnType:
        """What holds the values of a column that Airflow does not know."""

    def query(self, sql: str) -> Iterable[tuple[Any, ...]]:
        """The rows of a small result."""

    def orphans(self) -> Iterator[tuple[str, str, int, list[str]]]:
        """Rows without the row a foreign key names: table, parent table, how many, and up to three rows."""

    def close(self) -> None:
        """Leave the database alone."""


# A batch ends at this many rows, or earlier when its long values reach this many characters. Several copies of a batch are in memory at
# times, with up to four bytes for a character.
BATCH_ROWS = 500
BATCH_SIZE = 500_000


def batched(rows: Iterable[tuple[Any, ...]], columns: Iterable[ColumnType | None]) -> Iterator[list[tuple[Any, ...]]]:
    """Rows with these columns in batches of bounded size."""
    long = [index for index, column in enumerate(columns) if _is_long(column)]
    batch: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        batch.append(row)
        for index in long:
            value = row[index]
            if type(value) in (str, bytes):
                size += len(value)
        if len(batch) >= BATCH_ROWS or size >= BATCH_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _is_long(column: ColumnType | None) -> bool:
    return column is None or (column.kind in ("text", "json", "jsonb", "bytes") and (column.length or 5000) >= 5000)


def describe_key(names: Iterable[str], values: Iterable[Any]) -> str:
    """A primary key as a message shows it: name=value, ..."""
    return ", ".join(f"{name}={_short(value)}" for name, value in zip(names, values))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return text if len(text) <= 60 else text[:57] + "..."
