# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards Airflow's own migration from 2.11 to 3.x: keeps what it drops, records what must survive, and compares afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_json import canonical_json, without_constants
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_losses import (
    EMPTY_PICKLES,
    REVISION_BEFORE,
    TABLES,
    ColumnChange,
    TableChange,
    column_changes,
    table_change,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_progress import Progress
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_runs import count_unfinished
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Target
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    KEPT_SCHEMA,
    VERSION_TABLES,
    ColumnType,
    MoveError,
    RefusedValue,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_values import NULL, Digest, unescape

KEPT_CONF = "dag_run_conf"
XCOM_KEY = ["dag_run_id", "task_id", "map_index", "key"]
# How the migration finds numbers that JSON does not know.
_MIGRATED_CONSTANT = {
    engine: re.compile(rf"([:,\[]{blank}*|^)(?:NaN|-?Infinity)(?={blank}*[,}}\]]|$)")
    for engine, blank in (("PostgreSQL", r"\s"), ("MySQL", " "))
}
_NUL_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def converted_xcom(value: bytes, engine: str) -> str | None:
    """What the migration makes of an XCom, canonical; None when it is a pickle; refuses what would abort the migration."""
    if not value:
        raise RefusedValue("an XCom of zero bytes, which aborts Airflow's migration")
    if value[0] == 0x80:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise RefusedValue("an XCom that is neither a pickle nor UTF-8, which aborts Airflow's migration") from None
    if "\0" in text:
        raise RefusedValue("an XCom with a NUL byte, which aborts Airflow's migration")
    plain = without_nul(text)
    document, found = without_constants(plain)
    if found and _MIGRATED_CONSTANT[engine].sub(r"\1null", plain) != document:
        raise RefusedValue("an XCom with NaN or Infinity where Airflow's migration does not find it")
    return canonical_json(document, engine)


def without_nul(text: str) -> str:
    """A JSON document without the escape of the NUL character; an escaped backslash before the same letters is none."""
    return _NUL_ESCAPE.sub(r"\1", text) if "\\u0000" in text else text


class Fingerprints:
    """Digests of tables as they are now, and of what they must be after the migration."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def table(self, table: str, columns: Iterable[str], bound: int | None) -> str:
        """The digest before the migration, of what the values must be after it."""
        changes, kinds = column_changes(table), self._kinds(table)
        values = []
        for column in columns:
            change = changes.get(column)
            if change is None or not change.is_gone:
                template = change.before if change else "{}"
                values.append((template.replace("{}", f"t.{self._target.quoted(column)}"), kinds[column]))
        return self._digest(table, "", values, bound)

    def migrated(self, table: str, columns: Iterable[str], bound: int | None) -> str:
        """The digest after the migration, of the same values where they are now."""
        name, changes = self.name_after(table), column_changes(table)
        kinds = self._kinds(name)
        values, joined = [], False
        for column in columns:
            change = changes.get(column) or ColumnChange(table, column, "", "", to=column)
            if change.is_gone:
                continue
            if change.is_joined and column not in kinds:
                values.append((change.after, "text"))
                joined = True
                continue
            now = change.to if change.to in kinds else column
            if now not in kinds:
                raise MoveError(f"The column {table}.{column} is gone, which Airflow's migration does not do on purpose.")
            template = change.after if change.after and not change.is_joined else "{}"
            values.append((template.replace("{}", f"t.{self._target.quoted(now)}"), kinds[now]))
        join = table_change(table).join.format(task_instance=self._target.full("task_instance")) if joined else ""
        return self._digest(name, join, values, bound)

    def _kinds(self, table: str) -> dict[str, str]:
        return {column.name: column.type.kind for column in self._target.columns(table)}

    def name_after(self, table: str) -> str:
        """The table's name now: the new one once it exists."""
        to = table_change(table).to
        return to if to and to in self._target.tables() else table

    def _digest(self, table: str, join: str, values: list[tuple[str, str]], bound: int | None) -> str:
        return self._target.digest(table, join, values, f"WHERE t.id <= {int(bound)}" if bound is not None else "")

    def bound(self, table: str) -> int | None:
        """The highest number of a numbered table: later rows are Airflow's own additions, not losses."""
        for column in self._target.columns(table):
            if column.name == "id" and column.type.kind == "integer":
                return int(self._target.value(f"SELECT coalesce(max(id), 0) FROM {self._target.full(table)}"))
        return None

    def xcoms(self, migrated: bool) -> dict[str, Any]:
        """Digests of the XComs as JSON and of the pickled ones, by key."""
        documents, pickles = Digest(), Digest()

        def sort(lines: list[bytes]) -> None:
            for line in lines:
                *key, value = line.decode().rstrip("\n").split("\t")
                if value == NULL:
                    document: str | None = NULL
                elif migrated:
                    document = canonical_json(unescape(value))
                else:
                    document = converted_xcom(bytes.fromhex(value[3:]), self._target.engine)
                if document is None:
                    pickles.add([line])
                else:
                    documents.add(["\t".join([*key, document]).encode()])

        self._target.read("xcom", self._xcom_columns("xcom"), sort)
        if migrated and "_xcom_archive" in self._target.tables():
            self._target.read("_xcom_archive", self._xcom_columns("_xcom_archive"), pickles.add)
        return {
            "documents": [documents.rows, documents.hexdigest()],
            "pickles": [pickles.rows, pickles.hexdigest()],
        }

    def _xcom_columns(self, table: str) -> dict[str, ColumnType]:
        types = {column.name: column.type for column in self._target.columns(table)}
        return {name: types[name] for name in (*XCOM_KEY, "value")}


class Upgrade:
    """The two phases around the migration."""

    def __init__(self, target: Target, progress: Progress | None = None) -> None:
        self._target = target
        self._progress = progress or Progress()
        self._marker = Marker(target)
        self._fingerprints = Fingerprints(target)

    def _read_marker(self) -> dict[str, Any]:
        marker = self._marker.read()
        if marker is None:
            raise MoveError(f"There is no move in {self._target.place}; run the phase copy first.")
        return marker

    def keep(self) -> dict[str, Any]:
        """Copy aside what the migration drops, and record all tables."""
        marker = self._read_marker()
        revision = self._target.revision("alembic_version")
        if marker["phase"] not in ("copied", "kept") or revision != REVISION_BEFORE:
            raise MoveError(
                f"The phase keep belongs between the copy and the migration of a 2.11 schema, but {self._target.place} is"
                f" at revision {revision} and its move came to {marker['phase']}; run the phase reset and start again."
            )
        kept = [table.table for table in TABLES if table.kept] + [KEPT_CONF]
        try:
            self._target.lock()
            listed = [self._keep_table(name) for name in kept]
            tables = self._record()
            xcoms = self._fingerprints.xcoms(migrated=False)
            self._marker.advance("kept", {"tables": tables, "xcom": xcoms, "kept": listed})
            self._target.commit()
        except RefusedValue as error:
            raise MoveError(f"The table xcom holds {error}; run the phase inspect, which names the row.") from None
        return {
            "changed": True,
            "kept": listed,
            "tables": [{"name": name, "rows": table["rows"]} for name, table in tables.items()],
        }

    def _keep_table(self, name: str) -> dict[str, Any]:
        full = self._target.full(name, KEPT_SCHEMA)
        self._target.run(f"DROP TABLE IF EXISTS {full}")
        if name == KEPT_CONF:
            empty = ", ".join(self._target.binary(item.replace(" ", "")) for item in EMPTY_PICKLES)
            query = f"SELECT id, dag_id, run_id, conf FROM {self._target.full('dag_run')} WHERE conf IS NOT NULL AND conf NOT IN ({empty})"
        else:
            query = f"SELECT * FROM {self._target.full(name)}"
        self._target.run(f"CREATE TABLE {full} AS {query}")
        return self._listed(name)

    def _listed(self, name: str) -> dict[str, Any]:
        return {"name": name, "schema": KEPT_SCHEMA, "rows": self._target.count(name, KEPT_SCHEMA)}

    def _record(self) -> dict[str, Any]:
        record: dict[str, Any] = {}
        counts = {table: self._target.count(table) for table in self._target.tables() if table not in VERSION_TABLES}
        self._progress.begin("record", sum(counts.values()))
        for table, rows in counts.items():
            columns = [column.name for column in self._target.columns(table)]
            bound = self._fingerprints.bound(table) if table != "task_instance_history" else None
            stays = table_change(table).fate == "stays"
            digest = self._fingerprints.table(table, columns, bound) if stays else ""
            record[table] = {"rows": rows, "columns": columns, "bound": bound, "digest": digest}
            self._progress.add(rows)
        return record

    def verify(self) -> dict[str, Any]:
        """Compare all tables with the record; any loss that is not documented is an error that names the tables."""
        marker = self._read_marker()
        if marker["phase"] not in ("kept", "verified"):
            raise MoveError(
                f"The phase verify belongs after the phase keep and Airflow's migration, but the move in"
                f" {self._target.place} came to {marker['phase']}."
            )
        revision = self._target.revision("alembic_version")
        if revision == marker["revision"]:
            raise MoveError(f"{self._target.place} is still at revision {revision}; run 'airflow db migrate' first.")
        comparison = Comparison(self._target, self._fingerprints, marker["record"], self._progress)
        comparison.run()
        if comparison.failures:
            raise MoveError("Airflow's migration lost data: " + "; ".join(comparison.failures) + ".")
        self._prune_conf()
        if marker["phase"] != "verified":
            self._marker.advance("verified")
        self._target.commit()
        return {
            "changed": marker["phase"] != "verified",
            "revision": revision,
            "losses": comparison.losses,
            "kept": [self._listed(table["name"]) for table in marker["record"]["kept"]],
            "tables": comparison.tables,
            "unfinished_runs": count_unfinished(self._target),
        }

    def _prune_conf(self) -> None:
        """Keep only those confs that the migration could not turn into JSON."""
        converted = f"SELECT r.id FROM {self._target.full('dag_run')} r WHERE r.conf IS NOT NULL"
        self._target.run(f"DELETE FROM {self._target.full(KEPT_CONF, KEPT_SCHEMA)} WHERE id IN ({converted})")


class Comparison:
    """Every recorded table against what it is now."""

    def __init__(self, target: Target, fingerprints: Fingerprints, record: dict[str, Any], progress: Progress) -> None:
        self._target = target
        self._progress = progress
        self._fingerprints = fingerprints
        self._record = record
        self._present = set(target.tables())
        self.failures: list[str] = []
        self.losses: list[dict[str, Any]] = []
        self.tables: list[dict[str, Any]] = []

    def run(self) -> None:
        """Compare all tables."""
        tables = self._record["tables"]
        self._progress.begin("compare", sum(before["rows"] for before in tables.values()))
        for name, before in tables.items():
            self._compare(table_change(name), before)
            self._progress.add(before["rows"])
        self._compare_xcoms()
        self._count_confs()

    def _compare(self, fate: TableChange, before: dict[str, Any]) -> None:
        name = self._fingerprints.name_after(fate.table)
        if name not in self._present:
            if fate.fate == "dropped":
                self._lose(fate.table, before["rows"], fate.revision, fate.reason, fate.kept)
            else:
                self.failures.append(f"the table {fate.table} is gone")
            return
        after = self._target.count(name)
        self.tables.append({"name": fate.table, "now": name, "before": before["rows"], "after": after})
        if fate.fate == "emptied" and after == 0:
            self._lose(fate.table, before["rows"], fate.revision, fate.reason, fate.kept)
        elif fate.fate == "stays":
            self._compare_content(fate, before, after)
        elif fate.fate != "moved" and after < before["rows"]:
            self.failures.append(f"{fate.table} had {before['rows']} rows and has {after}")

    def _compare_content(self, fate: TableChange, before: dict[str, Any], after: int) -> None:
        if after < before["rows"]:
            self.failures.append(f"{fate.table} had {before['rows']} rows and has {after}")
            return
        try:
            digest = self._fingerprints.migrated(fate.table, before["columns"], before["bound"])
        except MoveError as error:
            self.failures.append(str(error).rstrip("."))
            return
        if digest != before["digest"]:
            self.failures.append(f"the content of {fate.table} has changed")

    def _compare_xcoms(self) -> None:
        before = self._record["xcom"]
        kind = {column.name: column.type.kind for column in self._target.columns("xcom")}["value"]
        after = self._fingerprints.xcoms(migrated=kind in ("json", "jsonb"))
        if after["documents"] != before["documents"]:
            self.failures.append(f"of {before['documents'][0]} XComs {after['documents'][0]} are left or they have changed")
        if after["pickles"] != before["pickles"]:
            self.failures.append(f"of {before['pickles'][0]} pickled XComs {after['pickles'][0]} are in _xcom_archive")
        fate = table_change("xcom")
        self._lose("xcom", before["pickles"][0], fate.revision, fate.reason, False)

    def _count_confs(self) -> None:
        lost = self._target.value(
            f"SELECT count(*) FROM {self._target.full(KEPT_CONF, KEPT_SCHEMA)} k"
            f" JOIN {self._target.full('dag_run')} r ON r.id = k.id WHERE r.conf IS NULL"
        )
        self._lose("dag_run.conf", int(lost), "e39a26ac59f6", "a conf of more than plain data cannot become JSON", True, KEPT_CONF)

    def _lose(self, table: str, rows: int, revision: str, reason: str, kept: bool, kept_as: str = "") -> None:
        if rows:
            place = f"{KEPT_SCHEMA}.{kept_as or table}" if kept else ""
            self.losses.append({"table": table, "rows": rows, "revision": revision, "reason": reason, "kept_as": place})
