# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects are brought about, and only those that are named."""

from __future__ import annotations

import json
from typing import Any

from api_server import ADMIN, ADMIN_PASSWORD, AirflowServer, decrypted
from conftest import Call

PASSWORD = "Gehe1m:/@%25"
API_KEY = "k-e-y-4711"
WAREHOUSE = {
    "conn_id": "warehouse",
    "conn_type": "postgres",
    "host": "db.example.org",
    "port": "5432",
    "login": "loader",
    "schema": 1,
    "password": PASSWORD,
    "extra": {"sslmode": "verify-full", "api_key": API_KEY, "deep": {"list": [1, True, None]}},
    "description": "the big one",
}
PARTNER = {"conn_id": "partner", "uri": f"https://jane:{'%2F'.join(['a', 'b'])}@partner.example.org:8443/v1?timeout=10&token={API_KEY}"}
BARE = {"conn_id": "bare", "conn_type": "fs"}
CONNECTIONS: list[dict[str, Any]] = [WAREHOUSE, PARTNER, BARE]
VARIABLES: list[dict[str, Any]] = [
    {"key": "environment", "value": "production"},
    {"key": "folder/limits", "value": {"rows": 100000, "tables": ["ä", "b"], "password": API_KEY}, "description": "how much"},
    {"key": "api_secret", "value": PASSWORD},
    {"key": "text that looks like JSON", "value": '{"a":   1}'},
    {"key": "empty", "value": ""},
    {"key": "number", "value": 42},
]
POOLS: list[dict[str, Any]] = [
    {"name": "warehouse", "slots": 4, "description": "narrow", "include_deferred": True},
    {"name": "any/thing", "slots": -1},
]
USERS: list[dict[str, Any]] = [
    {
        "username": "jane",
        "password": PASSWORD,
        "email": "jane@example.org",
        "first_name": "Jane",
        "last_name": "Doe",
        "roles": ["Op", "User"],
    },
    {"username": "bob", "password": "anything else"},
]


def test_connections(server: AirflowServer, call: Call) -> None:
    before = server.stored()
    told = call("connections", check_mode=True, connections=CONNECTIONS)
    assert (told["changed"], told["created"]) == (True, ["warehouse", "partner", "bare"])
    assert server.stored() == before
    result = call("connections", connections=CONNECTIONS)
    assert (result["changed"], result["created"], result["diff"]) == (True, told["created"], told["diff"])
    columns = "conn_id, conn_type, host, port, login, schema, password, extra, description"
    found = {}
    for name, *plain, password, extra, about in server.query(f"SELECT {columns} FROM connection"):
        found[name] = [*plain, decrypted(password), json.loads(decrypted(extra) or "{}"), about]
    assert found == {
        "bare": ["fs", None, None, None, None, None, {}, None],
        "partner": ["https", "partner.example.org", 8443, "jane", "v1", "a/b", {"timeout": 10, "token": API_KEY}, None],
        "warehouse": ["postgres", "db.example.org", 5432, "loader", "1", PASSWORD, WAREHOUSE["extra"], "the big one"],
    }
    again = call("connections", connections=CONNECTIONS, update_secrets="on_create")
    assert (again["changed"], again["created"], again["updated"]) == (False, [], [])
    for text in (json.dumps(result), json.dumps(again), json.dumps(told)):
        assert PASSWORD not in text and API_KEY not in text and ADMIN_PASSWORD not in text
    assert result["diff"]["after"]["connections"]["warehouse"] == {
        "conn_type": "postgres",
        "description": "the big one",
        "extra": "(hidden, new)",
        "host": "db.example.org",
        "login": "loader",
        "password": "(hidden, new)",
        "port": 5432,
        "schema": "1",
    }


