# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools, variables, connections and users of the inventory are in Airflow, which can read their secrets."""

from __future__ import annotations

import json
from typing import Any

from airflow_checks import api, hosts
from airflow_checks.fixtures import Installation


def exported(installation: Installation, kind: str) -> Any:
    """What Airflow itself reads of connections or variables, secrets included."""
    place = f"/tmp/exported-{kind}.json"
    try:
        hosts.run(installation.host, "airflow", kind, "export", place)
        return json.loads(hosts.run(installation.host, "cat", place))
    finally:
        hosts.run(installation.host, "rm", "-f", place)


def test_pools(installation: Installation) -> None:
    found = installation.client().pools()
    assert set(found) == {"default_pool", "reporting"}
    assert (found["reporting"]["slots"], found["reporting"]["description"]) == (3, "what the reporting database bears")


def test_variables_can_be_read_by_airflow(installation: Installation) -> None:
    found = exported(installation, "variables")
    secret = installation.variables["test_secrets"]["variable"]
    assert (found["environment"], found["api_secret"]) == ("tests", {"keys": [secret, 1]})


def test_connections_can_be_read_by_airflow(installation: Installation) -> None:
    hidden = installation.variables["test_secrets"]
    found = exported(installation, "connections")
    assert set(found) == {"warehouse", "billing"}
    parts = {"conn_type": "postgres", "login": "loader", "password": hidden["connection"], "host": "db.example.org", "port": 5432}
    assert {name: found["warehouse"][name] for name in parts} == parts
    assert found["warehouse"]["schema"] == "dwh"
    extra = found["billing"]["extra"]
    assert (json.loads(extra) if isinstance(extra, str) else extra) == {"token": hidden["extra"], "timeout": 30}


def test_a_user_logs_in_with_the_role_that_was_given(installation: Installation) -> None:
    assert api.connect(installation.base_url, "jane", installation.variables["test_secrets"]["user"]).line == installation.line
    joined = "ab_user u JOIN ab_user_role ur ON ur.user_id = u.id JOIN ab_role r ON r.id = ur.role_id"
    assert installation.query(f"SELECT r.name FROM {joined} WHERE u.username = 'jane'") == [["Op"]]


def test_no_secret_is_in_the_clear_in_the_database(installation: Installation) -> None:
    found = installation.query("SELECT coalesce(password, '') || coalesce(extra, '') FROM connection")
    found += installation.query("SELECT val FROM variable")
    hidden = installation.variables["test_secrets"].values()
    assert len(found) == 4
    assert [secret for secret in hidden if secret in json.dumps(found, ensure_ascii=False)] == []


def test_digests_are_kept_with_the_credentials(installation: Installation) -> None:
    folder = installation.inventory_dir / "credentials" / "airflow"
    kept = json.loads((folder / "object_digests.txt").read_text(encoding="utf-8"))
    assert {kind: sorted(names) for kind, names in kept.items()} == {
        "connections": ["billing", "warehouse"],
        "users": ["jane"],
        "variables": ["api_secret", "environment"],
    }
