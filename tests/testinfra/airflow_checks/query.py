# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the rows of a statement as JSON: python3 -m airflow_checks.query URL STATEMENT. Runs on the host."""

from __future__ import annotations

import json
import sqlite3
import sys
from typing import Any
from urllib.parse import unquote, urlsplit


def rows(url: str, statement: str) -> list[list[object]]:
    """All rows of a statement at an SQLAlchemy URL."""
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite"):
        connection: Any = sqlite3.connect(f"file:{unquote(parts.path[1:])}?mode=ro", uri=True)
    else:
        place: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port,
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
        }
        name = unquote(parts.path[1:])
        if parts.scheme.startswith("mysql"):
            import pymysql

            connection = pymysql.connect(**place, database=name, ssl={"check_hostname": False})
        else:
            import psycopg2

            connection = psycopg2.connect(**place, dbname=name)
    cursor = connection.cursor()
    cursor.execute(statement)
    return [list(row) for row in cursor.fetchall()]


def main() -> None:
    """Print the rows."""
    print(json.dumps(rows(sys.argv[1], sys.argv[2]), default=str))


if __name__ == "__main__":
    main()
