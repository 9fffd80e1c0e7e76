# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action airflow_metadata_copy with a host that answers as it is told, and what it makes of the result of a module."""

from __future__ import annotations

import os
import posixpath
import shlex
import time
from typing import Any

import pytest
from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.updraft.airflow.plugins.action import airflow_metadata_copy
from ansible_collections.updraft.airflow.plugins.action.airflow_metadata_copy import result_of
from ansible_collections.updraft.airflow.plugins.plugin_utils.lease_controller import run_of


def test_a_result_is_that_of_the_module() -> None:
    result = {"changed": True, "rows": 5, "invocation": {"module_args": {"password": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}}}
    assert result_of({**result, "stderr": "a warning", "stderr_lines": ["a warning"]}, "copy") == result
    failure = {"failed": True, "msg": "The copy to the database airflow was undone."}
    assert result_of(dict(failure), "copy") == failure


def test_a_module_that_was_killed_has_no_result() -> None:
    found = {"failed": True, "cmd": "/root/.ansible/tmp/x.py", "data": "", "stderr": "", "msg": "Traceback ...", "ansible_job_id": "j1.2"}
    assert result_of(found, "copy") == {"failed": True, "msg": "The phase copy ended without a result: it was killed"}
    found["stderr"] = "warning\nMemoryError\n"
    assert result_of(found, "verify") == {"failed": True, "msg": "The phase verify ended without a result: MemoryError"}


FOLDER, MODULE_FOLDER = "/tmp/updraft-copy.a1b2c3d4", "/root/.ansible/tmp/ansible-tmp-1-2"
STARTED = {"changed": True, "started": 1, "finished": 0, "ansible_job_id": "j1.2", "results_file": f"{FOLDER}/j1.2"}
WORKING = {
    "changed": False,
    "finished": False,
    "lost": False,
    "progress": {"step": "start", "rows": 0, "total": 0, "seconds": 1, "took": {}},
}
DONE = {"changed": True, "rows": 5, "finished": True}
GONE = AnsibleConnectionFailure("ssh: connect to host h1 port 22: No route to host")


class Shell:
    """What Ansible knows of the host's shell."""

    tmpdir: str | None = None
    join_path = staticmethod(posixpath.join)

    def __init__(self) -> None:
        self.options = {"async_dir": "~/.ansible_async"}

    def get_option(self, name: str, hostvars: Any = None) -> Any:
        return self.options[name]

    def set_option(self, name: str, value: Any) -> None:
        self.options[name] = value


class Connection:
    """A connection that does nothing."""

    always_pipeline_modules = False

    def __init__(self) -> None:
        self._shell, self.resets = Shell(), 0

    def reset(self) -> None:
        self.resets += 1


class Task:
    """A task that copies."""

    async_val, check_mode, no_log, action = 0, False, False, "airflow_metadata_copy"

    def __init__(self) -> None:
        self.args = {"phase": "copy"}


