# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy itself: one transaction from emptied tables to verified ones."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_progress import Progress
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Target
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    KEPT_SCHEMA,
    MARKER_TABLE,
    VERSION_TABLES,
    ColumnType,
    CopiedTable,
    Loading,
    MoveError,
    RefusedValue,
    Source,
    SourceTable,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_values import Lines, encoder_of


class Stopwatch:
    """Seconds per step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """Book the time since the last lap on a step."""
        now = time.monotonic()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + now - self._last, 2)
        self._last = now


class Plan:
    """Which column goes where; every disagreement of the two schemas is found before anything is written."""

    def __init__(self, source: Source, target: Target) -> None:
        self.refusals: list[str] = []
        self.tables: list[tuple[SourceTable, Loading]] = []
        self.kept: list[tuple[SourceTable, Loading]] = []
        self._source = source
        self._target = target
        known = set(target.tables())
        self._match_revisions()
        for table in source.tables():
            if table.name in known:
                loading = Loading(table.name, self._match_columns(table), source.last_number(table.name))
                self.tables.append((table, loading))
            elif table.name == MARKER_TABLE:
                self.refusals.append(f"The source has a table {MARKER_TABLE}, a name of the move's own; rename it.")
            elif table.columns:
                types = {column.name: replace(source.kept_type(table.name, column), engine=target.engine) for column in table.columns}
                self.kept.append((table, Loading(table.name, types)))

    def _match_revisions(self) -> None:
        for name in VERSION_TABLES:
            source, target = self._source.revision(name), self._target.revision(name)
            if name == "alembic_version" and source is None:
                self.refusals.append(f"{self._source.place} has no alembic_version: it is no database of Airflow's.")
            elif source is not None and source != target:
                self.refusals.append(
                    f"{name} is at {source} in the source and at {target or 'no revision'} in {self._target.place};"
                    " make the target's schema with 'airflow db migrate' of the source's own version."
                )

    def _match_columns(self, table: SourceTable) -> dict[str, ColumnType]:
        target = {column.name: column for column in self._target.columns(table.name)}
        for column in table.columns:
            if column.name not in target and self._source.has_values(table.name, column.name):
                self.refusals.append(
                    f"The column {table.name}.{column.name} of the source has values but is not in the target's"
                    " schema; empty or drop the column in a copy of the source."
                )
        for name, needed in target.items():
            if name not in table.names and not needed.optional and self._source.count(table.name):
                self.refusals.append(
                    f"The column {table.name}.{name} of the target needs a value but is not in the source's schema;"
                    " bring the source to the head of its version with 'airflow db migrate' on a copy."
                )
        return {name: target[name].type for name in table.names if name in target}


class Copy:
    """One run of the copy."""

    def __init__(
        self, source: Source, target: Target, marker: Marker, source_name: str, *, replaces: bool = False, progress: Progress | None = None
    ) -> None:
        self._source = source
        self._replaces = replaces
        self._target = target
        self._marker = marker
        self._source_name = source_name
        self._progress = progress or Progress()
        self._counts: dict[str, int] = {}
        self._watch = Stopwatch()
        self._lines: dict[tuple[str | None, str], Lines] = {}
        self._notes: list[str] = []

    def run(self) -> dict[str, Any]:
        """Copy everything or nothing."""
        started = time.monotonic()
        plan = Plan(self._source, self._target)
        if plan.refusals:
            return {"refusals": plan.refusals}
        try:
            result = self._transaction(plan)
        except self._target.error as error:
            failure = self._target.failure(error)
            self._target.undo()
            raise MoveError(f"The copy to {self._target.place} was undone: {failure}.") from None
        except Exception:
            self._target.undo()
            raise
        self._target.analyze([table.name for table, _types in plan.tables])
        self._watch.lap("analyze")
        rows = sum(table["rows"] for table in result["tables"] + result["kept"])
        seconds = max(time.monotonic() - started, 0.001)
        return {**result, "rows": rows, "seconds": self._watch.seconds, "rows_per_second": round(rows / seconds)}

    def _transaction(self, plan: Plan) -> dict[str, Any]:
        target = self._target
        target.begin()
        target.make_marker(self._source_name)
        loadings = [loading for _table, loading in plan.tables]
        target.prepare(loadings, [loading for _table, loading in plan.kept])
        self._counts = {table.name: self._source.count(table.name) for table, _loading in plan.tables + plan.kept}
        rows = sum(self._counts.values())
        self._watch.lap("prepare")
        self._progress.begin("load", rows)
        tables = [self._load(table, loading, None) for table, loading in plan.tables]
        kept = [self._load(table, loading, KEPT_SCHEMA) for table, loading in plan.kept]
        self._watch.lap("load")
        self._progress.begin("indexes", rows)
        sequences = target.finish(loadings)
        self._watch.lap("indexes")
        self._progress.begin("verify", rows)
        for copied, (_table, loading) in zip(tables, plan.tables):
            self._verify(copied, loading.columns, None)
        for copied, (_table, loading) in zip(kept, plan.kept):
            self._verify(copied, loading.columns, KEPT_SCHEMA)
        self._watch.lap("verify")
        listed = [_listed(table) for table in tables]
        fingerprint = _fingerprint(tables + kept)
        revision = self._source.revision("alembic_version") or ""
        self._marker.copied(fingerprint, revision, {table["name"]: table["rows"] for table in listed})
        target.commit()
        self._watch.lap("commit")
        return {
            "tables": listed,
            "kept": [{**_listed(table), "schema": KEPT_SCHEMA} for table in kept],
            "sequences": sequences,
            "fingerprint": fingerprint,
            "notes": self._notes,
        }

    def _load(self, table: SourceTable, loading: Loading, schema: str | None) -> CopiedTable:
        columns = list(loading.columns)
        encoders = [encoder_of(column, self._replaces) for column in loading.columns.values()]
        lines = Lines(encoders)
        refused: list[Exception] = []

        def batches() -> Iterator[list[bytes]]:
            try:
                for batch in self._source.batches(table, columns):
                    yield lines.encode(batch)
                    self._progress.add(len(batch))
            except (RefusedValue, self._source.error) as error:
                # The target's driver may turn whatever is raised while it reads into an error of its own.
                refused.append(error)
                raise

        try:
            self._target.load(loading, batches(), schema)
        except (RefusedValue, self._target.error):
            if not refused:
                raise
            if not isinstance(refused[0], RefusedValue):
                raise refused[0] from None
            raise MoveError(f"The table {table.name} holds {refused[0]}; run the phase inspect, which names the row.") from None
        self._notes += [note for name, encoder in zip(columns, encoders) for note in encoder.notes(table.name, name)]
        if schema:
            self._notes.append(f"The table {table.name} is not one of Airflow's; it was copied to {KEPT_SCHEMA}.")
        self._lines[(schema, table.name)] = Lines(encoders)
        return CopiedTable(table.name, lines.digest.rows, lines.digest.hexdigest())

    def _verify(self, copied: CopiedTable, types: dict[str, ColumnType], schema: str | None) -> None:
        lines = self._lines[(schema, copied.name)]

        def add(written: list[bytes]) -> None:
            lines.add(written)
            self._progress.add(len(written))

        self._target.read(copied.name, types, add, schema)
        source = self._counts[copied.name]
        if not source == copied.rows == lines.digest.rows:
            raise MoveError(
                f"The table {copied.name} has {source} rows in the source and {lines.digest.rows} in"
                f" {self._target.place}; the copy was undone."
            )
        if lines.digest.hexdigest() != copied.digest:
            raise MoveError(
                f"The content of the table {copied.name} differs in {self._target.place}; the copy was undone, report this as a bug."
            )


def _listed(table: CopiedTable) -> dict[str, Any]:
    return {"name": table.name, "rows": table.rows, "digest": table.digest}


def _fingerprint(tables: list[CopiedTable]) -> str:
    text = "\n".join(sorted(f"{table.name} {table.rows} {table.digest}" for table in tables))
    return hashlib.sha256(text.encode()).hexdigest()
