# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy from SQLite into a real MySQL server: content, catalogue, counters, what is changed on purpose, refusals."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_inspect import Inspection
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_mysql_target import MysqlTarget
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_tables import JSONB_COLUMNS, MYSQL_SIZES, TABLES_2, TABLES_3
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from metadata_mysql_compare import column_types, source_rows, target_rows
from metadata_mysql_server import MysqlServer, catalogue
from metadata_server import Made

LINES = (2, 3)
LONG = 20_000_000
LOCK_WAIT = 1205


@pytest.fixture(scope="module")
def copied(mysql: MysqlServer, made_in_mysql: Made, sources_for_mysql: dict[int, Path]) -> dict[int, str]:
    """Per line a database with a finished copy; no test changes it."""
    result = {}
    for line, path in sources_for_mysql.items():
        result[line] = mysql.create(made_in_mysql.templates[line])
        mysql.copy(path, result[line])
    return result


@pytest.fixture
def change(sources_for_mysql: dict[int, Path], tmp_path: Path) -> Callable[..., Path]:
    """A function that makes a copy of a source with changes that foreign keys do not hinder."""

    def changed(line: int, *statements: str | tuple[str, tuple[Any, ...]]) -> Path:
        path = tmp_path / "changed.db"
        shutil.copy(sources_for_mysql[line], path)
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(*((statement,) if isinstance(statement, str) else statement))
        connection.close()
        return path

    return changed


def inspect(path: Path, target: MysqlTarget | None = None) -> dict[str, Any]:
    with contextlib.closing(SqliteSource(str(path))) as source:
        return Inspection(source, None, "MySQL", target).run()


@pytest.mark.parametrize("line", LINES)
def test_every_value_of_every_table_is_the_same(
    line: int, mysql: MysqlServer, sources_for_mysql: dict[int, Path], copied: dict[int, str]
) -> None:
    types = {table: columns for table, columns in column_types(mysql, copied[line]).items() if not table.startswith("airflow_kept__")}
    filled = 0
    for table, columns in types.items():
        wanted = source_rows(sources_for_mysql[line], table, columns)
        filled += bool(wanted)
        assert target_rows(mysql, copied[line], table, columns) == wanted, table
    assert filled == len(types)


@pytest.mark.parametrize("line", LINES)
def test_the_catalogue_is_that_of_a_fresh_migrate(line: int, mysql: MysqlServer, made_in_mysql: Made, copied: dict[int, str]) -> None:
    found = catalogue(mysql, copied[line])
    assert found.pop("airflow_kept__updraft_move")
    assert found == catalogue(mysql, made_in_mysql.templates[line])


@pytest.mark.parametrize("line", LINES)
def test_numbers_go_on_behind_the_rows(line: int, mysql: MysqlServer, copied: dict[int, str]) -> None:
    query = "SET information_schema_stats_expiry = 0; SELECT table_name, auto_increment FROM information_schema.tables"
    following = mysql.query(f"{query} WHERE table_schema = '{copied[line]}' AND auto_increment IS NOT NULL")
    assert len(following) >= 24
    for table, number in following:
        ((highest,),) = mysql.query(f'SELECT max(id) FROM "{table}"', copied[line])
        assert number == highest + 1, table


def test_numbers_sqlite_has_given_out_are_not_given_again(mysql: MysqlServer, made_in_mysql: Made, change: Callable[..., Path]) -> None:
    source = change(2, "UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'dataset_event'")
    database = mysql.create(made_in_mysql.templates[2])
    sequences = {sequence["name"]: sequence["last"] for sequence in mysql.copy(source, database)["sequences"]}
    assert sequences["dataset_event.id"] == 5000
    given = "(dataset_id, extra, source_map_index, timestamp) VALUES (1, '{}', -1, now())"
    mysql.query(f"SET foreign_key_checks = 0; INSERT INTO dataset_event {given}", database)
    assert mysql.query("SELECT max(id) FROM dataset_event", database) == [(5001,)]


