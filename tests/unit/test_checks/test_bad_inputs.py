# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of bad inputs that a scenario runs on a real host."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from airflow_checks import bad_inputs
from scenario_hosts import ScenarioHost, installed

FEWEST = 100
MOST_OF_A_RULE = 3
MODULE_UTILS = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"
TABLE = bad_inputs.table()


@pytest.fixture(scope="module")
def celery_host() -> ScenarioHost:
    """The host that the table is run on, as the compiler itself leaves it."""
    return installed("celery_redis")


def test_a_host_without_a_mistake_has_nothing_told(celery_host: ScenarioHost) -> None:
    assert celery_host.told(bad_inputs.BadInput("t", 1, "rule", "Nothing.")) == []


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_the_compiler_tells_just_this(entry: bad_inputs.BadInput, celery_host: ScenarioHost) -> None:
    told = celery_host.told(entry)
    assert entry.is_told(celery_host.name, told), told


def test_there_are_enough_and_not_the_same_over_and_over() -> None:
    assert len(TABLE) >= FEWEST
    assert Counter(entry.rule for entry in TABLE).most_common(1)[0][1] <= MOST_OF_A_RULE
    assert len({(str(entry.variables), str(entry.hosts), entry.arguments) for entry in TABLE}) == len(TABLE)


def test_every_rule_is_one_of_the_code() -> None:
    functions = {name for place in MODULE_UTILS.glob("*.py") for name in re.findall(r"^def (\w+)", place.read_text("utf-8"), re.MULTILINE)}
    assert {entry.rule for entry in TABLE} - functions == set()


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_an_entry_changes_something_and_says_a_sentence(entry: bad_inputs.BadInput) -> None:
    assert entry.variables or entry.hosts
    assert entry.says.endswith((".", "?"))
    assert "\n" not in entry.says


def test_only_the_sentence_alone_counts() -> None:
    whole = bad_inputs.BadInput("t", 1, "rule", "{host} is full.")
    part = bad_inputs.BadInput("t", 2, "rule", "{host} is ...")
    assert whole.is_told("h", ["h is full."])
    assert part.is_told("h", ["h is full."])
    assert not whole.is_told("h", ["h is full. Really."])
    assert not whole.is_told("h", ["h is full.", "h is empty."])
    assert not part.is_told("h", ["g is full."])
    assert not part.is_told("h", [])


def test_a_further_host_is_another_name_of_the_machine(tmp_path: Path) -> None:
    described = {"second": {"groups": ["airflow_worker"], "airflow_size": "small"}}
    entry = bad_inputs.BadInput("t", 1, "rule", "No.", {"airflow_tls": "x"}, described, ("--limit", "{host}"))
    assert entry.words("h", tmp_path) == [
        "--limit",
        "h",
        "--extra-vars",
        '{"airflow_tls": "x"}',
        "--inventory",
        str(tmp_path / "t-01-rule.yml"),
    ]
    second = {"airflow_size": "small", "ansible_connection": "community.docker.docker", "ansible_host": "h"}
    assert entry.inventory("h") == {"airflow": {"children": {"airflow_worker": {"hosts": {"second": second}}}}}
