# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found, and whether that is what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """Something measured; `most` is the goal, where there is one."""

    name: str
    value: float
    unit: str
    most: float | None = None

    @property
    def line(self) -> str:
        """As it is printed."""
        told = f"RESULT {self.name} {self.value:.3g} {self.unit}"
        return told if self.most is None else f"{told} (at most {self.most:g}: {'met' if self.value <= self.most else 'not met'})"


def ratio(name: str, ours: float, theirs: float, most: float | None = None) -> Figure:
    """What one side took of what the other one took."""
    return Figure(name, ours / theirs, "times", most)


def growth(seconds: Mapping[int, float]) -> list[Figure]:
    """A run that changes nothing by the number of hosts, and what each further host adds between the fewest and the most."""
    figures = [Figure(f"noop_hosts_{count}", taken, "s") for count, taken in sorted(seconds.items())]
    fewest, most = min(seconds), max(seconds)
    if fewest == most:
        return figures
    return [*figures, Figure("noop_further_host", (seconds[most] - seconds[fewest]) / (most - fewest), "s per host")]