def test_what_is_empty_is_taken_away(server: AirflowServer, call: Call) -> None:
    first = call("connections", connections=[WAREHOUSE], digest_key="k")
    emptied = [{"conn_id": "warehouse", "host": "", "port": 0, "schema": "", "extra": {}, "description": ""}]
    result = call("connections", connections=emptied, digest_key="k", digests=first["digests"])
    assert result["updated"] == ["warehouse"]
    rows = server.query("SELECT conn_type, host, port, schema, extra, description, login FROM connection")
    assert rows == [("postgres", None, None, None, None, None, "loader")]
    again = call("connections", connections=emptied, digest_key="k", digests=result["digests"])
    assert again["changed"] is False
    by_uri = [{"conn_id": "warehouse", "uri": "mysql://h"}]
    assert call("connections", connections=by_uri, update_secrets="always")["updated"] == ["warehouse"]
    ((kind, host, login, password),) = server.query("SELECT conn_type, host, login, password FROM connection")
    assert (kind, host, login, decrypted(password)) == ("mysql", "h", None, PASSWORD)


def test_variables(server: AirflowServer, call: Call) -> None:
    told = call("variables", check_mode=True, variables=VARIABLES)
    assert (told["changed"], server.query("SELECT count(*) FROM variable")) == (True, [(0,)])
    result = call("variables", variables=VARIABLES, digest_key="k")
    found = {key: decrypted(value) for key, value in server.query("SELECT key, val FROM variable")}
    assert found.pop("folder/limits") == json.dumps(VARIABLES[1]["value"], indent=2)
    assert found == {
        "environment": "production",
        "api_secret": PASSWORD,
        "text that looks like JSON": '{"a":   1}',
        "empty": "",
        "number": "42",
    }
    assert server.query("SELECT description FROM variable WHERE key = 'folder/limits'") == [("how much",)]
    again = call("variables", variables=VARIABLES, digest_key="k", digests=result["digests"])
    assert (again["changed"], again["updated"]) == (False, [])
    assert PASSWORD not in json.dumps([told, result, again]) and API_KEY not in json.dumps([told, result, again])
    assert result["diff"]["after"]["variables"]["environment"] == {"value": "(hidden, new)"}


def test_a_part_of_a_variable_is_changed(server: AirflowServer, call: Call) -> None:
    call("variables", variables=[{"key": "a/b", "value": "one", "description": "first"}, {"key": "c", "value": "one", "description": "x"}])
    changed = [{"key": "a/b", "description": "second"}, {"key": "c", "value": "two"}, {"key": "d", "value": "three"}]
    result = call("variables", variables=changed)
    assert (result["created"], result["updated"]) == (["d"], ["a/b", "c"])
    rows = [(key, decrypted(value), about) for key, value, about in server.query("SELECT key, val, description FROM variable ORDER BY key")]
    assert rows == [("a/b", "one", "second"), ("c", "two", "x"), ("d", "three", None)]
    emptied = call("variables", variables=[{"key": "a/b", "description": ""}])
    assert (emptied["updated"], call("variables", variables=[{"key": "a/b", "description": ""}])["changed"]) == (["a/b"], False)


def test_pools(server: AirflowServer, call: Call) -> None:
    pools = POOLS[: 1 if server.line == 2 else 2]
    assert call("pools", check_mode=True, pools=pools)["created"] == [pool["name"] for pool in pools]
    assert server.query("SELECT pool FROM slot_pool") == [("default_pool",)]
    assert call("pools", pools=pools)["changed"] is True
    assert call("pools", pools=pools)["changed"] is False
    assert server.query("SELECT slots, description, include_deferred FROM slot_pool WHERE pool = 'warehouse'") == [(4, "narrow", 1)]
    changed = [{"name": "default_pool", "slots": 7}, {"name": "warehouse", "slots": 5}]
    result = call("pools", pools=changed)
    assert result["diff"] == {
        "before": {"pools": {"default_pool": {"slots": 128}, "warehouse": {"slots": 4}}},
        "after": {"pools": {"default_pool": {"slots": 7}, "warehouse": {"slots": 5}}},
    }
    rows = server.query("SELECT pool, slots, description, include_deferred FROM slot_pool WHERE pool <> 'any/thing' ORDER BY pool")
    assert rows == [("default_pool", 7, "Default pool", 0), ("warehouse", 5, "narrow", 1)]
    assert call("pools", pools=changed)["changed"] is False