class Host:
    """Answers modules and commands; `answers` are those to looks at the phase, and the last one is repeated."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start: Any = STARTED
        self.answers: list[Any] = []
        self.ending: Any = {"changed": True, "finished": True}
        self.removed: list[list[str]] = []
        self.asked: list[tuple[str, dict[str, Any], bool]] = []
        self.clock = 0.0
        self.removing: Exception | None = None
        host = self

        def execute(action: ActionBase, module_name: str, **options: Any) -> dict[str, Any]:
            return host.execute(module_name, **options)

        def command(action: ActionBase, text: str) -> dict[str, Any]:
            return host.command(text)

        def make_folder(action: ActionBase) -> None:
            action._connection._shell.tmpdir = MODULE_FOLDER

        monkeypatch.setattr(ActionBase, "_execute_module", execute)
        monkeypatch.setattr(ActionBase, "_low_level_execute_command", command)
        monkeypatch.setattr(ActionBase, "_make_tmp_path", make_folder)
        monkeypatch.setattr(ActionBase, "get_shell_option", lambda action, name, default=None: action._connection._shell.get_option(name))
        monkeypatch.setattr(ActionBase, "run", lambda action, tmp=None, task_vars=None: {})
        monkeypatch.setattr(time, "monotonic", lambda: host.clock)
        monkeypatch.setattr(time, "sleep", self.sleep)
        self.connection = Connection()

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def execute(
        self, name: str, module_args: dict[str, Any] | None = None, task_vars: Any = None, wrap_async: bool = False
    ) -> dict[str, Any]:
        self.asked.append((name, module_args or {}, wrap_async))
        if name == airflow_metadata_copy.MODULE:
            answer = self.start
        elif (module_args or {}).get("end"):
            answer = self.ending
        else:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def command(self, text: str) -> dict[str, Any]:
        words = shlex.split(text)
        if words[0] == "rm":
            self.removed.append(words[2:])
            if self.removing:
                raise self.removing
        return {"rc": 0, "stdout": f"{FOLDER}\n", "stderr": ""}

    def run(self, kind: type[airflow_metadata_copy.ActionModule] = airflow_metadata_copy.ActionModule) -> dict[str, Any]:
        return kind(Task(), self.connection, None, None, None, None).run(None, {"inventory_hostname": "h1"})

    @property
    def ended(self) -> int:
        """How often the phase was ended."""
        return sum(bool(arguments.get("end")) for _name, arguments, _is_async in self.asked)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def test_a_phase_is_started_and_waited_for(host: Host) -> None:
    host.answers = [WORKING, DONE]
    assert host.run() == {"changed": True, "rows": 5}
    name, arguments, is_async = host.asked[0]
    assert (name, is_async) == (airflow_metadata_copy.MODULE, True)
    assert arguments == {"phase": "copy", "progress_file": f"{FOLDER}/progress"}
    assert [arguments["seconds"] for _name, arguments, _is_async in host.asked[1:]] == [5, 10]
    # Whoever waits renews the lease of the run.
    assert {arguments["lease_run"] for _name, arguments, _is_async in host.asked[1:]} == {run_of(os.getppid())}
    assert host.removed == [[FOLDER, MODULE_FOLDER]]
    assert host.ended == 0


def test_the_modules_folder_is_kept_where_ansible_keeps_files(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_KEEP_REMOTE_FILES", True)
    host.answers = [DONE]
    host.run()
    assert host.removed == [[FOLDER]]


def test_who_runs_modules_in_another_way_runs_a_phase_in_the_foreground(host: Host) -> None:
    class Other(airflow_metadata_copy.ActionModule):
        """As Mitogen makes it of an action."""

        def _execute_module(self, *arguments: Any, **options: Any) -> dict[str, Any]:
            return {"changed": True, "asked": options["wrap_async"]}

    assert host.run(Other) == {"changed": True, "asked": False}
    host.connection.always_pipeline_modules = True
    host.start = {"changed": True, "rows": 5}
    assert host.run() == {"changed": True, "rows": 5}
    assert host.asked == [(airflow_metadata_copy.MODULE, {}, False)]


def test_a_start_without_a_file_for_the_result_is_a_failure(host: Host) -> None:
    host.start = {"changed": True, "started": 1, "finished": 0, "ansible_job_id": "j1"}
    result = host.run()
    assert result["failed"] is True
    assert "without telling where its result goes" in result["msg"]
    assert host.ended == 1


@pytest.mark.parametrize("start", [{"failed": True, "msg": "no room"}, {"unreachable": True, "msg": "gone"}])
def test_a_start_that_fails_is_returned_as_it_is(host: Host, start: dict[str, Any]) -> None:
    host.start = start
    assert host.run() == start


def test_a_network_that_fails_for_a_while_does_not_end_a_phase(host: Host) -> None:
    host.answers = [WORKING, *[GONE] * 20, WORKING, *[GONE] * 50, DONE]
    assert host.run() == {"changed": True, "rows": 5}
    assert host.connection.resets == 70
    assert host.ended == 0


def test_a_host_that_is_lost_is_unreachable_and_its_folders_stay_for_the_next_run(host: Host) -> None:
    host.answers = [GONE]
    with pytest.raises(airflow_metadata_copy.HostLostError, match="run again when the host can be reached, which ends the phase first"):
        host.run()
    assert airflow_metadata_copy.CONNECTION_SECONDS <= host.clock <= airflow_metadata_copy.CONNECTION_SECONDS + 10
    assert host.removed == []


def test_a_connection_that_is_lost_at_the_start_is_a_failure_when_the_host_is_back(host: Host) -> None:
    host.start = GONE
    result = host.run()
    assert result["failed"] is True
    assert result["msg"] == f"The phase copy was ended on the host before it was done: {GONE}. Run it again."
    assert host.ended == 1
    assert host.removed == [[FOLDER, MODULE_FOLDER]]


@pytest.mark.parametrize("answer", [{"failed": True, "msg": "MODULE FAILURE"}, AnsibleError("no room")])
def test_a_wait_that_fails_ends_the_phase(host: Host, answer: Any) -> None:
    host.answers = [WORKING, answer]
    result = host.run()
    assert result["failed"] is True
    assert result["msg"].endswith(("MODULE FAILURE. Run it again.", "no room. Run it again."))
    assert host.ended == 1


def test_a_phase_that_does_not_begin_is_ended(host: Host) -> None:
    host.answers = [{"changed": False, "finished": False, "lost": False}]
    assert host.run()["msg"] == (
        "The phase copy was ended on the host before it was done: it had not begun after 120 seconds. Run it again."
    )
    assert host.ended == 1


def test_a_phase_is_ended_when_ansible_is_killed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    parents = iter([4711, 4711, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    host.answers = [WORKING]
    assert "Ansible was killed" in host.run()["msg"]
    assert host.ended == 1


def test_a_phase_that_does_not_end_is_told_and_its_folders_stay(host: Host) -> None:
    host.answers, host.ending = [{"failed": True, "msg": "MODULE FAILURE"}], {"changed": True, "finished": False}
    with pytest.raises(AnsibleActionFail, match=r"end the processes there .* The failure was: .*MODULE FAILURE"):
        host.run()
    assert host.removed == []


def test_a_result_is_not_lost_with_the_connection(host: Host) -> None:
    host.answers, host.removing = [DONE], GONE
    assert host.run() == {"changed": True, "rows": 5}
