# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL made highly available: a cluster of Patroni's, its etcd, and the way of Airflow's hosts to the leader."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from ._topology_database import (
    MEMBERS_AUTHORITY,
    etcd_lists,
    is_cluster,
    is_established,
    is_pair,
    is_patroni,
    known_members,
    own_cluster,
    own_etcd,
    own_patroni,
    server_host,
)
from ._topology_model import Draft, Host
from ._topology_mysql_pair import ROLE_PORT, pair_certificates, pair_secrets
from ._topology_urls import LOOPBACK, alternative_name, bracketed

API_PORT = 8008
ETCD_CLIENT_PORT = 2379
ETCD_PEER_PORT = 2380
PORTS = {API_PORT: "Patroni", ETCD_CLIENT_PORT: "etcd", ETCD_PEER_PORT: "etcd"}
"""What a member listens on besides PostgreSQL: the services' usual ports."""

CONFIGURATION = "/etc/patroni/config.yml"
TLS_DIR = "/etc/patroni/tls"
ETCD_CONFIGURATION = "/etc/etcd/airflow.json"
ETCD_TLS_DIR = "/etc/etcd/tls"
ETCD_DATA_DIR = "/var/lib/etcd/airflow"
DATA_DIR = "/var/lib/postgresql/{version}/main"
BIN_DIR = "/usr/lib/postgresql/{version}/bin"
PROXY_UNIT = "airflow-database-proxy.service"
PROXY_SOCKET = "/run/airflow-database-proxy/proxy.sock"
UNITS = ("patroni.service", "etcd.service")

API_USER = "patroni"
SUPERUSER = "postgres"
REPLICATION_USER = "replicator"
REWIND_USER = "rewinder"

ETCD_HEARTBEAT_MS = 100
ETCD_ELECTION_MS = 500
"""The heartbeat is etcd's default, and an election its least, five heartbeats.

A new leader of etcd gives every lease its whole time anew and an election's on top, so where one host led both, a failover lasts an
election or two longer: with etcd's default of 1000, 25.7 s were measured on two cores under a load of 16. A shorter time takes a busy
machine for a dead one sooner, which costs Patroni nothing but a second request.
"""

TIMERS: Mapping[str, Any] = {
    "ttl": 20,
    "loop_wait": 2,
    "retry_timeout": 3,
    "primary_start_timeout": 0,
    "maximum_lag_on_failover": 1048576,
    "synchronous_mode": True,
    "failsafe_mode": True,
}
"""Patroni's words for a fast failover that loses nothing.

`ttl` 20 and `retry_timeout` 3 are the least that Patroni's documentation allows, and it wants loop_wait + 2 * retry_timeout <= ttl. A host
that is lost is noticed when its lease ends, so this is what a failover lasts; measured on 2 cores: 22 s, with Patroni's defaults 29 s.
`primary_start_timeout` 0 hands over at once when the leader's PostgreSQL dies, in place of starting it again for up to 300 s: 2 s
against 8 s. `synchronous_mode` promotes nobody but who has every write that was acknowledged, and goes on with one member when the others
are gone. `failsafe_mode` keeps the leader when etcd has no majority, as long as all other members answer it. The lag, Patroni's default,
counts for a member that is not synchronous.
"""

SERVER_SETTINGS: Mapping[str, str] = {
    "wal_level": "replica",
    "hot_standby": "on",
    "wal_log_hints": "on",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "wal_keep_size": "2GB",
    "wal_sender_timeout": "5s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "ssl": "on",
    "ssl_ca_file": f"{TLS_DIR}/ca.crt",
    "ssl_cert_file": f"{TLS_DIR}/server.crt",
    "ssl_key_file": f"{TLS_DIR}/server.key",
}
"""What every member's PostgreSQL has.

`wal_sender_timeout`: commits wait for a frozen synchronous member this long, 60 s by default. `wal_keep_size` lets a member that was away
follow again, for as long as 2 GB of changes took, which is days of Airflow's. `wal_log_hints` is what pg_rewind wants of data
without checksums.
"""