def test_users(server: AirflowServer, call: Call) -> None:
    assert call("users", check_mode=True, users=USERS)["created"] == ["jane", "bob"]
    result = call("users", users=USERS, digest_key="k")
    assert PASSWORD not in json.dumps(result)
    assert server.logs_in("jane", PASSWORD) and not server.logs_in("jane", "wrong")
    again = call("users", users=USERS, digest_key="k", digests=result["digests"])
    assert (again["changed"], again["updated"]) == (False, [])
    (jane,) = call("users_info", names=["jane"])["users"]
    assert (jane["roles"], jane["email"], jane["active"]) == (["Op", "User"], "jane@example.org", True)
    (bob,) = call("users_info", names=["bob", "nobody"])["users"]
    assert (bob["roles"], bob["email"], bob["first_name"]) == (["Viewer"], "bob@localhost.localdomain", "bob")
    changed = call("users", users=[{"username": "jane", "roles": "Viewer", "last_name": "Roe"}])
    assert changed["diff"]["before"]["users"] == {"jane": {"last_name": "Doe", "roles": ["Op", "User"]}}
    assert server.logs_in("jane", PASSWORD)
    (jane,) = call("users_info", names=["jane"])["users"]
    assert (jane["roles"], jane["last_name"], jane["first_name"]) == (["Viewer"], "Roe", "Jane")


def test_only_what_is_named_is_removed(server: AirflowServer, call: Call) -> None:
    every: dict[str, list[dict[str, Any]]] = {"connections": CONNECTIONS, "variables": VARIABLES, "pools": POOLS[:1], "users": USERS}
    names = {"connections": "conn_id", "variables": "key", "pools": "name", "users": "username"}
    for kind, items in every.items():
        call(kind, **{kind: items})
        gone = [{names[kind]: items[0][names[kind]], "state": "absent"}, {names[kind]: "never_there", "state": "absent"}]
        before = server.stored()
        assert call(kind, check_mode=True, **{kind: gone})["removed"] == [items[0][names[kind]]]
        assert server.stored() == before
        assert call(kind, **{kind: gone})["removed"] == [items[0][names[kind]]]
        assert call(kind, **{kind: gone})["changed"] is False
    assert [row[0] for row in server.query("SELECT conn_id FROM connection ORDER BY conn_id")] == ["bare", "partner"]
    assert len(server.query("SELECT key FROM variable")) == len(VARIABLES) - 1
    assert server.query("SELECT pool FROM slot_pool") == [("default_pool",)]
    assert [row[0] for row in server.query("SELECT username FROM ab_user ORDER BY username")] == ["bob", ADMIN]


def test_more_objects_than_a_page_holds(server: AirflowServer, call: Call) -> None:
    for number in range(230):
        server.query("INSERT INTO variable (key, val, is_encrypted) VALUES (?, 'x', false)", f"old_{number:03}")
    items = [{"key": f"old_{number:03}", "value": "x"} for number in (0, 99, 100, 229)]
    assert call("variables", variables=items)["changed"] is False
    assert len(call("variables_info")["variables"]) == 230
    many = [{"key": f"new_{number:03}", "value": number} for number in range(110 if server.line == 3 else 12)]
    assert len(call("variables", variables=many)["created"]) == len(many)
    assert call("variables", variables=many)["changed"] is False


def test_what_is_read_holds_no_secret(server: AirflowServer, call: Call) -> None:
    call("connections", connections=CONNECTIONS)
    call("variables", variables=VARIABLES)
    connections, variables = call("connections_info"), call("variables_info")
    assert PASSWORD not in json.dumps([connections, variables]) and API_KEY not in json.dumps([connections, variables])
    assert [found["conn_id"] for found in connections["connections"]] == ["bare", "partner", "warehouse"]
    (warehouse,) = call("connections_info", names=["warehouse"])["connections"]
    assert (warehouse["host"], warehouse["port"]) == ("db.example.org", 5432)
    if server.line == 3:
        assert (warehouse["password"], warehouse["extra"]["api_key"], warehouse["extra"]["sslmode"]) == ("***", "***", "verify-full")
    values = {found["key"]: found["value"] for found in variables["variables"]}
    assert (values["api_secret"], values["environment"]) == ("***", "production")
    assert json.loads(values["folder/limits"])["rows"] == 100000
