# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends a revision of the DAGs to a host that does not have it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.updraft.airflow.plugins.module_utils._dag_options import NAME
from ansible_collections.updraft.airflow.plugins.module_utils._dag_sources import Revision, SourceError
from ansible_collections.updraft.airflow.plugins.plugin_utils.dag_source import REGISTERED, open_source, work_dir

MODULE = "updraft.airflow.airflow_dag_revision"


class ActionModule(ActionBase):
    """Look first; pack, send and store what is missing."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once when the revision is there, else a second time with its files on the host."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        found = self._execute_module(MODULE, module_args=arguments, task_vars=task_vars)
        if found.get("failed") or not found.get("missing") or self._task.check_mode:
            return dict(found)
        try:
            archive = self._archive(str(arguments["revision"]), task_vars or {})
        except SourceError as error:
            return {"failed": True, "msg": str(error)}
        folder = self._make_tmp_path()
        try:
            target = self._connection._shell.join_path(folder, os.path.basename(archive))
            self._transfer_file(archive, target)
            return dict(self._execute_module(MODULE, module_args={**arguments, "archive": target}, task_vars=task_vars))
        finally:
            self._remove_tmp_path(folder)

    def _archive(self, name: str, task_vars: Mapping[str, Any]) -> str:
        """The archive of a revision, packed by the first host that asks; the others wait for it."""
        path = os.path.join(work_dir(), f"{name}.tar.gz")
        with open(f"{path}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(path):
                dags = (task_vars.get(REGISTERED) or {}).get("dags") or {}
                revision = Revision(name, "", [], dict(dags.get("details") or {}))
                source = open_source(self._templar.template(task_vars[NAME]), str(dags.get("base_dir")), self._loader)
                source.pack(revision, f"{path}.part")
                os.replace(f"{path}.part", path)
        return path
