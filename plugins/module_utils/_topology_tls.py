# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS everywhere: where certificates are on a host, and what those who connect are told."""

from __future__ import annotations

import ssl
from typing import Any

from ._topology_model import TLS_OFF, Draft, Host

FOLDER = "/etc/airflow-tls"
AUTHORITY = f"{FOLDER}/ca.crt"
"""The authorities that a host trusts: also an old one and its successor, while one takes the other's place."""

SERVER_FOLDERS = {"postgresql": f"{FOLDER}/postgresql", "mysql": "/etc/mysql/airflow-tls"}
"""MySQL is confined to folders of its own on some distributions."""

GIVEN_VARIABLES = {"certificate": "airflow_tls_certificate", "key": "airflow_tls_key", "authority": "airflow_tls_ca"}
"""Where the user names his files."""

WEB_CERTIFICATE = f"{FOLDER}/web/server.crt"
WEB_KEY = f"{FOLDER}/web/server.key"

CA_BUNDLES = {"RedHat": "/etc/pki/tls/certs/ca-bundle.crt"}
DEFAULT_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def ca_bundle(host: Host) -> str:
    """The file of the authorities that a host trusts in general."""
    return host.variables.get("airflow_ca_bundle") or CA_BUNDLES.get(str(host.facts.get("os_family")), DEFAULT_CA_BUNDLE)


def broker_authority(draft: Draft, host: Host) -> str | None:
    """The authorities that may have signed the broker's certificate, None without TLS. Whoever looks after another broker has his own."""
    broker = draft.broker
    if broker is None or not broker.tls:
        return None
    return AUTHORITY if broker.managed and draft.tls else ca_bundle(host)


def broker_ssl(engine: str, authority: str) -> dict[str, Any]:
    """What Celery is told of a broker's TLS, as its `broker_use_ssl`: the certificate and the name in it are verified.

    With Airflow's own options, `[celery] ssl_active` and its like, nobody would look whose certificate it is RabbitMQ has: an empty
    `server_hostname` makes kombu compare it with the address.
    """
    if engine == "rabbitmq":
        return {"cert_reqs": int(ssl.CERT_REQUIRED), "ca_certs": authority, "server_hostname": None}
    return {"ssl_cert_reqs": int(ssl.CERT_REQUIRED), "ssl_ca_certs": authority, "ssl_check_hostname": True}


def web_tls_host(draft: Draft, host: Host, loopback: str) -> str:
    """How a host reaches what serves the web page on itself."""
    return loopback if draft.uses_loopback else str(host.address or host.name)


def tls_changes(draft: Draft) -> bool:
    """Whether an installation that is there goes from plain text to TLS, back, or to certificates of somebody else."""
    return draft.installation is not None and str(draft.installation.get("tls") or TLS_OFF) != (draft.tls or TLS_OFF)
