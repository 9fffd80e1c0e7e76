# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about pools, variables, connections and users."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ._objects import Item, Kind, find_problems, read_items
from ._objects_others import DEFAULT_POOL, Pools
from ._objects_plan import UPDATE_SECRETS
from ._objects_users import Users, unknown_roles
from ._topology_model import Draft, listed
from ._topology_objects import KINDS, PREFIX, has_objects, object_lists

ROLES = frozenset({"Admin", "Op", "Public", "User", "Viewer"})
"""What FAB begins with."""


def objects_can_be_written(draft: Draft) -> Iterator[str]:
    """The modules' own look at the lists, before anything is changed."""
    api = "v1" if draft.line < 3 else "v2"
    for kind in KINDS:
        items, findings = read_items(kind, object_lists(draft)[kind.list_name])
        problems = find_problems(kind, items, {}, api, partial(_may_be_there, draft, kind))
        # A finding begins with the list's name.
        yield from (PREFIX + finding for finding in (*findings, *problems))


def roles_of_users_exist(draft: Draft) -> Iterator[str]:
    """In a new Airflow nobody has made others."""
    if _is_new(draft):
        yield from (PREFIX + finding for finding in unknown_roles(Users(), _users(draft), set(ROLES)))


def own_account_is_left_alone(draft: Draft) -> Iterator[str]:
    """It is what all this is done with."""
    own = draft.values["airflow_api_username"]
    if any(item.name.casefold() == own.casefold() for item in _users(draft)):
        yield f"airflow_users, {own}: the playbooks use this account themselves: remove the item, or set airflow_api_username."


def objects_can_be_reached(draft: Draft) -> Iterator[str]:
    """They are written by an account in FAB's tables."""
    if has_objects(draft) and draft.api_hurdle:
        names = listed(PREFIX + name for name, items in object_lists(draft).items() if items)
        yield (
            f"{names}: such objects are written through Airflow's API by an account of the playbooks, which cannot log in, as "
            f"{draft.api_hurdle}: leave them out."
        )


def update_secrets_is_known(draft: Draft) -> Iterator[str]:
    """When secrets are written."""
    mode = draft.values["airflow_objects_update_secrets"]
    if mode not in UPDATE_SECRETS:
        yield f"airflow_objects_update_secrets is {mode!r}: use {listed(UPDATE_SECRETS[:-1])} or {UPDATE_SECRETS[-1]}."


def _users(draft: Draft) -> list[Item]:
    return read_items(Users(), object_lists(draft)["users"])[0]


def _may_be_there(draft: Draft, kind: Kind, name: str) -> bool:
    """Whether Airflow may have an object before it is written, so that a part of it says enough."""
    if isinstance(kind, Pools):
        return name == DEFAULT_POOL
    # Of all others it is asked what they need: they are to come about on a new host too.
    return isinstance(kind, Users) and (not _is_new(draft) or name == draft.values["airflow_admin_username"])


def _is_new(draft: Draft) -> bool:
    """Whether nothing can be in the metadata but what Airflow begins with."""
    is_own = draft.database is None or draft.database.managed
    return draft.installation is None and draft.adopted is None and is_own


RULES = (objects_can_be_written, roles_of_users_exist, own_account_is_left_alone, objects_can_be_reached, update_secrets_is_known)
