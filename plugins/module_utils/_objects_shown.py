# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing with what Airflow shows of a value, which may be hidden as a whole or in parts."""

from __future__ import annotations

import json
import re
from typing import Any

from ._objects_fields import MASK

SENSITIVE = (
    "access_key",
    "access_token",
    "api_key",
    "apikey",
    "auth_header",
    "authorization",
    "bearer",
    "connection_string",
    "dsn",
    "keyfile_dict",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "proxies",
    "proxy",
    "secret",
    "service_account",
    "service_key",
    "token",
    "webhook_url",
)
"""Parts of names whose values Airflow hides on its pages."""


def is_sensitive(name: str) -> bool:
    """Whether Airflow hides what has this name."""
    lower = name.strip().lower()
    return any(part in lower for part in SENSITIVE)


def masked(value: Any, name: str = "") -> Any:
    """A copy of a value with what Airflow hides by name."""
    if isinstance(value, dict):
        return {key: masked(part, name if is_sensitive(name) else str(key)) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part, name) for part in value]
    return MASK if is_sensitive(name) and value is not None else value


def canonical(value: Any) -> str:
    """One text for equal values; unlike Python's, 1 and true differ."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def parsed(content: str) -> tuple[bool, Any]:
    """Whether a text is JSON, and what it says."""
    try:
        return True, json.loads(content)
    except ValueError:
        return False, None


def agrees(wanted: Any, shown: Any) -> bool | None:
    """Whether a value is what is shown; None when what is hidden leaves that open."""
    if isinstance(shown, str) and MASK in shown:
        pieces = (re.escape(piece) for piece in shown.split(MASK))
        fits = shown == MASK or (isinstance(wanted, str) and re.fullmatch(".*".join(pieces), wanted, re.DOTALL) is not None)
        return None if fits else False
    if isinstance(shown, dict) and isinstance(wanted, dict):
        return _all(agrees(wanted[key], shown[key]) for key in shown) if shown.keys() == wanted.keys() else False
    if isinstance(shown, list) and isinstance(wanted, list):
        return _all(agrees(*pair) for pair in zip(wanted, shown)) if len(shown) == len(wanted) else False
    return canonical(wanted) == canonical(shown)


def text_agrees(wanted: str, shown: str | None) -> bool | None:
    """The same for the text of a variable, which Airflow 3 writes anew where it is JSON."""
    if shown is None:
        return False
    if wanted == shown:
        return True
    (is_json, wanted_value), (shown_is_json, shown_value) = parsed(wanted), parsed(shown)
    return agrees(wanted_value, shown_value) if is_json and shown_is_json else agrees(wanted, shown)


def _all(answers: Any) -> bool | None:
    """False when one is, else None when one is, else True."""
    found = list(answers)
    return False if False in found else None if None in found else True
