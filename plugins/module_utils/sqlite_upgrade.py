# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards Airflow's own migration of an SQLite database to the newest schema of its line: prepares a copy, and compares it afterwards."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_losses import (
    ColumnChange,
    Step,
    TableChange,
    changes_of,
    later_steps,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import quoted
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import VERSION_TABLES, MoveError
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_values import Digest

BATCH_ROWS = 500

CONNECTION_CLASS = '''\
"""What Airflow's migrations connect with. They rebuild tables, and with foreign keys on, SQLite deletes the rows of others for that."""

import sqlite3


class Connection(sqlite3.Connection):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.execute("PRAGMA foreign_keys = OFF")
        self.set_authorizer(keep_foreign_keys_off)


def keep_foreign_keys_off(action, name, value, database, trigger):
    if action == sqlite3.SQLITE_PRAGMA and name == "foreign_keys" and value is not None:
        return sqlite3.SQLITE_IGNORE
    return sqlite3.SQLITE_OK


arguments = {"factory": Connection}
'''
CONNECTION_MODULE = "updraft_sqlite"

# Airflow 2.9.2 copies the rows of this table into another by the order of the columns, which is another one where the table was made by
# a first `airflow db migrate`: without a word, passwords would become ports.
_CONNECTION_HEADS = ("405de8318b3a", "10b52ebd31f7", "88344c1d9134", "1949afb29106")
_CONNECTION_COLUMNS = {
    "id": "INTEGER NOT NULL",
    "conn_id": "VARCHAR(250) NOT NULL",
    "conn_type": "VARCHAR(500) NOT NULL",
    "host": "VARCHAR(500)",
    "schema": "VARCHAR(500)",
    "login": "TEXT",
    "password": "TEXT",
    "port": "INTEGER",
    "extra": "TEXT",
    "is_encrypted": "BOOLEAN",
    "is_extra_encrypted": "BOOLEAN",
    "description": "VARCHAR(5000)",
}


def connect(path: str, mode: str = "ro") -> sqlite3.Connection:
    """A connection that shows bytes which are not UTF-8 as surrogates."""
    connection = sqlite3.connect(f"file:{quote(os.path.abspath(path))}?mode={mode}", uri=True, timeout=60, isolation_level=None)
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return connection


def revision_of(path: str) -> str | None:
    """The schema's revision."""
    with closing(connect(path)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def without_log(path: str) -> None:
    """Bring what is in a write-ahead log, which Airflow 3 turns on, into the file: the file alone is moved."""
    with closing(connect(path, "rw")) as connection:
        mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    if mode != "delete":
        raise MoveError(f"The write-ahead log of {path} cannot be brought into it, for another process has it open.")


def prepare(path: str) -> None:
    """Make a copy ready for Airflow's migration."""
    revision = revision_of(path)
    with closing(connect(path, "rw")) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN IMMEDIATE")
        if revision in _CONNECTION_HEADS:
            _order_columns(connection)
        for step in later_steps(revision) or ():
            for change in step.tables:
                if change.table == "serialized_dag" and change.fate == "emptied":
                    connection.execute("DELETE FROM serialized_dag")
        connection.execute("COMMIT")


def _order_columns(connection: sqlite3.Connection) -> None:
    """Give the table of connections the order of columns that the migration expects."""
    present = [row[1] for row in connection.execute("PRAGMA table_info(connection)")]
    if set(present) != set(_CONNECTION_COLUMNS):
        raise MoveError(f"The table connection has not the columns that Airflow gives it, and its migration mixes up {', '.join(present)}.")
    names = ", ".join(map(quoted, _CONNECTION_COLUMNS))
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in _CONNECTION_COLUMNS.items())
    keys = "CONSTRAINT connection_pkey PRIMARY KEY (id), CONSTRAINT connection_conn_id_uq UNIQUE (conn_id)"
    connection.execute(f"CREATE TABLE connection_ordered ({columns}, {keys})")
    connection.execute(f"INSERT INTO connection_ordered ({names}) SELECT {names} FROM connection")
    connection.execute("DROP TABLE connection")
    connection.execute("ALTER TABLE connection_ordered RENAME TO connection")


def canonical_kwargs(value: Any, decrypt: Callable[[str], str]) -> str | None:
    """The arguments of a trigger, however they are stored: as JSON, or encrypted."""
    if value is None:
        return None
    text = str(value)
    return _canonical(json.loads(text if text.startswith("{") else decrypt(text)))


def has_deadlines(value: Any) -> bool:
    """Whether a serialized DAG has deadlines."""
    return bool(_dag_of(value).get("deadline"))


def without_deadlines(value: Any) -> Any:
    """A serialized DAG without its deadlines; one that has none as it is."""
    if not has_deadlines(value):
        return value
    document = _document(value)
    del document["dag"]["deadline"]
    return _canonical(document)


def _dag_of(value: Any) -> dict[str, Any]:
    try:
        dag = _document(value)["dag"]
    except (TypeError, ValueError, KeyError, zlib.error):
        return {}
    return dag if isinstance(dag, dict) else {}


def _document(value: Any) -> Any:
    return json.loads(zlib.decompress(value) if isinstance(value, bytes) else value)


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


