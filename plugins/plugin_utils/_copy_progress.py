# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a phase of the move while it runs: how far it is, and how long it still takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What building the indexes and verifying take of the time of loading.
INDEXES_OF_LOADING = 0.3
VERIFYING_OF_LOADING = 0.5
_MOST_SECONDS = 90
_DONE = {"load": "copied", "verify": "verified", "record": "recorded", "compare": "compared"}


def remaining_seconds(step: str, rows: int, total: int, seconds: float, loading: float = 0.0) -> float | None:
    """How long a phase still takes that has worked on a step for so long; `loading` is what that step took. None where nobody knows yet."""
    if step == "indexes":
        return max(loading * INDEXES_OF_LOADING - seconds, 0.0) + loading * VERIFYING_OF_LOADING
    if step not in _DONE or not 0 < rows <= total:
        return None
    whole = seconds * total / rows
    left = whole - seconds
    return left + whole * (INDEXES_OF_LOADING + VERIFYING_OF_LOADING) if step == "load" else left


def sentence(progress: Mapping[str, Any]) -> str | None:
    """How far a phase is, in words; None where there is nothing to tell yet."""
    step, rows, total, seconds = progress["step"], int(progress["rows"]), int(progress["total"]), float(progress["seconds"])
    if step == "indexes":
        text = f"copied all {total:,} rows, building indexes"
    elif step in _DONE and total:
        text = f"{_DONE[step]} {rows:,} of {total:,} rows ({rows * 100 // total} %)"
    else:
        return None
    left = remaining_seconds(step, rows, total, seconds, float(progress["took"].get("load", 0.0)))
    return text if left is None else f"{text}, about {duration(left)} left"


def duration(seconds: float) -> str:
    """A duration as somebody says it."""
    if seconds < _MOST_SECONDS:
        number, unit = max(round(seconds), 1), "second"
    else:
        number, unit = round(seconds / 60), "minute"
    return f"{number} {unit}{'' if number == 1 else 's'}"