def test_an_empty_source_is_copied(mysql: MysqlServer, made_in_mysql: Made) -> None:
    database = mysql.create(made_in_mysql.templates[2])
    result = mysql.copy(made_in_mysql.files[2], database)
    assert {table["name"]: table["rows"] for table in result["tables"]}["dag_run"] == 0
    assert mysql.query("SELECT count(*) FROM dag_run", database) == [(0,)]


def test_the_copy_tells_counts_digests_and_speed(mysql: MysqlServer, made_in_mysql: Made, sources_for_mysql: dict[int, Path]) -> None:
    first = mysql.copy(sources_for_mysql[3], mysql.create(made_in_mysql.templates[3]))
    second = mysql.copy(sources_for_mysql[3], mysql.create(made_in_mysql.templates[3]))
    assert (first["tables"], first["fingerprint"]) == (second["tables"], second["fingerprint"])
    assert {table["name"] for table in first["tables"]} == TABLES_3 - {"_xcom_archive", "sla_miss"}
    assert first["rows"] == sum(table["rows"] for table in first["tables"]) > 4000
    assert set(first["seconds"]) == {"prepare", "load", "indexes", "verify", "commit", "analyze"}


def test_what_is_known_of_mysqls_columns_without_a_server_is_right(mysql: MysqlServer, made_in_mysql: Made) -> None:
    types = {line: column_types(mysql, made_in_mysql.templates[line]) for line in LINES}
    assert set(types[2]) == TABLES_2
    assert set(types[3]) | set(column_types(mysql, made_in_mysql.migrated)) == TABLES_3
    sizes = {"mediumtext": 16_777_215, "longblob": None, "longtext": None, "mediumblob": 16_777_215}
    every = [(table, name, kind) for line in LINES for table, columns in types[line].items() for name, kind in columns.items()]
    found = {(table, name): sizes[kind] for table, name, kind in every if kind in sizes}
    assert found == MYSQL_SIZES
    assert {kind for _table, _name, kind in every if kind.startswith(("timestamp", "datetime"))} == {"timestamp(6)", "datetime"}
    assert {kind for _table, _name, kind in every if kind.startswith(("float", "double"))} == {"float"}
    assert all(types[3][table][name] == "json" for table, name in JSONB_COLUMNS)


def test_a_table_that_is_not_airflows_is_kept(mysql: MysqlServer, made_in_mysql: Made, change: Callable[..., Path]) -> None:
    long = "a table with a name that is longer than what MySQL allows for it, far longer"
    source = change(
        2,
        'CREATE TABLE "My table" (n INTEGER, r REAL, t VARCHAR(3), b BLOB, empty DATETIME)',
        "INSERT INTO \"My table\" VALUES (9007199254740993, 0.1, 'longer than three \t', x'00ff', NULL), (NULL, 2, '', x'', NULL)",
        f'CREATE TABLE "{long}" (n INTEGER)',
    )
    database = mysql.create(made_in_mysql.templates[2])
    result = mysql.copy(source, database)
    assert [(table["name"], table["rows"], table["schema"]) for table in result["kept"]] == [
        ("My table", 2, "airflow_kept"),
        (long, 0, "airflow_kept"),
    ]
    assert mysql.query('SELECT n, r, t, b, "empty" FROM "airflow_kept__My table" ORDER BY r', database) == [
        (9007199254740993, 0.1, "longer than three \t", b"\x00\xff", None),
        (None, 2.0, "", b"", None),
    ]
    assert any("My table" in note for note in result["notes"])


