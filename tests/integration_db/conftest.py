# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server of the tests' own, and databases that real Airflow versions have made in it."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from metadata_seed import seed

if TYPE_CHECKING:
    from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import Connection, PostgresqlTarget

# Far from UTC, so that a timestamp that follows the server's or the database's zone is noticed.
SERVER_ZONE, DATABASE_ZONE = "Asia/Kolkata", "America/New_York"
USER, PASSWORD = "airflow", "p@ss:w/rd %25#&'\"\\"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
SEEDED_ROWS = {"task_instance": 1500, "log": 1500, "xcom": 800, "dag_run": 200}
SOURCE_NAME = "host:/home/jane/airflow"


@dataclass
class Server:
    """A running server."""

    port: int
    number: int = 0
    used: list[str] = field(default_factory=list)

    def query(
        self, sql: str, database: str = "postgres", parameters: tuple[Any, ...] | None = None, zone: str = "UTC"
    ) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser."""
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=database, options=f"-c TimeZone={zone}")
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def create(self, template: str = "template1") -> str:
        """Make a database out of another one."""
        self.number += 1
        name = f"db{self.number}"
        self.query(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {USER}")
        self.query(f"ALTER DATABASE {name} SET timezone = '{DATABASE_ZONE}'")
        return name

    def connection(self, database: str) -> Connection:
        """How the module connects."""
        # The collection can be imported only once pytest is configured, which is after this file is read.
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import Connection

        return Connection("127.0.0.1", self.port, database, USER, PASSWORD, "disable")

    @contextlib.contextmanager
    def target(self, database: str) -> Iterator[PostgresqlTarget]:
        """A target that is left alone at the end."""
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import PostgresqlTarget

        target = PostgresqlTarget(self.connection(database))
        try:
            yield target
        finally:
            target.close()

    def copy(self, source: Path, database: str) -> dict[str, Any]:
        """Copy a source as the module does it."""
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_copy import Copy
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource

        reader = SqliteSource(str(source))
        try:
            with self.target(database) as target:
                return Copy(reader, target, Marker(target), SOURCE_NAME).run()
        finally:
            reader.close()


@dataclass(frozen=True)
class Airflow:
    """An installed version of Airflow."""

    line: int
    venv: Path
    home: Path

    def migrate(self, url: str) -> None:
        """Bring a database to this version's head."""
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # A naive timestamp becomes one with a zone on the way; the zone it is in is UTC.
            "PGTZ": "UTC",
        }
        if self.line == 3:
            environment["AIRFLOW__CORE__AUTH_MANAGER"] = FAB
        done = subprocess.run([self.venv / "bin/airflow", "db", "migrate"], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def url(server: Server, database: str) -> str:
    """A URL for Airflow; the superuser needs no password here."""
    return f"postgresql+psycopg2://{USER}:{_quoted(PASSWORD)}@127.0.0.1:{server.port}/{database}"


def _quoted(text: str) -> str:
    return "".join(character if character.isalnum() else f"%{ord(character):02X}" for character in text)


def _as_postgres(command: list[str]) -> list[str]:
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A throw-away server on a free loopback port."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not versions:
        pytest.fail("There is no PostgreSQL server in /usr/lib/postgresql; install Debian's package postgresql.")
    binaries = versions[-1].parent
    # The server's user must reach the folder, which it cannot below pytest's own.
    folder = Path(subprocess.run(["mktemp", "-d", "/tmp/updraft-pg.XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    make = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c timezone={SERVER_ZONE} -c fsync=off"
    start = [str(binaries / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start"]
    for command in (make, start):
        done = subprocess.run(_as_postgres(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd="/")
        if done.returncode:
            pytest.fail(f"The PostgreSQL server of the tests cannot be started: {done.stdout}")
    rules = data / "pg_hba.conf"
    rules.write_text("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    running = Server(port)
    running.query("SELECT pg_reload_conf()")
    running.query(f"CREATE ROLE {USER} LOGIN PASSWORD %s", parameters=(PASSWORD,))
    yield running
    subprocess.run(
        _as_postgres([str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]), check=True, capture_output=True, cwd="/"
    )
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def airflows(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Airflow]:
    """The two versions of Airflow."""
    found = {}
    for line in (2, 3):
        folder = os.environ.get(f"UPDRAFT_VENV_{line}", "")
        if not os.access(Path(folder) / "bin/airflow", os.X_OK) or not folder:
            pytest.fail(f"UPDRAFT_VENV_{line} must name a virtual environment of Airflow {line}; 'make database' makes and names it.")
        found[line] = Airflow(line, Path(folder), tmp_path_factory.mktemp(f"airflow{line} home"))
    return found


@dataclass(frozen=True)
class Made:
    """What Airflow made of nothing: per line an SQLite file and a template database, and one migrated from 2 to 3."""

    files: dict[int, Path]
    templates: dict[int, str]
    migrated: str


@pytest.fixture(scope="session")
def made(server: Server, airflows: dict[int, Airflow]) -> Made:
    """Fresh databases of both lines, and the reference of a migration without data."""
    files = {line: airflow.home / "airflow.db" for line, airflow in airflows.items()}
    templates = {line: server.create() for line in (2, 3)}
    migrated = server.create()

    def prepare(line: int) -> None:
        airflow = airflows[line]
        airflow.migrate(f"sqlite:///{files[line]}")
        airflow.migrate(url(server, templates[line]))

    # Two at a time: the first call of a version also writes its airflow.cfg.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(prepare, (2, 3)))
    server.query(f"DROP DATABASE {migrated}")
    server.query(f"CREATE DATABASE {migrated} TEMPLATE {templates[2]} OWNER {USER}")
    airflows[3].migrate(url(server, migrated))
    return Made(files, templates, migrated)


@pytest.fixture(scope="session")
def sources(made: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Per line an SQLite database with rows in every table."""
    folder = tmp_path_factory.mktemp("sources with spaces")
    result = {}
    for line, path in made.files.items():
        result[line] = folder / f"airflow {line}?.db"
        shutil.copy(path, result[line])
        seed(str(result[line]), SEEDED_ROWS)
    return result


@pytest.fixture(scope="session")
def copied(server: Server, made: Made, sources: dict[int, Path]) -> dict[int, str]:
    """Per line a database with a finished copy; tests that change it make one of their own out of it."""
    result = {}
    for line, path in sources.items():
        result[line] = server.create(made.templates[line])
        server.copy(path, result[line])
    return result


CATALOGUE = {
    "columns": """
        SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype, convalidated, condeferrable, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "sequences": """
        SELECT sequencename, data_type::text, start_value, increment_by, cycle FROM pg_sequences WHERE schemaname = 'public'""",
    "owners": """
        SELECT relname, relkind, relowner::regrole::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')""",
}


def catalogue(server: Server, database: str) -> dict[str, list[str]]:
    """Everything a schema consists of, in words."""
    # Numbers of dropped columns differ by history, their names hold the number.
    return {
        name: sorted(re.sub(r"pg\.dropped\.\d+", "dropped", repr(row)) for row in server.query(sql, database))
        for name, sql in CATALOGUE.items()
    }
