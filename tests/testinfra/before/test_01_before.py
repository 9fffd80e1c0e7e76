# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tutorial's reader sees before the lift."""

from __future__ import annotations

from airflow_checks import api, pages
from airflow_checks.fixtures import Installation


def test_the_home_page_warns_and_tasks_run_one_by_one(installation: Installation, look: pages.Browser) -> None:
    client = installation.client()
    run_id = client.trigger("eight_sleeps", {"seconds": 0.5})
    look.log_in(installation.base_url, *installation.admin)
    assert look.warnings() == [pages.SQLITE_WARNING, pages.SEQUENTIAL_WARNING]
    look.picture("home-before")
    assert client.wait_for_run("eight_sleeps", run_id)["state"] == "success"
    tasks = client.tasks("eight_sleeps", run_id)
    print(f"RESULT eight_sleeps_before {api.seconds_taken(tasks):.0f} seconds")
    assert len(tasks) == 8 and api.most_at_once(tasks) == 1
