# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MySQL or MariaDB server of a host, in the folders of Debian and of the RHEL family. Files are read, no server is asked."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from .host_files import read_text

LAYOUTS = (("usr/sbin", "etc/mysql/mysql.conf.d"), ("usr/libexec", "etc/my.cnf.d"))
"""Where the server program and its settings are: Debian's packages, those of the RHEL family."""
DATA = "var/lib/mysql"
OWN_SETTINGS = "zz-airflow.cnf"
"""Written by the role metadata_db, for a server that it serves from."""

SETTING = re.compile(r"^(\w+)(?:\s*=\s*(.*?))?\s*$", re.MULTILINE)
SYSTEM_DATABASES = ("mysql", "performance_schema", "sys", "lost+found")
HISTORY = "mysql_upgrade_history"
"""Which versions have run on the data, as servers from 8.3 on write it."""
OLDER_HISTORY = "mysql_upgrade_info"


def find_server(root: str = "/") -> dict[str, Any] | None:
    """The server with its `kind` (mysql or mariadb), the `version` that ran last, whether it is this collection's `own`, the `settings` it
    was given by it, and the number of `databases` that somebody made. None where no server program is installed.
    """
    data = os.path.join(root, DATA)
    for servers, configuration in LAYOUTS:
        kind = _kind(os.path.join(root, servers))
        if kind is not None:
            own = os.path.join(root, configuration, OWN_SETTINGS)
            return {
                "kind": kind,
                "version": _version(data),
                "own": os.path.exists(own),
                "settings": dict(SETTING.findall(read_text(own))),
                "databases": _databases(data),
            }
    return None


def _kind(servers: str) -> str | None:
    if os.path.exists(os.path.join(servers, "mariadbd")):
        return "mariadb"
    # MariaDB's packages have a link of this name.
    return "mysql" if os.path.exists(os.path.join(servers, "mysqld")) else None


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
