# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name, and compares the host's clock with the controller's."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """The module's result, with `clock` as a difference."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The host read its clock at a moment between the two that are taken here; when exactly, nobody knows."""
        super().run(tmp, task_vars)
        before = time.time()
        result: dict[str, Any] = self._execute_module(task_vars=task_vars)
        after = time.time()
        found = result.get("airflow_host")
        if isinstance(found, dict):
            found["clock"] = {"least": found["clock"] - after, "most": found["clock"] - before}
        return result
