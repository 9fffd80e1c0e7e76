# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks run in parallel, once each, and their logs can be read."""

from __future__ import annotations

from airflow_checks import api, hosts, pages
from airflow_checks.fixtures import Installation

EXECUTIONS = "/home/jane/tutorial/executions"


def test_eight_tasks_run_in_parallel_and_once(installation: Installation, look: pages.Browser) -> None:
    client = installation.client()
    client.wait_for_dag("eight_sleeps")
    run_id = client.trigger("eight_sleeps")
    assert client.wait_for_run("eight_sleeps", run_id)["state"] == "success"
    tasks = client.tasks("eight_sleeps", run_id)
    # Slots depend on the machine; that there is more than one is what the executor is changed for.
    assert api.most_at_once(tasks) >= 4
    assert hosts.executed_once(hosts.executions(installation.host, EXECUTIONS), run_id) == []
    assert "slept well, task sleep_3" in client.log("eight_sleeps", run_id, "sleep_3")
    look.log_in(installation.base_url, *installation.admin)
    look.task_log("eight_sleeps", run_id, "sleep_5", "slept well, task sleep_5")
    look.picture("task-log")


def test_a_task_that_runs_when_its_unit_is_stopped_ends(installation: Installation) -> None:
    client = installation.client()
    run_id = client.trigger("eight_sleeps", {"seconds": 15})
    client.wait_for_task("eight_sleeps", run_id, "sleep_1", ("running",))
    hosts.run(installation.host, "systemctl", "stop", "airflow-scheduler.service")
    running = [execution for execution in hosts.executions(installation.host, EXECUTIONS) if execution.run_id == run_id]
    assert running and all(execution.ended for execution in running)
    states = {task["task_id"]: task["state"] for task in client.tasks("eight_sleeps", run_id)}
    assert {states[execution.task_id] for execution in running} == {"success"}
    hosts.run(installation.host, "systemctl", "start", "airflow-scheduler.service")
    assert client.wait_for_run("eight_sleeps", run_id)["state"] == "success"
    assert hosts.executed_once(hosts.executions(installation.host, EXECUTIONS), run_id) == []
