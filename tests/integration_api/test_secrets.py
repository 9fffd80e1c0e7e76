# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When secrets are written that the API does not show."""

from __future__ import annotations

from typing import Any

import pytest
from api_server import ADMIN, AirflowServer, decrypted
from conftest import Call

KEY = "key of the digests"
OLD, NEW = "old-secret", "new-secret"


def connection(password: str = OLD, **others: Any) -> list[dict[str, Any]]:
    """A list of one connection."""
    return [
        {"conn_id": "c", "conn_type": "http", "host": "h", "password": password, "extra": {"api_key": password, "plain": "p"}, **others}
    ]


def stored_secrets(server: AirflowServer) -> tuple[str | None, str | None]:
    """Password and extra as Airflow would read them."""
    ((password, extra),) = server.query("SELECT password, extra FROM connection WHERE conn_id = 'c'")
    return decrypted(password), decrypted(extra)


def test_a_connection_on_change(server: AirflowServer, call: Call) -> None:
    first = call("connections", connections=connection(), digest_key=KEY)
    same = call("connections", connections=connection(), digest_key=KEY, digests=first["digests"])
    assert (same["changed"], same["digests"]) == (False, first["digests"])
    told = call("connections", check_mode=True, connections=connection(NEW), digest_key=KEY, digests=first["digests"])
    assert told["diff"]["after"] == {
        "connections": {"c": {"conn_type": "http", "host": "h", "password": "(hidden, changed)", "extra": "(hidden, changed)"}}
    }
    assert "digests" not in told and stored_secrets(server)[0] == OLD
    changed = call("connections", connections=connection(NEW), digest_key=KEY, digests=first["digests"])
    assert changed["updated"] == ["c"]
    assert stored_secrets(server) == (NEW, '{"api_key": "new-secret", "plain": "p"}')
    assert call("connections", connections=connection(NEW), digest_key=KEY, digests=changed["digests"])["changed"] is False


def test_only_the_secret_that_changed_is_written(server: AirflowServer, call: Call) -> None:
    first = call("connections", connections=connection(), digest_key=KEY)
    wanted = connection(NEW, extra={"api_key": OLD, "plain": "p"}, host="other")
    result = call("connections", connections=wanted, digest_key=KEY, digests=first["digests"])
    after = result["diff"]["after"]["connections"]["c"]
    assert (after["password"], after["extra"], after["host"]) == ("(hidden, changed)", "(hidden)", "other")
    assert stored_secrets(server)[0] == NEW
    assert call("connections", connections=wanted, digest_key=KEY, digests=result["digests"])["changed"] is False


def test_a_digest_of_another_key_or_object_is_none(server: AirflowServer, call: Call) -> None:
    first = call("connections", connections=connection(), digest_key=KEY)
    other = {"c": dict(call("connections", connections=connection(conn_id="d"), digest_key=KEY)["digests"]["d"])}
    assert call("connections", connections=connection(), digest_key=KEY, digests=other, check_mode=True)["changed"] is True
    assert call("connections", connections=connection(), digest_key="another", digests=first["digests"], check_mode=True)["changed"] is True
    assert call("connections", connections=connection(), digest_key=KEY, check_mode=True)["updated"] == ["c"]


def test_what_somebody_changed_by_hand_is_put_right(server: AirflowServer, call: Call) -> None:
    first = call("connections", connections=connection(), digest_key=KEY)
    server.query("UPDATE connection SET host = 'by hand'")
    result = call("connections", connections=connection(), digest_key=KEY, digests=first["digests"])
    assert result["diff"]["before"]["connections"]["c"]["host"] == "by hand"
    assert server.query("SELECT host FROM connection") == [("h",)]
    # A key that is not given is not put right, but whoever changed it may have changed the password too.
    call("connections", connections=[{"conn_id": "x", "conn_type": "http", "password": "by hand"}])
    by_hand = "login = 'by hand', password = (SELECT password FROM connection WHERE conn_id = 'x')"
    server.query(f"UPDATE connection SET {by_hand} WHERE conn_id = 'c'")
    assert stored_secrets(server)[0] == "by hand"
    again = call("connections", connections=connection(), digest_key=KEY, digests=result["digests"])
    assert (again["updated"], stored_secrets(server)[0]) == (["c"], OLD)
    assert server.query("SELECT login FROM connection WHERE conn_id = 'c'") == [("by hand",)]
    assert call("connections", connections=connection(), digest_key=KEY, digests=again["digests"])["changed"] is False


def test_a_visible_part_of_an_extra_is_put_right(server: AirflowServer, call: Call) -> None:
    first = call("connections", connections=connection(), digest_key=KEY)
    call("connections", connections=connection(extra={"api_key": OLD, "plain": "manual"}), update_secrets="always")
    result = call("connections", connections=connection(), digest_key=KEY, digests=first["digests"])
    # Airflow 2 does not list the extra.
    assert result["updated"] == ([] if server.line == 2 else ["c"])
    assert ("manual" in str(stored_secrets(server)[1])) is (server.line == 2)


