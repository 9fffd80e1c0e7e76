# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the contents of all files that are newer than one, and that a process, or nobody in particular, can read.

    readable.py SINCE [PID]     without PID: as a user who owns nothing

What Python installs or compiles is passed over, and what is longer than anything that is written by hand. Looked at are the file systems of
the host, of which a process sees all or less.
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

ELSEWHERE = ("/proc", "/sys", "/dev")
OF_PROGRAMS = (".py", ".pyc", ".so")
LONGEST = 2_000_000


def become(pid: str | None) -> None:
    """Become the user of a process, with its groups, or nobody."""
    if pid is None:
        nobody = pwd.getpwnam("nobody")
        user, group, groups = nobody.pw_uid, nobody.pw_gid, [nobody.pw_gid]
    else:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines() if ":" in line)
        user, group = (int(status[name].split()[0]) for name in ("Uid", "Gid"))
        groups = [int(word) for word in status["Groups"].split()]
    os.setgroups(groups)
    os.setgid(group)
    os.setuid(user)


def files(since: float) -> Iterator[Path]:
    """The files in question."""
    for folder, names, found in os.walk("/"):
        names[:] = [name for name in names if os.path.join(folder, name) not in ELSEWHERE]
        for name in found:
            place = Path(folder, name)
            if place.suffix in OF_PROGRAMS:
                continue
            try:
                known = place.lstat()
            except OSError:
                continue
            if stat.S_ISREG(known.st_mode) and known.st_mtime >= since and known.st_size < LONGEST:
                yield place


def main() -> None:
    """Print what can be read."""
    since = Path(sys.argv[1]).stat().st_mtime
    become(sys.argv[2] if len(sys.argv) > 2 else None)
    for place in files(since):
        try:
            content = place.read_bytes()
        except OSError:
            continue
        sys.stdout.buffer.write(f"\n==> {place}\n".encode(errors="replace") + content)


main()
