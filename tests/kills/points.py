# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which moments are killed at: the stages of a lift, and what a seed draws in each.

A stage begins with a task and lasts until the next one begins, so every task of a run is in one. The moment is drawn from the time that the
tasks of a stage took in a run that nobody killed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

GROUP = "the controller's process group"
"""Ansible's processes for hosts are in groups of their own, and outlive it for the task that they are at."""
ALL = "the controller with all of its processes"
MODULE = "the module on the host"
MIGRATE = "`airflow db migrate`"


class PointsError(Exception):
    """A run has other steps than the points are for."""


class Image(Enum):
    """What a point begins with."""

    FRESH = "fresh"
    """An installation that somebody made by hand."""
    INSTALLED = "installed"
    """A run was cut off when all but the hand-over was done."""


@dataclass(frozen=True)
class Stage:
    """A part of a run that has a name; `begins` is the name of its first task, in which `{version}` stands for that of Airflow."""

    name: str
    begins: str
    image: Image
    # Between the stop of the old installation and the switch to the new one.
    inside: bool = False


@dataclass(frozen=True)
class Point:
    """One kill. Of several of the same stage each has its share of the stage's time."""

    stage: str
    what: str
    share: int = 0
    shares: int = 1
    # Only during this task, where it is not the controller that is killed.
    task: str = ""
    idempotent: bool = False

    @property
    def name(self) -> str:
        """What it is called when it is asked for."""
        words = f"{self.stage} {self.share + 1}" if self.shares > 1 else self.stage
        killed = {GROUP: "", ALL: "", MODULE: " module", MIGRATE: " migrate"}[self.what]
        return (words + killed).replace(" ", "-")


@dataclass(frozen=True)
class Step:
    """A task of a run: how often one of the name had begun, and how long it took."""

    name: str
    occurrence: int
    seconds: float


@dataclass(frozen=True)
class Moment:
    """So many seconds after a task began."""

    task: str
    occurrence: int
    delay: float

    def __str__(self) -> str:
        return f'{self.delay:.1f} s after the start of "{self.task}"'


FIRST_INSTALLED = "Bring DAGs, plugins and task logs over"
STOPPING = "Note when the old installation begins to stop"
LOAD = "Copy every table and verify it"
SCHEMA = "Make the schema of the new database with Airflow 2.11.2"
STAGES = (
    Stage("reading the host", "Validating arguments against arg spec 'topology' - Read the hosts and derive the topology", Image.FRESH),
    Stage("holding the host and keeping secrets", "Hold the host, so that no other run changes it", Image.FRESH),
    Stage("packages and users", "Load the names that differ by distribution", Image.FRESH),
    Stage("installing Airflow", "Install Airflow {version}", Image.FRESH),
    Stage("the database server", "Provide the metadata database", Image.FRESH),
    Stage("bringing files over", FIRST_INSTALLED, Image.INSTALLED),
    Stage("the new schema", "Read the old database", Image.INSTALLED),
    Stage("stopping", STOPPING, Image.INSTALLED, True),
    Stage("the backup", "Keep a copy of the old database", Image.INSTALLED, True),
    Stage("copying", LOAD, Image.INSTALLED, True),
    Stage("after the copy", "Let runs that are under way go on", Image.INSTALLED, True),
    Stage("switching", "Look at the database before its first use", Image.INSTALLED, True),
    Stage("units", "Note when the new installation counts", Image.INSTALLED),
    Stage("starting", "Start the daemons that need not wait for each other", Image.INSTALLED),
    Stage("the end", "Note when the new installation is healthy", Image.INSTALLED),
)
# From 2.x to 3.x there is more between the copy and what comes after it.
MIGRATING = (
    Stage("keeping", "Keep what Airflow's own migration drops", Image.INSTALLED, True),
    Stage("migrating", "Migrate the schema to Airflow {version}", Image.INSTALLED, True),
    Stage("verifying", "Verify that nothing was lost", Image.INSTALLED, True),
)