REWIND_FUNCTIONS = (
    "pg_ls_dir(text, boolean, boolean)",
    "pg_stat_file(text, boolean)",
    "pg_read_binary_file(text)",
    "pg_read_binary_file(text, bigint, bigint, boolean)",
)
"""What pg_rewind calls, by PostgreSQL's documentation of it."""

SECRET_NAMES = (
    "database_superuser_password",
    "database_replication_password",
    "database_rewind_password",
    "database_cluster_password",
)


def members(draft: Draft) -> list[Host]:
    """The hosts of the cluster, in the order of the inventory."""
    return [draft.hosts[name] for name in draft.groups["metadata_db"]]


def address_of(host: Host) -> str:
    """How others reach a member."""
    return str(host.address or host.name)


def listen_address(host: Host) -> str | None:
    """An address of its own that a member listens on; an advertised one may be another machine's that forwards."""
    return host.address if host.address == host.default_address else None


def joins(draft: Draft, host: Host) -> bool:
    """Whether a host is to be a further member of a cluster that is there: new, or empty again."""
    return is_established(draft) and not own_etcd(host).get("is_made")


def changes_members(draft: Draft) -> bool:
    """Whether the cluster that is there gets or loses a member."""
    hosts = members(draft) if is_patroni(draft) and is_established(draft) else []
    if any(host.info is None for host in hosts):
        # That is a finding by itself, and of such a host nobody can say whether it is new.
        return False
    return any(joins(draft, host) for host in hosts) or bool(hosts and known_members(draft) - {address_of(host) for host in hosts})


def cluster_plan(draft: Draft, name: str, parameters: Mapping[str, str], hba: Sequence[Mapping[str, str]]) -> dict[str, Any] | None:
    """Everything that a member is to be, None for a host that is none."""
    database = draft.database
    if database is None or not is_patroni(draft) or name not in draft.groups["metadata_db"]:
        return None
    host = draft.hosts[name]
    settings = cluster_settings(draft, parameters, hba)
    is_first = not is_established(draft) and host is server_host(draft)
    data_dir = _data_dir(draft, host)
    return {
        "name": name,
        "version": _version(draft),
        "port": database.server_port,
        "data_dir": data_dir,
        "members": [{"name": member.name, "endpoint": _client_url(member)} for member in members(draft)],
        "is_first": is_first,
        "changes_members": changes_members(draft),
        "joins": joins(draft, host),
        "asked": _asked(draft),
        "takes_over": _takes_over(draft, host, data_dir) if is_first else None,
        "settings": settings,
        "patroni": _patroni(draft, host, data_dir, database.server_port),
        "bootstrap": _bootstrap(settings) if is_first else None,
        "etcd": _etcd(draft, host),
        "api": _api(draft, host),
        "accounts": _accounts(draft),
        "rewind_functions": list(REWIND_FUNCTIONS),
        "paths": {
            "patroni": CONFIGURATION,
            "etcd": ETCD_CONFIGURATION,
            "authority": f"{TLS_DIR}/ca.crt",
            "read": [CONFIGURATION, *(f"{TLS_DIR}/{name}" for name in ("ca.crt", "server.crt", "server.key"))],
        },
    }


def _asked(draft: Draft) -> dict[str, Any] | None:
    """The member that is asked to add others and to remove who is gone, None where the cluster stays as it is."""
    if not changes_members(draft):
        return None
    taking_part = [host for host in members(draft) if not joins(draft, host) and not host.is_assumed]
    host = min(taking_part, key=lambda each: not etcd_lists([each]), default=None)
    if host is None:
        return None
    files = {"authority": f"{ETCD_TLS_DIR}/ca.crt", "certificate": f"{ETCD_TLS_DIR}/server.crt", "key": f"{ETCD_TLS_DIR}/server.key"}
    known = [{"name": member.name, "peer_url": _peer_url(member)} for member in members(draft)]
    return {"host": host.name, "arguments": {"endpoint": _client_url(host), **files, "members": known}}


