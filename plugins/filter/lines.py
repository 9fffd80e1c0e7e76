# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of a move, as lines for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def table_line(table: Mapping[str, Any]) -> str:
    """A table with its rows."""
    kept = "" if table.get("known", True) else " (not Airflow's: kept in the schema airflow_kept)"
    return f"{table['name']}: {table['rows']} rows{kept}"


def loss_line(loss: Mapping[str, Any]) -> str:
    """Something that Airflow's own migration dropped on purpose."""
    kept = f"; kept as {loss['kept_as']}" if loss.get("kept_as") else ""
    return f"{loss['table']}: {loss['rows']} rows ({loss['reason']}{kept})"


def without_keys(items: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """The same dictionaries without some of their keys."""
    return [{key: value for key, value in item.items() if key not in keys} for item in items]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"loss_line": loss_line, "table_line": table_line, "without_keys": without_keys}
