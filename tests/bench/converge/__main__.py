# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times what the collection does to hosts, one run each; every part prints its figures with their goals as it ends."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from demo.machine import CHECKOUT, DemoError

from . import first_run, growing, hosts, installing, nothing
from .figures import Figure
from .inventory import FOLDER

PARTS = ("first", "nothing", "growth", "install")
COUNTS = (1, 2, 4, 8)
RESULT = CHECKOUT / ".cache" / "converge.json"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is wanted."""
    parser = argparse.ArgumentParser(prog="converge", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="which of them (all)")
    parser.add_argument(
        "--hosts", nargs="+", type=int, metavar="N", default=list(COUNTS), help="how many the growth is measured with (1 2 4 8)"
    )
    wanted = parser.parse_args(words)
    if min(wanted.hosts) < 1:
        parser.error("--hosts: there is no run without a host.")
    return wanted


def one_node(parts: Sequence[str]) -> Iterator[list[Figure]]:
    """What is measured on one node, which has to be installed for either."""
    host = hosts.start(1)
    if "first" in parts:
        yield first_run.measure(host)
    else:
        first_run.install(host)
    if "nothing" in parts:
        yield nothing.measure(host)
    hosts.remove(host)


def measure(parts: Sequence[str], counts: Sequence[int]) -> Iterator[list[Figure]]:
    """The figures of each part, as it ends."""
    hosts.warm()
    if "first" in parts or "nothing" in parts:
        yield from one_node(parts)
    if "growth" in parts:
        yield growing.measure(set(counts))
    if "install" in parts:
        yield installing.measure()


def main() -> int:
    """All that is wanted, one after the other."""
    wanted = arguments()
    # So that nothing is left when somebody ends it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shutil.rmtree(FOLDER, ignore_errors=True)
    machine = {"cores": os.cpu_count(), "date": time.strftime("%Y-%m-%d"), "kernel": platform.release(), "load": os.getloadavg()[0]}
    print(f"{machine['cores']} cores, {machine['date']}, load {machine['load']:.1f}", flush=True)
    found: list[Figure] = []
    try:
        with hosts.network():
            for figures in measure(wanted.parts, wanted.hosts):
                found += figures
                print(*(figure.line for figure in figures), sep="\n", flush=True)
    except (DemoError, AssertionError, TimeoutError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
    RESULT.write_text(json.dumps({"machine": machine, "figures": [asdict(figure) for figure in found]}, indent=2) + "\n")
    print(f"All figures are in {RESULT.relative_to(CHECKOUT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
