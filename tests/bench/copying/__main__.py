# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's copy of SQLite to PostgreSQL against pgloader and pg_restore, on the same rows, in turns.

All fill databases of one PostgreSQL server with its default settings. The sources are made by each version of Airflow itself, and filled by
the script that fills those of the tests, always with the same rows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from installations.servers import Postgresql

from .data import VERSIONS, Data
from .sides import Figures, Module, Pgloader, Restore, Side

LEAST_OF_PGLOADER = 3.0
"""How many times as fast as pgloader the copy is to be."""

MOST_OF_RESTORE = 1.5
MOST_ERRORS = 10
MOST_MEMORY = 1.2
"""How much more memory ten times the rows may take."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is wanted."""
    parser = argparse.ArgumentParser(prog="copying", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows in the source (1000000); memory is compared with a tenth of it")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs (3)")
    parser.add_argument("--lines", type=int, nargs="+", choices=VERSIONS, default=list(VERSIONS), help="Airflow 2, 3 or both (both)")
    return parser.parse_args(words)


def compare(line: int, rows: int, rounds: int) -> None:
    """All sides in turns."""
    folder = Path(tempfile.mkdtemp(prefix="updraft-copying."))
    server = Postgresql(Path(tempfile.mkdtemp(prefix="updraft-servers.")), {})
    found: dict[str, list[Figures]] = {}
    try:
        server.start()
        data = Data(line, folder, server)
        sources = data.make({rows, rows // 10})
        module, restore = Module(data, sources[rows]), Restore(data, sources[rows])
        sides: list[Side] = [module, Pgloader(data, sources[rows]), restore]
        few = Module(data, sources[rows // 10]).run()
        module.run()
        restore.dump(module.database)
        missing = {}
        for number in range(rounds):
            for side in sides[number % len(sides) :] + sides[: number % len(sides)]:
                load = os.getloadavg()[0]
                figures = side.run()
                found.setdefault(side.name, []).append(figures)
                missing[side.name] = side.missing()
                print("\n".join(side.errors[:MOST_ERRORS]), end="\n" if side.errors else "")
                side.drop()
                print(f"Airflow {VERSIONS[line]}, {side.name}, round {number + 1}: {figures['seconds']:.1f} s, load {load:.1f}", flush=True)
    finally:
        server.stop()
        shutil.rmtree(folder)
    report(VERSIONS[line], found, few, missing)


def report(version: str, found: dict[str, list[Figures]], few: Figures, missing: dict[str, int]) -> None:
    """Print the figures, and whether the goals are met."""
    ours = [figures["seconds"] - figures["verification"] for figures in found["module"]]
    many = found["module"][0]
    result(f"copy_rows_per_second_{version}", f"{many['rows'] / median(ours):.0f} rows/s")
    for name, count in missing.items():
        if count:
            print(f"{name} left out {count} rows of the source")
    faster = median(theirs["seconds"] / mine for theirs, mine in zip(found["pgloader"], ours))
    goal(f"copy_vs_pgloader_{version}", faster, "times as fast", f"at least {LEAST_OF_PGLOADER}", faster >= LEAST_OF_PGLOADER)
    share = median(mine / theirs["seconds"] for theirs, mine in zip(found["pg_restore"], ours))
    goal(f"copy_vs_pg_restore_{version}", share, "of its time", f"at most {MOST_OF_RESTORE}", share <= MOST_OF_RESTORE)
    result(f"copy_verification_{version}", f"{median(figures['verification'] for figures in found['module']):.1f} s")
    peak = max(figures["peak_mb"] for figures in found["module"])
    for rows, megabytes in ((few["rows"], few["peak_mb"]), (many["rows"], peak)):
        result(f"copy_peak_memory_{version}_{rows:.0f}_rows", f"{megabytes:.1f} MB")
    more = peak / few["peak_mb"]
    goal(f"copy_memory_ratio_{version}", more, "times", f"at most {MOST_MEMORY}", more <= MOST_MEMORY)


def result(name: str, value: str) -> None:
    """A line for who collects them."""
    print(f"RESULT {name} {value}", flush=True)


def goal(name: str, value: float, unit: str, wanted: str, met: bool) -> None:
    """The same with what is wanted."""
    result(name, f"{value:.2f} {unit} ({wanted}: {'met' if met else 'not met'})")


def main() -> None:
    """The lines one after the other."""
    wanted = arguments()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {wanted.rows} rows, {wanted.rounds} rounds", flush=True)
    for line in wanted.lines:
        compare(line, wanted.rows, wanted.rounds)


if __name__ == "__main__":
    main()