RUN = {"id": 1, "dag_id": "a", "run_id": "a", "run_type": "manual", "execution_date": "2024-03-31 01:30:00.000000"}
TASK = {"dag_id": "a", "task_id": "a", "run_id": "a", "map_index": 1}
XCOM = {**TASK, "dag_run_id": 1, "timestamp": "2024-10-27 01:30:00.000000"}
AWKWARD: list[tuple[str, dict[str, Any]]] = [
    ("dag_run", RUN),
    ("task_instance", {**TASK, "pool": "p", "pool_slots": 1}),
    ("variable", {"key": "a", "val": "emoji 🛠️ and a NUL \0, a tab\t, \\N, 'quoted', blanks at the end  "}),
    ("variable", {"key": "b", "val": "\f\v\b\r\n\x1a\x7f\\"}),
    ("variable", {"key": "c", "val": "x" * 16_777_215}),
    ("variable", {"key": "d", "val": ""}),
    ("xcom", {**XCOM, "key": "a", "value": b""}),
    ("xcom", {**XCOM, "key": "b", "value": bytes(range(256)) * 2}),
    ("xcom", {**XCOM, "key": "c", "value": b"'\\" * (LONG // 2)}),
    ("xcom", {**XCOM, "key": "d", "timestamp": "1970-01-01 00:00:01.000001"}),
    ("xcom", {**XCOM, "key": "e", "timestamp": "2038-01-19 03:14:07.499999"}),
    ("log", {"id": 2**31 - 1, "map_index": -(2**31)}),
]


def test_awkward_values_come_out_as_they_went_in(mysql: MysqlServer, made_in_mysql: Made, tmp_path: Path) -> None:
    path = tmp_path / "small.db"
    shutil.copy(made_in_mysql.files[2], path)
    with sqlite3.connect(path) as connection:
        for table, row in AWKWARD:
            names = ", ".join(f'"{name}"' for name in row)
            connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(row))})', tuple(row.values()))
    connection.close()
    database = mysql.create(made_in_mysql.templates[2])
    mysql.copy(path, database)
    types = column_types(mysql, database)
    for table in dict(AWKWARD):
        assert target_rows(mysql, database, table, types[table]) == source_rows(path, table, types[table])


def test_keys_that_differ_in_case_or_blanks_stay_two(mysql: MysqlServer, made_in_mysql: Made, change: Callable[..., Path]) -> None:
    keys = [("Key",), ("key",), ("key ",), ("kéy",)]
    source = change(2, *(("INSERT INTO variable (key, val) VALUES (?, 'x')", key) for key in keys))
    database = mysql.create(made_in_mysql.templates[2])
    mysql.copy(source, database)
    assert sorted(mysql.query("SELECT \"key\" FROM variable WHERE val = 'x'", database)) == sorted(keys)


def test_rows_that_a_collation_takes_for_one_are_named(mysql: MysqlServer, made_in_mysql: Made, change: Callable[..., Path]) -> None:
    source = change(
        2,
        "INSERT INTO slot_pool (id, pool, slots, include_deferred) VALUES (901, 'Büro', 1, 0)",
        "UPDATE slot_pool SET pool = 'buro' WHERE id = 4",
    )
    database = mysql.create(collation="utf8mb4_unicode_ci")
    made = mysql.definitions(made_in_mysql.templates[2]).values()
    statements = "; ".join(text.replace("utf8mb4_0900_bin", "utf8mb4_unicode_ci") for text in made)
    mysql.query(f"SET foreign_key_checks = 0; {statements}", database)
    mysql.query(f"INSERT INTO alembic_version SELECT * FROM {made_in_mysql.templates[2]}.alembic_version", database)
    with pytest.raises(MoveError) as refused:
        mysql.copy(source, database)
    assert str(refused.value).startswith("The copy was undone: the table slot_pool has rows whose pool the collation in")
    assert "(id=4) and (id=901); rename one of them" in str(refused.value)


def test_not_a_number_becomes_null_and_is_told(mysql: MysqlServer, made_in_mysql: Made, change: Callable[..., Path]) -> None:
    source = change(2, """UPDATE rendered_task_instance_fields SET rendered_fields = '{"a": [NaN, "NaN"], "b": -Infinity}'""")
    database = mysql.create(made_in_mysql.templates[2])
    result = mysql.copy(source, database)
    found = mysql.query("SELECT DISTINCT CAST(rendered_fields AS CHAR) FROM rendered_task_instance_fields", database)
    assert [json.loads(text) for (text,) in found] == [{"a": [None, "NaN"], "b": None}]
    assert any("NaN" in note and "rendered_task_instance_fields.rendered_fields" in note for note in result["notes"])


