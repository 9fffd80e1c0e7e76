# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a list of objects says, and everything that is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._objects import Kind, find_problems, read_items
from ansible_collections.updraft.airflow.plugins.module_utils._objects_connections import Connections
from ansible_collections.updraft.airflow.plugins.module_utils._objects_fields import Wrong
from ansible_collections.updraft.airflow.plugins.module_utils._objects_others import Pools, Variables
from ansible_collections.updraft.airflow.plugins.module_utils._objects_uri import parse_uri
from ansible_collections.updraft.airflow.plugins.module_utils._objects_users import Users, unknown_roles

JANE = {"email": "jane@example.org", "first_name": "Jane", "last_name": "Doe", "roles": ("Viewer",)}


def findings(kind: Kind, *items: dict[str, Any], username: str | None = None) -> list[str]:
    """What is wrong with a list."""
    return read_items(kind, items, username)[1]


def values(kind: Kind, **item: Any) -> dict[str, Any]:
    """What an item says."""
    (read,), wrong = read_items(kind, [item])
    assert wrong == []
    return dict(read.values)


@pytest.mark.parametrize(
    ("kind", "item", "finding"),
    [
        (Connections(), {}, "connections, item 1: conn_id is missing: every connection needs one."),
        (Connections(), {"conn_id": "a", "prot": 1}, "connections, a: there is no key prot: did you mean port?"),
        (Pools(), {"name": "a", "zz": 1}, "pools, a: there is no key zz: use one of name, state, slots, description, include_deferred."),
        (
            Connections(),
            {"conn_id": "a b"},
            "connections, item 1: conn_id holds characters that Airflow does not take: use letters, digits, underscores, dots and dashes.",
        ),
        (Connections(), {"conn_id": "a" * 201}, "connections, item 1: conn_id has 201 characters: Airflow keeps at most 200."),
        (Connections(), {"conn_id": "a", "port": 70000}, "connections, a: port is 70000: it must be between 0 and 65535."),
        (Connections(), {"conn_id": "a", "port": "x"}, "connections, a: port is a text: write a whole number, between 0 and 65535."),
        (Connections(), {"conn_id": "a", "password": True}, "connections, a: password is true or false: write a text, in quotes."),
        (
            Connections(),
            {"conn_id": "a", "password": "***"},
            "connections, a: password is ***, which is what Airflow shows for a secret: write the secret itself.",
        ),
        (
            Connections(),
            {"conn_id": "a", "extra": {"deep": [{"key": "***"}]}},
            "connections, a: extra holds ***, which is what Airflow shows for a secret: write the secret itself.",
        ),
        (Connections(), {"conn_id": "a", "extra": "[1]"}, "connections, a: extra is a list: write a mapping, or a JSON object as text."),
        (Connections(), {"conn_id": "a", "extra": "{"}, "connections, a: extra is no JSON: write a mapping, or a JSON object as text."),
        (
            Connections(),
            {"conn_id": "a", "uri": "http://h", "host": "h", "port": 1},
            "connections, a: uri and host, port are given: a URI says all of it, so remove the one or the other.",
        ),
        (Connections(), {"conn_id": "a", "uri": "http://u:p#w@h"}, "connections, a: uri holds a #: write it as %23."),
        (Connections(), {"conn_id": "a", "state": "gone"}, "connections, a: state is 'gone': write present or absent."),
        (
            Variables(),
            {"key": " a"},
            "variables, item 1: key begins or ends with a blank, holds a control character, or is only dots: choose another name.",
        ),
        (
            Variables(),
            {"key": "a", "value": "***"},
            "variables, a: value is ***, which is what Airflow shows for a secret: write the secret itself.",
        ),
        (Pools(), {"name": "a", "slots": -2}, "pools, a: slots is -2: it must be -1 or more."),
        (Pools(), {"name": "a", "slots": 1.5}, "pools, a: slots is a number with a decimal point: write a whole number, -1 or more."),
        (Pools(), {"name": "a", "include_deferred": "maybe"}, "pools, a: include_deferred is a text: write true or false."),
        (
            Pools(),
            {"name": "default_pool", "state": "absent"},
            "pools, default_pool: state is absent, and Airflow does not let its default pool go: remove this item.",
        ),
        (
            Pools(),
            {"name": "default_pool", "description": "x"},
            "pools, default_pool: description is given, and of the default pool only slots and include_deferred can be set: remove it.",
        ),
        (Users(), {"username": "a/b"}, "users, item 1: username holds a slash: choose another name."),
        (Users(), {"username": "a", "password": ""}, "users, a: password is empty: give it a value, or leave it out."),
        (Users(), {"username": "a", "roles": []}, "users, a: roles is empty: name at least one."),
        (Users(), {"username": "a", "roles": [1]}, "users, a: roles is no list of names: write them as a list of texts."),
        (
            Users(),
            {"username": "Admin", "state": "absent"},
            "users, Admin: state is absent, and this is the user that the API is called with: call it with another one.",
        ),
    ],
)
def test_a_mistake_is_one_sentence(kind: Kind, item: dict[str, Any], finding: str) -> None:
    assert findings(kind, item, username="admin") == [finding]


