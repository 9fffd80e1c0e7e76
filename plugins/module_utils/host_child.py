# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running one of the child programs of this folder with the interpreter of an Airflow installation."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._command import demote, last_lines


class ChildError(Exception):
    """The child program failed; the text is for the user."""


def base_environment(home: str) -> dict[str, str]:
    """The least that a Python program expects; nothing of the caller's environment gets through."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": home,
        "LANG": "C.UTF-8",
        # Files that are only read, such as the DAGs of an installation to take over, must not get a __pycache__.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def run_child(
    interpreter: str,
    program: ModuleType,
    request: Mapping[str, Any],
    environment: Mapping[str, str],
    user: str | None = None,
    cwd: str = "/",
    timeout: float | None = None,
) -> dict[str, Any]:
    """Give a program its request on standard input and read its answer. Secrets travel there and in the environment, never in argv.

    The program is started in a session of its own, so that at a timeout everything it started ends with it.
    """
    process = subprocess.Popen(
        [interpreter, "-c", inspect.getsource(program)],
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        preexec_fn=demote(user) if user and os.geteuid() == 0 else None,
    )
    try:
        answer, messages = process.communicate(json.dumps(request), timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    if process.returncode != 0:
        raise ChildError(last_lines(messages))
    return dict(json.loads(answer))
