# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates a host has: for whom, in whose name, and where."""

from __future__ import annotations

import os
from typing import Any

from . import _topology_mysql as mysql
from ._topology_daemons import service_user
from ._topology_database import is_cluster, server_host
from ._topology_load_balancer import WEBSERVER_NAME
from ._topology_model import TLS_GIVEN, Draft, Host
from ._topology_patroni import cluster_certificates
from ._topology_tls import AUTHORITY, FOLDER, GIVEN_VARIABLES, SERVER_FOLDERS, WEB_CERTIFICATE
from ._topology_urls import LOOPBACK, alternative_name, split_web_url

SERVER_OWNERS = {"postgresql": "postgres", mysql.ENGINE: "mysql"}
BROKER_OWNERS = {"redis": "", "rabbitmq": "rabbitmq"}
"""Who runs Redis differs by distribution, so its role says it."""


def certificates(draft: Draft, name: str) -> list[dict[str, Any]]:
    """All certificates of a host, each with the component that it is for; without a key it is the authority alone."""
    members = [{**each, "component": "metadata_db", "given": None} for each in cluster_certificates(draft, name)]
    return [*members, *_served(draft, name), *_trusted(draft, name)]


def serves(draft: Draft, name: str) -> bool:
    """Whether a host has to have a certificate, which is the user's to give where nobody else signs one."""
    return bool(_served(draft, name))


def common_names(draft: Draft, host: Host) -> list[str]:
    """Every way to reach a host, and the addresses by which people reach all of them."""
    balancer, parts = draft.load_balancer, split_web_url(draft.base_url)
    found = [
        host.address,
        host.name,
        (host.info or {}).get("hostname"),
        balancer.shared_address if balancer is not None else None,
        parts.hostname if parts else None,
        *LOOPBACK,
    ]
    return list(dict.fromkeys(str(each) for each in found if each))


def _served(draft: Draft, name: str) -> list[dict[str, Any]]:
    if not draft.tls:
        return []
    host, found = draft.hosts[name], []
    database, broker = draft.database, draft.broker
    if database is not None and database.managed and not is_cluster(draft) and host is server_host(draft):
        owner = SERVER_OWNERS[database.engine]
        found.append(_entry(draft, host, "metadata_db", "database", SERVER_FOLDERS[database.engine], owner))
    if broker is not None and broker.managed and name in draft.groups["broker"]:
        # A client that goes on to another node of a cluster looks for the name of the first one.
        further = list(broker.nodes.values())
        found.append(_entry(draft, host, "broker", "broker", f"{FOLDER}/{broker.engine}", BROKER_OWNERS[broker.engine], further))
    if name in draft.groups["load_balancer"]:
        found.append(_entry(draft, host, "load_balancer", "load_balancer", f"{FOLDER}/load_balancer", "root"))
    if name in draft.placement["webserver"] or name in draft.placement["flower"]:
        entry = _entry(draft, host, "airflow", "web", os.path.dirname(WEB_CERTIFICATE), "root", [WEBSERVER_NAME])
        found.append({**entry, "group": service_user(draft)["group"], "mode": "0640"})
    return found


def _entry(
    draft: Draft, host: Host, component: str, name: str, folder: str, owner: str, further: list[str] | None = None
) -> dict[str, Any]:
    names = [*common_names(draft, host), *(further or [])]
    return {
        "component": component,
        "name": name,
        "key": f"{folder}/server.key",
        "certificate": f"{folder}/server.crt",
        "authority": AUTHORITY,
        "owner": owner,
        "group": owner,
        "mode": "0600",
        "common_name": host.name[:64],
        "subject_alt_names": list(dict.fromkeys(alternative_name(each) for each in names)),
        # No client's: etcd lets in who has one of this authority.
        "usages": ["serverAuth"],
        "given": given_files(draft, host) if draft.tls == TLS_GIVEN else None,
    }


def _trusted(draft: Draft, name: str) -> list[dict[str, Any]]:
    """The authority alone, for those who only connect."""
    if not draft.tls or name not in draft.airflow_hosts:
        return []
    given = given_files(draft, draft.hosts[name]) if draft.tls == TLS_GIVEN else None
    return [{"component": "airflow", "name": "trusted", "key": None, "certificate": None, "authority": AUTHORITY, "given": given}]


def given_files(draft: Draft, host: Host) -> dict[str, str | None]:
    """What is in the user's own files on the controller."""
    given = draft.inputs.given_certificates.get(host.name)
    return {part: given.contents.get(variable) if given else None for part, variable in GIVEN_VARIABLES.items()}
