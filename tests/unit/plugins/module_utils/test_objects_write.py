# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the API, and what is told when it does not do it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._api_client import ApiClient
from ansible_collections.updraft.airflow.plugins.module_utils._api_http import ApiError
from ansible_collections.updraft.airflow.plugins.module_utils._objects import Kind, read_items
from ansible_collections.updraft.airflow.plugins.module_utils._objects_connections import Connections
from ansible_collections.updraft.airflow.plugins.module_utils._objects_others import Pools, Variables
from ansible_collections.updraft.airflow.plugins.module_utils._objects_plan import Change, Digests, make_plan
from ansible_collections.updraft.airflow.plugins.module_utils._objects_users import Users
from ansible_collections.updraft.airflow.plugins.module_utils._objects_write import WriteError, write


class Api:
    """An API that keeps what it is asked, and answers what it is told to."""

    def __init__(self, version: str, **answers: Any) -> None:
        self.version = version
        self.answers = answers
        self.asked: list[tuple[str, str, Any]] = []

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Keep it; answer or fail as the last part of the path or the body's name says."""
        self.asked.append((method, path, body))
        name = (body or {}).get("username") or (body or {}).get("name") or path.rpartition("/")[2]
        answer = self.answers.get(name)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    def twin(self) -> Api:
        """The same."""
        return self

    def expect(self, writes: int) -> None:
        """No session."""

    def learn(self, username: str, password: str) -> None:
        """Not the user."""

    def quote(self, words: str) -> str:
        """No secrets."""
        return words

    def disconnect(self) -> None:
        """No connection."""


def changes(kind: Kind, items: list[dict[str, Any]], records: dict[str, Any], version: str) -> list[Change]:
    """The plan for a list."""
    read, wrong = read_items(kind, items)
    assert wrong == []
    return make_plan(kind, read, records, version, Digests(kind, None, None), "always").changes


