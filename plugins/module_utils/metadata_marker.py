# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marker of a move in the target: whose move it is and how far it came."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Server
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import KEPT_SCHEMA, MARKER_TABLE

PHASES = ("started", "copied", "kept", "verified", "switched")
_COLUMNS = ("source", "fingerprint", "revision", "phase", "tables", "record", "changed_at")


class Marker:
    """Reads and writes the one row of the table updraft_move among the kept ones."""

    def __init__(self, target: Server) -> None:
        self._target = target
        self._table = target.full(MARKER_TABLE, KEPT_SCHEMA)

    def read(self) -> dict[str, Any] | None:
        """The marker, None without one."""
        if MARKER_TABLE not in self._target.tables(KEPT_SCHEMA):
            return None
        rows = self._target.rows(f"SELECT {', '.join(_COLUMNS)} FROM {self._table}")
        if not rows:
            return None
        marker = dict(zip(_COLUMNS, rows[0]))
        for name in ("tables", "record"):
            # Not every driver takes documents apart.
            if isinstance(marker[name], str):
                marker[name] = json.loads(marker[name])
        return {**marker, "changed_at": str(marker["changed_at"])}

    def copied(self, fingerprint: str, revision: str, tables: dict[str, int]) -> None:
        """Mark a whole copy, in its own transaction."""
        self._target.run(
            f"UPDATE {self._table} SET phase = 'copied', fingerprint = %s, revision = %s, tables = %s, changed_at = CURRENT_TIMESTAMP",
            (fingerprint, revision, json.dumps(tables)),
        )

    def advance(self, phase: str, record: dict[str, Any] | None = None) -> None:
        """Note the next phase, and with it what is recorded for the phases after it."""
        self._target.run(
            f"UPDATE {self._table} SET phase = %s, changed_at = CURRENT_TIMESTAMP, record = coalesce(%s, record)",
            (phase, None if record is None else json.dumps(record)),
        )
