# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of older versions, brought to the newest schema of their line on a copy and moved to PostgreSQL."""

from __future__ import annotations

import getpass
import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import metadata_written
from ansible_collections.updraft.airflow.plugins.module_utils._command import run_airflow
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_engines import open_source
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_inspect import Inspection
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_losses import STEPS
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState, set_switched
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_upgrade import Upgrade
from ansible_collections.updraft.airflow.plugins.module_utils.sqlite_upgrade import Comparison
from ansible_collections.updraft.airflow.plugins.modules import airflow_sqlite_upgrade
from cryptography.fernet import Fernet
from metadata_older import FERNET_KEY, Older, installed, seeded
from metadata_server import FAB, PASSWORD, SOURCE_NAME, USER, Airflow, Made, Server, url

LOSSES = {
    "2.7.0": {"serialized_dag"},
    "2.9.3": {"serialized_dag"},
    "3.0.6": {"asset_trigger", "callback_request", "deadline.dag_id"},
    "3.1.0": {"asset_trigger", "callback_request", "deadline.trigger_id"},
}
# What Airflow's own migration takes from the children of tables that it rebuilds; of 2.x those of tasks that wait in a trigger.
LOST_WITH_FOREIGN_KEYS = {
    "2.7.0": {"task_instance", "xcom", "rendered_task_instance_fields"},
    "3.0.6": {"xcom", "rendered_task_instance_fields", "task_instance_note", "ab_permission_view_role"},
}


def decrypt(token: str) -> str:
    return str(Fernet(FERNET_KEY).decrypt(token.encode()).decode())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Source:
    """An installation of an older version, a database with further rows, and what was made of a copy of it."""

    older: Older
    seeded: Path
    upgraded: Path
    result: dict[str, Any]
    before: str


