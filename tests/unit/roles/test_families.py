# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs by distribution is data, complete for each family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

CHECKOUT = Path(__file__).resolve().parents[3]
FAMILIES = ("debian", "redhat")
ROLES = sorted(path.parents[1].name for path in (CHECKOUT / "roles").glob("*/vars/debian.yml"))


def read(role: str, family: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CHECKOUT / "roles" / role / "vars" / f"{family}.yml").read_text(encoding="utf-8"))
    return content


def rendered(role: str, family: str, release: str) -> dict[str, Any]:
    """The variables of a family as a host of that release has them."""
    variables = {"ansible_facts": {"distribution_major_version": release}, "__airflow_pythons": ["python3.9", "python3.12"]}
    templar = Templar(loader=DataLoader(), variables=variables)

    def render(value: Any) -> Any:
        if isinstance(value, list):
            return [render(item) for item in value]
        return templar.template(trust_as_template(value)) if isinstance(value, str) else value

    return {name: render(value) for name, value in read(role, family).items()}


def test_there_are_roles_with_families() -> None:
    assert ROLES == ["common", "metadata_db"]


@pytest.mark.parametrize("role", ROLES)
def test_every_family_says_the_same_things(role: str) -> None:
    first, *others = (read(role, family) for family in FAMILIES)
    for other in others:
        assert set(other) == set(first)
        assert {name: type(value) for name, value in other.items()} == {name: type(value) for name, value in first.items()}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("family", "release"), [("debian", "12"), ("debian", "13"), ("redhat", "8"), ("redhat", "9"), ("redhat", "10")])
def test_every_value_renders_without_a_rest(role: str, family: str, release: str) -> None:
    assert "{{" not in str(rendered(role, family, release))


def test_mysqlclient_gets_the_headers_of_its_python() -> None:
    assert rendered("common", "debian", "12")["__airflow_python_headers"] == ["python3.9-dev", "python3.12-dev"]
    # There the system's own Python is not named by its number.
    assert rendered("common", "redhat", "9")["__airflow_python_headers"] == ["python3-devel", "python3.12-devel"]


@pytest.mark.parametrize(
    ("release", "package"), [("8", "@postgresql:16/server"), ("9", "@postgresql:16/server"), ("10", "postgresql-server")]
)
def test_the_rhel_family_gets_postgresql_16(release: str, package: str) -> None:
    assert rendered("metadata_db", "redhat", release)["__airflow_metadata_db_packages"] == [package, "python3-psycopg2", "acl"]


def test_only_the_rhel_family_makes_the_servers_data() -> None:
    debian, redhat = rendered("metadata_db", "debian", "13"), rendered("metadata_db", "redhat", "9")
    assert debian["__airflow_metadata_db_initialise"] == []
    assert redhat["__airflow_metadata_db_initialise"] == ["postgresql-setup", "--initdb"]
    assert redhat["__airflow_metadata_db_data_dir"] == redhat["__airflow_metadata_db_config_parent"] == "/var/lib/pgsql/data"
