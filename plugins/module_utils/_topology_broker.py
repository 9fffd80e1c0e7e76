# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The broker's part of the plan."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ._topology_celery import broker_is_alone, broker_url, node_name
from ._topology_model import Broker, Draft
from ._topology_sentinel import left_sentinel, redis_node, redis_users
from ._topology_tls import AUTHORITY, FOLDER, broker_authority, broker_ssl

MILLISECONDS = 1000
SALT_BYTES = 4
EVERYWHERE = "0.0.0.0"
MOST_DELIVERIES = 1_000_000
"""RabbitMQ 4 drops a message of a quorum queue that was handed out 20 times, and so a task whose workers are often restarted. 3.10 knows no
word for `without limit`."""

KEEPALIVE = {"idle_seconds": 5, "interval_seconds": 3, "probes": 3}
"""When RabbitMQ gives up a client whose host is gone without a word, and hands its messages to others: after 14 seconds without an answer
of the host's kernel. That answers for a worker that is frozen or busy, too, so such a one keeps what it has, as long as AMQP's heartbeats
allow.
"""


def broker_plan(draft: Draft, name: str) -> dict[str, Any] | None:
    """What is to be true of the broker, None without one."""
    broker = draft.broker
    if broker is None:
        return None
    group = draft.groups["broker"]
    return {
        "engine": broker.engine,
        "managed": broker.managed,
        "is_cluster": broker.is_cluster,
        "host": broker.host,
        "port": broker.port,
        "vhost": broker.vhost,
        "user": broker.user,
        "password": broker.password,
        "url": broker_url(draft, name),
        "ssl": _client_ssl(draft, broker, name),
        "tls": _server_tls(broker) if broker.managed and broker.tls else None,
        "on_this_host": name in group,
        "is_used_here": name in draft.celery_hosts,
        "is_new_here": not any(server["own"] for server in _servers(draft, name, broker.engine)),
        "listen_addresses": _listen_addresses(draft, name if name in group else group[0]) if broker.managed and group else [],
        "redis_users": redis_users(broker) if broker.engine == "redis" else [],
        "node": _node(draft, broker, name) if name in group else None,
        "leaves_sentinel": left_sentinel(draft, name),
        "definitions": _rabbitmq_definitions(broker) if broker.engine == "rabbitmq" else {},
        "management": draft.values["airflow_broker_management"],
        "keepalive": _keepalive(),
        "consumer_timeout_ms": draft.values["airflow_longest_task_seconds"] * MILLISECONDS,
    }


def _keepalive() -> dict[str, int]:
    """The options of a connection. What was sent and is not taken is waited for as long as an answer, and not a quarter of an hour."""
    silence = KEEPALIVE["idle_seconds"] + KEEPALIVE["interval_seconds"] * KEEPALIVE["probes"]
    return {**KEEPALIVE, "user_timeout_ms": silence * MILLISECONDS}


def _client_ssl(draft: Draft, broker: Broker, name: str) -> dict[str, Any] | None:
    authority = broker_authority(draft, draft.hosts[name])
    return broker_ssl(broker.engine, authority) if authority else None


def _server_tls(broker: Broker) -> dict[str, str]:
    """The files that the server reads."""
    folder = f"{FOLDER}/{broker.engine}"
    return {"authority": AUTHORITY, "certificate": f"{folder}/server.crt", "key": f"{folder}/server.key"}


def _servers(draft: Draft, name: str, engine: str) -> list[dict[str, Any]]:
    found = (draft.hosts[name].info or {}).get("brokers") or []
    return [server for server in found if server["engine"] == engine]


def own_nodes(draft: Draft, name: str) -> list[dict[str, Any]]:
    """What a host has of this collection's RabbitMQ."""
    return [server for server in _servers(draft, name, "rabbitmq") if server["own"]]


def present_node(draft: Draft, name: str) -> str:
    """The name that was given to this collection's node on a host, empty where it has none."""
    return next((str(server.get("node") or "") for server in own_nodes(draft, name)), "")


