# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes in a file whenever a scheduler of the old installation and one of the new run at once, until it is killed."""

from __future__ import annotations

import os
import re
import sys
import time


def read(pid: str, name: str) -> bytes:
    """A file of a process; nothing when it ended meanwhile."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def schedulers() -> dict[str, str]:
    """The environments that schedulers run out of, each with the command line of one."""
    found = {}
    for pid in os.listdir("/proc"):
        command = read(pid, "cmdline").replace(b"\0", b" ") if pid.isdigit() else b""
        if b"airflow" in command and b" scheduler" in command:
            prefix = re.search(rb"(/home|/opt)/[^\n]*/lib/python[0-9.]+/site-packages/", read(pid, "maps"))
            if prefix:
                found[os.fsdecode(prefix.group(1))] = os.fsdecode(command).strip()
    return found


def main(place: str) -> None:
    """Look five times a second."""
    open(place, "a", encoding="utf-8").close()
    while True:
        found = schedulers()
        if len(found) > 1:
            with open(place, "a", encoding="utf-8") as notes:
                notes.write(f"{time.time():.1f} {found}\n")
        time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1])
