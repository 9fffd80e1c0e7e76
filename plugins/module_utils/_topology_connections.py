# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the daemons of a host reach the databases."""

from __future__ import annotations

from dataclasses import dataclass

from . import _topology_mysql as mysql
from . import _topology_urls as urls
from ._topology_database import MEMBERS_AUTHORITY, is_cluster, is_pooled
from ._topology_model import Database, Draft, Host
from ._topology_pgbouncer import ARGUMENTS_MODULE, ASYNC_ARGUMENTS, HANDED_ON
from ._topology_tls import AUTHORITY, ca_bundle


@dataclass(frozen=True)
class Connections:
    """The URLs of the databases; 2.x has no asynchronous one, and only Celery has results (empty without it)."""

    url: str
    async_url: str
    results_url: str = ""


def ssl_root_cert(draft: Draft, host: Host) -> str | None:
    """The file with the authorities that may have signed the server's certificate, None when nothing is verified."""
    database = draft.database
    if database is None:
        return None
    written = host.variables.get("airflow_metadata_db_ssl_root_cert") or database.ssl_root_cert
    if written or not database.ssl_mode.startswith("verify-"):
        return written or None
    if database.managed and draft.tls:
        return MEMBERS_AUTHORITY if is_cluster(draft) else AUTHORITY
    return ca_bundle(host)


def daemon_connections(draft: Draft, host: Host) -> Connections:
    """How the daemons of a host reach the metadata: by the host's PgBouncer where it has one, else as everybody does.

    PgBouncer encrypts what leaves the host, and knows by itself when to give up a server that does not answer.
    """
    database, results = draft.database, draft.results
    if database is None or not is_pooled(draft):
        return connections(draft, host)
    place = (urls.LOOPBACK[0], draft.values["airflow_metadata_db_pgbouncer_port"])
    options = {name: value for name, value in database.options.items() if name in HANDED_ON}
    return Connections(
        urls.postgresql_url(database.user, database.password, *place, database.name, "disable", None, options),
        urls.postgresql_url(database.user, database.password, *place, database.name, "disable", None, options, "psycopg"),
        urls.postgresql_url(results.user, results.password, *place, results.name, "disable", None, options) if results else "",
    )


def connections(draft: Draft, host: Host) -> Connections:
    """How the metadata are reached from a host, straight: by its command line, and by its daemons unless PgBouncer is between them."""
    database = draft.database
    if database is None:
        return Connections(urls.sqlite_url(draft.sqlite_path or ""), urls.sqlite_async_url(draft.sqlite_path or ""))
    tls = (database.ssl_mode, ssl_root_cert(draft, host))
    make = mysql.mysql_url if database.engine == mysql.ENGINE else urls.postgresql_url
    results = draft.results
    return Connections(
        make(database.user, database.password, database.host, database.port, database.name, *tls, database.options),
        _async_url(draft, database, *tls),
        make(results.user, results.password, database.host, database.port, results.name, *tls, database.options) if results else "",
    )


def _async_url(draft: Draft, database: Database, ssl_mode: str, root_cert: str | None) -> str:
    place = (database.user, database.password, database.host, database.port, database.name)
    if is_pooled(draft):
        # The arguments of the driver, which are a setting of all, fit one driver only.
        return urls.postgresql_url(*place, ssl_mode, root_cert, database.options, "psycopg")
    if database.async_url:
        return database.async_url
    if database.engine == mysql.ENGINE:
        return mysql.mysql_async_url(*place, {name: value for name, value in database.options.items() if name in mysql.ASYNC_OPTIONS})
    return urls.postgresql_async_url(*place, ssl_mode, root_cert)


def async_arguments(draft: Draft, host: Host) -> dict[str, str]:
    """The Python module with what the asynchronous driver's URL cannot say, as its name and its text; empty where that is nothing."""
    database = draft.database
    if database is None or draft.line < 3:
        return {}
    if is_pooled(draft):
        return {ARGUMENTS_MODULE: ASYNC_ARGUMENTS}
    found = mysql.async_connect_args(database.ssl_mode, ssl_root_cert(draft, host)) if database.engine == mysql.ENGINE else None
    return {mysql.ASYNC_ARGUMENTS_MODULE: found} if found else {}
