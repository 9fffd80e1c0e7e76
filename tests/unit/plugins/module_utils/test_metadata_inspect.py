# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found in a source before anything is stopped."""

from __future__ import annotations

import contextlib
import pickle
import sqlite3
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_inspect import Inspection
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_losses import REVISION_BEFORE
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from cryptography.fernet import Fernet

SCHEMA = f"""
CREATE TABLE alembic_version (version_num VARCHAR(32));
INSERT INTO alembic_version VALUES ('{REVISION_BEFORE}');
CREATE TABLE dataset (id INTEGER PRIMARY KEY, uri VARCHAR(3000));
CREATE TABLE dag_run (id INTEGER PRIMARY KEY, dag_id VARCHAR(10), execution_date TIMESTAMP, external_trigger BOOLEAN, conf BLOB);
CREATE TABLE xcom (dag_run_id INTEGER REFERENCES dag_run (id), key VARCHAR(512), value BLOB, PRIMARY KEY (dag_run_id, key));
CREATE TABLE variable (id INTEGER PRIMARY KEY, key VARCHAR(250), val TEXT);
CREATE TABLE rendered_task_instance_fields (dag_id VARCHAR(250) PRIMARY KEY, rendered_fields JSON);
CREATE TABLE ab_user (id INTEGER PRIMARY KEY, username VARCHAR(512));
CREATE TABLE ab_register_user (id INTEGER PRIMARY KEY, username VARCHAR(512), email VARCHAR(512));
CREATE TABLE ab_permission_view (id INTEGER PRIMARY KEY, permission_id INTEGER, view_menu_id INTEGER);
INSERT INTO dag_run VALUES (1, 'a', '2024-01-01 00:00:00.000000', 1, NULL);
"""


def inspected(path: Path, line: int | None = None, engine: str = "PostgreSQL") -> dict[str, Any]:
    source = SqliteSource(str(path))
    try:
        return Inspection(source, line, engine).run()
    finally:
        source.close()


def look(folder: Path, *statements: Any, line: int | None = None) -> dict[str, Any]:
    path = folder / "airflow.db"
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    for statement in statements:
        connection.execute(*(statement if isinstance(statement, tuple) else (statement,)))
    connection.commit()
    connection.close()
    return inspected(path, line)


def test_a_sound_source_has_no_refusals(tmp_path: Path) -> None:
    result = look(tmp_path, line=3)
    assert result["refusals"] == result["notes"] == []
    assert (result["revision"], result["fab_revision"], result["rows"]) == (REVISION_BEFORE, None, 2)
    assert {"name": "dag_run", "rows": 1, "known": True} in result["tables"]


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "INSERT INTO variable VALUES (7, 'k', 'a' || char(0))",
            "variable.val holds text with a NUL character, which PostgreSQL cannot hold in the row (id=7);"
            " correct or delete it in the source before the move, or let U+FFFD stand in for such characters by"
            " airflow_move_replace_characters (true).",
        ),
        (
            "UPDATE dag_run SET id = 3000000000",
            "dag_run.id holds the number 3000000000, outside the range of 32 bits in the row (id=3000000000)",
        ),
        (
            "UPDATE dag_run SET dag_id = 'longer than ten'",
            "dag_run.dag_id holds text of 15 characters where 10 are allowed in the row (id=1)",
        ),
        (
            "UPDATE dag_run SET execution_date = 'yesterday'",
            "dag_run.execution_date holds text of 9 characters in a column of timestamps in the row (id=1)",
        ),
        (
            "UPDATE dag_run SET external_trigger = 2",
            "dag_run.external_trigger holds the number 2 in a column of booleans in the row (id=1)",
        ),
        (
            "INSERT INTO rendered_task_instance_fields VALUES ('d', '{')",
            "rendered_task_instance_fields.rendered_fields holds text that is not JSON",
        ),
        ("INSERT INTO variable VALUES (8, 'k', CAST(x'61ff62' AS TEXT))", "variable.val holds text that is not UTF-8 in the row (id=8)"),
        ("INSERT INTO xcom VALUES (99, 'k', x'01')", "xcom has rows whose row in dag_run is missing: (dag_run_id=99, key=k); delete them"),
        (
            "INSERT INTO ab_user VALUES (1, 'ÄNNE'), (2, 'änne')",
            "ab_user.username holds values that differ only in case in the rows id=1 and id=2",
        ),
        ("CREATE TABLE mine AS SELECT char(0) AS n", "mine.n holds text with a NUL character, which PostgreSQL cannot hold in the row"),
        ("CREATE TABLE mine AS SELECT 1 AS n UNION SELECT 'x'", "The column mine.n, which is not Airflow's, mixes integer and text values"),
        ("DELETE FROM alembic_version", "airflow.db has no revision in alembic_version"),
    ],
)
def test_what_stops_the_copy_is_named(statement: str, sentence: str, tmp_path: Path) -> None:
    (refusal,) = look(tmp_path, statement)["refusals"]
    assert sentence in refusal
    assert refusal.endswith(("in source.", "a copy of the source.")) or "before the move" in refusal


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "INSERT INTO xcom VALUES (1, 'k', x'')",
            "xcom.value holds an XCom of zero bytes, which aborts Airflow's migration in the row (dag_run_id=1, key=k)",
        ),
        ("INSERT INTO xcom VALUES (1, 'k', x'ff00')", "xcom.value holds an XCom that is neither a pickle nor UTF-8"),
        ("INSERT INTO xcom VALUES (1, 'k', CAST('{' AS BLOB))", "xcom.value holds text that is not JSON"),
        ("INSERT INTO xcom VALUES (1, 'k', CAST('\"\\ud800\"' AS BLOB))", "xcom.value holds a JSON document with half of a surrogate pair"),
        (("UPDATE dag_run SET conf = ?", (pickle.dumps({"a": "\ud800"}),)), "dag_run.conf holds a conf with half of a surrogate pair"),
        (
            ("INSERT INTO dataset VALUES (1, ?)", ("s3://" + "x" * 1500,)),
            "dataset.uri holds text of 1505 characters where Airflow 3 allows 1500",
        ),
        ("INSERT INTO ab_register_user VALUES (1, 'a', 'x'), (2, 'b', 'x')", "ab_register_user.email holds values that are the same"),
        ("INSERT INTO ab_permission_view VALUES (5, NULL, 1)", "ab_permission_view has rows without a permission or view"),
    ],
)
def test_what_stops_the_migration_is_named_only_when_there_is_one(statement: Any, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "three").mkdir()
    (tmp_path / "two").mkdir()
    (refusal,) = look(tmp_path / "three", statement, line=3)["refusals"]
    assert sentence in refusal
    assert look(tmp_path / "two", statement, line=2)["refusals"] == []


