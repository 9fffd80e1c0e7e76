# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process that was just stopped may be within a transaction on a PostgreSQL server."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._database import Database

SETTLING = 0.1
"""Seconds that the server has for what the process sent last."""
STANDSTILL = 0.3
"""A transaction that is open for so many seconds more may be the one of the stopped process."""
PATIENCE = 30
"""After so many seconds of catching it anew, a transaction that was open all the time is somebody else's."""

# The server shows the state of sessions of the role that asks, which is the one the process logs in as.
OPEN = """
    SELECT pid, xact_start FROM pg_catalog.pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND backend_type = 'client backend'
      AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
"""


def open_transactions(database: Database) -> set[tuple[Any, ...]]:
    """Every open transaction of the role in its database: the session's number on the server, and when the transaction began."""
    return set(database.query(OPEN))


class Transactions:
    """The transactions of a database while one process is stopped again and again.

    Behind a pooler or a local socket, a session does not tell which process it belongs to. So every transaction counts that does not end
    while the process is stopped.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._began = time.monotonic()
        self._first: set[tuple[Any, ...]] | None = None

    def stay_open(self) -> bool:
        """Whether one does not end while the process is stopped. Raises DatabaseError."""
        time.sleep(SETTLING)
        before = open_transactions(self.database)
        if self._first is None:
            self._first = before
        if time.monotonic() > self._began + PATIENCE:
            before -= self._first
        if not before:
            return False
        time.sleep(STANDSTILL)
        return bool(before & open_transactions(self.database))
