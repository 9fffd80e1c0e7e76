# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the metadata database is asked for a status, on SQLite; the broker is faked."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import child_status
from ansible_collections.updraft.airflow.plugins.module_utils.child_status import epoch, look_at_database, waiting, without_secret

NOW = datetime.now(timezone.utc).replace(tzinfo=None)
SCHEMA = """
CREATE TABLE job (id INTEGER PRIMARY KEY, job_type TEXT, hostname TEXT, state TEXT, start_date TEXT, latest_heartbeat TEXT);
CREATE TABLE task_instance (task_id TEXT, state TEXT, end_date TEXT);
CREATE TABLE import_error (filename TEXT);
CREATE TABLE dag (dag_id TEXT, is_paused INTEGER, is_stale INTEGER, is_active INTEGER);
CREATE TABLE alembic_version (version_num TEXT);
INSERT INTO alembic_version VALUES ('d2f4e1b3c5a7');
"""


def text(ago: timedelta) -> str:
    """A moment as Airflow writes it into SQLite."""
    return (NOW - ago).isoformat(" ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A metadata database."""
    place = tmp_path / "air flow.db"
    with sqlite3.connect(place) as connection:
        connection.executescript(SCHEMA)
        connection.executemany(
            "INSERT INTO job (job_type, hostname, state, start_date, latest_heartbeat) VALUES (?, ?, ?, ?, ?)",
            [
                ("SchedulerJob", "h1", "failed", text(timedelta(days=9)), text(timedelta(days=8))),
                ("SchedulerJob", "h1", "running", text(timedelta(days=2)), text(timedelta(seconds=4))),
                ("LocalTaskJob", "h1", "running", text(timedelta(0)), text(timedelta(0))),
            ],
        )
        connection.executemany(
            "INSERT INTO task_instance VALUES ('a', ?, ?)",
            [
                ("running", None),
                ("success", text(timedelta(hours=2))),
                ("success", text(timedelta(hours=3))),
                ("success", text(timedelta(days=3))),
                ("failed", text(timedelta(hours=1))),
                ("queued", None),
            ],
        )
        connection.executemany("INSERT INTO dag VALUES (?, ?, ?, ?)", [("a", 0, 0, 1), ("b", 1, 0, 1), ("gone", 0, 1, 0)])
        connection.execute("INSERT INTO import_error VALUES ('bad.py')")
    return place


def url(path: Path) -> str:
    """The address of a file as SQLAlchemy has it."""
    return f"sqlite:///{path}"


def test_everything_is_read_from_one_database(path: Path) -> None:
    found = look_at_database(url(path), 2)
    assert found["engine"] == "sqlite"
    assert found["version"] == sqlite3.sqlite_version
    assert found["bytes"] == path.stat().st_size
    assert (found["connections"], found["max_connections"]) == (None, None)
    assert found["revision"] == "d2f4e1b3c5a7"
    assert found["tasks"] == {"running": 1, "queued": 1, "success": 2, "failed": 1}
    assert (found["import_errors"], found["import_error_files"]) == (1, ["bad.py"])
    assert (found["dags"], found["paused_dags"]) == (2, 1)
    assert found["unknown"] == {}


def test_only_jobs_that_run_or_ended_lately_count(path: Path) -> None:
    (job,) = look_at_database(url(path), 2)["jobs"]
    assert (job["type"], job["hostname"], job["state"]) == ("SchedulerJob", "h1", "running")
    assert job["beat"] == (NOW - timedelta(seconds=4)).replace(tzinfo=timezone.utc).timestamp()


def test_what_cannot_be_read_takes_nothing_else_with_it(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE task_instance")
    found = look_at_database(url(path), 3)
    assert found["tasks"] is None
    assert found["dags"] == 2
    assert {"tasks", "bundles"} == set(found["unknown"])
    assert "no such table: task_instance" in found["unknown"]["tasks"]


def test_the_database_is_not_made_where_it_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        look_at_database(url(tmp_path / "none.db"), 3)
    assert not (tmp_path / "none.db").exists()


def test_moments_of_all_databases_mean_the_same() -> None:
    moment = datetime(2027, 1, 15, 8, tzinfo=timezone.utc)
    assert epoch("2027-01-15 08:00:00.000000") == epoch(moment.replace(tzinfo=None)) == epoch(moment) == moment.timestamp()
    assert epoch(moment.astimezone(timezone(timedelta(hours=5)))) == moment.timestamp()
    assert epoch(None) is None


def test_a_password_is_in_no_reason() -> None:
    address = "amqp://airflow:p%40ss@a:5672/x;amqp://airflow:p%40ss@b:5672/x"
    told = without_secret(OSError(f"cannot reach {address} with p@ss.\nSorry."), address)
    assert told == "cannot reach amqp://airflow:***@a:5672/x;amqp://airflow:***@b:5672/x with ***. Sorry"


class FakeQueues:
    """A connection whose broker has these queues."""

    channel_errors = (KeyError,)

    def __init__(self, driver_type: str, **queues: tuple[int, int]) -> None:
        self.transport = type("Transport", (), {"driver_type": driver_type})
        self.queues = queues

    def channel(self) -> Any:
        """A channel."""
        return self

    def queue_declare(self, queue: str, passive: bool) -> Any:
        """What the broker says of a queue."""
        assert passive
        messages, consumers = self.queues[queue]
        return type("Answer", (), {"message_count": messages, "consumer_count": consumers})

    def close(self) -> None:
        """Close it."""


def test_a_queue_that_is_not_there_is_empty() -> None:
    assert waiting(FakeQueues("amqp", default=(3, 2)), "default") == {"messages": 3, "consumers": 2}
    assert waiting(FakeQueues("amqp"), "default") == {"messages": 0, "consumers": 0}
    assert waiting(FakeQueues("redis", default=(3, 0)), "default") == {"messages": 3, "consumers": None}


def test_the_program_tells_why_it_has_nothing(tmp_path: Path) -> None:
    request = {
        "line": 3,
        "database_url": url(tmp_path / "none.db"),
        "broker_url": "amqp://airflow:secret@127.0.0.1:1//",
        "broker_options": {},
        "queues": [],
        "nodes": [],
        "broadcast": False,
    }
    done = subprocess.run([sys.executable, child_status.__file__], input=json.dumps(request), capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert "unable to open database file" in answer["database"]["error"]
    assert answer["broker"]["error"]
    assert "secret" not in done.stdout
