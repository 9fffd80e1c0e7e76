# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets one thing in a cluster fail while tasks, requests and writes go on, and measures what came of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import api, asking, breaking, fault_table, hosts, load, writes
from .breaking import Action
from .fixtures import Installation

SECONDS_BEFORE = 8
SECONDS_UNTIL_OUT = 5
"""A webserver that hangs is out of the load balancer by then (its probe asks twice a second, and gives it 1.75 each time)."""

Group = Callable[[str], dict[str, Any]]
"""The fixture `group`."""

Find = Callable[[Group], list[str]]
"""Finds the hosts that something happens to."""


@dataclass(frozen=True)
class Fault:
    """What fails, how, and for how many seconds nothing may happen: no task begins, no page is answered, no write is acknowledged.

    `before` and `after` make it possible to let it fail, at a time when nobody asks for anything. `again` is how many seconds after the
    fault tasks that it killed run again (by default what is asked for when a worker is lost).
    """

    name: str
    where: Find
    inject: Action
    heal: Action = breaking.nothing
    before: Action = breaking.nothing
    after: Action = breaking.nothing
    lasts: float = 30
    kills_tasks: bool = False
    may_end_again: bool = False
    spares_pages: bool = False
    no_task: float = 45
    no_page: float = 6
    no_write: float | None = 3
    again: float = 75

    @property
    def id(self) -> str:
        """Its name as pytest shows it."""
        return self.name.replace(" ", "_")


@dataclass(frozen=True)
class Outcome:
    """What came of it: the line of the table, what was lost, requests that failed later than they may, and which runs were asked for."""

    seen: fault_table.Seen
    problems: list[str]
    failed_requests: int
    runs: list[str]

    def wrong(self, fault: Fault) -> list[str]:
        """Everything that is not as the fault allows it."""
        limits = (
            ("task", self.seen.no_task, fault.no_task),
            ("page", self.seen.no_page, fault.no_page),
            ("write", self.seen.no_write, fault.no_write),
        )
        wrong = [
            f"no {what} for {seconds:.1f} s, and {limit} are allowed"
            for what, seconds, limit in limits
            if limit is not None and seconds is not None and seconds > limit
        ]
        if self.seen.tried_again is not None and self.seen.tried_again > fault.again:
            wrong.append(f"a task ran again after {self.seen.tried_again:.1f} s, and {fault.again} are allowed")
        if fault.spares_pages and self.failed_requests:
            wrong.append(f"{self.failed_requests} requests failed later than {SECONDS_UNTIL_OUT} s")
        return [*self.problems, *wrong]


def of(group: str, number: int = 0) -> Find:
    """A host of a group, by its number in the inventory."""
    return lambda find: [sorted(find(group))[number]]


def let_fail(fault: Fault, installation: Installation, find: Group, seconds_between_runs: float = load.SECONDS_BETWEEN_RUNS) -> Outcome:
    """Let it fail and heal under load, wait until all runs have ended, and count."""
    names = fault.where(find)
    try:
        for name in names:
            fault.before(name)
        return _let_fail(fault, names, installation, seconds_between_runs)
    finally:
        for name in names:
            fault.after(name)


def _let_fail(fault: Fault, names: list[str], installation: Installation, seconds_between_runs: float) -> Outcome:
    with (
        writes.writes(installation) as written,
        asking.asking(installation) as asked,
        load.load(installation, seconds_between_runs) as runs,
    ):
        runs.wait_for_a_start(since=0)
        time.sleep(SECONDS_BEFORE)
        at = time.time()
        for name in names:
            fault.inject(name)
        time.sleep(fault.lasts)
        for name in names:
            fault.heal(name)
        runs.wait_for_a_start(since=at + fault.lasts)
        runs.stopped.set()
        runs.wait()
        seen = fault_table.Seen(
            fault=fault.name,
            where=", ".join(names),
            no_task=runs.longest_gap(at),
            no_page=asked.longest_gap(at),
            no_write=None if fault.no_write is None else written.longest_gap(at),
            runs=len(runs.asked),
            cut_off=len(runs.cut_off()),
            tried_again=runs.longest_until_tried_again(at),
        )
        problems = runs.problems(fault.kills_tasks, fault.may_end_again)
        problems += [f"write {number} was acknowledged and is not there" for number in written.lost()]
        return Outcome(seen, problems, asked.failed(at + SECONDS_UNTIL_OUT), list(runs.asked))


def units_that_are_down(find: Group, patterns: Iterable[str], ending: Iterable[str] = ()) -> list[str]:
    """What does not run, by host; `ending` are units that end when they have done their work."""
    return [
        f"{name}: {unit}"
        for name, host in find("airflow").items()
        for pattern in patterns
        for unit, state in hosts.units(host, pattern).items()
        if state.active != "active" and unit not in ending
    ]


def wait_until_whole(is_whole: Callable[[Group], bool], find: Group, seconds: int) -> None:
    """Wait until the next fault finds a cluster that has nothing to mend."""

    def asked() -> bool | None:
        try:
            return is_whole(find) or None
        except (subprocess.CalledProcessError, StopIteration, AssertionError, ValueError, OSError):
            return None

    api.wait_until("everything to run again", asked, seconds)
