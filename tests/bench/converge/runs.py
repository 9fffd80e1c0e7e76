# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the playbook `site`, with the settings that the scenarios have."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_checks import playbook
from demo.machine import DemoError, shown

from .inventory import FOLDER

SETTINGS = {
    "ANSIBLE_PIPELINING": "true",
    "ANSIBLE_FORKS": "10",
    "ANSIBLE_INJECT_FACT_VARS": "false",
    "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
    "ANSIBLE_INVENTORY_IGNORE_PATTERNS": "^credentials$",
}


@dataclass(frozen=True)
class Run:
    """How long a run took, and what it did on all hosts together; `tasks` are those of the host with the most."""

    seconds: float
    changed: int
    tasks: int


def site(inventories: Sequence[Path], name: str, **settings: str) -> Run:
    """Run `site`, which must succeed."""
    words = [word for place in inventories for word in ("--inventory", str(place))]
    log = FOLDER / f"{name}.log"
    print(f"site, output in {shown(log)} ...", flush=True)
    started = time.monotonic()
    told = playbook.run([*words, "updraft.airflow.site"], "", log, **{**SETTINGS, **settings})
    seconds = time.monotonic() - started
    if told.status != 0 or told.failed:
        raise DemoError(f"site ended with {told.status}, see {shown(log)}: {told.in_words()}")
    return Run(seconds, told.changed, most_tasks(told.output))


def most_tasks(output: str) -> int:
    """The tasks that were executed on the host with the most of them."""
    return max(int(executed) for _host, executed, _changed, _failed in playbook.RECAP.findall(output))


def nothing(inventories: Sequence[Path], name: str, **settings: str) -> Run:
    """Run `site` where nothing is to change."""
    run = site(inventories, name, **settings)
    if run.changed:
        raise DemoError(f"A run that was to change nothing changed {run.changed} things, see {shown(FOLDER / f'{name}.log')}.")
    return run
