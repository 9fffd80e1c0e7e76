# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_sqlite_upgrade with a program in the place of Airflow; tests/integration_db runs the real one."""

from __future__ import annotations

import getpass
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from ansible_collections.updraft.airflow.plugins.modules.airflow_sqlite_upgrade import environment_for, held, remove_left, take_back

RunModule = Callable[..., dict[str, Any]]

PROGRAM = """#!{python}
import os, sqlite3, sys
connection = sqlite3.connect(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].partition("///")[2])
connection.executescript({statements!r})
with open({seen!r}, "w") as stream:
    print(*sys.argv[1:], os.environ["PYTHONPATH"], os.getcwd(), os.environ.get("AIRFLOW__CORE__EXECUTOR"), file=stream)
"""
MIGRATES = "UPDATE alembic_version SET version_num = '5f2621c13b39'; INSERT INTO log VALUES (2);"


class Installed:
    """A database of 2.9, and an environment whose airflow runs statements in it."""

    def __init__(self, folder: Path) -> None:
        self.database, self.dest, self.work, self.seen = folder / "airflow.db", folder / "up.db", folder / "work", folder / "seen"
        self.venv = folder / "venv"
        (self.venv / "bin").mkdir(parents=True)
        self.work.mkdir()
        with closing(sqlite3.connect(self.database)) as connection:
            connection.executescript(
                "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('686269002441');"
                "CREATE TABLE log (id INTEGER PRIMARY KEY); INSERT INTO log VALUES (1);"
                "CREATE TABLE serialized_dag (dag_id TEXT); INSERT INTO serialized_dag VALUES ('a');"
            )
        self.migrates(MIGRATES)

    def migrates(self, statements: str) -> None:
        """What `airflow db migrate` does."""
        program = self.venv / "bin" / "airflow"
        program.write_text(PROGRAM.format(python=os.sys.executable, statements=statements, seen=str(self.seen)))  # type: ignore[attr-defined]
        program.chmod(0o755)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the module is called with."""
        return {
            "src": str(self.database),
            "dest": str(self.dest),
            "folder": str(self.work),
            "venv": str(self.venv),
            "user": getpass.getuser(),
            "environment": {"AIRFLOW_HOME": "/nowhere", "AIRFLOW__CORE__EXECUTOR": "LocalExecutor"},
        }


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """Ready to be brought up."""
    return Installed(tmp_path)


def test_a_copy_is_brought_up_and_the_source_stays(run_module: RunModule, installed: Installed) -> None:
    before = installed.database.read_bytes()
    result = run_module("airflow_sqlite_upgrade", given=installed.parameters)
    assert (result["before"], result["revision"]) == ("686269002441", "5f2621c13b39")
    assert [(loss["table"], loss["kept_as"]) for loss in result["losses"]] == [("serialized_dag", str(installed.database))]
    assert installed.database.read_bytes() == before
    with closing(sqlite3.connect(installed.dest)) as connection:
        assert connection.execute("SELECT id FROM log").fetchall() == [(1,), (2,)]
    arguments = installed.seen.read_text().split()
    assert arguments[:3] == ["db", "migrate", "--no-reserialize-dags"]
    assert arguments[-1] == "None"
    assert list(installed.work.iterdir()) == []


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (MIGRATES + "DELETE FROM log WHERE id = 1;", "lost data: the content of log has changed (id)."),
        ("SELECT 1", "brought the copy of {src} to 686269002441 and not to 5f2621c13b39."),
        ("SELECT nothing", "A copy of {src} could not be brought to another schema: airflow db migrate --no-reserialize-dags failed: "),
    ],
)
def test_what_goes_wrong_leaves_no_copy(statements: str, says: str, run_module: RunModule, installed: Installed) -> None:
    installed.migrates(statements)
    result = run_module("airflow_sqlite_upgrade", given=installed.parameters)
    assert result["failed"]
    assert says.format(src=installed.database) in result["msg"]
    assert not installed.dest.exists()
    assert list(installed.work.iterdir()) == []


def test_check_mode_makes_nothing(run_module: RunModule, installed: Installed) -> None:
    result = run_module("airflow_sqlite_upgrade", check_mode=True, given=installed.parameters)
    assert result["changed"]
    assert not installed.dest.exists()
    assert not installed.seen.exists()


def test_only_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    killed, at_work = tmp_path / "sqlite-upgrade-killed", tmp_path / "sqlite-upgrade-at-work"
    for folder in (killed, at_work, tmp_path / "other"):
        folder.mkdir()
    with held(str(at_work)):
        remove_left(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "sqlite-upgrade-at-work"]


def test_what_is_said_of_other_databases_does_not_reach_airflow() -> None:
    given = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://", "AIRFLOW__CELERY__BROKER_URL": "redis://", "AIRFLOW_HOME": "/opt"}
    found = environment_for(given, "/srv/upgrade", "/srv/upgrade/airflow.db", 3)
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "sqlite:////srv/upgrade/airflow.db"
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] == "sqlite+aiosqlite:////srv/upgrade/airflow.db"
    assert "AIRFLOW__CELERY__BROKER_URL" not in found
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC" not in environment_for(given, "/srv/upgrade", "/srv/upgrade/airflow.db", 2)


def test_a_file_that_was_put_in_the_place_of_the_migrated_one_is_not_taken(tmp_path: Path) -> None:
    database = tmp_path / "airflow.db"
    database.symlink_to("/etc/passwd")
    with pytest.raises(MoveError, match="is no longer the file that was migrated"):
        take_back(str(tmp_path), str(database))
