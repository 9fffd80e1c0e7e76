# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

Figures = dict[str, float]
LABELS = {
    "tasks_per_second": ("{tasks} short tasks at once, tasks/s", "{:.2f}"),
    "chain_seconds": ("chain of {chain}, s", "{:.1f}"),
    "sleeping_seconds": ("{sleeping} tasks of {seconds} s, s", "{:.1f}"),
    "sleeping_of_ideal": ("the same, of the ideal for its slots", "{:.2f}"),
    "idle_mb": ("memory idle, MB", "{:.0f}"),
    "peak_mb": ("memory at peak, MB", "{:.0f}"),
    "task_cpu": ("CPU per short task, s", "{:.2f}"),
    "task_database_cpu": ("the database's CPU per short task, s", "{:.3f}"),
    "chain_task_cpu": ("CPU per task of the chain, s", "{:.2f}"),
    "idle_cpu": ("CPU idle, cores", "{:.3f}"),
    "idle_database_cpu": ("the database's CPU idle, cores", "{:.3f}"),
}
"""What each figure is called, and how it is written; in the order of the table."""


def ratios(default: Sequence[Figures], auto: Sequence[Figures], name: str) -> list[float]:
    """What auto took in each round of what the default took in the same one."""
    return [ours[name] / theirs[name] for theirs, ours in zip(default, auto) if theirs[name]]


def spread(values: Sequence[float], form: str) -> str:
    """The median, and the least and the most where there are several."""
    if not values:
        return "-"
    text = form.format(median(values))
    return f"{text} ({form.format(min(values))} to {form.format(max(values))})" if len(values) > 1 else text


def table(default: Sequence[Figures], auto: Sequence[Figures], sizes: dict[str, int], slots: tuple[int, int]) -> list[str]:
    """The lines of a Markdown table: medians of the rounds, with their spread for the ratios."""
    lines = [f"| | default, {slots[0]} slots | auto, {slots[1]} slots | auto of default |", "|---|---|---|---|"]
    for name, (label, form) in LABELS.items():
        sides = [form.format(median(figures[name] for figures in side)) for side in (default, auto)]
        lines.append(f"| {label.format(**sizes)} | {sides[0]} | {sides[1]} | {spread(ratios(default, auto, name), '{:.2f}')} |")
    return lines
