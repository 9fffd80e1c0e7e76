# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer between the daemons of a host and the metadata database: who uses it, for what, and how many connections it shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import _topology_sizing as sizing
from ._topology_celery import most_tasks
from ._topology_database import DATABASE_UNITS, is_cluster, is_patroni, is_pooled
from ._topology_model import CONTROL_DAEMONS, Database, Draft, Results
from ._topology_patroni import PROXY_UNIT
from ._topology_patroni import UNITS as CLUSTER_UNITS
from ._topology_stages import number_setting
from ._topology_urls import LOOPBACK

POOL_UNIT = "airflow-database-pool.service"
POOL_FILES = ("database-pool.ini", "database-pool-users.txt")
"""Its settings, and the accounts with their passwords."""

ARGUMENTS_MODULE = "airflow_pgbouncer"
"""A Python module of AIRFLOW_HOME/config: what the asynchronous driver is told."""

ASYNC_ARGUMENTS = 'connect_args = {"prepare_threshold": None}\n'
"""psycopg prepares a statement on the server when it comes the fifth time, and the sixth may get to another one. No URL can say None."""

DRIVER_OPTIONS = (
    "application_name",
    "connect_timeout",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "tcp_user_timeout",
)
"""Options of an address that was taken over which PgBouncer has its own words for, or hands on."""
HANDED_ON = ("application_name",)

RESULT_READERS = 16
"""Processes of a scheduler that look for results; Airflow starts one less than there are cores."""

FEWEST_CLIENTS = 100


def has_pool(draft: Draft, name: str) -> bool:
    """Whether the daemons of a host reach a database by PgBouncer."""
    return is_pooled(draft) and bool(_used(draft, name))


def leaves_pool(draft: Draft, name: str) -> bool:
    """Whether a host has a PgBouncer that none of its daemons uses any more, once they have started again."""
    present = (draft.hosts[name].info or {}).get("units") or []
    return POOL_UNIT in present and name in draft.airflow_hosts and not has_pool(draft, name)


def _used(draft: Draft, name: str) -> list[Database | Results]:
    """The databases that daemons of a host open. A worker of 3.x gets nothing of the metadata, not here either."""
    controls = any(name in draft.placement[daemon] for daemon in CONTROL_DAEMONS)
    works = name in draft.workers
    found: list[Database | Results] = []
    if draft.database is not None and (controls or (works and draft.line < 3)):
        found.append(draft.database)
    if draft.results is not None and (works or name in draft.placement["scheduler"]):
        found.append(draft.results)
    return found


def pool_plan(draft: Draft, name: str, ssl_root_cert: str | None) -> dict[str, Any] | None:
    """What PgBouncer is to be on a host, None where there is none."""
    database = draft.database
    if database is None or not has_pool(draft, name):
        return None
    clients = {kept.name: _clients(draft, name, kept) for kept in _used(draft, name)}
    here = database.managed and name in draft.groups["metadata_db"]
    return {
        "unit": POOL_UNIT,
        "address": LOOPBACK[0],
        "port": draft.values["airflow_metadata_db_pgbouncer_port"],
        "server": {"host": database.host, "port": database.port, "ssl_mode": database.ssl_mode, "ssl_root_cert": ssl_root_cert},
        "databases": [{"name": kept.name, **sizing.pooled(clients[kept.name])} for kept in _used(draft, name)],
        "users": "".join(f"{_quoted(kept.user)} {_quoted(kept.password)}\n" for kept in _used(draft, name)),
        # Whoever connects costs it two kilobytes; one daemon's old connections may still be there when its next ones come.
        "clients": max(FEWEST_CLIENTS, sizing.CONNECTION_HEADROOM * sum(clients.values())),
        "after": [
            *((CLUSTER_UNITS if is_patroni(draft) else DATABASE_UNITS[database.engine]) if here else ()),
            *([PROXY_UNIT] if is_cluster(draft) else []),
        ],
    }


def _quoted(text: str) -> str:
    """A word of PgBouncer's file of users, in which nothing but the quote is special."""
    return '"' + text.replace('"', '""') + '"'


def _clients(draft: Draft, name: str, kept: Database | Results) -> int:
    """How many connections the daemons of a host may open to a database."""
    tasks = sum(most_tasks(worker) for worker in draft.workers.get(name, []))
    schedules = name in draft.placement["scheduler"]
    if isinstance(kept, Results):
        return tasks + (RESULT_READERS if schedules else 0)
    daemons = {daemon: 1 for daemon in CONTROL_DAEMONS if name in draft.placement[daemon]}
    return engine_connections(draft, daemons) + (2 * tasks if draft.line < 3 else 0)


def engine_connections(draft: Draft, daemons: dict[str, int]) -> int:
    """How many connections to the metadata these daemons may open, a LocalExecutor's tasks among them; without Celery's workers."""
    pool = number_setting(draft.settings, "database", "sql_alchemy_pool_size", 5)
    pool += number_setting(draft.settings, "database", "sql_alchemy_max_overflow", 10)
    section = "webserver" if draft.line < 3 else "api"
    workers = number_setting(draft.settings, section, "workers", 4 if draft.line < 3 else 1)
    parsers = number_setting(draft.settings, "scheduler", "parsing_processes", 2)
    local_slots = 0 if draft.uses_celery else draft.slots
    return sizing.needed_connections(draft.line, daemons, pool, local_slots, workers, parsers)


def pooled_connections(draft: Draft, worker_growth: int) -> int:
    """How many connections all PgBouncers may open to the server, those of hosts with workers that are yet to come among them."""
    return sum(_server_connections(draft, worker_growth))


def _server_connections(draft: Draft, worker_growth: int) -> Iterator[int]:
    for name in draft.airflow_hosts:
        for kept in _used(draft, name):
            yield sizing.most_pooled(_clients(draft, name, kept))
        tasks = sum(most_tasks(worker) for worker in draft.workers.get(name, []))
        if tasks:
            further = ([2 * tasks] if draft.line < 3 else []) + ([tasks] if draft.results is not None else [])
            yield (worker_growth - 1) * sum(sizing.most_pooled(clients) for clients in further)
