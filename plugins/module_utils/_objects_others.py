# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables and pools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ._objects import Item, Kind, Record
from ._objects_fields import Field, flag, json_text, number, text
from ._objects_shown import masked, parsed, text_agrees

DEFAULT_POOL = "default_pool"
UNLIMITED = -1
USAGE = ("occupied_slots", "running_slots", "queued_slots", "scheduled_slots", "deferred_slots", "open_slots")


class Variables(Kind):
    """Variables."""

    list_name = "variables"
    title = "variable"
    identifier = "key"
    fields = (Field("value", json_text, secret=True, needed=True), Field("description", text()))
    visible = ("description",)

    def record(self, raw: Mapping[str, Any]) -> tuple[str, Record]:
        """Airflow 3 hides what it takes for secret."""
        return raw["key"], {"value": raw.get("value"), "description": raw.get("description") or None}

    def describe(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Airflow 2 hides nothing by itself."""
        found = super().describe(raw)
        is_json, value = parsed(found["value"] or "")
        hidden = masked(value if is_json else found["value"], found["key"])
        return {**found, "value": found["value"] if hidden == value else json.dumps(hidden) if is_json else hidden}

    def agrees(self, name: str, wanted: Any, record: Record, version: str) -> bool | None:
        """Airflow 2 shows every value as it is."""
        if name != "value" or version == "v1":
            return super().agrees(name, wanted, record, version)
        return text_agrees(wanted, record["value"])

    def creation(self, name: str, values: Mapping[str, Any], version: str) -> dict[str, Any]:
        """Airflow 2 takes no null for a description."""
        return {"key": name, **{key: value for key, value in values.items() if value is not None}}

    def change(self, name: str, values: Mapping[str, Any], record: Record, version: str) -> tuple[dict[str, Any], tuple[str, ...] | None]:
        """The body needs a value even where the mask leaves it out. Airflow 2 knows the value under another name in its mask."""
        given = {**values, "description": values["description"] or ""} if "description" in values else values
        mask = tuple(values) if version == "v2" or "value" not in values else None
        return {"key": name, "value": "", **given}, mask


class Pools(Kind):
    """Pools."""

    list_name = "pools"
    title = "pool"
    identifier = "name"
    longest_name = 256
    fields = (Field("slots", number(UNLIMITED), needed=True), Field("description", text()), Field("include_deferred", flag))

    def mistakes(self, item: Item, username: str | None) -> Iterator[str]:
        """Airflow keeps its own pool."""
        if item.name == DEFAULT_POOL and not item.present:
            yield "state is absent, and Airflow does not let its default pool go: remove this item."
        if item.name == DEFAULT_POOL and "description" in item.values:
            yield "description is given, and of the default pool only slots and include_deferred can be set: remove it."

    def problems(self, item: Item, records: Mapping[str, Record], items: Mapping[str, Item], version: str) -> Iterator[str]:
        """Airflow 2 has no address for such a pool."""
        if version == "v1" and "/" in item.name:
            yield "name holds a slash, and the API of Airflow 2 cannot change such a pool: choose another name."

    def record(self, raw: Mapping[str, Any]) -> tuple[str, Record]:
        """Besides how it is used."""
        return raw["name"], {
            "slots": raw["slots"],
            "description": raw.get("description") or None,
            "include_deferred": bool(raw.get("include_deferred")),
        }

    def describe(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """With how it is used."""
        return {**super().describe(raw), **{name: raw.get(name) for name in USAGE}}

    def defaults(self, item: Item) -> dict[str, Any]:
        """As on the page."""
        return {"include_deferred": False}

    def creation(self, name: str, values: Mapping[str, Any], version: str) -> dict[str, Any]:
        """All of it."""
        return {"name": name, **values}

    def change(self, name: str, values: Mapping[str, Any], record: Record, version: str) -> tuple[dict[str, Any], tuple[str, ...] | None]:
        """The whole pool; of the default pool Airflow 3 wants to know that nothing else is meant."""
        mask = ("slots", "include_deferred") if name == DEFAULT_POOL and version == "v2" else None
        return {"name": name, **record, **values}, mask
