# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done so that the objects are as the items say, and what is remembered of their secrets."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._objects import Item, Kind, Record
from ._objects_shown import canonical

UPDATE_SECRETS = ("always", "on_change", "on_create")
VISIBLE = "visible"
HIDDEN = "(hidden)"

Digest = dict[str, str]
"""For each secret key of an object a digest, and one of what the API shows of it."""


class Digests:
    """Digests of the secrets that were written before, keyed, so that without the key nobody can guess at them."""

    def __init__(self, kind: Kind, key: str | None, recorded: Mapping[str, Digest] | None) -> None:
        self._kind = kind
        self._key = key
        self._recorded = recorded or {}

    @property
    def kept(self) -> bool:
        """Whether there is a memory at all."""
        return bool(self._key)

    def of(self, name: str, key: str, value: Any) -> str:
        """The digest of one value; another object's or another key's with the same value differs."""
        content = canonical([self._kind.list_name, name, key, value])
        return hmac.new(str(self._key).encode(), content.encode(), hashlib.sha256).hexdigest()

    def of_visible(self, name: str, record: Record) -> str:
        """The digest of what the API shows."""
        return self.of(name, VISIBLE, {key: record.get(key) for key in self._kind.visible})

    def confirms(self, item: Item, key: str, record: Record) -> bool:
        """Whether the value was the last one written, and nobody touched the object since, as far as can be seen."""
        recorded = self._recorded.get(item.name, {})
        if not self.kept or recorded.get(VISIBLE) != self.of_visible(item.name, record):
            return False
        return recorded.get(key) == self.of(item.name, key, item.values[key])

    def entry(self, item: Item, keys: Iterable[str], record: Record | None) -> Digest:
        """What is remembered of an object whose values of these keys are known to be right; nothing of one that is not there."""
        found = {key: self.of(item.name, key, item.values[key]) for key in keys}
        return {**found, VISIBLE: self.of_visible(item.name, record)} if found and record is not None else {}


@dataclass(frozen=True)
class Change:
    """One thing to do. `values` is what is written."""

    verb: str
    item: Item
    values: Mapping[str, Any] = field(default_factory=dict)
    record: Record = field(default_factory=dict)


@dataclass
class Plan:
    """What is to be done, in this order; and what could not be compared."""

    changes: list[Change] = field(default_factory=list)
    right: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """For each object the secret keys that are right once the plan is carried out."""

    uncompared: list[str] = field(default_factory=list)

    def names(self, verb: str) -> list[str]:
        """The objects that this is done to."""
        return [change.item.name for change in self.changes if change.verb == verb]


def make_plan(
    kind: Kind,
    items: Iterable[Item],
    records: Mapping[str, Record],
    version: str,
    digests: Digests,
    update_secrets: str = "on_change",
    last: str | None = None,
) -> Plan:
    """Compare. The object called `last` comes last: the user who does all this."""
    plan = Plan()
    for item in items:
        record = records.get(item.name)
        if not item.present:
            plan.changes += [] if record is None else [Change("remove", item, record=record)]
        elif record is None:
            values = {**kind.defaults(item), **item.values}
            plan.changes.append(Change("create", item, values))
            plan.right[item.name] = tuple(key for key in kind.secrets if key in item.values and kind.is_kept(key, item.values[key]))
        else:
            _compare(plan, kind, item, record, version, digests, update_secrets)
    order = {"remove": 0, "update": 1, "create": 2}
    plan.changes.sort(key=lambda change: (change.item.name == last, order[change.verb]))
    return plan


def _compare(plan: Plan, kind: Kind, item: Item, record: Record, version: str, digests: Digests, update_secrets: str) -> None:
    values: dict[str, Any] = {}
    right: list[str] = []
    for key, wanted in item.values.items():
        same = kind.agrees(key, wanted, record, version)
        if key in kind.secrets:
            same, known = _secret_is_same(plan, kind, item, key, record, same, digests, update_secrets)
            right += [key] if known or not same else []
        if not same:
            values[key] = wanted
    plan.right[item.name] = tuple(right)
    if values:
        plan.changes.append(Change("update", item, values, record))


def _secret_is_same(
    plan: Plan, kind: Kind, item: Item, key: str, record: Record, same: bool | None, digests: Digests, update_secrets: str
) -> tuple[bool, bool]:
    """Whether a secret is left alone, and whether it is known to be right."""
    if same is not None:
        return same, same
    if not kind.is_kept(key, item.values[key]):
        return True, False
    if update_secrets != "always" and digests.confirms(item, key, record):
        return True, True
    if update_secrets == "on_create" or (update_secrets == "on_change" and not digests.kept):
        if update_secrets == "on_change" and item.name not in plan.uncompared:
            plan.uncompared.append(item.name)
        return True, False
    return False, True


def make_diff(kind: Kind, changes: Iterable[Change]) -> dict[str, dict[str, Any]]:
    """What changes, before and after; of what Airflow may hide only whether it does."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for change in changes:
        name = change.item.name
        if change.verb != "create":
            before[name] = {key: change.record.get(key) for key in _shown(kind, change)}
        if change.verb != "remove":
            given = change.values if change.verb == "create" else {**change.item.values, **change.values}
            after[name] = {key: given[key] for key in given if key not in kind.secrets}
        for key in (key for key in kind.secrets if key in change.item.values and change.verb != "remove"):
            written = key in change.values
            if change.verb == "update":
                before[name][key] = HIDDEN
            after[name][key] = f"(hidden, {'new' if change.verb == 'create' else 'changed'})" if written else HIDDEN
    return {"before": {kind.list_name: before}, "after": {kind.list_name: after}}


def _shown(kind: Kind, change: Change) -> list[str]:
    keys = change.record if change.verb == "remove" else change.item.values
    return [key for key in keys if key not in kind.secrets]
