# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two webservers, a scheduler and two workers are one installation, and Redis has a master and two replicas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_checks import faults, hosts
from airflow_checks.breaking import inside
from airflow_checks.fixtures import Installation

Group = Callable[[str], dict[str, Any]]
SECRET_FILES = "/etc/redis/airflow* /var/lib/redis/airflow*"


def test_all_hosts_have_one_version_one_configuration_and_one_key(installation: Installation, group: Group) -> None:
    airflow = {**group("airflow_webserver"), **group("airflow_worker")}
    said = {
        name: (
            hosts.run(host, "sha256sum", "/etc/airflow/airflow.cfg").split()[0],
            hosts.run(host, "readlink", "/opt/airflow/current"),
            hosts.run(host, "sh", "-c", "cat /etc/airflow/*.env | grep '^AIRFLOW__CORE__FERNET_KEY=' | sort -u"),
            hosts.run(host, "sh", "-c", "cat /opt/airflow/dags/*.py | sha256sum"),
        )
        for name, host in airflow.items()
    }
    assert len(said) == 4
    assert len(set(said.values())) == 1, said
    assert installation.line == 2


def test_each_worker_runs_tasks_whose_logs_come_through_the_load_balancer(installation: Installation, group: Group) -> None:
    run_ids = [faults.begin(installation) for _round in range(2)]
    for run_id in run_ids:
        faults.ends_well(installation, run_id)
    client = installation.client()
    tasks = [(run_id, task) for run_id in run_ids for task in client.tasks("pairs", run_id)]
    assert len({task["hostname"] for _run_id, task in tasks}) == len(group("airflow_worker"))
    for run_id, task in tasks:
        assert "Done. Returned value was: None" in client.log("pairs", run_id, task["task_id"])


def test_no_secret_of_redis_is_read_by_others(group: Group) -> None:
    for host in group("airflow_broker").values():
        modes = hosts.run(host, "sh", "-c", f"stat -c '%a' {SECRET_FILES}").split()
        assert len(modes) == 6 and set(modes) == {"640"}
        text = hosts.run(host, "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
        passwords = hosts.run(host, "sh", "-c", "sed -nE 's/^(masterauth|sentinel sentinel-pass) //p' /etc/redis/airflow*.conf").split()
        assert len(passwords) == 2 and not any(password in text for password in passwords)


def test_redis_lets_in_nobody_without_a_password(group: Group) -> None:
    for name in group("airflow_broker"):
        for port in ("6379", "26379"):
            assert "NOAUTH" in inside(name, "sh", "-c", f"redis-cli -p {port} ping 2>&1")
