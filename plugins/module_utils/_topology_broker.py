# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The broker's part of the plan."""

from __future__ import annotations

import hashlib
from typing import Any

from ._topology_celery import broker_is_alone, broker_url
from ._topology_model import Broker, Draft

MILLISECONDS = 1000


def broker_plan(draft: Draft, name: str) -> dict[str, Any] | None:
    """What is to be true of the broker, None without one."""
    broker = draft.broker
    if broker is None:
        return None
    group = draft.groups["broker"]
    return {
        "engine": broker.engine,
        "managed": broker.managed,
        "host": broker.host,
        "port": broker.port,
        "vhost": broker.vhost,
        "user": broker.user,
        "password": broker.password,
        "url": broker_url(draft),
        "on_this_host": name in group,
        "listen_addresses": _listen_addresses(draft, group[0]) if broker.managed and group else [],
        "redis_users": _redis_users(broker) if broker.engine == "redis" else [],
        "consumer_timeout_ms": draft.values["airflow_longest_task_seconds"] * MILLISECONDS,
    }


def _listen_addresses(draft: Draft, server: str) -> list[str]:
    if broker_is_alone(draft):
        return ["127.0.0.1"]
    host = draft.hosts[server]
    # An advertised address may be another host's that forwards to this one: only the own one can be listened on.
    return ["127.0.0.1", str(host.address)] if host.address == host.default_address else ["0.0.0.0"]


def _redis_users(broker: Broker) -> list[str]:
    """Lines of Redis's access list: one user that may use the queues, with its password's digest in place of the password."""
    digest = hashlib.sha256(broker.password.encode()).hexdigest()
    rights = "~* &* +@all -@admin -@dangerous +info +keys +config|get"
    if not broker.user:
        return [f"user default on #{digest} {rights}"]
    return [f"user {broker.user} on #{digest} {rights}", "user default off"]
