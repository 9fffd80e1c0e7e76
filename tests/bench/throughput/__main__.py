# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Airflow's defaults against `airflow_size: auto`, in turns, for each version and executor.

Both sides use one PostgreSQL with the settings that the plan gives a managed one, and one Redis. A round starts a side's daemons, waits
until they are idle, runs the workloads one after the other, and stops the daemons.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from installations.servers import Servers

from .rounds import run_round
from .sides import BROKER_PASSWORD, CELERY, CHECKOUT, LOCAL, Auto, Default, Side, memory_total_mb, plan_of_this_machine
from .tables import Figures, ratios, table
from .workloads import Workload, workloads, write_dags

VERSIONS = {2: "2.11.2", 3: "3.3.2"}
EXECUTORS = {"local": LOCAL, "celery": CELERY}
GOALS = {"chain_seconds": 0.65, "peak_mb": 0.6}
"""The most that auto may take of what the default takes, with 3.3.2 and LocalExecutor."""

LEAST_THROUGHPUT = 1.0
MOST_OF_IDEAL = 1.3
RESULT = CHECKOUT / ".cache" / "throughput.json"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is wanted."""
    parser = argparse.ArgumentParser(prog="throughput", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs (3)")
    parser.add_argument("--short", type=int, default=100, help="short tasks at once (100)")
    parser.add_argument("--chain", type=int, default=40, help="tasks in turn (40)")
    parser.add_argument("--sleeping", type=int, default=48, help="tasks that sleep (48)")
    parser.add_argument("--seconds", type=int, default=10, help="how long those sleep (10)")
    parser.add_argument("--lines", type=int, nargs="+", choices=VERSIONS, default=list(VERSIONS), help="Airflow 2, 3 or both (both)")
    parser.add_argument("--executors", nargs="+", choices=EXECUTORS, default=list(EXECUTORS), help="local, celery or both (both)")
    place, tried = "SECTION.OPTION=VALUE", "a setting of airflow_config to try on the side of auto"
    parser.add_argument("--config", action="append", default=[], metavar=place, help=tried)
    return parser.parse_args(words)


def config_of(words: Sequence[str]) -> dict[str, dict[str, str]]:
    """`airflow_config` from SECTION.OPTION=VALUE."""
    config: dict[str, dict[str, str]] = {}
    for word in words:
        place, _, value = word.partition("=")
        section, _, option = place.partition(".")
        config.setdefault(section, {})[option] = value
    return config


def compare(line: int, executor: str, wanted: argparse.Namespace) -> dict[str, Any]:
    """Both sides in turns."""
    config = config_of(wanted.config)
    settings = plan_of_this_machine(line, VERSIONS[line], executor, config)["database"]["settings"]
    loads = workloads(wanted.short, wanted.chain, wanted.sleeping, wanted.seconds)
    folder = Path(tempfile.mkdtemp(prefix="updraft-throughput."))
    servers = Servers(Path(tempfile.mkdtemp(prefix="updraft-servers.")), settings, BROKER_PASSWORD)
    found: dict[str, list[Figures]] = {}
    try:
        servers.start()
        default = Default(line, VERSIONS[line], executor, folder, servers)
        auto = Auto(line, VERSIONS[line], executor, folder, servers, config)
        sides: tuple[Side, Side] = (default, auto)
        for side in sides:
            write_dags(side.home / "dags", side.lines, loads)
            side.prepare()
            found[side.name] = []
        for number in range(1, wanted.rounds + 1):
            for side in sides:
                load = os.getloadavg()[0]
                figures = run_round(side, number, loads)
                found[side.name].append({**figures, "load_before": load})
                print(f"{side.name}, round {number}: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items()), flush=True)
        return report(line, executor, sides, found, loads)
    finally:
        servers.stop()
        shutil.rmtree(folder)


def report(line: int, executor: str, sides: tuple[Side, Side], found: dict[str, list[Figures]], loads: list[Workload]) -> dict[str, Any]:
    """Print the table; what is in it as data."""
    default, auto = found["default"], found["auto"]
    sizes = {"tasks": loads[1].tasks, "chain": loads[2].tasks, "sleeping": loads[3].tasks, "seconds": loads[3].seconds}
    print(f"\n### Airflow {VERSIONS[line]}, {executor}\n")
    print("\n".join(table(default, auto, sizes, (sides[0].slots, sides[1].slots))), flush=True)
    if line == 3 and executor == LOCAL:
        for name, value, goal, met in goals(default, auto):
            print(f"RESULT {name} {value:.2f} ({goal}: {'met' if met else 'not met'})", flush=True)
    return {"version": VERSIONS[line], "executor": executor, "slots": [side.slots for side in sides], "sizes": sizes, "rounds": found}


def goals(default: list[Figures], auto: list[Figures]) -> list[tuple[str, float, str, bool]]:
    """Each goal with what was found: its name, the figure, what is wanted, and whether that is so."""
    found = []
    for name, most in GOALS.items():
        value = median(ratios(default, auto, name))
        found.append((f"{name}_ratio", value, f"at most {most}", value <= most))
    throughput = median(ratios(default, auto, "tasks_per_second"))
    found.append(("tasks_per_second_ratio", throughput, f"at least {LEAST_THROUGHPUT}", throughput >= LEAST_THROUGHPUT))
    ideal = median(figures["sleeping_of_ideal"] for figures in auto)
    found.append(("sleeping_of_ideal", ideal, f"at most {MOST_OF_IDEAL}", ideal <= MOST_OF_IDEAL))
    return found


def main() -> int:
    """All that is wanted, one after the other."""
    wanted = arguments()
    machine = {
        "cores": os.cpu_count(),
        "memory_mb": memory_total_mb(),
        "date": time.strftime("%Y-%m-%d"),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
    print(f"{machine['cores']} cores, {machine['memory_mb']} MB, {machine['date']}, load {os.getloadavg()[0]:.1f}", flush=True)
    try:
        results = [compare(line, EXECUTORS[name], wanted) for line in wanted.lines for name in wanted.executors]
    except (AssertionError, LookupError) as error:
        sys.exit(str(error))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"machine": machine, "config": wanted.config, "results": results}, indent=2) + "\n")
    print(f"All figures are in {RESULT.relative_to(CHECKOUT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
