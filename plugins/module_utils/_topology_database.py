# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage that chooses the metadata database, and what is known of the servers that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import _topology_mysql as mysql
from . import _topology_versions as versions
from ._topology_model import Database, Draft, Host
from ._topology_sizing import Machine, buffer_pool_mb, shared_buffers_mb
from ._topology_urls import LOOPBACK, parse_server_url

DEFAULT_PORTS = {"postgresql": 5432, mysql.ENGINE: mysql.DEFAULT_PORT}
SERVER_ENGINES = tuple(DEFAULT_PORTS)
SMALLEST_CLUSTER = 3
CLUSTER_ENGINE = "postgresql"
"""The engine whose servers make a highly available cluster. Those of MySQL make a pair of a source and a replica."""

MEMBERS_AUTHORITY = "/etc/airflow/database-proxy-ca.crt"
"""Who signs the certificates of a cluster's members: the installation's own authority, whoever signs the others."""

CLUSTER_OPTIONS = {"connect_timeout": "10"}
"""Of libpq and of MySQL's library, which by themselves wait long: a daemon that connects while there is no leader would not look for the
next one."""

VERIFIED_SSL_MODE = "verify-full"
ENCRYPTED_SSL_MODES = ("require", "verify-ca", VERIFIED_SSL_MODE)
"""Modes in which nothing is ever sent in plain text."""

DATABASE_UNITS: Mapping[str, tuple[str, ...]] = {"postgresql": ("postgresql.service",), mysql.ENGINE: ("mysql.service", "mysqld.service")}
"""As the distributions name them; a unit that is not there orders nothing."""

ENGINE_TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", mysql.ENGINE: "MySQL"}
"""Engines as they are written in sentences."""


def adopted_engine(draft: Draft) -> str | None:
    """The database engine of the installation made by hand."""
    return ((draft.adopted or {}).get("metadata") or {}).get("engine")


def choose_database(draft: Draft) -> None:
    """The engine, and the server when it is one."""
    values, group = draft.values, draft.groups["metadata_db"]
    on_server = adopted_engine(draft) in SERVER_ENGINES
    if values["airflow_metadata_db_engine"]:
        draft.engine = values["airflow_metadata_db_engine"]
    elif on_server:
        draft.engine = str(adopted_engine(draft))
    else:
        draft.engine = "postgresql" if group or values["airflow_metadata_db_host"] else "sqlite"
    draft.sqlite_path = f"{draft.home}/metadata/airflow.db"
    if draft.engine in SERVER_ENGINES:
        draft.database = _adopted_database(draft) if on_server else _named_database(draft)


def _adopted_database(draft: Draft) -> Database:
    adopted = draft.adopted or {}
    engine = adopted["metadata"]["engine"]
    address = parse_server_url(adopted["metadata"]["url"])
    config = (adopted.get("config") or {}).get("database") or {}
    environment = adopted.get("environment") or {}
    return Database(
        engine=engine,
        managed=False,
        host=address.host or "localhost",
        port=address.port or DEFAULT_PORTS[engine],
        name=address.name,
        user=address.user,
        ssl_mode=draft.values["airflow_metadata_db_ssl_mode"] or address.ssl_mode or "prefer",
        ssl_root_cert=address.options.get("sslrootcert", ""),
        password=address.password,
        options=address.further_options,
        async_url=environment.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC") or config.get("sql_alchemy_conn_async") or "",
    )


def _named_database(draft: Draft) -> Database:
    values, group = draft.values, draft.groups["metadata_db"]
    managed = values["airflow_metadata_db_managed"]
    if managed is None:
        managed = bool(group) and not values["airflow_metadata_db_host"]
    host = values["airflow_metadata_db_host"] or _group_address(draft)
    port = values["airflow_metadata_db_port"] or DEFAULT_PORTS[draft.engine]
    clustered = managed and draft.engine in SERVER_ENGINES and len(group) > 1
    return Database(
        engine=draft.engine,
        managed=managed,
        host=LOOPBACK[0] if clustered else host,
        port=values["airflow_metadata_db_proxy_port"] if clustered else port,
        server_port=port if clustered else None,
        options=dict(CLUSTER_OPTIONS) if clustered else {},
        name=values["airflow_metadata_db_name"],
        user=values["airflow_metadata_db_user"],
        ssl_mode=values["airflow_metadata_db_ssl_mode"] or _usual_ssl_mode(draft, managed, not clustered and host in LOOPBACK),
        version=_managed_version(draft) if managed else None,
    )


