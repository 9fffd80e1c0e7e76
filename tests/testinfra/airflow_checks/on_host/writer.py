# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a row every so often and notes which were acknowledged: `writer.py NOTES`; `writer.py` alone removes the table.

Runs with the Python of Airflow's environment, and reads the address of the database, which holds a password, from ADDRESS. Ends by SIGTERM.
A write that was not answered is not repeated: the next one has another number.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

PAUSE_SECONDS = 0.05
TABLE = "CREATE TABLE IF NOT EXISTS updraft_writes (number bigint PRIMARY KEY)"
PATIENCE = {
    "postgresql": {"connect_timeout": 5, "options": "-c statement_timeout=5000"},
    # Commits may wait twenty seconds for a replica that is lost.
    "mysql": {"connect_timeout": 5, "read_timeout": 30, "write_timeout": 30},
}


class Database:
    """A database by its address, with connections that do not wait for ever."""

    def __init__(self, address: str) -> None:
        kind = address.partition(":")[0].partition("+")[0]
        self.engine = create_engine(address, poolclass=NullPool, connect_args=PATIENCE[kind])
        self.error: Any = self.engine.dialect.dbapi.Error

    def connect(self) -> Any:
        """A connection that commits each statement."""
        pooled = self.engine.raw_connection()
        # The pool would close it as soon as nobody holds what is around it.
        connection: Any = pooled.driver_connection
        pooled.detach()
        if callable(connection.autocommit):
            connection.autocommit(True)
        else:
            connection.autocommit = True
        return connection


def remove(database: Database) -> None:
    """Leave nothing behind."""
    with database.connect().cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS updraft_writes")


def write(database: Database, notes: str) -> None:
    """Write for ever."""
    connection: Any = None
    number = 0
    with open(notes, "w", buffering=1, encoding="ascii") as stream:
        while True:
            number += 1
            try:
                connection = connection or database.connect()
                with connection.cursor() as cursor:
                    if number == 1:
                        cursor.execute(TABLE)
                    cursor.execute("INSERT INTO updraft_writes VALUES (%s)", [number])
                stream.write(f"{number} {time.time():.3f}\n")
            except Exception as error:
                if not isinstance(getattr(error, "orig", error), database.error):
                    raise
                if connection is not None:
                    with suppress(database.error):
                        connection.close()
                connection = None
            time.sleep(PAUSE_SECONDS)


if len(sys.argv) > 1:
    write(Database(os.environ["ADDRESS"]), sys.argv[1])
else:
    remove(Database(os.environ["ADDRESS"]))