def test_all_mistakes_are_told() -> None:
    told = findings(Connections(), {"conn_id": "a", "prot": 1, "port": -1, "state": 1}, {"conn_id": "b"}, {"conn_id": "b"})
    assert told == [
        "connections, a: there is no key prot: did you mean port?",
        "connections, a: state is 1: write present or absent.",
        "connections, a: port is -1: it must be between 0 and 65535.",
        "connections, b: conn_id is there 2 times: keep one of these items.",
    ]


def test_no_sentence_holds_a_value_that_may_be_secret() -> None:
    secret = "s3cret"
    told = findings(
        Connections(), {"conn_id": "a", "pasword": secret, "extra": secret, "port": secret, "uri": f"x{secret}", "host": [secret]}
    )
    assert len(told) == 5
    assert secret not in "".join(told)


def test_values_are_read_as_airflow_keeps_them() -> None:
    item = {"conn_id": "a", "login": 1001, "port": "5432", "schema": "", "extra": '{"a": 1}', "host": None, "password": 0}
    assert values(Connections(), **item) == {"login": "1001", "port": 5432, "schema": None, "extra": {"a": 1}, "password": "0"}
    assert values(Connections(), conn_id="a", port=0, extra={}) == {"port": None, "extra": None}
    assert values(Variables(), key="a", value={"b": [True]}) == {"value": '{\n  "b": [\n    true\n  ]\n}'}
    assert values(Variables(), key="a", value="") == {"value": ""}
    assert values(Pools(), name="a", slots="-1", include_deferred="yes") == {"slots": -1, "include_deferred": True}
    assert values(Users(), username="a", roles="Op") == {"roles": ("Op",)}
    assert values(Users(), username="a", roles=["Op", "Admin", "Op"]) == {"roles": ("Admin", "Op")}


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        (
            "postgresql://me:p%40ss@db.example.org:5432/shop?sslmode=require&timeout=10",
            {
                "conn_type": "postgres",
                "host": "db.example.org",
                "login": "me",
                "password": "p@ss",
                "schema": "shop",
                "port": 5432,
                "extra": {"sslmode": "require", "timeout": 10},
            },
        ),
        ("google-cloud-platform://", {"conn_type": "google_cloud_platform"}),
        ("google_cloud_platform://?__extra__=%7B%22a%22%3A%20%5B1%5D%7D", {"conn_type": "google_cloud_platform", "extra": {"a": [1]}}),
        ("http://https://example.org/v1", {"conn_type": "http", "host": "https://example.org", "schema": "v1"}),
        ("mysql://%2FVar%2Frun%2Fmysqld.sock", {"conn_type": "mysql", "host": "/Var/run/mysqld.sock"}),
        ("redis://:pw@h?proxy=http://p:1", {"conn_type": "redis", "host": "h", "password": "pw", "extra": {"proxy": "http://p:1"}}),
    ],
)
def test_a_uri_says_all_parts(uri: str, parts: dict[str, Any]) -> None:
    nothing = dict.fromkeys(("host", "login", "schema", "port", "extra"))
    assert parse_uri(uri) == {**nothing, **parts}


@pytest.mark.parametrize("uri", ["h", "://h", "a b://h", "http://h:port", "http://[::1", "x://h?__extra__=1", 5])
def test_what_is_no_uri(uri: Any) -> None:
    with pytest.raises(Wrong):
        parse_uri(uri)


def test_what_speaks_against_an_item_on_the_server() -> None:
    items, _ = read_items(Users(), [{"username": "Jane"}, {"username": "bob", "password": "x", "email": "jane@example.org"}])
    assert find_problems(Users(), items, {"jane": JANE}, "v2") == [
        "users, Jane: username differs from jane only in case, which Airflow takes for the same: write jane, or another name.",
        "users, Jane: password is missing, without which no user can be created: add it.",
        "users, bob: email is that of jane, and no two users may share one: give another one.",
    ]


def test_a_mail_address_that_gets_free_may_be_taken() -> None:
    bob = {"username": "bob", "password": "x", "email": "jane@example.org"}
    for jane in ({"username": "jane", "state": "absent"}, {"username": "jane", "email": "other@example.org"}):
        items, _ = read_items(Users(), [jane, bob])
        assert find_problems(Users(), items, {"jane": JANE}, "v2") == []


def test_what_is_to_go_needs_nothing() -> None:
    items, wrong = read_items(Pools(), [{"name": "a", "state": "absent"}])
    assert (wrong, find_problems(Pools(), items, {}, "v2")) == ([], [])


def test_a_broken_item_is_not_blamed_for_what_it_would_have_had() -> None:
    items, wrong = read_items(Pools(), [{"name": "a", "slots": "many"}])
    assert len(wrong) == 1
    assert find_problems(Pools(), items, {}, "v2") == []


def test_roles_that_do_not_exist() -> None:
    items, _ = read_items(Users(), [{"username": "a", "roles": ["Admin", "Boss"]}, {"username": "b", "roles": "Boss", "state": "absent"}])
    assert unknown_roles(Users(), items, {"Admin", "Op"}) == ["users, a: there is no role Boss: use one of Admin, Op."]


def test_airflow_2_has_no_address_for_a_pool_with_a_slash() -> None:
    items, _ = read_items(Pools(), [{"name": "a/b", "slots": 1}])
    assert find_problems(Pools(), items, {}, "v2") == []
    assert find_problems(Pools(), items, {}, "v1") == [
        "pools, a/b: name holds a slash, and the API of Airflow 2 cannot change such a pool: choose another name."
    ]