def _peer_url(host: Host) -> str:
    return f"https://{bracketed(address_of(host))}:{ETCD_PEER_PORT}"


def _client_url(host: Host) -> str:
    return f"https://{bracketed(address_of(host))}:{ETCD_CLIENT_PORT}"


def cluster_admission(draft: Draft, hba: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """What is asked of each member, of which the leader does it, to let further hosts in; nothing without a cluster."""
    if not is_patroni(draft):
        return []
    settings = {"postgresql": {"pg_hba": _hba_lines(draft, hba)}}
    return [
        {"host": member.name, "arguments": {**_api(draft, member), "name": member.name, "settings": settings}}
        for member in members(draft)
        if not member.is_assumed
    ]


def proxy_plan(draft: Draft, name: str, limit: int) -> dict[str, Any] | None:
    """How a host with a daemon gets to the leader, None where there is no cluster or no daemon."""
    database = draft.database
    if database is None or not is_cluster(draft) or name not in draft.airflow_hosts:
        return None
    api_port = ROLE_PORT if is_pair(draft) else API_PORT
    here, changes = {address_of(member) for member in members(draft)}, changes_members(draft)
    return {
        "address": database.host,
        "port": database.port,
        "authority": MEMBERS_AUTHORITY,
        "unit": PROXY_UNIT,
        "socket": PROXY_SOCKET,
        "members": [
            {"name": member.name, "address": bracketed(address_of(member)), "port": database.server_port, "api_port": api_port}
            for member in members(draft)
        ],
        # A new member may lead before the daemons have their turn; and one that is gone from the inventory, as long as etcd has it.
        "knows_first": changes and draft.hosts[name].installation is not None,
        "former": [
            {"name": f"former-{address}", "address": bracketed(address), "port": database.server_port, "api_port": api_port}
            for address in sorted(known_members(draft) - here if changes else ())
        ],
        # What only the one answers with 200 that takes writes.
        "asks": "/source" if is_pair(draft) else "/primary",
        "asks_by_tls": not is_pair(draft),
        # Every one of them would be refused by the server before it is by the proxy, whose word for it nobody would understand.
        "connections": 2 * limit,
    }


def cluster_certificates(draft: Draft, name: str) -> list[dict[str, Any]]:
    """The certificates of a member: one for PostgreSQL and Patroni, one for etcd; or one for MySQL.

    Both name every way to reach the host. etcd lets in who has one for a client, and its own gateway is a client of it too; Patroni
    asks it with its own.
    """
    if not is_cluster(draft) or name not in draft.groups["metadata_db"]:
        return []
    host = draft.hosts[name]
    if is_pair(draft):
        return pair_certificates(draft, host)
    names = [address_of(host), name, *LOOPBACK]
    return [
        {
            "name": service,
            "key": f"{folder}/server.key",
            "certificate": f"{folder}/server.crt",
            "authority": f"{folder}/ca.crt",
            "owner": owner,
            "group": owner,
            "mode": "0600",
            "common_name": name[:64],
            "subject_alt_names": list(dict.fromkeys(alternative_name(each) for each in names)),
            "usages": ["serverAuth", "clientAuth"],
        }
        for service, folder, owner in (("postgresql", TLS_DIR, "postgres"), ("etcd", ETCD_TLS_DIR, "etcd"))
    ]


def cluster_settings(draft: Draft, parameters: Mapping[str, str], hba: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """What holds for all members, as Patroni keeps it in etcd."""
    return {
        **TIMERS,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            # A former leader whose data cannot be rewound comes back by a new copy: nobody has been told of what only it has.
            "remove_data_directory_on_rewind_failure": True,
            "parameters": {**SERVER_SETTINGS, **parameters},
            "pg_hba": _hba_lines(draft, hba),
        },
    }


def cluster_secrets(draft: Draft) -> tuple[str, ...]:
    """The secrets of the members among themselves."""
    return SECRET_NAMES if is_patroni(draft) else pair_secrets(draft)


def network(address: str) -> str:
    """An address as pg_hba.conf has it; a name stands for itself."""
    try:
        return f"{address}/{ipaddress.ip_address(address).max_prefixlen}"
    except ValueError:
        return address


def _hba_lines(draft: Draft, hba: Sequence[Mapping[str, str]]) -> list[str]:
    peers = [*LOOPBACK[:2], *(address_of(member) for member in members(draft))]
    lines = ["local all all peer"]
    lines += [f"hostssl replication {REPLICATION_USER} {network(peer)} scram-sha-256" for peer in peers]
    lines += [f"hostssl postgres {REWIND_USER} {network(peer)} scram-sha-256" for peer in peers]
    return [*lines, *(f"{rule['contype']} {rule['databases']} {rule['users']} {rule['source']} {rule['method']}" for rule in hba)]


def _version(draft: Draft) -> int | None:
    return draft.database.version[0] if draft.database and draft.database.version else None


def _data_dir(draft: Draft, host: Host) -> str:
    """Where the data are, or else where the distribution would have them."""
    found = own_patroni(host) or (own_cluster(host) if host is server_host(draft) else None) or {}
    return str(found.get("data_dir") or DATA_DIR.format(version=_version(draft)))


def _takes_over(draft: Draft, host: Host, data_dir: str) -> dict[str, Any] | None:
    """The single server that becomes the first member, None where the cluster begins empty."""
    found = own_cluster(host)
    if found is None:
        return None
    return {
        "unit": "postgresql@{}.service".format(found["name"].replace("/", "-")),
        "config_dir": found["config_dir"],
        "data_dir": data_dir,
        # An earlier run got this far and no farther.
        "is_stopped": bool(found.get("disabled")),
    }


def _bootstrap(settings: Mapping[str, Any]) -> dict[str, Any]:
    """How the first member makes the data. The others have no such thing, so that none of them can begin an empty cluster."""
    return {"dcs": settings, "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"]}