def _usual_ssl_mode(draft: Draft, managed: bool, on_loopback: bool) -> str:
    if managed and draft.tls:
        return VERIFIED_SSL_MODE
    if draft.engine == mysql.ENGINE:
        return mysql.DEFAULT_SSL_MODE
    # On one machine there is no wire to encrypt.
    return "disable" if managed and on_loopback else "prefer"


def _group_address(draft: Draft) -> str:
    group = draft.groups["metadata_db"]
    if not group or is_alone(draft):
        return LOOPBACK[0]
    return draft.hosts[group[0]].address or group[0]


def is_alone(draft: Draft) -> bool:
    """Whether all of Airflow is on the database's own host, and reaches it by its loopback address."""
    group = draft.groups["metadata_db"]
    return draft.uses_loopback and len(group) < 2 and set(draft.airflow_hosts) <= set(group)


def is_cluster(draft: Draft) -> bool:
    """Whether the database is a cluster of several members."""
    return draft.database is not None and draft.database.server_port is not None


def is_pooled(draft: Draft) -> bool:
    """Whether the daemons reach the server by a PgBouncer of their own host."""
    return draft.database is not None and draft.engine == CLUSTER_ENGINE and bool(draft.values["airflow_metadata_db_pgbouncer"])


def is_patroni(draft: Draft) -> bool:
    """Whether the members are PostgreSQL's, which Patroni looks after."""
    return is_cluster(draft) and draft.engine == CLUSTER_ENGINE


def is_pair(draft: Draft) -> bool:
    """Whether the members are MySQL's: a source, and a replica that follows it."""
    return is_cluster(draft) and draft.engine == mysql.ENGINE


def own_mysql(host: Host) -> Mapping[str, Any]:
    """The MySQL server that this collection has settings on, empty where there is none."""
    found = (host.info or {}).get("mysql_server") or {}
    return found if found.get("own") else {}


def is_writable(host: Host) -> bool:
    """Whether a server of this collection's takes writes now."""
    return bool((own_mysql(host).get("member") or {}).get("writable"))


def follows(host: Host) -> str | None:
    """The address that a server of this collection's copies from."""
    found: str | None = (own_mysql(host).get("member") or {}).get("follows")
    return found


def holds_databases(host: Host) -> bool:
    """Whether a server of this collection's has data of somebody's."""
    return bool(own_mysql(host).get("databases"))


def own_patroni(host: Host) -> Mapping[str, Any] | None:
    """The member of a cluster that this collection made on a host."""
    found: Mapping[str, Any] | None = (host.info or {}).get("patroni")
    return found


def own_etcd(host: Host) -> Mapping[str, Any]:
    """The member of etcd that this collection made on a host, empty where there is none."""
    return (host.info or {}).get("etcd") or {}


def etcd_lists(hosts: Sequence[Host]) -> list[list[Mapping[str, str]]]:
    """The members that etcd knows, as those of these hosts say who can tell; of one that is assumed nothing was asked."""
    return [own_etcd(host)["listed"] for host in hosts if not host.is_assumed and own_etcd(host).get("listed") is not None]


def known_members(draft: Draft) -> set[str]:
    """The addresses of the members of the cluster that is there, as those of them know that are still in the group.

    One without data of etcd's takes no part: it may have been away for long, and know members of another time.
    """
    hosts = [draft.hosts[name] for name in draft.groups["metadata_db"] if has_data(draft.hosts[name])]
    asked = [host for host in hosts if own_etcd(host).get("is_made")] or hosts
    return {address for host in asked for address in (own_patroni(host) or {})["members"]}


def own_cluster(host: Host) -> Mapping[str, Any] | None:
    """The single server that this collection uses, or used, on a host."""
    clusters = (host.info or {}).get("postgresql_clusters") or []
    return next((cluster for cluster in clusters if cluster["own"]), None)


