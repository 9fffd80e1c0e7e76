# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds, in the source alone, every value that would stop the copy or the migration after it."""

from __future__ import annotations

import pickletools
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_losses import REVISION_BEFORE
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_sqlite import (
    SqliteSource,
    describe_key,
    expected_type,
    quoted,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_tables import JSONB_COLUMNS, known_tables
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    VERSION_TABLES,
    ColumnType,
    MoveError,
    RefusedValue,
    SourceTable,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_upgrade import converted_xcom
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_values import (
    JsonEncoder,
    encoder_of,
    has_surrogate,
)

# Rows are named up to this many for one reason in one column; the rest is counted.
NAMED_ROWS = 3
# Airflow 3 shortens these columns.
_SHORTER_IN_3 = {("dataset", "uri"): 1500, ("dataset_alias", "name"): 1500}
# Pickles that use these are more than plain data, which JSON cannot hold.
_NOT_PLAIN = {"GLOBAL", "STACK_GLOBAL", "REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EMPTY_SET", "FROZENSET"} | {
    "BINBYTES",
    "BINBYTES8",
    "SHORT_BINBYTES",
    "BYTEARRAY8",
}

Check = Callable[[Any], object]


class Findings:
    """Refusals and notes, gathered by table, column and reason."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], list[str]] = {}
        self._counts: dict[tuple[str, str, str], int] = {}
        self.sentences: list[str] = []

    def add(self, table: str, column: str, reason: str, row: str) -> None:
        """Note a value."""
        key = (table, column, reason)
        self._counts[key] = self._counts.get(key, 0) + 1
        rows = self._rows.setdefault(key, [])
        if len(rows) < NAMED_ROWS:
            rows.append(f"({row})")

    def listed(self, advice: str) -> list[str]:
        """One sentence per table, column and reason."""
        result = list(self.sentences)
        for (table, column, reason), rows in self._rows.items():
            more = self._counts[(table, column, reason)] - len(rows)
            names = ", ".join(rows) + (f" and {more} more" if more else "")
            result.append(f"{table}.{column} holds {reason} in the row {names}; {advice}.")
        return result


class Inspection:
    """One reading of the source."""

    def __init__(self, path: str, line: int | None) -> None:
        self._source = SqliteSource(path)
        self._refusals = Findings()
        self._notes = Findings()
        self._revisions = {name: self._source.revision(name) for name in VERSION_TABLES}
        self._to_three = line == 3 and self._revisions["alembic_version"] == REVISION_BEFORE
        self._replaced: dict[tuple[str, str], int] = {}

    def run(self) -> dict[str, Any]:
        """Read everything once."""
        try:
            return self._read()
        except sqlite3.Error as error:
            reason = type(error).__name__ if isinstance(error, sqlite3.OperationalError) else str(error)
            raise MoveError(
                f"The SQLite database {self._source.path} cannot be read to its end ({reason}); restore it from a backup"
                " or repair it with the sqlite3 tool's .recover."
            ) from None
        finally:
            self._source.close()

    def _read(self) -> dict[str, Any]:
        damage = [row[0] for row in self._source.query("PRAGMA quick_check(1)")]
        if damage != ["ok"]:
            raise sqlite3.DatabaseError(damage[0])
        if self._revisions["alembic_version"] is None:
            self._refusals.sentences.append(
                f"{self._source.path} has no revision in alembic_version, so it is no database of Airflow's; check the path in source."
            )
        tables = self._source.tables()
        known = known_tables([table.name for table in tables])
        listed = []
        for table in tables:
            if table.name in known:
                self._inspect_table(table)
            listed.append({"name": table.name, "rows": self._source.count(table.name), "known": table.name in known})
        self._find_orphans()
        self._find_duplicates({table.name for table in tables})
        advice = "correct or delete it in the source before the move"
        return {
            "tables": listed,
            "rows": sum(table["rows"] for table in listed),
            "revision": self._revisions["alembic_version"],
            "fab_revision": self._revisions["alembic_version_fab"],
            "refusals": self._refusals.listed(advice),
            "notes": self._notes.listed("nothing is to be done") + self._replacements() + _unknown(listed),
        }

    def _replacements(self) -> list[str]:
        return [
            f"{count} values of {table}.{column} hold NaN or Infinity, which JSON does not know; they become null, as"
            " Airflow's own upgrade does it."
            for (table, column), count in self._replaced.items()
        ]

    def _inspect_table(self, table: SourceTable) -> None:
        try:
            self._read_rows(table, self._source)
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
            lenient = SqliteSource(self._source.path, lenient=True)
            self._read_rows(table, lenient)
            lenient.close()

    def _read_rows(self, table: SourceTable, source: SqliteSource) -> None:
        columns = self._columns(table)
        names = [name for name, _column in columns]
        keys = [column.name for column in table.columns if column.key]
        extra = self._extra_checks(table.name)
        for batch in source.batches(table, [*names, *keys]):
            transposed = list(zip(*batch))
            for index, (name, kind) in enumerate(columns):
                values = transposed[index]
                encoder = encoder_of(kind)
                try:
                    encoder.many(values)
                    clean = kind.kind not in ("text", "json", "jsonb") or not any(map(has_surrogate, values))
                except RefusedValue:
                    clean = False
                if not clean:
                    self._name_rows(table.name, name, encoder.one, batch, index, len(names), keys)
                if isinstance(encoder, JsonEncoder) and encoder.replaced and clean:
                    place = (table.name, name)
                    self._replaced[place] = self._replaced.get(place, 0) + encoder.replaced
                if name in extra:
                    self._name_rows(table.name, name, extra[name], batch, index, len(names), keys)

    def _name_rows(self, table: str, column: str, check: Check, batch: list[Any], index: int, first_key: int, keys: list[str]) -> None:
        for row in batch:
            value = row[index]
            if value is None:
                continue
            try:
                if has_surrogate(value):
                    raise RefusedValue("text that is not UTF-8")
                check(value)
            except _Remark as remark:
                self._notes.add(table, column, str(remark), describe_key(keys, row[first_key:]))
            except RefusedValue as error:
                self._refusals.add(table, column, str(error), describe_key(keys, row[first_key:]))

    def _columns(self, table: SourceTable) -> list[tuple[str, ColumnType]]:
        columns = []
        for column in table.columns:
            kind = expected_type(column.declared)
            if kind is not None and (table.name, column.name) in JSONB_COLUMNS and kind.kind == "json":
                kind = ColumnType("jsonb")
            if kind is not None:
                columns.append((column.name, kind))
        return columns

    def _extra_checks(self, table: str) -> dict[str, Check]:
        if not self._to_three:
            return {}
        checks: dict[str, Check] = {}
        if table == "xcom":
            checks["value"] = _check_xcom
        if table == "dag_run":
            checks["conf"] = _check_conf
        for (name, column), length in _SHORTER_IN_3.items():
            if name == table:
                checks[column] = _length_check(length)
        return checks

    def _find_orphans(self) -> None:
        for table, parent, count, rows in self._source.orphans():
            names = ", ".join(f"({row})" for row in rows) + (f" and {count - len(rows)} more" if count > len(rows) else "")
            self._refusals.sentences.append(
                f"{table} has rows whose row in {parent} is missing: {names}; delete them in the source before the move."
            )

    def _find_duplicates(self, tables: set[str]) -> None:
        for table in ("ab_user", "ab_register_user"):
            if table in tables:
                self._find_same(table, "username", str.lower, "that differ only in case")
        if self._to_three and "ab_register_user" in tables:
            self._find_same("ab_register_user", "email", str, "that are the same, which Airflow 3 does not allow")
        if self._to_three and "ab_permission_view" in tables:
            query = "SELECT id FROM ab_permission_view WHERE permission_id IS NULL OR view_menu_id IS NULL"
            rows = [str(row[0]) for row in self._source.query(query)]
            if rows:
                self._refusals.sentences.append(
                    f"ab_permission_view has rows without a permission or view, which Airflow 3 does not allow (id"
                    f" {', '.join(rows[:NAMED_ROWS])}); delete them in the source before the move."
                )

    def _find_same(self, table: str, column: str, fold: Callable[[str], str], what: str) -> None:
        seen: dict[str, Any] = {}
        for key, value in self._source.query(f"SELECT id, {quoted(column)} FROM {quoted(table)}"):
            other = seen.setdefault(fold(str(value)), key)
            if other != key:
                self._refusals.sentences.append(
                    f"{table}.{column} holds values {what} in the rows id={other} and id={key}; rename or delete one of"
                    " them in the source before the move."
                )


class _Remark(Exception):
    """A value worth a note; the text says what it is."""


def _check_xcom(value: Any) -> None:
    if isinstance(value, bytes) and converted_xcom(value) is None:
        raise _Remark("a pickled XCom, which Airflow's upgrade moves to _xcom_archive,")


def _check_conf(value: Any) -> None:
    if not isinstance(value, bytes):
        return
    plain = True
    for name, argument in _pickle_steps(value):
        if isinstance(argument, str) and has_surrogate(argument):
            raise RefusedValue("a conf with half of a surrogate pair, which aborts Airflow's migration")
        plain = plain and name not in _NOT_PLAIN
    if not plain:
        raise _Remark("a conf of more than plain data, which Airflow's upgrade may drop and which is kept aside,")


def _pickle_steps(value: bytes) -> Iterator[tuple[str, Any]]:
    """The steps of a pickle, read without running it."""
    try:
        for opcode, argument, _position in pickletools.genops(value):
            yield opcode.name, argument
    except Exception:
        # The migration drops what cannot be unpickled, and it is kept aside.
        yield "GLOBAL", None


def _length_check(length: int) -> Check:
    def check(value: Any) -> None:
        if isinstance(value, str) and len(value) > length:
            raise RefusedValue(f"text of {len(value)} characters where Airflow 3 allows {length}")

    return check


def _unknown(listed: list[dict[str, Any]]) -> list[str]:
    names = [table["name"] for table in listed if not table["known"]]
    if not names:
        return []
    return [f"Tables that are not Airflow's go to the schema airflow_kept: {', '.join(names)}."]
