# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a phase of the move is, in a file that somebody else reads meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import time

# Often enough for whoever looks every few seconds, and too seldom to be noticed.
_PAUSE_SECONDS = 0.5


class Progress:
    """Counts rows, step by step. Without a path nobody looks."""

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._step, self._rows, self._total = "start", 0, 0
        self._took: dict[str, float] = {}
        self._began = self._written = time.monotonic()
        self._write()

    def begin(self, step: str, total: int) -> None:
        """The next step, which is over so many rows."""
        now = time.monotonic()
        self._took[self._step] = now - self._began
        self._step, self._rows, self._total, self._began = step, 0, total, now
        self._write()

    def add(self, rows: int) -> None:
        """So many more rows of the step are done."""
        self._rows += rows
        if time.monotonic() - self._written >= _PAUSE_SECONDS:
            self._write()

    def _write(self) -> None:
        """Write all at once, for the owner alone. What is only told must not keep the move from going on."""
        self._written = time.monotonic()
        if self._path is None:
            return
        told = {
            "pid": os.getpid(),
            "step": self._step,
            "rows": self._rows,
            "total": self._total,
            # This clock is one for all processes of a host.
            "began": self._began,
            "took": self._took,
        }
        with contextlib.suppress(OSError):
            handle = os.open(f"{self._path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as stream:
                json.dump(told, stream)
            os.replace(f"{self._path}.new", self._path)
