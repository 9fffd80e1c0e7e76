# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease as a playbook takes it: the action with its module, a file, and controllers that live or do not."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible import context
from ansible.utils.context_objects import CLIArgs
from ansible_collections.updraft.airflow.plugins.action import airflow_lease
from ansible_collections.updraft.airflow.plugins.action.airflow_lease import ActionModule
from ansible_collections.updraft.airflow.plugins.module_utils import host_lease
from ansible_collections.updraft.airflow.plugins.plugin_utils.lease_controller import fate_of, run_of

OTHER = {
    "controller": "bob@ci",
    "controller_id": "b" * 32,
    "run": "boot:1:200:7",
    "playbook": "site.yml",
    "seconds": 600,
    "since": 1796148000.0,
}
RunAction = Callable[..., dict[str, Any]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lease of a host."""
    path = tmp_path / "updraft-airflow.lease"
    monkeypatch.setattr(host_lease, "PLACE", str(path))
    return path


@pytest.fixture
def run(place: Path, call_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> RunAction:
    """A function that runs the task on the host h1, in the name of a process."""

    class Host(ActionModule):
        """Its module runs here."""

        def _execute_module(self, name: str, module_args: dict[str, Any], **_options: Any) -> dict[str, Any]:
            result = call_module(name.rpartition(".")[2], check_mode=bool(self._task.check_mode), **module_args)
            return {name: value for name, value in result.items() if name != "invocation"}

    def act(pid: int | None = None, check_mode: bool = False, **arguments: Any) -> dict[str, Any]:
        task = MagicMock(args=arguments, check_mode=check_mode, async_val=0, delegate_to=None, diff=False)
        action = Host(task, MagicMock(), MagicMock(check_mode=check_mode), MagicMock(), MagicMock(), None)
        with monkeypatch.context() as patch:
            patch.setattr(os, "getppid", lambda: pid or os.getpid())
            return dict(action.run(task_vars={"inventory_hostname": "h1", "ansible_play_name": "A play"}))

    return act


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Another run of this controller."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; print(flush=True); signal.pause()"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def by_other(place: Path, seconds: float) -> dict[str, Any]:
    """Let another controller hold it for so long from now on."""
    lease = {**OTHER, "expires": time.time() + seconds}
    place.write_text(json.dumps(lease) + "\n")
    return lease


def test_a_run_holds_a_host_and_gives_it_back(run: RunAction, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "CLIARGS", CLIArgs({"args": ("/home/alice/infra/my_site.yml",)}))
    assert run(seconds=900) == {"changed": False, "held": True}
    found = json.loads(place.read_text())
    assert (found["run"], found["playbook"], found["seconds"]) == (run_of(os.getpid()), "my_site.yml", 900)
    assert found["controller"].partition("@")[2] == os.uname().nodename
    # Again, as when it is renewed.
    assert run(seconds=900) == {"changed": False, "held": True}
    assert run(state="released") == {"changed": False, "held": False}
    assert not place.exists()


def test_without_a_command_line_the_play_is_named(run: RunAction, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "CLIARGS", CLIArgs({}))
    run()
    assert json.loads(place.read_text())["playbook"] == "A play"


def test_a_run_of_this_controller_that_lives_is_not_disturbed(run: RunAction, place: Path, process: subprocess.Popen[bytes]) -> None:
    run(pid=process.pid, seconds=1)
    before = place.read_bytes()
    result = run()
    assert result["failed"] is True and result["held"] is False
    assert result["msg"].startswith("h1 is held by ")
    assert result["msg"].endswith(f", whose process {process.pid} runs on this controller: wait until it has ended, or end it.")
    # It lives, so its lease is not over though it has expired.
    lease = json.loads(before)
    place.write_text(json.dumps({**lease, "expires": time.time() - 1}) + "\n")
    assert run()["failed"] is True
    assert run(state="released") == {"changed": False, "held": False}
    assert json.loads(place.read_text())["run"] == lease["run"]


def test_one_that_was_killed_is_followed_at_once(run: RunAction, place: Path, process: subprocess.Popen[bytes]) -> None:
    run(pid=process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = run()
    assert (result["held"], result.get("failed"), result.get("warnings")) == (True, None, None)
    assert json.loads(place.read_text())["run"] == run_of(os.getpid())


def test_only_what_is_held_is_renewed(run: RunAction, place: Path) -> None:
    run(seconds=900)
    held = json.loads(place.read_text())
    place.write_text(json.dumps({**held, "expires": time.time() - 1}) + "\n")
    assert run(state="renewed") == {"changed": False, "held": True}
    assert json.loads(place.read_text())["expires"] > time.time() + 800
    lost = "h1 is no longer held by this run, for its lease was over or removed: nothing more is changed; run the playbook again."
    # Whoever took it over meanwhile may have given it back.
    place.unlink()
    assert (run(state="renewed")["failed"], run(state="renewed")["msg"], place.exists()) == (True, lost, False)
    before = by_other(place, 600)
    assert run(state="renewed")["msg"] == lost
    assert json.loads(place.read_text()) == before


def test_one_of_the_processes_of_a_run_that_was_killed_takes_nothing(
    run: RunAction, place: Path, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: MagicMock(pid=process.pid))
    assert run(pid=process.pid)["held"] is True
    assert run(state="released", pid=process.pid)["held"] is False
    assert run(pid=1)["failed"] is True
    assert not place.exists()


def test_another_controller_is_waited_for(run: RunAction, place: Path) -> None:
    lease = by_other(place, 600)
    before = place.read_bytes()
    result = run()
    assert result["failed"] is True
    assert result["msg"] == (
        f"h1 is held by site.yml of bob@ci since 2026-12-01 18:00:00 UTC, until {airflow_lease.moment(lease['expires'])} unless it is "
        "renewed: wait until that run has ended or the time is over, or remove /run/updraft-airflow.lease on h1 when that run is known to "
        "be over."
    )
    assert place.read_bytes() == before
    by_other(place, -1)
    result = run()
    assert result["held"] is True
    (warning,) = result["warnings"]
    assert warning.startswith("h1 was held by site.yml of bob@ci until ") and warning.endswith(
        ", and is taken over, as nobody renewed that."
    )
    assert json.loads(place.read_text())["run"] == run_of(os.getpid())


def test_a_run_of_a_container_that_is_gone_is_waited_for(run: RunAction, place: Path, process: subprocess.Popen[bytes]) -> None:
    run(pid=process.pid)
    lease = json.loads(place.read_text())
    boot, _namespace, rest = lease["run"].split(":", 2)
    elsewhere = {**lease, "run": f"{boot}:1:{rest}"}
    place.write_text(json.dumps(elsewhere) + "\n")
    result = run()
    assert result["failed"] is True and "wait until that run has ended or the time is over" in result["msg"]
    place.write_text(json.dumps({**elsewhere, "expires": time.time() - 1}) + "\n")
    assert run()["held"] is True


def test_check_mode_takes_none_and_tells_who_has_it(run: RunAction, place: Path, process: subprocess.Popen[bytes]) -> None:
    assert run(check_mode=True) == {"changed": False, "held": False}
    assert run(check_mode=True, state="released") == {"changed": False, "held": False}
    assert not place.exists()
    by_other(place, 600)
    before = place.read_bytes()
    result = run(check_mode=True)
    assert (result.get("failed"), result["held"]) == (None, False)
    assert result["warnings"][0].startswith("h1 is held by site.yml of bob@ci since ")
    assert run(check_mode=True, state="released") == {"changed": False, "held": False}
    assert place.read_bytes() == before
    place.unlink()
    run(pid=process.pid)
    process.kill()
    process.wait()
    assert run(check_mode=True) == {"changed": False, "held": False}


def test_a_third_run_that_is_faster_is_told(
    run: RunAction, place: Path, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pid=process.pid)
    process.kill()
    process.wait()

    def look(run: str) -> Any:
        found = fate_of(run)
        by_other(place, 600)
        return found

    monkeypatch.setattr(airflow_lease, "fate_of", look)
    result = run()
    assert result["failed"] is True and result["msg"].startswith("h1 is held by site.yml of bob@ci since ")


def test_what_cannot_be_read_or_written_is_told(run: RunAction, place: Path) -> None:
    place.write_text("nonsense\n")
    result = run()
    assert result["failed"] is True and "is not a lease that this release of the collection knows" in result["msg"]
    place.unlink()
    place.mkdir()
    result = run()
    assert result["failed"] is True
    assert result["msg"] == f"The lease {place} cannot be read or written: Is a directory. It takes root's rights (become: true)."


def test_without_the_action_nobody_knows_whose_it_is(call_module: Callable[..., dict[str, Any]], place: Path) -> None:
    assert call_module("airflow_lease")["msg"].startswith("Whose lease it is, the action of the same name tells")
    assert call_module("airflow_lease", run="x", seconds=0)["msg"] == "seconds is 0: a lease holds for 1 second or more."
    assert not place.exists()
