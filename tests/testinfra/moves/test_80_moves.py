# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executor changes by an edit of the inventory, while tasks run and wait: each task runs once, and no DAG is paused."""

from __future__ import annotations

from typing import Any

from airflow_checks import api, hosts, secrets
from airflow_checks.fixtures import Installation

DAG = "twenty_sleeps"
TWENTY = 20
CELERY = ("metadata_db", "broker", "worker", "flower")
RABBITMQ = {"airflow_broker_engine": "rabbitmq"}
# What follows on what: the groups that the inventory gets, what else it says, and the executor that there is to be.
STAGES: dict[str, list[tuple[str, tuple[str, ...], dict[str, str], str]]] = {
    "moves_2": [
        ("from SQLite to Celery", CELERY, {}, "CeleryExecutor"),
        ("from Celery to Local", ("metadata_db",), {}, "LocalExecutor"),
    ],
    "moves_3": [
        ("from Local to Celery", CELERY, {}, "CeleryExecutor"),
        ("from Valkey to RabbitMQ", CELERY, RABBITMQ, "CeleryExecutor"),
        ("to a worker that scales", CELERY, {**RABBITMQ, "airflow_worker_autoscale": "6, 2"}, "CeleryExecutor"),
        ("from a broker that died to Local", ("metadata_db",), {}, "LocalExecutor"),
    ],
}
# What happens to the host while tasks run, before the inventory is applied, and what site is to say of it.
DIES = {"from a broker that died to Local": ("rabbitmq-server.service", "The broker that is left does not answer")}


def edit(installation: Installation, groups: tuple[str, ...], variables: dict[str, str]) -> None:
    """Write the part of the inventory that changes."""
    name = installation.variables["airflow_group"]
    lines = ["---", f"{name}:", "  children:"]
    lines += [f"    {name}_{group}: {{hosts: {{{installation.name}: }}}}" for group in groups]
    lines += ["  vars:", *(f"    {key}: {value}" for key, value in {"airflow_worker_concurrency": "4", **variables}.items())]
    (installation.inventory_dir / f"{name}.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_each_task_runs_once_over_every_change_of_the_executor(installation: Installation, run_site: Any) -> None:
    client = installation.client()
    client.wait_for_dag(DAG)
    client.pause(DAG, False)
    for what, groups, variables, executor in STAGES[installation.variables["airflow_group"]]:
        client = installation.client()
        run_id = client.trigger(DAG, {"seconds": 8})
        api.wait_until("a task that sleeps", lambda run=run_id: installation.executions(run) or None, 120)
        edit(installation, groups, variables)
        dead, said = DIES.get(what, ("", ""))
        if dead:
            hosts.run(installation.host, "systemctl", "stop", dead)
        hidden = installation.secrets()

        moved = run_site("-vvv", "--diff")
        assert moved.failed == 0, f"{what}: {moved.in_words()}"
        assert said in moved.output
        assert secrets.told(moved.output, {**hidden, **installation.secrets()}) == []
        ran = installation.executions(run_id)
        print(f"RESULT {what}: {len([one for one in ran if one.ended])} of {TWENTY} tasks had ended when the run of site was over")

        client = installation.client()
        assert hosts.run(installation.host, "airflow", "config", "get-value", "core", "executor").split()[-1] == executor
        assert client.dag(DAG)["is_paused"] is False
        assert client.wait_for_run(DAG, run_id)["state"] == "success", f"{what}: {client.what_failed(DAG, run_id)}"
        assert hosts.executed_once(installation.executions(run_id), run_id, TWENTY) == [], what
        assert {task["state"] for task in client.tasks(DAG, run_id)} == {"success"}
        # What was queued with the old executor and is queued anew has another number, and its log too.
        for one in installation.executions(run_id):
            assert f"slept well, task {one.task_id}" in client.log(DAG, run_id, one.task_id, one.attempt), what
        units = {"airflow-worker.service", "airflow-flower.service"} & set(hosts.units(installation.host))
        assert len(units) == (2 if executor == "CeleryExecutor" else 0)
        again = run_site()
        assert (again.failed, again.changed) == (0, 0), f"{what}: {again.in_words()}"
    left = installation.host.run("ls /etc/airflow/worker.env /etc/airflow/flower.env")
    assert left.rc != 0
    assert left.stdout == ""
