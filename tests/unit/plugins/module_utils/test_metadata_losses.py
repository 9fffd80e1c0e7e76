# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of documented losses."""

from __future__ import annotations

import re

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_losses import (
    COLUMNS,
    TABLES,
    ColumnChange,
    TableChange,
    column_changes,
    table_change,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_tables import TABLES_2, TABLES_3
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import RefusedValue
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_upgrade import converted_xcom


def test_every_entry_is_about_a_table_of_2_11_and_names_its_revision() -> None:
    changes: list[TableChange | ColumnChange] = [*TABLES, *COLUMNS]
    for change in changes:
        assert change.table in TABLES_2
        assert re.fullmatch(r"[0-9a-f]{12}", change.revision)
        assert change.reason
    assert len({change.table for change in TABLES}) == len(TABLES)
    assert len({(change.table, change.column) for change in COLUMNS}) == len(COLUMNS)


def test_every_table_is_there_afterwards_or_dropped_and_kept() -> None:
    for table in TABLES_2:
        change = table_change(table)
        if change.fate == "dropped":
            assert change.kept
            assert table not in TABLES_3
        else:
            assert (change.to or table) in TABLES_3


def test_a_table_that_is_not_listed_must_survive_whole() -> None:
    assert table_change("connection").fate == "stays"
    assert column_changes("job") == {}


@pytest.mark.parametrize(
    ("value", "document"),
    [
        (b'{"a": 1}', '{"a": 1}'),
        (b"[NaN, -Infinity]", "[null, null]"),
        (b'"NaN"', '"NaN"'),
        (b'"a\\u0000b"', '"ab"'),
        (b'"a\\\\u0000b"', '"a\\\\u0000b"'),
        (b"\x80\x04N.", None),
    ],
)
@pytest.mark.parametrize("engine", ["PostgreSQL", "MySQL"])
def test_what_the_migration_makes_of_an_xcom(engine: str, value: bytes, document: str | None) -> None:
    assert converted_xcom(value, engine) == document


@pytest.mark.parametrize("engine", ["PostgreSQL", "MySQL"])
@pytest.mark.parametrize("value", [b"", b"\xff", b"{", b'"\\ud800"', b'"\x00"'])
def test_what_aborts_the_migration_is_refused(engine: str, value: bytes) -> None:
    with pytest.raises(RefusedValue):
        converted_xcom(value, engine)


@pytest.mark.parametrize("value", [b"[1,\nNaN]", b"[NaN\t]"])
def test_a_constant_that_the_migration_does_not_find_is_refused(value: bytes) -> None:
    assert converted_xcom(value, "PostgreSQL") in ("[1, null]", "[null]")
    with pytest.raises(RefusedValue, match="where Airflow's migration does not find it"):
        converted_xcom(value, "MySQL")
