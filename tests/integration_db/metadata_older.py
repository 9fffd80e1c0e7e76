# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installations of older versions on SQLite: what their own commands write, and further rows in every table."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metadata_seed import Seeder
from metadata_server import FAB

FERNET_KEY = "ZmRjN2E4ZmY5ZGE0NGFjNTk2ZGU0NWE0ZjZhMTIzNDU="
ROWS = {"task_instance": 1500, "log": 1500, "xcom": 800, "dag_run": 200, "team": 0, "dag_bundle_team": 0}
DAG = """\
from datetime import datetime

try:
    from airflow.sdk import DAG, Asset
    from airflow.providers.standard.operators.python import PythonOperator
except ImportError:
    from airflow import DAG
    from airflow.datasets import Dataset as Asset
    from airflow.operators.python import PythonOperator


def count(**context):
    return {"rows": 3, "text": "ü"}


with DAG("history", start_date=datetime(2023, 1, 1), schedule=None, catchup=False, tags=["old"]):
    PythonOperator(task_id="count", python_callable=count, outlets=[Asset("s3://history")])
with DAG("follower", start_date=datetime(2023, 1, 1), schedule=[Asset("s3://history")], catchup=False):
    PythonOperator(task_id="count", python_callable=count)
"""
# A task that waits leaves one; it is made by the version's own classes, which store its arguments in their own way.
TRIGGER = """
from datetime import datetime, timezone
from airflow.models.trigger import Trigger
from airflow.settings import Session
try:
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger
except ImportError:
    from airflow.triggers.temporal import DateTimeTrigger
session = Session()
session.add(Trigger.from_object(DateTimeTrigger(datetime(2030, 1, 1, tzinfo=timezone.utc))))
session.commit()
"""
COMMANDS = (
    ["db", "migrate"],
    ["connections", "add", "warehouse", "--conn-uri", "postgres://jane:p%40ss@db.example.org:5433/sales?sslmode=require"],
    ["connections", "add", "told", "--conn-type", "http", "--conn-description", "with words", "--conn-extra", '{"timeout": 3}'],
    ["variables", "set", "secret_of_old", "hush"],
    ["pools", "set", "narrow", "3", "few at a time"],
    ["dags", "reserialize"],
    ["dags", "test", "history", "2024-01-01"],
    ["dags", "test", "history", "2024-01-02"],
)
USER = ["users", "create", "-u", "jane", "-p", "jane's own", "-f", "Jane", "-l", "Doe", "-r", "Admin", "-e", "jane@example.org"]


@dataclass(frozen=True)
class Older:
    """An installation of an older version."""

    version: str
    venv: Path
    home: Path

    @property
    def line(self) -> int:
        """2 or 3."""
        return int(self.version[0])

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.home / "airflow.db"

    def run(self, *command: str, program: str = "airflow") -> None:
        """Run a command of its environment."""
        environment = {
            "PATH": f"{self.venv}/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.database}",
            **({"AIRFLOW__CORE__AUTH_MANAGER": FAB} if self.line == 3 else {}),
        }
        done = subprocess.run(
            [str(self.venv / "bin" / program), *command], env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, f"{self.version} {command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"

    def make(self) -> None:
        """Write what people and runs write."""
        folder = self.home / "dags"
        folder.mkdir(parents=True)
        (folder / "history.py").write_text(DAG, encoding="utf-8")
        for command in (*COMMANDS, USER):
            self.run(*command)
        self.run("-c", TRIGGER, program="python")

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of its database."""
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(statement).fetchall()


class OlderSeeder(Seeder):
    """Adds rows to every table, with values that the migrations of the time read."""

    def _value(self, table: str, name: str, declared: str, required: bool) -> Any:
        self.number += 1
        if declared == "VARCHAR(36)":
            return str(uuid.UUID(int=self.random.getrandbits(128)))
        found = self._read_by_migrations(table, name, declared)
        return super()._value(table, name, declared, required) if found is None else found[0]

    def _read_by_migrations(self, table: str, name: str, declared: str) -> tuple[Any] | None:
        kwargs = {"ü": [1, 2.5, None], "n": self.number}
        if (table, name) == ("trigger", "kwargs"):
            moment = {"__type": "datetime", "__var": 1700000000.0}
            return (json.dumps({"__type": "dict", "__var": {"n": self.number, "moment": moment}}),)
        if (table, name) == ("deadline", "callback"):
            path = f"some.module.f{self.number}"
            document = {"__data__": {"path": path, "kwargs": kwargs}, "__classname__": "AsyncCallback", "__version__": 0}
            return (json.dumps(document) if declared == "JSON" else path,)
        if (table, name) == ("deadline", "callback_kwargs"):
            return (self.random.choice([None, "null", json.dumps(kwargs)]),)
        if (table, name) == ("deadline", "callback_state"):
            return (self.random.choice([None, "success", "failed", "queued"]),)
        if (table, name) == ("serialized_dag", "data"):
            alert = {"__type": "deadline_alert", "__var": {"reference": {"r": 1}, "interval": 60.0, "callback": {"path": "a.b"}}}
            deadline = self.random.choice([None, [alert]])
            return (json.dumps({"__version": 2, "dag": {"dag_id": f"d{self.number}", "deadline": deadline, "ü": 1}}),)
        if (table, name) == ("serialized_dag", "data_compressed") or name == "team_id":
            return (None,)
        return None


def installed(version: str, folder: Path) -> Older:
    """The installation of a version, whose environment `make test-sources` has made."""
    venv = Path(os.environ["UPDRAFT_SOURCES"]) / version
    assert os.access(venv / "bin" / "airflow", os.X_OK), f"{venv} has no Airflow; 'make test-sources' installs it."
    return Older(version, venv, folder)


def seeded(older: Older, path: Path) -> Path:
    """A copy of its database with further rows in every table."""
    with closing(sqlite3.connect(older.database)) as source, closing(sqlite3.connect(path)) as copy:
        # Airflow 3 has a write-ahead log.
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    OlderSeeder(str(path), ROWS, None).run()
    return path
