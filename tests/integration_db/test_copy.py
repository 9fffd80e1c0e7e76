# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy on a real server: content, catalogue, sequences, refusals, and kills."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_tables import JSONB_COLUMNS, TABLES_2, TABLES_3
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from metadata_compare import column_types, source_rows, target_rows
from metadata_server import PASSWORD, SOURCE_NAME, USER, Made, Server, catalogue

LINES = (2, 3)
CHECKOUT = Path(__file__).resolve().parents[2]


def changed_source(source: Path, folder: Path, *statements: str) -> Path:
    """A copy of a source with changes that foreign keys do not hinder."""
    path = folder / "changed.db"
    shutil.copy(source, path)
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


@pytest.mark.parametrize("line", LINES)
def test_every_value_of_every_table_is_the_same(line: int, server: Server, sources: dict[int, Path], copied: dict[int, str]) -> None:
    types = column_types(server, copied[line])
    filled = 0
    for table, columns in types.items():
        wanted = source_rows(sources[line], table, columns)
        filled += bool(wanted)
        assert target_rows(server, copied[line], table, columns) == wanted, table
    assert filled == len(types)


@pytest.mark.parametrize("line", LINES)
def test_the_catalogue_is_that_of_a_fresh_migrate(line: int, server: Server, made: Made, copied: dict[int, str]) -> None:
    assert catalogue(server, copied[line]) == catalogue(server, made.templates[line])


@pytest.mark.parametrize("line", LINES)
def test_sequences_go_on_behind_the_rows(line: int, server: Server, sources: dict[int, Path], copied: dict[int, str]) -> None:
    sequences = [row[0] for row in server.query("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'", copied[line])]
    assert len(sequences) >= 26
    for sequence in sequences:
        table = sequence.removesuffix("_id_seq")
        highest, following = server.query(f"SELECT (SELECT max(id) FROM public.{table}), nextval('public.{sequence}')", copied[line])[0]
        assert following == highest + 1, sequence


def test_numbers_sqlite_has_given_out_are_not_given_again(server: Server, made: Made, sources: dict[int, Path], tmp_path: Path) -> None:
    source = changed_source(sources[2], tmp_path, "UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'dataset_event'")
    database = server.create(made.templates[2])
    server.copy(source, database)
    assert server.query("SELECT nextval('dataset_event_id_seq')", database) == [(5001,)]


def test_an_empty_table_starts_at_one(server: Server, made: Made) -> None:
    database = server.create(made.templates[2])
    result = server.copy(made.files[2], database)
    assert {table["name"]: table["rows"] for table in result["tables"]}["dag_run"] == 0
    assert server.query("SELECT nextval('dag_run_id_seq')", database) == [(1,)]


def test_the_copy_tells_counts_digests_and_speed(server: Server, made: Made, sources: dict[int, Path]) -> None:
    first = server.copy(sources[3], server.create(made.templates[3]))
    second = server.copy(sources[3], server.create(made.templates[3]))
    assert first["tables"] == second["tables"]
    assert first["fingerprint"] == second["fingerprint"]
    assert {table["name"] for table in first["tables"]} == TABLES_3 - {"_xcom_archive", "sla_miss"}
    assert first["rows"] == sum(table["rows"] for table in first["tables"]) > 4000
    assert first["rows_per_second"] > 0
    assert set(first["seconds"]) == {"prepare", "load", "indexes", "verify", "commit", "analyze"}


def test_the_names_of_airflows_tables_are_right(server: Server, made: Made) -> None:
    types = {line: column_types(server, made.templates[line]) for line in LINES}
    migrated = column_types(server, made.migrated)
    assert set(types[2]) == TABLES_2
    assert set(types[3]) | set(migrated) == TABLES_3
    documents = {(table, name) for table, columns in types[3].items() for name, kind in columns.items() if kind == "jsonb"}
    assert documents == JSONB_COLUMNS


