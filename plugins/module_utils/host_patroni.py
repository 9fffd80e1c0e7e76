# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of a database cluster that this collection made. Files are read, nobody is asked."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from .host_files import read_text

CONFIGURATION = "/etc/patroni/config.yml"
OWN_MARK = "(updraft.airflow)"
ETCD_CONFIGURATION = "/etc/etcd/airflow.json"
DYNAMIC_SETTINGS = "patroni.dynamic.json"
"""Patroni keeps the settings of the whole cluster here, in the folder of the data."""

PASSWORDS = {
    "superuser": "database_superuser_password",
    "replication": "database_replication_password",
    "rewind": "database_rewind_password",
}


def find_patroni(path: str = CONFIGURATION) -> dict[str, Any] | None:
    """This collection's member of a cluster, None where there is none.

    `is_made` says whether it has the cluster's data: while its settings tell how the data are to be made, it does not.
    """
    written = read_text(path)
    first, _separator, body = written.partition("\n")
    if OWN_MARK not in first:
        return None
    try:
        configuration = json.loads(body)
    except ValueError:
        return None
    data_dir = str((configuration.get("postgresql") or {}).get("data_dir") or "")
    has_data = os.path.exists(os.path.join(data_dir, "PG_VERSION"))
    return {
        "scope": configuration.get("scope"),
        "is_made": has_data and "bootstrap" not in configuration,
        "version": read_text(os.path.join(data_dir, "PG_VERSION")).strip() or None,
        "data_dir": data_dir,
        "members": sorted(_members(configuration)),
        "settings": _settings(os.path.join(data_dir, DYNAMIC_SETTINGS)),
        "passwords": _passwords(configuration),
    }


def find_etcd(path: str = ETCD_CONFIGURATION) -> dict[str, Any] | None:
    """This collection's member of etcd, None where there is none.

    `is_made` says whether it has taken part. With what `cluster` it began and in which `state` is of no use to it then; `members` are the
    addresses it knew by name when it began.
    """
    try:
        configuration = json.loads(read_text(path))
        cluster, folder = str(configuration.get("initial-cluster") or ""), str(configuration["data-dir"])
    except (ValueError, AttributeError, KeyError):
        return None
    named = (entry.partition("=") for entry in cluster.split(",") if "=" in entry)
    return {
        "is_made": os.path.isdir(os.path.join(folder, "member")),
        "cluster": cluster,
        "state": str(configuration.get("initial-cluster-state") or ""),
        "members": {name: _address(url) for name, _equals, url in named},
    }


def _address(url: str) -> str:
    return re.sub(r":\d+$", "", url.rpartition("/")[2]).strip("[]")


def _members(configuration: Mapping[str, Any]) -> list[str]:
    """The addresses of all members, which each of them has a service of etcd on."""
    hosts = (configuration.get("etcd3") or {}).get("hosts") or []
    return [_address(str(host)) for host in hosts]


def _settings(path: str) -> dict[str, str]:
    """PostgreSQL's own settings as the cluster has them now; empty where that cannot be told."""
    try:
        dynamic = json.loads(read_text(path))
        parameters = (dynamic.get("postgresql") or {}).get("parameters") or {}
        return {str(name): str(value) for name, value in parameters.items()}
    except (ValueError, AttributeError):
        return {}


def _passwords(configuration: Mapping[str, Any]) -> dict[str, str]:
    accounts = (configuration.get("postgresql") or {}).get("authentication") or {}
    found = {name: str((accounts.get(account) or {}).get("password") or "") for account, name in PASSWORDS.items()}
    api = ((configuration.get("restapi") or {}).get("authentication") or {}).get("password")
    return {name: value for name, value in {**found, "database_cluster_password": str(api or "")}.items() if value}
