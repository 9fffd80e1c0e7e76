# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_old_daemons stops and starts real processes."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import find_daemons
from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import descendants, list_processes, read_process

RunModule = Callable[..., dict[str, Any]]


@pytest.fixture
def handle(run_module: RunModule, old_airflow: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run(state: str, **arguments: Any) -> dict[str, Any]:
        return run_module(
            "airflow_old_daemons",
            home=str(old_airflow.home),
            state=state,
            metadata_path=str(old_airflow.database),
            restart_file=str(tmp_path / "restart.json"),
            **arguments,
        )

    return run


def state_of(pid: int) -> str | None:
    process = read_process(pid)
    return process.state if process else None


def remembered(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "restart.json").read_text())["daemons"]
    return found


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")


def test_waits_for_a_task_and_then_stops_everything(handle: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path) -> None:
    old_airflow.make_database("running", seen=now())
    scheduler = old_airflow.start("scheduler", TASK=str(old_airflow.database))
    webserver = old_airflow.start("webserver")
    result = handle("stopped", executor="SequentialExecutor", drain_timeout=30)
    assert result["changed"], result
    assert result["stopped"] == [{"kind": "scheduler", "pid": scheduler.pid}, {"kind": "webserver", "pid": webserver.pid}]
    assert result["waited_for"] == [{"dag_id": "report", "task_id": "load", "run_id": "manual_0", "map_index": -1}]
    assert result["abandoned"] == []
    assert 0 <= result["drained"] <= result["seconds"]
    # A TERM would have let SequentialExecutor start tasks.
    assert (scheduler.wait(), webserver.wait()) == (-9, 0)
    assert (tmp_path / "restart.json").stat().st_mode & 0o777 == 0o600


