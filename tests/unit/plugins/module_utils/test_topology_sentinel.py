# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hosts with Redis: a master, two replicas, and a sentinel on each."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._broker_options import transport_options
from ansible_collections.updraft.airflow.plugins.module_utils._topology_sentinel import LAG_BLUR_SECONDS, PING_SECONDS
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import MemoryStore, compiled, daemon, facts, findings, info, installation, inventory, plan

HOSTS = {"h1": "webserver scheduler metadata_db", "h2": "worker broker", "h3": "worker broker", "h4": "broker", "h5": "worker"}
NODES = {"h2": "198.18.0.3", "h3": "198.18.0.4", "h4": "198.18.0.5"}
STORE = MemoryStore(
    metadata_db_password="old",
    broker_password="secret",
    results_db_password="results",
    broker_replication_password="copied",
    broker_sentinel_password="watched",
)
OURS = {"engine": "redis", "title": "Redis", "config": "/etc/redis/redis.conf", "own": True, "used": "", "master": "", "epoch": 0}
ONE = "redis://:secret@198.18.0.3:6379/0"
SENTINELS = "broker_transport"


def cluster(details: dict[str, Host] | None = None, hosts: dict[str, str] | None = None, **variables: Any) -> Inputs:
    """Five hosts, three of them with a server and a sentinel."""
    inputs: Inputs = inventory(hosts or HOSTS, details=details, **variables)
    return inputs


def host(name: str, found: dict[str, Any] | None = None, **variables: Any) -> Host:
    """One host that is not like the others."""
    return Host(name, variables, facts(f"198.18.0.{int(name[1:]) + 1}"), info(hostname=f"{name}.example.org", **(found or {})))


def having(name: str, **found: Any) -> Host:
    """A host with a Redis of ours."""
    return host(name, {"brokers": [{**OURS, **found}]})


def running(url: str, hosts: dict[str, str] | None = None) -> Inputs:
    """Where an installation uses a broker already."""
    record = installation(executor="CeleryExecutor")
    record["environment"]["scheduler"]["AIRFLOW__CELERY__BROKER_URL"] = url
    units = ["airflow-scheduler.service", "airflow-webserver.service"]
    return cluster({"h1": host("h1", {"installation": record, "units": units})}, hosts)


def url(*nodes: str, number: str = "2", password: str = "secret") -> str:
    return ";".join(f"sentinel://:{password}@{NODES[node]}:26379/{number}" for node in nodes)


def digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def node(inputs: Inputs, name: str = "h2") -> dict[str, Any]:
    found: dict[str, Any] = plan(inputs, name, STORE)["broker"]["node"]
    return found


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_celery_asks_the_sentinels_and_soon_leaves_a_server_that_is_gone(version: str) -> None:
    found = plan(cluster(airflow_version=version), "h5", STORE)
    environment = daemon(found, "worker")["environment"]
    assert environment["AIRFLOW__CELERY__BROKER_URL"] == url("h3", "h4", "h2")
    login = json.loads(environment["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__SENTINEL_KWARGS"])
    assert login == {"password": "secret", "socket_timeout": 1, "socket_connect_timeout": 1}
    options = found["settings"]["celery_broker_transport_options"]
    assert options["master_name"] == "airflow"
    celery = json.loads(found["settings"]["celery"]["extra_celery_config"])
    assert celery["broker_transport"] == "airflow_celery_sentinel:Transport"
    # An attempt to send a task ends for want of time and never with an error, which would fail the task.
    limit, policy = float(found["settings"]["celery"]["operation_timeout"]), celery["task_publish_retry_policy"]
    # The file's own pause between two tries counts where it can connect and may not write.
    assert policy["max_retries"] * 0.2 > limit
    rounds = range(policy["max_retries"])
    assert sum(min(policy["interval_start"] + turn * policy["interval_step"], policy["interval_max"]) for turn in rounds) > limit
    # A frozen server is left, a sentinel that is gone is passed by, and the new master is let in to, in one attempt.
    assert float(options["socket_timeout"]) + 2 * login["socket_timeout"] + float(options["socket_connect_timeout"]) < limit
    arguments = daemon(found, "worker")["arguments"]
    assert {"--without-mingle", "--without-gossip"} <= set(arguments)
    files = {entry["path"]: entry.get("content", "") for entry in found["python_modules"]}
    assert "class Transport(SentinelTransport)" in files["/opt/airflow/config/airflow_celery_sentinel.py"]


