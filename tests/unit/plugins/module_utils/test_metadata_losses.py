# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of documented losses."""

from __future__ import annotations

import re

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import _topology_versions as versions
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_losses import (
    COLUMNS,
    STEPS,
    TABLES,
    ColumnChange,
    TableChange,
    changes_of,
    column_changes,
    later_steps,
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


def test_the_steps_of_a_line_are_its_schema_heads() -> None:
    heads = [(".".join(map(str, first)), head) for first, head in versions.SCHEMA_HEADS]
    assert heads == [(step.version, step.head) for line in (2, 3) for step in STEPS[line]]
    assert [steps[-1].head for steps in STEPS.values()] == list(versions.COPIED_HEADS)


def test_every_step_names_the_revision_of_a_change() -> None:
    for steps in STEPS.values():
        for step in steps:
            changes: list[TableChange | ColumnChange] = [*step.tables, *step.columns]
            for change in changes:
                assert re.fullmatch(r"[0-9a-f]{12}", change.revision)
                assert change.reason
            assert len({(change.table, change.column) for change in step.columns}) == len(step.columns)


def test_what_comes_after_a_version_is_allowed() -> None:
    assert later_steps("5f2621c13b39") == later_steps("d2f4e1b3c5a7") == ()
    assert later_steps("0123456789ab") is None
    assert [step.version for step in later_steps("fe199e1abd77") or ()] == ["3.1.0", "3.1.8", "3.2.0", "3.3.0"]


def test_of_several_changes_to_one_column_the_first_counts() -> None:
    assert changes_of(later_steps("fe199e1abd77") or (), "deadline")[1]["callback"].revision == "808787349f22"
    assert changes_of(later_steps("cc92b33c6709") or (), "deadline")[1]["callback"].revision == "e812941398f4"
    assert changes_of(later_steps("1d6611b6ab7c") or (), "deadline")[1] == {}


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
