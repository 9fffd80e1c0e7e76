# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A metadata database goes from SQLite to MySQL, from there to PostgreSQL, and back, and is the same everywhere."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_copy import Copy
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_inspect import Inspection
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql_source import PostgresqlSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError, Source
from metadata_mysql_compare import column_types, target_rows
from metadata_mysql_server import MysqlServer
from metadata_server import SOURCE_NAME, USER, Made, Server

LINES = (2, 3)
# What MySQL does not hold as it is.
LOSSY = ("MySQL's column does not hold", "MySQL's FLOAT holds", "NaN")


@dataclass
class Journey:
    """The databases of one line, with what the copies told."""

    line: int
    first: str
    postgresql: str
    second: str
    results: list[dict[str, Any]]


@contextlib.contextmanager
def postgresql_source(server: Server, database: str) -> Iterator[Source]:
    source = PostgresqlSource(server.connection(database))
    try:
        yield source
    finally:
        source.close()


def to_postgresql(source: Source, server: Server, database: str) -> dict[str, Any]:
    with server.target(database) as target:
        return Copy(source, target, Marker(target), SOURCE_NAME).run()


@pytest.fixture(scope="module")
def journeys(server: Server, mysql: MysqlServer, made: Made, made_in_mysql: Made, sources_for_mysql: dict[int, Path]) -> dict[int, Journey]:
    """SQLite to MySQL to PostgreSQL to MySQL."""
    found = {}
    for line in LINES:
        first, second = mysql.create(made_in_mysql.templates[line]), mysql.create(made_in_mysql.templates[line])
        database = server.create(made.templates[line])
        results = [mysql.copy(sources_for_mysql[line], first)]
        with mysql.source(first) as source:
            results.append(to_postgresql(source, server, database))
        with postgresql_source(server, database) as source:
            results.append(mysql.copy_from(source, second))
        found[line] = Journey(line, first, database, second, results)
    return found


def digests(result: dict[str, Any]) -> dict[str, tuple[int, str]]:
    return {table["name"]: (table["rows"], table["digest"]) for table in result["tables"]}


@pytest.mark.parametrize("line", LINES)
def test_every_table_has_one_digest_on_all_engines(line: int, journeys: dict[int, Journey]) -> None:
    found = [digests(result) for result in journeys[line].results]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 45 and all(rows for rows, _digest in found[0].values())


@pytest.mark.parametrize("line", LINES)
def test_only_the_first_step_changes_values(line: int, journeys: dict[int, Journey]) -> None:
    first, *later = [result["notes"] for result in journeys[line].results]
    assert first and all(any(word in note for word in LOSSY) for note in first)
    assert later == [[], []]


@pytest.mark.parametrize("line", LINES)
def test_what_comes_back_is_what_left(line: int, journeys: dict[int, Journey], mysql: MysqlServer) -> None:
    journey = journeys[line]
    for table, types in column_types(mysql, journey.first).items():
        if not table.startswith("airflow_kept__"):
            assert target_rows(mysql, journey.second, table, types) == target_rows(mysql, journey.first, table, types), table


@pytest.mark.parametrize("line", LINES)
def test_numbers_go_on_behind_the_rows(line: int, journeys: dict[int, Journey], server: Server) -> None:
    last = [{entry["table"]: entry["last"] for entry in result["sequences"]} for result in journeys[line].results]
    assert last[0] == last[1] == last[2]
    assert server.query("SELECT nextval('log_id_seq')", journeys[line].postgresql) == [(last[0]["log"] + 1,)]


@pytest.mark.parametrize("line", LINES)
def test_the_same_file_has_the_same_digests_in_postgresql(
    line: int, journeys: dict[int, Journey], server: Server, made: Made, sources_for_mysql: dict[int, Path]
) -> None:
    direct = server.copy(sources_for_mysql[line], server.create(made.templates[line]))
    changed = {note.split(".")[0].split()[-1] for note in journeys[line].results[0]["notes"] if "NaN" not in note}
    found = digests(journeys[line].results[0])
    differing = {table for table, digest in digests(direct).items() if found[table] != digest}
    assert differing == changed


def test_servers_are_inspected(journeys: dict[int, Journey], server: Server, mysql: MysqlServer) -> None:
    with mysql.source(journeys[2].first) as source:
        from_mysql = Inspection(source, 3, "PostgreSQL").run()
    with postgresql_source(server, journeys[2].postgresql) as source, mysql.target(journeys[2].second) as target:
        from_postgresql = Inspection(source, 3, "MySQL", target).run()
    assert from_mysql["refusals"] == from_postgresql["refusals"] == []
    assert from_mysql["rows"] == from_postgresql["rows"] == journeys[2].results[0]["rows"]
    assert from_mysql["revision"] == from_postgresql["revision"] == "5f2621c13b39"


