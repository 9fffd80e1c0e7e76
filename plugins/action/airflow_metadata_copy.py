# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows how far the long phases of a move are, which run in the background on the host."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shlex
import time
from collections.abc import Mapping
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.updraft.airflow.plugins.module_utils.background_jobs import FOLDERS, WATCHED
from ansible_collections.updraft.airflow.plugins.plugin_utils._copy_progress import sentence
from ansible_collections.updraft.airflow.plugins.plugin_utils.lease_controller import run_of

MODULE = "updraft.airflow.airflow_metadata_copy"
WAITING_MODULE = "updraft.airflow.airflow_job_progress"
LONG_PHASES = ("copy", "keep", "verify")
FIRST_SECONDS, NEXT_SECONDS = 5, 10
# Ansible ends what runs in the background after so long. Nobody waits for that.
MOST_SECONDS = 7 * 86400
# Of what is not running yet.
STARTING_SECONDS = 120
# A host that cannot be reached is tried again for so long, while the phase goes on there.
CONNECTION_SECONDS = 300
RETRY_SECONDS = 5
_PREFIX = FOLDERS.rstrip("*")
_NO_RESULT = "Ansible started it without telling where its result goes. Its own strategies and connections tell that; use one of them."


class HostLostError(AnsibleConnectionFailure):
    """Nobody knows what becomes of a phase, and nothing can be done about it."""


class ActionModule(ActionBase):
    """Run short phases as any module is run; start a long one, look at it every few seconds, and return its result."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module returns."""
        super().run(tmp, task_vars)
        is_async = bool(self._task.async_val)
        if is_async or self._task.check_mode or self._task.args.get("phase") not in LONG_PHASES or not self._has_background():
            return dict(self._execute_module(MODULE, task_vars=task_vars, wrap_async=is_async))
        folders = [self._make_folder()]
        result = self._run_in_background(folders, task_vars or {})
        # Where the phase may still run, an error has been raised: the next run finds it by its folder.
        self._remove(folders)
        return result

    def _has_background(self) -> bool:
        """Whether Ansible itself runs modules. Mitogen's strategies put their own way in place of it, which knows no file for a result."""
        return type(self)._execute_module is ActionBase._execute_module and not self._connection.always_pipeline_modules

    def _run_in_background(self, folders: list[str], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        phase, progress_file = str(self._task.args["phase"]), self._connection._shell.join_path(folders[0], "progress")
        try:
            started = self._start(folders, {**self._task.args, "progress_file": progress_file}, task_vars)
            if started.get("unreachable"):
                return started
            if not started.get("failed"):
                if "results_file" not in started:
                    raise AnsibleActionFail(_NO_RESULT)
                return self._wait({"results_file": started["results_file"], "progress_file": progress_file}, task_vars)
        except HostLostError:
            raise
        except AnsibleError as error:
            reason = str(error).strip().rstrip(".")
            started = {"failed": True, "msg": f"The phase {phase} was ended on the host before it was done: {reason}. Run it again."}
        # Also what failed to start may run.
        if not self._ask({"progress_file": progress_file, "end": True}, task_vars).get("finished"):
            raise AnsibleActionFail(
                f"The phase {phase} failed and may go on in the background of the host, where it could not be ended: end the processes "
                f"there that have airflow_metadata_copy in their command line, and run it again. The failure was: {started.get('msg')}"
            )
        return started

    def _wait(self, files: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a phase that was started."""
        phase, controller = str(self._task.args["phase"]), os.getppid()
        files = {**files, "lease_run": run_of(controller)}
        seconds, waited = FIRST_SECONDS, 0
        while True:
            if os.getppid() != controller:
                # Ansible's processes for hosts outlive it when it is killed.
                raise AnsibleActionFail("Ansible was killed")
            found = self._ask({**files, "seconds": seconds}, task_vars)
            if "finished" not in found:
                raise AnsibleActionFail(f"what waits for it failed: {found.get('msg')}")
            if found.get("lost"):
                return {"failed": True, "msg": f"The phase {phase} was ended on the host before it was done; run it again."}
            if found.pop("finished"):
                return result_of(found, phase)
            waited += seconds
            if "progress" not in found and waited > STARTING_SECONDS:
                raise AnsibleActionFail(f"it had not begun after {STARTING_SECONDS} seconds")
            self._show(found.get("progress"), str(task_vars.get("inventory_hostname", "")))
            seconds = NEXT_SECONDS

    def _ask(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """What the module that knows of the phase returns. A network that fails for a while is no reason to end the phase."""
        deadline: float | None = None
        while True:
            try:
                return dict(self._execute_module(WAITING_MODULE, module_args=dict(arguments), task_vars=task_vars))
            except AnsibleConnectionFailure as error:
                now = time.monotonic()
                if deadline is None:
                    deadline = now + CONNECTION_SECONDS
                    Display().warning(f"The host cannot be reached; it is tried again for {CONNECTION_SECONDS} seconds. {error}")
                if now >= deadline:
                    phase = self._task.args["phase"]
                    raise HostLostError(
                        f"The host could not be reached for {CONNECTION_SECONDS} seconds, while the phase {phase} ran there. It may go on, "
                        f"and what was stopped for it is still stopped: run again when the host can be reached, which ends the phase first "
                        f"and begins anew. {error}"
                    ) from None
            # A connection that is kept open would be tried again though it is broken.
            with contextlib.suppress(AnsibleError):
                self._connection.reset()
            time.sleep(RETRY_SECONDS)

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
        done = self._low_level_execute_command(
            f'umask 077 && folder=$(mktemp -d "${{TMPDIR:-/tmp}}/{_PREFIX}XXXXXXXX") && : > "$folder/{WATCHED}" && echo "$folder"'
        )
        folder = str(done["stdout"]).strip().splitlines()[-1:]
        if done["rc"] or not folder or not posixpath.isabs(folder[0]) or not posixpath.basename(folder[0]).startswith(_PREFIX):
            raise AnsibleActionFail(f"No temporary folder could be made on the host: {done['stderr'] or done['stdout']}")
        return folder[0]

    def _remove(self, folders: list[str]) -> None:
        """Remove the folder for the result and that of the module; it is too late to fail for them."""
        kept = 1 if C.DEFAULT_KEEP_REMOTE_FILES else None
        with contextlib.suppress(AnsibleError):
            self._low_level_execute_command(f"rm -rf {' '.join(map(shlex.quote, folders[:kept]))}")


def result_of(found: dict[str, Any], phase: str) -> dict[str, Any]:
    """The module's result, as it is without a background."""
    if "cmd" in found:
        # It was killed, or never began: what is in there is Ansible's own view of that.
        reason = str(found.get("stderr") or "").strip().splitlines()[-1:] or ["it was killed"]
        return {"failed": True, "msg": f"The phase {phase} ended without a result: {reason[0]}"}
    return {name: value for name, value in found.items() if name not in ("stderr", "stderr_lines", "ansible_job_id")}
