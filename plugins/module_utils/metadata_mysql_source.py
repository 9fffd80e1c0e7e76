# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A metadata database on a MySQL server, read and never written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_mysql import MysqlServer, read_value
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection, ServerSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import SourceColumn, SourceTable, batched, describe_key
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_values import single_precision

NAMED_ROWS = 3
_LAST_NUMBERS = """
    SELECT table_name, auto_increment - 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND auto_increment IS NOT NULL
"""


class MysqlSource(ServerSource):
    """See Source."""

    def __init__(self, connection: Connection) -> None:
        self._server = MysqlServer(connection)
        self._server.only_read()
        super().__init__(self._server)
        self._last_numbers: dict[str, int] | None = None

    def tables(self) -> list[SourceTable]:
        """See Source."""
        return [
            SourceTable(
                name,
                tuple(SourceColumn(column, kind, is_key) for column, _declared, kind, _optional, is_key in self._server.described(name)),
            )
            for name in self._server.tables()
        ]

    def batches(self, table: SourceTable, columns: list[str]) -> Iterator[list[tuple[Any, ...]]]:
        """See Source."""
        types = {column.name: column.type for column in table.columns}
        values = ", ".join(read_value(self._server.quoted(name), types[name]) for name in columns)
        rows = self._server.stream(f"SELECT {values} FROM {self._server.full(table.name)}")
        kinds = [types[name] for name in columns]
        single = [index for index, kind in enumerate(kinds) if kind is not None and kind.kind == "single"]
        yield from batched((_shortened(row, single) for row in rows) if single else rows, kinds)

    def last_number(self, table: str) -> int:
        """See Source."""
        if self._last_numbers is None:
            self._last_numbers = {str(name): int(last) for name, last in self._server.rows(_LAST_NUMBERS)}
        return self._last_numbers.get(table, 0)

    def orphans(self) -> Iterator[tuple[str, str, int, list[str]]]:
        """See Source; a session that turned the checks off can leave some behind."""
        keys = {table.name: table.keys for table in self.tables()}
        for foreign in self._server.foreign_keys():
            names = keys[foreign.table]
            found = self._server.orphans(foreign, names, NAMED_ROWS)
            if found:
                yield foreign.table, foreign.parent, int(found[0][0]), [describe_key(names, row[1:]) for row in found]


def _shortened(row: tuple[Any, ...], single: list[int]) -> tuple[Any, ...]:
    """A row whose numbers of single precision have the digits that they were given, not those of double precision."""
    values = list(row)
    for index in single:
        if values[index] is not None:
            values[index] = single_precision(values[index])
    return tuple(values)
