# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of a database cluster that this collection made. Files are read; only etcd is asked, for the members that it knows."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ._command import run_as
from .host_files import read_text

CONFIGURATION = "/etc/patroni/config.yml"
OWN_MARK = "(updraft.airflow)"
ETCD_CONFIGURATION = "/etc/etcd/airflow.json"
ETCD_CLIENT = "https://127.0.0.1:2379"
ANSWER_SECONDS = 3
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


def ask_etcd(words: Sequence[str]) -> str:
    """What etcd's own command says, nothing where it cannot tell in time."""
    try:
        done = run_as(None, ["etcdctl", *words], {"PATH": os.defpath, "ETCDCTL_API": "3"}, timeout=2 * ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def find_etcd(path: str = ETCD_CONFIGURATION, ask: Callable[[Sequence[str]], str] = ask_etcd) -> dict[str, Any] | None:
    """This collection's member of etcd, None where there is none.

    `is_made` says whether it has taken part. With what `cluster` it began and in which `state` is of no use to it then; `members` are the
    addresses it knew by name when it began. `listed` are those that etcd knows now, None where it does not answer.
    """
    try:
        configuration = json.loads(read_text(path))
        cluster, folder = str(configuration.get("initial-cluster") or ""), str(configuration["data-dir"])
    except (ValueError, AttributeError, KeyError):
        return None
    named = (entry.partition("=") for entry in cluster.split(",") if "=" in entry)
    is_made = os.path.isdir(os.path.join(folder, "member"))
    return {
        "is_made": is_made,
        "cluster": cluster,
        "state": str(configuration.get("initial-cluster-state") or ""),
        "members": {name: _address(url) for name, _equals, url in named},
        "listed": _listed(configuration, ask) if is_made else None,
    }


def _listed(configuration: Mapping[str, Any], ask: Callable[[Sequence[str]], str]) -> list[dict[str, str]] | None:
    """The members with `name` (none before its first start) and `address`."""
    tls = configuration.get("client-transport-security") or {}
    files = {"cacert": "trusted-ca-file", "cert": "cert-file", "key": "key-file"}
    options = [f"--{option}={tls.get(setting, '')}" for option, setting in files.items()]
    limits = [f"--dial-timeout={ANSWER_SECONDS}s", f"--command-timeout={ANSWER_SECONDS}s"]
    told = ask([f"--endpoints={ETCD_CLIENT}", *options, *limits, "member", "list", "--write-out=json"])
    try:
        found = json.loads(told)["members"]
        return [{"name": str(each.get("name") or ""), "address": _address(url)} for each in found for url in each.get("peerURLs") or []]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


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
