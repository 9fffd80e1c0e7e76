# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks run as the executor can, once each, and their logs can be read."""

from __future__ import annotations

from airflow_checks import api, hosts, pages
from airflow_checks.fixtures import Installation


def test_eight_tasks_run_once_and_as_the_executor_can(installation: Installation, look: pages.Browser) -> None:
    client = installation.client()
    client.wait_for_dag("eight_sleeps")
    client.pause("eight_sleeps", False)
    sequential = installation.variables.get("test_sequential", False)
    # That one waits for another needs no long sleeps to be seen.
    run_id = client.trigger("eight_sleeps", {"seconds": 1} if sequential else None)
    assert client.wait_for_run("eight_sleeps", run_id)["state"] == "success"
    tasks = client.tasks("eight_sleeps", run_id)
    if sequential:
        assert api.most_at_once(tasks) == 1
    else:
        # How many slots there are depends on the machine; the smallest size has five.
        assert api.most_at_once(tasks) >= 4
    assert hosts.executed_once(installation.executions(run_id), run_id) == []
    assert "slept well, task sleep_3" in client.log("eight_sleeps", run_id, "sleep_3")
    look.log_in(installation.base_url, *installation.admin)
    look.task_log("eight_sleeps", run_id, "sleep_5", "slept well, task sleep_5")
    look.picture("task-log")


def test_a_task_that_runs_when_its_unit_is_stopped_ends(installation: Installation) -> None:
    client = installation.client()
    client.wait_for_dag("eight_sleeps")
    client.pause("eight_sleeps", False)
    run_id = client.trigger("eight_sleeps", {"seconds": 10})
    api.wait_until("a task that sleeps", lambda: installation.executions(run_id) or None, 120)
    unit = "airflow-worker.service" if "test_workers" in installation.variables else "airflow-scheduler.service"
    hosts.run(installation.host, "systemctl", "stop", unit)
    running = installation.executions(run_id)
    assert running and all(execution.ended for execution in running)
    states = {task["task_id"]: task["state"] for task in client.tasks("eight_sleeps", run_id)}
    assert {states[execution.task_id] for execution in running} == {"success"}
    hosts.run(installation.host, "systemctl", "start", unit)
    if installation.variables.get("test_sequential", False):
        # One by one the rest takes minutes: that it goes on is enough.
        api.wait_until("the next task", lambda: len(installation.executions(run_id)) > len(running) or None, 180)
        # Nothing of it runs into the next test.
        client.end_run("eight_sleeps", run_id)
        return
    assert client.wait_for_run("eight_sleeps", run_id)["state"] == "success"
    assert hosts.executed_once(installation.executions(run_id), run_id) == []