def test_without_a_memory(server: AirflowServer, call: Call) -> None:
    call("connections", connections=connection())
    changed = connection(NEW, extra={"api_key": NEW, "plain": "p"})
    result = call("connections", connections=changed)
    assert (result["changed"], stored_secrets(server)[0]) == (False, OLD)
    assert result["warnings"] == [
        "1 of the connections have secrets that the API does not show (c): they were neither compared nor written. "
        "Set digests_file, or update_secrets to always or on_create."
    ]
    created_only = call("connections", connections=changed, update_secrets="on_create")
    assert (created_only["changed"], created_only["warnings"]) == (False, [])
    for _ in range(2):
        assert call("connections", connections=changed, update_secrets="always")["updated"] == ["c"]
    assert stored_secrets(server)[0] == NEW


def test_a_user(server: AirflowServer, call: Call) -> None:
    def users(password: str) -> list[dict[str, Any]]:
        return [{"username": "jane", "password": password}]

    first = call("users", users=users(OLD), digest_key=KEY)
    assert call("users", users=users(OLD), digest_key=KEY, digests=first["digests"])["changed"] is False
    assert call("users", users=users(NEW), update_secrets="on_create")["changed"] is False
    assert server.logs_in("jane", OLD)
    changed = call("users", users=users(NEW), digest_key=KEY, digests=first["digests"])
    assert changed["updated"] == ["jane"]
    assert server.logs_in("jane", NEW) and not server.logs_in("jane", OLD)
    # Logging in is no change of the user.
    assert call("users", users=users(NEW), digest_key=KEY, digests=changed["digests"])["changed"] is False


def test_the_user_who_calls_the_api(server: AirflowServer, call: Call) -> None:
    (row,) = server.query("SELECT password FROM ab_user WHERE username = ?", ADMIN)
    try:
        users = [{"username": ADMIN, "password": NEW}, {"username": "jane", "password": OLD}]
        result = call("users", users=users, digest_key=KEY)
        assert (result["created"], result["updated"], result["warnings"]) == (["jane"], [ADMIN], [])
        again = call("users", users=users, password=NEW, digest_key=KEY, digests=result["digests"])
        assert again["changed"] is False
    finally:
        server.query("UPDATE ab_user SET password = ? WHERE username = ?", *row, ADMIN)


def test_a_variable(server: AirflowServer, call: Call) -> None:
    def variables(secret: str) -> list[dict[str, Any]]:
        return [{"key": "my_password", "value": secret}, {"key": "plain", "value": "p"}, {"key": "url", "value": f"x://{secret}@h"}]

    def values() -> dict[str, str | None]:
        return {key: decrypted(value) for key, value in server.query("SELECT key, val FROM variable")}

    first = call("variables", variables=variables(OLD), digest_key=KEY)
    assert call("variables", variables=variables(OLD), digest_key=KEY, digests=first["digests"])["changed"] is False
    changed = call("variables", variables=variables(NEW), digest_key=KEY, digests=first["digests"])
    assert changed["updated"] == ["my_password", "url"]
    assert values() == {"my_password": NEW, "plain": "p", "url": f"x://{NEW}@h"}
    call("variables", variables=[{"key": "plain", "value": "manual"}])
    again = call("variables", variables=variables(NEW), digest_key=KEY, digests=changed["digests"])
    assert (again["updated"], values()["plain"]) == (["plain"], "p")


def test_what_is_removed_is_forgotten(server: AirflowServer, call: Call) -> None:
    first = call("connections", connections=connection(), digest_key=KEY)
    gone = call("connections", connections=[{"conn_id": "c", "state": "absent"}], digest_key=KEY, digests=first["digests"])
    assert gone["digests"] == {"c": None}


def test_a_password_is_not_taken_away(server: AirflowServer, call: Call) -> None:
    first = call("connections", connections=connection(), digest_key=KEY)
    before = server.stored()
    result = call("connections", connections=connection(""), digest_key=KEY, digests=first["digests"], fails=True)
    assert result["findings"] == [
        "connections, c: password is empty, and Airflow's API takes no password away: remove the connection (state: absent), "
        "then create it anew."
    ]
    assert server.stored() == before


@pytest.mark.parametrize("secret", ["***", {"deep": ["***"]}])
def test_a_mask_is_no_secret(server: AirflowServer, call: Call, secret: Any) -> None:
    key = "password" if isinstance(secret, str) else "extra"
    result = call("connections", connections=[{"conn_id": "c", "conn_type": "http", key: secret}], fails=True)
    assert "which is what Airflow shows for a secret" in result["msg"]
