# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back to the installation that was lifted, and forward again: which of the two counts, and what the way back consists of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from . import _topology_urls as urls
from ._canary_names import DAG_ID, POOL
from ._topology_model import Draft, Host
from .airflow_options import environment_name

RECORD = "rolled-back.json"
"""In the folder of the backups: the host was gone back from, and by which database it had been in service."""

WEB_DAEMONS = ("webserver", "api-server", "standalone")
STOP_ORDER = ("scheduler", "worker", "flower", "triggerer", "dag_processor", "webserver")
"""Who sends tasks first, then who runs them, and what they report to last."""

ANY_ADDRESS = ("", "0.0.0.0", "::", "*")


def choose_sides(hosts: Mapping[str, Host], goes_back: bool) -> dict[str, Host]:
    """The hosts with the installation that counts, where a host that was gone back from has two.

    Where the inventory names another database, the old one is lifted anew, and what is recorded of the first lift does not count.
    Everywhere else the new one does, also while it is stopped.
    """
    return {name: _choose_side(host, goes_back) if host.lifted.get("is_gone_back") else host for name, host in hosts.items()}


def _choose_side(host: Host, goes_back: bool) -> Host:
    former = (host.installation or {}).get("database") or {}
    is_another = host.variables.get("airflow_metadata_db_name") != former.get("name")
    anew = host.adopted is not None and is_another and not goes_back and not host.variables.get("airflow_rollback_forward")
    return replace(host, info={**(host.info or {}), "installation" if anew else "adopted": None})


def gone_back(draft: Draft) -> list[Host]:
    """The hosts on which the installation that was lifted is in service again."""
    return [host for host in draft.hosts.values() if host.lifted.get("is_gone_back") and host.installation is not None]


def lifted_host(draft: Draft) -> Host | None:
    """The host whose installation was lifted from SQLite. Hosts that came later have it on their record, too."""
    names = sorted(draft.hosts, key=lambda name: name != draft.adopted_on)
    return next((draft.hosts[name] for name in names if (draft.hosts[name].installation or {}).get("moved")), None)


def rollback_plan(draft: Draft, name: str, daemons: Sequence[Mapping[str, Any]], users: Iterable[str]) -> dict[str, Any] | None:
    """How to go back on a host, and forward again; None where there is no such way."""
    host = draft.hosts[name]
    moved, adopted = (host.installation or {}).get("moved"), (host.installation or {}).get("adopted")
    if not moved or not adopted or moved.get("kind") == "own":
        return None
    return {
        "home": moved["home"],
        "executor": executor_of(adopted),
        "source_path": moved["path"],
        "source_name": f"{name}:{moved['path']}",
        "units": [f"{daemon['unit']}.service" for daemon in sorted(daemons, key=lambda daemon: STOP_ORDER.index(daemon["component"]))],
        "start_units": [f"{daemon['unit']}.service" for daemon in daemons],
        "page": old_page(adopted) if set(host.lifted.get("remembered") or ()) & set(WEB_DAEMONS) else None,
        "own": _own(draft, users),
        "is_gone_back": bool(host.lifted.get("is_gone_back")),
        "goes_forward": bool(host.lifted.get("is_gone_back") and draft.values["airflow_rollback_forward"] and not draft.inputs.goes_back),
        "record": {"format": 1, "home": moved["home"], "database": (host.installation or {}).get("database")},
    }


def rollback_record(draft: Draft, name: str) -> str | None:
    """The record of a rollback that is to be removed when this run has switched, None where there is none."""
    leaves = draft.hosts[name].lifted.get("record_is_there") and not draft.inputs.goes_back
    return f"{draft.home}/backups/{RECORD}" if leaves else None


def _own(draft: Draft, users: Iterable[str]) -> dict[str, list[str]]:
    """What `site` wrote or would write again: the objects of the inventory, its own account, users it made, and the canary."""

    def named(variable: str, key: str) -> list[str]:
        return [str(item[key]) for item in draft.values[variable] or [] if key in item]

    return {
        "connections": named("airflow_connections", "conn_id"),
        "variables": named("airflow_variables", "key"),
        "pools": [*named("airflow_pools", "name"), POOL],
        "users": sorted({*named("airflow_users", "username"), *users, str(draft.values["airflow_api_username"])}),
        "dags": [DAG_ID],
    }


def executor_of(adopted: Mapping[str, Any]) -> str:
    """The executor that the old daemons run with: from their environment, their file, or the default of their line."""
    default = "SequentialExecutor" if _line(adopted) < 3 else "LocalExecutor"
    return _option(adopted, "core", "executor") or default


def old_page(adopted: Mapping[str, Any]) -> str:
    """The page of the old webserver that says how it is, as its own host reaches it."""
    line = _line(adopted)
    section, page = ("api", "/api/v2/monitor/health") if line >= 3 else ("webserver", "/health")
    address = _option(adopted, section, "host" if line >= 3 else "web_server_host")
    encrypted = bool(_option(adopted, section, "ssl_cert" if line >= 3 else "web_server_ssl_cert"))
    path = urlsplit(_option(adopted, section, "base_url")).path.rstrip("/")
    own = urls.LOOPBACK[0] if address in ANY_ADDRESS else address
    return urls.web_url(own, int(adopted.get("webserver_port") or 8080), encrypted) + path + page


def _line(adopted: Mapping[str, Any]) -> int:
    return 2 if str(adopted.get("version") or "").startswith("2.") else 3


def _option(adopted: Mapping[str, Any], section: str, option: str) -> str:
    written = ((adopted.get("config") or {}).get(section) or {}).get(option)
    return str((adopted.get("environment") or {}).get(environment_name(section, option)) or written or "")
