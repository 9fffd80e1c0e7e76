# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools, variables, connections and users in the inventory: what a plan says of them, and what is refused."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._objects import read_items
from ansible_collections.updraft.airflow.plugins.module_utils._objects_connections import Connections
from ansible_collections.updraft.airflow.plugins.module_utils._topology_objects import KINDS, PREFIX
from ansible_collections.updraft.airflow.plugins.module_utils._topology_variables import VARIABLES
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import adopted, compiled, facts, findings, info, installation, inventory, plan, server, single

OBJECTS: dict[str, Any] = {
    "airflow_pools": [{"name": "default_pool", "include_deferred": True}, {"name": "db", "slots": 4}, {"name": "old", "state": "absent"}],
    "airflow_variables": [{"key": "since", "value": datetime.date(2026, 1, 2)}, {"key": "many", "value": {"a": [1, True, None]}}],
    "airflow_connections": [{"conn_id": "pg", "uri": "postgres://me:s3cret@db/x"}],
    "airflow_users": [{"username": "jane", "password": "s3cret", "roles": ["Op"]}, {"username": "admin", "email": "a@example.org"}],
}
API = "airflow.providers.fab.auth_manager.api.auth.backend"


def given(**objects: Any) -> Inputs:
    """A host with a server and objects."""
    inputs: Inputs = server(**objects)
    return inputs


def there_already(**objects: Any) -> Inputs:
    """The same on a host where Airflow was installed before."""
    inputs: Inputs = server(found=info(installation=installation()), airflow_metadata_db_password="old", **objects)
    return inputs


def test_every_kind_has_a_variable_of_its_own() -> None:
    assert [VARIABLES[PREFIX + kind.list_name].kind for kind in KINDS] == ["items"] * 4
    hidden = {kind.list_name for kind in KINDS if VARIABLES[PREFIX + kind.list_name].secret}
    assert hidden == {kind.list_name for kind in KINDS if kind.secrets}


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_a_plan_has_the_lists_as_they_are_given(version: str) -> None:
    result = plan(given(airflow_version=version, **OBJECTS))["objects"]
    assert result["lists"]["pools"] == OBJECTS["airflow_pools"]
    assert result["lists"]["variables"] == [{"key": "since", "value": "2026-01-02"}, OBJECTS["airflow_variables"][1]]
    assert list(result["lists"]) == ["pools", "variables", "connections", "users"]
    assert result["digests_file"] == "/inventory/credentials/airflow/object_digests.txt"
    assert result["update_secrets"] == "on_change"


def test_they_are_written_on_the_first_webservers_host() -> None:
    topology = compiled(inventory({"h1": "scheduler metadata_db", "h2": "webserver"}, **OBJECTS))
    assert topology.plan("h1")["objects"] is None
    assert (topology.plan("h2")["objects"] is not None, topology.plan("h2")["api"]["username"]) == (True, "updraft")


def test_without_objects_there_is_nothing_to_write() -> None:
    assert plan(given(airflow_pools=[], airflow_users=None, airflow_variables=""))["objects"] is None


@pytest.mark.parametrize("kind", ["pools", "variables", "connections", "users"])
def test_objects_need_the_account_though_no_canary_flies(kind: str) -> None:
    topology = compiled(given(airflow_canary_enabled="never", **{PREFIX + kind: OBJECTS[PREFIX + kind]}))
    result = topology.plan("h1")
    assert "api_password" in topology.new_secrets
    assert result["api"]["password"] == topology.new_secrets["api_password"]
    assert [user["username"] for user in result["users"]] == ["admin", "updraft"]
    assert result["canary"] is None


def test_without_canary_and_objects_there_is_no_account() -> None:
    topology = compiled(given(airflow_canary_enabled="never"))
    assert (topology.plan("h1")["api"], "api_password" in topology.new_secrets) == (None, False)