def ask(api: Api, kind: Kind, items: list[dict[str, Any]], records: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """What the API is asked for a list."""
    write(cast(ApiClient, api), kind, changes(kind, items, records, api.version))
    return sorted(api.asked, key=str)


POOL = {"slots": 1, "description": "d", "include_deferred": True}
POOLS: list[dict[str, Any]] = [
    {"name": "new", "slots": 2},
    {"name": "old/er", "slots": 3},
    {"name": "gone", "state": "absent"},
    {"name": "default_pool", "slots": 9},
]
RECORDS = {"old/er": POOL, "gone": POOL, "default_pool": POOL}


def test_pools_of_airflow_2() -> None:
    assert ask(Api("v1"), Pools(), POOLS, RECORDS) == [
        ("DELETE", "/api/v1/pools/gone", None),
        ("PATCH", "/api/v1/pools/default_pool", {"name": "default_pool", **POOL, "slots": 9}),
        ("PATCH", "/api/v1/pools/old%2Fer", {"name": "old/er", **POOL, "slots": 3}),
        ("POST", "/api/v1/pools", {"name": "new", "slots": 2, "include_deferred": False}),
    ]


def test_pools_of_airflow_3() -> None:
    (asked,) = ask(Api("v2", pools={}), Pools(), POOLS, RECORDS)
    assert asked == (
        "PATCH",
        "/api/v2/pools",
        {
            "actions": [
                {"action": "delete", "entities": ["gone"], "action_on_non_existence": "skip"},
                {"action": "update", "entities": [{"name": "old/er", **POOL, "slots": 3}]},
                {
                    "action": "update",
                    "entities": [{"name": "default_pool", **POOL, "slots": 9}],
                    "update_mask": ["slots", "include_deferred"],
                },
                {"action": "create", "entities": [{"name": "new", "slots": 2, "include_deferred": False}]},
            ]
        },
    )


VARIABLES = [{"key": "a", "description": ""}, {"key": "b", "value": "new"}, {"key": "c", "value": "new", "description": "x"}]
VALUES = {key: {"value": "old", "description": "old"} for key in "abc"}


def test_variables_of_airflow_2() -> None:
    assert ask(Api("v1"), Variables(), VARIABLES, VALUES) == [
        ("PATCH", "/api/v1/variables/a?update_mask=description", {"key": "a", "value": "", "description": ""}),
        ("PATCH", "/api/v1/variables/b", {"key": "b", "value": "new"}),
        ("PATCH", "/api/v1/variables/c", {"key": "c", "value": "new", "description": "x"}),
    ]


def test_variables_of_airflow_3() -> None:
    ((_method, _path, body),) = ask(Api("v2", variables={}), Variables(), VARIABLES, VALUES)
    assert body["actions"] == [
        {"action": "update", "entities": [{"key": "a", "value": "", "description": ""}], "update_mask": ["description"]},
        {"action": "update", "entities": [{"key": "b", "value": "new"}], "update_mask": ["value"]},
        {"action": "update", "entities": [{"key": "c", "value": "new", "description": "x"}], "update_mask": ["value", "description"]},
    ]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_stays_of_a_connection_is_not_sent(version: str) -> None:
    record = {"conn_type": "http", "host": "h", "login": "me", "port": 1, "schema": None, "description": None}
    item = {"conn_id": "c", "host": "", "login": "me", "port": 0, "extra": {"a": 1}}
    ((_method, _path, body),) = ask(Api(version, connections={}), Connections(), [item], {"c": record})
    sent = body if version == "v1" else body["actions"][0]["entities"][0]
    assert sent == {"connection_id": "c", "conn_type": "http", "host": None, "port": None, "extra": '{"a": 1}'}


def test_more_than_fit_into_one_request() -> None:
    api = Api("v2", pools={})
    ask(api, Pools(), [{"name": f"p{number}", "slots": 1} for number in range(205)], {})
    assert [len(body["actions"][0]["entities"]) for _, _, body in api.asked] == [100, 100, 5]


def test_users_come_one_by_one_and_a_failure_ends_it() -> None:
    api = Api("v2", b=ApiError("HTTP 500: no"))
    users = [{"username": name, "password": "x"} for name in "abc"]
    with pytest.raises(WriteError, match="create b: HTTP 500: no") as raised:
        ask(api, Users(), users, {})
    assert [change.item.name for change in raised.value.undone] == ["b", "c"]
    assert [body["username"] for _, _, body in api.asked] == ["a", "b"]


def test_airflow_2_does_several_at_once_and_a_failure_ends_it() -> None:
    broken = ApiError("broke off", sent=True)
    api = Api("v1", p0=broken, p1=ApiError("HTTP 400: no"), p2=broken, p3=broken, gone=None)
    items: list[dict[str, Any]] = [{"name": "gone", "state": "absent"}, *({"name": f"p{number}", "slots": 1} for number in range(30))]
    with pytest.raises(WriteError) as raised:
        ask(api, Pools(), items, {"gone": POOL})
    unsure, undone = ([change.item.name for change in part] for part in (raised.value.unsure, raised.value.undone))
    assert set(unsure) <= {"p0", "p2", "p3"} and len(api.asked) <= 5
    assert "gone" not in undone and sorted({*unsure, *undone}) == sorted(f"p{number}" for number in range(30))
    assert api.asked[0] == ("DELETE", "/api/v1/pools/gone", None)


def test_users_of_airflow_2_are_changed_in_their_order() -> None:
    record = {"email": "e", "first_name": "f", "last_name": "l", "roles": ("Op",)}
    users = [{"username": str(number), "email": f"new{number}"} for number in range(20)]
    api = Api("v1")
    write(cast(ApiClient, api), Users(), changes(Users(), users, {str(number): record for number in range(20)}, "v1"))
    assert [body["username"] for _, _, body in api.asked] == [str(number) for number in range(20)]


def test_who_was_removed_by_somebody_else_is_gone() -> None:
    api = Api("v1", gone=ApiError("HTTP 404: gone", 404))
    assert len(ask(api, Pools(), [{"name": "gone", "state": "absent"}], {"gone": POOL})) == 1


def test_airflow_3_tells_what_it_did_of_a_request() -> None:
    answer = {
        "update": {"success": ["old"], "errors": []},
        "create": {"success": [], "errors": [{"error": "exist already"}]},
        "delete": None,
    }
    items = [{"name": "old", "slots": 5}, {"name": "new", "slots": 1}]
    with pytest.raises(WriteError, match="exist already") as raised:
        ask(Api("v2", pools=answer), Pools(), items, {"old": POOL})
    assert [change.item.name for change in raised.value.undone] == ["new"]
