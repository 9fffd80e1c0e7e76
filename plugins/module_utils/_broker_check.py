# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a broker that somebody else looks after can hold Celery's queues. Runs where kombu is installed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

CONNECT_SECONDS = 10
KEPT = "noeviction"


class BrokerError(Exception):
    """A broker that cannot be used; its text says why, without a password."""


def check_broker(url: str, name: str, ssl: Mapping[str, Any] | None = None) -> list[str]:
    """Connect to a broker as Airflow would, and make and remove a queue there. `name` is its place for messages, `ssl` Celery's
    `broker_use_ssl`.

    Returns warnings. Raises BrokerError.
    """
    from kombu import Connection, Queue

    with Connection(url, connect_timeout=CONNECT_SECONDS, ssl=dict(ssl) if ssl else False) as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
        except Exception as error:  # kombu raises what each transport's driver does
            raise BrokerError(f"The broker at {name} cannot be used: {without_secret(str(error), connection.password)}") from None
        warnings = _ask_redis(connection.default_channel.client, name) if connection.transport_cls == "redis" else []
        try:
            # On the exchange that every broker has, so that nothing is left.
            queue = Queue(f"airflow-check-{uuid.uuid4()}", durable=False, exclusive=True, auto_delete=True)(connection.default_channel)
            queue.declare()
            queue.delete()
        except Exception as error:
            told = without_secret(str(error), connection.password)
            raise BrokerError(f"The broker at {name} does not let its user make a queue: {told}") from None
    return warnings


def _ask_redis(client: Any, name: str) -> list[str]:
    try:
        info = client.info()
    except Exception:  # an access list may deny it, and Celery needs it not
        return [f"The Redis at {name} does not tell its user about itself (INFO), so nothing is known of its settings."]
    return judge_redis(info, name)


def without_secret(text: str, secret: str | None) -> str:
    """A driver's message in one line, without the password."""
    line = " ".join(text.split()).rstrip(".") or "no answer"
    return line.replace(secret, "***") if secret else line


def judge_redis(info: Mapping[str, Any], name: str) -> list[str]:
    """What a Redis says of itself. Raises BrokerError for what Celery cannot work with; returns warnings."""
    if info.get("redis_mode") == "cluster":
        raise BrokerError(
            f"The Redis at {name} is a Redis Cluster, over whose nodes Celery's transactions cannot reach: use a single one, or RabbitMQ"
        )
    if info.get("role") in ("slave", "replica"):
        raise BrokerError(f"The Redis at {name} is a replica, which takes no tasks: name its master")
    warnings = []
    policy = info.get("maxmemory_policy", KEPT)
    if policy != KEPT and info.get("maxmemory"):
        warnings.append(f"The Redis at {name} throws keys away when its memory is full ({policy}), tasks too: set maxmemory-policy {KEPT}.")
    if not info.get("aof_enabled"):
        warnings.append(f"The Redis at {name} writes no log of its changes: tasks that wait are lost when it ends; set appendonly yes.")
    return warnings
