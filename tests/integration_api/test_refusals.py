# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input is told in full, and changes nothing; what fails half-way is told by name."""

from __future__ import annotations

import json
from typing import Any

from api_server import ADMIN, AirflowServer
from conftest import Call
from front import Front

SECRET = "n0b0dy-sees-this"


def test_everything_wrong_with_users_is_told_at_once(server: AirflowServer, call: Call) -> None:
    call("users", users=[{"username": "jane", "password": SECRET, "email": "jane@example.org"}])
    before = server.stored()
    users: list[dict[str, Any]] = [
        {"username": "new", "password": SECRET, "roles": ["Operator"]},
        {"username": "bob", "pasword": SECRET},
        {"username": "ann"},
        {"username": "JANE", "password": SECRET},
        {"username": "max", "password": SECRET, "email": "jane@example.org"},
        {"username": "eve", "password": SECRET},
        {"username": "eve", "password": SECRET},
        {"username": ADMIN, "state": "absent"},
        {"password": SECRET},
    ]
    result = call("users", users=users, fails=True)
    assert result["findings"] == [
        "users, bob: there is no key pasword: did you mean password?",
        f"users, {ADMIN}: state is absent, and this is the user that the API is called with: call it with another one.",
        "users, item 9: username is missing: every user needs one.",
        "users, eve: username is there 2 times: keep one of these items.",
        "users, ann: password is missing, without which no user can be created: add it.",
        "users, JANE: username differs from jane only in case, which Airflow takes for the same: write jane, or another name.",
        "users, max: email is that of jane, and no two users may share one: give another one.",
        "users, new: there is no role Operator: use one of Admin, Op, Public, User, Viewer.",
    ]
    assert result["msg"].splitlines() == result["findings"]
    assert SECRET not in json.dumps(result)
    assert server.stored() == before


def test_everything_wrong_with_the_others(server: AirflowServer, call: Call) -> None:
    before = server.stored()
    connections = [
        {"conn_id": "good", "conn_type": "http"},
        {"conn_id": "no type"},
        {"conn_id": "both", "uri": f"http://u:{SECRET}@h", "host": "h"},
        {"conn_id": "typeless"},
        {"conn_id": "port", "conn_type": "http", "port": 70000, "extra": f"[{SECRET}"},
    ]
    result = call("connections", connections=connections, fails=True)
    assert [finding.partition(": ")[0] for finding in result["findings"]] == [
        "connections, item 2",
        "connections, both",
        "connections, port",
        "connections, port",
        "connections, typeless",
    ]
    assert SECRET not in json.dumps(result)
    pools = [{"name": "default_pool", "state": "absent"}, {"name": "p", "slots": -2}, {"name": "q"}, {"name": "r", "slots": 1, "slot": 1}]
    assert call("pools", pools=pools, fails=True)["findings"] == [
        "pools, default_pool: state is absent, and Airflow does not let its default pool go: remove this item.",
        "pools, p: slots is -2: it must be -1 or more.",
        "pools, r: there is no key slot: did you mean slots?",
        "pools, q: slots is missing, without which no pool can be created: add it.",
    ]
    assert len(call("variables", variables=[{"key": "a"}, {"key": " b", "value": 1}], fails=True)["findings"]) == 2
    assert server.stored() == before


def test_a_wrong_password_is_told(server: AirflowServer, call: Call) -> None:
    result = call("pools", pools=[], password="wrong", fails=True)
    assert f"does not let {ADMIN}" in result["msg"] and "check username" in result["msg"]


def test_a_request_that_fails_half_way(server: AirflowServer, call: Call) -> None:
    users = [{"username": name, "password": SECRET} for name in ("a", "b", "c")]
    changed = [{**user, "last_name": "Changed"} for user in users]
    first = call("users", users=users, digest_key="k")
    with Front(server) as front:
        front.fail("PATCH", "/users/b", status=500, words=f"could not write {SECRET}")
        result = call("users", url=front.url, users=changed, digest_key="k", digests=first["digests"], fails=True)
        assert result["msg"] == (
            "Airflow did not take all users. update b: HTTP 500: could not write ********. Done: update a; not done: update b, update c."
        )
        assert (result["changed"], result["updated"], result["not_done"], list(result["digests"])) == (True, ["a"], ["b", "c"], ["a"])
        assert SECRET not in json.dumps(result) and list(result["diff"]["after"]["users"]) == ["a"]
        again = call("users", url=front.url, users=changed, digest_key="k", digests={**first["digests"], **result["digests"]})
        assert again["updated"] == ["b", "c"]


def test_a_request_without_an_answer(server: AirflowServer, call: Call) -> None:
    with Front(server) as front:
        front.drop("POST", "/users")
        result = call("users", url=front.url, users=[{"username": "a", "password": SECRET}], fails=True)
    assert result["maybe_done"] == ["a"]
    assert "ended the connection without an answer" in result["msg"]


def test_somebody_else_is_faster(server: AirflowServer, call: Call) -> None:
    """On Airflow 3 all pools come in one request, which is refused as a whole."""
    pools = [{"name": name, "slots": 1} for name in ("a", "b")]
    method, path = ("POST", "/pools") if server.line == 2 else ("PATCH", "/pools")
    with Front(server) as front:
        front.before(method, path, lambda: server.query("INSERT INTO slot_pool (pool, slots, include_deferred) VALUES ('b', 9, false)"))
        result = call("pools", url=front.url, pools=pools, fails=True)
    assert result["not_done"] == (["b"] if server.line == 2 else ["a", "b"])
    assert "already exist" in result["msg"]
    assert call("pools", pools=pools)["updated"] == ["b"]
