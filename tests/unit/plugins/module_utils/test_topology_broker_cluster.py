# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hosts with RabbitMQ: a cluster whose queues are on all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import MemoryStore, compiled, daemon, facts, findings, info, installation, inventory, plan

HOSTS = {"h1": "webserver scheduler metadata_db", "h2": "worker broker", "h3": "worker broker", "h4": "broker", "h5": "worker"}
NODES = {"h2": "198.18.0.3", "h3": "198.18.0.4", "h4": "198.18.0.5"}
STORE = MemoryStore(metadata_db_password="old", broker_password="secret", results_db_password="results", broker_cookie="c00kie")
ONE = "amqp://airflow:secret@198.18.0.3:5672/airflow"
OURS = {"engine": "rabbitmq", "title": "RabbitMQ", "config": "/etc/rabbitmq/rabbitmq.conf", "own": True, "used": "it has queues"}


def cluster(details: dict[str, Host] | None = None, hosts: dict[str, str] | None = None, **variables: Any) -> Inputs:
    """Five hosts, three of them with a node."""
    inputs: Inputs = inventory(hosts or HOSTS, details=details, **{"airflow_broker_engine": "rabbitmq", **variables})
    return inputs


def host(name: str, address: str = "", found: dict[str, Any] | None = None, **variables: Any) -> Host:
    """One host of the cluster that is not like the others."""
    number = int(name[1:]) + 1
    everything = {"airflow_broker_engine": "rabbitmq", **variables}
    return Host(name, everything, facts(address or f"198.18.0.{number}"), info(hostname=f"{name}.example.org", **(found or {})))


def running(url: str, **variables: Any) -> Inputs:
    """The cluster where an installation uses a broker already."""
    record = installation(executor="CeleryExecutor")
    record["environment"]["scheduler"]["AIRFLOW__CELERY__BROKER_URL"] = url
    found = {"installation": record, "units": ["airflow-scheduler.service", "airflow-webserver.service"]}
    return cluster({"h1": host("h1", found=found, **variables)}, **variables)


def url(*nodes: str, password: str = "secret", vhost: str = "airflow-quorum") -> str:
    return ";".join(f"amqp://airflow:{password}@{NODES[node]}:5672/{vhost}" for node in nodes)


def extra(version: str) -> dict[str, Any]:
    settings = plan(cluster(airflow_version=version), store=STORE)["settings"]["celery"]
    found: dict[str, Any] = json.loads(settings["extra_celery_config"])
    return found


@pytest.mark.parametrize(
    ("name", "component", "nodes"),
    [
        ("h2", "worker", ("h2", "h3", "h4")),
        ("h3", "worker", ("h3", "h4", "h2")),
        ("h1", "scheduler", ("h2", "h3", "h4")),
        ("h5", "worker", ("h3", "h4", "h2")),
    ],
)
def test_each_host_begins_with_another_node_and_with_its_own(name: str, component: str, nodes: tuple[str, ...]) -> None:
    environment = daemon(plan(cluster(), name, STORE), component)["environment"]
    assert environment["AIRFLOW__CELERY__BROKER_URL"] == url(*nodes)
    assert plan(cluster(), name, STORE)["broker"]["url"] == url(*nodes)


def test_a_semicolon_in_the_password_is_no_separator() -> None:
    given = MemoryStore(metadata_db_password="old", broker_password="a;amqp://b", results_db_password="results", broker_cookie="c")
    record = installation(executor="CeleryExecutor")
    first = daemon(plan(cluster(), "h1", given), "scheduler")["environment"]["AIRFLOW__CELERY__BROKER_URL"]
    assert first.count(";") == 2
    record["environment"]["scheduler"]["AIRFLOW__CELERY__BROKER_URL"] = first
    again = compiled(cluster({"h1": host("h1", found={"installation": record})}), given)
    assert again.draft.secrets["broker_password"] == "a;amqp://b"


def test_a_node_is_called_by_its_address() -> None:
    node = plan(cluster(), "h3", STORE)["broker"]["node"]
    assert node["name"] == "rabbit@198.18.0.4"
    assert node["cluster"] == {name: f"rabbit@{address}" for name, address in NODES.items()}
    assert node["erlang_addresses"] == ["127.0.0.1", "198.18.0.4"]
    assert node["cookie"] == "c00kie"
    assert plan(cluster(), "h3", STORE)["broker"]["listen_addresses"] == ["127.0.0.1", "198.18.0.4"]
    assert plan(cluster(), "h1", STORE)["broker"]["node"] is None


