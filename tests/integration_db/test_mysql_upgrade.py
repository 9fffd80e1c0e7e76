# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy of a 2.11 installation in MySQL, brought to 3.x by Airflow itself, with every loss accounted for; and killed on the way."""

from __future__ import annotations

import json
import pickle
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_runs import count_unfinished, resume
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState, reset
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_upgrade import Upgrade
from metadata_mysql_server import MysqlServer, catalogue
from metadata_server import SOURCE_NAME, Airflow, Made, mysql_url

KEYS = "dag_id, task_id, run_id, map_index"


class Moved:
    """A source of 2.11 with what is special about an upgrade, and the database it became."""

    def __init__(self, server: MysqlServer, source: Path, database: str) -> None:
        self.server = server
        self.source = source
        self.database = database

    def before(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the source."""
        with sqlite3.connect(self.source) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
        connection.close()
        return rows

    def after(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        rows: list[tuple[Any, ...]] = self.server.query(sql, self.database)
        return rows

    def keep(self) -> dict[str, Any]:
        """Copy and keep."""
        self.server.copy(self.source, self.database)
        with self.server.target(self.database) as target:
            return Upgrade(target).keep()

    def verify(self) -> dict[str, Any]:
        """Compare."""
        with self.server.target(self.database) as target:
            return Upgrade(target).verify()


@pytest.fixture(scope="module")
def source(sources_for_mysql: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of 2.11 with what is special about an upgrade."""
    path = tmp_path_factory.mktemp("upgrade") / "airflow.db"
    shutil.copy(sources_for_mysql[2], path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE dag_run SET conf = ? WHERE id = 1", (pickle.dumps({"when": datetime(2024, 1, 1)}),))
        connection.execute("UPDATE dag_run SET conf = ? WHERE id = 3", (pickle.dumps({"nan": float("nan"), "text": "a\0b"}),))
        connection.execute("UPDATE dag SET is_active = NULL, is_paused = NULL WHERE rowid = 1")
        connection.execute("UPDATE dataset SET is_orphaned = 1 WHERE id = 1")
        connection.execute("UPDATE xcom SET value = ? WHERE rowid = 1", (json.dumps("long " * 100_000).encode(),))
    connection.close()
    return path


@pytest.fixture(scope="module")
def moved(mysql: MysqlServer, made_in_mysql: Made, airflows: dict[int, Airflow], source: Path) -> Moved:
    """Copied, kept and migrated; killed twice before, and begun anew."""
    result = Moved(mysql, source, mysql.create(made_in_mysql.templates[2]))
    kept = result.keep()
    for point in (has_half_of_a_revision, renamed_datasets):
        run_until(airflows[3], result, point)
        assert state_of(result)["state"] == "unfinished"
        with pytest.raises(MoveError):
            result.verify()
        with mysql.target(result.database) as target:
            reset(target, TargetState(target), SOURCE_NAME)
        assert catalogue(mysql, result.database) == {}
        mysql.fill(result.database, made_in_mysql.templates[2])
        assert result.keep() == kept
    with mysql.target(result.database) as target:
        assert Upgrade(target).keep()["tables"] == kept["tables"]
    with pytest.raises(MoveError, match="is still at revision 5f2621c13b39"):
        result.verify()
    airflows[3].migrate(mysql_url(mysql.port, result.database))
    return result


def state_of(moved: Moved) -> dict[str, Any]:
    with moved.server.target(moved.database) as target:
        return TargetState(target).as_dict()


def has_half_of_a_revision(moved: Moved) -> bool:
    """Of revision d59cbbef95eb, which gives task instances their id: the column is there, the revision is not."""
    columns = (
        "SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'task_instance' AND column_name = 'id'"
    )
    return bool(moved.after(columns))


def renamed_datasets(moved: Moved) -> bool:
    return bool(moved.after("SHOW TABLES LIKE 'asset_alias%'"))


def run_until(airflow: Airflow, moved: Moved, point: Any) -> None:
    """Let Airflow migrate, and kill it at a point."""
    environment = airflow.environment(mysql_url(moved.server.port, moved.database))
    with subprocess.Popen(airflow.migration, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not point(moved):
            assert process.poll() is None and time.monotonic() < deadline
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def verified(moved: Moved) -> dict[str, Any]:
    """The result of the comparison."""
    return moved.verify()


def test_only_documented_losses_are_reported(moved: Moved, verified: dict[str, Any]) -> None:
    losses = {loss["table"]: (loss["rows"], loss["kept_as"]) for loss in verified["losses"]}
    pickled = moved.before("SELECT count(*) FROM xcom WHERE substr(value, 1, 1) = x'80'")[0][0]
    assert losses == {
        "dag_code": (12, ""),
        "serialized_dag": (12, ""),
        "import_error": (12, ""),
        "dag_priority_parsing_request": (12, ""),
        "callback_request": (12, "airflow_kept.callback_request"),
        "task_fail": (12, "airflow_kept.task_fail"),
        "dag_pickle": (12, "airflow_kept.dag_pickle"),
        "xcom": (pickled, ""),
        "dag_run.conf": (1, "airflow_kept.dag_run_conf"),
    }


def test_the_comparison_can_be_repeated(moved: Moved, verified: dict[str, Any]) -> None:
    assert verified["changed"] is True
    assert moved.verify() == {**verified, "changed": False}
    assert state_of(moved)["move"]["phase"] == "verified"


def test_the_catalogue_is_that_of_the_same_steps_without_data(moved: Moved, verified: dict[str, Any], made_in_mysql: Made) -> None:
    found = catalogue(moved.server, moved.database)
    assert {name: text for name, text in found.items() if not name.startswith("airflow_kept__")} == catalogue(
        moved.server, made_in_mysql.migrated
    )


def test_runs_and_task_instances_are_all_there(moved: Moved, verified: dict[str, Any]) -> None:
    runs = "SELECT id, dag_id, run_id, state FROM dag_run ORDER BY id"
    assert moved.after(runs) == moved.before(runs)
    instances = f"SELECT {KEYS}, state, operator, pid FROM task_instance"
    assert sorted(moved.after(instances), key=repr) == sorted(moved.before(instances), key=repr)
    moments = moved.after("SELECT id, CAST(logical_date AS CHAR) FROM dag_run ORDER BY id")
    assert moments == moved.before("SELECT id, execution_date FROM dag_run ORDER BY id")


def test_a_deferred_tasks_timeout_is_still_in_utc(moved: Moved, verified: dict[str, Any]) -> None:
    after = moved.after(f"SELECT {KEYS}, CAST(trigger_timeout AS CHAR) FROM task_instance WHERE trigger_timeout IS NOT NULL")
    before = moved.before(f"SELECT {KEYS}, substr(trigger_timeout, 1, 19) FROM task_instance WHERE trigger_timeout IS NOT NULL")
    assert sorted((*keys, moment[:19]) for *keys, moment in after) == sorted(before)


def test_xcoms_are_the_same_documents_or_archived(moved: Moved, verified: dict[str, Any]) -> None:
    key = 'dag_run_id, task_id, map_index, "key"'
    plain, pickled = {}, {}
    for *names, value in moved.before(f"SELECT {key}, value FROM xcom"):
        if value is None or value[:1] != b"\x80":
            text = None if value is None else value.decode().replace('"a\\u0000b"', '"ab"')
            plain[tuple(names)] = None if text is None else json.loads(text, parse_constant=lambda _: None)
        else:
            pickled[tuple(names)] = value
    rows = moved.after(f"SELECT {key}, CAST(value AS CHAR) FROM xcom")
    assert {tuple(names): None if value is None else json.loads(value) for *names, value in rows} == plain
    assert {tuple(names): value for *names, value in moved.after(f"SELECT {key}, value FROM _xcom_archive")} == pickled
    assert len(pickled) > 100
    assert max(len(str(value)) for value in plain.values()) == 500_000


def test_secrets_and_users_are_the_same(moved: Moved, verified: dict[str, Any]) -> None:
    for query in (
        "SELECT id, conn_id, login, password, extra, port FROM connection ORDER BY id",
        "SELECT id, \"key\", coalesce(val, '') FROM variable WHERE \"key\" NOT LIKE '!_!_airflow!_var!_fix!_%' ESCAPE '!' ORDER BY id",
        "SELECT id, username, password, email FROM ab_user ORDER BY id",
        "SELECT id, user_id, role_id FROM ab_user_role ORDER BY id",
        "SELECT id, pool, description FROM slot_pool ORDER BY id",
    ):
        assert moved.after(query) == moved.before(query)


def test_a_conf_that_is_no_json_is_kept_aside(moved: Moved, verified: dict[str, Any]) -> None:
    assert moved.after("SELECT conf FROM dag_run WHERE id = 1") == [(None,)]
    ((number, conf),) = moved.after("SELECT id, conf FROM airflow_kept__dag_run_conf")
    assert (number, pickle.loads(conf)) == (1, {"when": datetime(2024, 1, 1)})
    ((text,),) = moved.after("SELECT CAST(conf AS CHAR) FROM dag_run WHERE id = 3")
    assert json.loads(text) == {"nan": "NaN", "text": "ab"}


def test_what_is_dropped_is_kept_aside(moved: Moved, verified: dict[str, Any]) -> None:
    query = "SELECT id, dag_id, task_id, run_id, duration FROM {}task_fail ORDER BY id"
    assert moved.after(query.format("airflow_kept__")) == moved.before(query.format(""))
    assert moved.after("SELECT pickle FROM airflow_kept__dag_pickle ORDER BY id") == moved.before(
        "SELECT pickle FROM dag_pickle ORDER BY id"
    )


def test_tasks_of_unfinished_runs_get_the_version_of_their_dag(moved: Moved, verified: dict[str, Any]) -> None:
    database = moved.server.create(moved.database)
    joined = "task_instance t JOIN dag_run r ON r.dag_id = t.dag_id AND r.run_id = t.run_id"
    found = [row[0] for row in moved.server.query(f"SELECT DISTINCT r.id FROM {joined} ORDER BY 1 LIMIT 4", database)]
    without_state, queued, done, of_an_ended_run = found
    changes = f"""
        SET foreign_key_checks = 0;
        UPDATE dag_run SET state = CASE WHEN id IN ({without_state}, {queued}, {done}) THEN 'running' ELSE 'success' END;
        UPDATE {joined} SET t.state = CASE r.id WHEN {queued} THEN 'queued' WHEN {done} THEN 'success' END;
        INSERT INTO dag_version (id, version_number, dag_id, created_at, last_updated)
            SELECT REPLACE(UUID(), '-', ''), number, dag_id, now(), now()
            FROM (SELECT DISTINCT dag_id FROM dag_run WHERE id <> {queued}) d CROSS JOIN (SELECT 1 AS number UNION SELECT 2) n;
        DELETE FROM job;
        INSERT INTO job (id, job_type, state)
            VALUES (1, 'SchedulerJob', 'running'), (2, 'SchedulerJob', 'success'), (3, 'LocalTaskJob', 'running')
    """
    moved.server.query(changes, database)
    versions = f"SELECT r.id, v.version_number FROM {joined} LEFT JOIN dag_version v ON v.id = t.dag_version_id ORDER BY 1"
    assert {row[1] for row in moved.server.query(versions, database)} == {None}
    with moved.server.target(database) as target:
        assert count_unfinished(target) == 3
        result = resume(target)
        assert resume(target) == {**result, "changed": False, "jobs": 0, "tasks": 0}
    states = moved.server.query("SELECT state FROM job ORDER BY id", database)
    assert (result["jobs"], states) == (1, [("failed",), ("success",), ("running",)])
    after = dict(moved.server.query(versions, database))
    assert {run: after[run] for run in found} == {without_state: 2, queued: None, done: None, of_an_ended_run: None}
    (unparsed,) = moved.server.query(f"SELECT dag_id FROM dag_run WHERE id = {queued}", database)
    assert result["changed"] and result["dags_without_version"] == list(unparsed)


@pytest.fixture(scope="module")
def spoilt(moved: Moved, verified: dict[str, Any]) -> Iterator[Moved]:
    """A copy of the migrated database that tests spoil and repair."""
    yield Moved(moved.server, moved.source, moved.server.create(moved.database))


@pytest.mark.parametrize(
    ("statement", "repair", "complaint"),
    [
        (
            "UPDATE task_instance SET hostname = 'x' WHERE hostname IS NULL",
            "UPDATE task_instance SET hostname = NULL WHERE hostname = 'x'",
            "the content of task_instance has changed",
        ),
        (
            "UPDATE dag_run SET logical_date = logical_date + INTERVAL 1 MICROSECOND WHERE id = 1",
            "UPDATE dag_run SET logical_date = logical_date - INTERVAL 1 MICROSECOND WHERE id = 1",
            "the content of dag_run has changed",
        ),
        ("UPDATE dag SET is_stale = NOT is_stale", "UPDATE dag SET is_stale = NOT is_stale", "the content of dag has changed"),
        (
            "UPDATE asset SET uri = CONCAT(uri, 'x') WHERE id = 1",
            "UPDATE asset SET uri = LEFT(uri, CHAR_LENGTH(uri) - 1) WHERE id = 1",
            "the content of dataset has changed",
        ),
        (
            "UPDATE xcom SET value = '\"x\"' WHERE value = CAST('{}' AS JSON)",
            "UPDATE xcom SET value = '{}' WHERE value = CAST('\"x\"' AS JSON)",
            "they have changed",
        ),
        ("RENAME TABLE job TO worked", "RENAME TABLE worked TO job", "the table job is gone"),
        (
            "ALTER TABLE dag_tag RENAME COLUMN name TO label",
            "ALTER TABLE dag_tag RENAME COLUMN label TO name",
            "The column dag_tag.name is gone",
        ),
        ("DELETE FROM task_reschedule WHERE id = 1", "SELECT 1", "task_reschedule had 12 rows and has 11"),
    ],
)
def test_any_other_loss_is_refused_by_name(statement: str, repair: str, complaint: str, spoilt: Moved) -> None:
    spoilt.after(f"SET foreign_key_checks = 0; {statement}")
    with pytest.raises(MoveError, match="Airflow's migration lost data") as refused:
        spoilt.verify()
    spoilt.after(f"SET foreign_key_checks = 0; {repair}")
    assert complaint in str(refused.value)
    assert str(refused.value).count(";") == 0