def test_a_table_that_is_not_airflows_is_kept(server: Server, made: Made, sources: dict[int, Path], tmp_path: Path) -> None:
    source = changed_source(
        sources[2],
        tmp_path,
        'CREATE TABLE "My table" (n INTEGER, r REAL, t VARCHAR(3), b BLOB, empty DATETIME)',
        "INSERT INTO \"My table\" VALUES (9007199254740993, 0.1, 'longer than three \t', x'00ff', NULL), (NULL, 2, '', x'', NULL)",
    )
    database = server.create(made.templates[2])
    result = server.copy(source, database)
    assert [(table["name"], table["rows"], table["schema"]) for table in result["kept"]] == [("My table", 2, "airflow_kept")]
    rows = server.query('SELECT n, r, t, b, empty FROM airflow_kept."My table" ORDER BY r', database)
    assert [(n, r, t, bytes(b), empty) for n, r, t, b, empty in rows] == [
        (9007199254740993, 0.1, "longer than three \t", b"\x00\xff", None),
        (None, 2.0, "", b"", None),
    ]
    assert any("My table" in note for note in result["notes"])


def test_not_a_number_becomes_null_and_is_told(server: Server, made: Made, sources: dict[int, Path], tmp_path: Path) -> None:
    source = changed_source(
        sources[2], tmp_path, """UPDATE rendered_task_instance_fields SET rendered_fields = '{"a": [NaN, "NaN"], "b": -Infinity}'"""
    )
    database = server.create(made.templates[2])
    result = server.copy(source, database)
    assert server.query("SELECT DISTINCT rendered_fields::text FROM rendered_task_instance_fields", database) == [
        ('{"a": [null, "NaN"], "b": null}',)
    ]
    assert any("NaN" in note and "rendered_task_instance_fields.rendered_fields" in note for note in result["notes"])


def test_an_orphan_undoes_the_copy(server: Server, made: Made, sources: dict[int, Path], tmp_path: Path) -> None:
    source = changed_source(sources[2], tmp_path, "DELETE FROM log_template")
    database = server.create(made.templates[2])
    before = catalogue(server, database)
    with pytest.raises(MoveError, match="constraint task_instance_log_template_id_fkey"):
        server.copy(source, database)
    assert catalogue(server, database) == before
    assert server.query("SELECT count(*) FROM task_instance", database) == [(0,)]
    with server.target(database) as target:
        assert TargetState(target).name == "fresh"


def test_a_value_the_server_cannot_hold_undoes_the_copy(server: Server, made: Made, sources: dict[int, Path], tmp_path: Path) -> None:
    source = changed_source(sources[2], tmp_path, "UPDATE variable SET val = 'a' || char(0) || 'secret' WHERE id = 1")
    database = server.create(made.templates[2])
    with pytest.raises(MoveError, match="The table variable holds text with a NUL character") as refused:
        server.copy(source, database)
    assert "secret" not in str(refused.value)
    assert server.query("SELECT count(*) FROM ab_user", database) == [(0,)]


def test_characters_are_replaced_where_that_is_wanted(server: Server, made: Made, sources: dict[int, Path], tmp_path: Path) -> None:
    source = changed_source(
        sources[2],
        tmp_path,
        "UPDATE variable SET val = 'a' || char(0) || 'b' WHERE id = (SELECT min(id) FROM variable)",
        "UPDATE variable SET val = CAST(x'61ff62' AS TEXT) WHERE id = (SELECT max(id) FROM variable)",
        "UPDATE dag SET timetable_description = char(0)",
    )
    with sqlite3.connect(source) as connection:
        (dags,) = connection.execute("SELECT count(*) FROM dag").fetchone()
    connection.close()
    database = server.create(made.templates[2])
    result = server.copy(source, database, replaces=True)
    assert server.query("SELECT count(*) FROM variable WHERE val = 'a\ufffdb'", database) == [(2,)]
    sentence = "have characters that PostgreSQL cannot hold; U+FFFD stands in for each of these."
    assert f"2 values of variable.val {sentence}" in result["notes"]
    assert f"{dags} values of dag.timetable_description {sentence}" in result["notes"]


def test_a_server_that_changes_values_is_noticed(server: Server, made: Made, sources: dict[int, Path]) -> None:
    database = server.create(made.templates[2])
    server.query(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.val := NEW.val || ''x''; RETURN NEW; END';"
        " CREATE TRIGGER spoil BEFORE INSERT ON variable FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION spoil()",
        database,
    )
    with pytest.raises(MoveError, match="content of the table variable differs"):
        server.copy(sources[2], database)


def test_a_server_that_loses_rows_is_noticed(server: Server, made: Made, sources: dict[int, Path]) -> None:
    database = server.create(made.templates[2])
    server.query(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER lose BEFORE INSERT ON job FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION lose()",
        database,
    )
    with pytest.raises(MoveError, match=r"The table job has 12 rows in the source and 11 in"):
        server.copy(sources[2], database)