def test_a_node_behind_another_address_listens_everywhere() -> None:
    translated = host("h3", "10.0.0.3", airflow_advertised_address="198.18.0.4")
    broker = plan(cluster({"h3": translated}), "h3", STORE)["broker"]
    assert broker["node"]["name"] == "rabbit@198.18.0.4"
    assert broker["node"]["erlang_addresses"] == []
    assert broker["listen_addresses"] == ["0.0.0.0"]


def test_no_two_nodes_get_other_names_at_once() -> None:
    def was(number: int) -> Host:
        return host(f"h{number}", found={"brokers": [{**OURS, "node": f"rabbit@198.18.7.{number}", "cookie": "c00kie"}]})

    assert compiled(cluster({"h3": was(3)}), STORE)
    (sentence,) = findings(cluster({"h2": was(2), "h3": was(3)}), STORE)
    assert "get other names" in sentence and "h2 was rabbit@198.18.7.2, h3 was rabbit@198.18.7.3" in sentence


@pytest.mark.parametrize(
    ("brokers", "is_renamed"),
    [
        ([], True),
        ([{**OURS, "node": "", "cookie": ""}], True),
        ([{**OURS, "own": False, "used": "", "node": "", "cookie": ""}], True),
        ([{**OURS, "node": "rabbit@198.18.0.4", "cookie": "c00kie"}], False),
    ],
)
def test_a_node_that_gets_another_name_is_stopped_first(brokers: list[dict[str, Any]], is_renamed: bool) -> None:
    inputs = cluster({"h3": host("h3", found={"brokers": brokers})})
    assert plan(inputs, "h3", STORE)["broker"]["node"]["is_renamed"] is is_renamed


def test_one_node_that_was_in_a_cluster_gets_its_old_name_back() -> None:
    hosts = {"h1": "webserver scheduler metadata_db", "h2": "worker broker"}
    was = host("h2", found={"brokers": [{**OURS, "node": "rabbit@198.18.0.3", "cookie": "c00kie"}]})
    node = plan(cluster({"h2": was}, hosts), "h2", STORE)["broker"]["node"]
    assert (node["name"], node["is_renamed"], node["cluster"], node["cookie"]) == ("", True, {}, "")
    node = plan(cluster({"h2": host("h2", found={"brokers": [{**OURS, "node": "", "cookie": ""}]})}, hosts), "h2", STORE)["broker"]["node"]
    assert node["is_renamed"] is False


ALL = [f"rabbit@198.18.0.{number}" for number in (3, 4, 5)]
REPLACED = {"h1": HOSTS["h1"], "h2": "worker broker", "h3": "worker broker", "h5": "worker broker"}


def node(number: int, nodes: list[str] | None = None) -> Host:
    """A host with a node of the cluster in service."""
    return host(
        f"h{number}", found={"brokers": [{**OURS, "node": f"rabbit@198.18.0.{number + 1}", "cookie": "c00kie", "nodes": nodes or ALL}]}
    )


def replaced(name: str, details: dict[str, Host], hosts: dict[str, str] | None = None) -> dict[str, Any]:
    """The node of a host where others are there already."""
    found: dict[str, Any] = plan(cluster(details, hosts), name, STORE)["broker"]["node"]
    return found


def test_a_node_that_is_gone_is_forgotten_and_a_new_one_joins_before_the_others_have_their_turn() -> None:
    details = {"h2": node(2), "h3": node(3), "h5": host("h5", "198.18.0.6")}
    for name, joins in (("h2", False), ("h3", False), ("h5", True)):
        found = replaced(name, details, REPLACED)
        assert (found["gone"], found["asked"], found["turns"]) == (["rabbit@198.18.0.5"], "h2", ["h5", "h2", "h3"])
        assert (found["joins"], found["writes_nodes_last"]) == (joins, not joins)


