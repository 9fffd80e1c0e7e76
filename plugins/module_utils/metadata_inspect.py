# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds, in the source alone, every value that would stop the copy or the migration after it."""

from __future__ import annotations

import json
import pickletools
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._fernet import opens
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_losses import STEPS, Step, changes_of, later_steps
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_tables import expected_type, known_tables
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Target
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    VERSION_TABLES,
    ColumnType,
    MoveError,
    RefusedCharacter,
    RefusedValue,
    Source,
    SourceTable,
    describe_key,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_upgrade import converted_xcom
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_values import Encoder, encoder_of, has_surrogate

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

# What Airflow encrypts: the table, the column, the one that says whether it is, and the one that names the row.
_ENCRYPTED = (
    ("connection", "password", "is_encrypted", "conn_id"),
    ("connection", "extra", "is_extra_encrypted", "conn_id"),
    ("variable", "val", "is_encrypted", "key"),
)
_REPLACE = ", or let U+FFFD stand in for such characters by airflow_move_replace_characters (true)"

Check = Callable[[Any], object]


class Findings:
    """Refusals and notes, gathered by table, column and reason."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], list[str]] = {}
        self._counts: dict[tuple[str, str, str], int] = {}
        self._replaceable: set[tuple[str, str, str]] = set()
        self.sentences: list[str] = []

    def add(self, table: str, column: str, reason: str, row: str, replaceable: bool = False) -> None:
        """Note a value."""
        key = (table, column, reason)
        if replaceable:
            self._replaceable.add(key)
        self._counts[key] = self._counts.get(key, 0) + 1
        rows = self._rows.setdefault(key, [])
        if len(rows) < NAMED_ROWS:
            rows.append(f"({row})")

    def listed(self, advice: str) -> list[str]:
        """One sentence per table, column and reason."""
        result = list(self.sentences)
        for (table, column, reason), rows in self._rows.items():
            key = (table, column, reason)
            further = _REPLACE if key in self._replaceable else ""
            result.append(f"{table}.{column} holds {reason} in the row {_named(rows, self._counts[key])}; {advice}{further}.")
        return result


def _named(rows: list[str], count: int) -> str:
    return ", ".join(rows) + (f" and {count - len(rows)} more" if count > len(rows) else "")


class Inspection:
    """One reading of the source, for a target's engine; with a target that has its schema, for what its columns can hold.

    `replaces` is whether characters may be replaced that the engine cannot hold; with `fernet_key`, what is encrypted has to open.
    """

    def __init__(
        self,
        source: Source,
        line: int | None,
        engine: str = "PostgreSQL",
        target: Target | None = None,
        replaces: bool = False,
        fernet_key: str | None = None,
    ) -> None:
        self._source = source
        self._replaces = replaces
        self._fernet_key = fernet_key
        self._engine = engine
        self._target = target
        self._refusals = Findings()
        self._notes = Findings()
        self._changes: dict[tuple[str, str], Encoder] = {}
        try:
            self._revisions = {name: source.revision(name) for name in VERSION_TABLES}
        except source.error as error:
            raise source.unreadable(error) from None
        revision = self._revisions["alembic_version"]
        self._to_three = line == 3 and revision in [step.head for step in STEPS[2]]
        self._steps: tuple[Step, ...] = later_steps(revision) or ()

    def run(self) -> dict[str, Any]:
        """Read everything once."""
        try:
            return self._read()
        except self._source.error as error:
            raise self._source.unreadable(error) from None

    def _read(self) -> dict[str, Any]:
        damage = self._source.damage()
        if damage:
            raise MoveError(str(self._source.unreadable(self._source.error(damage))))
        if self._revisions["alembic_version"] is None:
            self._refusals.sentences.append(
                f"{self._source.place} has no revision in alembic_version, so it is no database of Airflow's; check the path in source."
            )
        if self._target is not None:
            self._refusals.sentences += self._target.obstacles(self._to_three)
        tables = self._source.tables()
        known = known_tables([table.name for table in tables])
        listed = []
        for table in tables:
            self._inspect_table(table, table.name in known)
            listed.append({"name": table.name, "rows": self._source.count(table.name), "known": table.name in known})
        self._find_orphans()
        self._find_duplicates({table.name for table in tables})
        self._find_teams({table.name for table in tables})
        if self._fernet_key is not None:
            self._find_locked(tables, self._fernet_key)
        advice = "correct or delete it in the source before the move"
        return {
            "tables": listed,
            "rows": sum(table["rows"] for table in listed),
            "revision": self._revisions["alembic_version"],
            "fab_revision": self._revisions["alembic_version_fab"],
            "refusals": self._refusals.listed(advice),
            "notes": self._notes.listed("nothing is to be done") + self._changed() + _unknown(listed),
        }

    def _changed(self) -> list[str]:
        return [note for (table, column), encoder in self._changes.items() for note in encoder.notes(table, column)]

    def _inspect_table(self, table: SourceTable, is_known: bool) -> None:
        columns = self._columns(table) if is_known else self._kept_columns(table)
        if not columns:
            return
        try:
            self._read_rows(table, columns, self._source)
        except self._source.error as error:
            lenient = self._source.lenient(error)
            if lenient is None:
                raise
            self._read_rows(table, columns, lenient)
            lenient.close()

    def _read_rows(self, table: SourceTable, columns: list[tuple[str, ColumnType]], source: Source) -> None:
        encoders = [(name, encoder_of(column, self._replaces)) for name, column in columns]
        for name, encoder in encoders:
            self._changes[(table.name, name)] = encoder
        names = [name for name, _encoder in encoders]
        extra = self._extra_checks(table.name)
        for batch in source.batches(table, [*names, *table.keys]):
            transposed = list(zip(*batch))
            for index, (name, encoder) in enumerate(encoders):
                values, counts = transposed[index], encoder.counts()
                try:
                    encoder.many(values)
                    is_text = encoder.column.kind in ("text", "json", "jsonb") and not self._replaces
                    clean = not is_text or not any(map(has_surrogate, values))
                except RefusedValue:
                    clean = False
                if not clean:
                    self._name_rows(table.name, name, encoder.one, batch, index, len(names), table.keys, not self._replaces)
                    encoder.changed, encoder.replaced = counts
                if name in extra:
                    self._name_rows(table.name, name, extra[name], batch, index, len(names), table.keys)

    def _name_rows(
        self, table: str, column: str, check: Check, batch: list[Any], index: int, first_key: int, keys: list[str], is_held: bool = False
    ) -> None:
        """`is_held` is whether the check is about what the engine can hold, so that a character might be replaced."""
        for row in batch:
            value = row[index]
            if value is None:
                continue
            try:
                if has_surrogate(value) and is_held:
                    raise RefusedCharacter("text that is not UTF-8")
                check(value)
            except _Remark as remark:
                self._notes.add(table, column, str(remark), describe_key(keys, row[first_key:]))
            except RefusedValue as error:
                replaceable = is_held and isinstance(error, RefusedCharacter)
                self._refusals.add(table, column, str(error), describe_key(keys, row[first_key:]), replaceable)

    def _columns(self, table: SourceTable) -> list[tuple[str, ColumnType]]:
        if self._target is not None and table.name in self._target.tables():
            held = {column.name: column.type for column in self._target.columns(table.name)}
            return [(name, held[name]) for name in table.names if name in held]
        expected = [(column.name, expected_type(self._engine, table.name, column)) for column in table.columns]
        return [(name, column) for name, column in expected if column is not None]

    def _kept_columns(self, table: SourceTable) -> list[tuple[str, ColumnType]]:
        """What holds the rows of a table that is not Airflow's."""
        try:
            return [(column.name, replace(self._source.kept_type(table.name, column), engine=self._engine)) for column in table.columns]
        except MoveError as error:
            self._refusals.sentences.append(str(error))
            return []

    def _extra_checks(self, table: str) -> dict[str, Check]:
        changed = changes_of(self._steps, table)[1]
        checks: dict[str, Check] = {column: check for (name, column), check in _OLDER.items() if name == table and column in changed}
        if not self._to_three:
            return checks
        if table == "xcom":
            checks["value"] = self._check_xcom
        if table == "dag_run":
            checks["conf"] = _check_conf
        for (name, column), length in _SHORTER_IN_3.items():
            if name == table:
                checks[column] = _length_check(length)
        return checks

    def _check_xcom(self, value: Any) -> None:
        if isinstance(value, bytes) and converted_xcom(value, self._engine) is None:
            raise _Remark("a pickled XCom, which Airflow's upgrade moves to _xcom_archive,")

    def _find_orphans(self) -> None:
        for table, parent, count, rows in self._source.orphans():
            names = _named([f"({row})" for row in rows], count)
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

    def _find_teams(self, tables: set[str]) -> None:
        if "team" not in tables or "id" not in changes_of(self._steps, "team")[1]:
            return
        rows = [str(row[0]) for row in self._source.query("SELECT name FROM team ORDER BY name")]
        if rows:
            self._refusals.sentences.append(
                f"team has rows ({', '.join(rows[:NAMED_ROWS])}), whose numbers Airflow's migration to 3.2 takes for names; delete them in"
                " the source before the move, and make them anew after it."
            )

    def _find_locked(self, tables: list[SourceTable], keys: str) -> None:
        """What is copied encrypted has to open with the key that comes along."""
        columns = {table.name: table.names for table in tables}
        found = []
        for table, column, flag, name in _ENCRYPTED:
            if not {column, flag, name} <= set(columns.get(table, ())):
                continue
            try:
                rows = list(self._source.query(f'SELECT "{name}", "{column}" FROM "{table}" WHERE "{flag}" ORDER BY "{name}"'))
            except self._source.error:
                # Text that is not UTF-8 was named before.
                continue
            locked = [
                f"({describe_key([name], [row[0]])})" for row in rows if isinstance(row[1], str) and row[1] and not opens(keys, row[1])
            ]
            if locked:
                found.append(f"{table}.{column} {_named(locked[:NAMED_ROWS], len(locked))}")
        if found:
            self._refusals.sentences.append(
                f"The Fernet key does not open {', '.join(found)}: set airflow_fernet_key to the key that was in use (several are "
                "separated by commas), or write these values anew in the old installation."
            )

    def _find_same(self, table: str, column: str, fold: Callable[[str], str], what: str) -> None:
        seen: dict[str, Any] = {}
        for key, value in self._source.query(f'SELECT id, "{column}" FROM "{table}"'):
            other = seen.setdefault(fold(str(value)), key)
            if other != key:
                self._refusals.sentences.append(
                    f"{table}.{column} holds values {what} in the rows id={other} and id={key}; rename or delete one of"
                    " them in the source before the move."
                )


