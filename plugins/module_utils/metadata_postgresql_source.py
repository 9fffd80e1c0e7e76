# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A metadata database on a PostgreSQL server, read and never written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import PostgresqlServer, column_type
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection, ServerSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import ColumnType, SourceColumn, SourceTable, batched

_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod),
           EXISTS (SELECT 1 FROM pg_index x WHERE x.indrelid = a.attrelid AND x.indisprimary AND a.attnum = ANY (x.indkey))
    FROM pg_attribute a
    WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
# Infinity and years before the first are none that SQLAlchemy writes; they stay what they are, and are refused.
_MOMENT = """
    CASE WHEN isfinite({0}) AND {0} >= '0001-01-01' THEN to_char({0}{1}, 'YYYY-MM-DD HH24:MI:SS.US') ELSE {0}::text END
"""
_READ = {
    "boolean": "{0}::int",
    "timestamp": _MOMENT.strip().replace("{1}", ""),
    "timestamptz": _MOMENT.strip().replace("{1}", " AT TIME ZONE 'UTC'"),
    "json": "{0}::text",
    "jsonb": "{0}::text",
    "uuid": "{0}::text",
}


class PostgresqlSource(ServerSource):
    """See Source."""

    def __init__(self, connection: Connection) -> None:
        self._server = PostgresqlServer(connection)
        self._server.only_read()
        super().__init__(self._server)
        self._last_numbers: dict[str, int] | None = None

    def tables(self) -> list[SourceTable]:
        """See Source."""
        return [SourceTable(name, tuple(self._columns(name))) for name in self._server.tables()]

    def _columns(self, table: str) -> Iterator[SourceColumn]:
        for name, declared, is_key in self._server.rows(_COLUMNS, (self._server.schema, table)):
            kind = column_type(declared)
            # Decimal numbers are read as text, which says how many digits they have.
            yield SourceColumn(name, None if kind and kind.kind == "numeric" else kind, is_key)

    def batches(self, table: SourceTable, columns: list[str]) -> Iterator[list[tuple[Any, ...]]]:
        """See Source."""
        types = {column.name: column.type for column in table.columns}
        kinds = [types[name] for name in columns]
        values = ", ".join(_value(self._server.quoted(name), kind) for name, kind in zip(columns, kinds))
        binary = [index for index, kind in enumerate(kinds) if kind is not None and kind.kind == "bytes"]
        rows = self._server.stream(f"SELECT {values} FROM {self._server.full(table.name)}")
        yield from batched((_with_bytes(row, binary) for row in rows) if binary else rows, kinds)

    def last_number(self, table: str) -> int:
        """See Source."""
        if self._last_numbers is None:
            self._last_numbers = {}
            for sequence, owner, _column in self._server.sequences():
                last, is_called = self._server.rows(f"SELECT last_value, is_called FROM {self._server.full(sequence)}")[0]
                self._last_numbers[owner] = int(last) if is_called else 0
        return self._last_numbers.get(table, 0)

    def orphans(self) -> Iterator[tuple[str, str, int, list[str]]]:
        """See Source; the server lets none in."""
        return iter(())


def _value(name: str, kind: ColumnType | None) -> str:
    """A column as SQLAlchemy stores its values in SQLite, as SQL; other types than Airflow's as text."""
    return f"{name}::text" if kind is None else _READ.get(kind.kind, "{0}").format(name)


def _with_bytes(row: tuple[Any, ...], binary: list[int]) -> tuple[Any, ...]:
    values = list(row)
    for index in binary:
        if values[index] is not None:
            values[index] = bytes(values[index])
    return tuple(values)
