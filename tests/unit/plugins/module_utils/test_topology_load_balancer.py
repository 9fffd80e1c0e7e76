# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several webservers, several schedulers, and what stands in front of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, TopologyError
from topology_inventory import compiled, facts, findings, info, installation, inventory

MASTER = "webserver scheduler"
CLUSTER = {"db": "metadata_db broker", "lb": "load_balancer", "m1": MASTER, "m2": MASTER, "w1": "worker", "w2": "worker"}


def plan(host: str, hosts: dict[str, str] | None = None, **variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = compiled(inventory(hosts or CLUSTER, **variables)).plan(host)
    return found


def test_everybody_uses_the_load_balancers_address() -> None:
    master = plan("m1")
    address = plan("lb")["load_balancer"]["own_address"]
    assert master["webserver"]["base_url"] == f"http://{address}"
    assert master["settings"]["core"]["execution_api_server_url"] == f"http://{address}/execution/"
    assert master["settings"]["api"]["base_url"] == f"http://{address}"


def test_tasks_report_inside_while_people_use_a_name() -> None:
    master = plan("m1", airflow_base_url="https://flows.example.org/airflow", airflow_load_balancer_port=8000)
    address = plan("lb")["load_balancer"]["own_address"]
    assert master["settings"]["core"]["execution_api_server_url"] == f"http://{address}:8000/airflow/execution/"
    assert plan("lb", airflow_base_url="https://flows.example.org/airflow")["load_balancer"]["probe_path"] == "/airflow/execution/health"


def test_what_others_put_in_front_is_used_by_tasks_too() -> None:
    hosts = {name: parts for name, parts in CLUSTER.items() if name != "lb"}
    master = plan("m1", hosts, airflow_base_url="https://flows.example.org")
    assert master["settings"]["core"]["execution_api_server_url"] == "https://flows.example.org/execution/"
    assert master["load_balancer"] is None


def test_webservers_believe_the_load_balancer_and_nobody_else() -> None:
    master = plan("m1")
    webserver = next(daemon for daemon in master["daemons"] if daemon["name"] == "webserver")
    address = plan("lb")["load_balancer"]["own_address"]
    assert webserver["arguments"] == ["api-server", "--port", "8080", "--proxy-headers"]
    assert webserver["environment"]["FORWARDED_ALLOW_IPS"] == f"127.0.0.1,{address}"
    assert master["settings"]["fab"]["enable_proxy_fix"] == "True"
    assert "FORWARDED_ALLOW_IPS" not in next(daemon for daemon in master["daemons"] if daemon["name"] == "scheduler")["environment"]


def test_the_load_balancer_knows_every_webserver() -> None:
    found = plan("lb", airflow_version="2.11.2")["load_balancer"]
    assert [server["name"] for server in found["servers"]] == ["m1", "m2"]
    assert found["probe_path"] == "/api/v1/version"
    assert (found["on_this_host"], plan("m1")["load_balancer"]["on_this_host"]) == (True, False)


def test_two_load_balancers_share_an_address_and_one_has_it_first() -> None:
    hosts = {**CLUSTER, "lb2": "load_balancer"}
    shared = {"airflow_load_balancer_address": "198.18.0.200"}
    first, second = (plan(name, hosts, **shared)["load_balancer"] for name in ("lb", "lb2"))
    assert first["priority"] > second["priority"]
    assert first["partners"] == [second["own_address"]]
    assert first["router_id"] == second["router_id"]
    assert 1 <= first["router_id"] <= 255
    assert plan("m1", hosts, **shared)["webserver"]["base_url"] == "http://198.18.0.200"


def network_card(device: str, address: str) -> dict[str, Any]:
    return {"device": device, "ipv4": {"address": address, "netmask": "255.255.255.0"}, "ipv6": [{"address": "fe80::1", "scope": "link"}]}


def test_the_shared_address_is_put_on_the_interface_of_its_network() -> None:
    hosts = {**CLUSTER, "lb2": "load_balancer"}
    cards = {"eth0": network_card("eth0", "203.0.113.7"), "br_lan": network_card("br-lan", "198.18.9.7")}

    def found(shared: str) -> dict[str, Any]:
        variables = {"airflow_load_balancer_address": shared}
        details = {name: Host(name, variables, facts(f"203.0.113.{number}", **cards), info()) for number, name in ((7, "lb"), (8, "lb2"))}
        result: dict[str, Any] = compiled(inventory(hosts, details=details, **variables)).plan("lb")["load_balancer"]
        return result

    inner = found("198.18.9.200")
    assert (inner["interface"], inner["own_address"], inner["partners"]) == ("br-lan", "198.18.9.7", ["198.18.9.7"])
    assert found("203.0.113.200")["interface"] == "eth0"
    with pytest.raises(TopologyError, match=r"no interface of lb is in a network with that address: choose a free one"):
        found("192.0.2.1")


def test_of_one_load_balancer_with_a_shared_address_only_the_number_is_told() -> None:
    variables = {"airflow_load_balancer_address": "192.0.2.1"}
    details = {"lb": Host("lb", variables, facts("203.0.113.7", eth0=network_card("eth0", "203.0.113.7")), info())}
    (sentence,) = findings(inventory(CLUSTER, details=details, **variables))
    assert "has 1 host: add one, or remove it" in sentence


def test_an_engine_takes_the_others_place() -> None:
    def replaced(**variables: Any) -> list[str]:
        details = {"lb": Host("lb", variables, facts("198.18.0.9"), info(load_balancers=["nginx"]))}
        engines: list[str] = compiled(inventory(CLUSTER, details=details, **variables)).plan("lb")["load_balancer"]["replaces"]
        return engines

    assert replaced() == []
    assert replaced(airflow_load_balancer_engine="haproxy") == ["nginx"]


@pytest.mark.parametrize(("schedulers", "expected"), [(1, 20), (2, 10), (3, 7)])
def test_schedulers_share_the_workers_slots(schedulers: int, expected: int) -> None:
    hosts = {**CLUSTER, "m2": "webserver", **{f"m{number}": MASTER for number in range(1, schedulers + 1)}}
    assert plan("m1", hosts, airflow_size="medium")["settings"]["core"]["parallelism"] == str(expected)


def test_one_host_speaks_for_the_installation() -> None:
    assert [name for name in CLUSTER if plan(name)["is_main"]] == ["m1"]
    assert [name for name in CLUSTER if plan(name)["report"]] == ["m1"]


def test_hosts_give_the_address_that_others_reach_them_by() -> None:
    master = plan("m2")
    assert master["settings"]["core"]["hostname_callable"] == "updraft_address.advertised_address"
    folder, module = master["python_modules"]
    assert folder == {"path": "/opt/airflow/config", "state": "directory", "mode": "0755", "owner": "root", "group": "root"}
    namespace: dict[str, Any] = {}
    exec(module["content"], namespace)
    assert namespace["advertised_address"]() == inventory(CLUSTER).hosts["m2"].facts["default_ipv4"]["address"]


def test_a_single_host_needs_no_address() -> None:
    alone = plan("h1", {"h1": f"{MASTER} metadata_db"})
    assert "hostname_callable" not in alone["settings"]["core"]
    assert alone["python_modules"] == []


def test_only_running_hosts_with_running_partners_wait_for_their_turn() -> None:
    hosts = {"m1": f"{MASTER} metadata_db", "m2": MASTER, "lb": "load_balancer"}
    record = installation(database={"host": "198.18.0.2", "port": 5432, "name": "airflow"})

    def rolled(*running: str) -> list[str]:
        details = {name: Host(name, {}, facts(f"198.18.0.{list(hosts).index(name) + 2}"), info(installation=record)) for name in running}
        topology = compiled(inventory(hosts, details=details))
        return [name for name in hosts if topology.plan(name)["is_rolled"]]

    assert rolled() == []
    assert rolled("m1") == []
    assert rolled("m1", "m2") == ["m1", "m2"]


def test_the_probe_stays_as_long_as_nginx_does() -> None:
    hosts = {"m1": f"{MASTER} metadata_db", "lb": "load_balancer"}

    def leaves(**variables: str) -> list[str]:
        balancer = Host("lb", variables, facts("198.18.0.3"), info(units=["airflow-web-probe.service"]))
        handover = compiled(inventory(hosts, details={"lb": balancer}, **variables)).plan("lb")["handover"]
        return list((handover or {}).get("leave", []))

    assert leaves() == []
    assert leaves(airflow_load_balancer_engine="haproxy") == ["airflow-web-probe.service"]