def test_what_mysql_holds_with_fewer_digits_is_told(mysql: MysqlServer, made_in_mysql: Made, change: Callable[..., Path]) -> None:
    source = change(
        2,
        "UPDATE task_instance SET duration = CASE WHEN rowid = 1 THEN 1234567.891 ELSE 12.2 END, trigger_timeout = NULL",
        "UPDATE ab_user SET last_login = '2024-01-01 12:00:00.900000' WHERE id = 1",
        "UPDATE ab_user SET last_login = NULL WHERE id <> 1",
    )
    database = mysql.create(made_in_mysql.templates[2])
    notes = mysql.copy(source, database)["notes"]
    assert [note for note in notes if "task_instance.duration" in note or "last_login" in note] == [
        "1 values of ab_user.last_login have a fraction of a second, which MySQL's column does not hold; it is cut off.",
        "1 values of task_instance.duration have more than the seven digits that MySQL's FLOAT holds; they are rounded.",
    ]
    assert set(notes) <= set(inspect(source)["notes"])
    assert mysql.query("SELECT CAST(last_login AS CHAR) FROM ab_user WHERE last_login IS NOT NULL", database) == [("2024-01-01 12:00:00",)]


REFUSED = [
    ("variable.val", "replace(hex(zeroblob(9000000)), '0', 'x')", "text of 18000000 bytes where MySQL allows 16777215"),
    ("connection.extra", "hex(zeroblob(40000))", "text of 80000 bytes where MySQL allows 65535"),
    ("dag_run.conf", "zeroblob(70000)", "binary data of 70000 bytes where MySQL allows 65535"),
    ("log.dttm", "'1969-12-31 23:59:59.000000'", "a timestamp of the year 1969, outside the range of MySQL's column"),
    ("job.end_date", "'2038-01-20 00:00:00.000000'", "a timestamp of the year 2038, outside the range of MySQL's column"),
    ("callback_request.callback_data", "'[1180591620717411303425]'", "a JSON number with more digits than MySQL keeps"),
    ("dataset_event.extra", "'[1e400]'", "a JSON number too large for MySQL"),
    ("dataset.extra", "'\"\\udc00\"'", "a JSON document with half of a surrogate pair"),
]


def test_what_mysql_cannot_hold_is_named(mysql: MysqlServer, made_in_mysql: Made, change: Callable[..., Path]) -> None:
    statements = []
    for column, value, _what in REFUSED:
        table, _dot, name = column.partition(".")
        statements.append(f"UPDATE {table} SET {name} = {value} WHERE id = (SELECT min(id) FROM {table})")
    deep = "[" * 101 + "]" * 101
    source = change(2, *statements, f"UPDATE serialized_dag SET data = '{deep}' WHERE rowid = 1")
    refusals = inspect(source)["refusals"]
    for column, _value, what in REFUSED:
        (refusal,) = (refusal for refusal in refusals if refusal.startswith(f"{column} holds {what}"))
        assert re.search(
            r" in the row \(id=\d+\); correct or delete it in the source before the move(, or let U\+FFFD stand in .*)?\.$", refusal
        )
    assert any(refusal.startswith("serialized_dag.data holds a JSON document nested more than 100 levels deep") for refusal in refusals)
    assert len(refusals) == len(REFUSED) + 1
    database = mysql.create(made_in_mysql.templates[2])
    with pytest.raises(MoveError, match=r"The table callback_request holds a JSON number .*; run the phase inspect, which names the row"):
        mysql.copy(source, database)
    with mysql.target(database) as target:
        assert TargetState(target).name == "fresh"


