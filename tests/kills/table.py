# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen, and the page of the documentation that tells it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HEAD = """\
# A run that is killed, and the next one

Written by `make test-kills`. A tutorial installation of Airflow 2.11.2 (SQLite, SequentialExecutor, daemons started with `-D`, {rows}
rows of history) in a container ({machine}) is lifted to PostgreSQL by `site`, which is killed with SIGKILL at a moment that a seed draws
from the time its stage takes; the seed was {seed}. Then `site` is run again, at once, by the same controller.

What is killed: the controller's process group, as `kill -9 %1` does in a shell, after which the processes that Ansible has for hosts go
on until the task that they are at has ended; the controller with all of its processes, as a machine is lost; or a process on the host.

The test demands of every line: the next run succeeds without more help. Every row of the old database is in the copy that is kept and
in the new database, by digests of the test's own SQL; nobody has written to the old one since it was copied. The new daemons are
healthy and start with the host, the old ones are gone, and at no moment did two schedulers run, looked at five times a second.
Connections open with the key that was carried over. Nobody holds the host any more. Where the last column says so, a third run
changed nothing.

"""
COLUMNS = """\
| lift to | stage | killed | when | the next run (s) | a third run |
| --- | --- | --- | --- | ---: | --- |
"""


@dataclass(frozen=True)
class Seen:
    """What became of one kill."""

    version: str
    name: str
    stage: str
    what: str
    moment: str
    seed: int
    seconds: float
    idempotent: bool


def keep(place: Path, seen: Seen) -> list[Seen]:
    """Put it to those that were seen before, in place of an older one; return all."""
    before = read(place)
    every = [*(each for each in before if (each.version, each.name) != (seen.version, seen.name)), seen]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps([asdict(each) for each in every], indent=2) + "\n", encoding="utf-8")
    return every


def read(place: Path) -> list[Seen]:
    """What was seen before."""
    return [Seen(**each) for each in json.loads(place.read_text(encoding="utf-8"))] if place.exists() else []


def page(every: Iterable[Seen], order: Sequence[tuple[str, str]], leases: Sequence[str], seed: int, rows: int, machine: str) -> str:
    """The page, its lines in this order. Those of another seed were not seen with this one."""
    found = {(each.version, each.name): each for each in every if each.seed == seed}
    lines = [_line(found[each]) for each in order if each in found]
    missing = [f"{name} ({version})" for version, name in order if (version, name) not in found]
    text = HEAD.format(rows=f"{rows:,}", machine=machine, seed=seed) + COLUMNS + "".join(lines)
    if missing:
        text += f"\nNot in the table, for they were not run, or did not what the test demands: {'; '.join(missing)}.\n"
    if leases:
        text += "\nAnd of [the lease of a host](operations.md#one-run-at-a-time), with runs on a host that was lifted:\n\n"
        text += "".join(f"- {case}\n" for case in leases)
    return text


def _line(seen: Seen) -> str:
    third = "changed nothing" if seen.idempotent else ""
    return f"| {seen.version} | {seen.stage} | {seen.what} | {seen.moment} | {seen.seconds:.0f} | {third} |\n"
