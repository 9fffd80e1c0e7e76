# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the topology compiler derives for the last check: the queues with who serves them, the bundle of its DAG, the account."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._topology_webserver_config import other_auth_type
from topology_inventory import (
    OLD_HOME,
    adopted,
    compiled,
    daemon,
    facts,
    findings,
    info,
    installation,
    inventory,
    plan,
    server,
    single,
)

CANARY_BUNDLE = {
    "name": "updraft_canary",
    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
    "kwargs": {"path": "/opt/airflow/canary"},
}
DAGS_FOLDER = {"name": "dags-folder", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}}
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
LDAP = "from flask_appbuilder.const import AUTH_LDAP\nAUTH_TYPE = AUTH_LDAP\n"


def bundles(result: dict[str, Any]) -> Any:
    return json.loads(result["settings"]["dag_processor"]["dag_bundle_config_list"])


def test_the_scheduler_serves_the_one_queue_of_a_local_executor() -> None:
    result = plan(server(airflow_size="medium", airflow_config={"operators": {"default_queue": "all"}}))["canary"]
    assert result["queues"] == [{"name": "all", "servers": ["airflow-scheduler on h1"], "slots": 10, "siblings": []}]
    assert (result["slots"], result["is_run_here"], result["mode"]) == (10, True, "on_change")
    assert result["schedulers"] == ["airflow-scheduler on h1"]
    assert result["parsers"] == ["airflow-dag-processor on h1"]
    assert "airflow-triggerer.service" in result["units"]


def test_a_sequential_executor_has_one_slot() -> None:
    result = plan(single(airflow_version="2.11.2"))["canary"]
    assert [(queue["name"], queue["slots"]) for queue in result["queues"]] == [("default", 1)]
    assert (result["slots"], result["parsers"]) == (1, [])


@pytest.mark.parametrize("parallelism", ["32", "5", "0"])
def test_parallelism_counts_as_the_user_set_it(parallelism: str) -> None:
    result = plan(server(airflow_version="2.11.2", airflow_config={"core": {"parallelism": parallelism}}))["canary"]
    assert (result["slots"], result["queues"][0]["slots"]) == (int(parallelism), int(parallelism))


def test_workers_serve_their_queues() -> None:
    instances = {"reports": {"queues": ["reports", "slow"], "concurrency": 2}, "many": {"queues": ["slow"], "autoscale": "7,1"}}
    variables = {"airflow_worker_instances": instances, "airflow_worker_concurrency": 4}
    result = plan(single("metadata_db broker worker", system=facts(nodename="h1"), **variables))["canary"]
    assert result["queues"] == [
        {"name": "default", "servers": ["airflow-worker on h1"], "slots": 4, "siblings": ["default"]},
        {
            "name": "slow",
            "servers": ["airflow-worker@many on h1", "airflow-worker@reports on h1"],
            "slots": 9,
            "siblings": ["reports", "slow"],
        },
        {"name": "reports", "servers": ["airflow-worker@reports on h1"], "slots": 2, "siblings": ["reports", "slow"]},
    ]
    assert result["slots"] == 13


def test_one_host_runs_it_and_calls_the_api() -> None:
    hosts = {"h1": "scheduler", "h2": "webserver", "db": "metadata_db"}
    topology = compiled(inventory(hosts, airflow_webserver_port=8081, airflow_base_url="https://example.org/flow"))
    plans = {name: topology.plan(name) for name in hosts}
    assert {name: (found["canary"] or {}).get("is_run_here") for name, found in plans.items()} == {"h1": False, "h2": True, "db": None}
    assert (plans["h1"]["api"], plans["db"]["api"]) == (None, None)
    assert plans["h2"]["api"] == {
        "url": "http://127.0.0.1:8081/flow",
        "username": "updraft",
        "password": topology.new_secrets["api_password"],
        "ca_path": None,
    }


def test_the_bundle_comes_after_the_dags_folder() -> None:
    assert bundles(plan(server())) == [DAGS_FOLDER, CANARY_BUNDLE]


def test_the_users_bundles_stay_and_come_first() -> None:
    own = [{"name": "git", "classpath": "airflow.providers.git.bundles.git.GitDagBundle", "kwargs": {"tracking_ref": "main"}}]
    config = {"dag_processor": {"dag_bundle_config_list": json.dumps([*own, {**CANARY_BUNDLE, "kwargs": {}}])}}
    assert bundles(plan(server(airflow_config=config))) == [*own, CANARY_BUNDLE]


