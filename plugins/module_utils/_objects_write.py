# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a plan through the API."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

from ._api_client import ApiClient, segment
from ._api_http import ApiError
from ._objects import Kind
from ._objects_plan import Change

MOST_IN_BULK = 100
AT_ONCE = 4
"""As many processes the web server of Airflow 2 has unless somebody set it."""

ACTIONS = {"remove": "delete", "update": "update", "create": "create"}


class WriteError(Exception):
    """A plan that was not carried out to the end: what the API said, and which changes are not done or may not be."""

    def __init__(self, message: str, undone: Sequence[Change], unsure: Sequence[Change] = ()) -> None:
        super().__init__(message)
        self.undone = list(undone)
        self.unsure = list(unsure)


def write(client: ApiClient, kind: Kind, changes: Sequence[Change]) -> None:
    """Carry out the changes."""
    if kind.bulk and client.version == "v2":
        _write_in_bulk(client, kind, changes)
        return
    client.expect(len(changes))
    left = list(changes)
    while left:
        size = _independent(client, kind, left)
        part, left = left[:size], left[size:]
        _write_singly(client, kind, part, left)


def _independent(client: ApiClient, kind: Kind, changes: Sequence[Change]) -> int:
    """How many of the next changes may be made at once.

    The web server of Airflow 2 has several processes. Users are changed one after the other: one may free what another one takes.
    """
    verb = changes[0].verb
    if client.version != "v1" or (verb == "update" and not kind.bulk):
        return 1
    return next((position for position, change in enumerate(changes) if change.verb != verb), len(changes))


def _write_singly(client: ApiClient, kind: Kind, changes: Sequence[Change], later: Sequence[Change]) -> None:
    """One request each. After the first that fails no other is begun."""
    errors: dict[int, ApiError] = {}
    done: set[int] = set()
    numbers = iter(range(len(changes)))
    lock = threading.Lock()

    def work(own: ApiClient) -> None:
        while True:
            with lock:
                number = None if errors else next(numbers, None)
            if number is None:
                return
            try:
                _write_one(own, kind, changes[number])
                done.add(number)
            except ApiError as error:
                errors[number] = error

    others = [client.twin() for _change in changes[1:AT_ONCE]]
    with ThreadPoolExecutor(len(others) + 1) as pool:
        list(pool.map(work, [client, *others]))
    for other in others:
        other.disconnect()
    if errors:
        told = "; ".join(f"{changes[number].verb} {changes[number].item.name}: {error}" for number, error in sorted(errors.items()))
        unsure = [changes[number] for number, error in sorted(errors.items()) if error.sent]
        undone = [change for number, change in enumerate(changes) if number not in done and change not in unsure]
        raise WriteError(told, [*undone, *later], unsure)


def _write_one(client: ApiClient, kind: Kind, change: Change) -> None:
    path = kind.path(client.version)
    name = change.item.name
    own = f"{path}/{segment(name)}"
    if change.verb == "create":
        client.request("POST", path, kind.creation(name, change.values, client.version))
    elif change.verb == "update":
        body, mask = kind.change(name, change.values, change.record, client.version)
        client.request("PATCH", own + (f"?{urlencode({'update_mask': ','.join(mask)})}" if mask else ""), body)
        if "password" in change.values:
            client.learn(name, change.values["password"])
    else:
        try:
            client.request("DELETE", own)
        except ApiError as error:
            # Somebody else was faster.
            if error.status != 404:
                raise


def _write_in_bulk(client: ApiClient, kind: Kind, changes: Sequence[Change]) -> None:
    """Many per request; Airflow does all of a request or nothing, but where it says otherwise."""
    for start in range(0, len(changes), MOST_IN_BULK):
        part, left = changes[start : start + MOST_IN_BULK], changes[start + MOST_IN_BULK :]
        try:
            answer = client.request("PATCH", kind.path(client.version), {"actions": list(_actions(kind, part, client.version))})
        except ApiError as error:
            raise WriteError(str(error), left if error.sent else [*part, *left], part if error.sent else []) from None
        complaints = _complaints(answer)
        if complaints:
            undone = [change for change in part if change.item.name not in _successes(answer, change.verb)]
            raise WriteError(client.quote("; ".join(complaints)), [*undone, *left])


def _actions(kind: Kind, changes: Iterable[Change], version: str) -> Iterator[dict[str, Any]]:
    """Removals first, then what changes, grouped by update mask, then what is new."""
    grouped: dict[tuple[str, tuple[str, ...] | None], list[Any]] = {}
    for change in changes:
        entity: Any = change.item.name
        mask = None
        if change.verb == "create":
            entity = kind.creation(change.item.name, change.values, version)
        elif change.verb == "update":
            entity, mask = kind.change(change.item.name, change.values, change.record, version)
        grouped.setdefault((change.verb, mask), []).append(entity)
    for (verb, mask), entities in grouped.items():
        action: dict[str, Any] = {"action": ACTIONS[verb], "entities": entities}
        if verb == "remove":
            action["action_on_non_existence"] = "skip"
        if mask:
            action["update_mask"] = list(mask)
        yield action


def _successes(answer: Any, verb: str) -> set[str]:
    return set((answer.get(ACTIONS[verb]) or {}).get("success") or ())


def _complaints(answer: Any) -> list[str]:
    results = (answer.get(action) or {} for action in ACTIONS.values())
    return [str(error.get("error")) for result in results for error in result.get("errors") or ()]
