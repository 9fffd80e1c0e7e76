# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a SQLite file with a MySQL database, value by value, without a line of the collection's code."""

from __future__ import annotations

import sqlite3
import struct
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from metadata_compare import document
from metadata_mysql_server import MysqlServer

_TYPES = """
    SELECT table_name, column_name, column_type FROM information_schema.columns WHERE table_schema = %s ORDER BY ordinal_position
"""


def column_types(server: MysqlServer, database: str) -> dict[str, dict[str, str]]:
    """The type of every column on the server."""
    types: dict[str, dict[str, str]] = {}
    for table, column, kind in server.query(_TYPES, parameters=(database,)):
        types.setdefault(table, {})[column] = kind
    return types


def expected(value: Any, kind: str) -> Any:
    """What a value of SQLite must be on the server."""
    if value is None:
        return None
    if kind in ("timestamp(6)", "datetime(6)"):
        return datetime.fromisoformat(value)
    if kind == "datetime":
        return datetime.fromisoformat(value).replace(microsecond=0)
    if kind == "float":
        return struct.unpack("f", struct.pack("f", value))[0]
    if kind == "json":
        return document(str(value))
    return value


def found(value: Any, kind: str) -> Any:
    """The same for a value of the server."""
    return document(value) if kind == "json" and value is not None else value


def source_rows(path: Path, table: str, types: dict[str, str]) -> Counter[tuple[Any, ...]]:
    """A table of the file, as it must be on the server."""
    with sqlite3.connect(path) as connection:
        names = ", ".join(f'"{name}"' for name in types)
        rows = connection.execute(f'SELECT {names} FROM "{table}"').fetchall()
    connection.close()
    return Counter(tuple(expected(value, kind) for value, kind in zip(row, types.values(), strict=True)) for row in rows)


def target_rows(server: MysqlServer, database: str, table: str, types: dict[str, str]) -> Counter[tuple[Any, ...]]:
    """A table of the server."""
    names = ", ".join(f'"{name}" + 0E0' if kind == "float" else f'"{name}"' for name, kind in types.items())
    rows = server.query(f'SELECT {names} FROM "{table}"', database)
    return Counter(tuple(found(value, kind) for value, kind in zip(row, types.values(), strict=True)) for row in rows)
