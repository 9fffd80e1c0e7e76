# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells in which state a target is, and empties it again when what is there is our own unfinished move."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_tables import TABLES_2, TABLES_3
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Target
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import (
    KEPT_SCHEMA,
    MoveError,
)

# What a fresh `airflow db migrate` writes, and the rows of a table that are more than that. Roles and permissions
# belong to nobody as long as there is no user; a second `airflow db migrate` leaves a line in the audit log.
_SEEDED = {
    "alembic_version": "false",
    "alembic_version_fab": "false",
    "log_template": "false",
    "slot_pool": "pool <> 'default_pool'",
    "log": "event NOT LIKE 'cli\\_%'",
    "ab_permission": "false",
    "ab_view_menu": "false",
    "ab_role": "false",
    "ab_permission_view": "false",
    "ab_permission_view_role": "false",
    "dag_bundle": "false",
}
SESSIONS_TIMEOUT = 60
"""Seconds. A server notices that a client is gone when the statement that runs has ended."""
SESSIONS_PAUSE = 0.5
ROLLBACK_TIMEOUT = 600
"""Seconds. A server takes about as long for undoing rows as for taking them."""


class TargetState:
    """Looks at a target without changing it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.marker = Marker(target).read()
        self.tables = target.tables()
        self.revision = target.revision("alembic_version")
        self.fab_revision = target.revision("alembic_version_fab")
        self.sentence = ""
        self.name = self._name()

    def _name(self) -> str:
        place = self._target.place
        if self.marker is not None:
            phase = self.marker["phase"]
            if phase == "switched":
                self.sentence = f"{place} holds the finished move of {self.marker['source']}"
                return "switched"
            self.sentence = f"{place} holds an unfinished move of {self.marker['source']}, which came to {phase}"
            return "unfinished"
        kept = self._target.tables(KEPT_SCHEMA)
        if kept:
            self.sentence = f"the schema {KEPT_SCHEMA} of {place} has tables but no marker of a move"
            return "foreign"
        if not self.tables:
            self.sentence = f"{place} is empty"
            return "empty"
        filled = [table for table in self.tables if self._has_data(table)]
        if filled:
            names = ", ".join(filled[:5]) + (f" and {len(filled) - 5} more" if len(filled) > 5 else "")
            self.sentence = f"{place} already holds another installation's data (rows in {names})"
            return "foreign"
        # A migrate that was killed may have made tables and no revision; where a server cannot undo that, not even all of them.
        if self.revision is None and not set(self.tables) <= TABLES_2 | TABLES_3:
            self.sentence = f"{place} has tables that are not Airflow's ({', '.join(self.tables[:5])})"
            return "foreign"
        self.sentence = f"{place} has a schema of Airflow without data"
        return "fresh"

    def _has_data(self, table: str) -> bool:
        if not self._target.may_read(table):
            return True
        more = _SEEDED.get(table, "true")
        return bool(self._target.value(f"SELECT EXISTS (SELECT 1 FROM {self._target.full(table)} WHERE {more})"))

    def as_dict(self) -> dict[str, Any]:
        """The state as the module returns it."""
        marker = self.marker or {}
        return {
            "state": self.name,
            "sentence": _capital(self.sentence) + ".",
            "revision": self.revision,
            "fab_revision": self.fab_revision,
            "move": {name: marker[name] for name in ("source", "phase", "revision", "fingerprint", "changed_at")} if marker else None,
        }


def require_fresh(state: TargetState) -> None:
    """Refuse to copy into anything but a schema without data."""
    if state.name == "empty":
        raise MoveError(f"{_capital(state.sentence)}; run 'airflow db migrate' of the source's version on it first.")
    if state.name == "unfinished":
        raise MoveError(f"{_capital(state.sentence)}; run the phase reset, then migrate and copy again.")
    if state.name != "fresh":
        raise MoveError(f"{_capital(state.sentence)}; nothing is overwritten, choose an empty database.")


def reset(target: Target, state: TargetState, source_name: str) -> dict[str, Any]:
    """Drop what is there, when it is our own unfinished move of this source or a schema without data."""
    if state.name in ("switched", "foreign"):
        raise MoveError(f"{_capital(state.sentence)}; it is not dropped, choose an empty database.")
    if state.marker is not None and state.marker["source"] != source_name:
        raise MoveError(
            f"{_capital(state.sentence)}, not of {source_name}; it is not dropped, choose another database or finish that move."
        )
    dropped = list(state.tables)
    if state.name != "empty":
        _wait_until_nobody_else_is_there(target)
        target.lock(ROLLBACK_TIMEOUT)
        target.drop_everything()
        target.commit()
    return {"changed": state.name != "empty", "dropped": dropped}


def _wait_until_nobody_else_is_there(target: Target) -> None:
    """A session of a run that was killed goes by itself; one that stays, of Airflow's own role, is a daemon that uses the database."""
    deadline = time.monotonic() + SESSIONS_TIMEOUT
    while True:
        sessions = target.sessions()
        if not sessions:
            return
        if time.monotonic() > deadline:
            raise MoveError(
                f"{target.place} is in use by {', '.join(sessions[:5])}; it is not dropped: end these sessions, or choose another database."
            )
        time.sleep(SESSIONS_PAUSE)


def set_switched(target: Target, state: TargetState) -> dict[str, Any]:
    """Mark the move as the one in service. Without a marker, which somebody removed, there is nothing to mark."""
    if state.marker is not None and state.marker["phase"] == "started":
        raise MoveError(f"{_capital(state.sentence)}, not even to a whole copy; run the phase reset, then migrate and copy again.")
    changed = state.marker is not None and state.marker["phase"] != "switched"
    if changed:
        Marker(target).advance("switched")
        target.commit()
    return {"changed": changed}


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