def test_an_empty_host_of_the_same_address_joins_and_nobody_is_gone() -> None:
    found = replaced("h4", {"h2": node(2), "h3": node(3)})
    assert (found["joins"], found["gone"], found["asked"], found["writes_nodes_last"]) == (True, [], None, False)


def test_a_node_that_gets_another_name_takes_the_place_of_itself() -> None:
    was = host("h4", "198.18.0.9", found={"brokers": [{**OURS, "node": "rabbit@198.18.0.5", "cookie": "c00kie", "nodes": ALL}]})
    found = replaced("h4", {"h2": node(2), "h3": node(3), "h4": was})
    assert (found["joins"], found["gone"], found["asked"]) == (True, ["rabbit@198.18.0.5"], "h2")


def test_a_run_that_was_cut_off_is_made_up_for() -> None:
    """The new node runs, and the others' files name the one that is gone."""
    now = ["rabbit@198.18.0.3", "rabbit@198.18.0.4", "rabbit@198.18.0.6"]
    found = replaced("h5", {"h2": node(2), "h3": node(3), "h5": node(5, now)}, REPLACED)
    assert (found["joins"], found["gone"], found["asked"]) == (False, ["rabbit@198.18.0.5"], "h2")


@pytest.mark.parametrize(
    ("limited", "hosts", "refused"),
    [(["h5"], REPLACED, True), (["h2", "h5"], REPLACED, True), (["h2", "h3", "h5"], REPLACED, False), (["h2"], HOSTS, False)],
    ids=str,
)
def test_a_node_gets_its_place_with_all_the_others(limited: list[str], hosts: dict[str, str], refused: bool) -> None:
    details = {"h2": node(2), "h3": node(3)} | ({"h4": node(4)} if hosts is HOSTS else {"h5": host("h5", "198.18.0.6")})
    inputs = running(url("h2", "h3", "h4"))
    inputs = replace(cluster({"h1": inputs.hosts["h1"], **details}, hosts), limited=limited)
    sentence = (
        f"This run is limited to {', '.join(limited)}, and RabbitMQ's cluster would get or "
        "lose a node that the others do not know of: run the playbook for all hosts, without --limit."
    )
    assert (sentence in findings(inputs, STORE)) is refused, findings(inputs, STORE)


def test_nodes_that_stay_and_those_that_begin_a_cluster_ask_nobody() -> None:
    for details in ({"h2": node(2), "h3": node(3), "h4": node(4)}, {}):
        found = replaced("h2", details)
        assert (found["joins"], found["gone"], found["asked"], found["turns"]) == (False, [], None, ["h2", "h3", "h4"])


def test_the_cluster_has_a_virtual_host_and_a_policy_of_its_own() -> None:
    found = plan(cluster(), "h2", STORE)["broker"]["definitions"]
    assert found["vhosts"] == [{"name": "airflow-quorum", "metadata": {"default_queue_type": "quorum"}}]
    (policy,) = found["policies"]
    assert (policy["vhost"], policy["definition"]) == ("airflow-quorum", {"delivery-limit": 1_000_000})
    assert plan(cluster(airflow_broker_vhost="tasks"), "h2", STORE)["broker"]["definitions"]["vhosts"][0]["name"] == "tasks"