OLDER = f"""
DROP TABLE dag_run;
CREATE TABLE trigger (id INTEGER PRIMARY KEY, kwargs JSON);
CREATE TABLE deadline (id INTEGER PRIMARY KEY, callback_kwargs JSON);
CREATE TABLE serialized_dag (dag_id VARCHAR(250) PRIMARY KEY, data_compressed BLOB);
CREATE TABLE team (id CHAR(32) PRIMARY KEY, name VARCHAR(50));
INSERT INTO trigger VALUES (1, '{{"__type": "dict", "__var": {{}}}}'), (2, '{{"a": 1}}'), (3, '7');
INSERT INTO deadline VALUES (1, NULL), (2, '{{"a": 1}}'), (3, '"b"');
INSERT INTO serialized_dag VALUES ('good', x'{zlib.compress(b"{}").hex()}'), ('bad', x'00ff');
INSERT INTO team VALUES ('{32 * "0"}', 'blue');
"""


@pytest.mark.parametrize(
    ("revision", "sentences"),
    [
        (
            "88344c1d9134",
            [
                "trigger.kwargs holds arguments of a trigger that Airflow did not write, which abort its migration to 2.9 in the row "
                "(id=2), (id=3); correct or delete it in the source before the move."
            ],
        ),
        ("22ed7efa9da2", []),
        (
            "fe199e1abd77",
            [
                "team has rows (blue), whose numbers Airflow's migration to 3.2 takes for names; delete them in the source before the "
                "move, and make them anew after it.",
                "deadline.callback_kwargs holds arguments of a callback that are no JSON, which abort Airflow's migration to 3.1 in the "
                "row (id=3); correct or delete it in the source before the move.",
                "serialized_dag.data_compressed holds a compressed DAG that cannot be read, which aborts Airflow's migration to 3.2 in the "
                "row (dag_id=bad); correct or delete it in the source before the move.",
            ],
        ),
        ("1d6611b6ab7c", []),
    ],
)
def test_what_aborts_a_migration_within_a_line_is_named(revision: str, sentences: list[str], tmp_path: Path) -> None:
    path = tmp_path / "airflow.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA + OLDER)
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.execute("DROP TABLE xcom")
        connection.commit()
    assert inspected(path)["refusals"] == sentences


def test_what_stops_the_migration_to_3_is_named_for_older_sources(tmp_path: Path) -> None:
    older = "UPDATE alembic_version SET version_num = '405de8318b3a'"
    assert len(look(tmp_path, older, "INSERT INTO xcom VALUES (1, 'k', x'')", line=3)["refusals"]) == 1


def test_all_refusals_come_at_once_and_many_rows_are_counted(tmp_path: Path) -> None:
    rows = (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1000) INSERT INTO variable SELECT n, 'k', char(0) FROM r"
    )
    refusals = look(tmp_path, rows, "UPDATE dag_run SET external_trigger = 5")["refusals"]
    assert len(refusals) == 2
    assert "in the row (id=1), (id=2), (id=3) and 997 more;" in " ".join(refusals)


