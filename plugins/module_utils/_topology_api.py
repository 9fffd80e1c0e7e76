# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account that the collection itself calls Airflow's API with, and whether there can be one."""

from __future__ import annotations

from collections.abc import Mapping

from ._topology_model import Draft
from ._topology_objects import has_objects
from ._topology_stages import setting
from ._topology_webserver_config import other_auth_type

FAB_AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
SIMPLE_AUTH_MANAGER = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
PASSWORD_BACKENDS = frozenset({"basic_auth", "session"})
NO_CANARY = "never"
CANARY_MODES = ("on_change", "always", NO_CANARY)


def api_hurdle(draft: Draft, settings: Mapping[str, Mapping[str, str]]) -> str:
    """Why an account in FAB's tables could not log in; empty when it can."""
    manager = setting(settings, "core", "auth_manager", SIMPLE_AUTH_MANAGER if draft.line >= 3 else FAB_AUTH_MANAGER)
    if manager.rpartition(".")[2] != "FabAuthManager":
        return f"[core] auth_manager is {manager}"
    kind = other_auth_type((draft.adopted or {}).get("webserver_config_content") or "")
    if kind:
        return f"webserver_config.py sets AUTH_TYPE to {kind}"
    backends = setting(settings, "api", "auth_backends", "session") if draft.line < 3 else "session"
    known = {backend.strip().rpartition(".")[2] for backend in backends.split(",")}
    return "" if known & PASSWORD_BACKENDS else f"[api] auth_backends is {backends}"


def wants_canary(draft: Draft) -> bool:
    """Whether the user wants a task on every queue as the last check."""
    return bool(draft.values["airflow_canary_enabled"] != NO_CANARY)


def has_canary(draft: Draft) -> bool:
    """Whether there is one."""
    return wants_canary(draft) and not draft.api_hurdle


def uses_api(draft: Draft) -> bool:
    """Whether anything calls the API: without a use there is no account."""
    return has_canary(draft) or has_objects(draft)
