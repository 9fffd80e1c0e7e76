# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL clusters of a host, in the folders that Debian keeps them in. Files are read, no server is asked."""

from __future__ import annotations

import glob
import os
import re
from contextlib import suppress
from typing import Any

CONFIGURATIONS = "/etc/postgresql"
SERVERS = "/usr/lib/postgresql"
VERSION = re.compile(r"\d+(\.\d+)?", re.ASCII)
"""Debian's tools take no other folder for a version's, such as one that somebody put aside."""
OWN_SETTINGS = os.path.join("conf.d", "airflow.conf")
"""Written by the role metadata_db, into a cluster that it serves from."""

DATA_DIRECTORY = re.compile(r"^\s*data_directory\s*=?\s*'([^']+)'", re.MULTILINE)
PORT = re.compile(r"^\s*port\s*=?\s*'?(\d+)", re.MULTILINE)
DEFAULT_PORT = 5432
SETTING = re.compile(r"^(\w+) = '?([^'\n]*)'?$", re.MULTILINE)
FIRST_OWN_OID = 16384
"""Databases that people make are numbered from here on; lower ones come with the server."""


def find_clusters(configurations: str = CONFIGURATIONS, servers: str = SERVERS) -> list[dict[str, Any]]:
    """Each with `name`, `config_dir`, `data_dir`, `port`, whether it is this collection's `own`, whether it is `disabled`, so that nothing
    starts it, its `settings`, and the number of `databases` that somebody made.

    A cluster whose server program is not there, as after the removal of its package, is none.
    """
    paths = sorted(glob.glob(os.path.join(glob.escape(configurations), "*", "*", "postgresql.conf")))
    return [_describe(path) for path in paths if _has_server(_parts(path)[0], servers)]


def _parts(path: str) -> tuple[str, str]:
    version, name = os.path.dirname(path).split(os.sep)[-2:]
    return version, name


def _has_server(version: str, servers: str) -> bool:
    return bool(VERSION.fullmatch(version)) and os.path.exists(os.path.join(servers, version, "bin", "postgres"))


def _describe(path: str) -> dict[str, Any]:
    folder = os.path.dirname(path)
    version, name = _parts(path)
    return {
        "name": f"{version}/{name}",
        "config_dir": folder,
        "data_dir": _data_directory(path),
        "port": _port(path, os.path.join(folder, OWN_SETTINGS)),
        "own": os.path.exists(os.path.join(folder, OWN_SETTINGS)),
        "disabled": _is_disabled(os.path.join(folder, "start.conf")),
        "settings": _settings(os.path.join(folder, OWN_SETTINGS)),
        "databases": _databases(_data_directory(path)),
    }


def _settings(path: str) -> dict[str, str]:
    """What this collection set, as it is written; empty where it set nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return dict(SETTING.findall(handle.read()))
    except OSError:
        return {}


def _is_disabled(path: str) -> bool:
    """Debian's tools read the first word of the file that is no comment."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            lines = [line.partition("#")[0].strip() for line in handle]
    except OSError:
        return False
    return next((line for line in lines if line), "") == "disabled"


def _data_directory(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            found = DATA_DIRECTORY.findall(handle.read())
    except OSError:
        found = []
    # The last word counts, as for the server.
    return str(found[-1]) if found else os.path.dirname(path)


def _port(*paths: str) -> int:
    """Where the server listens: the last word in these files, which are read in this order."""
    port = DEFAULT_PORT
    for path in paths:
        with suppress(OSError), open(path, encoding="utf-8", errors="replace") as handle:
            port = int((PORT.findall(handle.read()) or [port])[-1])
    return port


def _databases(data_directory: str) -> int:
    try:
        names = os.listdir(os.path.join(data_directory, "base"))
    except OSError:
        return 0
    return sum(name.isdigit() and int(name) >= FIRST_OWN_OID for name in names)
