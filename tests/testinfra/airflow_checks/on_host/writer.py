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
from typing import Any

import psycopg2

PAUSE_SECONDS = 0.05
STATEMENT_MILLISECONDS = 5000
TABLE = "CREATE TABLE IF NOT EXISTS updraft_writes (number bigint PRIMARY KEY)"


def connect(address: str) -> Any:
    """A connection that does not wait for ever."""
    connection = psycopg2.connect(address, connect_timeout=5, options=f"-c statement_timeout={STATEMENT_MILLISECONDS}")
    connection.autocommit = True
    return connection


def remove(address: str) -> None:
    """Leave nothing behind."""
    with connect(address).cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS updraft_writes")


def write(address: str, notes: str) -> None:
    """Write for ever."""
    connection: Any = None
    number = 0
    with open(notes, "w", buffering=1, encoding="ascii") as stream:
        while True:
            number += 1
            try:
                connection = connection or connect(address)
                with connection.cursor() as cursor:
                    if number == 1:
                        cursor.execute(TABLE)
                    cursor.execute("INSERT INTO updraft_writes VALUES (%s)", [number])
                stream.write(f"{number} {time.time():.3f}\n")
            except psycopg2.Error:
                if connection is not None:
                    connection.close()
                connection = None
            time.sleep(PAUSE_SECONDS)


if len(sys.argv) > 1:
    write(os.environ["ADDRESS"], sys.argv[1])
else:
    remove(os.environ["ADDRESS"])