def test_no_secret_is_in_the_settings() -> None:
    settings = json.dumps(plan(cluster(), "h1", STORE)["settings"])
    assert [word for word in ("secret", "copied", "watched") if f'"{word}' in settings or f":{word}@" in settings] == []


def test_a_webserver_gets_no_password_of_the_broker() -> None:
    environment = daemon(plan(cluster(), "h1", STORE), "webserver")["environment"]
    assert [name for name in environment if "SENTINEL" in name or "BROKER" in name] == []


def test_results_may_be_in_the_same_redis() -> None:
    found = plan(cluster(airflow_result_backend="redis"), "h2", STORE)
    environment = daemon(found, "worker")["environment"]
    wanted = f"airflow_celery_sentinel:Backend+{url('h2', 'h3', 'h4', number='3')}"
    assert environment["AIRFLOW__CELERY__RESULT_BACKEND"] == wanted
    assert "password" in environment["AIRFLOW__CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS__SENTINEL_KWARGS"]
    assert found["settings"]["celery_result_backend_transport_options"] == {"master_name": "airflow"}


def test_each_login_may_do_what_it_is_for() -> None:
    broker = plan(cluster(), "h2", STORE)["broker"]
    airflow, replication, sentinel = broker["redis_users"]
    assert airflow.startswith(f"user default on #{digest('secret')} ~* &* +@all -@admin -@dangerous")
    assert replication == f"user replication on #{digest('copied')} resetchannels -@all +psync +replconf +ping"
    assert sentinel.startswith(f"user sentinel on #{digest('watched')} resetchannels &* -@all ")
    asking, own = broker["node"]["sentinel_users"]
    assert "+sentinel|masters" in asking and "failover" not in asking and "+@all" not in asking
    assert own == f"user sentinel on #{digest('watched')} &* +@all"
    named = plan(cluster(airflow_broker_user="queues"), "h2", STORE)["broker"]
    assert named["redis_users"][1] == named["node"]["sentinel_users"][1] == "user default off"


def test_a_master_that_is_cut_off_stops_before_another_takes_its_place() -> None:
    found = node(cluster())
    stops, begins = found["most_lag_seconds"] + LAG_BLUR_SECONDS, found["down_after_ms"] / 1000 - PING_SECONDS
    assert stops < begins
    assert found["quorum"] == 2


@pytest.mark.parametrize(
    ("details", "first_master", "is_complete"),
    [
        ({}, "198.18.0.3", True),
        # A single server that grows keeps what it holds, and is one of three when its tasks were handed back.
        ({"h3": having("h3")}, "198.18.0.4", False),
        # After a failover: what the sentinels knew last, not what the inventory says.
        (
            {
                "h2": having("h2", master="198.18.0.3", epoch=1),
                "h3": having("h3", master="198.18.0.5", epoch=2),
                "h4": having("h4", master="198.18.0.5", epoch=2),
            },
            "198.18.0.5",
            True,
        ),
        ({"h4": having("h4", master="198.18.0.5", epoch=2)}, "198.18.0.5", True),
        # The one that they knew last was lost, and its host is empty: it is not to be copied from.
        ({"h2": having("h2", master="198.18.0.5", epoch=2), "h3": having("h3", master="198.18.0.5", epoch=2)}, "198.18.0.3", True),
        ({"h3": having("h3", master="198.18.0.5", epoch=2)}, "198.18.0.4", True),
    ],
)
def test_who_is_the_master_at_first(details: dict[str, Host], first_master: str, is_complete: bool) -> None:
    for name in NODES:
        found = node(cluster(details), name)
        assert (found["first_master"], found["is_complete_at_once"]) == (first_master, is_complete)
        place = found["place"]
        assert {place["address"], *place["others"]} == set(NODES.values()) and len(place["others"]) == 2


