# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until a process has some words in its command line and others not, then for so many seconds, and kills it; prints its command line.

kill_process.py SECONDS_TO_FIND DELAY WORD... [-- NOT_WORD...]
"""

from __future__ import annotations

import os
import signal
import sys
import time


def command_of(pid: str) -> str:
    """The command line; empty when it ended meanwhile, or only waits to be collected."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsdecode(file.read().replace(b"\0", b" ")).strip()
    except OSError:
        return ""


def find(words: list[str], without: list[str]) -> dict[int, str]:
    """The processes that are meant."""
    found = {int(name): command_of(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()}
    return {
        pid: command
        for pid, command in found.items()
        if all(word in command for word in words) and not any(word in command for word in without)
    }


def main(arguments: list[str]) -> int:
    """Kill it; 1 when it was not there."""
    seconds, delay, rest = float(arguments[0]), float(arguments[1]), arguments[2:]
    words, without = (rest[: rest.index("--")], rest[rest.index("--") + 1 :]) if "--" in rest else (rest, [])
    # What looks for it has the words in its own.
    without.append("kill_process.py")
    deadline = time.monotonic() + seconds
    while not find(words, without):
        if time.monotonic() > deadline:
            return 1
        time.sleep(0.01)
    time.sleep(delay)
    killed = []
    for pid, command in find(words, without).items():
        try:
            os.kill(pid, signal.SIGKILL)
            killed.append(command)
        except ProcessLookupError:
            continue
    print("\n".join(killed))
    return 0 if killed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
