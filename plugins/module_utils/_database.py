# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a metadata database by SQL, with the drivers of the system's own Python."""

from __future__ import annotations

import sqlite3
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils import _mysql

CONNECT_TIMEOUT_SECONDS = 10

DRIVERS = {"postgresql": "psycopg2", "mysql": "PyMySQL"}

ARGUMENTS: dict[str, Any] = {
    "type": "dict",
    "required": True,
    "options": {
        "engine": {"choices": ["sqlite", "postgresql", "mysql"], "required": True},
        "path": {"type": "path"},
        "host": {"type": "str"},
        "port": {"type": "int"},
        "name": {"type": "str"},
        "user": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "ssl_mode": {"type": "str"},
        "ssl_root_cert": {"type": "path"},
    },
}
"""The `database` option of the modules that read one."""


class DatabaseError(Exception):
    """The database could not be read; the text says where and why, without the password."""


def about_certificate(reason: str, settings: Mapping[str, Any]) -> str:
    """What to look at when the server's certificate was refused, to be put after the driver's reason."""
    if "certificate" not in reason or not settings.get("ssl_root_cert"):
        return ""
    return f"; the server is verified by the authorities in {settings['ssl_root_cert']} (airflow_metadata_db_ssl_root_cert)"


class Database:
    """A short-lived reader of one metadata database."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.engine = settings["engine"]

    @property
    def place(self) -> str:
        """Where the database is, for messages."""
        if self.engine == "sqlite":
            return str(self.settings["path"])
        return f"{self.settings['name']} on {self.settings['host']}:{self.settings['port']}"

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT whose parameters are written as %s. Raises DatabaseError."""
        try:
            connection = self._connect()
        except ImportError:
            raise DatabaseError(f"the system's Python has no {DRIVERS[self.engine]}: install the distribution's package for it") from None
        except Exception as error:
            reason = self._reason(error)
            raise DatabaseError(f"{self.place} cannot be reached: {reason}{about_certificate(reason, self.settings)}") from None
        try:
            cursor = connection.cursor()
            cursor.execute(statement.replace("%s", "?") if self.engine == "sqlite" else statement, tuple(values))
            return list(cursor.fetchall())
        except Exception as error:
            raise DatabaseError(f"{self.place}: {self._reason(error)}") from None
        finally:
            connection.close()

    def _reason(self, error: Exception) -> str:
        return _mysql.reason(error) if self.engine == "mysql" else " ".join(str(error).split())

    def _connect(self) -> Any:
        if self.engine == "mysql":
            return self._connect_to_mysql()
        if self.engine == "sqlite":
            return sqlite3.connect(f"file:{urllib.parse.quote(self.settings['path'])}?mode=ro", uri=True, timeout=CONNECT_TIMEOUT_SECONDS)
        import psycopg2

        connection = psycopg2.connect(
            host=self.settings["host"],
            port=self.settings["port"],
            dbname=self.settings["name"],
            user=self.settings["user"],
            password=self.settings["password"],
            sslmode=self.settings["ssl_mode"] or "prefer",
            sslrootcert=self.settings.get("ssl_root_cert"),
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="updraft",
        )
        connection.set_session(readonly=True)
        cursor = connection.cursor()
        cursor.execute("SET timezone = 'UTC'")
        return connection

    def _connect_to_mysql(self) -> Any:
        connection = _mysql.connect(self.settings, connect_timeout=CONNECT_TIMEOUT_SECONDS, program_name="updraft")
        with connection.cursor() as cursor:
            # Timestamps are stored in UTC, and shown in the zone of the session. Names are quoted as in standard SQL.
            cursor.execute("SET SESSION time_zone = '+00:00', sql_mode = 'ANSI_QUOTES'")
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
        return connection

    def has_table(self, table: str) -> bool:
        """Whether the table is there."""
        if self.engine == "sqlite":
            return bool(self.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = %s", [table]))
        if self.engine == "mysql":
            tables = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"
            return bool(self.query(tables, [table]))
        return bool(self.query("SELECT 1 FROM pg_catalog.pg_tables WHERE tablename = %s AND schemaname = current_schema()", [table]))

    def revision(self, table: str = "alembic_version") -> str | None:
        """The schema's Alembic revision, None for a database without one."""
        if not self.has_table(table):
            return None
        rows = self.query(f"SELECT version_num FROM {table}")
        return str(rows[0][0]) if rows else None
