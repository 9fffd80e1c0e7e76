# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the two sides of a move by the names of their engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_mysql_source import MysqlSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_mysql_target import MysqlTarget
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import PostgresqlTarget
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql_source import PostgresqlSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import SqliteSource
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection, Target
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import Source

DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306}
NAMES = {"postgresql": "PostgreSQL", "mysql": "MySQL"}

_TARGETS: dict[str, Callable[[Connection], Target]] = {"postgresql": PostgresqlTarget, "mysql": MysqlTarget}
_SOURCES: dict[str, Callable[[Connection], Source]] = {"postgresql": PostgresqlSource, "mysql": MysqlSource}


def open_target(engine: str, place: Mapping[str, Any]) -> Target:
    """The database on a server that is written."""
    return _TARGETS[engine](_connection(engine, place))


def open_source(path: str | None, server: Mapping[str, Any] | None, lenient: bool = False) -> Source:
    """The database that is read: a file, of which bytes may be kept that are not UTF-8 (`lenient`), or one on a server."""
    if server is None:
        return SqliteSource(path or "", lenient)
    return _SOURCES[server["engine"]](_connection(server["engine"], server))


def _connection(engine: str, place: Mapping[str, Any]) -> Connection:
    return Connection(
        host=place["host"],
        port=place["port"] or DEFAULT_PORTS[engine],
        database=place["name"],
        user=place["user"],
        password=place["password"] or "",
        ssl_mode=place["ssl_mode"] or "prefer",
        ssl_root_cert=place["ssl_root_cert"],
    )