def several(stage: str, *whats: str, idempotent: Sequence[int] = ()) -> list[Point]:
    """Points that share the time of a stage."""
    return [Point(stage, what, number, len(whats), idempotent=number in idempotent) for number, what in enumerate(whats)]


POINTS = (
    *several("reading the host", GROUP),
    *several("holding the host and keeping secrets", ALL),
    *several("packages and users", GROUP),
    *several("installing Airflow", GROUP, ALL, idempotent=[0]),
    *several("the database server", ALL, GROUP),
    *several("bringing files over", GROUP),
    *several("the new schema", ALL),
    Point("the new schema", MIGRATE, task=SCHEMA),
    *several("stopping", GROUP, ALL, GROUP, idempotent=[1]),
    *several("the backup", ALL),
    *several("copying", GROUP, ALL, GROUP, idempotent=[0]),
    Point("copying", MODULE, task=LOAD, idempotent=True),
    *several("after the copy", ALL),
    *several("switching", GROUP, ALL, idempotent=[0]),
    *several("units", GROUP, ALL),
    *several("starting", ALL, GROUP, idempotent=[0]),
    *several("the end", GROUP),
)
POINTS_2_TO_3 = (
    *several("copying", ALL),
    *several("keeping", GROUP),
    *several("migrating", GROUP, ALL, idempotent=[0]),
    Point("migrating", MIGRATE, task="Migrate the schema to Airflow {version}"),
    *several("verifying", ALL),
    *several("switching", GROUP),
)


def stages(crosses: bool) -> list[Stage]:
    """The stages of a lift, within a line or from 2.x to 3.x."""
    found = list(STAGES)
    if crosses:
        place = [stage.name for stage in found].index("after the copy")
        found[place:place] = MIGRATING
    return found


def divide(steps: Sequence[Step], parts: Sequence[Stage], version: str) -> dict[str, list[Step]]:
    """The tasks of each stage. Raises PointsError where a stage does not begin, or tasks come before the first."""
    names = [step.name for step in steps]
    begins: list[int] = []
    for stage in parts:
        first = stage.begins.format(version=version)
        start = begins[-1] + 1 if begins else 0
        if first not in names[start:]:
            raise PointsError(
                f"The stage \u201c{stage.name}\u201d has no task \u201c{first}\u201d in its place: give it one that begins it."
            )
        begins.append(names.index(first, start))
    if begins[0]:
        raise PointsError(f"No stage is there for {', '.join(names[: begins[0]])}: let one begin earlier.")
    ends = [*begins[1:], len(steps)]
    return {stage.name: list(steps[start:end]) for stage, start, end in zip(parts, begins, ends)}


def without_point(divided: dict[str, list[Step]], points: Sequence[Point]) -> list[str]:
    """The tasks of a run in whose stage nothing is killed."""
    covered = {point.stage for point in points}
    return [step.name for stage, steps in divided.items() if stage not in covered for step in steps]


def draw(point: Point, steps: Sequence[Step], seed: int, version: str = "") -> Moment:
    """A moment of the point's share of its stage's time; the same one for the same seed and the same run."""
    fraction = (point.share + random.Random(f"{seed} {point.name}").random()) / point.shares
    if point.task:
        wanted = point.task.format(version=version)
        step = next((step for step in steps if step.name == wanted), None)
        if step is None:
            raise PointsError(f"The stage \u201c{point.stage}\u201d has no task \u201c{wanted}\u201d.")
        # Its process is there for a part of that.
        return Moment(step.name, step.occurrence, fraction * step.seconds / 2)
    left = fraction * sum(step.seconds for step in steps)
    for step in steps:
        if left < step.seconds:
            return Moment(step.name, step.occurrence, left)
        left -= step.seconds
    return Moment(steps[-1].name, steps[-1].occurrence, steps[-1].seconds)
