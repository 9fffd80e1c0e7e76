# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canaries in real installations. The tests of a line come in this order: each leaves the installation as the next one wants it."""

from __future__ import annotations

import time
from collections.abc import Callable

from conftest import Fly
from installation import Installation
from installations.processes import until


def test_nobody_is_let_in_before_there_is_an_account(airflow: Installation, fly: Fly, make_account: Callable[[], None]) -> None:
    result = fly()
    assert (result.get("login_refused"), result.get("proven")) == (True, False), result
    make_account()


def test_a_log_server_with_another_key_is_found(airflow: Installation, fly: Fly) -> None:
    result = fly()
    assert [queue["queue"] for queue in result["queues"]] == ["default"]
    assert result["msg"].startswith("The canary's task on the queue reports ran on ")
    assert result["msg"].endswith(
        "(airflow-worker@reports on h1), but its log cannot be read: the log server refuses the webserver; give both the same secret key, "
        "and clocks that agree."
    ), result["msg"]
    assert airflow.left() == {}


def test_it_sings_on_both_queues_though_the_users_pool_is_full(airflow: Installation, fly: Fly) -> None:
    airflow.stop("worker-reports")
    airflow.start_worker("reports")
    airflow.query("UPDATE slot_pool SET slots = 0")
    # What a canary leaves that is killed.
    airflow.query("INSERT INTO slot_pool (pool, slots, include_deferred) VALUES ('updraft_canary', 1, false)")
    started = time.monotonic()
    result = fly()
    print(f"RESULT canary_{airflow.line} {time.monotonic() - started:.1f} seconds")
    airflow.query("UPDATE slot_pool SET slots = 128")
    assert result.get("proven") is True, result
    assert [queue["queue"] for queue in result["queues"]] == ["default", "reports"]
    assert airflow.left() == {}


def test_a_worker_that_is_busy_is_told_from_one_that_is_not_there(airflow: Installation, fly: Fly) -> None:
    airflow.stop("worker-reports")
    airflow.airflow("dags", "trigger", "sleeper")
    running = "SELECT 1 FROM task_instance WHERE dag_id = 'sleeper' AND state = 'running'"
    until("the user's task does not run", lambda: airflow.query(running))
    result = fly(wait=10)
    assert result["msg"] == (
        "Nobody took the canary's task from the queue reports within 10 seconds (it is queued): airflow-worker@reports on h1 should have; "
        "look at its journal there."
    )
    assert result["warnings"] == [
        "The canary's task on the queue default found no free slot within 10 seconds (it is queued): other tasks that run or are queued: "
        "1, slots of airflow-worker@default on h1: 1."
    ]
    assert airflow.left() == {}
