# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh installation: its administrator logs in with the generated password, and the page says what it runs on."""

from __future__ import annotations

from airflow_checks import hosts, pages
from airflow_checks.fixtures import Installation


def test_the_administrator_logs_in_with_the_generated_password(installation: Installation, look: pages.Browser) -> None:
    look.log_in(installation.base_url, *installation.admin)
    warned = [pages.SQLITE_WARNING, pages.SEQUENTIAL_WARNING] if installation.variables.get("test_sequential", False) else []
    assert look.warnings() == warned
    look.picture("home")


def test_there_is_one_user_beside_the_playbooks_account_and_those_of_the_inventory(installation: Installation) -> None:
    given = [user["username"] for user in installation.variables.get("airflow_users", [])]
    found = [name for [name] in installation.query("SELECT username FROM ab_user")]
    assert sorted(found) == sorted(["admin", "updraft", *given])


def test_the_canary_left_nothing(installation: Installation) -> None:
    assert hosts.run(installation.host, "cat", "/opt/airflow/canary/proven.json")
    for table in ("dag", "dag_run", "task_instance", "serialized_dag"):
        assert installation.query(f"SELECT count(*) FROM {table} WHERE dag_id = 'updraft_canary'") == [[0]], table
    assert installation.query("SELECT count(*) FROM slot_pool WHERE pool = 'updraft_canary'") == [[0]]


def test_the_database_is_the_one_that_was_asked_for(installation: Installation) -> None:
    engine = installation.engine
    wanted = installation.variables.get("airflow_metadata_db_engine", "postgresql")
    assert engine == (wanted if installation.variables.get("test_server", True) else "sqlite")
    if engine == "postgresql":
        encoding = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
        assert installation.query(encoding) == [["UTF8"]]
        password = "SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'airflow'"
        stored = hosts.run(installation.host, "runuser", "-u", "postgres", "--", "psql", "-Atc", password)
        assert stored == "SCRAM-SHA-256\n"
        assert hosts.listens_on(installation.host, 5432) == {"127.0.0.1"}
