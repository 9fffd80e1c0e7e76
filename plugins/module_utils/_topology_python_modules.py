# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python files in AIRFLOW_HOME/config, which Airflow has on its path: what some of its options are the name of."""

from __future__ import annotations

import os

from ._topology_connections import async_arguments
from ._topology_model import Draft, Host

ADDRESS_MODULE = "updraft_address"
ADDRESS_FUNCTION = "advertised_address"
QUORUM_MODULE = "airflow_celery_quorum"
SENTINEL_MODULE = "airflow_celery_sentinel"
OWNER = {"owner": "root", "group": "root"}


def python_modules(draft: Draft, host: Host) -> list[dict[str, str]]:
    """Their folder and the files, as airflow_files takes them. An import that fails would keep the daemons from starting."""
    folder = f"{draft.home}/config"
    found = async_arguments(draft, host)
    if draft.settings.get("core", {}).get("hostname_callable") == f"{ADDRESS_MODULE}.{ADDRESS_FUNCTION}":
        found[ADDRESS_MODULE] = address_module(host.address or host.name)
    if draft.broker is not None and draft.broker.is_cluster:
        # What Celery's settings for a cluster of brokers name.
        module = QUORUM_MODULE if draft.broker.has_quorum_queues else SENTINEL_MODULE
        with open(os.path.join(draft.inputs.files_dir, f"{module}.py"), encoding="utf-8") as stream:
            found[module] = stream.read()
    files = [{"path": f"{folder}/{name}.py", "content": text, "mode": "0644", **OWNER} for name, text in found.items()]
    return [{"path": folder, "state": "directory", "mode": "0755", **OWNER}, *files] if files else []


def address_module(address: str) -> str:
    """A Python file whose function gives the address at which other hosts reach this one.

    Airflow's own function asks the resolver for the host's name, which on Debian is 127.0.1.1 on the host itself.
    """
    return f'def {ADDRESS_FUNCTION}():\n    """Where other hosts reach this one."""\n    return {address!r}\n'
