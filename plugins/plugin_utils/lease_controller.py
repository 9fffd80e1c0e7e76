# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a lease, as the controller knows it: itself, the process that is a run, and whether such a process still lives."""

from __future__ import annotations

import hashlib
import os
import pwd
import socket
import subprocess
from collections.abc import Sequence
from enum import Enum

MACHINE_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")
BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"
NAMESPACE_LINK = "/proc/self/ns/pid"


class Fate(Enum):
    """What has become of a run of this controller."""

    LIVES = "lives"
    IS_OVER = "is over"
    UNKNOWN = "unknown"


def controller_name() -> str:
    """Who runs Ansible, and where, for people."""
    return f"{_user()}@{socket.gethostname()}"


def controller_id(machine_id_files: Sequence[str] = MACHINE_ID_FILES) -> str:
    """The same for every run of a user on a machine, and for no other one.

    Where the machine has no identity of its own, as in many containers, its name alone is too little: it is the same until it restarts.
    """
    machine = next(filter(None, map(_text, machine_id_files)), None) or f"boot {_text(BOOT_ID_FILE)}"
    return hashlib.sha256("\0".join((machine, socket.gethostname(), _user())).encode()).hexdigest()[:32]


def run_of(pid: int) -> str:
    """The name of a process that no other one has: boot, namespace, number and start."""
    return f"{_text(BOOT_ID_FILE)}:{_namespace()}:{pid}:{_started(pid)}"


def pid_of(run: str) -> int | None:
    """The number of a run's process."""
    parts = run.split(":", 3)
    return int(parts[2]) if len(parts) == 4 and parts[2].isdigit() else None


def fate_of(run: str) -> Fate:
    """Whether a run of this controller still lives. That of a container whose processes cannot be seen from here is unknown."""
    pid = pid_of(run)
    if pid is None:
        return Fate.UNKNOWN
    boot, namespace, _pid, started = run.split(":", 3)
    if boot != _text(BOOT_ID_FILE):
        return Fate.IS_OVER
    if namespace != _namespace():
        return Fate.UNKNOWN
    return Fate.LIVES if started and started == _started(pid) else Fate.IS_OVER


def _started(pid: int) -> str:
    """When a process began; empty when there is none. One that has ended and was not yet collected counts as none."""
    if os.path.exists("/proc/self/stat"):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
                # The name in parentheses may hold anything, even parentheses.
                fields = stream.read().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    # macOS and the BSDs.
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _namespace() -> str:
    try:
        return os.readlink(NAMESPACE_LINK).strip("pid:[]")
    except OSError:
        return ""


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _text(place: str) -> str:
    try:
        with open(place, encoding="utf-8") as stream:
            return stream.read().strip()
    except OSError:
        return ""