def test_another_revision_is_refused(server: Server, made: Made, sources: dict[int, Path], tmp_path: Path) -> None:
    source = changed_source(
        sources[3], tmp_path, "UPDATE alembic_version SET version_num = 'older'", "UPDATE alembic_version_fab SET version_num = 'other'"
    )
    result = server.copy(source, server.create(made.templates[3]))
    assert [sentence.split(" in the source")[0] for sentence in result["refusals"]] == [
        "alembic_version is at older",
        "alembic_version_fab is at other",
    ]


def test_columns_of_one_side_only_are_refused_when_they_matter(
    server: Server, made: Made, sources: dict[int, Path], tmp_path: Path
) -> None:
    source = changed_source(
        sources[2],
        tmp_path,
        "ALTER TABLE variable ADD COLUMN mine TEXT",
        "UPDATE variable SET mine = 'x' WHERE id = 1",
        "ALTER TABLE variable ADD COLUMN empty TEXT",
        "ALTER TABLE slot_pool DROP COLUMN description",
        "ALTER TABLE slot_pool DROP COLUMN include_deferred",
    )
    result = server.copy(source, server.create(made.templates[2]))
    assert [sentence.split(" of the ")[0] for sentence in result["refusals"]] == [
        "The column slot_pool.include_deferred",
        "The column variable.mine",
    ]


def test_two_copies_at_once_are_refused(server: Server, made: Made, sources: dict[int, Path]) -> None:
    database = server.create(made.templates[2])
    with server.target(database) as other:
        other.lock()
        with pytest.raises(MoveError, match="Another run of the move"):
            server.copy(sources[2], database)


KILLED = """
import sys
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder as Finder
Finder(paths=[sys.argv[1]])._install()
from ansible_collections.updraft.airflow.plugins.module_utils import metadata_copy, metadata_marker, metadata_postgresql, metadata_sqlite
class Source(metadata_sqlite.SqliteSource):
    def batches(self, table, columns):
        for batch in super().batches(table, columns):
            if table.name == sys.argv[4]:
                print("reached", flush=True)
                sys.stdin.read()
            yield batch
connection = metadata_postgresql.Connection("127.0.0.1", int(sys.argv[3]), sys.argv[5], sys.argv[6], sys.argv[7], "disable")
target = metadata_postgresql.PostgresqlTarget(connection)
metadata_copy.Copy(Source(sys.argv[2]), target, metadata_marker.Marker(target), "killed").run()
"""


@pytest.mark.parametrize("table", ["ab_user", "task_instance", "xcom"])
def test_a_killed_copy_leaves_nothing_and_can_be_repeated(
    table: str, server: Server, made: Made, sources: dict[int, Path], tmp_path: Path
) -> None:
    database = server.create(made.templates[2])
    (tmp_path / "ansible_collections/updraft").mkdir(parents=True)
    (tmp_path / "ansible_collections/updraft/airflow").symlink_to(CHECKOUT)
    arguments = [str(tmp_path), str(sources[2]), str(server.port), table, database, USER, PASSWORD]
    with subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reached\n"
        process.kill()
    # The new connection's lock waits until the server has noticed and undone the killed transaction.
    with server.target(database) as target:
        target.run("SELECT pg_advisory_xact_lock(7265221340)")
        target.rollback()
        assert TargetState(target).name == "fresh"
    assert catalogue(server, database) == catalogue(server, made.templates[2])
    assert server.copy(sources[2], database)["rows"] > 4000


def test_the_source_is_not_touched(server: Server, made: Made, sources: dict[int, Path]) -> None:
    def look(path: Path) -> tuple[bytes, int, list[str]]:
        return path.read_bytes(), path.stat().st_mtime_ns, sorted(entry.name for entry in path.parent.iterdir())

    before = look(sources[2])
    server.copy(sources[2], server.create(made.templates[2]))
    assert look(sources[2]) == before


def test_the_marker_tells_whose_move_it_is(server: Server, copied: dict[int, str]) -> None:
    with server.target(copied[2]) as target:
        move = TargetState(target).as_dict()["move"]
    assert (move["source"], move["phase"], move["revision"]) == (SOURCE_NAME, "copied", "5f2621c13b39")
