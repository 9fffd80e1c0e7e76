# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about a metadata database on MySQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import _topology_mysql as mysql
from . import _topology_versions as versions
from ._topology_database import server_host
from ._topology_model import Database, Draft, Host

REPOSITORY = "airflow_metadata_db_mysql_repository"
REPOSITORY_KEYS = ("uris", "suites", "components", "signed_by")
INSTEAD = "use PostgreSQL, or another server by airflow_metadata_db_host"


def _on_mysql(draft: Draft) -> Database | None:
    """The database where it may be one of MySQL's; what is on another server already stays there, as another rule says."""
    database = draft.database
    if database is None or database.engine != mysql.ENGINE:
        return None
    before = (draft.installation or {}).get("engine")
    return database if before in (None, "sqlite", mysql.ENGINE) else None


def _managed(draft: Draft) -> list[tuple[Host, Mapping[str, Any]]]:
    """Each host that is to have a server, with the one of MySQL or MariaDB that it has."""
    database = _on_mysql(draft)
    hosts = [draft.hosts[name] for name in draft.groups["metadata_db"]] if database is not None and database.managed else []
    return [(host, (host.info or {}).get("mysql_server") or {}) for host in hosts]


def mysql_can_be_installed(draft: Draft) -> Iterator[str]:
    """Debian's stable releases have MariaDB under MySQL's name, and another distribution's server is not to be replaced."""
    for host, server in _managed(draft):
        kind = server.get("kind")
        key = versions.system_key(host.facts)
        if kind == "mariadb":
            yield (
                f"{host.name} has a MariaDB server, which Airflow does not support and MySQL's packages would replace: put another host "
                f"into {draft.group('metadata_db')}, or remove MariaDB yourself."
            )
        elif kind is None and key in mysql.WITHOUT_SERVER and not draft.values[REPOSITORY]:
            yield (
                f"{host.name} has no MySQL server, and {' '.join(key or ())} has none to install: name a repository that has one by "
                f"{REPOSITORY}, {INSTEAD}."
            )


def mysql_repository_is_complete(draft: Draft) -> Iterator[str]:
    """A repository without a key would be trusted by nobody, and one for nothing is a mistake."""
    repository = draft.values[REPOSITORY]
    if not repository:
        return
    missing = [key for key in REPOSITORY_KEYS if not repository.get(key)]
    further = [key for key in repository if key not in REPOSITORY_KEYS]
    if missing:
        yield f"{REPOSITORY} lacks {', '.join(missing)}: give all of {', '.join(REPOSITORY_KEYS)}."
    elif further:
        yield f"{REPOSITORY} has {', '.join(further)}, which it does not know: use {', '.join(REPOSITORY_KEYS)}."
    elif (host := server_host(draft)) is not None and host.facts.get("os_family") not in (None, "Debian"):
        yield f"{REPOSITORY} is one of Debian's packages, and {host.name} is no Debian or Ubuntu: remove it."
    elif draft.engine != mysql.ENGINE:
        yield f"{REPOSITORY} is set, and airflow_metadata_db_engine is not mysql: set that, or remove the repository."


def mysql_is_new_enough(draft: Draft) -> Iterator[str]:
    """The server that is there, or the one that the distribution has."""
    database, host = _on_mysql(draft), server_host(draft)
    if database is not None and host is not None:
        yield from mysql.version_findings(database.version, draft.version, f"the MySQL of {host.name}")


def mysql_names_can_be_made(draft: Draft) -> Iterator[str]:
    """Names of a managed server."""
    database = _on_mysql(draft)
    if database is not None and database.managed:
        yield from mysql.name_findings("airflow_metadata_db_name", database.name)
        yield from mysql.name_findings("airflow_metadata_db_user", database.user)
        if draft.results is not None:
            yield from mysql.results_findings(draft.results.name, draft.results.user)


def mysql_is_reached_by_address(draft: Draft) -> Iterator[str]:
    """What the client library would take for a socket."""
    database = _on_mysql(draft)
    if database is not None:
        yield from mysql.host_findings(database.host)


def mysql_is_tested(draft: Draft) -> Iterator[str]:
    """Warnings: a server newer than upstream tests."""
    database, host = _on_mysql(draft), server_host(draft)
    if database is not None and host is not None:
        yield from mysql.version_warnings(database.version, draft.version, draft.line, f"The server of {host.name}")


def mysql_is_nobody_elses(draft: Draft) -> Iterator[str]:
    """Addresses, time zone, isolation and the binary log are the whole server's."""
    for host, server in _managed(draft):
        if server.get("databases") and not server["own"]:
            yield (
                f"{host.name} has a MySQL server with databases of others, which would get Airflow's settings: put another host into "
                f"{draft.group('metadata_db')}, or make role and database there yourself and name it by airflow_metadata_db_managed "
                "(false), airflow_metadata_db_host and airflow_metadata_db_password."
            )


RULES = (
    mysql_can_be_installed,
    mysql_repository_is_complete,
    mysql_is_new_enough,
    mysql_names_can_be_made,
    mysql_is_reached_by_address,
    mysql_is_nobody_elses,
)
WARNINGS = (mysql_is_tested,)
