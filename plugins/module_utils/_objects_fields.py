# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of an item: how each value is read, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MASK = "***"
"""What Airflow shows instead of a secret, and takes for: as it was."""

SORTS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (float, "a number with a decimal point"),
    (int, "a number"),
    (str, "a text"),
    (dict, "a mapping"),
    (list, "a list"),
)
TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")


class Wrong(Exception):
    """What is wrong with a value, as the rest of a sentence that begins with the key."""


@dataclass(frozen=True)
class Field:
    """A key of an item. `read` returns the value as it is compared and sent, or raises `Wrong`."""

    name: str
    read: Callable[[Any], Any]
    secret: bool = False
    needed: bool = False
    """Whether an object cannot be created without it."""


def text(longest: int | None = None, empty: bool = True) -> Callable[[Any], str | None]:
    """A text; an empty one is None, as Airflow does not tell them apart."""

    def read(value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise Wrong(f"is {_sort(value)}: write a text, in quotes.")
        if not value and not empty:
            raise Wrong("is empty: give it a value, or leave it out.")
        if longest is not None and len(value) > longest:
            raise Wrong(f"has {len(value)} characters: Airflow keeps at most {longest}.")
        return value or None

    return read


def secret_text(value: Any) -> str | None:
    """A text that Airflow hides."""
    found = text()(value)
    if found == MASK:
        raise Wrong(f"is {MASK}, which is what Airflow shows for a secret: write the secret itself.")
    return found


def number(least: int, most: int | None = None) -> Callable[[Any], int]:
    """A whole number."""

    def read(value: Any) -> int:
        limits = f"between {least} and {most}" if most is not None else f"{least} or more"
        given = value.strip() if isinstance(value, str) else value
        try:
            if isinstance(given, (bool, float)):
                raise ValueError
            found = int(given)
        except (TypeError, ValueError):
            raise Wrong(f"is {_sort(value)}: write a whole number, {limits}.") from None
        if found < least or (most is not None and found > most):
            raise Wrong(f"is {found}: it must be {limits}.")
        return found

    return read


def flag(value: Any) -> bool:
    """A truth value, as Ansible reads them."""
    given = str(value).lower()
    if given in TRUE or given in FALSE:
        return given in TRUE
    raise Wrong(f"is {_sort(value)}: write true or false.")


def names(value: Any) -> tuple[str, ...]:
    """One name or several, in any order."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(name, str) and name for name in given):
        raise Wrong("is no list of names: write them as a list of texts.")
    if not given:
        raise Wrong("is empty: name at least one.")
    return tuple(sorted(set(given)))


def json_object(value: Any) -> dict[str, Any] | None:
    """A mapping, or one as JSON; an empty one is None."""
    given = value
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else {}
        except ValueError:
            raise Wrong("is no JSON: write a mapping, or a JSON object as text.") from None
    if not isinstance(given, dict):
        raise Wrong(f"is {_sort(given)}: write a mapping, or a JSON object as text.")
    if _holds_mask(given):
        raise Wrong(f"holds {MASK}, which is what Airflow shows for a secret: write the secret itself.")
    return given or None


def json_text(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    if value == MASK:
        raise Wrong(f"is {MASK}, which is what Airflow shows for a secret: write the secret itself.")
    return value if isinstance(value, str) else json.dumps(value, indent=2)


def _holds_mask(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_mask(part) for part in value.values())
    if isinstance(value, list):
        return any(_holds_mask(part) for part in value)
    return bool(value == MASK)


def _sort(value: Any) -> str:
    """The sort of a value: never the value, which may be a secret in the wrong place."""
    return next((name for kind, name in SORTS if isinstance(value, kind)), "nothing")
