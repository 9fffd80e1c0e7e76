# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis on three hosts: a master and two replicas, and on each host a sentinel. Who is the master only the sentinels know."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from ._broker_options import MASTER_NAME
from ._topology_celery import SENTINEL_PORT
from ._topology_model import Broker, Draft

SECRET_NAMES = ("broker_replication_password", "broker_sentinel_password")
SENTINEL_UNITS = ("redis-sentinel.service", "valkey-sentinel.service")
REPLICATION_USER = "replication"
SENTINEL_USER = "sentinel"

DOWN_AFTER_MS = 8000
QUORUM = 2
FAILOVER_TIMEOUT_MS = 10000
"""After this time a failover that came to nothing is begun anew, and twice this time lies between two."""

MOST_LAG_SECONDS = 4
"""A master that has heard from no replica for so long takes nothing more. It counts whole seconds and looks once a second, so that it stops
up to LAG_BLUR_SECONDS later, and the sentinels may begin up to PING_SECONDS earlier than they say: one that is cut off has stopped when
another one takes its place."""
LAG_BLUR_SECONDS = 2
PING_SECONDS = 1

RIGHTS = "~* &* +@all -@admin -@dangerous +info +keys +config|get"
REPLICATION_RIGHTS = "resetchannels -@all +psync +replconf +ping"
SENTINEL_RIGHTS = (
    "resetchannels &* -@all +auth +hello +multi +exec +slaveof +ping +subscribe +publish +info +role +wait +config|rewrite "
    "+client|setname +client|kill +client|pause +client|unpause +script|kill"
)
"""What Redis's documentation names for sentinels, and what it takes to hand a master's part over without a loss."""

ASKING_RIGHTS = (
    "resetchannels -@all +auth +hello +ping +client|setname +sentinel|masters +sentinel|master +sentinel|get-master-addr-by-name "
    "+sentinel|sentinels +sentinel|replicas +sentinel|slaves"
)
"""At a sentinel Airflow's user may only ask."""


def redis_users(broker: Broker) -> list[str]:
    """Lines of Redis's access list: one user that may use the queues, with its password's digest in place of the password."""
    lines = _airflow(broker, RIGHTS)
    if not broker.has_sentinels:
        return lines
    return [
        *lines,
        f"user {REPLICATION_USER} on {_digest(broker.replication_password)} {REPLICATION_RIGHTS}",
        f"user {SENTINEL_USER} on {_digest(broker.sentinel_password)} {SENTINEL_RIGHTS}",
    ]


def sentinel_users(broker: Broker) -> list[str]:
    """Lines of a sentinel's access list."""
    return [*_airflow(broker, ASKING_RIGHTS), f"user {SENTINEL_USER} on {_digest(broker.sentinel_password)} &* +@all"]


def _airflow(broker: Broker, rights: str) -> list[str]:
    if not broker.user:
        return [f"user default on {_digest(broker.password)} {rights}"]
    return [f"user {broker.user} on {_digest(broker.password)} {rights}", "user default off"]


def _digest(password: str) -> str:
    return f"#{hashlib.sha256(password.encode()).hexdigest()}"


def redis_node(draft: Draft, broker: Broker, name: str) -> dict[str, Any]:
    """A host's server with its sentinel, and the others."""
    own = {host: own_redis(draft, host) for host in broker.nodes}
    return {
        "place": {
            **sentinel_place(broker, name),
            "others": [address for host, address in broker.nodes.items() if host != name],
            "user": SENTINEL_USER,
            "password": broker.sentinel_password,
        },
        "cluster": dict(broker.nodes),
        "first_master": _first_master(broker, own),
        # A server that is there already gets its settings when the tasks that wait in it were handed back: until then there is no cluster.
        "is_complete_at_once": all(server is None or bool(server["master"]) for server in own.values()),
        "sentinel_users": sentinel_users(broker),
        "replication_user": REPLICATION_USER,
        "replication_password": broker.replication_password,
        "quorum": QUORUM,
        "down_after_ms": DOWN_AFTER_MS,
        "failover_timeout_ms": FAILOVER_TIMEOUT_MS,
        "most_lag_seconds": MOST_LAG_SECONDS,
    }


def sentinel_place(broker: Broker, name: str) -> dict[str, Any]:
    """Where a host's server and its sentinel are reached."""
    return {"address": broker.nodes[name], "port": broker.port, "sentinel_port": SENTINEL_PORT, "master_name": MASTER_NAME}


def _first_master(broker: Broker, own: Mapping[str, Mapping[str, Any] | None]) -> str:
    """Who is the master where no sentinel answers: the one that they knew last. A single server that grows keeps what it holds.

    A host without a server of ours is it only where no other one has any: it would begin empty.
    """
    serving = [broker.nodes[host] for host, server in own.items() if server]
    known = [server for server in own.values() if server and server["master"] in serving]
    if known:
        return str(max(known, key=lambda server: server["epoch"])["master"])
    return (serving or list(broker.nodes.values()))[0]


def changes_nodes(draft: Draft) -> bool:
    """Whether a host of the three has no place among them yet: the others have to know it, and to forget who was there before."""
    broker = draft.broker
    if broker is None or not broker.managed or not broker.has_sentinels:
        return False
    found = [own_redis(draft, name) or {} for name in broker.nodes]
    return any(not server.get("master") for server in found)


def servers_keep_their_place(draft: Draft) -> Iterator[str]:
    """Refuse another port or address: servers and sentinels wrote them into files of their own, and each other's."""
    broker = draft.broker
    if broker is None or not broker.managed or not broker.has_sentinels:
        return
    for name, address in broker.nodes.items():
        found = own_redis(draft, name) or {}
        if not found.get("master"):
            continue
        if found.get("port") not in (None, broker.port):
            yield (
                f"airflow_broker_port is {broker.port}, and Redis's sentinel on {name} knows the servers at port {found['port']}, which "
                "they cannot change while they run: set it back."
            )
        if found.get("address") not in (None, address):
            yield (
                f"{name} was {found['address']} among Redis's servers, and would be {address}, which none of them knows: give it its old "
                "airflow_advertised_address, or put an empty host into its place."
            )


def left_sentinel(draft: Draft, name: str) -> bool:
    """Whether a host has a sentinel of a cluster that it is no part of any more."""
    broker = draft.broker
    return bool(broker and not broker.has_sentinels and (own_redis(draft, name) or {}).get("master"))


def own_redis(draft: Draft, name: str) -> dict[str, Any] | None:
    """What a host has of this collection's Redis."""
    found = (draft.hosts[name].info or {}).get("brokers") or []
    return next((server for server in found if server["engine"] == "redis" and server["own"]), None)
