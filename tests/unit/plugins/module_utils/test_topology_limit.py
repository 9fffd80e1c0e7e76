# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are limited to some hosts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import compiled, facts, findings, info, installation, inventory

HOSTS = {"m1": "webserver scheduler metadata_db broker", "w1": "worker", "w2": "worker"}
BROKER = "redis://:old@198.18.0.2:6379/0"
LIMITED = "This run is limited to w2, and "
WHOLE = ": run the playbook for all hosts, without --limit."


def limited_to(*names: str, running: tuple[str, ...] = ("m1", "w1"), record: dict[str, Any] | None = None, **variables: Any) -> Inputs:
    described = record or installation(executor="CeleryExecutor", database={"host": "198.18.0.2", "port": 5432, "name": "airflow"})
    described["environment"]["scheduler"] |= {
        "AIRFLOW__CELERY__BROKER_URL": BROKER,
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql://airflow_results:old@198.18.0.2:5432/airflow_results",
    }
    details = {
        name: Host(name, variables, facts(f"198.18.0.{number}"), info(installation=described))
        for number, name in enumerate(HOSTS, start=2)
        if name in running
    }
    inputs: Inputs = replace(inventory(HOSTS, details=details, **variables), limited=list(names))
    return inputs


def test_a_new_host_is_added_to_what_runs() -> None:
    plan = compiled(limited_to("w2")).plan("w2")
    assert plan["is_limited"] is True
    assert (plan["database"]["server"], plan["database"]["admits"]) == ("m1", True)
    assert plan["canary"] is None
    assert plan["present_dags"] == {"folder": "/opt/airflow/dags", "left_alone": "m1", "its_folder": "/opt/airflow/dags"}


def test_the_whole_installation_has_its_canary() -> None:
    whole = replace(limited_to("w2"), limited=None)
    assert compiled(whole).plan("w2")["canary"] is not None
    assert compiled(whole).plan("w2")["is_limited"] is False


def test_queues_that_would_have_no_worker_are_known() -> None:
    assert compiled(limited_to("w2")).plan("w2")["queues_only_here"] == []
    assert compiled(limited_to("w1", "w2")).plan("w2")["queues_only_here"] == ["default"]


CASES = {
    "nothing there yet": (limited_to("w2", running=()), f"{LIMITED}Airflow is on none of the others yet{WHOLE}"),
    "another version": (
        limited_to("w2", record=installation("3.3.1", executor="CeleryExecutor")),
        f"{LIMITED}the others run Airflow 3.3.1, not 3.3.2{WHOLE}",
    ),
    "another executor": (limited_to("w2", record=installation()), f"{LIMITED}the executor or the broker of all hosts would change{WHOLE}"),
    "another broker": (limited_to("w2", airflow_broker_vhost="3"), f"{LIMITED}the executor or the broker of all hosts would change{WHOLE}"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_others_share_is_not_changed(name: str) -> None:
    inputs, sentence = CASES[name]
    assert findings(inputs) == [sentence]


def test_a_cluster_of_databases_is_asked_to_let_the_new_host_in() -> None:
    hosts = {"m1": "webserver scheduler broker", "w1": "worker", "w2": "worker", **{f"d{number}": "metadata_db" for number in (1, 2, 3)}}
    whole = compiled(inventory(hosts)).plan("w2")["database"]
    assert whole["admission"] == []
    record = installation(executor="CeleryExecutor", database={"host": "127.0.0.1", "port": 15432, "name": "airflow"})
    record["environment"]["scheduler"]["AIRFLOW__CELERY__BROKER_URL"] = BROKER
    details = {"m1": Host("m1", {}, facts("198.18.0.2"), info(installation=record))}
    inputs = replace(inventory(hosts, details=details), limited=["w2"])
    told = [sentence for sentence in findings(inputs) if sentence.startswith("This run is limited")]
    assert told == []
