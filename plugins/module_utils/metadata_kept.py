# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tables are typed that Airflow does not know."""

from __future__ import annotations

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import ColumnType, MoveError, Source, SourceTable

_KINDS = {"integer": "integer", "real": "float", "text": "text", "blob": "bytes"}


def kept_columns(source: Source, table: SourceTable) -> dict[str, ColumnType]:
    """The types that hold what is in the columns: by the values, for SQLite does not enforce declared types."""
    return {column.name: _kept_type(source, table.name, column.name) for column in table.columns}


def _kept_type(source: Source, table: str, column: str) -> ColumnType:
    classes = source.storage_classes(table, column)
    if classes == {"integer", "real"}:
        classes = {"real"}
    if len(classes) > 1:
        raise MoveError(
            f"The column {table}.{column}, which is not Airflow's, mixes {' and '.join(sorted(classes))} values;"
            " bring them to one type or drop the table in a copy of the source."
        )
    kind = _KINDS[classes.pop()] if classes else "text"
    return ColumnType(kind, bits=64)
