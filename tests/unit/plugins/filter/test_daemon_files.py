# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of daemons, and what differs between hosts."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.updraft.airflow.plugins.filter.daemon_files import (
    component_files,
    daemon_files,
    daemon_reads,
    daemon_secrets,
    expected_files,
)
from ansible_collections.updraft.airflow.plugins.filter.differences import differences, differing

PLAN: dict[str, Any] = {
    "paths": {"config_dir": "/etc/airflow"},
    "daemons": [
        {"unit": "airflow-worker", "component": "worker", "environment": {"KEY": "unspoken"}, "reads": []},
        {"unit": "airflow-worker@reports", "component": "worker", "environment": {"KEY": "unspoken"}, "reads": ["/etc/ca.crt"]},
    ],
}


def test_units_have_their_own_file_and_one_environment() -> None:
    entries = daemon_files(PLAN, "\n[Unit]\none\n\n\x1e\n[Unit]\ntwo\n\x1e\n")
    assert [(entry["path"], entry.get("content"), entry["mode"]) for entry in entries] == [
        ("/etc/airflow/worker.env", None, "0600"),
        ("/etc/systemd/system/airflow-worker.service", "[Unit]\none\n", "0644"),
        ("/etc/systemd/system/airflow-worker@reports.service", "[Unit]\ntwo\n", "0644"),
    ]
    assert daemon_secrets(PLAN) == {"/etc/airflow/worker.env": 'KEY="unspoken"\n'}
    assert daemon_reads(PLAN)["airflow-worker@reports.service"] == [
        "/etc/systemd/system/airflow-worker@reports.service",
        "/etc/airflow/worker.env",
        "/etc/ca.crt",
    ]


def test_the_last_component_takes_every_secret_along() -> None:
    removed = [entry["path"] for entry in component_files(PLAN, "worker")]
    assert removed == [
        "/etc/systemd/system/airflow-worker.service",
        "/etc/systemd/system/airflow-worker@reports.service",
        "/etc/airflow/worker.env",
        "/etc/airflow/cli.env",
        "/etc/airflow/webserver_config.py",
        "/etc/airflow/installation.json",
    ]
    beside = {**PLAN, "daemons": [*PLAN["daemons"], {"unit": "airflow-scheduler", "component": "scheduler", "environment": {}}]}
    assert [entry["path"] for entry in component_files(beside, "worker")] == removed[:3]


def test_a_unit_too_few_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="1 units for 2 daemons"):
        daemon_files(PLAN, "[Unit]\n\x1e\n")


def test_hosts_that_agree_say_nothing() -> None:
    assert differences({"m1": {"packages": "a", "jwt_secret": "b"}, "lb": {}, "w1": {"packages": "a"}}) == []


def test_each_difference_is_a_sentence() -> None:
    assert differences({"m1": {"packages": "a"}, "m2": {"packages": "a", "dags": "c"}, "w1": {"packages": "b", "dags": "d"}}) == [
        "w1 has another version of Airflow, its providers or Celery than m1, and no daemon was started: remove w1's virtual environment "
        "and run this playbook again.",
        "w1 has other DAGs than m2, and no daemon was started: make the folders equal, or set airflow_dags, which does.",
    ]


def test_what_is_to_be_written_is_told_by_its_digest() -> None:
    entries: list[dict[str, Any]] = [
        {"path": "/a", "content": "x"},
        {"path": "/b", "mode": "0600"},
        {"path": "/c", "state": "link", "target": "/d"},
        {"path": "/e", "state": "directory"},
        {"path": "/f", "state": "absent"},
        {"path": "/g", "state": "link", "target": "/h"},
    ]
    found = expected_files(entries, {"/b": "unspoken"}, ["/g"])
    assert found == {
        "/a": {"sha256": hashlib.sha256(b"x").hexdigest()},
        "/b": {"sha256": hashlib.sha256(b"unspoken").hexdigest()},
        "/c": {"target": "/d"},
    }


def test_what_differs_is_told_with_both_hosts() -> None:
    assert list(differing({"a": {"x": "1"}, "b": {"x": "2", "y": "1"}, "c": {"x": "1", "y": "1"}})) == [("x", "b", "a")]
