# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MySQL or MariaDB server of a host, in the folders of Debian and of the RHEL family.

Files are read, and one of this collection's is asked.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from .host_files import read_text

LAYOUTS = (
    ("usr/sbin", "etc/mysql/mysql.conf.d", "run/mysqld/mysqld.sock"),
    ("usr/libexec", "etc/my.cnf.d", "var/lib/mysql/mysql.sock"),
)
"""Where the server program, its settings and its socket are: Debian's packages, those of the RHEL family."""
DATA = "var/lib/mysql"
OWN_SETTINGS = "zz-airflow.cnf"
"""Written by the role metadata_db, for a server that it serves from."""

PAIR = "etc/airflow-database/pair.json"
"""What one of two servers knows of the other."""
ALONE = "etc/airflow-database/alone"
"""There while nobody else can have become the source."""
PAIR_SETTING = "gtid_mode"
ASK_SECONDS = 5

SETTING = re.compile(r"^(\w+)(?:\s*=\s*(.*?))?\s*$", re.MULTILINE)
SYSTEM_DATABASES = ("mysql", "performance_schema", "sys", "lost+found")
HISTORY = "mysql_upgrade_history"
"""Which versions have run on the data, as servers from 8.3 on write it."""
OLDER_HISTORY = "mysql_upgrade_info"


def find_server(root: str = "/") -> dict[str, Any] | None:
    """The server with its `kind` (mysql or mariadb), the `version` that ran last, whether it is this collection's `own`, the `settings` it
    was given by it, and the number of `databases` that somebody made. None where no server program is installed.

    Of this collection's own it tells too whether it is one of two (`in_pair`), and has no replica that could have taken over (`is_alone`),
    what it says of itself (`member`), and its `passwords`.
    """
    data = os.path.join(root, DATA)
    for servers, configuration, socket in LAYOUTS:
        kind = _kind(os.path.join(root, servers))
        if kind is not None:
            own = os.path.join(root, configuration, OWN_SETTINGS)
            settings = dict(SETTING.findall(read_text(own)))
            is_own = os.path.exists(own)
            further = {
                "in_pair": PAIR_SETTING in settings,
                "is_alone": os.path.exists(os.path.join(root, ALONE)),
                "member": ask_member(os.path.join(root, socket)),
                "passwords": _passwords(os.path.join(root, PAIR)),
            }
            return {
                "kind": kind,
                "version": _version(data),
                "own": is_own,
                "settings": settings,
                "databases": _databases(data),
                **(further if is_own else {}),
            }
    return None


def _kind(servers: str) -> str | None:
    if os.path.exists(os.path.join(servers, "mariadbd")):
        return "mariadb"
    # MariaDB's packages have a link of this name.
    return "mysql" if os.path.exists(os.path.join(servers, "mysqld")) else None


def _passwords(path: str) -> dict[str, str]:
    try:
        return {"database_replication_password": str(json.loads(read_text(path))["password"])}
    except (ValueError, KeyError, TypeError):
        return {}


def _version(data: str) -> str | None:
    try:
        history = json.loads(read_text(os.path.join(data, HISTORY)))["upgrade_history"]
        return str(history[-1]["version"])
    except (ValueError, KeyError, IndexError, TypeError):
        return read_text(os.path.join(data, OLDER_HISTORY)).strip() or None


def _databases(data: str) -> int:
    """Each has a folder."""
    try:
        entries = list(os.scandir(data))
    except OSError:
        return 0
    return sum(entry.is_dir() and not entry.name.startswith(("#", ".")) and entry.name not in SYSTEM_DATABASES for entry in entries)


def ask_member(socket: str) -> dict[str, Any] | None:
    """Whether the server takes writes, and whom it copies from; None where it does not answer. It is asked as root by its socket."""
    try:
        import pymysql

        connection = pymysql.connect(unix_socket=socket, user="root", connect_timeout=ASK_SECONDS, read_timeout=ASK_SECONDS)
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT @@GLOBAL.read_only, @@server_uuid, "
                "(SELECT host FROM performance_schema.replication_connection_configuration WHERE channel_name = '')"
            )
            ((read_only, uuid, source),) = cursor.fetchall()
    except Exception:
        return None
    return {"writable": not read_only, "uuid": str(uuid), "follows": source or None}