def test_what_another_run_left_at_work_is_waited_for(handle: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    old_airflow.make_database()
    scheduler = old_airflow.start("scheduler")
    folder = os.open(old_airflow.home, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(handle, "stopped")
        # Somebody waits for the lock, as the kernel tells it.
        while not any("->" in line and str(os.fstat(folder).st_ino) in line for line in Path("/proc/locks").read_text().splitlines()):
            assert not result.done(), result.result()
            time.sleep(0.05)
        assert scheduler.poll() is None and state_of(scheduler.pid) != "T"
        os.close(folder)
        assert [each["pid"] for each in result.result()["stopped"]] == [scheduler.pid]


def test_on_a_timeout_everything_runs_as_before_and_the_task_is_named(handle: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    old_airflow.make_database("running", seen=now())
    scheduler = old_airflow.start("scheduler")
    webserver = old_airflow.start("webserver")
    result = handle("stopped", executor="SequentialExecutor", drain_timeout=0)
    assert result["failed"] and result["msg"] == (
        "Still running after 0 seconds: dag_id report, task_id load, run_id manual_0; nothing was stopped: let it end, "
        "or raise airflow_drain_timeout."
    )
    assert state_of(scheduler.pid) in ("S", "R") and state_of(webserver.pid) in ("S", "R")


def test_a_row_without_process_and_sign_of_life_is_not_waited_for(handle: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    old_airflow.make_database("running")
    scheduler = old_airflow.start("scheduler")
    result = handle("stopped", executor="LocalExecutor", drain_timeout=5)
    assert result["changed"], result
    assert [task["run_id"] for task in result["abandoned"]] == ["manual_0"] and result["waited_for"] == []
    assert scheduler.wait() == 0


def test_drained_freezes_and_started_lets_go_on(handle: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    old_airflow.make_database("success")
    scheduler = old_airflow.start("scheduler")
    assert handle("drained", check_mode=True)["changed"] and state_of(scheduler.pid) in ("S", "R")
    result = handle("drained")
    assert result["changed"] and result["stopped"] == []
    assert state_of(scheduler.pid) == "T"
    assert handle("drained")["changed"] is False
    assert handle("drained", check_mode=True)["changed"] is False
    assert handle("started", check_mode=True)["changed"] and state_of(scheduler.pid) == "T"
    assert handle("started")["changed"]
    assert state_of(scheduler.pid) in ("S", "R")
    assert handle("started")["changed"] is False


def test_stopping_twice_changes_once(handle: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path) -> None:
    old_airflow.make_database()
    old_airflow.start("triggerer")
    assert handle("stopped", check_mode=True)["changed"]
    assert len(find_daemons(str(old_airflow.home))) == 1
    assert handle("stopped")["changed"]
    before = (tmp_path / "restart.json").read_text()
    result = handle("stopped")
    assert result["changed"] is False and result["stopped"] == []
    assert (tmp_path / "restart.json").read_text() == before


def test_started_again_as_they_were(handle: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path) -> None:
    old_airflow.make_database()
    title = f"{old_airflow.prefix}/bin/python {old_airflow.script} scheduler --num-runs 5"
    old_airflow.start("scheduler", "--num-runs", "5", TITLE=title, AIRFLOW_VAR_X="é $x")
    old_airflow.start("webserver", "-p", "8081")
    (before,) = [daemon for daemon in find_daemons(str(old_airflow.home)) if daemon.kind == "scheduler"]
    assert handle("stopped")["changed"]
    assert sorted(entry["kind"] for entry in remembered(tmp_path)) == ["scheduler", "webserver"]
    result = handle("started")
    try:
        assert result["changed"] and result["started"] == ["webserver", "scheduler"], result
        after = {daemon.kind: daemon for daemon in find_daemons(str(old_airflow.home))}
        deadline = time.monotonic() + 10
        while "scheduler" not in after or after["scheduler"].process.arguments != before.process.arguments:
            # It sets its title a moment after it is there.
            assert time.monotonic() < deadline, after
            after = {daemon.kind: daemon for daemon in find_daemons(str(old_airflow.home))}
        assert after["scheduler"].environment == before.environment
        assert after["webserver"].argv[2:] == ["webserver", "-p", "8081"]
        assert not (tmp_path / "restart.json").exists()
    finally:
        for daemon in find_daemons(str(old_airflow.home)):
            os.kill(daemon.process.pid, 9)


def test_the_same_daemons_may_be_started_once_more(handle: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path) -> None:
    old_airflow.make_database()
    old_airflow.start("webserver", "-p", "8081")
    assert handle("stopped")["changed"]
    kept = (tmp_path / "restart.json").read_text()
    try:
        for _time in range(2):
            assert handle("started", keep_restart_file=True)["started"] == ["webserver"]
            assert (tmp_path / "restart.json").read_text() == kept
            assert handle("started", keep_restart_file=True)["changed"] is False
            (daemon,) = find_daemons(str(old_airflow.home))
            os.kill(daemon.process.pid, 9)
            while find_daemons(str(old_airflow.home)):
                time.sleep(0.05)
    finally:
        for daemon in find_daemons(str(old_airflow.home)):
            os.kill(daemon.process.pid, 9)


def test_a_file_for_the_output_that_cannot_be_had_again_keeps_no_daemon_from_starting(
    handle: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path
) -> None:
    old_airflow.make_database()
    old_airflow.start("webserver", "-p", "8081")
    assert handle("stopped")["changed"]
    kept = json.loads((tmp_path / "restart.json").read_text())
    kept["daemons"][0]["output"] = [str(tmp_path / "gone/webserver.log")] * 2
    (tmp_path / "restart.json").write_text(json.dumps(kept))
    try:
        assert handle("started")["started"] == ["webserver"]
    finally:
        for daemon in find_daemons(str(old_airflow.home)):
            os.kill(daemon.process.pid, 9)


@pytest.mark.parametrize(("same_home", "kinds"), [(True, ["scheduler", "triggerer"]), (False, ["triggerer"])])
def test_what_an_interrupted_run_ended_is_not_forgotten(
    handle: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path, same_home: bool, kinds: list[str]
) -> None:
    old_airflow.make_database()
    earlier = [{"kind": "scheduler", "argv": ["old"]}, {"kind": "triggerer", "argv": ["old"]}]
    home = str(old_airflow.home) if same_home else "/home/other/airflow"
    (tmp_path / "restart.json").write_text(json.dumps({"home": home, "daemons": earlier}))
    old_airflow.start("triggerer")
    assert handle("stopped")["changed"]
    assert [entry["kind"] for entry in remembered(tmp_path)] == kinds
    assert remembered(tmp_path)[-1]["argv"][-1] == "triggerer"


@pytest.mark.parametrize(("earlier", "running"), [("standalone", "scheduler"), ("scheduler", "standalone")])
def test_standalone_and_its_parts_stand_for_each_other(
    handle: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path, earlier: str, running: str
) -> None:
    old_airflow.make_database()
    entry = {"kind": earlier, "argv": ["old"], "uid": 0, "gid": 0, "environment": {}, "children": []}
    (tmp_path / "restart.json").write_text(json.dumps({"home": str(old_airflow.home), "daemons": [entry]}))
    old_airflow.start(running)
    assert handle("started", check_mode=True)["started"] == []


def test_a_damaged_file_is_named(handle: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "restart.json").write_text("")
    result = handle("started")
    assert result["failed"] and f"{tmp_path}/restart.json, which says how the old daemons are started again, is damaged" in result["msg"]


def test_what_belongs_to_another_home_is_kept(handle: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "restart.json").write_text(json.dumps({"home": "/home/other/airflow", "daemons": []}))
    assert handle("started")["changed"] is False
    assert (tmp_path / "restart.json").exists()


def test_standalone_is_stopped_with_its_parts(handle: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    old_airflow.make_database()
    process = old_airflow.start("standalone", STANDALONE="1")
    result = handle("stopped", executor="LocalExecutor")
    assert [entry["kind"] for entry in result["stopped"]] == ["scheduler", "api-server", "standalone"], result
    assert process.wait() == 0
    assert find_daemons(str(old_airflow.home)) == []


def test_what_does_not_end_is_killed(handle: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    old_airflow.make_database()
    process = old_airflow.start("triggerer", STUBBORN="1")
    (child,) = descendants(process.pid, list_processes())
    result = handle("stopped")
    assert result["changed"], result
    assert process.wait() == 0
    assert state_of(child.pid) is None


def test_nothing_runs(handle: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path) -> None:
    result = handle("stopped")
    assert result["changed"] is False and not (tmp_path / "restart.json").exists()


def test_a_way_back_is_required(run_module: RunModule, old_airflow: Any) -> None:
    result = run_module("airflow_old_daemons", home=str(old_airflow.home))
    assert result["failed"] and "restart_file" in result["msg"]
