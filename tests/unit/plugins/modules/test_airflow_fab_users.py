# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_fab_users with packages that stand in for Airflow and SQLAlchemy, in a real child process and on a real database."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CallModule = Callable[..., dict[str, Any]]

SETTINGS = """
import os, sqlite3
print("noise on standard output")
class engine:
    @staticmethod
    def connect():
        return sqlite3.connect(os.environ["DATABASE"])
"""
SQLALCHEMY = """
text = str
class inspect:
    def __init__(self, connection):
        self.connection = connection
    def has_table(self, name):
        return bool(self.connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone())
"""
UTILS = """
import contextlib, os, sqlite3
from types import SimpleNamespace
class Manager:
    roles = []
    def find_role(self, name):
        return SimpleNamespace(name=name) if name in self.roles else None
    def sync_roles(self):
        self.roles = ["Admin", "Viewer"]
    def get_all_roles(self):
        return [SimpleNamespace(name=name) for name in self.roles]
    def add_user(self, username, first_name, last_name, email, role, password="", hashed_password=""):
        with sqlite3.connect(os.environ["DATABASE"]) as connection:
            row = (username, first_name, last_name, email, role.name, hashed_password or f"hash of {password}")
            connection.execute("INSERT INTO ab_user VALUES (?, ?, ?, ?, ?, ?)", row)
        return True
@contextlib.contextmanager
def get_application_builder():
    yield SimpleNamespace(sm=Manager())
"""
ADMIN = {"username": "Admin", "password": "s3cret", "role": "Admin"}
BOB = {"username": "bob", "password_hash": "scrypt:1", "email": "bob@example.org", "first_name": "Bob", "last_name": "B"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "airflow.db") as connection:
        connection.execute("CREATE TABLE ab_user (username, first_name, last_name, email, role, password)")
    connection.close()
    return tmp_path / "airflow.db"


@pytest.fixture
def create(call_module: CallModule, tmp_path: Path, database: Path) -> Callable[..., dict[str, Any]]:
    folder = tmp_path / "packages" / "airflow" / "providers" / "fab" / "auth_manager" / "cli_commands"
    folder.mkdir(parents=True)
    (folder / "utils.py").write_text(UTILS)
    (tmp_path / "packages" / "airflow" / "settings.py").write_text(SETTINGS)
    (tmp_path / "packages" / "sqlalchemy.py").write_text(SQLALCHEMY)
    environment = {"PYTHONPATH": str(tmp_path / "packages"), "DATABASE": str(database)}

    def run(*users: dict[str, str], **arguments: Any) -> dict[str, Any]:
        return call_module("airflow_fab_users", **{"interpreter": sys.executable, "environment": environment, "users": users, **arguments})

    return run


def rows(database: Path) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(database)
    found = connection.execute("SELECT * FROM ab_user ORDER BY username").fetchall()
    connection.close()
    return found


def test_created_once_and_then_left_alone(create: Callable[..., dict[str, Any]], database: Path) -> None:
    expected = [
        ("Admin", "Admin", "User", "Admin@localhost.localdomain", "Admin", "hash of s3cret"),
        ("bob", "Bob", "B", "bob@example.org", "Viewer", "scrypt:1"),
    ]
    planned = create(ADMIN, BOB, check_mode=True)
    assert (planned["changed"], planned["created"], rows(database)) == (True, ["Admin", "bob"], [])
    result = create(ADMIN, BOB)
    assert (result["changed"], result["created"], result["existing"]) == (True, ["Admin", "bob"], []), result
    assert rows(database) == expected
    again = create({**ADMIN, "username": "ADMIN", "password": "other"}, BOB)
    assert (again["changed"], again["created"], again["existing"]) == (False, [], ["ADMIN", "bob"])
    assert rows(database) == expected


def test_an_unknown_role_is_refused_before_anybody_is_created(create: Callable[..., dict[str, Any]], database: Path) -> None:
    result = create(ADMIN, {**BOB, "role": "Boss"})
    assert result["failed"] and result["msg"] == "No users were created: there is no role Boss; use one of Admin, Viewer."
    assert rows(database) == []


def test_no_password_and_no_environment_in_the_output(create: Callable[..., dict[str, Any]], database: Path) -> None:
    result = create(ADMIN)
    assert "s3cret" not in str(result) and str(database) not in str(result)


@pytest.mark.parametrize("secrets", [{}, {"password": "x", "password_hash": "y"}])
def test_one_of_password_and_hash(create: Callable[..., dict[str, Any]], secrets: dict[str, str]) -> None:
    result = create({"username": "x", **secrets})
    assert result["failed"] and "password" in result["msg"]


def test_not_installed_yet(create: Callable[..., dict[str, Any]]) -> None:
    planned = create(ADMIN, interpreter="/nonexistent/python", check_mode=True)
    assert (planned["changed"], planned["created"]) == (True, ["Admin"])
    result = create(ADMIN, interpreter="/nonexistent/python")
    assert result["msg"] == "There is no /nonexistent/python; install Airflow before its users are created."


def test_a_failure_shows_its_reason(create: Callable[..., dict[str, Any]], database: Path) -> None:
    database.write_text("this is not a database, and it is long enough to look at")
    result = create(ADMIN)
    assert result["failed"] and result["msg"].startswith("The users could not be created: ")
    assert "file is not a database" in result["msg"]


def test_unknown_system_user(create: Callable[..., dict[str, Any]]) -> None:
    result = create(ADMIN, user="nobody-of-this-name")
    assert result["msg"] == "There is no system user nobody-of-this-name; create it before the users of Airflow."
