# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of bad inputs that scenarios run on real hosts, proved here by the compiler and by what reads an old installation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow_checks import bad_inputs
from ansible_collections.updraft.airflow.plugins.module_utils import host_sqlite
from scenario_hosts import AdoptedHost, ScenarioHost, installed, made_by_hand

FEWEST = {bad_inputs.INSTALLED: 100, bad_inputs.BEFORE: 40}
MOST_OF_A_RULE = 3
MODULES = [path for part in ("module_utils", "modules") for path in (Path(__file__).resolve().parents[3] / "plugins" / part).glob("*.py")]
TABLE = bad_inputs.table()
BEFORE = bad_inputs.table(bad_inputs.BEFORE)
TABLES = pytest.mark.parametrize("path", FEWEST, ids=lambda path: path.parent.name)


def name_of(entry: bad_inputs.BadInput) -> str:
    """A name for pytest."""
    return str(entry.name)


@pytest.fixture(scope="module")
def celery_host() -> ScenarioHost:
    """The host that the table is run on, as the compiler itself leaves it."""
    return installed("celery_redis")


@pytest.fixture(scope="module")
def old_host(tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str]) -> AdoptedHost:
    """The host with an installation made by hand."""
    return made_by_hand("default", tmp_path_factory.mktemp("jane"), make_database("2.11.2"))


def test_a_host_without_a_mistake_has_nothing_told(celery_host: ScenarioHost) -> None:
    assert celery_host.told(bad_inputs.BadInput("t", 1, "rule", "Nothing.")) == []


@pytest.mark.parametrize("entry", TABLE, ids=name_of)
def test_the_compiler_tells_just_this(entry: bad_inputs.BadInput, celery_host: ScenarioHost) -> None:
    told = celery_host.told(entry)
    assert entry.is_told(celery_host.name, told), told


def test_an_installation_without_a_mistake_can_be_lifted(old_host: AdoptedHost) -> None:
    assert old_host.told(bad_inputs.BadInput("t", 1, "rule", "Nothing."), old_host.old.parent / "copy") == []


# What needs a host of its own to spoil, or a server, is left to the scenario.
ANYWHERE = [entry for entry in BEFORE if not entry.host and bad_inputs.SIDE not in f"{entry.variables}{entry.hosts}"]


@pytest.mark.parametrize("entry", ANYWHERE, ids=name_of)
def test_before_the_lift_just_this_is_told(entry: bad_inputs.BadInput, old_host: AdoptedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_sqlite, "LOCK_SECONDS", 0.1)
    home = old_host.old.parent / entry.name
    told = old_host.told(entry, home)
    assert entry.is_told(old_host.name, told, str(home)), told


@TABLES
def test_there_are_enough_and_not_the_same_over_and_over(path: Path) -> None:
    table = bad_inputs.table(path)
    assert len(table) >= FEWEST[path]
    assert Counter(entry.rule for entry in table).most_common(1)[0][1] <= MOST_OF_A_RULE
    given = [(entry.variables, entry.hosts, entry.arguments, entry.sql, entry.prepare, entry.holder, entry.host) for entry in table]
    assert len(set(map(repr, given))) == len(table)


@TABLES
def test_every_rule_is_one_of_the_code(path: Path) -> None:
    functions = {name for place in MODULES for name in re.findall(r"^ *def (\w+)", place.read_text("utf-8"), re.MULTILINE)}
    assert {entry.rule for entry in bad_inputs.table(path)} - functions == set()


@pytest.mark.parametrize("entry", TABLE + BEFORE, ids=name_of)
def test_an_entry_changes_something_and_says_a_sentence(entry: bad_inputs.BadInput) -> None:
    assert entry.variables or entry.hosts or entry.sql or entry.prepare or entry.holder or entry.host
    assert entry.says.endswith((".", "?"))
    assert "\n" not in entry.says
    assert bool(entry.host) == bool(entry.undo)


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
