# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import time
from collections import Counter
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: steps
type: aggregate
short_description: Note when each task begins
description: Writes a line of JSON for each task that begins to the file that the environment variable names.
options: {}
"""


class CallbackModule(CallbackBase):
    """A line for each task when it begins, and one when the run ends by itself."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "steps"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._seen: Counter[str] = Counter()
        self._place = os.environ["UPDRAFT_STEPS"]

    def _note(self, name: str) -> None:
        self._seen[name] += 1
        line = json.dumps({"name": name, "occurrence": self._seen[name], "at": time.time()})
        with open(self._place, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A task begins."""
        self._note(task.get_name().rpartition(" : ")[2])

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """A handler begins."""
        self._note(task.get_name().rpartition(" : ")[2])

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The run has ended by itself."""
        self._note("")
