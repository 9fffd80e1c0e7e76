# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills every table of an Airflow metadata database in SQLite with awkward but legal rows, always the same ones.

It knows no table by heart: it reads columns, keys and foreign keys from the file, so both lines of Airflow get rows in all
their tables. Only values with a meaning for Airflow's own upgrade (pickles, XComs) are made by name.
"""

from __future__ import annotations

import pickle
import random
import re
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

NASTY = [
    "plain",
    "emoji 🛠️🐘 and ünïcödé",
    "tab\there",
    "line\nbreak\r\n",
    "back\\slash \\N \\. \\t",
    "control \x01\x02\x08\x0b\x0c\x1f\x7f",
    "quote ' double \" percent % dollar $$",
    "",
    " leading and trailing ",
    "null",
    "NULL",
    "\\N",
    "﻿bom and \u2028 separator",
]
DOCUMENTS = [
    "null",
    "{}",
    "[]",
    '"text"',
    "3",
    "1.5",
    "true",
    '{"a": 1, "a": 2, "b": [1.50, 1e2, -0.0]}',
    '{"emoji": "\\ud83d\\udee0", "raw": "🛠️", "escaped": "\\\\u0000"}',
    '{ "spaces" : [ 1 , 2 ] }',
]
START = datetime(2023, 1, 1)
LONG = 200_000
Fit = Callable[[str, str, str], str]


class Seeder:
    """Fills one database."""

    def __init__(self, path: str, rows: dict[str, int], fit: Fit | None, default: int = 12, seed: int = 7) -> None:
        self.fit = fit
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.rows = rows
        self.default = default
        self.random = random.Random(seed)
        self.number = 0

    def run(self) -> None:
        """Fill all tables, parents first."""
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute("BEGIN")
        for table in self._order():
            if not table.startswith("alembic_version"):
                self._fill(table)
        self.connection.execute("COMMIT")
        problems = self.connection.execute("PRAGMA foreign_key_check").fetchall()
        assert not problems, problems
        self.connection.close()

    def _order(self) -> list[str]:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY 1"
        waiting = {
            table: {row[2] for row in self.connection.execute(f'PRAGMA foreign_key_list("{table}")')} - {table}
            for (table,) in self.connection.execute(query).fetchall()
        }
        ordered: list[str] = []
        while waiting:
            ready = sorted(table for table, parents in waiting.items() if not parents - set(ordered))
            assert ready, waiting
            ordered += ready
            for table in ready:
                del waiting[table]
        return ordered

    def _fill(self, table: str) -> None:
        columns = self.connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        names = [column[1] for column in columns]
        parents = self._parents(table)
        unique = self._unique(table, [column[1] for column in columns if column[5]])
        integer_key = [column[1] for column in columns if column[5]] == ["id"] and columns[0][2] == "INTEGER"
        seen: list[set[Any]] = [self._present(table, key) for key in unique]
        first = self.connection.execute(f'SELECT max(id) FROM "{table}"').fetchone()[0] or 0 if integer_key else 0
        wanted = self.rows.get(table, self.default)
        made: list[tuple[Any, ...]] = []
        for index in range(wanted * 3):
            if len(made) == wanted:
                break
            row = {name: self._value(table, name, declared, bool(required)) for _, name, declared, required, *_ in columns}
            if integer_key:
                row["id"] = first + 1 + index * 2
            for local, rows in parents:
                row.update(zip(local, self.random.choice(rows) if rows else (None,) * len(local)))
            keys = [tuple(row[name] for name in key) for key in unique]
            if any(None not in key and key in known for key, known in zip(keys, seen)):
                continue
            for key, known in zip(keys, seen):
                known.add(key)
            made.append(tuple(row[name] for name in names))
        quoted = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join("?" * len(names))
        self.connection.executemany(f'INSERT INTO "{table}" ({quoted}) VALUES ({marks})', made)

    def _present(self, table: str, key: list[str]) -> set[Any]:
        names = ", ".join(f'"{name}"' for name in key)
        return set(self.connection.execute(f'SELECT {names} FROM "{table}"'))

    def _parents(self, table: str) -> list[tuple[list[str], list[tuple[Any, ...]]]]:
        found: dict[int, list[tuple[Any, ...]]] = {}
        for row in self.connection.execute(f'PRAGMA foreign_key_list("{table}")'):
            found.setdefault(row[0], []).append(row)
        result = []
        for rows in found.values():
            rows.sort(key=lambda row: row[1])
            remote = ", ".join(f'"{row[4]}"' for row in rows)
            limit = "LIMIT 20000"
            values = self.connection.execute(f'SELECT {remote} FROM "{rows[0][2]}" {limit}').fetchall()
            result.append(([row[3] for row in rows], values))
        return sorted(result, key=lambda item: len(item[0]))

    def _unique(self, table: str, key: list[str]) -> list[list[str]]:
        keys = [key] if key else []
        for _, name, unique, *_ in self.connection.execute(f'PRAGMA index_list("{table}")').fetchall():
            if unique:
                keys.append([row[2] for row in self.connection.execute(f'PRAGMA index_info("{name}")')])
        return keys

    def _value(self, table: str, name: str, declared: str, required: bool) -> Any:
        self.number += 1
        special = self._special(table, name)
        if special is not None:
            return special
        if not required and self.random.random() < 0.3:
            return None
        return self._typed(table, name, declared)

    def _special(self, table: str, name: str) -> Any:
        if (table, name) == ("xcom", "value") and self._is_binary(table, name):
            document = self.random.choice([*DOCUMENTS, '{"n": NaN, "i": [-Infinity, Infinity]}', '"NaN"', '"a\\u0000b"'])
            return self.random.choice([document.encode(), document.encode(), pickle.dumps({"x": self.number})])
        if (table, name) == ("dag_run", "conf") and self._is_binary(table, name):
            return pickle.dumps(self.random.choice([{}, {"path": NASTY[1], "n": 1.5}, {"deep": [1, {"a": None}]}]))
        if name == "executor_config":
            return pickle.dumps({"KubernetesExecutor": {"n": self.number}})
        if name == "map_index":
            return self.random.choice([-1, -1, 0, 5])
        if name in ("user_id", "created_by_fk", "changed_by_fk"):
            return None
        if table == "dag_run" and name == "run_type":
            return self.random.choice(["scheduled", "manual", "dataset_triggered"])
        return None

    def _is_binary(self, table: str, name: str) -> bool:
        columns = self.connection.execute(f'PRAGMA table_info("{table}")')
        return any(column[1] == name and column[2] == "BLOB" for column in columns)

    def _typed(self, table: str, name: str, declared: str) -> Any:
        if declared in ("INTEGER", "BIGINT"):
            return self.random.randrange(0, 2**31 if declared == "INTEGER" else 2**63)
        if declared == "BOOLEAN":
            return self.random.randrange(2)
        if declared == "FLOAT":
            return self.random.choice([0.0, 1e-7, 12.25, 1 / 3, 1e15, 1e22, 86400.000001, float(self.number)])
        if declared in ("TIMESTAMP", "DATETIME"):
            moment = START + timedelta(seconds=self.number, microseconds=self.random.choice([0, 1, 120000, 999999]))
            return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
        if declared == "CHAR(32)":
            return f"{self.random.getrandbits(128):032x}"
        if declared == "BLOB":
            return self.random.choice([b"", b"\x00\xff\\x", self.random.randbytes(200)])
        if declared == "JSON":
            return self.random.choice(DOCUMENTS)
        text = self._text(name, declared)
        return self.fit(table, name, text) if self.fit else text

    def _text(self, name: str, declared: str) -> str:
        length = re.search(r"\((\d+)\)", declared)
        text = f"{self.number} {self.random.choice(NASTY)}"
        if length is None:
            return text if self.random.random() < 0.999 else text * (LONG // len(text))
        limit = int(length.group(1))
        if limit > 1000 and self.random.random() < 0.01:
            text = (text * limit)[: min(limit, 1500)]
        return text[:limit]


def seed(path: str, rows: dict[str, int], fit: Fit | None = None) -> None:
    """Fill a fresh metadata database; `fit` makes a text what another engine's column can hold."""
    Seeder(path, rows, fit).run()
