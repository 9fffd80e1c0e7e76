# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ._objects import Item, Kind, Record
from ._objects_fields import MASK, Field, Wrong, json_object, number, secret_text, text
from ._objects_shown import agrees, masked, parsed
from ._objects_uri import parse_uri

PARTS = ("conn_type", "host", "login", "password", "schema", "port", "extra")
NAME = re.compile(r"[\w.-]+")


class Connections(Kind):
    """Connections, described by their parts or by a URI."""

    list_name = "connections"
    title = "connection"
    identifier = "conn_id"
    longest_name = 200
    fields = (
        Field("conn_type", text(500, empty=False), needed=True),
        Field("description", text(5000)),
        Field("host", text(500)),
        Field("login", text()),
        Field("schema", text(500)),
        Field("port", lambda value: number(0, 65535)(value) or None),
        Field("password", secret_text, secret=True),
        Field("extra", json_object, secret=True),
        Field("uri", parse_uri),
    )
    visible = ("conn_type", "description", "host", "login", "schema", "port")

    def read_name(self, value: Any) -> str:
        """Airflow takes letters, digits, underscores, dots and dashes."""
        found = super().read_name(value)
        if not NAME.fullmatch(found):
            raise Wrong("holds characters that Airflow does not take: use letters, digits, underscores, dots and dashes.")
        return found

    def expand(self, values: dict[str, Any]) -> dict[str, Any]:
        """A URI stands for all parts."""
        if "uri" not in values:
            return values
        both = [part for part in PARTS if part in values]
        if both:
            raise Wrong(f"uri and {', '.join(both)} are given: a URI says all of it, so remove the one or the other.")
        return {**{name: value for name, value in values.items() if name != "uri"}, **values["uri"]}

    def problems(self, item: Item, records: Mapping[str, Record], items: Mapping[str, Item], version: str) -> Iterator[str]:
        """A password that is there stays."""
        if item.present and item.values.get("password", "") is None and records.get(item.name, {}).get("password"):
            yield "password is empty, and Airflow's API takes no password away: remove the connection (state: absent), then create it anew."

    def record(self, raw: Mapping[str, Any]) -> tuple[str, Record]:
        """Airflow 2 lists neither password nor extra."""
        known = {name: raw.get(name) or None for name in self.visible}
        return raw["connection_id"], {**known, **{name: raw[name] for name in self.secrets if name in raw}}

    def agrees(self, name: str, wanted: Any, record: Record, version: str) -> bool | None:
        """The password is shown as a mask, the extra with masks in it."""
        if name not in self.secrets:
            return super().agrees(name, wanted, record, version)
        if name not in record:
            return None
        shown = record[name] or None
        if name == "password":
            return None if shown == MASK and wanted else bool(shown == wanted)
        try:
            return agrees(wanted or {}, json.loads(shown) if shown else {})
        except ValueError:
            return False

    def recall(self, record: Record, digest: Mapping[str, str]) -> Record:
        """A password that was written is there, which Airflow 2 does not tell."""
        return {"password": MASK, **record} if "password" in digest else record

    def is_kept(self, key: str, value: Any) -> bool:
        """Airflow ignores it when a password is set to nothing."""
        return key != "password" or value is not None

    def describe(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The extra as a mapping, where it is shown."""
        found = super().describe(raw)
        if "password" in found:
            found["password"] = MASK if found["password"] else None
        if "extra" in found:
            extra = parsed(found["extra"] or "{}")[1]
            found["extra"] = masked(extra) if isinstance(extra, dict) else MASK
        return found

    def creation(self, name: str, values: Mapping[str, Any], version: str) -> dict[str, Any]:
        """What is empty is left out: not every key of Airflow 2 takes null."""
        return {"connection_id": name, **_sent({key: value for key, value in values.items() if value is not None})}

    def change(self, name: str, values: Mapping[str, Any], record: Record, version: str) -> tuple[dict[str, Any], tuple[str, ...] | None]:
        """What is not in the body stays; Airflow 3 insists on the type."""
        return {"connection_id": name, "conn_type": record["conn_type"], **_sent(values)}, None


def _sent(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "extra": json.dumps(values["extra"])} if values.get("extra") else dict(values)
