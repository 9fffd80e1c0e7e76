# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks run on the workers of their queues, their logs can be read, and a worker that is stopped ends what it runs."""

from __future__ import annotations

import pytest
from airflow_checks import api, hosts, pages
from airflow_checks.fixtures import Installation

WORKER = "airflow-worker.service"
TWENTY = 20


def test_each_queue_is_served_by_its_worker_and_every_log_can_be_read(installation: Installation, look: pages.Browser) -> None:
    client = installation.client()
    client.wait_for_dag("queues")
    client.pause("queues", False)
    run_id = client.trigger("queues")
    assert client.wait_for_run("queues", run_id)["state"] == "success"
    user = "airflow-worker" if installation.line == 3 else "airflow"
    for worker, queue in installation.variables["test_workers"].items():
        log = client.log("queues", run_id, f"on_{queue}")
        assert f"I am {user} in airflow-{worker}.service with " in log, log
        if installation.line == 3:
            assert "SQL_ALCHEMY_CONN_ASYNC" not in log
            assert "JWT" not in log
    # What the triggerer wrote of a task that waited there belongs to its log.
    assert "trigger" in client.log("queues", run_id, "waited").lower()
    look.log_in(installation.base_url, *installation.admin)
    look.task_log("queues", run_id, "on_reports", "in airflow-worker@reports.service")
    look.picture("queue-log")


def test_results_are_in_their_own_database(installation: Installation) -> None:
    ((succeeded,),) = installation.query("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'", installation.results_setting())
    assert succeeded > 0
    here = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'celery_taskmeta'"
    assert installation.query(here) == [[0]]


def test_the_results_role_reads_nothing_of_the_metadata(installation: Installation) -> None:
    metadata = installation.results_setting().replace("/airflow_results?", "/airflow?")
    with pytest.raises(AssertionError, match=r"denied|no pg_hba\.conf entry"):
        installation.query("SELECT count(*) FROM connection", metadata)


def test_flower_lets_nobody_in_without_its_password(installation: Installation) -> None:
    place = installation.inventory_dir / "credentials" / "airflow" / "flower_password.txt"
    password = place.read_text(encoding="utf-8").strip()
    assert hosts.http_status(installation.host, "http://127.0.0.1:5555/workers") == 401
    assert hosts.http_status(installation.host, "http://127.0.0.1:5555/workers", f"admin:{password}") == 200
    listening = hosts.run(installation.host, "ss", "-Hltn", "sport = :5555")
    assert {line.split()[3] for line in listening.splitlines()} == {"127.0.0.1:5555"}


def test_the_broker_lets_nobody_in_without_its_password(installation: Installation) -> None:
    port = installation.variables["test_broker_port"]
    listening = hosts.run(installation.host, "ss", "-Hltn", f"sport = :{port}")
    assert {line.split()[3] for line in listening.splitlines()} == {f"127.0.0.1:{port}"}
    if installation.variables.get("airflow_broker_engine") == "rabbitmq":
        listed = hosts.run(installation.host, "rabbitmqctl", "-q", "--no-table-headers", "list_users")
        assert [line.split() for line in listed.splitlines()] == [["airflow", "[]"]]
        rights = hosts.run(installation.host, "rabbitmqctl", "-q", "--no-table-headers", "list_user_permissions", "airflow")
        assert [line.split()[0] for line in rights.splitlines()] == ["airflow"]
        timeout = hosts.run(installation.host, "rabbitmqctl", "-q", "eval", "application:get_env(rabbit, consumer_timeout).")
        assert timeout == "{ok,86400000}\n"
        assert hosts.listens_on(installation.host, 15672) == {"127.0.0.1"}
    else:
        assert "NOAUTH" in hosts.run(installation.host, "redis-cli", "ping")
        kept = installation.host.run(
            "redis-cli -a %s config get appendonly maxmemory-policy", installation.variables["airflow_broker_password"]
        )
        assert set(kept.stdout.split()) == {"appendonly", "yes", "maxmemory-policy", "noeviction"}


def test_twenty_tasks_that_run_when_the_worker_is_stopped_end(installation: Installation) -> None:
    client = installation.client()
    client.wait_for_dag("twenty_sleeps")
    client.pause("twenty_sleeps", False)
    # Long enough for the last one to have begun before the first one ends, on two cores.
    run_id = client.trigger("twenty_sleeps", {"seconds": 75})

    def sleeping() -> int:
        return len([one for one in installation.executions(run_id) if not one.ended])

    api.wait_until("twenty tasks that sleep at once", lambda: sleeping() == TWENTY or None, 180)
    hosts.run(installation.host, "systemctl", "stop", WORKER)
    assert all(execution.ended for execution in installation.executions(run_id))
    hosts.run(installation.host, "systemctl", "start", WORKER)
    assert client.wait_for_run("twenty_sleeps", run_id)["state"] == "success"
    assert hosts.executed_once(installation.executions(run_id), run_id, TWENTY) == []
    assert {task["state"] for task in client.tasks("twenty_sleeps", run_id)} == {"success"}
