# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by Ansible (updraft.airflow): changes made here are overwritten.
"""How Celery uses a Redis that sentinels look after, so that whoever sends, works or watches follows to another master within seconds."""

from __future__ import annotations

import socket
import time
from typing import Any, ClassVar

from celery.backends.redis import SentinelBackend
from kombu import transport
from kombu.transport.redis import SentinelChannel, SentinelTransport
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, ReadOnlyError, ResponseError
from redis.retry import Retry
from redis.sentinel import SentinelManagedConnection

NO_MASTER = ("NOREPLICAS", "UNBLOCKED", "MASTERDOWN", "READONLY")
"""What a server answers that is no master any more, or that has no replica yet."""

PAUSE_SECONDS = 0.2
"""Celery tries at once again where it can connect, and would have used up its tries before a replica follows."""

REPLICAS = 1
REPLICA_MILLISECONDS = 2000
"""How many replicas have to have a task, and how long that may take."""


class Connection(SentinelManagedConnection):  # type: ignore[misc]
    """A connection to the master. What says that the server is none is an error of the connection: who has one, asks the sentinels anew."""

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """The server's answer."""
        try:
            return super().read_response(*arguments, **options)
        except ResponseError as error:
            if isinstance(error, (MasterDownError, ReadOnlyError)) or str(error).startswith(NO_MASTER):
                self.disconnect()
                time.sleep(PAUSE_SECONDS)
                raise RedisConnectionError(f"This server cannot be written to now: {error}") from error
            raise


def ask_each_once(sentinels: Any) -> None:
    """The next sentinel is asked at once: by itself, redis-py asks one that is gone three times more, with seconds in between."""
    for client in sentinels.sentinels:
        client.set_retry(Retry(NoBackoff(), 0))


class Channel(SentinelChannel):  # type: ignore[misc]
    """Celery's own, which sees that a server is gone, and sends no task that would be gone with it."""

    connection_class = Connection
    socket_keepalive = True
    socket_keepalive_options: ClassVar[dict[int, int]] = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 2, socket.TCP_KEEPCNT: 3}

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            # A task ended, and its worker goes to another server meanwhile. Without a word for it, the worker would end.
            raise RedisConnectionError("This channel was closed")
        return super()._connparams(asynchronous)

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        pool = super()._sentinel_managed_pool(asynchronous)
        ask_each_once(pool.sentinel_manager)
        return pool

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        super()._put(queue, message, **options)
        with self.conn_or_acquire() as client:
            if client.execute_command("WAIT", REPLICAS, REPLICA_MILLISECONDS) < REPLICAS:
                raise RedisConnectionError("No replica has the task: it would be lost with the master")


class Transport(SentinelTransport):  # type: ignore[misc]
    """The way to the queues."""

    Channel = Channel


# Under the name of the scheme too: from one sentinel to the next, kombu looks the class up by that.
transport.TRANSPORT_ALIASES["sentinel"] = f"{__name__}:Transport"


class Backend(SentinelBackend):  # type: ignore[misc]
    """The place of the results."""

    def _params_from_url(self, url: str, defaults: dict[str, Any]) -> dict[str, Any]:
        return {**super()._params_from_url(url, defaults), "connection_class": Connection}

    def _get_sentinel_instance(self, **parameters: Any) -> Any:
        sentinels = super()._get_sentinel_instance(**parameters)
        ask_each_once(sentinels)
        return sentinels
