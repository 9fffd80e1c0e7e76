# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that take a while: what is being done, for how long already, and how far it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType

from .machine import CHECKOUT, DemoError

# In a terminal one line is written over and over; elsewhere, as in a log, a new one now and then.
SECONDS_BETWEEN_UPDATES = 1
SECONDS_BETWEEN_LINES = 30
CLEAR_LINE = "\r\033[K"
LAST_LINES = 25
TASK = re.compile(r"^TASK \[(?:.* : )?(.+)\] \**$")
QUIET_ANSIBLE = {
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
    "PYTHONUNBUFFERED": "1",
}


class Progress:
    """Shows a step while the `with` block runs. The block may say in `detail` how far it is."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.detail = ""
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._in_terminal = sys.stdout.isatty()
        self._thread = threading.Thread(target=self._show, daemon=True)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._started

    def __enter__(self) -> Progress:
        print(f"{self.title} ...", flush=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        how = "done" if error is None else "failed"
        print(f"{CLEAR_LINE if self._in_terminal else ''}  {how} after {self.seconds:.0f} s", flush=True)

    def _show(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_UPDATES if self._in_terminal else SECONDS_BETWEEN_LINES):
            so_far = f"  {self.seconds:4.0f} s  {self.detail}"
            if self._in_terminal:
                print(CLEAR_LINE + so_far[: shutil.get_terminal_size().columns - 1], end="", flush=True)
            else:
                print(so_far, flush=True)


def run(title: str, command: list[str], log: Path) -> float:
    """Run a command with its output in a file, and show which Ansible task it is at; return the seconds it took."""
    place = log.relative_to(CHECKOUT)
    last: deque[str] = deque(maxlen=LAST_LINES)
    with Progress(f"{title} (output in {place})") as progress, log.open("w", encoding="utf-8") as kept:
        environment = {**os.environ, **QUIET_ANSIBLE}
        child = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert child.stdout is not None
        for line in child.stdout:
            kept.write(line)
            kept.flush()
            last.append(line)
            if task := TASK.match(line):
                progress.detail = task[1]
        if child.wait() != 0:
            raise DemoError(f"{title} ended with {child.returncode}. The last lines of {place}:\n\n{''.join(last)}")
    return progress.seconds
