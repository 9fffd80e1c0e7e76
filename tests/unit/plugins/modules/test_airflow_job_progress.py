# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_job_progress on files as Ansible and a copy write them."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import host_lease
from ansible_collections.updraft.airflow.plugins.modules import airflow_job_progress

RunModule = Callable[..., dict[str, Any]]
STARTED = {"started": True, "finished": False, "ansible_job_id": "j1.2"}


@pytest.fixture
def working() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for the module."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


class Job:
    """Its two files."""

    def __init__(self, folder: Path) -> None:
        self.results, self.progress = folder / "j1.2", folder / "progress"
        self.results.write_text(json.dumps(STARTED))

    def tell(self, pid: int) -> None:
        told = {"pid": pid, "step": "load", "rows": 5, "total": 10, "began": time.monotonic() - 3, "took": {"start": 1.5}}
        self.progress.write_text(json.dumps(told))

    def end(self, **result: Any) -> None:
        part = self.results.with_suffix(".tmp")
        part.write_text(json.dumps(result))
        part.rename(self.results)

    @property
    def arguments(self) -> dict[str, str]:
        return {"results_file": str(self.results), "progress_file": str(self.progress)}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_it_tells_how_far_the_module_is(call_module: RunModule, job: Job, working: subprocess.Popen[bytes]) -> None:
    job.tell(working.pid)
    result = call_module("airflow_job_progress", **job.arguments, seconds=0)
    assert (result["finished"], result["lost"], result["changed"]) == (False, False, False)
    progress = result["progress"]
    assert (progress["step"], progress["rows"], progress["total"], progress["took"]) == ("load", 5, 10, {"start": 1.5})
    assert 3 <= progress["seconds"] < 60


def test_a_module_that_has_not_told_anything_yet_is_not_lost(call_module: RunModule, job: Job) -> None:
    result = call_module("airflow_job_progress", **job.arguments, seconds=0)
    assert (result["finished"], result["lost"]) == (False, False)
    assert "progress" not in result


@pytest.mark.parametrize("result", [{"changed": True, "rows": 10, "invocation": {}}, {"failed": True, "msg": "The copy was undone."}])
def test_the_result_comes_as_soon_as_it_is_there(
    call_module: RunModule, job: Job, working: subprocess.Popen[bytes], result: dict[str, Any]
) -> None:
    job.tell(working.pid)
    timer = threading.Timer(0.3, job.end, kwargs=result)
    timer.start()
    begin = time.monotonic()
    found = call_module("airflow_job_progress", **job.arguments, seconds=60)
    timer.join()
    assert time.monotonic() - begin < 30
    assert found == {**result, "finished": True}


def test_one_that_was_killed_is_noticed(
    call_module: RunModule, job: Job, working: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airflow_job_progress, "GRACE_SECONDS", 0.3)
    job.tell(working.pid)
    working.kill()
    os.waitid(os.P_PID, working.pid, os.WEXITED | os.WNOWAIT)
    result = call_module("airflow_job_progress", **job.arguments, seconds=0)
    assert (result["finished"], result["lost"]) == (True, True)


def test_a_result_is_taken_though_its_process_is_gone(call_module: RunModule, job: Job, working: subprocess.Popen[bytes]) -> None:
    job.tell(working.pid)
    working.kill()
    working.wait()
    timer = threading.Timer(0.3, job.end, kwargs={"changed": True})
    timer.start()
    result = call_module("airflow_job_progress", **job.arguments, seconds=0)
    timer.join()
    assert result == {"changed": True, "finished": True}


def test_who_waits_leaves_a_trace(call_module: RunModule, job: Job) -> None:
    watched = job.progress.with_name("watched")
    watched.touch()
    os.utime(watched, (1, 1))
    call_module("airflow_job_progress", **job.arguments, seconds=0)
    assert watched.stat().st_mtime > 1


@pytest.mark.parametrize("check_mode", [True, False])
def test_it_ends_the_module(call_module: RunModule, job: Job, check_mode: bool) -> None:
    environment = {**os.environ, "ANSIBLE_ASYNC_DIR": str(job.progress.parent)}
    # What is started in the background of a script ignores the signal from the start.
    command = ["env", "--default-signal=INT", "tail", "-f", "/dev/null", "airflow_metadata_copy"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        while not Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"tail") and time.monotonic() < deadline:
            time.sleep(0.01)
        result = call_module("airflow_job_progress", check_mode=check_mode, progress_file=str(job.progress), end=True)
        assert (result["changed"], result["finished"]) == (True, True)
        if check_mode:
            assert process.poll() is None
            process.kill()
        else:
            assert process.wait(timeout=60) == -2


def test_without_an_end_it_needs_the_file_for_the_result(call_module: RunModule, job: Job) -> None:
    result = call_module("airflow_job_progress", progress_file=str(job.progress))
    assert result["msg"] == "end is False but all of the following are missing: results_file"


def test_a_lease_is_renewed_by_who_waits(
    call_module: RunModule, job: Job, working: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "lease")
    monkeypatch.setattr(host_lease, "PLACE", place)
    job.tell(working.pid)
    own = host_lease.Lease("alice@ops1", "a" * 32, "boot:1:100:5", "site.yml", 3600)
    host_lease.take(own, None, place)
    before = host_lease.holder(place)
    call_module("airflow_job_progress", **job.arguments, seconds=0, lease_run="boot:1:101:5")
    assert host_lease.holder(place) == before
    call_module("airflow_job_progress", **job.arguments, seconds=0, lease_run=own.run)
    after = host_lease.holder(place)
    assert before is not None and after is not None
    assert (after.run, after.since) == (own.run, before.since) and after.expires > before.expires
    # Whoever made something else of it has not stopped what runs.
    Path(place).write_text("nonsense\n")
    assert call_module("airflow_job_progress", **job.arguments, seconds=0, lease_run=own.run)["finished"] is False