def has_data(host: Host) -> bool:
    """Whether a host is a member with data."""
    return bool((own_patroni(host) or {}).get("is_made"))


def is_established(draft: Draft) -> bool:
    """Whether the cluster is there, so that nobody has to begin it."""
    hosts = [draft.hosts[name] for name in draft.groups["metadata_db"]]
    if draft.engine == mysql.ENGINE:
        return any(own_mysql(host).get("in_pair") and holds_databases(host) for host in hosts)
    return any(has_data(host) for host in hosts)


def server_host(draft: Draft) -> Host | None:
    """The host of a managed server; of several, the one with the data, which is the first where none has."""
    hosts = [draft.hosts[name] for name in draft.groups["metadata_db"]]
    if len(hosts) < 2 or draft.engine not in SERVER_ENGINES:
        return hosts[0] if hosts else None
    if draft.engine == mysql.ENGINE:
        return source_of(hosts)
    made = sorted((host for host in hosts if has_data(host)), key=lambda host: host.is_assumed)
    return next(iter(made), None) or next((host for host in hosts if own_cluster(host)), hosts[0])


def source_of(hosts: Sequence[Host]) -> Host:
    """Which of MySQL's servers is the source, as they say themselves: the inventory counts only where none has data.

    Who takes writes; else whom another one follows; else who has data.
    """
    followed = {follows(host) for host in hosts} - {None}
    for test in (is_writable, lambda host: followed & {host.address, host.name}, holds_databases):
        found = next((host for host in hosts if test(host)), None)
        if found is not None:
            return found
    return hosts[0]


def candidate_clusters(draft: Draft) -> list[Mapping[str, Any]]:
    """The PostgreSQL clusters on the group's host that could be meant: its own one, or else any. None where PostgreSQL is not wanted."""
    host = server_host(draft)
    clusters = list((host.info or {}).get("postgresql_clusters") or []) if host and draft.engine == "postgresql" else []
    return [cluster for cluster in clusters if cluster["own"]] or clusters


def present_mysql(draft: Draft) -> Mapping[str, Any]:
    """The server of MySQL or MariaDB on the group's host, empty where there is none or MySQL is not wanted."""
    host = server_host(draft)
    return ((host.info or {}).get("mysql_server") or {}) if host and draft.engine == mysql.ENGINE else {}


def present_settings(draft: Draft) -> Mapping[str, str]:
    """What this collection has set on the server that serves its database now; empty before it did."""
    server, host = present_mysql(draft), server_host(draft)
    if server:
        return (server.get("settings") or {}) if server["own"] else {}
    if host is not None and is_cluster(draft) and has_data(host):
        return (own_patroni(host) or {}).get("settings") or {}
    return next((cluster.get("settings") or {} for cluster in candidate_clusters(draft) if cluster["own"]), {})


def _managed_version(draft: Draft) -> tuple[int, ...] | None:
    """The server's that is there, else that of the distribution's package."""
    host = server_host(draft)
    if host is None:
        return None
    key = versions.system_key(host.facts)
    if draft.engine == mysql.ENGINE:
        there = mysql.parse_version(str(present_mysql(draft).get("version") or ""))
        packaged = None if draft.values["airflow_metadata_db_mysql_repository"] else mysql.SYSTEM_VERSIONS.get(key or ("", ""))
        return there or packaged
    if len(draft.groups["metadata_db"]) > 1 and has_data(host):
        return (int((own_patroni(host) or {})["version"]),)
    for cluster in candidate_clusters(draft)[:1]:
        return (int(cluster["name"].partition("/")[0].partition(".")[0]),)
    packaged_major = versions.SYSTEM_POSTGRESQL.get(key) if key else None
    return (packaged_major,) if packaged_major else None


def database_memory_mb(draft: Draft, host: str) -> int:
    """Memory that the database server takes on a host that Airflow shares with it."""
    if draft.database is None or not draft.database.managed or host not in draft.groups["metadata_db"]:
        return 0
    cache = buffer_pool_mb if draft.database.engine == mysql.ENGINE else shared_buffers_mb
    return cache(Machine.of(draft.hosts[host].facts), shared=True)
