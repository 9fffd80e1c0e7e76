# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about the account that calls Airflow's API, and about the canary that needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ._topology_api import CANARY_MODES, has_canary, uses_api, wants_canary
from ._topology_bundles import configured_bundles
from ._topology_dags import BUNDLE_LIST
from ._topology_model import Draft
from ._topology_stages import setting


def api_user_is_its_own(draft: Draft) -> Iterator[str]:
    """People change their passwords."""
    names = [draft.values["airflow_admin_username"], *(user["username"] for user in _simple_users(draft))]
    if uses_api(draft) and draft.values["airflow_api_username"] in names:
        yield (
            f"airflow_api_username is {draft.values['airflow_api_username']}, which is a person's name: the account that the playbooks use "
            "needs another one."
        )


def _simple_users(draft: Draft) -> list[Mapping[str, str]]:
    return list(((draft.adopted or {}).get("simple_auth") or {}).get("users") or [])


def canary_mode_is_known(draft: Draft) -> Iterator[str]:
    """When tasks are run as a check."""
    mode = draft.values["airflow_canary_enabled"]
    if mode not in CANARY_MODES:
        yield f"airflow_canary_enabled is {mode!r}: use {', '.join(CANARY_MODES[:-1])} or {CANARY_MODES[-1]}."


def bundles_are_a_list(draft: Draft) -> Iterator[str]:
    """Bundles can be added to it only then; Airflow refuses it too."""
    section, option = BUNDLE_LIST
    try:
        configured_bundles(setting(draft.settings, section, option, "") if draft.line >= 3 else "")
    except ValueError:
        yield f"[{section}] {option} is no JSON list of bundles, each with a name: correct it in airflow_config."


def canary_is_left_out(draft: Draft) -> Iterator[str]:
    """Who does not run it shall not believe that it was run."""
    if wants_canary(draft) and not has_canary(draft):
        yield (
            f"No task is run on the queues as a last check: {draft.api_hurdle}, with which the account for it cannot log in; "
            "airflow_canary_enabled: never says the same without this note."
        )


RULES = (api_user_is_its_own, canary_mode_is_known, bundles_are_a_list)
NOTES = (canary_is_left_out,)
