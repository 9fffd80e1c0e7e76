# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to look at, also when hosts are not known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs, TopologyError, compile_topology, survey_topology
from topology_inventory import MemoryStore, inventory

CLUSTER = {
    "lb": "load_balancer",
    "m1": "webserver scheduler flower",
    "m2": "webserver scheduler",
    "s1": "metadata_db broker",
    "s2": "metadata_db broker",
    "s3": "metadata_db broker",
    "w1": "worker",
}
VARIABLES = {"airflow_broker_engine": "rabbitmq", "airflow_worker_queues": ["default", "reports"]}


def survey(inputs: Inputs) -> dict[str, dict[str, Any]]:
    """The status of every host."""
    topology, _findings = survey_topology(inputs, MemoryStore())
    return {name: topology.status(name) for name in inputs.hosts}


def test_a_single_host_is_asked_about_itself() -> None:
    status = survey(inventory({"h1": "webserver scheduler metadata_db"}))["h1"]
    assert status["installation"]["database"] == {
        "engine": "postgresql",
        "managed": True,
        "is_cluster": False,
        "place": "airflow on 127.0.0.1:5432",
    }
    assert (status["installation"]["broker"], status["installation"]["queues"]) == (None, [])
    host = status["host"]
    assert [daemon["name"] for daemon in host["daemons"]] == ["webserver", "scheduler", "dag_processor", "triggerer"]
    assert [server["units"] for server in host["servers"]] == [["postgresql@*.service", "postgresql.service"]]
    probes = host["probes"]
    assert probes["database_files"] == [f"/etc/airflow/{name}.env" for name in ("webserver", "scheduler", "dag_processor", "triggerer")]
    assert (probes["broker_files"], probes["broadcast"], probes["compared_dags"]) == ([], False, None)


def test_daemons_are_asked_as_site_asks_them() -> None:
    inputs = inventory(CLUSTER, **VARIABLES)
    topology = compile_topology(inputs, MemoryStore())
    for name in CLUSTER:
        wanted = [
            (daemon["name"], f"{daemon['unit']}.service", *(daemon["health"][key] for key in ("url", "job_type", "node", "queues")))
            for daemon in topology.plan(name)["daemons"]
        ]
        found = topology.status(name)["host"]["daemons"]
        assert [tuple(daemon[key] for key in ("name", "unit", "url", "job_type", "node", "queues")) for daemon in found] == wanted


def test_every_host_of_a_cluster_is_asked_what_it_knows() -> None:
    hosts = {name: status["host"] for name, status in survey(inventory(CLUSTER, **VARIABLES)).items()}
    assert hosts["lb"]["probes"]["load_balancer"] == "nginx"
    assert hosts["s2"]["probes"]["patroni_url"] == "https://198.18.0.6:8008"
    assert hosts["s2"]["probes"]["etcd_url"] == "https://198.18.0.6:2379"
    assert hosts["s2"]["probes"]["rabbitmq_vhost"] == "airflow-quorum"
    assert [server["name"] for server in hosts["s2"]["servers"]] == ["patroni", "etcd", "rabbitmq"]
    assert [server["name"] for server in hosts["m1"]["servers"]] == ["way to the database"]
    assert (hosts["m1"]["probes"]["broadcast"], hosts["m1"]["probes"]["nodes"]) == (True, ["celery@w1"])
    assert (hosts["w1"]["probes"]["broadcast"], hosts["w1"]["probes"]["nodes"]) == (False, ["celery@w1"])
    assert hosts["w1"]["probes"]["database_files"] == []
    assert hosts["w1"]["probes"]["compared_dags"] == "/opt/airflow/dags"


@pytest.mark.parametrize("lost", CLUSTER)
def test_a_host_that_is_not_known_has_its_place(lost: str) -> None:
    inputs = inventory(CLUSTER, **VARIABLES)
    hosts = {**inputs.hosts, lost: Host(lost, inputs.hosts[lost].variables)}
    topology, findings = survey_topology(replace(inputs, hosts=hosts), MemoryStore())
    assert any(finding.startswith(f"{lost} was not read in this run") for finding in findings)
    known, unknown = survey(inputs), {name: topology.status(name) for name in CLUSTER}
    assert unknown[lost]["installation"]["hosts"] == known[lost]["installation"]["hosts"]
    for name in CLUSTER:
        for key in ("name", "unit", "url", "job_type", "queues"):
            assert [daemon[key] for daemon in unknown[name]["host"]["daemons"]] == [
                daemon[key] for daemon in known[name]["host"]["daemons"]
            ]
        assert unknown[name]["host"]["servers"] == known[name]["host"]["servers"]


def test_what_cannot_be_built_can_be_looked_at() -> None:
    inputs = inventory({"h1": "webserver scheduler broker worker", "h2": "broker"})
    with pytest.raises(TopologyError):
        compile_topology(inputs, MemoryStore())
    topology, findings = survey_topology(inputs, MemoryStore())
    assert findings
    assert topology.status("h2")["host"]["parts"] == ["broker"]


def test_no_secret_is_in_it() -> None:
    secrets = {
        name: f"secret-{name}" for name in ("metadata_db_password", "broker_password", "database_cluster_password", "results_db_password")
    }
    inputs = inventory(CLUSTER, **VARIABLES, airflow_admin_password="secret-admin", airflow_flower_password="secret-flower")
    topology, _findings = survey_topology(inputs, MemoryStore(**secrets))
    assert "secret-" not in json.dumps([topology.status(name) for name in CLUSTER])


def test_somebody_elses_servers_have_no_units() -> None:
    inputs = inventory(
        {"h1": "webserver scheduler worker"},
        airflow_metadata_db_host="db.example.org",
        airflow_metadata_db_password="x",
        airflow_broker_host="mq.example.org",
        airflow_broker_password="y",
    )
    status = survey(inputs)["h1"]
    assert status["host"]["servers"] == []
    assert status["installation"]["database"]["place"] == "airflow on db.example.org:5432"
    assert status["installation"]["broker"]["managed"] is False


def test_sqlite_is_a_file_of_the_host() -> None:
    status = survey(inventory({"h1": "webserver scheduler"}))["h1"]
    assert status["installation"]["database"]["place"] == "/opt/airflow/metadata/airflow.db"
    assert status["host"]["servers"] == []


def test_further_workers_have_units_and_queues_of_their_own() -> None:
    inputs = inventory(
        {"h1": "webserver scheduler metadata_db broker worker"},
        airflow_worker_instances={"reports": {"queues": ["reports"], "concurrency": 2}},
    )
    status = survey(inputs)["h1"]
    workers = [daemon for daemon in status["host"]["daemons"] if daemon["component"] == "worker"]
    assert [(worker["unit"], worker["queues"]) for worker in workers] == [
        ("airflow-worker.service", ["default"]),
        ("airflow-worker@reports.service", ["reports"]),
    ]
    assert workers[1]["slots"] == 2
    assert status["installation"]["queues"] == ["default", "reports"]


def test_dags_that_come_as_a_revision_leave_the_environment_unknown() -> None:
    inputs = inventory({"h1": "webserver scheduler metadata_db"}, airflow_dags={"source": "folder", "path": "dags"})
    topology, findings = survey_topology(replace(inputs, dags={"revision": "", "description": "", "requirements": []}), MemoryStore())
    assert findings == []
    host = topology.status("h1")["host"]
    assert host["unknown_paths"] == ["/opt/airflow/current"]
    assert (host["probes"]["dags"], host["probes"]["compared_dags"]) == ("/opt/airflow/dags", None)
