# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster works as one: both masters schedule and serve, both workers run tasks, and everybody comes through the load balancer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_checks import api, faults, hosts, pages
from airflow_checks.fixtures import Installation

Group = Callable[[str], dict[str, Any]]
ROUNDS = 6
LOAD_BALANCERS = ("198.18.0.200", "198.18.0.209")
SHARED = "198.18.0.208"


def test_all_daemons_run_where_they_belong(group: Group) -> None:
    expected = {
        "airflow_scheduler": {"airflow-webserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"},
        "airflow_worker": {"airflow-worker"},
    }
    for name, units in expected.items():
        for host_name, host in group(name).items():
            found = hosts.units(host)
            assert {f"{unit}.service" for unit in units} <= set(found), host_name
            assert {(unit.active, unit.enabled) for unit in found.values()} == {("active", "enabled")}, (host_name, found)


def test_both_schedulers_queue_and_both_workers_run(installation: Installation, group: Group) -> None:
    client = installation.client()
    before = installation.query("SELECT coalesce(max(id), 0) FROM job")
    assert before
    client.wait_for_dag("pairs")
    client.pause("pairs", False)
    runs = [client.trigger("pairs") for _round in range(ROUNDS)]
    for run_id in runs:
        assert client.wait_for_run("pairs", run_id)["state"] == "success"
        assert hosts.executed_once(installation.executions(run_id), run_id, faults.TASKS) == []
    names = ", ".join(f"'{run_id}'" for run_id in runs)
    queued = installation.query(f"SELECT DISTINCT queued_by_job_id FROM task_instance WHERE run_id IN ({names})")
    assert len(queued) == len(group("airflow_scheduler"))
    ran = installation.query(f"SELECT DISTINCT hostname FROM task_instance WHERE run_id IN ({names})")
    assert len(ran) == len(group("airflow_worker"))


def test_the_log_of_every_worker_is_read_through_the_load_balancer(installation: Installation, look: pages.Browser) -> None:
    client = installation.client()
    run_id = max(client.runs("pairs"), key=lambda run: str(run["start_date"]))["dag_run_id"]
    for task in client.tasks("pairs", run_id):
        log = client.log("pairs", run_id, task["task_id"])
        assert "Done. Returned value was: None" in log, log
    look.log_in(installation.base_url, *installation.admin)
    look.task_log("pairs", run_id, "second_1", "Done. Returned value was")
    look.picture("cluster-log")


def test_both_webservers_answer_and_know_who_asks(installation: Installation, group: Group) -> None:
    for _number in range(20):
        installation.client()
    for balancer in group("airflow_load_balancer").values():
        assert " down" not in hosts.run(balancer, "cat", "/var/lib/airflow-load-balancer/upstream.conf")
    for host in group("airflow_webserver").values():
        lines = hosts.journal(host, "airflow-webserver", 400)
        asked = [line for line in lines.splitlines() if "/auth/token" in line]
        assert asked, lines[-2000:]
        assert not any(own in line for line in asked for own in LOAD_BALANCERS), asked[-1]


def test_one_load_balancer_has_the_shared_address(group: Group) -> None:
    has = [host for host in group("airflow_load_balancer").values() if f" {SHARED}/" in hosts.run(host, "ip", "-4", "addr")]
    assert len(has) == 1


def test_everything_that_has_to_be_the_same_is(installation: Installation, group: Group) -> None:
    said = {
        name: hosts.run(host, "sha256sum", "/etc/airflow/airflow.cfg").split()[0]
        for part in ("airflow_scheduler", "airflow_worker")
        for name, host in group(part).items()
    }
    assert len(set(said.values())) == 1, said
    assert installation.line == 3


def test_workers_know_no_database(group: Group) -> None:
    for host in group("airflow_worker").values():
        text = hosts.run(host, "cat", "/etc/airflow/worker.env")
        assert "SQL_ALCHEMY_CONN_ASYNC" not in text and "JWT" not in text
        assert 'AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite://"' in text


def test_the_page_is_up(installation: Installation) -> None:
    assert api.wait_healthy(installation.base_url, 3, ("metadatabase", "scheduler", "triggerer", "dag_processor"))
