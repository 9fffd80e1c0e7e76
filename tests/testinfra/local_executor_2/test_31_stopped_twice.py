# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of Airflow 2's LocalExecutor end though their scheduler goes before them, as it may when its signal meets it at a bad moment."""

from __future__ import annotations

from airflow_checks import api, hosts
from airflow_checks.fixtures import Installation


def test_tasks_outlive_a_scheduler_that_does_not_wait_for_them(installation: Installation) -> None:
    client = installation.client()
    client.wait_for_dag("eight_sleeps")
    client.pause("eight_sleeps", False)
    run_id = client.trigger("eight_sleeps", {"seconds": 10})
    api.wait_until("a task that sleeps", lambda: installation.executions(run_id) or None, 120)
    unit = "airflow-scheduler.service"
    main_pid = hosts.units(installation.host, unit)[unit].main_pid
    hosts.run(installation.host, "systemctl", "stop", "--no-block", unit)
    api.wait_until("the scheduler to stop", lambda: hosts.units(installation.host, unit)[unit].active == "deactivating" or None, 30)
    hosts.run(installation.host, "sh", "-c", f"sleep 1; kill -TERM {main_pid}; sleep 1; kill -KILL {main_pid} || true")
    api.wait_until("the end of its unit", lambda: hosts.units(installation.host, unit)[unit].active in ("inactive", "failed") or None, 180)
    assert [execution for execution in installation.executions(run_id) if not execution.ended] == []
    hosts.run(installation.host, "systemctl", "start", unit)
    assert client.wait_for_run("eight_sleeps", run_id)["state"] == "success"
    assert hosts.executed_once(installation.executions(run_id), run_id) == []
