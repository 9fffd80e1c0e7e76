# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The made-up history is the same for the same seed, obeys the schema and holds what breaks careless copies."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import history
import pytest
from airflow_checks import digests


def ask(path: str, question: str) -> list[tuple[Any, ...]]:
    """Return all rows of an answer."""
    database = sqlite3.connect(path)
    try:
        return database.execute(question).fetchall()
    finally:
        database.close()


def test_the_same_seed_gives_the_same_rows(make_database: Callable[..., str], history_database: str, version: str) -> None:
    assert digests.compare(digests.take(history_database), digests.take(make_database(version))) == []


def test_another_seed_gives_other_rows(make_database: Callable[..., str], history_database: str, version: str) -> None:
    differences = digests.compare(digests.take(history_database), digests.take(make_database(version, seed=2)))
    assert any("Table task_instance" in difference for difference in differences)


def test_it_adds_exactly_the_rows_asked_for(make_database: Callable[..., str], version: str) -> None:
    path = make_database(version, rows=777)
    before_history = {"log_template": 1, "ab_user": 1}
    counts = digests.take(path).counts()
    assert sum(count - before_history.get(table, 0) for table, count in counts.items()) == 777


def test_no_row_points_to_nothing(history_database: str) -> None:
    assert ask(history_database, "PRAGMA foreign_key_check") == []


def test_rows_that_point_to_nothing_are_refused(make_database: Callable[..., str]) -> None:
    path = make_database("2.11.2", rows=300)
    database = sqlite3.connect(path)
    database.execute("DELETE FROM dag_run")
    with pytest.raises(SystemExit, match="point to nothing"):
        history.check(database)
    database.close()


@pytest.mark.parametrize("text", history.TEXTS)
def test_every_kind_of_text_is_in_it(history_database: str, text: str) -> None:
    found: set[str | None] = set()
    for table, column in (("log", "owner_display_name"), ("task_instance", "task_display_name"), ("dag_run_note", "content")):
        found |= {row[0] for row in ask(history_database, f"SELECT {column} FROM {table}")}
    assert text in found


def test_a_very_long_text_is_in_it(history_database: str) -> None:
    assert ask(history_database, "SELECT MAX(LENGTH(description)) FROM dag")[0][0] > 100_000


def test_null_and_the_null_of_json_are_in_it(history_database: str) -> None:
    found = ask(history_database, "SELECT DISTINCT k8s_pod_yaml FROM rendered_task_instance_fields")
    assert {(None,), ("null",)} <= set(found)


def test_moments_have_microseconds(history_database: str) -> None:
    endings = {row[0][-7:] for row in ask(history_database, "SELECT start_date FROM task_instance WHERE start_date IS NOT NULL")}
    assert len(endings) > 50
    assert all(ending[0] == "." for ending in endings)


def test_xcoms_are_json_and_pickles_in_airflow_2(make_database: Callable[..., str]) -> None:
    first_bytes = {
        row[0] for row in ask(make_database("2.11.2", rows=5000), "SELECT substr(value, 1, 1) FROM xcom WHERE value IS NOT NULL")
    }
    assert {b"\x80", b'"', b"{", b"["} <= first_bytes


def test_nothing_waits_or_runs_unless_asked(make_database: Callable[..., str], history_database: str, version: str) -> None:
    question = "SELECT COUNT(*) FROM task_instance WHERE state NOT IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed')"
    assert ask(history_database, question) == [(0,)]
    deferred = make_database(version, deferred=3)
    assert ask(deferred, "SELECT COUNT(*) FROM task_instance t JOIN trigger r ON r.id = t.trigger_id WHERE t.state = 'deferred'") == [(3,)]


def test_losses_are_for_airflow_2_only(make_database: Callable[..., str]) -> None:
    values = ask(make_database("2.11.2", losses=True), "SELECT value FROM xcom WHERE key LIKE 'loss %'")
    assert any(b"NaN" in value for (value,) in values)
    assert any(b"\\u0000" in value for (value,) in values)
    with pytest.raises(SystemExit, match="Airflow 2"):
        make_database("3.3.2", losses=True)


def test_the_aborting_value_is_an_xcom_of_no_bytes(make_database: Callable[..., str]) -> None:
    assert ask(make_database("2.11.2", aborting=True), "SELECT COUNT(*) FROM xcom WHERE length(value) = 0") == [(1,)]
