# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public variables: one list in the compiler, the defaults and the argument specs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.updraft.airflow.plugins.module_utils._topology_variables import DEFAULTS, VARIABLES

COMMON = Path(__file__).parents[4] / "roles" / "common"
SPEC_TYPES = {"str": "str", "word": "str", "path": "path", "int": "int", "bool": "bool", "dict": "dict", "list": "list", "items": "list"}


def specified() -> dict[str, Any]:
    """The options of the role's entry point `main`."""
    document = yaml.safe_load((COMMON / "meta" / "argument_specs.yml").read_text())
    return dict(document["argument_specs"]["main"]["options"])


def defaults() -> dict[str, Any]:
    """The role's static defaults."""
    found: dict[str, Any] = {}
    for path in sorted((COMMON / "defaults" / "main").glob("*.yml")):
        found.update(yaml.safe_load(path.read_text()))
    return found


def test_every_variable_is_specified_with_its_type() -> None:
    types = {name: option["type"] for name, option in specified().items()}
    assert types == {name: SPEC_TYPES[variable.kind] for name, variable in VARIABLES.items()}


def test_defaults_and_specs_agree() -> None:
    assert defaults() == {name: option["default"] for name, option in specified().items() if "default" in option}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_compilers_defaults_are_the_roles(name: str) -> None:
    assert DEFAULTS[name] == defaults()[name]


def test_a_static_default_needs_no_template() -> None:
    assert "{{" not in str(defaults())


def test_every_option_is_described() -> None:
    assert all(option["description"] for option in specified().values())
