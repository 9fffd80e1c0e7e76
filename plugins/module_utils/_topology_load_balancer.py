# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load balancer in front of the webservers, and the address at which they are reached."""

from __future__ import annotations

import zlib
from ipaddress import ip_address, ip_network
from typing import Any

from ._topology_model import Draft, Host, LoadBalancer
from ._topology_tls import AUTHORITY, FOLDER, web_tls_host
from ._topology_urls import LOOPBACK, SECURE_WEB_PORT, WEB_PORT, split_web_url, web_url

ENGINES = ("nginx", "haproxy")
WEBSERVER_NAME = "airflow-webserver"
"""What the certificates of all webservers name: both engines verify those behind them by one name, which is no address."""

PROBE_UNIT = "airflow-web-probe.service"
PROBE_PATHS = {2: "/api/v1/version", 3: "/execution/health"}
"""Pages that answer without a login, and without the database: its failure is no reason to take every webserver out.

On 3.x that of the interface for tasks, for a webserver that was just started makes it when the first one asks, which took 3 to 15 s with
3.3.2, and answers nobody meanwhile: so it gets requests only when that is done.
"""


def choose_load_balancer(draft: Draft) -> None:
    """The stage: what stands in front of the webservers, if anything does."""
    hosts = draft.groups["load_balancer"]
    if not hosts:
        return
    shared = draft.values["airflow_load_balancer_address"]
    draft.load_balancer = LoadBalancer(
        engine=draft.values["airflow_load_balancer_engine"],
        address=shared or draft.hosts[hosts[0]].address or hosts[0],
        port=draft.values["airflow_load_balancer_port"] or (SECURE_WEB_PORT if draft.tls else WEB_PORT),
        shared_address=shared or "",
        redirect_port=WEB_PORT if draft.tls else None,
    )


def has_probe(draft: Draft, name: str) -> bool:
    """Whether a host has the probe that nginx needs beside it."""
    return draft.load_balancer is not None and draft.load_balancer.engine == "nginx" and name in draft.groups["load_balancer"]


def front_url(draft: Draft) -> str:
    """Scheme, host and port at which hosts of the installation reach the webservers, without a path."""
    balancer, hosts = draft.load_balancer, draft.placement["webserver"]
    if balancer is not None:
        return web_url(balancer.address, balancer.port, bool(draft.tls))
    address = draft.hosts[hosts[0]].address if hosts else None
    return web_url(address or LOOPBACK[0], draft.port, bool(draft.tls))


def verified_name(draft: Draft) -> str:
    """The name that the webservers' certificates are verified by: of given ones, that of the page."""
    parts = split_web_url(draft.base_url)
    return WEBSERVER_NAME if draft.uses_loopback or parts is None else str(parts.hostname)


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
        "health_url": web_url(web_tls_host(draft, draft.hosts[name], LOOPBACK[0]), balancer.port, bool(draft.tls))
        + path
        + PROBE_PATHS[draft.line],
        # By this one is asked whether it is there, whoever signed what it encrypts with.
        "plain_port": balancer.redirect_port or balancer.port,
        "tls": _tls(draft, balancer),
        "shared_address": balancer.shared_address,
        "interface": shared_interface(draft, name)[0],
        "own_address": shared_interface(draft, name)[1],
        "partners": [shared_interface(draft, other)[1] for other in hosts if other != name],
        "replaces": _replaced(draft, name) if name in hosts else [],
        "router_id": _router_id(balancer.shared_address),
        # The first one has the address as long as it is there.
        "priority": 100 - 10 * hosts.index(name) if name in hosts else None,
    }


def _tls(draft: Draft, balancer: LoadBalancer) -> dict[str, Any] | None:
    """What a load balancer encrypts with, towards people and towards the webservers; None without TLS."""
    if not draft.tls:
        return None
    return {
        "certificate": f"{FOLDER}/load_balancer/server.crt",
        "key": f"{FOLDER}/load_balancer/server.key",
        "authority": AUTHORITY,
        "redirect_port": balancer.redirect_port,
        "webserver_name": verified_name(draft),
    }


def interfaces(host: Host) -> list[dict[str, Any]]:
    """What the facts tell of each interface, each under its own name."""
    return [fact for fact in host.facts.values() if isinstance(fact, dict) and "device" in fact]


def shared_interface(draft: Draft, name: str) -> tuple[str | None, str]:
    """The interface of a load balancer in whose network the shared address is, and its own address there. None where there is none.

    Where the facts do not tell, that of the default route.
    """
    host = draft.hosts[name]
    shared = draft.load_balancer.shared_address if draft.load_balancer is not None else ""
    default = (host.facts.get("default_ipv4") or {}).get("interface"), host.address or name
    if not shared or not interfaces(host):
        return default
    for fact in interfaces(host):
        own = fact.get("ipv4") or {}
        addresses = [(own.get("address"), own.get("netmask"))] if own else []
        addresses += [(each.get("address"), each.get("prefix")) for each in fact.get("ipv6") or [] if each.get("scope") == "global"]
        for address, mask in addresses:
            if address and mask and ip_address(shared) in ip_network(f"{address}/{mask}", strict=False):
                return str(fact["device"]), str(address)
    return None, default[1]


def _replaced(draft: Draft, name: str) -> list[str]:
    """Other engines that were this host's load balancer until now: they want the same port."""
    present = (draft.hosts[name].info or {}).get("load_balancers") or []
    return [engine for engine in present if draft.load_balancer is not None and engine != draft.load_balancer.engine]


def _router_id(address: str) -> int:
    """VRRP's number of the group, 1 to 255, which differs between groups of one network: made of the address, as no two share it."""
    return zlib.crc32(address.encode()) % 255 + 1