def _patroni(draft: Draft, host: Host, data_dir: str, port: int | None) -> dict[str, Any]:
    own, address = listen_address(host), bracketed(address_of(host))
    certificate = {"certfile": f"{TLS_DIR}/server.crt", "keyfile": f"{TLS_DIR}/server.key"}
    verified = {"sslmode": "verify-ca", "sslrootcert": f"{TLS_DIR}/ca.crt"}
    return {
        "scope": draft.values["airflow_installation"],
        "namespace": "/updraft/",
        "name": host.name,
        "restapi": {
            "listen": f"{bracketed(own) if own else '*'}:{API_PORT}",
            "connect_address": f"{address}:{API_PORT}",
            **certificate,
            "cafile": f"{TLS_DIR}/ca.crt",
            "authentication": {"username": API_USER, "password": draft.secrets.get("database_cluster_password", "")},
        },
        "ctl": {**certificate, "cacert": f"{TLS_DIR}/ca.crt"},
        "etcd3": {
            "hosts": [f"{bracketed(address_of(member))}:{ETCD_CLIENT_PORT}" for member in members(draft)],
            "protocol": "https",
            "cacert": f"{TLS_DIR}/ca.crt",
            "cert": certificate["certfile"],
            "key": certificate["keyfile"],
        },
        "postgresql": {
            "listen": f"{f'localhost,{own}' if own else '*'}:{port}",
            "connect_address": f"{address}:{port}",
            "data_dir": data_dir,
            "bin_dir": BIN_DIR.format(version=_version(draft)),
            "pgpass": "/var/lib/postgresql/.pgpass-patroni",
            "use_unix_socket": True,
            # A copy begins at once; by itself it waits for the leader's next checkpoint, for minutes.
            "basebackup": {"checkpoint": "fast"},
            "parameters": {"unix_socket_directories": "/var/run/postgresql"},
            "authentication": {
                "superuser": {"username": SUPERUSER, "password": draft.secrets.get("database_superuser_password", "")},
                "replication": {
                    "username": REPLICATION_USER,
                    "password": draft.secrets.get("database_replication_password", ""),
                    **verified,
                },
                "rewind": {"username": REWIND_USER, "password": draft.secrets.get("database_rewind_password", ""), **verified},
            },
        },
        "watchdog": {"mode": "off"},
    }


