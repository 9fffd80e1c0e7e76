# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything the tutorial's reader had is there."""

from __future__ import annotations

import json

import pytest
from airflow_checks import digests, hosts, pages
from airflow_checks.fixtures import TUTORIAL_FILES, Installation

FAB_TABLES = ("ab_", "alembic_version_fab", "session")


def taken(installation: Installation, place: str, surviving: bool) -> digests.Digests:
    more = [*(["--surviving"] if surviving else []), *(["--single"] if installation.engine == "mysql" else [])]
    return digests.Digests.from_json(installation.on_host("airflow_checks.digests", place, *more))


def test_the_home_page_has_no_warning_for_who_logs_in_with_the_old_password(installation: Installation, look: pages.Browser) -> None:
    look.log_in(installation.base_url, *installation.admin)
    assert look.warnings() == []
    look.picture("home")


def test_a_wrong_password_is_refused_on_the_page(installation: Installation, look: pages.Browser) -> None:
    with pytest.raises(pages.LoginRefused):
        look.log_in(installation.base_url, installation.admin[0], "wrong")


def test_every_row_is_there_with_every_value(installation: Installation) -> None:
    crossed = installation.line == 3 and installation.variables["test_source_version"].startswith("2.")
    before = taken(installation, f"{installation.adopted_home}/airflow.db", crossed)
    url = installation.database_setting().replace("postgresql+psycopg2://", "postgresql://")
    after = taken(installation, url, crossed)
    allowed = digests.RUNNING
    if not installation.variables["test_source_version"].startswith("2."):
        # The simple auth manager has no tables: FAB's come with the auth manager, and its users with their passwords.
        allowed = allowed.also(new_tables={name for name in after.tables if name.startswith(FAB_TABLES)})
    assert "\n".join(digests.compare(before, after, allowed)) == ""


def test_the_copy_that_is_kept_equals_the_old_database(installation: Installation) -> None:
    assert (
        digests.compare(
            taken(installation, f"{installation.adopted_home}/airflow.db", False),
            taken(installation, "/opt/airflow/backups/before-the-move.db", False),
        )
        == []
    )


def test_encrypted_connections_open_with_the_key_that_was_carried_over(installation: Installation) -> None:
    hosts.run(installation.host, "airflow", "connections", "export", "/tmp/exported.json", "--format", "json")
    exported = json.loads(hosts.run(installation.host, "cat", "/tmp/exported.json"))
    wanted = json.loads((TUTORIAL_FILES / "connections.json").read_text(encoding="utf-8"))
    assert {name: exported[name]["password"] for name in wanted} == {name: entry.get("password") for name, entry in wanted.items()}
    assert {name: exported[name]["extra"] for name in wanted if "extra" in wanted[name]} == {
        name: entry["extra"] for name, entry in wanted.items() if "extra" in entry
    }


def test_old_task_logs_are_readable(installation: Installation) -> None:
    client = installation.client()
    task = client.tasks("hello", "by_hand_1")[0]
    # On a loaded SQLite an attempt may have ended before it began: the last one has succeeded.
    text = client.log("hello", "by_hand_1", task["task_id"], task["try_number"])
    assert len(text) > 100 and "Could not read" not in text


def test_the_old_daemons_are_gone(installation: Installation) -> None:
    old = [process for process in hosts.processes(installation.host) if process.prefix.startswith("/home/")]
    assert old == []


def test_a_run_that_was_under_way_goes_on(installation: Installation) -> None:
    # Last, for it changes rows that the copy is compared by.
    client = installation.client()
    before = {task["task_id"]: task["state"] for task in client.tasks("relay", "under_way")}
    # A task of 2.x schedules what comes after it, even when its DAG is paused.
    assert (before["first"], before["third"]) == ("success", None) and before["second"] in (None, "scheduled")
    client.pause("relay", False)
    assert client.wait_for_run("relay", "under_way")["state"] == "success"
    after = client.tasks("relay", "under_way")
    assert {task["task_id"]: (task["state"], task["try_number"]) for task in after} == dict.fromkeys(before, ("success", 1))
