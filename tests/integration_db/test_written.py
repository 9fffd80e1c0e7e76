# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was written on a server since its rows were copied: nothing by the copy and Airflow's migration, and each write that follows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql_source import PostgresqlSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_runs import resume
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState, set_switched
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import Source
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_upgrade import Upgrade
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_written import refusals, written
from metadata_mysql_server import MysqlServer
from metadata_server import PASSWORD, SOURCE_NAME, Airflow, Made, Server, mysql_url, url
from test_module import Runner, runner

__all__ = ["runner"]
WAYS = ((2, 2), (3, 3), (2, 3))
"""From which line to which."""


@dataclass
class Lifted:
    """A finished move: its source, and the database that is in service."""

    server: Any
    copy: Path
    database: str

    @contextlib.contextmanager
    def now(self) -> Iterator[Source]:
        """The database as a source."""
        if isinstance(self.server, MysqlServer):
            with self.server.source(self.database) as source:
                yield source
            return
        with contextlib.closing(PostgresqlSource(self.server.connection(self.database))) as source:
            yield source

    def written(self, **own: list[str]) -> dict[str, Any]:
        """What is found."""
        with contextlib.closing(SqliteSource(str(self.copy))) as copy, self.now() as now:
            found: dict[str, Any] = written(copy, now, own)
            return found

    def run(self, *statements: str) -> None:
        """Write."""
        for statement in statements:
            self.server.query(statement, self.database)

    def value(self, statement: str) -> Any:
        """The first value of a result."""
        return self.server.query(statement, self.database)[0][0]

    def add_run(self, run_id: str) -> str:
        """Begin a run like one that there is; the DAG's id."""
        schema = "DATABASE()" if isinstance(self.server, MysqlServer) else "'public'"
        listed = f"SELECT column_name FROM information_schema.columns WHERE table_name = 'dag_run' AND table_schema = {schema}"
        columns = [str(row[0]) for row in self.server.query(listed, self.database)]
        given = {"id": "max_id + 1", "run_id": f"'{run_id}'", "execution_date": "'2030-01-01'", "logical_date": "'2030-01-01'"}
        values = ", ".join(given.get(name, f'r."{name}"') for name in columns)
        names = ", ".join(f'"{name}"' for name in columns)
        self.run(
            f"INSERT INTO dag_run ({names}) SELECT {values} FROM dag_run r, (SELECT max(id) AS max_id, min(id) AS min_id FROM dag_run) m"
            " WHERE r.id = min_id"
        )
        return str(self.value("SELECT dag_id FROM dag_run WHERE id = (SELECT min(id) FROM dag_run)"))


def finish(server: Any, source: Path, database: str, migrate: Callable[[], None] | None) -> Lifted:
    """Move a source wholly, as the playbook does it."""
    server.copy(source, database)
    if migrate is not None:
        with server.target(database) as target:
            Upgrade(target).keep()
        migrate()
        with server.target(database) as target:
            Upgrade(target).verify()
    with server.target(database) as target:
        resume(target)
    with server.target(database) as target:
        set_switched(target, TargetState(target))
    return Lifted(server, source, database)


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"PostgreSQL, {way[0]} to {way[1]}")
def on_postgresql(
    server: Server, made: Made, airflows: dict[int, Airflow], sources: dict[int, Path], request: pytest.FixtureRequest
) -> Lifted:
    before, after = request.param
    database = server.create(made.templates[before])
    migrate = (lambda: airflows[after].migrate(url(server, database))) if before != after else None
    return finish(server, sources[before], database, migrate)


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"MySQL, {way[0]} to {way[1]}")
def on_mysql(
    mysql: MysqlServer,
    made_in_mysql: Made,
    airflows: dict[int, Airflow],
    sources_for_mysql: dict[int, Path],
    request: pytest.FixtureRequest,
) -> Lifted:
    before, after = request.param
    database = mysql.create(made_in_mysql.templates[before])
    migrate = (lambda: airflows[after].migrate(mysql_url(mysql.port, database))) if before != after else None
    return finish(mysql, sources_for_mysql[before], database, migrate)