POOLS = {
    "no name": ({"slots": 1}, "airflow_pools, item 1: name is missing: every pool needs one."),
    "no slots": ({"name": "a"}, "airflow_pools, a: slots is missing, without which no pool can be created: add it."),
    "slots below": ({"name": "a", "slots": -2}, "airflow_pools, a: slots is -2: it must be -1 or more."),
    "slots a text": ({"name": "a", "slots": "many"}, "airflow_pools, a: slots is a text: write a whole number, -1 or more."),
    "unknown key": ({"name": "a", "slots": 1, "slot": 1}, "airflow_pools, a: there is no key slot: did you mean slots?"),
    "state": ({"name": "a", "state": "gone"}, "airflow_pools, a: state is 'gone': write present or absent."),
    "default pool": (
        {"name": "default_pool", "state": "absent"},
        "airflow_pools, default_pool: state is absent, and Airflow does not let its default pool go: remove this item.",
    ),
}
CONNECTIONS = {
    "no type": (
        {"conn_id": "a", "host": "h"},
        "airflow_connections, a: conn_type is missing, without which no connection can be created: add it.",
    ),
    "both": (
        {"conn_id": "a", "uri": "http://h", "host": "h"},
        "airflow_connections, a: uri and host are given: a URI says all of it, so remove the one or the other.",
    ),
    "port": (
        {"conn_id": "a", "conn_type": "http", "port": 70000},
        "airflow_connections, a: port is 70000: it must be between 0 and 65535.",
    ),
    "extra": (
        {"conn_id": "a", "conn_type": "http", "extra": "{s3cret"},
        "airflow_connections, a: extra is no JSON: write a mapping, or a JSON object as text.",
    ),
    "password": (
        {"conn_id": "a", "conn_type": "http", "password": ["s3cret"]},
        "airflow_connections, a: password is a list: write a text, in quotes.",
    ),
    "name": (
        {"conn_id": "a b", "conn_type": "http"},
        "airflow_connections, item 1: conn_id holds characters that Airflow does not take: use letters, digits, underscores, dots and "
        "dashes.",
    ),
}
VARIABLE = {
    "no value": ({"key": "a"}, "airflow_variables, a: value is missing, without which no variable can be created: add it."),
    "no key": ({"value": "s3cret"}, "airflow_variables, item 1: key is missing: every variable needs one."),
    "key a number": (
        {"key": 1.5, "value": "x"},
        "airflow_variables, item 1: key is a number with a decimal point: write a text, in quotes.",
    ),
    "mask": (
        {"key": "a", "value": "***"},
        "airflow_variables, a: value is ***, which is what Airflow shows for a secret: write the secret itself.",
    ),
}
USERS = {
    "no password": ({"username": "ann"}, "airflow_users, ann: password is missing, without which no user can be created: add it."),
    "roles": (
        {"username": "ann", "password": "s3cret", "roles": []},
        "airflow_users, ann: roles is empty: name at least one.",
    ),
    "role": (
        {"username": "ann", "password": "s3cret", "roles": ["Boss"]},
        "airflow_users, ann: there is no role Boss: use one of Admin, Op, Public, User, Viewer.",
    ),
    "own account": (
        {"username": "Updraft", "password": "s3cret"},
        "airflow_users, updraft: the playbooks use this account themselves: remove the item, or set airflow_api_username.",
    ),
    "own account removed": (
        {"username": "updraft", "state": "absent"},
        "airflow_users, updraft: the playbooks use this account themselves: remove the item, or set airflow_api_username.",
    ),
}
ITEMS = [
    (f"airflow_{name}", item, sentence)
    for name, cases in (("pools", POOLS), ("connections", CONNECTIONS), ("variables", VARIABLE), ("users", USERS))
    for item, sentence in cases.values()
]


@pytest.mark.parametrize(("variable", "item", "sentence"), ITEMS, ids=[sentence for _variable, _item, sentence in ITEMS])
def test_an_item_that_cannot_be_written_is_refused(variable: str, item: dict[str, Any], sentence: str) -> None:
    assert findings(given(**{variable: [item]})) == [sentence]


def test_a_sentence_is_the_modules_own() -> None:
    item = {"conn_id": "a", "conn_type": "http", "port": "x"}
    _items, (finding,) = read_items(Connections(), [item])
    assert findings(given(airflow_connections=[item])) == [f"airflow_{finding}"]