THERE = {name: having(name, master="198.18.0.3", epoch=1, port=6379, address=address) for name, address in NODES.items()}


def test_servers_keep_their_port_and_their_addresses() -> None:
    assert [text for text in findings(cluster(THERE), STORE) if "Redis" in text] == []
    known = "the servers at port 6379, which they cannot change while they run: set it back."
    elsewhere = {name: replace(each, variables={"airflow_broker_port": 6400}) for name, each in THERE.items()}
    assert findings(cluster(elsewhere, airflow_broker_port=6400), STORE) == [
        f"airflow_broker_port is 6400, and Redis's sentinel on {name} knows {known}" for name in NODES
    ]
    moved = {**THERE, "h4": having("h4", master="198.18.0.3", epoch=1, port=6379, address="198.18.0.99")}
    assert findings(cluster(moved), STORE) == [
        "h4 was 198.18.0.99 among Redis's servers, and would be 198.18.0.5, which none of them knows: give it its old "
        "airflow_advertised_address, or put an empty host into its place."
    ]


@pytest.mark.parametrize(
    ("limited", "details", "refused"),
    [
        (["h2"], THERE, False),
        (["h2"], {"h3": THERE["h3"], "h4": THERE["h4"]}, True),
        (["h3", "h4"], {"h3": THERE["h3"], "h4": THERE["h4"]}, True),
        (["h5"], {"h3": THERE["h3"], "h4": THERE["h4"]}, False),
        (["h2", "h3", "h4"], {"h3": THERE["h3"], "h4": THERE["h4"]}, False),
    ],
)
def test_a_server_gets_its_place_with_all_three(limited: list[str], details: dict[str, Host], refused: bool) -> None:
    inputs = running(url("h2", "h3", "h4"))
    inputs = replace(inputs, hosts={**inputs.hosts, **details}, limited=limited)
    sentence = (
        f"This run is limited to {', '.join(limited)}, and Redis on three hosts would get a server that the others do not know: run the "
        "playbook for all hosts, without --limit."
    )
    assert (sentence in findings(inputs, STORE)) is refused


def test_one_server_stays_as_it_was() -> None:
    inputs = cluster(hosts={"h1": "webserver scheduler metadata_db", "h2": "worker broker"})
    found = plan(inputs, "h1", STORE)
    assert (found["broker"]["is_cluster"], found["broker"]["vhost"]) == (False, "0")
    assert plan(inputs, "h2", STORE)["broker"]["node"] is None
    assert found["settings"]["celery_broker_transport_options"] == {"visibility_timeout": "86400"}
    assert SENTINELS not in found["settings"]["celery"]["extra_celery_config"]
    assert compiled(inputs).new_secrets.keys().isdisjoint({"broker_replication_password", "broker_sentinel_password"})


@pytest.mark.parametrize(("found", "leaves"), [({}, False), ({"master": "198.18.0.4", "epoch": 3}, True)])
def test_a_host_that_is_alone_again_leaves_its_sentinel(found: dict[str, Any], leaves: bool) -> None:
    hosts = {"h1": "webserver scheduler metadata_db", "h2": "worker broker"}
    assert plan(cluster({"h2": having("h2", **found)}, hosts), "h2", STORE)["broker"]["leaves_sentinel"] is leaves


def test_secrets_are_generated_once_and_found_again() -> None:
    new = compiled(cluster()).new_secrets
    assert len({new["broker_password"], new["broker_replication_password"], new["broker_sentinel_password"]}) == 3
    kept = having("h3", passwords={"broker_sentinel_password": {"/etc/redis/airflow-sentinel.conf": "kept"}})
    store = MemoryStore(metadata_db_password="old", broker_password="secret", results_db_password="results")
    assert compiled(cluster({"h3": kept}), store).new_secrets["broker_sentinel_password"] == "kept"
    (sentence,) = findings(cluster({"h3": kept}), STORE)
    assert sentence == (
        "The broker_sentinel_password in /inventory/credentials/airflow/broker_sentinel_password and the one in "
        "/etc/redis/airflow-sentinel.conf on h3 differ: make them equal, or remove the wrong one."
    )


