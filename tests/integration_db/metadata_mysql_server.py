# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MySQL server of the tests' own, in a container."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
from metadata_server import PASSWORD, SOURCE_NAME, USER
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

if TYPE_CHECKING:
    from ansible_collections.updraft.airflow.plugins.module_utils.metadata_mysql_target import MysqlTarget
    from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection
    from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import Source

IMAGE = "updraft-mysql:unstable"
# Far from UTC; what would not survive a crash is faster. Functions may be made in spite of the binary log, as the role has it.
OPTIONS = [
    "--bind-address=127.0.0.1,127.0.0.2",
    "--default-time-zone=+05:30",
    "--innodb-flush-log-at-trx-commit=0",
    "--sync-binlog=0",
    "--innodb-doublewrite=OFF",
    "--log-bin-trust-function-creators=ON",
]
MEMORY = "/srv/memory"
COLLATION = "utf8mb4_0900_bin"


@dataclass
class MysqlServer:
    """A running server."""

    port: int
    container: str
    number: int = 0

    def write(self, name: str, content: bytes) -> None:
        """Write a file into the folder of the server's data."""
        place = f"/srv/memory/mysql/{name}"
        command = ["docker", "exec", "--interactive", "--user", "mysql", self.container, "sh", "-c", f"umask 077 && cat > {place}"]
        subprocess.run(command, input=content, check=True)

    @contextlib.contextmanager
    def session(self, database: str | None = None) -> Iterator[Cursor]:
        """A session of root."""
        connection = pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
            init_command="SET time_zone = '+00:00', sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES'",
        )
        with connection, connection.cursor() as cursor:
            yield cursor

    def query(self, sql: str, database: str | None = None, parameters: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """Run statements as root; the rows of the last one."""
        with self.session(database) as cursor:
            cursor.execute(sql, parameters)
            rows = list(cursor.fetchall())
            while cursor.nextset():
                rows = list(cursor.fetchall())
            return rows

    def definitions(self, database: str) -> dict[str, str]:
        """Every table with the statement that makes it."""
        with self.session(database) as cursor:
            cursor.execute("SHOW TABLES")
            found = {}
            for (table,) in cursor.fetchall():
                cursor.execute(f'SHOW CREATE TABLE "{table}"')
                ((_name, text),) = cursor.fetchall()
                found[table] = str(text).replace(" CHARACTER SET utf8mb4", "")
            return found

    def create(self, template: str | None = None, collation: str = COLLATION) -> str:
        """Make a database, out of another one if there is one to copy."""
        self.number += 1
        name = f"db{self.number}"
        self.query(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE {collation}; GRANT ALL ON {name}.* TO {USER}@'%'")
        if template:
            self.fill(name, template)
        return name

    def fill(self, name: str, template: str) -> None:
        """Make the tables of another database in an empty one, with their rows."""
        with self.session(name) as cursor:
            cursor.execute("SET SESSION foreign_key_checks = 0, sql_mode = 'ANSI_QUOTES,NO_AUTO_VALUE_ON_ZERO'")
            for table, statement in self.definitions(template).items():
                cursor.execute(statement)
                cursor.execute(f'INSERT INTO "{table}" SELECT * FROM {template}."{table}"')

    def connection(self, database: str) -> Connection:
        """How the module connects."""
        # The collection can be imported only once pytest is configured, which is after conftest.py is read.
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection

        return Connection("127.0.0.1", self.port, database, USER, PASSWORD, "disable")

    @contextlib.contextmanager
    def target(self, database: str) -> Iterator[MysqlTarget]:
        """A target that is left alone at the end."""
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_mysql_target import MysqlTarget

        target = MysqlTarget(self.connection(database))
        try:
            yield target
        finally:
            target.close()

    @contextlib.contextmanager
    def source(self, database: str) -> Iterator[Source]:
        """The same as a source."""
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_mysql_source import MysqlSource

        source = MysqlSource(self.connection(database))
        try:
            yield source
        finally:
            source.close()

    def copy(self, path: Path, database: str) -> dict[str, Any]:
        """Copy an SQLite file as the module does it."""
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource

        with contextlib.closing(SqliteSource(str(path))) as source:
            return self.copy_from(source, database)

    def copy_from(self, source: Source, database: str) -> dict[str, Any]:
        """Copy any source as the module does it."""
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_copy import Copy
        from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker

        with self.target(database) as target:
            return Copy(source, target, Marker(target), SOURCE_NAME).run()


def fit(server: MysqlServer, database: str) -> Callable[[str, str, str], str]:
    """A function that makes a text what a column of the database can hold."""
    query = "SELECT table_name, column_name, character_set_name, character_octet_length FROM information_schema.columns"
    limits = {(row[0], row[1]): (row[2], row[3]) for row in server.query(f"{query} WHERE table_schema = %s", parameters=(database,))}

    def fitting(table: str, column: str, text: str) -> str:
        charset, size = limits[(table, column)]
        if charset == "utf8mb3":
            text = "".join(character if character <= "\uffff" else "Ж" for character in text)
        if charset == "latin1":
            text = text.encode("cp1252", "replace").decode("cp1252")
        return text.encode()[:size].decode("utf-8", "ignore") if size else text

    return fitting


def catalogue(server: MysqlServer, database: str) -> dict[str, list[str]]:
    """Every table as the server would make it again, without the number it gives next and the order of its indexes."""
    made = {table: re.sub(r" AUTO_INCREMENT=\d+", "", text) for table, text in server.definitions(database).items()}
    return {table: sorted(line.rstrip(",") for line in text.splitlines()) for table, text in made.items()}


@contextlib.contextmanager
def running_server() -> Iterator[MysqlServer]:
    """A throw-away server on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    name = f"updraft-mysql-{os.getpid()}"
    command = ["docker", "run", "--detach", "--name", name, "--network", "host", "--tmpfs", MEMORY, IMAGE, f"--port={port}", *OPTIONS]
    subprocess.run(command, check=True, capture_output=True)
    server = MysqlServer(port, name)
    try:
        _wait_for(server)
        server.query(f"CREATE USER {USER}@'%%' IDENTIFIED WITH caching_sha2_password BY %s", parameters=(PASSWORD,))
        yield server
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, capture_output=True)


def _wait_for(server: MysqlServer) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            server.query("SELECT 1")
            return
        except pymysql.OperationalError as error:
            if time.monotonic() > deadline:
                log = subprocess.run(["docker", "logs", server.container], capture_output=True, text=True, check=False).stderr
                raise AssertionError(f"The MySQL server of the tests does not answer ({error}): {log[-2000:]}") from None
            time.sleep(0.1)
