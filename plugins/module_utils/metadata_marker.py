# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marker of a move in the target: whose move it is and how far it came."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import PostgresqlTarget
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import KEPT_SCHEMA, MARKER_TABLE

PHASES = ("copied", "kept", "verified", "switched")

_CREATE = f"""
    CREATE TABLE IF NOT EXISTS {KEPT_SCHEMA}.{MARKER_TABLE} (
        id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
        source text NOT NULL,
        fingerprint text NOT NULL,
        revision text NOT NULL,
        phase text NOT NULL,
        tables jsonb NOT NULL,
        record jsonb,
        copied_at timestamptz NOT NULL DEFAULT now(),
        changed_at timestamptz NOT NULL DEFAULT now()
    )
"""


class Marker:
    """Reads and writes the one row of airflow_kept.updraft_move."""

    def __init__(self, target: PostgresqlTarget) -> None:
        self._target = target

    def read(self) -> dict[str, Any] | None:
        """The marker, None without one."""
        if MARKER_TABLE not in self._target.tables(KEPT_SCHEMA):
            return None
        rows = self._target.rows(
            f"SELECT source, fingerprint, revision, phase, tables, record, changed_at::text FROM {KEPT_SCHEMA}.{MARKER_TABLE}"
        )
        if not rows:
            return None
        names = ("source", "fingerprint", "revision", "phase", "tables", "record", "changed_at")
        return dict(zip(names, rows[0]))

    def write(self, source: str, fingerprint: str, revision: str, phase: str, tables: dict[str, int]) -> None:
        """Mark a copy, in its own transaction."""
        self._target.run(f"CREATE SCHEMA IF NOT EXISTS {KEPT_SCHEMA}")
        self._target.run(_CREATE)
        self._target.run(f"DELETE FROM {KEPT_SCHEMA}.{MARKER_TABLE}")
        self._target.run(
            f"INSERT INTO {KEPT_SCHEMA}.{MARKER_TABLE} (source, fingerprint, revision, phase, tables) VALUES (%s, %s, %s, %s, %s)",
            (source, fingerprint, revision, phase, json.dumps(tables)),
        )

    def advance(self, phase: str, record: dict[str, Any] | None = None) -> None:
        """Note the next phase, and with it what is recorded for the phases after it."""
        self._target.run(
            f"UPDATE {KEPT_SCHEMA}.{MARKER_TABLE} SET phase = %s, changed_at = now(), record = coalesce(%s, record)",
            (phase, None if record is None else json.dumps(record)),
        )
