# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens on a host between two executors, two brokers, or two places of a daemon."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ._topology_celery import BROKER_PORTS, BROKER_TLS_PORTS, broker_url
from ._topology_connections import connections
from ._topology_model import Draft
from ._topology_pgbouncer import POOL_FILES, POOL_UNIT
from ._topology_rules_versions import moves
from ._topology_tls import AUTHORITY, broker_ssl, ca_bundle, tls_changes
from ._topology_urls import LOOPBACK, parse_broker_url

SCHEDULER_UNIT = "airflow-scheduler.service"
WORKER_UNIT = "airflow-worker"
BROKER_URL = "AIRFLOW__CELERY__BROKER_URL"
DATABASE_URL = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
TLS_SCHEMES = {"rediss": "redis", "amqps": "amqp"}
"""Schemes with TLS, and what they are without."""


def handover_plan(draft: Draft, name: str, planned: Collection[str], server_restarts: bool = False) -> dict[str, Any] | None:
    """Which units stop before the new configuration is written, None where all goes on as it is.

    The scheduler stops first, so that it sends nothing more; then the workers, which end what they run; then what waits in the queues
    is handed back. `planned` are the units that the host keeps. A database server that has to start again is waited for in the same way:
    a task of 2.x that ends meanwhile could not say so.
    """
    present = list((draft.hosts[name].info or {}).get("units") or [])
    old_broker = left_broker(draft)
    changes = executor_changes(draft) or old_broker is not None
    # Daemons that leave with it use it until they have ended.
    leaving = sorted((unit for unit in present if unit not in planned), key=lambda unit: unit == POOL_UNIT)
    pauses = changes or server_restarts or tls_changes(draft)
    stop = [unit for unit in present if unit == SCHEDULER_UNIT and (pauses or unit in leaving)]
    drain = [unit for unit in present if unit.startswith(WORKER_UNIT) and (pauses or unit in leaving)]
    hands_back = old_broker is not None and name == draft.main_host
    if not (stop or drain or leaving or hands_back or changes or tls_changes(draft)):
        return None
    components = {_component(unit) for unit in planned}
    return {
        "stop": stop,
        "drain": drain,
        "leave": leaving,
        "leave_files": list(POOL_FILES) if POOL_UNIT in leaving else [],
        "leave_environments": sorted({_component(unit) for unit in leaving} - components),
        "broker_url": old_broker if hands_back else None,
        "broker_ssl": _old_ssl(draft, old_broker) if hands_back and old_broker else None,
        "database_url": _database_in_use(draft) if hands_back else None,
        "queues": _old_queues(draft) if hands_back else [],
        "changes_executor": changes,
        "pauses": pauses,
    }


def _component(unit: str) -> str:
    """The component of a unit's name, as in `airflow-worker@reports.service`."""
    return unit.removeprefix("airflow-").removesuffix(".service").partition("@")[0].replace("-", "_")


def executor_changes(draft: Draft) -> bool:
    """A move of the data stops everything itself."""
    return draft.installation is not None and not moves(draft) and draft.installation["executor"] != draft.executor


def left_broker(draft: Draft) -> str | None:
    """The address of the broker that the installation has used and does not use any more.

    Where the record of the installation names another executor already, what waited was handed back by the run that wrote the record, which
    was interrupted before the scheduler got its new environment; and the environment in use may have no Celery any more.
    """
    if draft.installation is None or draft.installation["executor"] != "CeleryExecutor":
        return None
    environments = draft.installation.get("environment") or {}
    old = (environments.get("scheduler") or {}).get(BROKER_URL)
    return old if old and not _known(draft, old) & _known(draft, broker_url(draft, draft.main_host or "")) else None


def _database_in_use(draft: Draft) -> str:
    """Where the tasks that wait are written down: what leads to the database that is to be may not be there before the daemons are."""
    environments = (draft.installation or {}).get("environment") or {}
    found = (environments.get("scheduler") or {}).get(DATABASE_URL)
    return str(found or connections(draft, draft.hosts[draft.main_host or ""]).url)


def _known(draft: Draft, url: str) -> set[tuple[str, bool, str, int | None, str]]:
    """The places of a broker; while TLS changes, one on the scheduler's own host has one name.

    With given certificates nobody calls it by its loopback address.
    """
    group = draft.groups["broker"][:1]
    if not tls_changes(draft) or draft.broker is None or not draft.broker.managed or group != [draft.main_host]:
        return _places(url)
    host = draft.hosts[group[0]]
    names = {*LOOPBACK, host.name, host.address, host.default_address}
    return {(kind, many, host.name if place in names else place, port, name) for kind, many, place, port, name in _places(url)}


def _old_ssl(draft: Draft, url: str) -> dict[str, Any] | None:
    """How the broker that is left is verified: TLS does not change in the same run."""
    scheme = url.partition(":")[0]
    if scheme not in TLS_SCHEMES:
        return None
    authority = AUTHORITY if draft.tls else ca_bundle(draft.hosts[draft.main_host or ""])
    return broker_ssl("rabbitmq" if scheme == "amqps" else "redis", authority)


def _places(url: str) -> set[tuple[str, bool, str, int | None, str]]:
    """What makes a broker another one: also that it is a cluster now, or none, whose node has another name and other queues then.

    Its user and password do not, nor does another order of a cluster's nodes or a node that was replaced, nor TLS.
    """
    addresses = parse_broker_url(url)
    scheme = url.partition(":")[0]
    plain = TLS_SCHEMES.get(scheme, scheme)
    return {(plain, len(addresses) > 1, address.host, _plain_port(scheme, address.port), address.name) for address in addresses}


def _plain_port(scheme: str, port: int | None) -> int | None:
    """RabbitMQ's usual port for TLS stands for the one without."""
    usual, plain = BROKER_TLS_PORTS["rabbitmq"], BROKER_PORTS["rabbitmq"]
    return plain if (scheme, port) == ("amqps", usual) else port


def _old_queues(draft: Draft) -> list[str]:
    """Queues that the inventory still names: the module finds those of queued tasks itself."""
    return sorted({queue for workers in draft.workers.values() for worker in workers for queue in worker.queues})
