# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The URI of a connection."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ._objects_fields import Wrong, json_object

EXTRA_KEY = "__extra__"
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*")


def parse_uri(value: Any) -> dict[str, Any]:
    """The parts of a connection's URI, as Airflow 3 reads it. A password that it does not name is not among them."""
    if not isinstance(value, str):
        raise Wrong("is no text: write it in quotes.")
    if "#" in value:
        raise Wrong("holds a #: write it as %23.")
    scheme, separator, rest = value.partition("://")
    inner, nested, tail = rest.partition("://")
    protocol = inner if nested and SCHEME.fullmatch(inner) else ""
    if not separator or not SCHEME.fullmatch(scheme):
        raise Wrong("does not begin with a connection type and ://: write TYPE://LOGIN:PASSWORD@HOST:PORT/SCHEMA?KEY=VALUE.")
    try:
        parts = urlsplit(f"//{tail if protocol else rest}")
        port = parts.port
    except ValueError:
        raise Wrong("has a port or an address that cannot be read: quote special characters as in %2F.") from None
    host = _host(parts)
    found = {
        "conn_type": "postgres" if scheme == "postgresql" else scheme.replace("-", "_"),
        "host": (f"{protocol}://{host}" if protocol and host else host) or None,
        "login": unquote(parts.username or "") or None,
        "schema": unquote(parts.path[1:]) or None,
        "port": port or None,
        "extra": _extra(parts.query),
    }
    return {**found, "password": unquote(parts.password)} if parts.password else found


def _host(parts: SplitResult) -> str:
    """The host; a path to a socket keeps its capitals."""
    host = unquote(parts.hostname or "")
    return unquote(parts.netloc.rpartition("@")[2].partition(":")[0]) if "/" in host else host


def _extra(query: str) -> dict[str, Any] | None:
    given = dict(parse_qsl(query, keep_blank_values=True))
    if EXTRA_KEY in given:
        try:
            return json_object(given[EXTRA_KEY])
        except Wrong as wrong:
            raise Wrong(f"has an {EXTRA_KEY} that {wrong}") from None
    return {key: _json_value(value) for key, value in given.items()} or None


def _json_value(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