@pytest.mark.parametrize(
    ("old", "is_left"),
    [(url("h2", "h3", "h4"), False), (url("h4", "h2", "h3"), False), (ONE, True), ("amqp://airflow:secret@198.18.0.3:5672/airflow", True)],
)
def test_from_one_server_to_three_the_tasks_are_handed_back(old: str, is_left: bool) -> None:
    store = MemoryStore(metadata_db_password="old", results_db_password="results")
    found = plan(running(old), "h1", store)["handover"]
    assert (found is not None and found["broker_url"] == old) is is_left


def test_from_three_servers_to_one_the_tasks_are_handed_back() -> None:
    old = url("h2", "h3", "h4")
    inputs = running(old, {"h1": "webserver scheduler metadata_db", "h2": "worker broker"})
    found = plan(inputs, "h1", MemoryStore(metadata_db_password="old", results_db_password="results"))["handover"]
    assert (found["broker_url"], found["stop"]) == (old, ["airflow-scheduler.service"])


def test_who_connects_is_told_by_the_address_alone() -> None:
    assert transport_options(ONE) == transport_options("amqp://airflow:secret@198.18.0.3:5672/airflow") == {}
    found = transport_options("sentinel://queues:p%40ss%3B@198.18.0.3:26379/2;sentinel://queues:p%40ss%3B@198.18.0.4:26379/2")
    assert found["master_name"] == "airflow"
    assert (found["sentinel_kwargs"]["username"], found["sentinel_kwargs"]["password"]) == ("queues", "p@ss;")


WANTED = '{"broker_transport": "airflow_celery_sentinel:Transport", "broker_connection_max_retries": null}'
CASES: dict[str, tuple[Inputs, str]] = {
    "four hosts": (
        cluster(hosts={**HOSTS, "h5": "worker broker"}),
        "Group airflow_broker has 4 hosts (h2, h3, h4, h5): Redis has a master, two replicas and three sentinels on three hosts; keep "
        "three, or one.",
    ),
    "two hosts": (
        cluster(hosts={"h1": "webserver scheduler metadata_db", "h2": "worker broker", "h3": "broker"}),
        "Group airflow_broker has 2 hosts (h2, h3): of two brokers neither has a majority when they lose each other; keep one.",
    ),
    "a Redis that others use": (
        cluster({"h4": host("h4", {"brokers": [{**OURS, "own": False, "used": "it holds data in /var/lib/redis"}]})}),
        "h4 has a Redis server that is not Airflow's (it holds data in /var/lib/redis), and it would get Airflow's password and settings: "
        "put another host into airflow_broker, or use it as it is by airflow_broker_managed (false), airflow_broker_host and "
        "airflow_broker_password.",
    ),
    "a host that is reached by a name": (
        cluster({"h4": host("h4", airflow_advertised_address="queues.example.org")}),
        "The sentinels of Redis reach h4 at queues.example.org, and a node is called by its IPv4 address: set airflow_advertised_address "
        "of h4 to that.",
    ),
    "two releases": (
        cluster({"h4": Host("h4", {}, facts("198.18.0.5", release="13"), info())}),
        "The hosts of airflow_broker have different releases (Debian 12: h2, h3; Debian 13: h4), whose versions of Redis form no "
        "cluster: use hosts of one release.",
    ),
    "options of Celery without the way to the sentinels": (
        cluster(airflow_config={"celery": {"extra_celery_config": '{"worker_max_tasks_per_child": 5}'}}),
        f"airflow_config sets [celery] extra_celery_config, which for a cluster of brokers must hold {WANTED}: add that, or leave the "
        "option out.",
    ),
    "a user of the servers": (
        cluster(airflow_broker_user="sentinel"),
        "airflow_broker_user is sentinel, as which Redis's servers log in to each other: choose another name.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusal_is_one_clear_sentence(name: str) -> None:
    inputs, sentence = CASES[name]
    assert findings(inputs) == [sentence]


def test_a_worker_may_grow() -> None:
    assert findings(cluster({"h5": host("h5", airflow_worker_autoscale="8,2")})) == []
