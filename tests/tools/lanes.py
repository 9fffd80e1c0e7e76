# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs Molecule scenarios side by side, for much of their time is waiting: lanes.py 2 default sqlite make:database

A name after `make:` is a target of the Makefile. Each one's output is printed in one piece under a heading with its minutes; until then a
line tells each step. All of them run, and what failed is printed last.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from reporting import COLOURS, PART, STEP, Part, Parts

NOT_BEGUN = 256
"""No program ends with it."""

TARGET = "make:"


@dataclass
class Scenario:
    """A scenario or a target, what it has printed, and how it ended."""

    name: str
    parts: Parts
    lines: list[str] = field(default_factory=list)
    code: int = NOT_BEGUN
    child: subprocess.Popen[str] | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it was begun and did not succeed."""
        return bool(self.lines) and self.code != 0

    @property
    def command(self) -> list[str]:
        """What runs it."""
        if self.name.startswith(TARGET):
            return ["make", "--no-print-directory", self.name.removeprefix(TARGET)]
        return ["molecule", "test", "--scenario-name", self.name]

    @property
    def title(self) -> str:
        """What its heading calls it."""
        return self.name.removeprefix(TARGET) if self.name.startswith(TARGET) else f"Molecule: {self.name}"

    def run(self) -> None:
        """Run it to its end."""
        self.parts = Parts(time.monotonic())
        self.child = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        assert self.child.stdout is not None
        for line in self.child.stdout:
            plain = COLOURS.sub("", line).rstrip()
            heading = PART.match(plain)
            # Its own headings stand below the one it is told under.
            self.lines.append(f"-- {heading[1]}\n" if heading else line)
            self.parts.read(self.lines[-1], time.monotonic())
            if step := heading or STEP.match(plain):
                print(f"{self.name}: {step[1]}", flush=True)
        self.code = self.child.wait()
        self.parts.end(time.monotonic())

    def in_words(self) -> str:
        """Its heading with the minutes it took."""
        part: Part = self.parts.last
        return f"== {self.title} [{part.minutes:.1f}{part.steps_in_words()}]"

    def tell(self) -> None:
        """Print all of it."""
        print(self.in_words(), "".join(self.lines), sep="\n", end="", flush=True)


def run_all(scenarios: list[Scenario], lanes: int) -> None:
    """Run scenarios, some at a time, the first ones first; print those that succeed as they end."""
    telling = threading.Lock()
    ended = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        ended.set()
        for scenario in scenarios:
            if scenario.child is not None and scenario.child.poll() is None:
                scenario.child.terminate()

    def run(scenario: Scenario) -> None:
        if ended.is_set():
            return
        scenario.run()
        if scenario.code == 0:
            with telling:
                scenario.tell()

    signal.signal(signal.SIGTERM, stop)
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(run, scenarios))


def main(lanes: int, names: list[str]) -> int:
    """Run the scenarios and targets of these names; return 1 unless all succeeded."""
    scenarios = [Scenario(name, Parts(time.monotonic())) for name in names]
    run_all(scenarios, lanes)
    for scenario in scenarios:
        if scenario.has_failed:
            scenario.tell()
    return int(any(scenario.code != 0 for scenario in scenarios))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
