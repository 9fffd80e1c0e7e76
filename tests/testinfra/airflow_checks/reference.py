# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An empty database that Airflow alone has brought to its schema, on the host's own server, to compare another one with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from . import hosts

NAME = "reference"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
AS_SERVER = ("runuser", "-u", "postgres", "--")
# Airflow neither finds a configuration here nor leaves one. PGTZ: the migration to 3.x reads moments in the session's time zone.
AIRFLOW = """\
home=$(mktemp -d) && chown nobody "$home" && cd "$home" || exit 1
runuser -u nobody -- env -i PATH=/usr/bin:/bin HOME="$home" AIRFLOW_HOME="$home" AIRFLOW_CONFIG=/dev/null PGTZ=UTC \
  AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="$2" $3 "$1/bin/airflow" $4
code=$?
rm -r "$home"
exit $code
"""
# The tables of groups are not made by a migration from 2.x but by Flask-AppBuilder when it first starts.
COMMANDS = {"2": ["db migrate"], "3": ["db migrate", "roles list"]}


def environment_of(host: Any, version: str) -> str:
    """Return the virtual environment of a version."""
    return hosts.run(host, "sh", "-c", f"ls -d /opt/airflow/venvs/{version}-*").split()[0]


@contextmanager
def database(host: Any, url: str, owner: str, versions: Sequence[str]) -> Iterator[str]:
    """Make the database beside the one of the URL, let each version migrate it in turn, yield its URL, drop it."""
    place = urlsplit(url)._replace(path=f"/{NAME}").geturl()
    hosts.run(host, *AS_SERVER, "createdb", f"--owner={owner}", "--template=template0", "--encoding=UTF8", "--locale=C.UTF-8", NAME)
    try:
        for version in versions:
            auth_manager = "" if version.startswith("2.") else f"AIRFLOW__CORE__AUTH_MANAGER={FAB}"
            for command in COMMANDS[version[0]]:
                hosts.run(host, "sh", "-c", AIRFLOW, "sh", environment_of(host, version), place, auth_manager, command)
        yield place
    finally:
        hosts.run(host, *AS_SERVER, "dropdb", NAME)
