# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a plan about the last check: a task on every queue, and the login that it is run with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _topology_urls as urls
from ._topology_api import has_canary, uses_api
from ._topology_bundles import canary_folder
from ._topology_celery import default_queue, most_tasks
from ._topology_daemons import unit_name
from ._topology_model import Draft
from ._topology_settings import base_path
from ._topology_stages import number_setting
from ._topology_tls import AUTHORITY, web_tls_host

DEFAULT_PARALLELISM = 32


def api_plan(draft: Draft, name: str) -> dict[str, Any] | None:
    """Where the API answers and how to log in, on the host that calls it: the first webserver's."""
    if not uses_api(draft) or name not in draft.placement["webserver"][:1]:
        return None
    return {
        "url": urls.web_url(web_tls_host(draft, draft.hosts[name], urls.LOOPBACK[0]), draft.port, bool(draft.tls)) + base_path(draft),
        "ca_path": AUTHORITY if draft.tls else None,
        "username": draft.values["airflow_api_username"],
        "password": draft.secrets.get("api_password", ""),
    }


def canary_plan(draft: Draft, name: str, units: Sequence[str]) -> dict[str, Any] | None:
    """What a host with these units contributes; None where there is no canary, or no daemon."""
    webserver = draft.placement["webserver"][:1]
    if not has_canary(draft) or not units or not set(webserver) <= set(draft.inputs.limited or webserver):
        return None
    folder = canary_folder(draft.home)
    parallelism = number_setting(draft.settings, "core", "parallelism", DEFAULT_PARALLELISM)
    slots = 1 if draft.executor == "SequentialExecutor" else parallelism * len(draft.placement["scheduler"])
    return {
        "mode": draft.values["airflow_canary_enabled"],
        "is_run_here": name in draft.placement["webserver"][:1],
        "file": f"{folder}/canary.py",
        "folder": folder,
        "record": f"{folder}/proven.json",
        "units": list(units),
        "queues": _worker_queues(draft) if draft.uses_celery else _scheduler_queue(draft, slots),
        "schedulers": _places(draft, "scheduler"),
        "parsers": _places(draft, "dag_processor"),
        "slots": slots,
    }


def _places(draft: Draft, daemon: str) -> list[str]:
    return [_place(daemon, host) for host in draft.placement[daemon]]


def _place(daemon: str, host: str) -> str:
    """A unit for messages."""
    return f"{unit_name(daemon)} on {host}"


def _scheduler_queue(draft: Draft, slots: int) -> list[dict[str, Any]]:
    """The scheduler's own processes run the tasks of every queue."""
    return [{"name": default_queue(draft), "servers": _places(draft, "scheduler"), "slots": slots, "siblings": []}]


def _worker_queues(draft: Draft) -> list[dict[str, Any]]:
    workers = [(host, worker) for host, found in draft.workers.items() for worker in found]
    names = dict.fromkeys(queue for _host, worker in workers for queue in worker.queues)
    queues = []
    for name in names:
        serving = [(host, worker) for host, worker in workers if name in worker.queues]
        queues.append(
            {
                "name": name,
                "servers": [_place(worker.name, host) for host, worker in serving],
                "slots": sum(most_tasks(worker) for _host, worker in serving),
                "siblings": sorted({queue for _host, worker in serving for queue in worker.queues}),
            }
        )
    return queues
