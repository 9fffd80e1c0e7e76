# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digests see every kind of change, and nothing where the content is the same."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow_checks import digests

DIFFERENT = {
    "a character of a text": ("variable", "val", "UPDATE {t} SET val = val || 'x'"),
    "a space at the end": ("variable", "val", "UPDATE {t} SET val = val || ' '"),
    "the composition of a character": ("variable", "description", "UPDATE {t} SET description = 'e' || char(769)"),
    "a control character": ("variable", "val", "UPDATE {t} SET val = replace(val, char(9), ' ')"),
    "NULL to an empty text": ("connection", "host", "UPDATE {t} SET host = ''"),
    "a boolean": ("connection", "is_encrypted", "UPDATE {t} SET is_encrypted = 0"),
    "a boolean to NULL": ("slot_pool", "include_deferred", "UPDATE {t} SET include_deferred = 0"),
    "an integer": ("connection", "port", "UPDATE {t} SET port = port + 1"),
    "the last digit of a float": ("task_instance", "duration", "UPDATE {t} SET duration = 0.30000000000000004 WHERE {one}"),
    "a microsecond": ("task_instance", "end_date", "UPDATE {t} SET end_date = '2026-01-01 00:00:00.000002' WHERE {one}"),
    "a moment to NULL": ("task_instance", "updated_at", "UPDATE {t} SET updated_at = NULL WHERE {one}"),
    "the last byte of bytes": ("task_instance", "executor_config", "UPDATE {t} SET executor_config = x'80057D94FF' WHERE {one}"),
    "JSON's null to NULL": ("task_instance", "next_kwargs", "UPDATE {t} SET next_kwargs = NULL WHERE {one}"),
    "a value in JSON": (
        "rendered_task_instance_fields",
        "rendered_fields",
        "UPDATE {t} SET rendered_fields = '{{\"a\": [1, 2.51]}}' WHERE {one}",
    ),
    "a type in JSON": (
        "rendered_task_instance_fields",
        "rendered_fields",
        'UPDATE {t} SET rendered_fields = \'{{"a": ["1", 2.5]}}\' WHERE {one}',
    ),
}
PREPARED = """
    INSERT INTO variable (id, key, val, description, is_encrypted) VALUES (1, 'k', 'a' || char(9) || 'b 🦄', char(233), 1);
    INSERT INTO connection (id, conn_id, conn_type, port, is_encrypted, is_extra_encrypted) VALUES (1, 'c', 'http', 80, 1, 0);
    INSERT INTO slot_pool (id, pool, slots, include_deferred) VALUES (1, 'p', 1, 1);
    UPDATE task_instance SET duration = 0.3, end_date = '2026-01-01 00:00:00.000001', executor_config = x'80057D942E',
      updated_at = '2026-01-01 00:00:00', next_kwargs = 'null' WHERE {one};
    UPDATE rendered_task_instance_fields SET rendered_fields = '{{"a": [1, 2.5]}}' WHERE {one};
"""
ONE = "rowid = (SELECT rowid FROM {t} ORDER BY rowid LIMIT 1)"


def change(path: str, statements: str) -> None:
    """Change a database."""
    database = sqlite3.connect(path)
    database.executescript(statements)
    database.close()


def one(table: str) -> str:
    """Return the condition that names one row of a table."""
    return ONE.format(t=table)


