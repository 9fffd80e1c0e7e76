# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes every command line that is seen on a host, each once, until it is stopped. What runs for less than a look may be missed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.02


def command_lines() -> set[str]:
    """The command lines of all processes."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                argv = Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            found.add(argv.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace"))
    return found


def main(notes: Path) -> None:
    """Write down each one once."""
    seen: set[str] = set()
    with notes.open("w", encoding="utf-8") as file:
        os.chmod(notes, 0o600)
        while True:
            new = command_lines() - seen
            seen |= new
            file.writelines(f"{line}\n" for line in new)
            file.flush()
            time.sleep(SECONDS_BETWEEN_LOOKS)


main(Path(sys.argv[1]))