def test_bundles_with_a_secret_have_it_beside_them_wherever_they_are_read() -> None:
    secret = {"name": "other", "classpath": "acme.bundles.ApiBundle", "kwargs": {"api_token": "t0p"}}
    result = plan(server(airflow_dags={"source": "bundles", "bundles": [secret]}))
    environment = daemon(result, "dag_processor")["environment"]
    assert json.loads(environment["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"]) == [secret, CANARY_BUNDLE]
    assert bundles(result) == [{**secret, "kwargs": {}}, CANARY_BUNDLE]


@pytest.mark.parametrize("text", ["[", '{"name": "one"}', '[{"classpath": "x"}]', "[3]"])
def test_bundles_that_cannot_be_read_are_refused(text: str) -> None:
    assert findings(server(airflow_config={"dag_processor": {"dag_bundle_config_list": text}})) == [
        "[dag_processor] dag_bundle_config_list is no JSON list of bundles, each with a name: correct it in airflow_config."
    ]


def test_airflow_2_has_no_bundles() -> None:
    assert "dag_processor" not in plan(server(airflow_version="2.11.2"))["settings"]


def test_without_a_canary_nothing_is_there_for_it() -> None:
    topology = compiled(server(airflow_canary_enabled="never"))
    result = topology.plan("h1")
    assert (result["canary"], result["api"], result["notes"]) == (None, None, [])
    assert "dag_processor" not in result["settings"]
    assert "api_password" not in topology.new_secrets
    assert [user["username"] for user in result["users"]] == ["admin"]


def test_the_account_is_made_with_the_first_users() -> None:
    topology = compiled(server(airflow_api_username="robot"))
    assert [(user["username"], user["role"]) for user in topology.plan("h1")["users"]] == [("admin", "Admin"), ("robot", "Admin")]
    assert topology.plan("h1")["users"][1]["password"] == topology.new_secrets["api_password"]


def test_an_installation_from_before_gets_a_password_for_it() -> None:
    topology = compiled(server(found=info(installation=installation())))
    assert topology.plan("h1")["api"]["password"] == topology.new_secrets["api_password"]


def test_a_move_does_not_wait_for_the_account() -> None:
    topology = compiled(server(found=info(adopted=adopted(), metadata={"size_mb": 1}), airflow_adopt_home=OLD_HOME))
    assert topology.plan("h1")["users"] == []
    assert topology.plan("h1")["api"]["username"] == "updraft"


@pytest.mark.parametrize(
    ("inputs", "hurdle"),
    [
        (server(airflow_config={"core": {"auth_manager": SIMPLE}}), f"[core] auth_manager is {SIMPLE}"),
        (
            server(found=info(installation=installation(adopted=adopted(webserver_config_content=LDAP)))),
            "webserver_config.py sets AUTH_TYPE to AUTH_LDAP",
        ),
    ],
)
def test_who_could_not_log_in_is_told_and_leaves_it(inputs: Any, hurdle: str) -> None:
    result = plan(inputs)
    assert (result["canary"], result["api"]) == (None, None)
    assert result["notes"] == [
        f"No task is run on the queues as a last check: {hurdle}, with which the account for it cannot log in; airflow_canary_enabled: "
        "never says the same without this note."
    ]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("AUTH_TYPE = AUTH_DB", ""),
        ("AUTH_TYPE = 1", ""),
        ("AUTH_TYPE = AUTH_DB\nAUTH_TYPE = const.AUTH_OAUTH", "AUTH_OAUTH"),
        ("if True:\n    AUTH_TYPE = AUTH_REMOTE_USER", "AUTH_REMOTE_USER"),
        ("AUTH_TYPE = AUTH_LDAP\nAUTH_TYPE = AUTH_DB", ""),
        ("print 'Python 2'", ""),
        ("", ""),
    ],
)
def test_how_a_webserver_config_lets_users_in(content: str, kind: str) -> None:
    assert other_auth_type(content) == kind


@pytest.mark.parametrize(
    ("variables", "finding"),
    [
        ({"airflow_canary_enabled": "sometimes"}, "airflow_canary_enabled is 'sometimes': use on_change, always or never."),
        ({"airflow_api_username": "a b"}, "airflow_api_username is 'a b': use letters, digits and . _ @ + - only."),
        (
            {"airflow_api_username": "admin"},
            "airflow_api_username is admin, which is a person's name: the account that the playbooks use needs another one.",
        ),
        (
            {"airflow_api_password": "two\nlines"},
            "airflow_api_password holds a control character or a line break: use printable characters.",
        ),
    ],
)
def test_what_cannot_be(variables: dict[str, Any], finding: str) -> None:
    assert findings(server(**variables)) == [finding]
