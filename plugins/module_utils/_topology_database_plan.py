# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a plan about the metadata database and its server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _topology_mysql as mysql
from . import _topology_sizing as sizing
from . import _topology_versions as versions
from ._topology_celery import most_tasks
from ._topology_connections import connections, ssl_root_cert
from ._topology_database import (
    CLUSTER_ENGINE,
    candidate_clusters,
    has_data,
    is_alone,
    is_cluster,
    is_pair,
    is_patroni,
    is_pooled,
    present_settings,
    server_host,
)
from ._topology_model import Database, Draft, Host
from ._topology_mysql_pair import pair_plan, pair_settings
from ._topology_patroni import cluster_admission, cluster_plan, listen_address, network, proxy_plan
from ._topology_pgbouncer import RESULT_READERS, engine_connections, leaves_pool, pool_plan, pooled_connections
from ._topology_rules_versions import move_host, moves
from ._topology_tls import AUTHORITY, SERVER_FOLDERS

WORKER_GROWTH = 2
"""Workers are added while everything runs, and another number of connections takes a restart of the server: it is for twice as many."""

SOCKETS = "/var/run/postgresql"
SUPERUSER = "postgres"

PLAIN_RULES = {"host": "scram-sha-256"}
TLS_RULES = {"hostssl": "scram-sha-256", "hostnossl": "reject"}
"""Kinds of rules with their methods. A distribution's own rule lets everybody in from the loopback address who has a password."""


def database_plan(draft: Draft, name: str) -> dict[str, Any] | None:
    """How a host reaches the database, and what its server is to be; None on SQLite."""
    database = draft.database
    if database is None:
        return None
    found = connections(draft, draft.hosts[name])
    limit = _max_connections(draft)
    server = server_host(draft) if database.managed else None
    made = _server(draft, database, server, limit, draft.hosts[name]) if server else NO_SERVER
    return {
        "engine": database.engine,
        "managed": database.managed,
        "host": database.host,
        "port": database.port,
        "server_port": database.server_port or database.port,
        "name": database.name,
        "user": database.user,
        "password": database.password,
        "ssl_mode": database.ssl_mode,
        "ssl_root_cert": ssl_root_cert(draft, draft.hosts[name]),
        "url": found.url,
        "async_url": found.async_url if draft.line >= 3 else None,
        "on_this_host": name in draft.groups["metadata_db"],
        "server": server.name if server else None,
        "max_connections": limit,
        **made,
        "cluster": cluster_plan(draft, name, made["settings"], made["hba"]),
        "check": database_check(draft, name),
        "admits": _admits(draft, server),
        "admission": cluster_admission(draft, made["hba"]) if draft.inputs.limited is not None else [],
        "pair": pair_plan(draft, name),
        "proxy": proxy_plan(draft, name, limit),
        "pool": pool_plan(draft, name, ssl_root_cert(draft, draft.hosts[name])),
        "pool_leaves": leaves_pool(draft, name),
    }


def database_check(draft: Draft, name: str) -> dict[str, Any] | None:
    """What is asked of a database that is there, before anything is changed; None where there is nothing to ask, or nobody who can.

    What an installation uses already was asked when it began. Nothing on a host speaks MySQL before its driver is installed.
    """
    database = draft.database
    is_used = draft.installation is not None and draft.installation["engine"] != "sqlite"
    if database is None or database.engine != CLUSTER_ENGINE or is_cluster(draft) or is_used:
        return None
    uses = {"name": database.name, "must_be_empty": moves(draft), "is_first_use": not moves(draft) and not draft.taking_over}
    if database.managed:
        server, clusters = server_host(draft), candidate_clusters(draft)
        if server is None or server.name != name or len(clusters) != 1:
            return None
        place = f"the database {database.name} on {name}"
        return {**uses, "host": SOCKETS, "port": clusters[0].get("port"), "user": SUPERUSER, "place": place, "owner": database.user}
    if name != (move_host(draft) or draft.main_host) or database.host.startswith("/"):
        return None
    return {
        **uses,
        "host": database.host,
        "port": database.port,
        "user": database.user,
        "password": database.password,
        "ssl_mode": database.ssl_mode,
        "ssl_root_cert": ssl_root_cert(draft, draft.hosts[name]),
        "options": database.options.get("options", ""),
        "oldest": versions.POSTGRESQL[draft.line][0],
    }


def _admits(draft: Draft, server: Host | None) -> bool:
    """Whether hosts have to be let in at servers that the run leaves alone; of a cluster any member may lead."""
    limited = draft.inputs.limited
    if limited is None or server is None:
        return False
    servers = draft.groups["metadata_db"] if is_patroni(draft) else [server.name]
    return any(name not in limited for name in servers)


NO_SERVER: Mapping[str, Any] = {
    "databases": [],
    "settings": {},
    "restarts": False,
    "listen_addresses": "",
    "hba": [],
    "former_hba": [],
    "accounts": [],
    "requires_tls": False,
    "config_dir": None,
}
"""What there is to do for a server that somebody else looks after."""


