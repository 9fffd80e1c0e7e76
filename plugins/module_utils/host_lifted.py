# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left on a host of an installation that was lifted from it, and whether that is the one in service again."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import find_daemons
from ansible_collections.updraft.airflow.plugins.module_utils.host_restart import RESTART_FILE, RestartFileError, recall

BACKUP = os.path.join("backups", "before-the-move.db")
RECORD = os.path.join("backups", "rolled-back.json")
"""Where they are, below `airflow_home`."""

NOTHING = {
    "source_is_there": False,
    "backup_is_there": False,
    "remembered": [],
    "running": [],
    "record_is_there": False,
    "is_gone_back": False,
}


def describe_lift(installation: dict[str, Any] | None, home: str) -> dict[str, Any] | None:
    """What there is of the source of a lift, None where nothing was lifted. Raises OSError and ValueError for a damaged record."""
    moved = (installation or {}).get("moved")
    record = read_record(os.path.join(home, RECORD))
    if installation is None or not moved:
        # Somebody who lifts anew by hand may have left it.
        return {**NOTHING, "record_is_there": True} if record is not None else None
    is_own = moved.get("kind") == "own"
    return {
        "source_is_there": os.path.isfile(moved["path"]),
        "backup_is_there": os.path.isfile(os.path.join(home, BACKUP)),
        "remembered": [] if is_own else _remembered(os.path.join(home, RESTART_FILE), moved["home"]),
        # The units of the collection's own installation have its AIRFLOW_HOME, too.
        "running": [] if is_own else [daemon.kind for daemon in find_daemons(moved["home"])],
        "record_is_there": record is not None,
        # A record that a later lift was about to remove speaks of another database.
        "is_gone_back": record is not None and record.get("database") == installation["database"],
    }


def read_record(path: str) -> dict[str, Any] | None:
    """What the playbook rollback noted, None where it did not run."""
    try:
        with open(path, encoding="utf-8") as stream:
            return dict(json.load(stream))
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _remembered(path: str, home: str) -> list[str]:
    try:
        return [str(entry["kind"]) for entry in recall(path, home)]
    except RestartFileError:
        return []