def _listen_addresses(draft: Draft, server: str) -> list[str]:
    if broker_is_alone(draft):
        return ["127.0.0.1"]
    host = draft.hosts[server]
    # An advertised address may be another host's that forwards to this one: only the own one can be listened on.
    return ["127.0.0.1", str(host.address)] if host.address == host.default_address else [EVERYWHERE]


def _node(draft: Draft, broker: Broker, name: str) -> dict[str, Any] | None:
    if broker.engine == "rabbitmq":
        return _rabbitmq_node(draft, broker, name)
    return redis_node(draft, broker, name) if broker.has_sentinels else None


def changes_rabbitmq_nodes(draft: Draft) -> bool:
    """Whether a cluster of RabbitMQ would get or lose a node: the others have to be told."""
    broker = draft.broker
    if broker is None or not broker.managed or not broker.is_cluster or broker.engine != "rabbitmq":
        return False
    nodes = [_rabbitmq_node(draft, broker, name) for name in broker.nodes]
    return any(node["joins"] or node["gone"] for node in nodes)


def _rabbitmq_node(draft: Draft, broker: Broker, name: str) -> dict[str, Any]:
    """A host's node of RabbitMQ, and the others of its cluster.

    In a cluster it is called by its address, so that no name has to be resolved. What a node holds is in a folder of its name: with another
    one it starts empty, and finds what it held when it gets the old name back.
    """
    wanted = node_name(broker.nodes[name]) if broker.is_cluster else ""
    cluster = {host: node_name(address) for host, address in broker.nodes.items()}
    kept = [host for host in cluster if present_node(draft, host) == cluster[host]]
    joining = [host for host in cluster if kept and host not in kept]
    known = {node for host in kept for server in own_nodes(draft, host) for node in server.get("nodes") or ()}
    gone = sorted(known - set(cluster.values()))
    addresses = _listen_addresses(draft, name) if broker.is_cluster else ["127.0.0.1"]
    return {
        "name": wanted,
        "cookie": broker.cookie,
        # The package starts a node of the host's name.
        "is_renamed": present_node(draft, name) != wanted,
        "cluster": cluster,
        # Those that are new have their copy of each queue before one of the others has to do without it.
        "turns": [*joining, *(host for host in cluster if host not in joining)],
        "joins": name in joining,
        "gone": gone,
        # Who the nodes were is forgotten last, so that a run that was cut off is made up for.
        "writes_nodes_last": bool(gone) and name in kept,
        "asked": next((host for host in kept if gone and not draft.hosts[host].is_assumed), None),
        # Erlang's port mapper answers its own host on the first one; nodes and commands reach each other on the last one.
        "erlang_addresses": [] if EVERYWHERE in addresses else addresses,
    }


def _rabbitmq_definitions(broker: Broker) -> dict[str, Any]:
    """What RabbitMQ reads at its start: the virtual host, and the user with all rights there and none elsewhere."""
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "vhosts": [{"name": broker.vhost, **({"metadata": {"default_queue_type": "quorum"}} if broker.is_cluster else {})}],
        "users": [
            {
                "name": broker.user,
                "password_hash": _rabbitmq_digest(broker.user, broker.password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            }
        ],
        "permissions": [{"user": broker.user, "vhost": broker.vhost, **everything}],
        **({"policies": [_policy(broker)]} if broker.is_cluster else {}),
    }


def _policy(broker: Broker) -> dict[str, Any]:
    definition = {"delivery-limit": MOST_DELIVERIES}
    return {"vhost": broker.vhost, "name": "airflow", "pattern": ".*", "apply-to": "queues", "priority": 0, "definition": definition}


def _rabbitmq_digest(user: str, password: str) -> str:
    """RabbitMQ's form: four bytes of salt, and the digest of salt and password, in base64.

    The salt follows from both, so that the same password gives the same file.
    """
    salt = hashlib.sha256(f"{user}:{password}".encode()).digest()[:SALT_BYTES]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
