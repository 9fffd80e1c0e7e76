# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy of a 2.11 installation, brought to 3.x by Airflow itself, with every loss accounted for."""

from __future__ import annotations

import json
import pickle
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_runs import count_unfinished, resume
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_upgrade import Upgrade
from metadata_server import Airflow, Made, Server, catalogue, url

KEYS = "dag_id, task_id, run_id, map_index"


class Moved:
    """A source of 2.11 with what is special about an upgrade, and the database it became."""

    def __init__(self, server: Server, source: Path, database: str) -> None:
        self.server = server
        self.source = source
        self.database = database
        self.kept: dict[str, Any] = {}

    def before(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the source."""
        with sqlite3.connect(self.source) as connection:
            rows = connection.execute(sql).fetchall()
        connection.close()
        return rows

    def after(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        rows: list[tuple[Any, ...]] = self.server.query(sql, self.database)
        return rows


@pytest.fixture(scope="module")
def moved(
    server: Server, made: Made, airflows: dict[int, Airflow], sources: dict[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> Moved:
    """Copied, kept and migrated."""
    source = tmp_path_factory.mktemp("upgrade") / "airflow.db"
    shutil.copy(sources[2], source)
    with sqlite3.connect(source) as connection:
        connection.execute("UPDATE dag_run SET conf = ? WHERE id = 1", (pickle.dumps({"when": datetime(2024, 1, 1)}),))
        connection.execute("UPDATE dag_run SET conf = ? WHERE id = 3", (pickle.dumps({"nan": float("nan"), "text": "a\0b"}),))
        connection.execute("UPDATE dag SET is_active = NULL, is_paused = NULL WHERE rowid = 1")
        connection.execute("UPDATE dataset SET is_orphaned = 1 WHERE id = 1")
    connection.close()
    result = Moved(server, source, server.create(made.templates[2]))
    server.copy(source, result.database)
    with server.target(result.database) as target:
        result.kept = Upgrade(target).keep()
        assert Upgrade(target).keep()["tables"] == result.kept["tables"]
        with pytest.raises(MoveError, match="is still at revision 5f2621c13b39"):
            Upgrade(target).verify()
    airflows[3].migrate(url(server, result.database))
    return result


@pytest.fixture(scope="module")
def verified(moved: Moved) -> dict[str, Any]:
    """The result of the comparison."""
    with moved.server.target(moved.database) as target:
        return Upgrade(target).verify()


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
    with moved.server.target(moved.database) as target:
        again = Upgrade(target).verify()
        assert TargetState(target).as_dict()["move"]["phase"] == "verified"
    assert again == {**verified, "changed": False}


def test_the_catalogue_is_that_of_the_same_steps_without_data(moved: Moved, verified: dict[str, Any], made: Made) -> None:
    assert catalogue(moved.server, moved.database) == catalogue(moved.server, made.migrated)


def test_tasks_of_unfinished_runs_get_the_version_of_their_dag(moved: Moved, verified: dict[str, Any]) -> None:
    database = moved.server.create(moved.database)
    joined = "task_instance t JOIN dag_run r ON r.dag_id = t.dag_id AND r.run_id = t.run_id"
    found = [row[0] for row in moved.server.query(f"SELECT DISTINCT r.id FROM {joined} ORDER BY 1 LIMIT 4", database)]
    without_state, queued, done, of_an_ended_run = found
    changes = f"""
        SET session_replication_role = replica; -- not every made-up run has its DAG
        UPDATE dag_run SET state = CASE WHEN id IN ({without_state}, {queued}, {done}) THEN 'running' ELSE 'success' END;
        UPDATE task_instance t SET state = CASE r.id WHEN {queued} THEN 'queued' WHEN {done} THEN 'success' END
            FROM dag_run r WHERE r.dag_id = t.dag_id AND r.run_id = t.run_id;
        INSERT INTO dag_version (id, version_number, dag_id, created_at, last_updated)
            SELECT gen_random_uuid(), number, dag_id, now(), now()
            FROM (SELECT DISTINCT dag_id FROM dag_run WHERE id <> {queued}) d CROSS JOIN generate_series(1, 2) number;
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


def test_runs_and_task_instances_are_all_there(moved: Moved, verified: dict[str, Any]) -> None:
    runs = "SELECT id, dag_id, run_id, state FROM dag_run ORDER BY id"
    assert moved.after(runs) == moved.before(runs)
    instances = f"SELECT {KEYS}, state, operator, duration, pid FROM task_instance"
    assert sorted(moved.after(instances), key=repr) == sorted(moved.before(instances), key=repr)
    history = f"SELECT {KEYS}, try_number, hostname FROM task_instance_history"
    assert sorted(moved.after(history), key=repr) == sorted(moved.before(history), key=repr)
    moments = moved.after("SELECT id, to_char(logical_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') FROM dag_run ORDER BY id")
    assert moments == moved.before("SELECT id, execution_date FROM dag_run ORDER BY id")


def test_a_deferred_tasks_timeout_is_still_in_utc(moved: Moved, verified: dict[str, Any]) -> None:
    text = "to_char(trigger_timeout AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    after = moved.after(f"SELECT {KEYS}, {text} FROM task_instance WHERE trigger_timeout IS NOT NULL")
    before = moved.before(f"SELECT {KEYS}, trigger_timeout FROM task_instance WHERE trigger_timeout IS NOT NULL")
    assert sorted(after) == sorted(before)


def test_xcoms_are_the_same_documents_or_archived(moved: Moved, verified: dict[str, Any]) -> None:
    key = "dag_run_id, task_id, map_index, key"
    plain, pickled = {}, {}
    for *names, value in moved.before(f"SELECT {key}, value FROM xcom"):
        if value is None or value[:1] != b"\x80":
            text = None if value is None else value.decode().replace('"a\\u0000b"', '"ab"')
            plain[tuple(names)] = None if text is None else json.loads(text, parse_constant=lambda _: None)
        else:
            pickled[tuple(names)] = value
    after = {
        tuple(names): None if value is None else json.loads(value) for *names, value in moved.after(f"SELECT {key}, value::text FROM xcom")
    }
    assert after == plain
    archived = {tuple(names): bytes(value) for *names, value in moved.after(f"SELECT {key}, value FROM _xcom_archive")}
    assert archived == pickled
    assert len(pickled) > 100


def test_secrets_and_users_are_the_same(moved: Moved, verified: dict[str, Any]) -> None:
    for query in (
        "SELECT id, conn_id, login, password, extra, port FROM connection ORDER BY id",
        "SELECT id, key, coalesce(val, '') FROM variable WHERE key <> '__airflow_var_fix_888b59e02a5b_' || id ORDER BY id",
        "SELECT id, username, password, email FROM ab_user ORDER BY id",
        "SELECT id, user_id, role_id FROM ab_user_role ORDER BY id",
        "SELECT id, pool, description FROM slot_pool ORDER BY id",
    ):
        assert moved.after(query) == moved.before(query)


def test_a_conf_that_is_no_json_is_kept_aside(moved: Moved, verified: dict[str, Any]) -> None:
    assert moved.after("SELECT conf FROM dag_run WHERE id = 1") == [(None,)]
    ((number, conf),) = moved.after("SELECT id, conf FROM airflow_kept.dag_run_conf")
    assert (number, pickle.loads(bytes(conf))) == (1, {"when": datetime(2024, 1, 1)})
    assert moved.after("SELECT conf FROM dag_run WHERE id = 3") == [({"nan": "NaN", "text": "ab"},)]


def test_what_is_dropped_is_kept_aside(moved: Moved, verified: dict[str, Any]) -> None:
    query = "SELECT id, dag_id, task_id, run_id, duration FROM {}task_fail ORDER BY id"
    assert moved.after(query.format("airflow_kept.")) == moved.before(query.format(""))
    kept = moved.after("SELECT pickle FROM airflow_kept.dag_pickle ORDER BY id")
    assert [None if row[0] is None else bytes(row[0]) for row in kept] == [
        row[0] for row in moved.before("SELECT pickle FROM dag_pickle ORDER BY id")
    ]


@pytest.fixture
def spoiled(moved: Moved, verified: dict[str, Any]) -> Iterator[Moved]:
    """A copy of the migrated database that a test may spoil."""
    copy = Moved(moved.server, moved.source, moved.server.create(moved.database))
    yield copy
    moved.server.query(f"DROP DATABASE {copy.database} WITH (FORCE)")


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("DELETE FROM task_reschedule WHERE id = 1", "task_reschedule had 12 rows and has 11"),
        ("UPDATE task_instance SET hostname = 'x' WHERE hostname IS NULL", "the content of task_instance has changed"),
        ("UPDATE connection SET password = 'x' WHERE id = 1", "the content of connection has changed"),
        ("UPDATE dag_run SET logical_date = logical_date + interval '1 microsecond' WHERE id = 1", "the content of dag_run has changed"),
        ("UPDATE dag SET is_stale = NOT is_stale WHERE is_stale", "the content of dag has changed"),
        ("UPDATE asset SET uri = uri || 'x' WHERE id = 1", "the content of dataset has changed"),
        ("DELETE FROM log WHERE id = 1; INSERT INTO log (event) VALUES ('new')", "the content of log has changed"),
        ("""UPDATE xcom SET value = '"x"' WHERE value = '{}'""", "they have changed"),
        ("DELETE FROM _xcom_archive", "pickled XComs 0 are in _xcom_archive"),
        ("DROP TABLE job", "the table job is gone"),
        ("ALTER TABLE dag_tag RENAME name TO label", "The column dag_tag.name is gone"),
    ],
)
def test_any_other_loss_is_refused_by_name(statement: str, complaint: str, spoiled: Moved) -> None:
    spoiled.after(statement)
    with spoiled.server.target(spoiled.database) as target, pytest.raises(MoveError, match="Airflow's migration lost data") as refused:
        Upgrade(target).verify()
    assert complaint in str(refused.value)
    assert str(refused.value).count(";") == 0


def test_rows_airflow_adds_are_no_loss(spoiled: Moved) -> None:
    spoiled.after("INSERT INTO log (event) VALUES ('cli_migratedb'); INSERT INTO ab_permission (id, name) VALUES (100000, 'new')")
    with spoiled.server.target(spoiled.database) as target:
        assert Upgrade(target).verify()["changed"] is False


def test_keep_needs_a_copy_of_the_right_revision(server: Server, made: Made, copied: dict[int, str]) -> None:
    with server.target(server.create(made.templates[2])) as target, pytest.raises(MoveError, match="There is no move"):
        Upgrade(target).keep()
    with server.target(copied[3]) as target, pytest.raises(MoveError, match="belongs between the copy and the migration"):
        Upgrade(target).keep()
    with server.target(copied[2]) as target, pytest.raises(MoveError, match="came to copied"):
        Upgrade(target).verify()
