# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints every process that belongs to an Airflow, one JSON object a line: who it is, how it was started, what it knows.

Of its environment only the names are printed, no value but those of the variables named as arguments. A process that sets
its title (gunicorn, `airflow scheduler -D`) overwrites the environment it was started with: then there are no names.
"""

from __future__ import annotations

import glob
import json
import os
import pwd
import re
import sys


def read(pid: str, name: str) -> bytes:
    """Return a file of a process; nothing when it ended meanwhile."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def user_of(uid: int) -> str:
    """Return the name of a user, or the number of one the system does not know."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def prefix_of(pid: str) -> str:
    """Return the environment a process runs out of, by a library it has loaded: daemons overwrite their command line."""
    found = re.search(rb"(/[^\n]*)/lib/python[0-9.]+/site-packages/", read(pid, "maps"))
    return os.fsdecode(found.group(1)) if found else ""


def version_in(prefix: str) -> str:
    """Return the version of the Airflow installed there, by its folder's name."""
    found = glob.glob(f"{glob.escape(prefix)}/lib/python*/site-packages/apache_airflow-*.dist-info") if prefix else []
    return os.path.basename(found[0])[len("apache_airflow-") : -len(".dist-info")] if found else ""


def describe(pid: str, shown: list[str]) -> dict[str, object] | None:
    """Return what is to be known of a process, if it is one of Airflow's."""
    argv = [os.fsdecode(word) for word in read(pid, "cmdline").rstrip(b"\0").split(b"\0")]
    prefix = prefix_of(pid)
    if not prefix or "airflow" not in " ".join(argv[:3]):
        return None
    pairs = [os.fsdecode(entry).partition("=")[::2] for entry in read(pid, "environ").split(b"\0") if entry]
    status = dict(line.split(":\t", 1) for line in read(pid, "status").decode().splitlines() if ":\t" in line)
    if not status or status["State"].startswith("Z"):
        return None
    return {
        "pid": int(pid),
        "parent": int(status["PPid"]),
        "user": user_of(int(status["Uid"].split()[0])),
        "argv": argv,
        "prefix": prefix,
        "version": version_in(prefix),
        "cgroup": read(pid, "cgroup").decode().strip().rpartition(":")[2],
        "names": sorted(name for name, _value in pairs),
        "shown": {name: value for name, value in pairs if name in shown},
    }


for number in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
    found = describe(number, sys.argv[1:])
    if found:
        print(json.dumps(found))
