# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks and the digest that names an environment's folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._topology_locks import (
    environment_digest,
    lock_files,
    locked_names,
    package_name,
)
from topology_inventory import FILES


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("Flask_AppBuilder==4.5", "flask-appbuilder"),
        ("apache-airflow[fab]==3.3.2", "apache-airflow"),
        ("zope.interface >= 5", "zope-interface"),
        ("boto3", "boto3"),
        ("-e .", ""),
    ],
)
def test_names_are_normalised(requirement: str, name: str) -> None:
    assert package_name(requirement) == name


def test_the_shipped_locks_hold_airflow_and_its_drivers() -> None:
    assert "apache-airflow" in locked_names(lock_files(FILES, "3.3.2", []))
    assert {"apache-airflow", "psycopg2-binary", "asyncpg"} <= locked_names(lock_files(FILES, "2.11.2", ["postgresql"]))


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_celery_is_locked_below_the_version_its_provider_cannot_load(version: str) -> None:
    paths = lock_files(FILES, version, ["celery"])
    assert {"apache-airflow", "apache-airflow-providers-celery", "redis", "amqp", "flower"} <= locked_names(paths)
    assert re.search(r"^celery==5\.6\.", Path(paths[1]).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_locks_that_are_installed_together_agree(version: str) -> None:
    paths = lock_files(FILES, version, ["celery", "postgresql", "mysql"])
    pins: dict[str, set[frozenset[str]]] = {}
    for path in paths:
        text = Path(path).read_text(encoding="utf-8")
        # One file may pin a package by markers more than once.
        for name in locked_names([path]):
            pins.setdefault(name, set()).add(frozenset(re.findall(rf"^{name}==(\S+)", text, re.MULTILINE)))
    assert len(paths) == 4
    assert [name for name, found in pins.items() if len(found) > 1] == []


def test_a_version_without_a_lock_has_none() -> None:
    assert lock_files(FILES, "3.3.1", []) == []


def test_the_digest_names_the_content(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1\n")
    first = environment_digest([str(lock)], ["3.11", "boto3"])
    assert first == environment_digest([str(lock)], ["3.11", "boto3"])
    assert len(first) == 12
    assert len({first, environment_digest([str(lock)], ["3.12", "boto3"]), environment_digest([str(lock)], ["3.11boto3"])}) == 3
    lock.write_text("a==2\n")
    assert environment_digest([str(lock)], ["3.11", "boto3"]) != first
