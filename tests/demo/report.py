# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo prints: a bar for each task, and the table of before and after."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_checks import api

COLUMNS_OF_BARS = 60
BAR = "█"


@dataclass(frozen=True)
class EightTasks:
    """A run of the DAG with eight tasks that sleep."""

    tasks: list[api.Answer]

    @property
    def seconds(self) -> float:
        """From the first start to the last end."""
        return float(api.seconds_taken(self.tasks))

    @property
    def most_at_once(self) -> int:
        """How many ran at the same moment."""
        return int(api.most_at_once(self.tasks))


@dataclass(frozen=True)
class State:
    """What the demo compares."""

    warnings: list[str]
    executor: str
    database: str
    rows: int
    eight: EightTasks


def bars(run: EightTasks, seconds_per_column: float) -> list[str]:
    """Return a line for each task: when it ran, and from which second to which."""
    first = min(api.instant(task["start_date"]) for task in run.tasks)
    width = round(run.seconds / seconds_per_column)
    lines = []
    for task in sorted(run.tasks, key=lambda task: str(task["task_id"])):
        start = (api.instant(task["start_date"]) - first).total_seconds()
        end = (api.instant(task["end_date"]) - first).total_seconds()
        left = round(start / seconds_per_column)
        bar = " " * left + BAR * max(1, round(end / seconds_per_column) - left)
        lines.append(f"  {task['task_id']}  {bar:{width}}  {start:4.0f} to {end:.0f} s")
    return lines


def scale(run: EightTasks) -> float:
    """Return how many seconds a column stands for when this run fills the width."""
    return max(run.seconds, 1) / COLUMNS_OF_BARS


def table(before: State, after: State) -> list[str]:
    """Return the lines of the comparison."""
    rows = [("", "before", "after")]
    for number in range(max(len(before.warnings), len(after.warnings), 1)):
        shown = [(state.warnings[number] if number < len(state.warnings) else "none" if number == 0 else "") for state in (before, after)]
        rows.append(("warnings on the home page" if number == 0 else "", shown[0], shown[1]))
    rows += [
        ("executor", before.executor, after.executor),
        ("database", before.database, after.database),
        ("rows", f"{before.rows:,}", f"{after.rows:,}"),
        ("8 tasks of 10 s", f"{before.eight.seconds:.0f} s", f"{after.eight.seconds:.0f} s"),
        ("at the same time", f"{before.eight.most_at_once} at most", f"{after.eight.most_at_once} at most"),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
