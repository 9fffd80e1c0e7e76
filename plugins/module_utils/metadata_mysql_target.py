# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A metadata database on a MySQL server that is written.

MySQL ends the transaction at every statement that makes, changes or drops a table. So the move's marker is the first thing that is made, in
one statement with its row: whatever comes after a kill knows whose half-made work it sees. What else must be made or changed is done
before the rows, all rows are one transaction, and no index is dropped on the way.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_mysql import NO_SUCH_PRIVILEGE, MysqlServer, read_value
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_mysql_values import literals
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Target
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    KEPT_SCHEMA,
    MARKER_TABLE,
    ColumnType,
    Loading,
    MoveError,
    RefusedValue,
    batched,
    describe_key,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_values import encode, encoder_of

OLDEST = (8, 0)
# A statement ends with the row that makes it longer than this.
STATEMENT_SIZE = 1_000_000
SAME_KEY = 1062
# What holds rows that Airflow does not know; points in time of any year, and documents as they are written.
_KEPT_TYPES = {
    "boolean": "tinyint(1)",
    "integer": "bigint",
    "float": "double",
    "single": "float",
    "text": "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "timestamp": "datetime(6)",
    "timestamptz": "datetime(6)",
    "json": "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "jsonb": "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "uuid": "char(32)",
    "bytes": "longblob",
}
_MARKER = """
    CREATE TABLE {table} (
        id tinyint NOT NULL PRIMARY KEY,
        source longtext NOT NULL,
        fingerprint longtext NOT NULL,
        revision longtext NOT NULL,
        phase longtext NOT NULL,
        tables longtext NOT NULL,
        record longtext,
        copied_at datetime(6) NOT NULL,
        changed_at datetime(6) NOT NULL
    ) CHARACTER SET utf8mb4 AS
    SELECT 1 AS id, %s AS source, '' AS fingerprint, '' AS revision, 'started' AS phase, '{{}}' AS tables, NULL AS record,
           CURRENT_TIMESTAMP(6) AS copied_at, CURRENT_TIMESTAMP(6) AS changed_at
"""
_COUNTERS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = DATABASE() AND extra LIKE '%auto_increment%'
"""
_KEY_COLUMNS = """
    SELECT column_name FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND CAST(table_name AS BINARY) = %s AND index_name = %s AND column_name IS NOT NULL
    ORDER BY seq_in_index
"""
_VIEWS = "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()"
# Airflow's migration to 3.x makes a function and drops it again.
_FUNCTIONS = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_name = 'uuid_generate_v7'"
_NAMES_OF_SESSIONS = """
    SELECT processlist_id, attr_value FROM performance_schema.session_account_connect_attrs WHERE attr_name = 'program_name'
