# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading real SQLite databases without leaving a trace."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_sqlite import read_metadata, read_only

SCHEMA = """
CREATE TABLE alembic_version (version_num TEXT);
INSERT INTO alembic_version VALUES ('5f2621c13b39');
CREATE TABLE task_instance (dag_id TEXT, task_id TEXT, run_id TEXT, map_index INTEGER, state TEXT);
INSERT INTO task_instance VALUES ('b', 't', 'r', -1, 'running'), ('a', 't', 'r', 3, 'running'), ('a', 'u', 'r', -1, 'success'),
  ('a', 'v', 'r', -1, NULL);
CREATE TABLE import_error (id INTEGER PRIMARY KEY AUTOINCREMENT, filename TEXT);
INSERT INTO import_error (filename) VALUES ('/dags/b.py'), ('/dags/a.py'), (NULL);
CREATE TABLE "odd ""name" (x TEXT);
"""


def make(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.executescript(SCHEMA)
    connection.commit()
    return connection


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("is_open", [True, False])
def test_content(tmp_path: Path, mode: str, is_open: bool) -> None:
    path = tmp_path / "50% of #my air?.db"
    connection = make(path, mode)
    if not is_open:
        connection.close()
    before = {entry.name: entry.stat().st_mtime_ns for entry in tmp_path.iterdir() if not entry.name.endswith("-shm")}
    found = read_metadata(str(path))
    assert {entry.name: entry.stat().st_mtime_ns for entry in tmp_path.iterdir() if not entry.name.endswith("-shm")} == before
    assert found["tables"] == {"alembic_version": 1, "import_error": 3, 'odd "name': 0, "task_instance": 4}
    assert (found["revision"], found["fab_revision"], found["path"]) == ("5f2621c13b39", None, str(path))
    assert found["task_states"] == {"none": 1, "running": 2, "success": 1}
    assert [(task["dag_id"], task["map_index"]) for task in found["running"]] == [("a", 3), ("b", -1)]
    assert found["import_errors"] == ["/dags/a.py", "/dags/b.py"]
    connection.close()


def test_no_helper_file_appears_beside_a_closed_database_with_a_log(tmp_path: Path) -> None:
    make(tmp_path / "airflow.db", "WAL").close()
    read_metadata(str(tmp_path / "airflow.db"))
    assert os.listdir(tmp_path) == ["airflow.db"]


def test_the_newest_rows_are_in_the_log(tmp_path: Path) -> None:
    connection = make(tmp_path / "airflow.db", "WAL")
    connection.execute("INSERT INTO task_instance VALUES ('new', 't', 'r', -1, 'queued')")
    connection.commit()
    assert read_metadata(str(tmp_path / "airflow.db"))["task_states"]["queued"] == 1
    connection.close()


def test_at_most_fifty_tasks_are_named(tmp_path: Path) -> None:
    connection = make(tmp_path / "airflow.db", "DELETE")
    connection.executemany("INSERT INTO task_instance VALUES (?, 't', 'r', -1, 'running')", [(f"d{n}",) for n in range(100)])
    connection.commit()
    found = read_metadata(str(tmp_path / "airflow.db"))
    assert (len(found["running"]), found["task_states"]["running"]) == (50, 102)
    connection.close()


def test_it_cannot_write_and_reads_text_that_is_no_utf8(tmp_path: Path) -> None:
    make(tmp_path / "airflow.db", "DELETE").close()
    with read_only(str(tmp_path / "airflow.db")) as connection:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM task_instance")
        assert connection.execute("SELECT CAST(x'ff41' AS TEXT)").fetchone() == ("\ufffdA",)


def test_what_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "airflow.db").write_text("this is not a database, and it is long enough to look at")
    with pytest.raises(sqlite3.DatabaseError):
        read_metadata(str(tmp_path / "airflow.db"))