def _etcd_beginning(draft: Draft, host: Host) -> tuple[str, str]:
    """With whom a member begins, and whether all of them do. What one has begun with stays: it is not looked at any more.

    One that is added begins with those that are there and those that are added before it, one at a time.
    """
    made = own_etcd(host)
    if made.get("is_made"):
        return made["cluster"], made["state"]
    everybody = members(draft)
    added = joins(draft, host)
    if added:
        before = everybody[: everybody.index(host) + 1]
        everybody = [member for member in everybody if member in before or not joins(draft, member)]
    return ",".join(f"{member.name}={_peer_url(member)}" for member in everybody), "existing" if added else "new"


def _etcd(draft: Draft, host: Host) -> dict[str, Any]:
    own = listen_address(host)
    cluster, state = _etcd_beginning(draft, host)
    listen = bracketed(own) if own else "0.0.0.0"
    clients = [f"https://{listen}:{ETCD_CLIENT_PORT}", *([f"https://{LOOPBACK[0]}:{ETCD_CLIENT_PORT}"] if own else [])]
    tls = {
        "cert-file": f"{ETCD_TLS_DIR}/server.crt",
        "key-file": f"{ETCD_TLS_DIR}/server.key",
        "trusted-ca-file": f"{ETCD_TLS_DIR}/ca.crt",
        "client-cert-auth": True,
    }
    return {
        "name": host.name,
        "data-dir": ETCD_DATA_DIR,
        "listen-peer-urls": f"https://{listen}:{ETCD_PEER_PORT}",
        "listen-client-urls": ",".join(clients),
        "initial-advertise-peer-urls": _peer_url(host),
        "advertise-client-urls": _client_url(host),
        "initial-cluster": cluster,
        "initial-cluster-state": state,
        "initial-cluster-token": draft.values["airflow_installation"],
        "heartbeat-interval": ETCD_HEARTBEAT_MS,
        "election-timeout": ETCD_ELECTION_MS,
        # How Patroni asks it; a file of settings, unlike the command line, leaves it off.
        "enable-grpc-gateway": True,
        # A member that comes back does not unseat the leader that the others have.
        "pre-vote": True,
        # Patroni writes every few seconds: without it the history would fill etcd's 2 GB within some months.
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "1h",
        "client-transport-security": tls,
        "peer-transport-security": tls,
        "logger": "zap",
        "log-level": "warn",
    }


def _api(draft: Draft, host: Host) -> dict[str, str]:
    return {
        "url": f"https://{bracketed(address_of(host))}:{API_PORT}",
        "authority": f"{TLS_DIR}/ca.crt",
        "username": API_USER,
        "password": draft.secrets.get("database_cluster_password", ""),
    }


def _accounts(draft: Draft) -> list[dict[str, str]]:
    """What Patroni makes itself in an empty cluster, and a server that it takes over does not have."""
    return [
        {"user": user, "flags": flags, "password": draft.secrets.get(secret, "")}
        for user, flags, secret in (
            (SUPERUSER, "", SECRET_NAMES[0]),
            (REPLICATION_USER, "LOGIN,REPLICATION", SECRET_NAMES[1]),
            (REWIND_USER, "LOGIN", SECRET_NAMES[2]),
        )
    ]