def test_a_client_whose_host_is_lost_is_given_up_before_its_tasks_are_tried_again() -> None:
    found = plan(cluster(), "h2", STORE)["broker"]["keepalive"]
    silence = found["idle_seconds"] + found["interval_seconds"] * found["probes"]
    # What was sent waits no longer than what was asked.
    assert found["user_timeout_ms"] == silence * 1000
    # A task whose worker sends no heartbeat is tried again after a minute: its message must not go to a worker that is lost.
    settings = plan(cluster(), "h1", STORE)["settings"]["scheduler"]
    assert silence <= 20 < int(settings["task_instance_heartbeat_timeout"])


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_celery_makes_quorum_queues_and_leaves_a_lost_node(version: str) -> None:
    options = extra(version)
    assert options["task_default_queue_type"] == options["task_create_missing_queue_type"] == "quorum"
    assert options["worker_consumer"] == "airflow_celery_quorum:QuorumConsumer"
    assert options["result_backend_always_retry"] is True
    settings = plan(cluster(airflow_version=version), store=STORE)["settings"]
    transport = settings["celery_broker_transport_options"]
    assert transport["confirm_publish"] == "True"
    # Found out by heartbeats, one node that lets nobody in on each of two connections, and a second to spare.
    assert 3 * options["broker_heartbeat"] + 2 * options["broker_connection_timeout"] + 1 < 15
    # An attempt to send a task ends for want of time and never with an error, which would fail the task.
    limit = float(settings["celery"]["operation_timeout"])
    policy = options["task_publish_retry_policy"]
    rounds = range(policy["max_retries"] // 3)
    assert sum(min(policy["interval_start"] + number * policy["interval_step"], policy["interval_max"]) for number in rounds) > limit
    assert float(transport["connect_retries_timeout"]) > limit
    # Its answer is waited for, the connection is closed, it is tried once more.
    assert 2 * float(transport["read_timeout"]) + options["broker_connection_timeout"] < limit


def test_workers_of_a_cluster_do_not_wait_for_each_other() -> None:
    arguments = daemon(plan(cluster(), "h5", STORE), "worker")["arguments"]
    assert {"--without-mingle", "--without-gossip"} <= set(arguments)
    files = {entry["path"]: entry.get("content", "") for entry in plan(cluster(), "h5", STORE)["python_modules"]}
    assert "class QuorumConsumer(Consumer)" in files["/opt/airflow/config/airflow_celery_quorum.py"]


def test_one_server_stays_as_it_was() -> None:
    inputs = cluster(hosts={"h1": "webserver scheduler metadata_db", "h2": "worker broker"})
    broker = plan(inputs, "h2", STORE)["broker"]
    assert (broker["is_cluster"], broker["vhost"], broker["node"]["name"]) == (False, "airflow", "")
    # It needs no other node: its commands and Erlang's port mapper answer on loopback alone.
    assert broker["node"]["erlang_addresses"] == ["127.0.0.1"]
    assert broker["definitions"]["vhosts"] == [{"name": "airflow"}]
    assert "policies" not in broker["definitions"]
    settings = plan(inputs, "h1", STORE)["settings"]
    assert settings["celery_broker_transport_options"] == {"confirm_publish": "True"}
    assert "operation_timeout" not in settings["celery"]
    assert "quorum" not in settings["celery"]["extra_celery_config"]
    assert "--without-mingle" not in daemon(plan(inputs, "h2", STORE), "worker")["arguments"]
    assert compiled(inputs).new_secrets.keys().isdisjoint({"broker_cookie"})


def test_the_cookie_is_generated_once_and_found_again() -> None:
    assert compiled(cluster()).new_secrets["broker_cookie"]
    known = [{**OURS, "node": "rabbit@198.18.0.4", "cookie": "known"}]
    store = MemoryStore(metadata_db_password="old", broker_password="secret", results_db_password="results")
    assert compiled(cluster({"h3": host("h3", found={"brokers": known})}), store).new_secrets["broker_cookie"] == "known"
    (sentence,) = findings(cluster({"h3": host("h3", found={"brokers": known})}), STORE)
    assert sentence == (
        "The broker_cookie in /inventory/credentials/airflow/broker_cookie and the one in /var/lib/rabbitmq/.erlang.cookie on h3 differ: "
        "make them equal, or remove the wrong one."
    )


@pytest.mark.parametrize(
    ("old", "is_left"),
    [
        (url("h2", "h3", "h4"), False),
        (url("h4", "h2", "h3", password="other"), False),
        # One node was replaced.
        (url("h2", "h3") + ";amqp://airflow:secret@198.18.0.99:5672/airflow-quorum", False),
        (ONE, True),
        # The node of one server has another name in a cluster, and none of its queues.
        ("amqp://airflow:secret@198.18.0.3:5672/airflow-quorum", True),
        (url("h2", "h3", "h4", vhost="others"), True),
        ("redis://:secret@198.18.0.3:6379/0", True),
    ],
)
def test_what_makes_another_broker(old: str, is_left: bool) -> None:
    store = MemoryStore(metadata_db_password="old", results_db_password="results", broker_cookie="c")
    if "other" in old.partition("@")[0]:
        store = MemoryStore(metadata_db_password="old", results_db_password="results", broker_cookie="c", broker_password="other")
    found = plan(running(old), "h1", store)["handover"]
    assert (found is not None and found["broker_url"] == old) is is_left


def test_from_a_cluster_to_one_server_the_tasks_are_handed_back_from_all_nodes() -> None:
    old = url("h2", "h3", "h4")
    record = installation(executor="CeleryExecutor")
    record["environment"]["scheduler"]["AIRFLOW__CELERY__BROKER_URL"] = old
    details = {"h1": host("h1", found={"installation": record, "units": ["airflow-scheduler.service"]})}
    inputs = cluster(details, {"h1": "webserver scheduler metadata_db", "h2": "worker broker"})
    found = plan(inputs, "h1", MemoryStore(metadata_db_password="old", results_db_password="results"))["handover"]
    assert found["broker_url"] == old
    assert found["stop"] == ["airflow-scheduler.service"]


OTHERS = {**OURS, "own": False, "node": "", "cookie": ""}
QUORUM = '{"task_default_queue_type": "quorum", "task_create_missing_queue_type": "quorum"}'
CASES: dict[str, tuple[Inputs, str]] = {
    "four nodes": (
        cluster(hosts={**HOSTS, "h5": "worker broker"}),
        "Group airflow_broker has 4 hosts (h2, h3, h4, h5): RabbitMQ keeps three copies of a queue, to which further hosts add none; keep "
        "three, or one.",
    ),
    "two nodes": (
        cluster(hosts={"h1": "webserver scheduler metadata_db", "h2": "worker broker", "h3": "broker"}),
        "Group airflow_broker has 2 hosts (h2, h3): of two brokers neither has a majority when they lose each other; keep one.",
    ),
    "a node that others use": (
        cluster({"h4": host("h4", found={"brokers": [OTHERS]})}),
        "h4 has a RabbitMQ server that is not Airflow's (it has queues), and it would get Airflow's password and settings: put another "
        "host into airflow_broker, or use it as it is by airflow_broker_managed (false), airflow_broker_host and airflow_broker_password.",
    ),
    "a node that is called by a name": (
        cluster({"h4": host("h4", airflow_advertised_address="queues.example.org")}),
        "The other nodes of RabbitMQ reach h4 at queues.example.org, and a node is called by its IPv4 address: set "
        "airflow_advertised_address of h4 to that.",
    ),
    "two releases": (
        cluster({"h4": Host("h4", {"airflow_broker_engine": "rabbitmq"}, facts("198.18.0.5", release="13"), info())}),
        "The hosts of airflow_broker have different releases (Debian 12: h2, h3; Debian 13: h4), whose versions of RabbitMQ form no "
        "cluster: use hosts of one release.",
    ),
    "options of Celery without the type of queues": (
        cluster(airflow_config={"celery": {"extra_celery_config": '{"worker_max_tasks_per_child": 5}'}}),
        f"airflow_config sets [celery] extra_celery_config, which for a cluster of brokers must hold {QUORUM}: add that, or leave the "
        "option out.",
    ),
    "a cookie of two words": (
        cluster(airflow_broker_cookie="two words that are long enough"),
        "airflow_broker_cookie is one word of 20 to 200 letters, digits and . _ -: choose another one, or leave it out.",
    ),
    "a worker that grows": (
        cluster({"h5": host("h5", airflow_worker_autoscale="8,2")}),
        "airflow_worker_autoscale of h5 is 8,2, and on the quorum queues of a cluster a worker cannot take more tasks at once than at its "
        "start: set airflow_worker_concurrency in its place.",
    ),
    "an instance that grows": (
        cluster({"h5": host("h5", airflow_worker_instances={"reports": {"queues": ["reports"], "autoscale": "8,2"}})}),
        "airflow_worker_instances.reports.autoscale of h5 is 8,2, and on the quorum queues of a cluster a worker cannot take more tasks at "
        "once than at its start: set airflow_worker_instances.reports.concurrency in its place.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusal_is_one_clear_sentence(name: str) -> None:
    inputs, sentence = CASES[name]
    assert findings(inputs) == [sentence]


def test_options_of_celery_with_the_type_of_queues_are_the_users() -> None:
    options = json.dumps({**json.loads(QUORUM), "worker_max_tasks_per_child": 5})
    assert findings(cluster(airflow_config={"celery": {"extra_celery_config": options}})) == []
