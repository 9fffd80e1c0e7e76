# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and their authority are replaced, and TLS goes and comes back, while a task runs: it ends in success and ran once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from airflow_checks import api, hosts
from airflow_checks.fixtures import Installation, inventory_dir

DAG = "eight_sleeps"
TASKS = 8


def serials(installation: Installation) -> dict[str, str]:
    """The number of each certificate that a server answers with."""
    found = {}
    for port, starttls in ((5432, "-starttls postgres"), (6379, ""), (8080, "")):
        command = f"openssl s_client -connect 127.0.0.1:{port} {starttls} </dev/null 2>/dev/null | openssl x509 -noout -serial"
        found[str(port)] = hosts.run(installation.host, "sh", "-c", command).strip()
    return found


def authority(installation: Installation) -> str:
    """What the hosts trust."""
    return str(hosts.run(installation.host, "cat", "/etc/airflow-tls/ca.crt"))


def rotate(*arguments: str) -> None:
    """Run the playbook."""
    command = ["ansible-playbook", "--inventory", str(inventory_dir()), *arguments, "updraft.airflow.rotate_certificates"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def with_tasks(installation: Installation, change: Callable[[], Any]) -> None:
    """Do something while tasks run; each of them ends in success and has run once."""
    client = installation.client()
    client.wait_for_dag(DAG)
    client.pause(DAG, False)
    run_id = client.trigger(DAG)
    client.wait_for_run(DAG, run_id, ("running",))
    api.wait_until("a task that runs", lambda: installation.executions(run_id) or None, 120)
    change()
    assert client.wait_for_run(DAG, run_id)["state"] == "success"
    assert hosts.executed_once(installation.executions(run_id), run_id, TASKS) == []


def test_certificates_are_renewed(installation: Installation) -> None:
    before, trusted = serials(installation), authority(installation)
    with_tasks(installation, rotate)
    after = serials(installation)
    assert all(after[port] != before[port] for port in before), (before, after)
    assert authority(installation) == trusted


def test_the_authority_is_replaced(installation: Installation) -> None:
    before, trusted = serials(installation), authority(installation)
    with_tasks(installation, lambda: rotate("--extra-vars", "airflow_rotate_authority=true"))
    after = serials(installation)
    assert all(after[port] != before[port] for port in before), (before, after)
    now = authority(installation)
    assert now.count("BEGIN CERTIFICATE") == 1
    assert now != trusted


def test_site_changes_nothing_after_that(run_site: Any) -> None:
    assert run_site().changed == 0