def _server(draft: Draft, database: Database, server: Host, limit: int, own: Host) -> dict[str, Any]:
    hosts = [draft.hosts[name] for name in draft.groups["metadata_db"]] if is_cluster(draft) else [server]
    # Any member may lead: the smallest one says what fits all.
    machine = min((sizing.Machine.of(host.facts) for host in hosts), key=lambda each: each.memory_mb)
    wanted, other = (TLS_RULES, PLAIN_RULES) if draft.tls else (PLAIN_RULES, TLS_RULES)
    shared = any(host.name in draft.airflow_hosts for host in hosts)
    if database.engine == mysql.ENGINE:
        accounts = mysql.accounts(_addresses(draft), is_alone(draft))
        # Of two servers each has its own number and address; what a restart is due for is the source's.
        place = own if is_pair(draft) and own.name in draft.groups["metadata_db"] else server
        settings, listen = _mysql(draft, place, sizing.mysql_settings(machine, shared, limit, is_pair(draft)), accounts)
        restarts = _mysql(draft, server, sizing.mysql_settings(machine, shared, limit, is_pair(draft)), accounts)
    else:
        accounts = []
        settings = sizing.postgresql_settings(machine, shared, limit)
        if draft.tls and not is_cluster(draft):
            settings |= _postgresql_tls()
        listen = {"listen_addresses": _listen_addresses(server, is_alone(draft))}
        restarts = (settings, listen)
    return {
        "databases": _databases(draft),
        "settings": settings,
        "restarts": _cluster_begins(draft, server)
        if is_patroni(draft)
        else _server_restarts(draft, {**restarts[0], **restarts[1], "port": str(database.server_port or database.port)}),
        "listen_addresses": next(iter(listen.values())),
        "hba": _hba(draft, wanted) if database.engine == "postgresql" else [],
        # Those of before, for the kind is part of what tells rules apart.
        "former_hba": [{**rule, "state": "absent"} for rule in _hba(draft, other)] if database.engine == "postgresql" else [],
        "accounts": accounts,
        "requires_tls": bool(draft.tls),
        "config_dir": None if is_cluster(draft) else next((cluster["config_dir"] for cluster in candidate_clusters(draft)), None),
    }


def _mysql(draft: Draft, host: Host, settings: Mapping[str, str], accounts: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The settings of one of MySQL's servers, and where it listens."""
    resolves_none = {"skip_name_resolve": "ON"} if mysql.resolves_no_names(accounts) else {}
    listen = {"bind_address": mysql.bind_address(listen_address(host), is_alone(draft))}
    tls = _mysql_tls() if draft.tls else {}
    return {**settings, **resolves_none, **tls, **pair_settings(draft, host)}, listen


def _cluster_begins(draft: Draft, server: Host) -> bool:
    """Whether a server in service becomes a cluster's first member. Later the members restart one by one, and the leader hands over."""
    return draft.installation is not None and bool(present_settings(draft)) and not has_data(server)


def _server_restarts(draft: Draft, wanted: Mapping[str, str]) -> bool:
    """Whether a server in service has to start again for its settings, which no task may be running for."""
    present = present_settings(draft)
    if not present or draft.installation is None:
        return False
    return any(present.get(name) != value for name, value in wanted.items())


def _databases(draft: Draft) -> list[dict[str, str]]:
    """What is created, each owned by a role of its own: the metadata, and Celery's results."""
    kept = [database for database in (draft.database, draft.results) if database is not None]
    return [{"name": database.name, "user": database.user, "password": database.password} for database in kept]


def _max_connections(draft: Draft) -> int:
    if is_pooled(draft):
        needed = pooled_connections(draft, WORKER_GROWTH)
    else:
        needed = engine_connections(draft, {daemon: len(hosts) for daemon, hosts in draft.placement.items()}) + _celery_connections(draft)
    present = present_settings(draft).get("max_connections", "")
    return sizing.max_connections(needed, int(present) if present.isdigit() else 0)


def _celery_connections(draft: Draft) -> int:
    """Connections of Celery's workers: each process has one to the results; on 2.x each task has two to the metadata."""
    if not draft.uses_celery:
        return 0
    tasks = WORKER_GROWTH * sum(most_tasks(worker) for workers in draft.workers.values() for worker in workers)
    results = tasks + len(draft.placement["scheduler"]) * RESULT_READERS if draft.results is not None else 0
    return results + (2 * tasks if draft.line < 3 else 0)


def _addresses(draft: Draft) -> list[str]:
    """Where Airflow's daemons connect from."""
    return [draft.hosts[name].address or name for name in draft.airflow_hosts]


def _hba(draft: Draft, kinds: Mapping[str, str]) -> list[dict[str, str]]:
    """Rules for pg_hba.conf, as community.postgresql names their parts.

    They admit the hosts that run a daemon, and the server's own loopback for people who look.
    """
    addresses = ["127.0.0.1/32", "::1/128"]
    if not is_alone(draft):
        addresses += [network(address) for address in _addresses(draft)]
    return [
        {
            "source": address,
            "contype": kind,
            "databases": entry["name"],
            "users": entry["user"],
            "method": method,
        }
        for entry in _databases(draft)
        for address in addresses
        for kind, method in kinds.items()
    ]


def _postgresql_tls() -> dict[str, str]:
    folder = SERVER_FOLDERS["postgresql"]
    return {"ssl": "on", "ssl_cert_file": f"{folder}/server.crt", "ssl_key_file": f"{folder}/server.key"}


def _mysql_tls() -> dict[str, str]:
    folder = SERVER_FOLDERS[mysql.ENGINE]
    return {"ssl_ca": AUTHORITY, "ssl_cert": f"{folder}/server.crt", "ssl_key": f"{folder}/server.key"}


def _listen_addresses(server: Host, alone: bool) -> str:
    if alone:
        return "localhost"
    own = listen_address(server)
    return f"localhost,{own}" if own else "*"
