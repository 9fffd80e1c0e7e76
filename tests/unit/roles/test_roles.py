# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role has the same shape, and what it says of its variables is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir() if path.is_dir())
PLAYBOOKS = sorted((CHECKOUT / "playbooks").glob("*.yml"))
# Task files that a role chooses by the engine's name.
ENGINES = {"postgresql", "mysql", "rabbitmq", "redis", "nginx", "haproxy", "patroni"}
CALL = re.compile(r"name: updraft\.airflow\.(\w+)\n\s+tasks_from: (\w+)")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def defaults(role: str) -> dict[str, Any]:
    folder = CHECKOUT / "roles" / role / "defaults"
    files = [folder / "main.yml", *sorted((folder / "main").glob("*.yml"))]
    return {name: value for path in files for name, value in (read(path) or {}).items()}


def specs(role: str) -> dict[str, Any]:
    content: dict[str, Any] = read(CHECKOUT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    return content


@pytest.mark.parametrize("role", ROLES)
def test_public_variables_start_with_airflow(role: str) -> None:
    prefix = "airflow_" if role == "common" else f"airflow_{role}_"
    wrong = [name for name in defaults(role) if not name.startswith(prefix)]
    assert not wrong


@pytest.mark.parametrize("role", ROLES)
def test_variables_in_vars_are_internal(role: str) -> None:
    wrong = [
        name for path in (CHECKOUT / "roles" / role / "vars").glob("*.yml") for name in read(path) if not name.startswith("__airflow_")
    ]
    assert not wrong


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_specs_agree(role: str) -> None:
    options = specs(role)["main"]["options"]
    stated = {name: option["default"] for name, option in options.items() if "default" in option}
    assert stated == defaults(role)


@pytest.mark.parametrize("role", ROLES)
def test_every_option_says_what_it_is(role: str) -> None:
    def incomplete(options: dict[str, Any], path: str) -> list[str]:
        found = [f"{path}{name}" for name, option in options.items() if not option.get("description") or not option.get("type")]
        for name, option in options.items():
            found += incomplete(option.get("options", {}), f"{path}{name}.")
        return found

    assert [entry for name, spec in specs(role).items() for entry in incomplete(spec.get("options", {}), f"{name}.")] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_has_a_spec_and_every_spec_an_entry_point(role: str) -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in (CHECKOUT / "roles" / role / "tasks").glob("*.yml")}
    parts = {name for text in files.values() for name in re.findall(r"(?:import|include)_tasks: (\w+)\.yml$", text, re.MULTILINE)}
    # Named by an engine, as in leave_{{ engine }}.
    prefixes = {name for text in files.values() for name in re.findall(r"include_tasks: (\w+_)\{\{ \w+ \}\}\.yml$", text, re.MULTILINE)}
    parts |= {prefix + engine for prefix in prefixes for engine in ENGINES}
    assert set(specs(role)) - set(files) == set()
    assert set(files) - set(specs(role)) - parts - ENGINES == set()


def test_only_entry_points_with_a_spec_are_called_from_outside() -> None:
    callers = [*(CHECKOUT / "roles").glob("*/tasks/*.yml"), *PLAYBOOKS]
    calls = {call for path in callers for call in re.findall(CALL, path.read_text(encoding="utf-8"))}
    assert calls
    assert [f"{role}: {entry}" for role, entry in sorted(calls) if entry not in specs(role)] == []


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
def test_a_play_has_roles_or_tasks_but_not_both(path: Path) -> None:
    assert [play["name"] for play in read(path) if "roles" in play and "tasks" in play] == []