"""
_DUPLICATE = re.compile(r"for key '(?:.*\.)?([^.']+)'$")


class MysqlTarget(MysqlServer, Target):
    """See Target."""

    def lock(self, patience: int = 0) -> None:
        """See Target; the lock is the session's, for statements that make tables end the transaction."""
        name = "updraft." + hashlib.sha256(self.database.encode()).hexdigest()[:32]
        if self.value("SELECT GET_LOCK(%s, %s)", (name, patience)) != 1:
            raise MoveError(f"Another run of the move works in {self.place}; wait until it has ended.")

    def begin(self) -> None:
        """See Target. Nobody else can write to a table once its rows are read for the verification, until the end of the transaction."""
        self.lock()
        # Tables come in any order; all foreign keys are looked at when every row is there.
        self.run("SET SESSION foreign_key_checks = 0")

    def make_marker(self, source: str) -> None:
        """See Target."""
        self.run(_MARKER.format(table=self.full(MARKER_TABLE, KEPT_SCHEMA)), (source,))

    def undo(self) -> None:
        """See Target."""
        self.rollback()
        with contextlib.suppress(self.error):
            made = self.tables(KEPT_SCHEMA)
            if made:
                self.run("DROP TABLE " + ", ".join(self.full(table, KEPT_SCHEMA) for table in made))

    def prepare(self, tables: list[Loading], kept: list[Loading]) -> None:
        """See Target. Indexes stay: they could not be dropped and made again without ending the transaction."""
        for table in kept:
            typed = ", ".join(f"{self.quoted(name)} {_KEPT_TYPES[column.kind]}" for name, column in table.columns.items())
            self.run(f"CREATE TABLE {self.full(table.name, KEPT_SCHEMA)} ({typed})")
        numbered = dict(self.rows(_COUNTERS))
        for table in tables:
            if table.name in numbered and table.last_number:
                # Rows with higher numbers move it on by themselves.
                self.run(f"ALTER TABLE {self.full(table.name)} AUTO_INCREMENT = {table.last_number + 1}")
        for table in tables:
            self.run(f"DELETE FROM {self.full(table.name)}")

    def load(self, table: Loading, batches: Iterable[list[bytes]], schema: str | None = None) -> None:
        """See Target."""
        kinds = [column.kind for column in table.columns.values()]
        names = ", ".join(map(self.quoted, table.columns))
        start = f"INSERT INTO {self.full(table.name, schema)} ({names}) VALUES ".encode()
        for lines in batches:
            rows = literals(lines, kinds)
            for first, values in _statements([b"(" + b",".join(row) + b")" for row in rows]):
                try:
                    self._insert(table, start, values)
                except self.error:
                    self._refuse(table, start, rows[first : first + len(values)])
                    raise

    def _insert(self, table: Loading, start: bytes, values: list[bytes]) -> None:
        statement = start + b",".join(values)
        if len(statement) >= self.largest_packet:
            raise MoveError(
                f"A row of the table {table.name} takes {len(statement)} bytes, and {self.place} takes no more than {self.largest_packet}"
                " at once; raise max_allowed_packet of the server."
            )
        self._connection.query(statement)

    def _refuse(self, table: Loading, start: bytes, rows: list[tuple[bytes, ...]]) -> None:
        """Say which row the server refuses, and why. The statement was undone, the transaction is still there."""
        for row in rows:
            try:
                self._insert(table, start, [b"(" + b",".join(row) + b")"])
            except self.error as error:
                if error.args[0] == SAME_KEY:
                    raise self._same_key(table, row, error) from None
                what = f"{self.place} refuses a row of the table {table.name} ({self._key(table, row)}): {self.failure(error)}"
                raise MoveError(f"The copy was undone: {what}.") from None

    def _key(self, table: Loading, row: tuple[bytes, ...]) -> str:
        given = dict(zip(table.columns, row))
        names = [name for name, _declared, _kind, _optional, is_key in self.described(table.name) if is_key and name in given]
        if not names:
            return "it has no primary key"
        values = ", ".join(given[name].decode() for name in names)
        return describe_key(names, self.rows(f"SELECT {values}".replace("%", "%%"), ())[0])

    def _same_key(self, table: Loading, row: tuple[bytes, ...], error: Exception) -> MoveError:
        found = _DUPLICATE.search(str(error.args[1]))
        index = found.group(1) if found else "PRIMARY"
        given = dict(zip(table.columns, row))
        columns = [name for (name,) in self.rows(_KEY_COLUMNS, (table.name, index))]
        keys = [name for name, _declared, _kind, _optional, is_key in self.described(table.name) if is_key]
        same = " AND ".join(f"{self.quoted(name)} = {given[name].decode()}" for name in columns)
        wanted = ", ".join(map(self.quoted, keys or columns))
        other = self.rows(f"SELECT {wanted} FROM {self.full(table.name)} WHERE {same} LIMIT 1".replace("%", "%%"), ())
        rows = f"({describe_key(keys or columns, other[0])}) and ({self._key(table, row)})" if other else f"({self._key(table, row)})"
        return MoveError(
            f"The copy was undone: the table {table.name} has rows whose {', '.join(columns)} the collation in {self.place} does not tell"
            f" apart, {rows}; rename one of them in the source, or make the database with the collation utf8mb4_0900_bin."
        )

    def finish(self, tables: list[Loading]) -> list[dict[str, Any]]:
        """See Target. Counters have gone on behind the rows by themselves."""
        for key in self.foreign_keys():
            names = [name for name, _declared, _kind, _optional, is_key in self.described(key.table) if is_key]
            found = self.orphans(key, names, 1)
            if found:
                raise MoveError(
                    f"The copy to {self.place} was undone: {key.table} has {found[0][0]} rows whose row in {key.parent} is missing"
                    f" (constraint {key.name}), such as ({describe_key(names, found[0][1:])}); delete them in the source."
                )
        numbers = {table.name: table.last_number for table in tables}
        return [
            {"name": f"{table}.{column}", "table": table, "last": max(self._highest(table, column), numbers[table])}
            for table, column in sorted(self.rows(_COUNTERS))
            if table in numbers
        ]

    def _highest(self, table: str, column: str) -> int:
        return int(self.value(f"SELECT coalesce(max({self.quoted(column)}), 0) FROM {self.full(table)}"))

    def read(self, table: str, columns: dict[str, ColumnType], sink: Callable[[list[bytes]], None], schema: str | None = None) -> None:
        """See Target. Every row is locked as it is read, and so is the place behind the last one."""
        encoders = [encoder_of(column) for column in columns.values()]
        values = ", ".join(read_value(self.quoted(name), column) for name, column in columns.items())
        rows = self.stream(f"SELECT {values} FROM {self.full(table, schema)} FOR SHARE")
        try:
            for batch in batched(rows, columns.values()):
                sink(encode(encoders, batch))
        except RefusedValue as error:
            raise MoveError(f"The table {table} in {self.place} holds {error}.") from None

    def analyze(self, tables: list[str]) -> None:
        """See Target."""
        if tables:
            self.rows("ANALYZE LOCAL TABLE " + ", ".join(map(self.full, tables)))
        self.commit()

    def may_read(self, table: str) -> bool:
        """See Target."""
        try:
            self.rows(f"SELECT 1 FROM {self.full(table)} LIMIT 1")
        except self.error as error:
            if error.args[0] in NO_SUCH_PRIVILEGE:
                return False
            raise
        return True

    def sessions(self) -> list[str]:
        """See Target."""
        own = self.value("SELECT CONNECTION_ID()")
        user = str(self.value("SELECT USER()")).rpartition("@")[0]
        names: dict[int, str] = {}
        # A server may keep no statistics.
        with contextlib.suppress(self.error):
            names = dict(self.rows(_NAMES_OF_SESSIONS))
        return [
            f"{name} from {host} ({names.get(number) or 'no name'})"
            for number, name, host, database, *_rest in self.rows("SHOW PROCESSLIST")
            if database == self.database and name == user and number != own
        ]

    def drop_everything(self) -> None:
        """See Target; the tables in one statement, which is done wholly or not at all."""
        self.run("SET SESSION foreign_key_checks = 0")
        for (name,) in self.rows(_VIEWS):
            self.run(f"DROP VIEW IF EXISTS {self.quoted(name)}")
        for (name,) in self.rows(_FUNCTIONS):
            self.run(f"DROP FUNCTION IF EXISTS {self.quoted(name)}")
        tables = [self.full(name) for name in self.tables()] + [self.full(name, KEPT_SCHEMA) for name in self.tables(KEPT_SCHEMA)]
        if tables:
            self.run("DROP TABLE " + ", ".join(tables))

    def obstacles(self, migrates: bool) -> list[str]:
        """See Target."""
        found = []
        if self.version < OLDEST:
            found.append(f"{self.place} is MySQL {self.version[0]}.{self.version[1]}, and Airflow needs 8.0 or newer.")
        if not self.value("SELECT @@explicit_defaults_for_timestamp"):
            found.append(f"explicit_defaults_for_timestamp is off on the server of {self.place}: turn it on, Airflow needs it.")
        charset = self.value("SELECT @@character_set_database")
        if charset != "utf8mb4":
            found.append(f"The character set of {self.place} is {charset}: make the database with CHARACTER SET utf8mb4.")
        if migrates and not self._may_make_functions():
            found.append(
                f"Airflow's migration to 3.x makes a function in {self.place}, which the server allows nobody else than its administrators"
                " while it writes a binary log: set log_bin_trust_function_creators = 1 there."
            )
        return found

    def _may_make_functions(self) -> bool:
        if not self.value("SELECT @@log_bin") or self.value("SELECT @@log_bin_trust_function_creators"):
            return True
        return any(" SUPER" in str(grant) for (grant,) in self.rows("SHOW GRANTS"))

    def binary(self, digits: str) -> str:
        """See Target."""
        return f"X'{digits}'"

    def digest(self, table: str, join: str, values: list[tuple[str, str]], where: str) -> str:
        """See Target; each value has a digest of its own, so that no long row has to be put together."""
        fields = ", ".join(f"coalesce(SHA2({_COMPARABLE.get(kind, '{}').format(expression)}, 256), 'N')" for expression, kind in values)
        half = "coalesce(sum(CAST(CONV({}(h, 16), 16, 10) AS UNSIGNED)), 0)"
        return str(
            self.value(
                f"SELECT CONCAT_WS(':', count(*), {half.format('LEFT')}, {half.format('RIGHT')})"
                f" FROM (SELECT SHA2(CONCAT_WS(',', {fields}), 256) AS h FROM {self.full(table)} t {join} {where}) q"
            )
        )


# What does not change when a column gets another type or another character set on the way.
_COMPARABLE = {
    "text": "CONVERT({} USING utf8mb4)",
    "jsonb": "CAST({} AS CHAR CHARACTER SET utf8mb4)",
    "timestamp": "CAST({} AS DATETIME(6))",
    "timestamptz": "CAST({} AS DATETIME(6))",
    "single": "({}) + 0E0",
}


def _statements(values: list[bytes]) -> Iterable[tuple[int, list[bytes]]]:
    """Rows in pieces of bounded size, each with the number of its first row."""
    first, size = 0, 0
    for number, value in enumerate(values):
        size += len(value)
        if size >= STATEMENT_SIZE:
            yield first, values[first : number + 1]
            first, size = number + 1, 0
    if first < len(values):
        yield first, values[first:]
