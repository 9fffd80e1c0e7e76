# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done, what is remembered, and what is shown of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._objects import read_items
from ansible_collections.updraft.airflow.plugins.module_utils._objects_connections import Connections
from ansible_collections.updraft.airflow.plugins.module_utils._objects_others import Pools, Variables
from ansible_collections.updraft.airflow.plugins.module_utils._objects_plan import Digest, Digests, Plan, make_diff, make_plan
from ansible_collections.updraft.airflow.plugins.module_utils._objects_users import Users

KIND = Connections()
RECORD = {"conn_type": "http", "description": None, "host": "h", "login": None, "schema": None, "port": None}
ITEM = {"conn_id": "c", "host": "h", "password": "pw", "extra": {"a": 1}}


def plan(item: dict[str, Any], record: dict[str, Any] | None, digests: Digests, update_secrets: str = "on_change") -> Plan:
    """The plan for one connection on Airflow 2."""
    items, wrong = read_items(KIND, [{"conn_id": "c", **item}])
    assert wrong == []
    return make_plan(KIND, items, {} if record is None else {"c": record}, "v1", digests, update_secrets)


def remembered(item: dict[str, Any], record: dict[str, Any]) -> dict[str, Digest]:
    """What is kept after an item was written."""
    (read,), _ = read_items(KIND, [item])
    return {"c": Digests(KIND, "k", {}).entry(read, ("password", "extra"), record)}


NOTHING = Digests(KIND, None, None)
KEPT = remembered(ITEM, RECORD)


@pytest.mark.parametrize(
    ("policy", "key", "kept", "changed", "uncompared"),
    [
        ("on_change", "k", KEPT, (), []),
        ("on_change", "k", {}, ("password", "extra"), []),
        ("on_change", "other key", KEPT, ("password", "extra"), []),
        ("on_change", "k", {"d": KEPT["c"]}, ("password", "extra"), []),
        ("on_change", None, None, (), ["c"]),
        ("on_create", "k", {}, (), []),
        ("on_create", None, None, (), []),
        ("always", "k", KEPT, ("password", "extra"), []),
    ],
)
def test_secrets_that_nobody_shows(
    policy: str, key: str | None, kept: dict[str, Digest] | None, changed: tuple[str, ...], uncompared: list[str]
) -> None:
    made = plan(ITEM, RECORD, Digests(KIND, key, kept), policy)
    assert tuple(key for change in made.changes for key in change.values) == changed
    assert made.uncompared == uncompared


def test_only_what_differs_is_written() -> None:
    made = plan({**ITEM, "password": "new", "host": "other"}, RECORD, Digests(KIND, "k", KEPT))
    assert [dict(change.values) for change in made.changes] == [{"host": "other", "password": "new"}]


@pytest.mark.parametrize("key", KIND.visible)
def test_whoever_changed_something_may_have_changed_the_secret(key: str) -> None:
    made = plan(ITEM, {**RECORD, key: 5}, Digests(KIND, "k", KEPT))
    assert {"password", "extra"} <= set(made.changes[0].values)


def test_a_digest_belongs_to_one_value_of_one_key_of_one_object_of_one_kind() -> None:
    digests = Digests(KIND, "k", {})
    all_of_them = [
        digests.of("c", "password", "pw"),
        digests.of("c", "password", "pw2"),
        digests.of("c", "extra", "pw"),
        digests.of("d", "password", "pw"),
        Digests(Users(), "k", {}).of("c", "password", "pw"),
        Digests(KIND, "l", {}).of("c", "password", "pw"),
    ]
    assert len(set(all_of_them)) == 6
    assert digests.of("c", "extra", {"a": 1, "b": 2}) == digests.of("c", "extra", {"b": 2, "a": 1})
    assert digests.of("c", "extra", {"a": 1}) != digests.of("c", "extra", {"a": True})


def test_what_was_not_written_is_not_remembered() -> None:
    made = plan(ITEM, RECORD, Digests(KIND, "k", {}), "on_create")
    assert made.right == {"c": ()}
    (item,), _ = read_items(KIND, [ITEM])
    assert Digests(KIND, "k", {}).entry(item, made.right["c"], RECORD) == {}


def test_an_empty_password_is_neither_written_nor_remembered() -> None:
    made = plan({**ITEM, "password": ""}, RECORD, Digests(KIND, "k", {}))
    assert "password" not in made.changes[0].values and made.right["c"] == ("extra",)
    assert plan({**ITEM, "password": ""}, None, Digests(KIND, "k", {})).right["c"] == ("extra",)


