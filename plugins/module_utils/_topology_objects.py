# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pools, variables, connections and users that the inventory describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._objects import Kind
from ._objects_connections import Connections
from ._objects_others import Pools, Variables
from ._objects_users import Users
from ._topology_model import Draft

KINDS: tuple[Kind, ...] = (Pools(), Variables(), Connections(), Users())
"""In the order in which they are written."""

PREFIX = "airflow_"
"""What a list's variable has before the list's name."""

DIGESTS = "object_digests.txt"


def object_lists(draft: Draft) -> Mapping[str, list[dict[str, Any]]]:
    """What is wanted of each kind."""
    return {kind.list_name: draft.values[PREFIX + kind.list_name] for kind in KINDS}


def has_objects(draft: Draft) -> bool:
    """Whether anything is."""
    return any(object_lists(draft).values())


def objects_plan(draft: Draft, name: str, credentials_dir: str) -> dict[str, Any] | None:
    """What is written through the API, on the host that calls it: the first webserver's."""
    if not has_objects(draft) or name not in draft.placement["webserver"][:1]:
        return None
    return {
        "lists": dict(object_lists(draft)),
        "update_secrets": draft.values["airflow_objects_update_secrets"],
        "digests_file": f"{credentials_dir}/{DIGESTS}",
    }
