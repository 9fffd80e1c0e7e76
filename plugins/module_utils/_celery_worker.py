# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a Celery worker about itself, over the broker. Needs the package celery, and starts no Airflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._broker_options import transport_options

ANSWER_SECONDS = 5.0


class WorkerError(Exception):
    """The worker does not answer, or serves something else; the text is for the user, and holds no secret."""


def queues_of(broker_url: str, node: str, broker_ssl: Mapping[str, Any] | None = None) -> set[str]:
    """The queues that a worker consumes from; `broker_ssl` is Celery's `broker_use_ssl`. Raises WorkerError when it does not answer."""
    try:
        from celery import Celery
    except ImportError:
        raise WorkerError("this Python has no package celery, with which a worker is asked") from None
    # A connection that is refused is told at once: whoever waits asks again. Of a cluster each node is asked once.
    nodes = broker_url.count(";") + 1
    app = Celery(broker=broker_url, set_as_current=False)
    options = {**transport_options(broker_url), "socket_timeout": ANSWER_SECONDS, "max_retries": 1}
    app.conf.update(
        broker_connection_timeout=ANSWER_SECONDS,
        broker_transport_options=options,
        broker_use_ssl=dict(broker_ssl) if broker_ssl else False,
    )
    try:
        with closing(app.connection_for_write()) as connection:
            connection.ensure_connection(max_retries=nodes, timeout=nodes * ANSWER_SECONDS)
            found = app.control.inspect(destination=[node], timeout=ANSWER_SECONDS, connection=connection).active_queues()
    except Exception as error:
        # The text of an error may quote the address, password and all.
        raise WorkerError(f"the broker cannot be asked ({type(error).__name__})") from None
    if not found or node not in found:
        raise WorkerError(f"{node} does not answer over the broker")
    return {str(queue["name"]) for queue in _entries(found[node])}


def _entries(answer: Any) -> Iterable[Any]:
    return answer if isinstance(answer, list) else []


def worker_problem(broker_url: str, node: str, queues: Iterable[str], broker_ssl: Mapping[str, Any] | None = None) -> str | None:
    """Why a worker is not as it should be, None when it is."""
    try:
        served = queues_of(broker_url, node, broker_ssl)
    except WorkerError as error:
        return str(error)
    wanted = set(queues)
    if served != wanted:
        return f"{node} serves the queues {', '.join(sorted(served)) or 'none'} and should serve {', '.join(sorted(wanted))}"
    return None
