# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation takes of the machine: processor time and memory of every process in its daemons' sessions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
SESSION, USER_TIME = 3, 11
"""Fields of /proc/PID/stat, counted from the one behind the name; four times follow each other: own and of ended children."""


def processes(sessions: Iterable[int], proc: Path = PROC) -> Iterator[tuple[Path, list[str]]]:
    """The folder of each process of these sessions, with the fields of its `stat`."""
    wanted = {str(session) for session in sessions}
    for folder in proc.glob("[0-9]*"):
        # One may end meanwhile.
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[SESSION] in wanted:
                yield folder, fields


def cpu_seconds(sessions: Iterable[int], proc: Path = PROC) -> float:
    """Processor time so far, of those that ended too."""
    return sum(sum(map(int, fields[USER_TIME : USER_TIME + 4])) for _, fields in processes(sessions, proc)) / TICKS


def memory_mb(sessions: Iterable[int], proc: Path = PROC) -> float:
    """Memory: what processes share is counted once (PSS)."""
    total = 0
    for folder, _ in processes(sessions, proc):
        with suppress(OSError):
            lines = (folder / "smaps_rollup").read_text().splitlines()
            total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total / 1024
