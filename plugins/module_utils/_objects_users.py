# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of FAB's auth manager."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._objects import Item, Kind, Record
from ._objects_fields import Field, Wrong, names, secret_text, text

DEFAULT_ROLES = ("Viewer",)
STATISTICS = ("active", "last_login", "login_count", "fail_login_count", "created_on", "changed_on")


def _password(value: Any) -> str:
    found = secret_text(value)
    if found is None:
        raise Wrong("is empty: give it a value, or leave it out.")
    return found


class Users(Kind):
    """Users."""

    list_name = "users"
    title = "user"
    identifier = "username"
    longest_name = 512
    fields = (
        Field("email", text(512, empty=False)),
        Field("first_name", text(256, empty=False)),
        Field("last_name", text(256, empty=False)),
        Field("roles", names),
        Field("password", _password, secret=True, needed=True),
    )
    visible = ("email", "first_name", "last_name", "roles")
    bulk = False

    def path(self, version: str) -> str:
        """Airflow 3 leaves users to the auth manager."""
        return "/api/v1/users" if version == "v1" else "/auth/fab/v1/users"

    def roles_path(self, version: str) -> str:
        """Where the roles are."""
        return "/api/v1/roles" if version == "v1" else "/auth/fab/v1/roles"

    def read_name(self, value: Any) -> str:
        """A slash has no place in an address."""
        found = super().read_name(value)
        if "/" in found:
            raise Wrong("holds a slash: choose another name.")
        return found

    def mistakes(self, item: Item, username: str | None) -> Iterator[str]:
        """Nobody saws off the branch he sits on."""
        if not item.present and username is not None and item.name.casefold() == username.casefold():
            yield "state is absent, and this is the user that the API is called with: call it with another one."

    def problems(self, item: Item, records: Mapping[str, Record], items: Mapping[str, Item], version: str) -> Iterator[str]:
        """FAB takes names that differ in case for one, and wants every mail address once."""
        alike = [name for name in (*records, *items) if name != item.name and name.casefold() == item.name.casefold()]
        if alike and item.name not in records:
            yield f"username differs from {alike[0]} only in case, which Airflow takes for the same: write {alike[0]}, or another name."
        if not item.present:
            return
        email = {**({} if item.name in records else self.defaults(item)), **item.values}.get("email")
        others = {**{name: record["email"] for name, record in records.items()}, **_emails(items)}
        owner = next((name for name, other in others.items() if name != item.name and other == email and _stays(name, items)), None)
        if email is not None and owner is not None:
            yield f"email is that of {owner}, and no two users may share one: give another one."

    def record(self, raw: Mapping[str, Any]) -> tuple[str, Record]:
        """Never the password."""
        roles = tuple(sorted(role["name"] for role in raw.get("roles") or ()))
        return raw["username"], {**{name: raw.get(name) for name in self.visible}, "roles": roles}

    def describe(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """With when the user came last."""
        found = super().describe(raw)
        return {**found, "roles": list(found["roles"]), **{name: raw.get(name) for name in STATISTICS}}

    def defaults(self, item: Item) -> dict[str, Any]:
        """FAB wants a mail address and both names."""
        return {
            "email": f"{item.name}@localhost.localdomain",
            "first_name": item.name,
            "last_name": "User",
            "roles": DEFAULT_ROLES,
        }

    def agrees(self, name: str, wanted: Any, record: Record, version: str) -> bool | None:
        """A password is never shown."""
        return None if name == "password" else super().agrees(name, wanted, record, version)

    def creation(self, name: str, values: Mapping[str, Any], version: str) -> dict[str, Any]:
        """All of it."""
        return {"username": name, **values, "roles": [{"name": role} for role in values["roles"]]}

    def change(self, name: str, values: Mapping[str, Any], record: Record, version: str) -> tuple[dict[str, Any], tuple[str, ...] | None]:
        """Airflow 2 wants the whole user."""
        return self.creation(name, {**record, **values}, version), None


def unknown_roles(kind: Kind, items: list[Item], known: set[str]) -> list[str]:
    """A sentence for each role that does not exist."""
    choices = ", ".join(sorted(known))
    return [
        f"{kind.list_name}, {item.name}: there is no role {role}: use one of {choices}."
        for item in items
        for role in item.values.get("roles", ())
        if item.present and role not in known
    ]


def _emails(items: Mapping[str, Item]) -> dict[str, str]:
    return {name: item.values["email"] for name, item in items.items() if "email" in item.values}


def _stays(name: str, items: Mapping[str, Item]) -> bool:
    return name not in items or items[name].present