def test_what_postgresql_cannot_hold_is_named(mysql: MysqlServer, server: Server, made: Made, made_in_mysql: Made) -> None:
    database = mysql.create(made_in_mysql.templates[3])
    mysql.query("INSERT INTO variable (\"key\", val, is_encrypted) VALUES ('nul', 'a\\0b', 0)", database)
    mysql.query("SET foreign_key_checks = 0; INSERT INTO dag_tag (name, dag_id) VALUES ('lost', 'no such DAG')", database)
    with mysql.source(database) as source:
        refusals = Inspection(source, 3, "PostgreSQL").run()["refusals"]
    assert refusals == [
        "dag_tag has rows whose row in dag is missing: (name=lost, dag_id=no such DAG); delete them in the source before the move.",
        "variable.val holds text with a NUL character, which PostgreSQL cannot hold in the row (id=1); correct or delete it in the source"
        " before the move, or let U+FFFD stand in for such characters by airflow_move_replace_characters (true).",
    ]
    with mysql.source(database) as source, pytest.raises(MoveError, match="The table variable holds text with a NUL character"):
        to_postgresql(source, server, server.create(made.templates[3]))


def test_what_mysql_cannot_hold_is_named(mysql: MysqlServer, server: Server, made: Made, made_in_mysql: Made) -> None:
    database = server.create(made.templates[3])
    values = [("infinity", "job.end_date", "in a column of timestamps"), ("0044-03-15 BC", "log.dttm", "in a column of timestamps")]
    server.query(
        "INSERT INTO job (end_date) VALUES ('infinity'); INSERT INTO log (event, dttm) VALUES ('x', '0044-03-15 BC');"
        " INSERT INTO variable (key, val, is_encrypted) VALUES ('🚀', 'x', false)",
        database,
    )
    with postgresql_source(server, database) as source:
        refusals = Inspection(source, 3, "MySQL").run()["refusals"]
    for (_value, column, what), refusal in zip(values, refusals, strict=True):
        assert refusal.startswith(f"{column} holds ")
        assert what in refusal
    server.query("DELETE FROM job; DELETE FROM log", database)
    target = mysql.create(made_in_mysql.templates[3])
    with postgresql_source(server, database) as source:
        mysql.copy_from(source, target)
    assert mysql.query('SELECT "key" FROM variable', target) == [("🚀",)]


def test_other_tables_and_types_are_kept(mysql: MysqlServer, server: Server, made: Made, made_in_mysql: Made) -> None:
    there = server.create(made.templates[3])
    row = """true, 1.50, 0.1, E'a\\tb', '1950-01-01 12:00:00.5+02', '2024-01-01', '{ "b": 1, "a": null }',
        '01234567-89ab-cdef-0123-456789abcdef', '\\x00ff', '{1,2}'"""
    server.query(
        f"CREATE TABLE mine (b boolean, n numeric, f real, t text, at timestamptz, d date, j json, u uuid, x bytea, a int[]);"
        f" ALTER TABLE mine OWNER TO {USER}; INSERT INTO mine VALUES ({row}), ({', '.join(['NULL'] * 10)})",
        there,
    )
    back = mysql.create(made_in_mysql.templates[3])
    with postgresql_source(server, there) as source:
        result = mysql.copy_from(source, back)
    assert [(table["name"], table["rows"]) for table in result["kept"]] == [("mine", 2)]
    ((b, n, t, at, d, j, u, x, a),) = mysql.query(
        "SELECT b, n, t, CAST(at AS CHAR), d, j, u, x, a FROM airflow_kept__mine WHERE b IS NOT NULL", back
    )
    assert (b, n, t, at, d) == (1, "1.50", "a\tb", "1950-01-01 10:00:00.500000", "2024-01-01")
    assert (json.loads(j), u, x, a) == ({"b": 1, "a": None}, "0123456789abcdef0123456789abcdef", b"\x00\xff", "{1,2}")


def test_a_source_is_one_state(mysql: MysqlServer, server: Server, journeys: dict[int, Journey]) -> None:
    places = [(mysql.source(journeys[3].first), mysql, journeys[3].first)]
    places.append((postgresql_source(server, journeys[3].postgresql), server, journeys[3].postgresql))
    for opened, place, database in places:
        with opened as source:
            before = source.count("variable")
            place.query("INSERT INTO team (name) VALUES ('meanwhile')", database)
            assert source.count("team") == 12
            assert source.count("variable") == before
            with pytest.raises(source.error):
                list(source.query("INSERT INTO team (name) VALUES ('written')"))
        place.query("DELETE FROM team WHERE name = 'meanwhile'", database)
