# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MySQL made highly available: a source and a replica, and what each of the two servers is to be."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Mapping
from typing import Any

from . import _topology_mysql as mysql
from ._topology_database import follows, holds_databases, is_pair, is_writable, own_mysql, server_host
from ._topology_model import Draft, Host
from ._topology_urls import LOOPBACK, alternative_name, bracketed
from .host_mysql import ALONE

PAIR = 2
ROLE_PORT = 8008
"""Where a server's host tells who it is: as Patroni does, which is never on the same host."""
PORTS = {ROLE_PORT: "the unit airflow-database-role"}

FOLDER = "/etc/airflow-database"
SETTINGS_FILE = f"{FOLDER}/pair.json"
TLS_DIR = "/etc/mysql/airflow-tls"
ROLE_UNIT = "airflow-database-role.service"
OPEN_UNIT = "airflow-database-open.service"
ROLE_USER = "airflow-database-role"
"""Of the system and of MySQL, which takes the one's word for the other."""
REPLICATION_USER = "airflow_replication"
SECRET = "database_replication_password"

SEMI_SYNC_SECONDS = 20
"""How long a commit waits for a replica that does not answer, before the source goes on alone.

Longer than the proxies take to notice that the source's host is lost, which is 8 s at most, and a busy machine needs some room: what was
not noticed in this time cannot be told from a source that went on alone.
"""

SETTINGS: Mapping[str, str] = {
    "super_read_only": "ON",
    "gtid_mode": "ON",
    "enforce_gtid_consistency": "ON",
    "log_bin": "binlog",
    "relay_log": "relay",
    "relay_log_recovery": "ON",
    "relay_log_space_limit": "4G",
    "binlog_expire_logs_seconds": "259200",
    "max_binlog_size": "128M",
    "loose_log_bin_trust_function_creators": "ON",
    "replica_net_timeout": "10",
    "plugin_load_add": "semisync_source.so;semisync_replica.so;mysql_clone.so",
    "loose_rpl_semi_sync_source_timeout": str(SEMI_SYNC_SECONDS * 1000),
    "loose_rpl_semi_sync_source_wait_for_replica_count": "1",
    "loose_rpl_semi_sync_source_wait_point": "AFTER_SYNC",
    "loose_rpl_semi_sync_replica_enabled": "ON",
    "ssl_ca": f"{TLS_DIR}/ca.crt",
    "ssl_cert": f"{TLS_DIR}/server.crt",
    "ssl_key": f"{TLS_DIR}/server.key",
}
"""What both servers have. Each starts closed to writes, and is opened only when it is certain that it is the source.

Events are of rows and on disk with each commit, by MySQL's defaults. Three days of them are kept, for a replica that was away.
Migrations of Airflow's make functions, which a server with a binary log has to be told to trust.
"""


def server_id(host: Host) -> str:
    """A number of its own for each server, which stays when the inventory is put into another order."""
    address = host.address or host.name
    try:
        number = int(ipaddress.IPv4Address(address))
    except ValueError:
        number = zlib.crc32(address.encode())
    return str(number or 1)


def is_settled(draft: Draft) -> bool:
    """Whether the two servers are the source and its replica already."""
    hosts = [draft.hosts[name] for name in draft.groups["metadata_db"]]
    source = next((host for host in hosts if is_writable(host) and own_mysql(host).get("in_pair")), None)
    return source is not None and all(follows(host) in (source.address, source.name) for host in hosts if host is not source)


def mysql_series(host: Host) -> str | None:
    """The first two numbers of a server's version, None where none ran yet. A copy of the data is of use to the same series only."""
    version = mysql.parse_version(str(((host.info or {}).get("mysql_server") or {}).get("version") or ""))
    return f"{version[0]}.{version[1]}" if version else None


def pair_settings(draft: Draft, host: Host) -> dict[str, str]:
    """The settings of a server that is one of two, nothing for a single one."""
    return {**SETTINGS, "server_id": server_id(host)} if is_pair(draft) else {}


def pair_secrets(draft: Draft) -> tuple[str, ...]:
    """The secrets of the two servers among themselves."""
    return (SECRET,) if is_pair(draft) else ()


def role_url(host: Host) -> str:
    """Where a server's host tells who it is."""
    return f"http://{bracketed(host.address or host.name)}:{ROLE_PORT}"


def pair_plan(draft: Draft, name: str) -> dict[str, Any] | None:
    """What a server of the two is to be, None for a host that has none."""
    database = draft.database
    if database is None or not is_pair(draft) or name not in draft.groups["metadata_db"]:
        return None
    hosts = [draft.hosts[member] for member in draft.groups["metadata_db"]]
    own = draft.hosts[name]
    peer = next((host for host in hosts if host is not own), own)
    source = server_host(draft)
    return {
        "is_source": own is source,
        "is_alone": own is source and not holds_databases(peer),
        "is_new_here": not own_mysql(own),
        "peer_series": mysql_series(peer),
        "clone_anew": own is not source and draft.values["airflow_metadata_db_clone_anew"] == name,
        "source": source.name if source else name,
        "role_unit": ROLE_UNIT,
        "open_unit": OPEN_UNIT,
        "role_user": ROLE_USER,
        "folder": FOLDER,
        "alone": f"/{ALONE}",
        "role": {
            "listen": (own.address if own.address == own.default_address else None) or "0.0.0.0",
            "port": ROLE_PORT,
            "peer_url": role_url(peer),
            "user": ROLE_USER,
        },
        "settings": {
            "name": name,
            "peer_name": peer.name,
            "peer_url": role_url(peer),
            "own_url": role_url(own),
            "peer_host": peer.address or peer.name,
            "peer_port": database.server_port,
            "user": REPLICATION_USER,
            "hosts": [host.address or host.name for host in hosts],
            "password": draft.secrets.get(SECRET, ""),
            "authority": f"{TLS_DIR}/ca.crt",
            "semi_sync_seconds": SEMI_SYNC_SECONDS,
        },
        "replication": {
            "user": REPLICATION_USER,
            "password": draft.secrets.get(SECRET, ""),
            "hosts": [host.address or host.name for host in hosts],
        },
    }


def pair_certificates(draft: Draft, host: Host) -> list[dict[str, Any]]:
    """The certificate of a server, which the other one verifies."""
    names = dict.fromkeys([host.address or host.name, host.name, *LOOPBACK])
    return [
        {
            "name": "mysql",
            "key": f"{TLS_DIR}/server.key",
            "certificate": f"{TLS_DIR}/server.crt",
            "authority": f"{TLS_DIR}/ca.crt",
            "owner": "mysql",
            "group": "mysql",
            "mode": "0600",
            "common_name": host.name[:64],
            "subject_alt_names": [alternative_name(each) for each in names],
            "usages": ["serverAuth", "clientAuth"],
        }
    ]