LISTS: dict[str, tuple[Any, ...]] = {
    "twice": (
        {"airflow_pools": [{"name": "a", "slots": 1}, {"name": "a", "slots": 2}]},
        "airflow_pools, a: name is there 2 times: keep one of these items.",
    ),
    "no list": ({"airflow_users": {"jane": {}}}, "airflow_users must be a list of mappings (h1)."),
    "no mappings": ({"airflow_connections": ["pg"]}, "airflow_connections must be a list of mappings (h1)."),
    "pools of texts": ({"airflow_pools": ["a"]}, "airflow_pools must be a list of mappings, not ['a'] (h1)."),
    "a slash in 2.x": (
        {"airflow_version": "2.11.2", "airflow_pools": [{"name": "a/b", "slots": 1}]},
        "airflow_pools, a/b: name holds a slash, and the API of Airflow 2 cannot change such a pool: choose another name.",
    ),
    "one mail address": (
        {"airflow_users": [{"username": name, "password": "s3cret", "email": "x@example.org"} for name in ("ann", "bob")]},
        "airflow_users, ann: email is that of bob, and no two users may share one: give another one.",
        "airflow_users, bob: email is that of ann, and no two users may share one: give another one.",
    ),
    "when secrets are written": (
        {"airflow_objects_update_secrets": "never"},
        "airflow_objects_update_secrets is 'never': use always, on_change or on_create.",
    ),
    "no FAB": (
        {"airflow_config": {"core": {"auth_manager": "x.Y"}}, "airflow_pools": [{"name": "a", "slots": 1}]},
        "airflow_pools: such objects are written through Airflow's API by an account of the playbooks, which cannot log in, as "
        "[core] auth_manager is x.Y: leave them out.",
    ),
    "no passwords": (
        {"airflow_version": "2.11.2", "airflow_config": {"api": {"auth_backends": f"{API}.kerberos_auth"}}, **OBJECTS},
        "airflow_pools, airflow_variables, airflow_connections, airflow_users: such objects are written through Airflow's API by an "
        f"account of the playbooks, which cannot log in, as [api] auth_backends is {API}.kerberos_auth: leave them out.",
    ),
}


@pytest.mark.parametrize("case", LISTS)
def test_lists_that_cannot_be_written_are_refused(case: str) -> None:
    variables, *sentences = LISTS[case]
    assert findings(given(**variables)) == sentences


@pytest.mark.parametrize("backends", [f"{API}.session", f"x.y, {API}.basic_auth"])
def test_either_way_to_log_in_to_2_is_enough(backends: str) -> None:
    assert plan(given(airflow_version="2.11.2", airflow_config={"api": {"auth_backends": backends}}, **OBJECTS))["objects"]


def test_no_sentence_tells_a_secret() -> None:
    told = [finding for variable, item, _sentence in ITEMS for finding in findings(given(**{variable: [item]}))]
    assert told and "s3cret" not in str(told)


def test_lists_that_differ_between_hosts_are_not_shown() -> None:
    other = Host("h2", {**OBJECTS, "airflow_users": []}, facts("198.18.0.3"), info())
    inputs = inventory({"h1": "webserver metadata_db", "h2": "scheduler"}, details={"h2": other}, **OBJECTS)
    assert findings(inputs) == ["airflow_users differs between h1 and h2: set it once, for the whole group."]


@pytest.mark.parametrize("objects", [{"airflow_users": [{"username": "jane", "roles": ["Ours"]}]}])
def test_of_users_who_may_be_there_a_part_says_enough(objects: dict[str, Any]) -> None:
    assert plan(there_already(**objects))["objects"]
    home = "/home/jane/airflow"
    assert plan(single("metadata_db", found=info(adopted=adopted()), airflow_adopt_home=home, **objects))["objects"]
    assert findings(given(**objects)) == [
        "airflow_users, jane: password is missing, without which no user can be created: add it.",
        "airflow_users, jane: there is no role Ours: use one of Admin, Op, Public, User, Viewer.",
    ]


def test_other_objects_are_given_in_whole_on_every_host() -> None:
    assert findings(there_already(airflow_connections=[{"conn_id": "a"}])) == [
        "airflow_connections, a: conn_type is missing, without which no connection can be created: add it."
    ]