class Comparison:
    """Every table of a database against what Airflow's migration made of it."""

    def __init__(self, before: str, after: str, decrypt: Callable[[str], str], kept_as: str = "") -> None:
        self._before, self._after = before, after
        self._decrypt = decrypt
        self._kept_as = kept_as
        self._steps: tuple[Step, ...] = ()
        self.failures: list[str] = []
        self.losses: list[dict[str, Any]] = []
        self.tables: list[dict[str, Any]] = []

    def run(self) -> None:
        """Compare all tables."""
        revision = revision_of(self._before)
        steps = later_steps(revision)
        if steps is None:
            raise MoveError(f"{self._before} is at the revision {revision}, which is not that of a release from 2.7.0 on.")
        self._steps = steps
        with closing(connect(self._after)) as self._connection:
            self._connection.execute("ATTACH ? AS old", (f"file:{quote(os.path.abspath(self._before))}?mode=ro",))
            self._connection.create_function("trigger_kwargs", 1, lambda value: canonical_kwargs(value, self._decrypt))
            self._connection.create_function("without_deadlines", 1, without_deadlines)
            self._connection.create_function("has_deadlines", 1, has_deadlines)
            present = set(self._names("main"))
            for table in self._names("old"):
                if table not in VERSION_TABLES:
                    self._compare(table, present)
            self._compare_parents()

    def _names(self, schema: str) -> list[str]:
        query = f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
        return [row[0] for row in self._connection.execute(query)]

    def _columns(self, schema: str, table: str) -> dict[str, tuple[str, bool]]:
        rows = self._connection.execute(f"PRAGMA {schema}.table_info({quoted(table)})")
        return {name: (declared.upper(), bool(key)) for _number, name, declared, _not_null, _default, key in rows}

    def _count(self, schema: str, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {schema}.{quoted(table)}").fetchone()[0])

    def _compare(self, table: str, present: set[str]) -> None:
        fate, changes = changes_of(self._steps, table)
        rows = self._count("old", table)
        now = fate.to if fate.to in present else table
        if fate.fate in ("emptied", "dropped"):
            self._lose(table, rows, fate.revision, fate.reason)
            return
        if now not in present:
            self.failures.append(f"the table {table} is gone")
            return
        after = self._count("main", now)
        self.tables.append({"name": table, "now": now, "before": rows, "after": after})
        if after < rows:
            self.failures.append(f"{table} had {rows} rows and has {after}")
            return
        try:
            self._compare_content(table, now, fate, changes, after > rows)
        except sqlite3.OperationalError as error:
            # What a function of this file raises, SQLite tells by its name alone.
            self.failures.append(f"{table} cannot be compared ({error})")

    def _compare_content(self, table: str, now: str, fate: TableChange, changes: dict[str, ColumnChange], has_more: bool) -> None:
        old, new = self._columns("old", table), self._columns("main", now)
        before, after, named, joined = [], [], [], False
        for column in old:
            change = changes.get(column) or ColumnChange(table, column, "", "", to=column)
            if change.is_gone:
                values = f"SELECT count(*) FROM old.{quoted(table)} WHERE {quoted(column)} IS NOT NULL"
                self._lose(f"{table}.{column}", self._connection.execute(values).fetchone()[0], change.revision, change.reason)
                continue
            if not change.is_joined and change.to not in new:
                self.failures.append(f"the column {table}.{column} is gone")
                continue
            joined = joined or change.is_joined
            before.append(change.before.replace("{}", f"t.{quoted(column)}"))
            after.append((change.after or "{}").replace("{}", f"t.{quoted(change.to)}"))
            named.append(column)
        known = ""
        if has_more:
            known = self._known_rows(table, [name for name, (_kind, key) in old.items() if key], old)
        join = fate.join if joined else ""
        first = self._digests(f"SELECT {', '.join(before)} FROM old.{quoted(table)} t", named)
        second = self._digests(f"SELECT {', '.join(after)} FROM main.{quoted(now)} t {join} {known}", named)
        if first["rows"] != second["rows"]:
            changed = [name for name in named if first[name] != second[name]]
            self.failures.append(f"the content of {table} has changed ({', '.join(changed) or 'which values belong together'})")

    def _known_rows(self, table: str, keys: list[str], columns: dict[str, tuple[str, bool]]) -> str:
        """What selects the rows that were there before: a migration may add some of its own."""
        if len(keys) == 1 and columns[keys[0]][0] == "INTEGER":
            last = self._connection.execute(f"SELECT coalesce(max({quoted(keys[0])}), 0) FROM old.{quoted(table)}").fetchone()[0]
            return f"WHERE t.{quoted(keys[0])} <= {int(last)}"
        same = " AND ".join(f"k.{quoted(key)} IS t.{quoted(key)}" for key in keys)
        return f"WHERE EXISTS (SELECT 1 FROM old.{quoted(table)} k WHERE {same})" if keys else ""

    def _digests(self, query: str, columns: list[str]) -> dict[str, tuple[int, str]]:
        """Of the rows as a whole, and of each column by itself, which says where to look."""
        whole, parts = Digest(), [Digest() for _column in columns]
        for batch in self._batches(query):
            whole.add([repr(row).encode() for row in batch])
            for digest, values in zip(parts, zip(*batch)):
                digest.add([repr(value).encode() for value in values])
        found = {name: (digest.rows, digest.hexdigest()) for name, digest in zip(columns, parts)}
        return {**found, "rows": (whole.rows, whole.hexdigest())}

    def _batches(self, query: str) -> Iterator[list[tuple[Any, ...]]]:
        cursor = self._connection.execute(query)
        while batch := cursor.fetchmany(BATCH_ROWS):
            yield batch

    def _compare_parents(self) -> None:
        """Rows that point to none were pointing to none before."""
        missing = {
            schema: sorted({(row[0], row[2]) for row in self._connection.execute(f"PRAGMA {schema}.foreign_key_check")})
            for schema in ("old", "main")
        }
        found = [pair for pair in missing["main"] if pair not in missing["old"]]
        self.failures += [f"{table} has rows whose row in {parent} is missing" for table, parent in found]

    def _lose(self, table: str, rows: int, revision: str, reason: str) -> None:
        if rows:
            self.losses.append({"table": table, "rows": rows, "revision": revision, "reason": reason, "kept_as": self._kept_as})
