# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in an inventory, as people make them: each is told in one sentence, and host and services stay as they were.

All are run first, one for each processor at a time, for most of a run is Ansible's own work; facts are kept from run to run, as Ansible's
cache does. The host is looked at once before and once after all of them; that no single run changed anything, its own recap says.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from airflow_checks import bad_inputs, playbook, untouched
from airflow_checks.fixtures import CHECKOUT, installation_on, inventory_dir

pytestmark = pytest.mark.long
TABLE = bad_inputs.table()
LOGS = CHECKOUT / ".cache" / "site" / "bad_inputs"


@dataclass(frozen=True)
class Outcome:
    """What all runs told, and what was different when they were over."""

    host: str
    runs: dict[str, playbook.PlayRun]
    changes: list[str]


@pytest.fixture(scope="module")
def outcome(host: Any, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run the whole table."""
    installation = installation_on(host)
    folder = tmp_path_factory.mktemp("inventories")
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path_factory.mktemp("facts"))}

    def run(entry: bad_inputs.BadInput) -> playbook.PlayRun:
        words = ["--inventory", str(inventory_dir()), *entry.words(installation.name, folder), "updraft.airflow.site"]
        return playbook.run(words, installation.name, LOGS / f"{entry.name}.log", **cache)

    before = untouched.take(installation)
    started = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        runs = dict(zip((entry.name for entry in TABLE), pool.map(run, TABLE), strict=True))
    print(f"RESULT bad_inputs {time.monotonic() - started:.0f} seconds, {len(TABLE)} runs")
    return Outcome(installation.name, runs, untouched.changes(before, untouched.take(installation)))


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_a_mistake_is_told_in_one_sentence(entry: bad_inputs.BadInput, outcome: Outcome) -> None:
    run = outcome.runs[entry.name]
    told = {str(finding) for result in playbook.results(run.output) if result.status == "failed" for finding in result.fields["msg"]}
    assert entry.is_told(outcome.host, sorted(told)), f"{entry.says}\n{told}\n{run.output[-1500:]}"
    assert run.status != 0
    assert (run.changed, run.failed) == (0, 1)


def test_host_and_services_are_as_before(outcome: Outcome) -> None:
    assert outcome.changes == []