def check(lifted: Lifted) -> None:
    """Nothing was written by the move; what is written after it is found, and nothing else."""
    with contextlib.closing(SqliteSource(str(lifted.copy))) as copy, lifted.server.target(lifted.database) as target:
        assert refusals(target, copy, SOURCE_NAME) == []
        assert refusals(target, copy, "other") == [f"The database {target.place[13:]} holds the move of {SOURCE_NAME}, not of other."]
    before = lifted.written()
    assert (before["told"], before["writes"]) == ([], 0)

    dag = lifted.add_run("new")
    connection = lifted.value("SELECT conn_id FROM connection ORDER BY id LIMIT 1")
    user = lifted.value("SELECT username FROM ab_user ORDER BY id LIMIT 1")
    pool = lifted.value("SELECT pool FROM slot_pool WHERE pool IS NOT NULL ORDER BY id LIMIT 1")
    lifted.run(
        "INSERT INTO variable (\"key\", val, description, is_encrypted) VALUES ('brand_new', 'hush', '', false)",
        "UPDATE connection SET password = 'hush' WHERE id = (SELECT i FROM (SELECT min(id) AS i FROM connection) q)",
        "UPDATE ab_user SET last_login = '2030-01-01', login_count = 77",
        "UPDATE ab_user SET email = 'hush@example.org' WHERE id = (SELECT i FROM (SELECT min(id) AS i FROM ab_user) q)",
        "DELETE FROM slot_pool WHERE id = (SELECT i FROM (SELECT min(id) AS i FROM slot_pool WHERE pool IS NOT NULL) q)",
    )
    after = lifted.written()
    assert after["written"] == {
        "runs": [{"dag_id": dag, "began": 1, "went_on": 0, "removed": 0}],
        "connections": {"added": [], "changed": [connection], "removed": []},
        "variables": {"added": ["brand_new"], "changed": [], "removed": []},
        "pools": {"added": [], "changed": [], "removed": [pool]},
        "users": {"added": [], "changed": [user], "removed": []},
        "paused": [],
    }
    assert after["writes"] == 5
    assert "hush" not in str(after)

    ended = lifted.value("SELECT dag_id FROM dag_run WHERE id = (SELECT max(id) FROM dag_run WHERE run_id <> 'new')")
    lifted.run(
        "UPDATE dag_run SET state = 'failed', end_date = '2030-01-01'"
        " WHERE id = (SELECT i FROM (SELECT max(id) AS i FROM dag_run WHERE run_id <> 'new') q)"
    )
    runs = {each["dag_id"]: each for each in lifted.written(variables=["brand_new"])["written"]["runs"]}
    assert runs[ended]["went_on"] == 1
    assert sum(each["began"] + each["went_on"] + each["removed"] for each in runs.values()) == 2
    assert lifted.written(variables=["brand_new"])["left_out"] == {"variables": ["brand_new"]}


def test_on_postgresql(on_postgresql: Lifted) -> None:
    check(on_postgresql)


def test_on_mysql(on_mysql: Lifted) -> None:
    check(on_mysql)


def test_as_a_module(runner: Runner, server: Server, made: Made, sources: dict[int, Path], tmp_path: Path) -> None:
    lifted = finish(server, sources[2], server.create(made.templates[2]), None)
    source = {"source": str(lifted.copy), "source_name": SOURCE_NAME}
    for is_check in (False, True):
        nothing = runner.run("written", lifted.database, check=is_check, **source)
        assert (nothing["changed"], nothing["refusals"], nothing["writes"]) == (False, [], 0), nothing
    dag = lifted.add_run("new")
    found = runner.run("written", lifted.database, **source)
    assert found["told"] == [f"1 DAG run ({dag}: 1 began)"]
    assert found["msg"] == f"Since the copy was made, there were written: 1 DAG run ({dag}: 1 began)."
    assert PASSWORD not in runner.output
    other = runner.run("written", lifted.database, source=str(lifted.copy), source_name="other")
    assert len(other["refusals"]) == 1 and "writes" not in other
    same = runner.run("written", source=str(lifted.copy), written_file=str(lifted.copy), interpreter="/usr/bin/python3")
    assert (same["writes"], same["refusals"]) == (0, [])
    incomplete = runner.run("written", source=str(lifted.copy))
    assert incomplete["failed"] is True and "written_file" in incomplete["msg"]
    missing = runner.run("written", lifted.database, source=str(tmp_path / "none.db"), source_name=SOURCE_NAME)
    assert missing["failed"] is True and "There is no SQLite database at" in missing["msg"]
