# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible is told: which hosts there are, how each is reached, and what runs where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from demo.machine import CA_BUNDLE, CHECKOUT

from .hosts import VERSION, Host

FOLDER: Path = CHECKOUT / ".cache" / "converge"
ONE_NODE = CHECKOUT / "inventories" / "local_postgresql"
ONE_NODE_HOST = "airflow.example.org"
CONTROL_GROUPS = ("airflow_webserver", "airflow_scheduler", "airflow_metadata_db", "airflow_broker")
# Many hosts share the machine's processors, and their daemons start side by side.
SECONDS_TO_GET_HEALTHY = 600


def by_docker(host: Host) -> dict[str, Any]:
    """Variables of a host that is reached by Docker's connection."""
    return {"ansible_connection": "community.docker.docker", "ansible_host": host.name}


def by_ssh(host: Host, key: Path) -> dict[str, Any]:
    """Variables of a host that is reached by SSH."""
    known = f"-o UserKnownHostsFile={key.parent / 'known_hosts'} -o StrictHostKeyChecking=accept-new"
    return {
        "ansible_connection": "ansible.builtin.ssh",
        "ansible_host": host.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": f"{known} -o IdentitiesOnly=yes",
    }


def reached(hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An inventory that says how hosts are reached, and what else is of this machine only."""
    own = {"airflow_credentials_dir": str(FOLDER / "credentials"), **({"airflow_ca_bundle": str(CA_BUNDLE)} if CA_BUNDLE.exists() else {})}
    return {"all": {"hosts": {name: {**variables, **own} for name, variables in hosts.items()}}}


def grown(names: Iterable[str]) -> dict[str, Any]:
    """An inventory for CeleryExecutor: the first host has everything, each further one a worker."""
    workers = dict.fromkeys(names)
    control = {next(iter(workers)): None}
    return {
        "airflow": {
            "children": {**{group: {"hosts": dict(control)} for group in CONTROL_GROUPS}, "airflow_worker": {"hosts": workers}},
            "vars": {
                "airflow_version": VERSION,
                "airflow_worker_concurrency": 1,
                "airflow_health_timeout": SECONDS_TO_GET_HEALTHY,
            },
        }
    }


def write(name: str, content: Mapping[str, Any]) -> Path:
    """The file with an inventory."""
    place = FOLDER / f"{name}.yml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("---\n" + yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
    return place