class _Remark(Exception):
    """A value worth a note; the text says what it is."""


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


def _check_trigger(value: Any) -> None:
    try:
        found = json.loads(value) if isinstance(value, str) and value.startswith("{") else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"__type", "__var"} <= set(found):
        raise RefusedValue("arguments of a trigger that Airflow did not write, which abort its migration to 2.9")


def _check_callback(value: Any) -> None:
    try:
        found = json.loads(value) if isinstance(value, str) and value else None
        if isinstance(found, str) and found:
            json.loads(found)
    except ValueError:
        raise RefusedValue("arguments of a callback that are no JSON, which abort Airflow's migration to 3.1") from None


def _check_compressed(value: Any) -> None:
    try:
        zlib.decompress(value)
    except (TypeError, zlib.error):
        raise RefusedValue("a compressed DAG that cannot be read, which aborts Airflow's migration to 3.2") from None


# What aborts a migration within a line, where the column is among those that it changes.
_OLDER: dict[tuple[str, str], Check] = {
    ("trigger", "kwargs"): _check_trigger,
    ("deadline", "callback_kwargs"): _check_callback,
    ("serialized_dag", "data_compressed"): _check_compressed,
}


def _length_check(length: int) -> Check:
    def check(value: Any) -> None:
        if isinstance(value, str) and len(value) > length:
            raise RefusedValue(f"text of {len(value)} characters where Airflow 3 allows {length}")

    return check


def _unknown(listed: list[dict[str, Any]]) -> list[str]:
    names = [table["name"] for table in listed if not table["known"]]
    if not names:
        return []
    return [f"Tables that are not Airflow's go to airflow_kept: {', '.join(names)}."]
