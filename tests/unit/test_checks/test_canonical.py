# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of SQLite and of PostgreSQL's driver get the same spelling where they are the same, and only there."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow_checks import digests
from airflow_checks.canonical import NULL, spell

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
SAME = [
    ("boolean", 1, True),
    ("boolean", 0, False),
    ("integer", 2**40, 2**40),
    ("number", 1, 1.0),
    ("text", "a\tb\\ 🦄", "a\tb\\ 🦄"),
    ("binary", b"\x00\x80", memoryview(b"\x00\x80")),
    ("timestamp", "2026-01-02 03:04:05.678901", MOMENT),
    ("timestamp", "2026-01-02 03:04:05.678901", MOMENT.replace(tzinfo=None)),
    ("timestamp", "2026-01-02 05:04:05.678901+02:00", MOMENT.astimezone(timezone(timedelta(hours=-3)))),
    ("uuid", "0123456789abcdef0123456789abcdef", uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")),
    ("json", '{"b": 1, "a": [1.50, 1e2]}', '{"a":[1.5,100],"b":1}'),
    ("json", '"\\u00fc\\ud83e\\udd84"', '"ü🦄"'),
    ("json", "null", "null"),
    ("json", 1.5, "1.5"),
    ("json", '{"big": 1180591620717411303424}', '{"big": 1180591620717411303424.0}'),
]
OTHER = [
    ("boolean", 0, None),
    ("integer", 1, 2),
    ("number", 0.1 + 0.2, 0.3),
    ("text", "\u00e9", "e\u0301"),
    ("text", "", None),
    ("text", "~", None),
    ("binary", b"", None),
    ("timestamp", "2026-01-02 03:04:05.678901", "2026-01-02 03:04:05.678902"),
    ("json", "null", None),
    ("json", '"1"', "1"),
    ("json", "true", "1"),
    ("json", "NaN", '"NaN"'),
    ("json", "1180591620717411303424", "1180591620717411303425"),
    ("json", '{"a": null}', "{}"),
]


@pytest.mark.parametrize(("kind", "one", "other"), SAME)
def test_the_same(kind: str, one: Any, other: Any) -> None:
    assert spell(kind, one) == spell(kind, other)


@pytest.mark.parametrize(("kind", "one", "other"), OTHER)
def test_not_the_same(kind: str, one: Any, other: Any) -> None:
    assert spell(kind, one) != spell(kind, other)


@pytest.mark.parametrize(
    ("two", "three"),
    [
        (b'{"a": NaN, "b": [Infinity]}', '{"a": null, "b": [null]}'),
        (b'"zero \\u0000 byte"', '"zero  byte"'),
        (b'"escaped \\\\u0000"', '"escaped \\\\u0000"'),
        (b"[1, 2.5, null]", "[1,2.5,null]"),
    ],
)
def test_an_xcom_survives_as_airflow_3_keeps_it(two: bytes, three: str) -> None:
    assert spell("xcom json", two) == spell("json", three)


def test_a_pickled_xcom_does_not_pass_for_json() -> None:
    assert spell("xcom json", pickle.dumps({"a": 1})).startswith("=not JSON: 80")


@pytest.mark.parametrize("conf", [{"a": [1, 2.5, None, "ü"]}, {"n": {"m": True}}])
def test_the_configuration_of_a_run_survives(conf: Any) -> None:
    import json

    assert spell("pickled json", pickle.dumps(conf)) == spell("filled json", json.dumps(conf))


def test_no_configuration_is_as_good_as_an_empty_one() -> None:
    assert spell("pickled json", pickle.dumps({})) == spell("filled json", None) == NULL


def test_a_configuration_that_is_no_plain_data_is_kept_apart() -> None:
    assert spell("pickled json", pickle.dumps(MOMENT)).startswith("=not plain data: 80")


def test_all_that_must_survive_is_read(make_database: Callable[..., str], version: str) -> None:
    path = make_database(version)
    whole, surviving = digests.take(path).counts(), digests.take(path, surviving=True).counts()
    names = {"asset": "dataset", "asset_event": "dataset_event"} if version.startswith("2") else {}
    for table in ("dag_run", "task_instance", "task_instance_history", "task_reschedule", "log", "dag", "ab_user", "asset", "asset_event"):
        assert surviving[table] == whole[names.get(table, table)] > 0
    assert surviving["xcom"] + surviving.get("_xcom_archive", 0) == whole["xcom"]


def test_a_lost_task_is_missed(make_database: Callable[..., str]) -> None:
    import sqlite3

    path = make_database("2.11.2")
    before = digests.take(path, surviving=True)
    database = sqlite3.connect(path)
    database.execute("DELETE FROM task_instance WHERE rowid = 1")
    database.commit()
    database.close()
    (difference,) = digests.compare(before, digests.take(path, surviving=True))
    assert difference.startswith("Table task_instance: 1 of ")
