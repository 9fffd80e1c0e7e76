# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command, keeps its output, and says at the end how long each part took and what failed: reporting.py make lint unit

A part begins with a line `== its name`; of Molecule's scenarios the steps are told too. Whoever sees only the end of the output
sees which test failed, and why. Needs nothing but Python.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

LOG = Path(".cache") / "test.log"
MOST_LINES = 22
LINES_OF_A_FAILURE = 6
LONGEST_LINE = 300
WIDTH = 140
WITHOUT_A_FAILURE = 15

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
PART = re.compile(r"== ([^=]+)$")
TOLD = re.compile(r"(.+) \[(.+)\]")
STEP = re.compile(r"INFO .* (\w+): Executing$")
STEP_FAILED = re.compile(r"ERROR .* (\w+): Executed: Failed")
PYTEST_NAME = re.compile(r"_+ ([A-Za-z].*) _+$")
PYTEST_WHY = re.compile(r"E {3}|\S+\.py:\d+: \w+$")
PYTEST_BROKEN = re.compile(r"ERROR \S+( - .+)?$")
TASK = re.compile(r"(TASK|RUNNING HANDLER) \[.+\]")
TASK_FAILED = re.compile(r"(fatal|failed): \[.+\]")
TASK_WHY = re.compile(r" +(msg|stderr|reason|item):")
OTHER = re.compile(r"(CRITICAL |ERROR: |ERROR +parsing |make.*\*\*\* .*(No rule|missing))")
NOT_IDEMPOTENT = re.compile(r"\* \[.+\] => ")
ANOTHER_MATTER = re.compile(r"(INFO|WARNING|ERROR|CRITICAL|make|PLAY|TASK|\* )")
MAKES_OWN = re.compile(r"make(\[\d+\])?: ")


@dataclass
class Part:
    """A stretch of the output, from one heading to the next."""

    name: str
    started: float
    ended: float = 0.0
    lines: list[str] = field(default_factory=list)
    steps: list[Part] = field(default_factory=list)

    @property
    def minutes(self) -> float:
        """How long it took."""
        return (self.ended - self.started) / 60

    def in_words(self) -> str:
        """Return its name and minutes, and those of its longer steps; where the heading told them already, these."""
        if told := TOLD.fullmatch(self.name):
            return f"{told[1]} {told[2]}"
        return f"{self.name} {self.minutes:.1f}{self.steps_in_words()}"

    def steps_in_words(self) -> str:
        """Return the minutes of its longer steps in brackets."""
        steps = [f"{step.name} {step.minutes:.1f}" for step in self.steps if step.minutes >= 0.1]
        return f" ({', '.join(steps)})" if steps else ""


class Parts:
    """The parts of an output that is read line by line."""

    def __init__(self, now: float) -> None:
        self.all = [Part("Start", now)]

    @property
    def last(self) -> Part:
        """The part that is running."""
        return self.all[-1]

    def read(self, line: str, now: float) -> None:
        """Take in one line."""
        plain = COLOURS.sub("", line).rstrip()
        if heading := PART.match(plain):
            self.end(now)
            self.all.append(Part(heading[1], now))
            return
        self.last.lines.append(plain)
        if step := STEP.match(plain):
            if self.last.steps:
                self.last.steps[-1].ended = now
            self.last.steps.append(Part(step[1], now))

    def end(self, now: float) -> None:
        """The running part is over."""
        self.last.ended = now
        if self.last.steps:
            self.last.steps[-1].ended = now

    def in_words(self) -> list[str]:
        """Return the minutes of all parts in a few lines."""
        lines = ["Minutes:"]
        for text in (part.in_words() for part in self.all if part.name != "Start"):
            if len(lines[-1]) + len(text) > WIDTH:
                lines.append(" ")
            lines[-1] += f" {text};"
        return [*lines[:-1], lines[-1].rstrip(";")]

    def where(self) -> str:
        """Return what failed; where nothing says so, what was running when it ended."""
        failed = [found[1] for found in map(STEP_FAILED.match, self.last.lines) if found]
        steps = failed or [step.name for step in self.last.steps[-1:]]
        told = TOLD.fullmatch(self.last.name)
        return ", ".join([told[1] if told else self.last.name, *steps])


