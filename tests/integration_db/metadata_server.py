# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the copy work with: the server, the installed versions of Airflow, and what they made."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2

if TYPE_CHECKING:
    from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import PostgresqlTarget
    from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection

# Far from UTC, so that a timestamp that follows the server's or the database's zone is noticed.
SERVER_ZONE, DATABASE_ZONE = "Asia/Kolkata", "America/New_York"
USER, PASSWORD = "airflow", "p@ss:w/rd %25#&'\"\\"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
SOURCE_NAME = "host:/home/jane/airflow"


@dataclass
class Server:
    """A running server."""

    port: int
    number: int = 0

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
        # The collection can be imported only once pytest is configured, which is after conftest.py is read.
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection

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

    def copy(self, source: Path, database: str, replaces: bool = False) -> dict[str, Any]:
        """Copy a source as the module does it."""
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_copy import Copy
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource

        reader = SqliteSource(str(source), lenient=replaces)
        try:
            with self.target(database) as target:
                return Copy(reader, target, Marker(target), SOURCE_NAME, replaces=replaces).run()
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
        done = subprocess.run(self.migration, env=self.environment(url), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    @property
    def migration(self) -> list[str]:
        """The command."""
        return [str(self.venv / "bin/airflow"), "db", "migrate"]

    def environment(self, url: str) -> dict[str, str]:
        """What it is run with."""
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
        return environment


def url(server: Server, database: str) -> str:
    """A URL for Airflow; the superuser needs no password here."""
    return f"postgresql+psycopg2://{USER}:{_quoted(PASSWORD)}@127.0.0.1:{server.port}/{database}"


def mysql_url(port: int, database: str) -> str:
    """The same in MySQL."""
    return f"mysql+mysqldb://{USER}:{_quoted(PASSWORD)}@127.0.0.1:{port}/{database}?charset=utf8mb4"


def _quoted(text: str) -> str:
    return "".join(character if character.isalnum() else f"%{ord(character):02X}" for character in text)


@dataclass(frozen=True)
class Made:
    """What Airflow made of nothing: per line an SQLite file and a template database, and one migrated from 2 to 3."""

    files: dict[int, Path]
    templates: dict[int, str]
    migrated: str


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