def test_a_target_tells_what_its_own_columns_cannot_hold(mysql: MysqlServer, made_in_mysql: Made, change: Callable[..., Path]) -> None:
    source = change(2, "UPDATE dataset SET uri = 's3://Ж' WHERE id = 1", "UPDATE dag_tag SET name = 'rocket 🚀' WHERE rowid = 1")
    assert inspect(source)["refusals"] == []
    with mysql.target(mysql.create(made_in_mysql.templates[2])) as target:
        (refusal,) = inspect(source, target)["refusals"]
    assert refusal.startswith("dataset.uri holds text with a character that MySQL's character set latin1 does not have in the row (id=1)")


def test_an_orphan_undoes_the_copy(mysql: MysqlServer, made_in_mysql: Made, change: Callable[..., Path]) -> None:
    source = change(2, "DELETE FROM log_template")
    database = mysql.create(made_in_mysql.templates[2])
    with pytest.raises(MoveError, match=r"dag_run has \d+ rows whose row in log_template is missing \(constraint task_instance_log"):
        mysql.copy(source, database)
    assert catalogue(mysql, database) == catalogue(mysql, made_in_mysql.templates[2])
    assert mysql.query("SELECT count(*) FROM task_instance", database) == [(0,)]
    with mysql.target(database) as target:
        assert TargetState(target).name == "fresh"


def test_a_server_that_changes_values_is_noticed(mysql: MysqlServer, made_in_mysql: Made, sources_for_mysql: dict[int, Path]) -> None:
    database = mysql.create(made_in_mysql.templates[2])
    mysql.query("CREATE TRIGGER spoil BEFORE INSERT ON variable FOR EACH ROW SET NEW.val = CONCAT(NEW.val, 'x')", database)
    with pytest.raises(MoveError, match="content of the table variable differs"):
        mysql.copy(sources_for_mysql[2], database)


def test_nobody_else_can_write_meanwhile(
    mysql: MysqlServer, made_in_mysql: Made, sources_for_mysql: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = mysql.create(made_in_mysql.templates[2])
    refused: list[Any] = []

    def write() -> bool:
        with pytest.raises(pymysql.OperationalError) as waited:
            mysql.query("SET innodb_lock_wait_timeout = 1; INSERT INTO job (job_type) VALUES ('mine')", database)
        refused.append(waited.value.args[0])
        return True

    finish, copied = MysqlTarget.finish, Marker.copied
    monkeypatch.setattr(MysqlTarget, "finish", lambda self, tables: write() and finish(self, tables))
    monkeypatch.setattr(Marker, "copied", lambda self, *given: write() and copied(self, *given))
    mysql.copy(sources_for_mysql[2], database)
    assert refused == [LOCK_WAIT, LOCK_WAIT]


def test_a_row_longer_than_a_packet_is_told(mysql: MysqlServer, made_in_mysql: Made, change: Callable[..., Path]) -> None:
    source = change(2, "UPDATE xcom SET value = zeroblob(3000000) WHERE rowid = 1")
    database = mysql.create(made_in_mysql.templates[2])
    mysql.query("SET GLOBAL max_allowed_packet = 2097152")
    try:
        with pytest.raises(MoveError, match=r"A row of the table xcom takes 3\d+ bytes, .* no more than 2097152 at once"):
            mysql.copy(source, database)
    finally:
        mysql.query("SET GLOBAL max_allowed_packet = 67108864")


def test_two_copies_at_once_are_refused(mysql: MysqlServer, made_in_mysql: Made, sources_for_mysql: dict[int, Path]) -> None:
    database = mysql.create(made_in_mysql.templates[2])
    with mysql.target(database) as other:
        other.lock()
        with pytest.raises(MoveError, match="Another run of the move"):
            mysql.copy(sources_for_mysql[2], database)


def test_the_source_is_not_touched(mysql: MysqlServer, made_in_mysql: Made, sources_for_mysql: dict[int, Path]) -> None:
    def look(path: Path) -> tuple[bytes, int, list[str]]:
        return path.read_bytes(), path.stat().st_mtime_ns, sorted(entry.name for entry in path.parent.iterdir())

    before = look(sources_for_mysql[2])
    mysql.copy(sources_for_mysql[2], mysql.create(made_in_mysql.templates[2]))
    assert look(sources_for_mysql[2]) == before