def _why_task_failed(following: list[str]) -> list[str]:
    """What a failed task says: its message, with the lines that continue it."""
    found: list[str] = []
    depth = None
    for line in following:
        if not line.startswith(" "):
            break
        indent = len(line) - len(line.lstrip())
        if TASK_WHY.match(line):
            depth = indent
            found.append(line)
        elif depth is not None and indent > depth:
            found.append(line)
        else:
            depth = None
    return found


def _what_it_goes_on_with(following: list[str]) -> list[str]:
    """The next lines up to one that is about something else."""
    found = []
    for line in following:
        if ANOTHER_MATTER.match(line):
            break
        found += [line] if line.strip() else []
    return found


def failures(lines: list[str]) -> list[list[str]]:
    """Return every failure in an output: a line that names it, and those that say why."""
    found: list[list[str]] = []
    task = ""
    current: list[str] | None = None
    for number, line in enumerate(lines):
        if name := PYTEST_NAME.match(line):
            current = [name[1]]
            found.append(current)
        elif PYTEST_WHY.match(line) and current is not None:
            current.append(line)
        elif TASK.match(line):
            task = line.rstrip(" *")
        elif TASK_FAILED.match(line) and "...ignoring" not in lines[number + 1 : number + 40]:
            found.append([task, line, *_why_task_failed(lines[number + 1 :])])
        elif PYTEST_BROKEN.match(line) or OTHER.match(line):
            found.append([line, *_what_it_goes_on_with(lines[number + 1 : number + 4])])
        elif NOT_IDEMPOTENT.match(line) and found:
            found[-1].append(line)
    return found


def summary(lines: list[str]) -> list[str]:
    """Return the first failures in as many lines as a reader sees; the end of the output where none is recognised."""
    found = failures(lines)
    if not found:
        own = [line for line in lines if line.strip() and not MAKES_OWN.match(line)]
        return [line[:LONGEST_LINE] for line in own[-WITHOUT_A_FAILURE:]]
    told: list[str] = []
    for number, failure in enumerate(found):
        shown = failure[:LINES_OF_A_FAILURE]
        if len(told) + len(shown) > MOST_LINES:
            names = ", ".join(others[0] for others in found[number:])
            told.append(f"and {len(found) - number} more: {names}")
            break
        told += shown
    return [line[:LONGEST_LINE] for line in told]


def report(parts: Parts, code: int) -> list[str]:
    """Return the last lines of the output."""
    total = (parts.last.ended - parts.all[0].started) / 60
    if code == 0:
        return [*parts.in_words(), f"== Passed in {total:.1f} minutes"]
    headline = f"== Failed after {total:.1f} minutes: {parts.where()} (the whole output is in {LOG})"
    return [headline, *summary(parts.last.lines), *parts.in_words()]


def follow(output: Iterable[str], log: Path, parts: Parts) -> None:
    """Pass every line on, keep it, and take it in."""
    with log.open("w", encoding="utf-8") as kept:
        for line in output:
            sys.stdout.write(line)
            sys.stdout.flush()
            kept.write(line)
            kept.flush()
            parts.read(line, time.monotonic())


def _interrupt(number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(command: list[str]) -> int:
    """Run the command; return its code."""
    LOG.parent.mkdir(exist_ok=True)
    parts = Parts(time.monotonic())
    # Who ends a run that takes too long sends this, and wants to know what took so long.
    signal.signal(signal.SIGTERM, _interrupt)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    assert child.stdout is not None
    try:
        follow(child.stdout, LOG, parts)
        code = child.wait()
    except KeyboardInterrupt:
        child.terminate()
        code = 130
    parts.end(time.monotonic())
    print(*report(parts, code), sep="\n", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