@pytest.fixture(scope="module", params=list(LOSSES))
def source(request: pytest.FixtureRequest, airflows: dict[int, Airflow], tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Made by the version's own commands, and brought up by the module."""
    folder = tmp_path_factory.mktemp(f"of {request.param}")
    older = installed(request.param, folder / "home")
    older.make()
    path = seeded(older, folder / "it's seeded.db")
    before = digest(path)
    work, dest = folder / "work", folder / "upgraded.db"
    work.mkdir()
    result = airflow_sqlite_upgrade.upgrade(parameters(airflows[older.line], path, dest), str(work))
    return Source(older, path, dest, result, before)


def parameters(airflow: Airflow, src: Path, dest: Path) -> dict[str, Any]:
    """What the module is called with."""
    environment = {"AIRFLOW_HOME": str(airflow.home), "AIRFLOW_CONFIG": "/dev/null", "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY}
    if airflow.line == 3:
        environment["AIRFLOW__CORE__AUTH_MANAGER"] = FAB
    return {
        "src": str(src),
        "dest": str(dest),
        "venv": str(airflow.venv),
        "user": getpass.getuser(),
        "environment": environment,
        "timeout": 900,
    }


@pytest.fixture(scope="module")
def copied(source: Source, server: Server, made: Made) -> str:
    """A database in PostgreSQL with the finished copy."""
    database: str = server.create(made.templates[source.older.line])
    result = server.copy(source.upgraded, database)
    assert "refusals" not in result
    with closing(sqlite3.connect(source.upgraded)) as connection:
        for table in result["tables"]:
            assert connection.execute(f'SELECT count(*) FROM "{table["name"]}"').fetchone()[0] == table["rows"]
    return database


def test_nothing_but_what_is_listed_is_lost(source: Source) -> None:
    assert {loss["table"] for loss in source.result["losses"]} == LOSSES[source.older.version]
    assert {loss["kept_as"] for loss in source.result["losses"]} == {str(source.seeded)}
    assert source.result["revision"] == STEPS[source.older.line][-1].head
    tables = {table["name"]: (table["before"], table["after"]) for table in source.result["tables"]}
    assert tables["task_instance"][0] == tables["task_instance"][1] > 1500
    assert tables["xcom"][0] == tables["xcom"][1] > 800


def test_the_source_is_not_written(source: Source) -> None:
    assert digest(source.seeded) == source.before
    assert source.upgraded.stat().st_mode & 0o777 == 0o600


def test_the_upgraded_copy_has_nothing_that_stops_the_copy(source: Source) -> None:
    reader = SqliteSource(str(source.upgraded))
    try:
        found = Inspection(reader, source.older.line, fernet_key=FERNET_KEY).run()
    finally:
        reader.close()
    # The rows that were made up are not encrypted with any key.
    assert [sentence for sentence in found["refusals"] if "The Fernet key does not open" not in sentence] == []


@pytest.mark.parametrize("source", list(LOST_WITH_FOREIGN_KEYS), indirect=True)
def test_what_airflows_own_migration_loses_is_noticed(source: Source, airflows: dict[int, Airflow], tmp_path: Path) -> None:
    path = tmp_path / "plain.db"
    shutil.copy(source.seeded, path)
    airflow = airflows[source.older.line]
    run_airflow(
        str(airflow.venv),
        getpass.getuser(),
        ["db", "migrate"],
        {**airflow.environment(f"sqlite:///{path}"), "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY},
        900,
    )
    comparison = Comparison(str(source.seeded), str(path), decrypt)
    comparison.run()
    lost = {sentence.split()[0] for sentence in comparison.failures if " rows and has " in sentence}
    assert lost >= LOST_WITH_FOREIGN_KEYS[source.older.version]


def test_objects_are_in_postgresql_as_they_were_made(source: Source, copied: str, server: Server) -> None:
    found = server.query("SELECT host, port, login, password, extra FROM connection WHERE conn_id = 'warehouse'", copied)
    host, port, login, password, extra = found[0]
    assert (host, port, login, decrypt(password)) == ("db.example.org", 5433, "jane", "p@ss")
    assert json.loads(decrypt(extra)) == {"sslmode": "require"}
    described = server.query("SELECT description, conn_type FROM connection WHERE conn_id = 'told'", copied)
    assert described == [("with words", "http")]
    value = server.query("SELECT val FROM variable WHERE key = 'secret_of_old'", copied)
    assert decrypt(value[0][0]) == "hush"
    assert server.query("SELECT slots, description FROM slot_pool WHERE pool = 'narrow'", copied) == [(3, "few at a time")]
    assert server.query("SELECT username FROM ab_user WHERE username = 'jane'", copied) == [("jane",)]


def test_history_is_in_postgresql(source: Source, copied: str, server: Server) -> None:
    runs = "SELECT run_id FROM dag_run WHERE dag_id = 'history' ORDER BY 1"
    assert server.query(runs, copied) == source.older.rows(runs)
    states = "SELECT state FROM task_instance WHERE dag_id = 'history' AND task_id = 'count'"
    assert server.query(states, copied) == [("success",), ("success",)]
    kwargs = server.query("SELECT kwargs FROM trigger WHERE classpath LIKE '%DateTimeTrigger'", copied)
    assert "moment" in decrypt(kwargs[0][0])


@pytest.mark.parametrize("source", [version for version in LOSSES if version.startswith("2.")], indirect=True)
def test_it_goes_on_to_3(source: Source, copied: str, server: Server, airflows: dict[int, Airflow]) -> None:
    database = server.create(copied)
    with server.target(database) as target:
        Upgrade(target).keep()
    airflows[3].migrate(url(server, database))
    with server.target(database) as target:
        verified = Upgrade(target).verify()
    assert {table["name"] for table in verified["tables"]} >= {"task_instance", "xcom", "connection"}


def test_what_was_written_since_is_told_by_the_backup(source: Source, copied: str, server: Server) -> None:
    database = server.create(copied)
    with server.target(database) as target:
        set_switched(target, TargetState(target))
    server.query("UPDATE variable SET val = 'other' WHERE key = 'secret_of_old'", database)
    place = {"host": "127.0.0.1", "port": server.port, "name": database, "user": USER, "password": PASSWORD}
    place |= {"engine": "postgresql", "ssl_mode": "disable", "ssl_root_cert": None}
    backup, now = SqliteSource(str(source.seeded)), open_source(None, place)
    try:
        with server.target(database) as target:
            assert metadata_written.refusals(target, backup, SOURCE_NAME) == []
        assert metadata_written.written(backup, now)["told"] == ["1 variable (secret_of_old)"]
    finally:
        now.close()
        backup.close()
