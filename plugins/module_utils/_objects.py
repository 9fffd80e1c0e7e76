# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of Airflow as data: what a list of items says, and what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ._objects_fields import Field, Wrong, text

STATES = ("present", "absent")
CLOSE_ENOUGH = 0.6

Record = dict[str, Any]
"""An object as the API shows it, under the keys of our items."""


@dataclass(frozen=True)
class Item:
    """What is wanted of one object: the keys that were given, read."""

    name: str
    present: bool
    values: Mapping[str, Any]
    sound: bool = True
    """Whether nothing is wrong with it."""


class Kind:
    """A kind of objects; its subclasses know how each generation of the API speaks of them."""

    list_name: str
    title: str
    identifier: str
    longest_name: int = 250
    fields: tuple[Field, ...]
    visible: tuple[str, ...] = ()
    """Keys that the API never hides; a digest is bound to them."""

    bulk = True
    """Whether Airflow 3 takes many of them in one request."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys whose values Airflow may hide."""
        return tuple(field.name for field in self.fields if field.secret)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key an item may have."""
        return (self.identifier, "state", *(field.name for field in self.fields))

    def path(self, version: str) -> str:
        """Where the API has them."""
        return f"/api/{version}/{self.list_name}"

    def read_name(self, value: Any) -> str:
        """What an item is called."""
        found = str(text(self.longest_name, empty=False)(value))
        if found != found.strip() or found in (".", "..") or not found.isprintable():
            raise Wrong("begins or ends with a blank, holds a control character, or is only dots: choose another name.")
        return found

    def expand(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values with what some of them stand for."""
        return values

    def mistakes(self, item: Item, username: str | None) -> Iterator[str]:
        """What is wrong with an item besides single values; the rest of a sentence each."""
        return iter(())

    def problems(self, item: Item, records: Mapping[str, Record], items: Mapping[str, Item], version: str) -> Iterator[str]:
        """What speaks against an item with what the server has; the rest of a sentence each."""
        return iter(())

    def record(self, raw: Mapping[str, Any]) -> tuple[str, Record]:
        """Name and values of an object that the API shows."""
        raise NotImplementedError

    def describe(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """An object for people to read, without secrets."""
        name, record = self.record(raw)
        return {self.identifier: name, **record}

    def recall(self, record: Record, digest: Mapping[str, str]) -> Record:
        """What the API shows, with what is known of what it does not show."""
        return record

    def is_kept(self, key: str, value: Any) -> bool:
        """Whether Airflow stores a secret of this value, so that there is something to write and to remember."""
        return True

    def defaults(self, item: Item) -> dict[str, Any]:
        """What a new object gets besides what is given."""
        return {}

    def agrees(self, name: str, wanted: Any, record: Record, version: str) -> bool | None:
        """Whether a value is what the API shows; None when it does not show enough to tell."""
        return bool(record.get(name) == wanted)

    def creation(self, name: str, values: Mapping[str, Any], version: str) -> dict[str, Any]:
        """The body of a request that creates one."""
        raise NotImplementedError

    def change(self, name: str, values: Mapping[str, Any], record: Record, version: str) -> tuple[dict[str, Any], tuple[str, ...] | None]:
        """The body of a request that changes these values, and the update mask it needs."""
        raise NotImplementedError


def read_items(kind: Kind, given: Iterable[Mapping[str, Any]], username: str | None = None) -> tuple[list[Item], list[str]]:
    """The items of a list, and everything that is wrong with them."""
    items: list[Item] = []
    findings: list[str] = []
    for position, raw in enumerate(given, start=1):
        item, wrong = _read_item(kind, position, raw)
        findings += wrong
        if item is not None:
            items.append(item)
            findings += [_sentence(kind, item.name, mistake) for mistake in kind.mistakes(item, username)]
    findings += [
        _sentence(kind, name, f"{kind.identifier} is there {count} times: keep one of these items.")
        for name, count in _counted(item.name for item in items).items()
        if count > 1
    ]
    return items, findings


def find_problems(
    kind: Kind, items: Iterable[Item], records: Mapping[str, Record], version: str, others: Callable[[str], bool] = lambda name: False
) -> list[str]:
    """What speaks against the items with what the server has; `others` says what it may have besides."""
    by_name = {item.name: item for item in items}
    findings = []
    for item in by_name.values():
        told = list(kind.problems(item, records, by_name, version))
        if item.present and item.sound and item.name not in records and not others(item.name):
            missing = (field.name for field in kind.fields if field.needed and item.values.get(field.name) is None)
            told += [f"{name} is missing, without which no {kind.title} can be created: add it." for name in missing]
        findings += [_sentence(kind, item.name, problem) for problem in told]
    return findings


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, as a question; else all of them."""
    choices = list(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=CLOSE_ENOUGH)
    return f"did you mean {near[0]}?" if near else f"use one of {', '.join(choices)}."


def _read_item(kind: Kind, position: int, raw: Mapping[str, Any]) -> tuple[Item | None, list[str]]:
    """The item, None where it has no name to go by, and what is wrong with it."""
    given = {str(key): value for key, value in raw.items() if value is not None}
    name, wrong = _read_name(kind, given)
    wrong += [f"there is no key {key}: {nearest(key, kind.keys)}" for key in given if key not in kind.keys]
    state = given.get("state", STATES[0])
    if state not in STATES:
        wrong.append(f"state is {state!r}: write present or absent.")
    values: dict[str, Any] = {}
    for field in kind.fields:
        if field.name in given:
            try:
                values[field.name] = field.read(given[field.name])
            except Wrong as error:
                wrong.append(f"{field.name} {error}")
    try:
        values = kind.expand(values)
    except Wrong as error:
        wrong.append(str(error))
    item = None if name is None else Item(name, state == STATES[0], values, not wrong)
    return item, [_sentence(kind, name or f"item {position}", rest) for rest in wrong]


def _read_name(kind: Kind, given: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    if kind.identifier not in given:
        return None, [f"{kind.identifier} is missing: every {kind.title} needs one."]
    try:
        return kind.read_name(given[kind.identifier]), []
    except Wrong as error:
        return None, [f"{kind.identifier} {error}"]


def _sentence(kind: Kind, label: str, rest: str) -> str:
    return f"{kind.list_name}, {label}: {rest}"


def _counted(names: Iterable[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for name in names:
        counted[name] = counted.get(name, 0) + 1
    return counted
