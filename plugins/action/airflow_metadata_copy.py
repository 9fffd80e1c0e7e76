# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows how far the long phases of a move are, which run in the background on the host."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.updraft.airflow.plugins.plugin_utils._copy_progress import sentence

MODULE = "updraft.airflow.airflow_metadata_copy"
WAITING_MODULE = "updraft.airflow.airflow_job_progress"
LONG_PHASES = ("copy", "keep", "verify")
FIRST_SECONDS, NEXT_SECONDS = 5, 10
# Ansible ends what runs in the background after so long. Nobody waits for that.
MOST_SECONDS = 7 * 86400
# Of what is not running yet.
STARTING_SECONDS = 120


class ActionModule(ActionBase):
    """Run short phases as any module is run; start a long one, look at it every few seconds, and return its result."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module returns."""
        super().run(tmp, task_vars)
        is_async = bool(self._task.async_val)
        if is_async or self._task.check_mode or self._task.args.get("phase") not in LONG_PHASES:
            return dict(self._execute_module(MODULE, task_vars=task_vars, wrap_async=is_async))
        folders = [self._make_folder()]
        try:
            return self._run_in_background(folders, task_vars or {})
        finally:
            self._remove(folders)

    def _run_in_background(self, folders: list[str], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        phase, join = str(self._task.args["phase"]), self._connection._shell.join_path
        progress_file = join(folders[0], "progress")
        started = self._start(folders, {**self._task.args, "progress_file": progress_file}, task_vars)
        if "results_file" not in started:
            return started
        files = {"results_file": started["results_file"], "progress_file": progress_file}
        seconds, waited = FIRST_SECONDS, 0
        while True:
            found = dict(self._execute_module(WAITING_MODULE, module_args={**files, "seconds": seconds}, task_vars=task_vars))
            if "finished" not in found:
                return found
            waited += seconds
            never_began = "progress" not in found and not found["finished"] and waited > STARTING_SECONDS
            if found.get("lost") or never_began:
                return {"failed": True, "msg": f"The phase {phase} was ended on the host before it was done; run it again."}
            if found.pop("finished"):
                return result_of(found, phase)
            self._show(found.get("progress"), str(task_vars.get("inventory_hostname", "")))
            seconds = NEXT_SECONDS

    def _start(self, folders: list[str], arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Start the module. Ansible writes its result to the folder; that of the module, which holds secrets, becomes the second one."""
        shell = self._connection._shell
        usual = self.get_shell_option("async_dir")
        shell.set_option("async_dir", folders[0])
        if shell.tmpdir is None:
            self._make_tmp_path()
        folders.append(shell.tmpdir)
        self._task.async_val = MOST_SECONDS
        try:
            return dict(self._execute_module(MODULE, module_args=arguments, task_vars=task_vars, wrap_async=True))
        finally:
            self._task.async_val = 0
            shell.set_option("async_dir", usual)
            # Ansible leaves the folders of what looks at it to nobody else.
            self._cleanup_remote_tmp = True

    def _show(self, progress: Mapping[str, Any] | None, host: str) -> None:
        text = sentence(progress) if progress else None
        if text and not self._task.no_log:
            Display().display(f"[{host}] {text}")

    def _make_folder(self) -> str:
        """A folder of who runs the module, which nobody else can enter."""
        done = self._low_level_execute_command("umask 077 && mktemp -d /tmp/updraft-copy.XXXXXXXX")
        folder = str(done["stdout"]).strip().splitlines()[-1:]
        if done["rc"] or not folder or not folder[0].startswith("/tmp/updraft-copy."):
            raise AnsibleActionFail(f"No temporary folder could be made on the host: {done['stderr'] or done['stdout']}")
        return folder[0]

    def _remove(self, folders: list[str]) -> None:
        self._low_level_execute_command(f"rm -rf {' '.join(map(shlex.quote, folders))}")


def result_of(found: dict[str, Any], phase: str) -> dict[str, Any]:
    """The module's result, as it is without a background."""
    if "cmd" in found:
        # It was killed, or never began: what is in there is Ansible's own view of that.
        reason = str(found.get("stderr") or "").strip().splitlines()[-1:] or ["it was killed"]
        return {"failed": True, "msg": f"The phase {phase} ended without a result: {reason[0]}"}
    return {name: value for name, value in found.items() if name not in ("stderr", "stderr_lines", "ansible_job_id")}
