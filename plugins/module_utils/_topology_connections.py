# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the daemons of a host reach the databases."""

from __future__ import annotations

from dataclasses import dataclass

from . import _topology_urls as urls
from ._topology_model import Draft, Host

CA_BUNDLES = {"RedHat": "/etc/pki/tls/certs/ca-bundle.crt"}
DEFAULT_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


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
    family = str(host.facts.get("os_family"))
    return host.variables.get("airflow_ca_bundle") or CA_BUNDLES.get(family, DEFAULT_CA_BUNDLE)


def connections(draft: Draft, host: Host) -> Connections:
    """How the daemons of a host reach the metadata."""
    database = draft.database
    if database is None:
        return Connections(urls.sqlite_url(draft.sqlite_path or ""), urls.sqlite_async_url(draft.sqlite_path or ""))
    server, tls = (database.host, database.port), (database.ssl_mode, ssl_root_cert(draft, host))
    place = (database.user, database.password, *server, database.name, *tls)
    results = draft.results
    return Connections(
        urls.postgresql_url(*place, database.options),
        database.async_url or urls.postgresql_async_url(*place),
        urls.postgresql_url(results.user, results.password, *server, results.name, *tls, database.options) if results else "",
    )