@pytest.fixture(scope="module")
def prepared(history_database: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a database with known values beside the history."""
    path = str(tmp_path_factory.mktemp("prepared") / "airflow.db")
    shutil.copy(history_database, path)
    first, rendered = PREPARED.split("    UPDATE rendered")
    change(path, first.format(one=one("task_instance")))
    change(path, ("UPDATE rendered" + rendered).format(one=one("rendered_task_instance_fields")))
    return path


@pytest.fixture(scope="module")
def before(prepared: str) -> digests.Digests:
    """Return its digests."""
    return digests.take(prepared)


@pytest.fixture
def copy(prepared: str, tmp_path: Path) -> str:
    """Return a copy that may be changed."""
    return shutil.copy(prepared, str(tmp_path / "airflow.db"))


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_changed_value_is_named(before: digests.Digests, copy: str, what: str) -> None:
    table, column, statement = DIFFERENT[what]
    change(copy, statement.format(t=table, one=one(table)))
    differences = digests.compare(before, digests.take(copy))
    assert len(differences) == 1
    assert differences[0].startswith(f"Table {table}: 1 of ")
    assert f"; {column} was " in differences[0]


def test_a_changed_uuid_is_named(make_database: Callable[..., str], tmp_path: Path) -> None:
    path = make_database("3.3.2")
    other = shutil.copy(path, str(tmp_path / "airflow.db"))
    change(other, f"UPDATE dag_code SET source_code_hash = '{'0' * 32}' WHERE {one('dag_code')}")
    change(other, f"UPDATE task_instance SET dag_version_id = '{'0' * 32}' WHERE {one('task_instance')}")
    differences = digests.compare(digests.take(path), digests.take(other))
    assert [difference.split(":")[0] for difference in differences] == ["Table dag_code", "Table task_instance"]
    assert "dag_version_id was " in differences[1]


def test_the_same_content_written_otherwise_is_the_same(before: digests.Digests, copy: str) -> None:
    change(
        copy,
        "UPDATE rendered_task_instance_fields SET rendered_fields = '{\"a\":[1.0,25e-1]}' WHERE "
        + one("rendered_task_instance_fields")
        + ";"
        "UPDATE task_instance SET end_date = '2026-01-01 02:00:00.000001+02:00', updated_at = '2026-01-01T00:00:00.000' WHERE "
        + one("task_instance")
        + ";"
        "CREATE TABLE moved AS SELECT * FROM log ORDER BY id DESC; DELETE FROM log; INSERT INTO log SELECT * FROM moved; DROP TABLE moved;",
    )
    assert digests.compare(before, digests.take(copy)) == []


def test_missing_and_new_rows_are_counted(before: digests.Digests, copy: str) -> None:
    change(copy, f"DELETE FROM log WHERE {one('log')}; INSERT INTO job (id, job_type) VALUES (999999, 'SchedulerJob')")
    missing_log, new_job = sorted(digests.compare(before, digests.take(copy)), reverse=True)
    assert missing_log.startswith(f"Table log: 1 of {before.counts()['log']} rows are missing; id='1'")
    assert new_job.startswith("Table job: 1 rows are new") and "id='999999'" in new_job


def test_tables_and_columns_are_compared(before: digests.Digests, copy: str) -> None:
    change(copy, "DROP TABLE session; CREATE TABLE mine (a INTEGER); ALTER TABLE job ADD COLUMN more TEXT")
    assert digests.compare(before, digests.take(copy)) == [
        "Table job has other columns: gone [], new ['more'].",
        "Table mine (0 rows) is new.",
        "Table session (0 rows) is gone.",
    ]
    allowed = digests.Allowed(ignored=frozenset({"job"}), new_tables=frozenset({"mine"}), gone_tables=frozenset({"session"}))
    assert digests.compare(before, digests.take(copy), allowed) == []


def test_what_daemons_do_is_allowed_and_no_more(before: digests.Digests, copy: str) -> None:
    change(copy, "INSERT INTO log (dttm, event) VALUES ('2026-01-01', 'cli'); UPDATE dag SET last_parsed_time = '2026-02-02'")
    after = digests.take(copy)
    assert digests.compare(before, after, digests.RUNNING) == []
    assert [difference.split(":")[0] for difference in digests.compare(before, after)] == ["Table dag", "Table log"]
    change(copy, f"UPDATE log SET extra = 'lost' WHERE {one('log')}")
    assert digests.compare(before, digests.take(copy), digests.RUNNING)[0].startswith("Table log: 1 of ")


def test_allowances_add_up() -> None:
    more = digests.RUNNING.also(added={"variable"}, volatile=False)
    assert more.added == digests.RUNNING.added | {"variable"}
    assert not more.volatile
    assert more.removed == digests.RUNNING.removed


def test_rows_without_a_key_are_counted_as_often_as_they_are_there(tmp_path: Path) -> None:
    path, other = (str(tmp_path / name) for name in ("a.db", "b.db"))
    change(path, "CREATE TABLE mine (a TEXT); INSERT INTO mine VALUES ('x'), ('x'), (NULL)")
    change(other, "CREATE TABLE mine (a TEXT); INSERT INTO mine VALUES ('x'), (NULL), (NULL)")
    assert len(digests.compare(digests.take(path), digests.take(other))) == 2
    assert digests.take(path).counts() == {"mine": 3}


def test_digests_survive_being_written_down(before: digests.Digests, copy: str) -> None:
    kept = digests.Digests.from_json(before.to_json())
    assert digests.compare(kept, before) == []
    change(copy, "UPDATE variable SET val = 'other'")
    assert digests.compare(kept, digests.take(copy)) == ["Table variable: 1 of 1 rows changed."]


def test_one_digest_stands_for_a_table(before: digests.Digests, copy: str) -> None:
    change(copy, "UPDATE variable SET val = 'other'")
    after = digests.take(copy)
    assert before.tables["log"].digest == after.tables["log"].digest
    assert before.tables["variable"].digest != after.tables["variable"].digest


def test_the_command_prints_digests(before: digests.Digests, prepared: str, capsys: pytest.CaptureFixture[str]) -> None:
    digests.main([prepared])
    assert digests.compare(digests.Digests.from_json(capsys.readouterr().out), before) == []
