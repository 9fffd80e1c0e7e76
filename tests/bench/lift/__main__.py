# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long nothing runs while an installation made by hand is lifted to PostgreSQL, by phase.

Each case has a container of its own, that of `make demo`: what a demo left is removed. A tutorial's installation is filled with made-up
history, its daemons run, and then site lifts it; site itself measures.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from demo import machine
from demo.machine import FOLDER, NAME, DemoError, shown, write_private
from demo.progress import run
from demo.starting import start_container


@dataclass(frozen=True)
class Case:
    """From which version to which, and within how many seconds."""

    source: str
    target: str
    goal: int


CASES = {"within_2": Case("2.11.2", "2.11.2", 60), "within_3": Case("3.3.2", "3.3.2", 60), "2_to_3": Case("2.11.2", "3.3.2", 120)}
INVENTORY = FOLDER / "inventory"
TUTORIAL = FOLDER / "tutorial.json"
HOME = "/home/jane/airflow"
INVENTORY_TEXT = """\
---
airflow:
  children:
    airflow_webserver: {{hosts: {{{name}: }}}}
    airflow_scheduler: {{hosts: {{{name}: }}}}
    airflow_metadata_db: {{hosts: {{{name}: }}}}
  vars:
    ansible_connection: community.docker.docker
    airflow_adopt_home: {home}
    airflow_version: {version}
"""
STILL = re.compile(r"Airflow stood still for \d+ s: ([^.]*(?:\.\d[^.]*)*)\.")
PHASE = re.compile(r"([a-z ]+?) (\d+\.\d) s")


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is wanted."""
    parser = argparse.ArgumentParser(prog="lift", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=300_000, help="rows of history (300000)")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="all unless given")
    return parser.parse_args(words)


def phases_in(output: str) -> dict[str, float]:
    """Seconds per phase, as the report of site tells them."""
    found = STILL.search(" ".join(output.split()))
    if not found:
        raise DemoError("The report of site does not say how long Airflow stood still.")
    return {name.strip(): float(seconds) for name, seconds in PHASE.findall(found[1])}


def prepare(case: Case, rows: int) -> None:
    """The inventory of a case, and what its tutorial needs."""
    FOLDER.mkdir(parents=True)
    text = INVENTORY_TEXT.format(name=NAME, home=HOME, version=case.target)
    installing = {"UV_CACHE_DIR": "/root/.cache/uv"}
    if machine.CA_BUNDLE.exists():
        bundle = str(machine.CA_BUNDLE)
        installing |= {"SSL_CERT_FILE": bundle, "PIP_CERT": bundle, "UV_SYSTEM_CERTS": "1"}
        text += f"    airflow_ca_bundle: {bundle}\n"
    INVENTORY.write_text(text, encoding="utf-8")
    wanted = {"tutorial_version": case.source, "tutorial_environment": installing, "tutorial_history_rows": rows}
    write_private(TUTORIAL, json.dumps(wanted, indent=2))


def measure(name: str, rows: int) -> None:
    """Lift one installation."""
    case = CASES[name]
    machine.remove(volume=False)
    prepare(case, rows)
    start_container("bookworm", [machine.WEB_PORT])
    with_inventory = ["ansible-playbook", "--inventory", shown(INVENTORY)]
    follow = [*with_inventory, "--extra-vars", f"@{shown(TUTORIAL)}", "tests/fixtures/tutorial.yml"]
    run(f"Following a tutorial: Airflow {case.source} by hand, {rows} rows of history", follow, FOLDER / "tutorial.log")
    load = os.getloadavg()[0]
    run(f"Lifting it to {case.target}", [*with_inventory, "updraft.airflow.site"], FOLDER / "site.log")
    phases = phases_in((FOLDER / "site.log").read_text(encoding="utf-8"))
    total = sum(phases.values())
    print(f"{case.source} to {case.target}, {rows} rows; load {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    for phase, seconds in phases.items():
        print(f"RESULT lift_downtime_{name}_{phase.replace(' ', '_')} {seconds:.1f} s")
    met = "met" if total <= case.goal else "not met"
    print(f"RESULT lift_downtime_{name} {total:.1f} s (at most {case.goal} with 300000 rows: {met})", flush=True)


def main() -> int:
    """The cases one after the other."""
    wanted = arguments()
    try:
        for name in wanted.cases:
            measure(name, wanted.rows)
        machine.remove(volume=False)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