def test_order() -> None:
    users = [{"username": name, "password": "x"} for name in ("me", "new")] + [{"username": "gone", "state": "absent"}]
    items, _ = read_items(Users(), users)
    record = {"email": "e", "first_name": "f", "last_name": "l", "roles": ("Op",)}
    made = make_plan(Users(), items, {"me": record, "gone": record}, "v2", Digests(Users(), None, None), "always", "me")
    assert [(change.verb, change.item.name) for change in made.changes] == [("remove", "gone"), ("create", "new"), ("update", "me")]


def test_a_new_object_gets_what_airflow_insists_on() -> None:
    items, _ = read_items(Users(), [{"username": "jane", "password": "x", "last_name": "Doe"}])
    (change,) = make_plan(Users(), items, {}, "v2", Digests(Users(), None, None)).changes
    assert Users().creation("jane", change.values, "v2") == {
        "username": "jane",
        "email": "jane@localhost.localdomain",
        "first_name": "jane",
        "last_name": "Doe",
        "roles": [{"name": "Viewer"}],
        "password": "x",
    }


@pytest.mark.parametrize(("version", "shown", "same"), [("v1", '{"a": 1}', False), ("v2", '{"a": 1}', True), ("v2", '{"a": 2}', False)])
def test_airflow_3_writes_json_anew(version: str, shown: str, same: bool) -> None:
    items, _ = read_items(Variables(), [{"key": "v", "value": {"a": 1}}])
    made = make_plan(Variables(), items, {"v": {"value": shown, "description": None}}, version, NOTHING)
    assert (made.changes == []) is same


def test_the_diff_of_a_change() -> None:
    made = plan({**ITEM, "password": "new", "host": "other", "description": "d"}, RECORD, Digests(KIND, "k", KEPT))
    assert make_diff(KIND, made.changes) == {
        "before": {"connections": {"c": {"description": None, "host": "h", "password": "(hidden)", "extra": "(hidden)"}}},
        "after": {"connections": {"c": {"description": "d", "host": "other", "password": "(hidden, changed)", "extra": "(hidden)"}}},
    }


def test_the_diff_of_what_comes_and_goes() -> None:
    items, _ = read_items(KIND, [{"conn_id": "new", "conn_type": "http", "password": "pw"}, {"conn_id": "old", "state": "absent"}])
    record = {**RECORD, "password": "shown by mistake", "extra": '{"a": "shown"}'}
    diff = make_diff(KIND, make_plan(KIND, items, {"old": record}, "v2", NOTHING).changes)
    assert diff == {
        "before": {"connections": {"old": RECORD}},
        "after": {"connections": {"new": {"conn_type": "http", "password": "(hidden, new)"}}},
    }
    items, _ = read_items(Pools(), [{"name": "p", "slots": 1}])
    assert make_diff(Pools(), make_plan(Pools(), items, {}, "v2", NOTHING).changes)["after"] == {
        "pools": {"p": {"include_deferred": False, "slots": 1}}
    }


@pytest.mark.parametrize(
    ("wanted", "shown", "same"),
    [
        ("pw", None, False),
        ("pw", "***", None),
        ("", None, True),
        ("pw", "shown because nothing is hidden", False),
        ("pw", "pw", True),
    ],
)
def test_what_airflow_3_shows_of_a_password(wanted: str, shown: str | None, same: bool | None) -> None:
    assert KIND.agrees("password", wanted or None, {"password": shown}, "v2") is same


@pytest.mark.parametrize(
    ("wanted", "shown", "same"),
    [
        ({"a": 1, "password": "x"}, {"a": 1, "password": "***"}, None),
        ({"a": 2, "password": "x"}, {"a": 1, "password": "***"}, False),
        ({"password": "x"}, {"a": 1, "password": "***"}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": [1, {"b": "x://y@z"}]}, {"a": [1, {"b": "x://***@z"}]}, None),
        ({"a": [1, {"b": "x://y@w"}]}, {"a": [1, {"b": "x://***@z"}]}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"token": {"deep": 1}}, {"token": "***"}, None),
        (None, {}, True),
        ({"a": 1}, None, False),
    ],
)
def test_what_airflow_3_shows_of_an_extra(wanted: dict[str, Any] | None, shown: dict[str, Any] | None, same: bool | None) -> None:
    assert KIND.agrees("extra", wanted, {"extra": shown and json.dumps(shown)}, "v2") is same