def test_values_are_not_shown(tmp_path: Path) -> None:
    result = look(tmp_path, "INSERT INTO variable VALUES (1, 'k', 'hunter2' || char(0))")
    assert "hunter2" not in repr(result)


def test_notes_tell_what_changes_without_loss(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        "INSERT INTO rendered_task_instance_fields VALUES ('d', '[NaN]')",
        ("INSERT INTO xcom VALUES (1, 'p', ?)", (pickle.dumps(1),)),
        "INSERT INTO xcom VALUES (1, 'n', CAST('[NaN, \"\\u0000\"]' AS BLOB))",
        ("UPDATE dag_run SET conf = ?", (pickle.dumps({"at": datetime(2024, 1, 1)}),)),
        "CREATE TABLE mine (n TEXT)",
        "INSERT INTO mine VALUES ('x')",
        line=3,
    )
    assert result["refusals"] == []
    notes = " ".join(result["notes"])
    assert "xcom.value holds a pickled XCom" in notes
    assert "dag_run.conf holds a conf of more than plain data" in notes
    assert "1 values of rendered_task_instance_fields.rendered_fields hold NaN" in notes
    assert "airflow_kept: mine." in notes


def test_plain_confs_need_no_note(tmp_path: Path) -> None:
    conf = pickle.dumps({"a": [1, 2.5, None, True, "x"], "b": {}})
    assert look(tmp_path, ("UPDATE dag_run SET conf = ?", (conf,)), line=3)["notes"] == []


ENCRYPTED = """
CREATE TABLE connection (id INTEGER PRIMARY KEY, conn_id VARCHAR(250), password TEXT, extra TEXT, is_encrypted BOOLEAN,
    is_extra_encrypted BOOLEAN);
ALTER TABLE variable ADD COLUMN is_encrypted BOOLEAN;
INSERT INTO connection VALUES (1, 'dwh', '{token}', '{token}', 1, 0), (2, 'plain', 'x', '{{}}', 0, 0), (3, 'none', NULL, '', 1, 1);
INSERT INTO variable VALUES (1, 'a', '{token}', 1), (2, 'b', 'open', 0), (3, 'c', '{token}', 1);
"""
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
OTHER_FERNET_KEY = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="


def with_key(folder: Path, key: str | None) -> list[str]:
    path = folder / "airflow.db"
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA + ENCRYPTED.format(token=Fernet(FERNET_KEY).encrypt(b"secret").decode()))
    connection.close()
    source = SqliteSource(str(path))
    try:
        return list(Inspection(source, 2, fernet_key=key).run()["refusals"])
    finally:
        source.close()


@pytest.mark.parametrize("key", [FERNET_KEY, f"{OTHER_FERNET_KEY},{FERNET_KEY}", f" {FERNET_KEY}", None])
def test_a_key_that_opens_everything_is_no_matter(key: str | None, tmp_path: Path) -> None:
    assert with_key(tmp_path, key) == []


@pytest.mark.parametrize("key", [OTHER_FERNET_KEY, "", "no key", "é"])
def test_a_key_that_does_not_open_the_connections_is_refused(key: str, tmp_path: Path) -> None:
    assert with_key(tmp_path, key) == [
        "The Fernet key does not open connection.password (conn_id=dwh), variable.val (key=a), (key=c): set airflow_fernet_key to the key "
        "that was in use (several are separated by commas), or write these values anew in the old installation."
    ]


def test_characters_are_replaced_where_that_is_wanted(tmp_path: Path) -> None:
    statements = (
        "INSERT INTO variable VALUES (7, 'k', 'a' || char(0)), (8, 'l', CAST(x'61ff62' AS TEXT)), (9, 'm', 'plain')",
        "UPDATE dag_run SET dag_id = 'longer than ten'",
    )
    assert len(look(tmp_path, *statements)["refusals"]) == 3
    source = SqliteSource(str(tmp_path / "airflow.db"), lenient=True)
    try:
        found = Inspection(source, 2, replaces=True).run()
    finally:
        source.close()
    (refusal,) = found["refusals"]
    assert refusal.startswith("dag_run.dag_id holds text of 15 characters") and refusal.endswith("in the source before the move.")
    assert found["notes"] == ["2 values of variable.val have characters that PostgreSQL cannot hold; U+FFFD stands in for each of these."]


def test_a_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    look(tmp_path, "INSERT INTO variable SELECT 1, 'k', hex(zeroblob(20000))")
    path = tmp_path / "airflow.db"
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 12] = b"\xff" * (4096 * 9)
    path.write_bytes(data)
    with pytest.raises(MoveError, match="cannot be read to its end"):
        inspected(path)
