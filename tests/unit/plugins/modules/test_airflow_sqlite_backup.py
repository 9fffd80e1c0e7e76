# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_sqlite_backup on real databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

RunModule = Callable[..., dict[str, Any]]


def make(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, note TEXT)")
    connection.executemany("INSERT INTO job (note) VALUES (?)", [(f"note {n}",) for n in range(500)])
    connection.commit()
    return connection


def test_takes_along_what_is_only_in_the_log(run_module: RunModule, tmp_path: Path) -> None:
    source = tmp_path / "with space" / "airflow.db"
    source.parent.mkdir()
    connection = make(source)
    assert (source.parent / "airflow.db-wal").stat().st_size > 0
    before = source.read_bytes()
    result = run_module("airflow_sqlite_backup", src=str(source), dest=str(tmp_path / "copy.db"))
    assert result["changed"], result
    assert source.read_bytes() == before
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        assert copy.execute("SELECT count(*) FROM job").fetchone() == (500,)
    assert not (tmp_path / "copy.db-wal").exists() and not (tmp_path / "copy.db.unfinished").exists()
    connection.close()


def test_refuses_a_damaged_database_and_keeps_the_old_copy(run_module: RunModule, tmp_path: Path) -> None:
    source = tmp_path / "airflow.db"
    make(source).close()
    content = bytearray(source.read_bytes())
    content[4096:6000] = b"\xff" * (6000 - 4096)
    source.write_bytes(content)
    (tmp_path / "copy.db").write_text("the last good copy")
    result = run_module("airflow_sqlite_backup", src=str(source), dest=str(tmp_path / "copy.db"))
    assert result["failed"] and "cannot be copied: SQLite says" in result["msg"]
    assert (tmp_path / "copy.db").read_text() == "the last good copy"


def test_check_mode_makes_nothing(run_module: RunModule, tmp_path: Path) -> None:
    make(tmp_path / "airflow.db").close()
    result = run_module("airflow_sqlite_backup", check_mode=True, src=str(tmp_path / "airflow.db"), dest=str(tmp_path / "copy.db"))
    assert result["changed"] and not (tmp_path / "copy.db").exists()


def test_names_what_is_not_there(run_module: RunModule, tmp_path: Path) -> None:
    result = run_module("airflow_sqlite_backup", src=str(tmp_path / "none.db"), dest=str(tmp_path / "copy.db"))
    assert result["failed"] and result["msg"] == f"There is no database at {tmp_path}/none.db."


def test_says_what_is_in_the_way(run_module: RunModule, tmp_path: Path) -> None:
    make(tmp_path / "airflow.db").close()
    (tmp_path / "copy.db").mkdir()
    result = run_module("airflow_sqlite_backup", src=str(tmp_path / "airflow.db"), dest=str(tmp_path / "copy.db"))
    assert result["failed"]
    assert result["msg"] == f"{tmp_path}/airflow.db cannot be copied to {tmp_path}/copy.db: Is a directory."
    assert not (tmp_path / "copy.db.unfinished").exists()
