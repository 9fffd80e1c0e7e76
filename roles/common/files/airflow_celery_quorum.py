# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by Ansible (updraft.airflow): changes made here are overwritten.
"""How a worker reads the quorum queues of a RabbitMQ cluster."""

from __future__ import annotations

from typing import Any, ClassVar

from celery.worker.consumer import Consumer


class QuorumConsumer(Consumer):  # type: ignore[misc]
    """Celery's own, made to leave a node that is lost or frozen within seconds."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """Its parts.

        Airflow sends no task for later. For such ones Celery would make 28 queues with three copies each, and would look for them on one
        node after the other whenever the worker connects, a lost one too, before it takes up its work.
        """

        default_steps: ClassVar[list[str]] = [step for step in Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")]

    def connection_for_write(self, url: str | None = None, heartbeat: int | None = None) -> Any:
        """The connection on which a worker tells that it is there.

        That may be lost. Without an end it would wait for a frozen node to confirm it, and would not see meanwhile that the node is frozen.
        """
        told_only = {"confirm_publish": False}
        return self.ensure_connected(self.app.connection_for_write(url=url, heartbeat=heartbeat, transport_options=told_only))

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Drop the second connection too: it went to the same node, which would be asked to close it."""
        super().on_connection_error_after_connected(exc)
        if self.event_dispatcher is not None and self.event_dispatcher.connection is not None:
            self.event_dispatcher.connection.collect()
