# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a SQLite file with a PostgreSQL database, value by value, without a line of the collection's code."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

from metadata_server import Server

_TYPES = """
    SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'
"""


def column_types(server: Server, database: str) -> dict[str, dict[str, str]]:
    """The type of every column on the server."""
    types: dict[str, dict[str, str]] = {}
    for table, column, kind in server.query(_TYPES, database):
        types.setdefault(table, {})[column] = kind
    return types


def _number(text: str) -> float:
    return float(text) + 0.0  # the server knows no negative zero


def document(text: str) -> str:
    """One text for all spellings of a document."""
    return json.dumps(json.loads(text, parse_int=_number, parse_float=_number), sort_keys=True)


def expected(value: Any, kind: str) -> Any:
    """What a value of SQLite must be on the server."""
    if value is None:
        return None
    if kind == "boolean":
        return bool(value)
    if kind == "timestamp with time zone":
        return datetime.fromisoformat(value).replace(tzinfo=timezone.utc)
    if kind == "timestamp without time zone":
        return datetime.fromisoformat(value)
    if kind == "uuid":
        return str(UUID(value))
    if kind == "json":
        return str(value)
    if kind == "jsonb":
        return document(str(value))
    return value


def found(value: Any, kind: str) -> Any:
    """The same for a value of the server."""
    if kind == "bytea" and value is not None:
        return bytes(value)
    if kind == "jsonb" and value is not None:
        return document(value)
    return value


def source_rows(path: Path, table: str, types: dict[str, str]) -> Counter[tuple[Any, ...]]:
    """A table of the file, as it must be on the server."""
    with sqlite3.connect(path) as connection:
        names = ", ".join(f'"{name}"' for name in types)
        rows = connection.execute(f'SELECT {names} FROM "{table}"').fetchall()
    connection.close()
    return Counter(tuple(expected(value, kind) for value, kind in zip(row, types.values(), strict=True)) for row in rows)


def target_rows(server: Server, database: str, table: str, types: dict[str, str]) -> Counter[tuple[Any, ...]]:
    """A table of the server."""
    names = ", ".join(f'"{name}"::text' if kind in ("json", "jsonb", "uuid") else f'"{name}"' for name, kind in types.items())
    rows = server.query(f'SELECT {names} FROM public."{table}"', database)
    return Counter(tuple(found(value, kind) for value, kind in zip(row, types.values(), strict=True)) for row in rows)
