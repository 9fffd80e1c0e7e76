# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the locks to the host, only when an environment is to be installed."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

MODULE = "updraft.airflow.airflow_venv"


class ActionModule(ActionBase):
    """Inspect first; transfer and install what is incomplete."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once when all is complete, else a second time with the locks on the host."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        inspected = self._execute_module(MODULE, module_args={**arguments, "inspect_only": True}, task_vars=task_vars)
        if inspected.get("failed") or not inspected.get("incomplete") or self._task.check_mode:
            return dict(inspected)
        folder = self._make_tmp_path()
        try:
            environments = [
                {**environment, "locks": [self._send(lock, folder) for lock in environment.get("locks", [])]}
                if environment["path"] in inspected["incomplete"]
                else environment
                for environment in arguments["environments"]
            ]
            return dict(
                self._execute_module(
                    MODULE,
                    module_args={**arguments, "environments": environments, "uv_lock": self._send(arguments["uv_lock"], folder)},
                    task_vars=task_vars,
                )
            )
        finally:
            self._remove_tmp_path(folder)

    def _send(self, path: str, folder: str) -> str:
        target = self._connection._shell.join_path(folder, os.path.basename(path))
        self._transfer_file(path, target)
        return str(target)
