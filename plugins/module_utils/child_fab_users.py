# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child program: make users of FAB's auth manager. It runs in the interpreter of an Airflow installation, by its source.

Request on standard input: check_mode, users [{username, role, email, first_name, last_name, password or password_hash}].
Answer on standard output: created [username], existing [username], unknown_roles [role], known_roles [role].
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def existing_users() -> set[str]:
    """User names in the database, lower case. Read without FAB, which writes roles and permissions when it starts."""
    from airflow import settings
    from sqlalchemy import inspect, text

    with settings.engine.connect() as connection:
        if not inspect(connection).has_table("ab_user"):
            return set()
        return {row[0].lower() for row in connection.execute(text("SELECT username FROM ab_user"))}


def create(users: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Make the users through FAB's own security manager, which hashes the passwords; none when a role is unknown."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        names = {user["role"] for user in users}
        if not all(manager.find_role(name) for name in names):
            # On a new database 2.x makes its roles when the first webserver starts.
            manager.sync_roles()
        roles = {name: manager.find_role(name) for name in names}
        unknown = sorted(name for name, role in roles.items() if role is None)
        if unknown:
            return {"unknown_roles": unknown, "known_roles": sorted(role.name for role in manager.get_all_roles())}
        for user in users:
            secret = {"hashed_password": user["password_hash"]} if user.get("password_hash") else {"password": user["password"]}
            role = roles[user["role"]]
            if not manager.add_user(user["username"], user["first_name"], user["last_name"], user["email"], role, **secret):
                raise SystemExit(f"FAB did not create the user {user['username']}; its reason is in the lines above.")
    return {}


def main() -> None:
    """Read the request, create what is missing, answer."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Airflow prints; that must not mix with the answer.
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    present = existing_users()
    missing = [user for user in request["users"] if user["username"].lower() not in present]
    result: dict[str, list[str]] = create(missing) if missing and not request["check_mode"] else {}
    names = {user["username"] for user in missing}
    result["created"] = sorted(names)
    result["existing"] = sorted(user["username"] for user in request["users"] if user["username"] not in names)
    json.dump(result, answer)
    answer.flush()


if __name__ == "__main__":
    main()
