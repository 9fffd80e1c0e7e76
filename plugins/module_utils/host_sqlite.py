# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an SQLite metadata database holds. It is opened read-only and never written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote

from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import acting_as

MOST_RUNNING = 50
LOCK_SECONDS = 30
RUNNING = "SELECT dag_id, task_id, run_id, map_index FROM task_instance WHERE state = 'running' ORDER BY dag_id, run_id, task_id, map_index"


@contextmanager
def read_only(path: str) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, with the rights of the file's owner."""
    status = os.stat(path)
    # Without its -wal file nobody has the database open in that mode; then even the shared-memory file must not be made.
    mode = "mode=ro" if os.path.exists(path + "-wal") or not _is_wal(path) else "immutable=1"
    with acting_as(status.st_uid, status.st_gid), closing(_connect(path, mode)) as connection:
        yield connection


def _connect(path: str, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(path)}?{mode}", uri=True, timeout=LOCK_SECONDS, isolation_level=None)
    # Values are for reading and counting: text that is not UTF-8 must not stop that.
    connection.text_factory = lambda value: value.decode("utf-8", "replace")
    return connection


def _is_wal(path: str) -> bool:
    """Whether the file's header says that it has a write-ahead log."""
    with open(path, "rb") as handle:
        return handle.read(20)[18:20] == b"\x02\x02"


def read_metadata(path: str) -> dict[str, Any]:
    """Revision, rows of every table and what runs. Raises sqlite3.Error or OSError."""
    with read_only(path) as connection:
        # One transaction, so that the numbers belong together.
        connection.execute("BEGIN")
        tables = {name: _count(connection, name) for name in table_names(connection)}
        return {
            "path": path,
            "size_mb": round(os.path.getsize(path) / 1024**2, 1),
            "revision": _revision(connection, "alembic_version", tables),
            "fab_revision": _revision(connection, "alembic_version_fab", tables),
            "tables": tables,
            "task_states": task_states(connection) if "task_instance" in tables else {},
            "running": running_tasks(connection)[:MOST_RUNNING] if "task_instance" in tables else [],
            "import_errors": _import_errors(connection) if "import_error" in tables else [],
        }


def table_names(connection: sqlite3.Connection) -> list[str]:
    """All tables but SQLite's own."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [row[0] for row in found if not row[0].startswith("sqlite_")]


def _count(connection: sqlite3.Connection, table: str) -> int:
    quoted = '"' + table.replace('"', '""') + '"'
    return int(connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0])


def _revision(connection: sqlite3.Connection, table: str, tables: dict[str, int]) -> str | None:
    row = connection.execute(f"SELECT version_num FROM {table}").fetchone() if table in tables else None
    return str(row[0]) if row else None


def task_states(connection: sqlite3.Connection) -> dict[str, int]:
    """Number of task instances by state."""
    return {state or "none": number for state, number in connection.execute("SELECT state, count(*) FROM task_instance GROUP BY state")}


def running_tasks(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """The task instances in state running."""
    return [dict(zip(("dag_id", "task_id", "run_id", "map_index"), row)) for row in connection.execute(RUNNING)]


def _import_errors(connection: sqlite3.Connection) -> list[str]:
    """Files that do not parse today, as the database names them."""
    return sorted({row[0] for row in connection.execute("SELECT filename FROM import_error") if row[0]})
