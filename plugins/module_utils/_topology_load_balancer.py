# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load balancer in front of the webservers, and the address at which they are reached."""

from __future__ import annotations

import zlib
from typing import Any

from ._topology_model import Draft, LoadBalancer
from ._topology_urls import LOOPBACK, WEB_PORT, web_url

ENGINES = ("nginx", "haproxy")
PROBE_UNIT = "airflow-web-probe.service"
PROBE_PATHS = {2: "/health", 3: "/api/v2/version"}
"""Pages that answer without a login, and without the database: its failure is no reason to take every webserver out."""


def choose_load_balancer(draft: Draft) -> None:
    """The stage: what stands in front of the webservers, if anything does."""
    hosts = draft.groups["load_balancer"]
    if not hosts:
        return
    shared = draft.values["airflow_load_balancer_address"]
    draft.load_balancer = LoadBalancer(
        engine=draft.values["airflow_load_balancer_engine"],
        address=shared or draft.hosts[hosts[0]].address or hosts[0],
        port=draft.values["airflow_load_balancer_port"] or WEB_PORT,
        shared_address=shared or "",
    )


def has_probe(draft: Draft, name: str) -> bool:
    """Whether a host has the probe that nginx needs beside it."""
    return draft.load_balancer is not None and draft.load_balancer.engine == "nginx" and name in draft.groups["load_balancer"]


def front_url(draft: Draft) -> str:
    """Scheme, host and port at which hosts of the installation reach the webservers, without a path."""
    balancer, hosts = draft.load_balancer, draft.placement["webserver"]
    if balancer is not None:
        return web_url(balancer.address, balancer.port)
    address = draft.hosts[hosts[0]].address if hosts else None
    return web_url(address or LOOPBACK[0], draft.port)


def proxy_addresses(draft: Draft) -> list[str]:
    """The addresses that requests come from which somebody else sent."""
    return [draft.hosts[name].address or name for name in draft.groups["load_balancer"]]


def load_balancer_plan(draft: Draft, name: str, path: str) -> dict[str, Any] | None:
    """What a load balancer is to do; `path` is the one under which the web page is served. None where there is none.

    Hosts with a webserver get it too: who is to be taken out is said to the load balancers from there.
    """
    balancer, hosts = draft.load_balancer, draft.groups["load_balancer"]
    if balancer is None:
        return None
    return {
        "engine": balancer.engine,
        "on_this_host": name in hosts,
        "hosts": hosts,
        "port": balancer.port,
        "servers": [
            {"name": server, "address": draft.hosts[server].address or server, "port": draft.port}
            for server in draft.placement["webserver"]
        ],
        "probe_path": path + PROBE_PATHS[draft.line],
        "shared_address": balancer.shared_address,
        "interface": (draft.hosts[name].facts.get("default_ipv4") or {}).get("interface"),
        "own_address": draft.hosts[name].address or name,
        "partners": [draft.hosts[other].address or other for other in hosts if other != name],
        "router_id": _router_id(balancer.shared_address),
        # The first one has the address as long as it is there.
        "priority": 100 - 10 * hosts.index(name) if name in hosts else None,
    }


def _router_id(address: str) -> int:
    """VRRP's number of the group, 1 to 255, which differs between groups of one network: made of the address, as no two share it."""
    return zlib.crc32(address.encode()) % 255 + 1
