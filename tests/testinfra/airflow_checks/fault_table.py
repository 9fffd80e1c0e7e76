# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen when something failed, and the page of the documentation that tells it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HEAD = """\
# What fails, and what comes of it

Written by `make test-faults`. A cluster of nine hosts, all of them containers on one machine ({machine}): two masters with webserver,
scheduler, DAG processor and triggerer each, two workers, two nginx with a shared address, and three hosts with Patroni, etcd and RabbitMQ;
Airflow {version} on Debian 12.

Runs of three tasks, 1, 2 and 4 seconds long, are asked for every two seconds through the load balancer, a page is asked for every quarter
of a second, and a row is written to the database every twentieth of a second, on a connection that is opened anew when it breaks. Then
one thing fails. The times are the longest ones, from that moment on, in which no task began, no page was answered, and no write was
acknowledged; without any fault they are as long as in the first line. A task is "cut off" when its process was killed: it is tried again,
and counted is how long after the fault the last of them was.

The test demands of every line: each run ended in success, each task came to its end once by what the tasks wrote down outside Airflow,
every acknowledged write is there, both schedulers queued tasks, and everything ran again by itself afterwards.

| what fails | no task (s) | no page (s) | no write (s) | runs | tasks cut off | tried again (s) |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
"""


@dataclass(frozen=True)
class Seen:
    """What one fault did. Times are in seconds; None is what this fault leaves nobody to measure."""

    fault: str
    where: str
    no_task: float
    no_page: float
    no_write: float | None
    runs: int
    cut_off: int
    tried_again: float | None


def keep(place: Path, seen: Seen) -> list[Seen]:
    """Put it to those that were seen before, in place of an older one; return all."""
    before = [Seen(**each) for each in json.loads(place.read_text(encoding="utf-8"))] if place.exists() else []
    every = [*(each for each in before if each.fault != seen.fault), seen]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps([asdict(each) for each in every], indent=2) + "\n", encoding="utf-8")
    return every


def page(every: Iterable[Seen], order: Sequence[str], machine: str, version: str) -> str:
    """The page, its lines in this order."""
    found = {each.fault: each for each in every}
    lines = [_line(found[fault]) for fault in order if fault in found]
    missing = [fault for fault in order if fault not in found]
    rest = f"\nNot in the table, for they were not run, or did not what the test demands: {'; '.join(missing)}.\n" if missing else ""
    return HEAD.format(machine=machine, version=version) + "".join(lines) + rest


def _line(seen: Seen) -> str:
    times = [_number(seconds) for seconds in (seen.no_task, seen.no_page, seen.no_write)]
    cells = [seen.fault, *times, str(seen.runs), str(seen.cut_off), _number(seen.tried_again)]
    return f"| {' | '.join(cells)} |\n"


def _number(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"
