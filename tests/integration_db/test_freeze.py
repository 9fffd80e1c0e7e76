# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process is frozen at a moment when it is in no transaction on a PostgreSQL server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import psycopg2
import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import host_stopping, host_transactions
from ansible_collections.updraft.airflow.plugins.module_utils._database import Database, DatabaseError
from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import Process, read_process
from ansible_collections.updraft.airflow.plugins.module_utils.host_stopping import StopError, freeze, thaw
from metadata_server import PASSWORD, USER, Server

# What a scheduler does to its database: half of the time it is in a transaction with a locked row.
HOLDER = """
import sys, time
import psycopg2
connection = psycopg2.connect(sys.argv[1], password=sys.argv[2])
while True:
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE locked SET x = x + 1")
        print(flush=True)
        time.sleep(0.2)
    time.sleep(0.2)
"""
IDLE = "import signal; print(flush=True); signal.pause()"
IN_TRANSACTION = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND xact_start IS NOT NULL"


@pytest.fixture
def database(server: Server) -> Database:
    name = server.create()
    settings = {"engine": "postgresql", "host": "127.0.0.1", "port": server.port, "name": name, "user": USER, "password": PASSWORD}
    server.query("CREATE TABLE locked (x int)", name)
    server.query("INSERT INTO locked VALUES (0)", name)
    server.query(f"GRANT SELECT, UPDATE ON locked TO {USER}", name)
    return Database({**settings, "ssl_mode": "disable"})


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    children = []

    def run(code: str, *arguments: str) -> Process:
        child = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "\n"
        process = read_process(child.pid)
        assert process is not None
        return process

    yield run
    for child in children:
        child.kill()
        child.communicate()


def place(database: Database) -> str:
    settings = database.settings
    return f"host={settings['host']} port={settings['port']} dbname={settings['name']} user={settings['user']}"


def state(process: Process) -> str:
    now = read_process(process.pid)
    return now.state if now else "gone"


def test_frozen_outside_of_a_transaction(server: Server, database: Database, start: Callable[..., Process]) -> None:
    holder = start(HOLDER, f"{place(database)} application_name=holder", PASSWORD)
    for _attempt in range(10):
        freeze(holder, database)
        assert state(holder) == "T"
        assert server.query(IN_TRANSACTION) == [(0,)]
        # What a task would do now.
        server.query("SET lock_timeout = '1s'; UPDATE locked SET x = 0", str(database.settings["name"]))
        thaw(holder)


def test_a_transaction_that_never_ends(database: Database, start: Callable[..., Process], monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = start(IDLE)
    connection = psycopg2.connect(place(database), password=PASSWORD)
    try:
        connection.cursor().execute("UPDATE locked SET x = 1")
        monkeypatch.setattr(host_stopping, "FREEZE_TIMEOUT", 0)
        with pytest.raises(StopError, match="held its database locked"):
            freeze(scheduler, database)
        assert state(scheduler) in "SR"
        # It did not end while the scheduler could go on, so it is not the scheduler's.
        monkeypatch.setattr(host_transactions, "PATIENCE", 0)
        freeze(scheduler, database)
        assert state(scheduler) == "T"
    finally:
        connection.close()


def test_a_server_that_does_not_answer_is_told(database: Database, start: Callable[..., Process]) -> None:
    scheduler = start(IDLE)
    with pytest.raises(DatabaseError, match="nowhere"):
        freeze(scheduler, Database({**database.settings, "name": "nowhere"}))
