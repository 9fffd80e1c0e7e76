# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals to real processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import host_stopping
from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import Daemon, find_daemons
from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import descendants, list_processes, read_process
from ansible_collections.updraft.airflow.plugins.module_utils.host_stopping import (
    StopError,
    components,
    end,
    freeze,
    holds_sqlite_lock,
    send,
    thaw,
)


def only(old_airflow: Any) -> Daemon:
    (daemon,) = find_daemons(str(old_airflow.home))
    return daemon


def state(pid: int) -> str | None:
    process = read_process(pid)
    return process.state if process else None


def wait_for(pid: int, states: str) -> None:
    deadline = time.monotonic() + 10
    while (state(pid) or "gone") not in states:
        assert time.monotonic() < deadline, f"{pid} is {state(pid)}"


def test_freeze_and_thaw(old_airflow: Any) -> None:
    pid = old_airflow.start("scheduler").pid
    daemon = only(old_airflow)
    freeze(daemon.process)
    assert state(pid) == "T"
    thaw(daemon.process)
    wait_for(pid, "SR")


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_not_frozen_while_it_keeps_others_from_writing(old_airflow: Any, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    database = old_airflow.home / "airflow.db"
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute("CREATE TABLE t (x)")
    process = old_airflow.start("scheduler", LOCK=str(database))
    assert process.stdout.readline() == "locked\n"
    daemon = only(old_airflow)
    assert holds_sqlite_lock(process.pid)
    monkeypatch.setattr(host_stopping, "FREEZE_TIMEOUT", 0)
    with pytest.raises(StopError, match="held its database locked"):
        freeze(daemon.process)
    wait_for(process.pid, "SR")
    process.stdin.write("let go\n")
    process.stdin.flush()
    deadline = time.monotonic() + 10
    while holds_sqlite_lock(process.pid):
        assert time.monotonic() < deadline
    freeze(daemon.process)
    assert state(process.pid) == "T"
    connection.execute("INSERT INTO t VALUES (1)")
    connection.close()


def test_a_reader_with_a_log_keeps_nobody_from_writing(old_airflow: Any) -> None:
    connection = sqlite3.connect(old_airflow.home / "airflow.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM t").fetchall()
    assert not holds_sqlite_lock(os.getpid())
    connection.execute("ROLLBACK")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM t").fetchall()
    assert holds_sqlite_lock(os.getpid())
    connection.close()


def test_a_pid_that_went_to_another_process_gets_no_signal(old_airflow: Any) -> None:
    pid = old_airflow.start("scheduler").pid
    process = only(old_airflow).process
    send(replace(process, started=process.started - 1), signal.SIGKILL)
    assert state(pid) is not None
    send(process, signal.SIGKILL)
    wait_for(pid, "gone")


def test_a_frozen_daemon_ends_by_term(old_airflow: Any) -> None:
    process = old_airflow.start("scheduler")
    daemon = only(old_airflow)
    freeze(daemon.process)
    end(daemon, timeout=10)
    assert process.wait() == 0


def test_kill_takes_what_it_started_along(old_airflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_stopping, "PAUSE", 0.01)
    process = old_airflow.start("scheduler", TASK=str(Path("/nonexistent")))
    daemon = only(old_airflow)
    (child,) = descendants(process.pid, list_processes())
    end(daemon, timeout=0, kill=True)
    assert process.wait() == -signal.SIGKILL
    assert read_process(child.pid) is None


def test_components_of_standalone_end_before_it_and_the_api_server_after_the_scheduler(old_airflow: Any) -> None:
    old_airflow.start("standalone", STANDALONE="1")
    assert [daemon.kind for daemon in components(find_daemons(str(old_airflow.home)))] == ["scheduler", "api-server", "standalone"]
