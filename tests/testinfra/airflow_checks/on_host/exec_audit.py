# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes every start of a program out of Python environments, from the moment `start` returns until `stop`.

    exec_audit.py start NOTES FOLDER...     watches all virtual environments at or below the folders
    exec_audit.py stop NOTES                prints what was seen, one JSON object a line

A Python that is started out of a virtual environment opens its pyvenv.cfg, whatever its `python` is a link to; scripts and
programs are opened in bin/. The kernel (fanotify) tells who opened what; it needs CAP_SYS_ADMIN and no more.
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import select
import signal
import struct
import sys
import time
from typing import TextIO

CLASS_NOTIFY, CLOSE_ON_EXEC, UNLIMITED = 0x0, 0x1, 0x10 | 0x20
MARK_ADD = 0x1
OPEN, OPEN_FOR_EXECUTION = 0x20, 0x1000
HERE = -100
EVENT = struct.Struct("IBBHQii")
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.fanotify_mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]


def environments(folders: list[str]) -> list[str]:
    """Return all virtual environments at or below the folders."""
    found = []
    for folder in folders:
        for depth in ("", "*/", "*/*/", "*/*/*/"):
            found += [os.path.dirname(path) for path in glob.glob(f"{glob.escape(folder)}/{depth}pyvenv.cfg")]
    return sorted({os.path.realpath(path) for path in found})


def watched_files(environment: str) -> list[str]:
    """Return the files of an environment that a start of one of its programs opens."""
    programs = [os.path.join(environment, "bin", name) for name in os.listdir(os.path.join(environment, "bin"))]
    inside = [path for path in programs if os.path.isfile(path) and not os.path.islink(path)]
    return [os.path.join(environment, "pyvenv.cfg"), *inside]


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def watch(found: list[str]) -> int:
    """Return a descriptor on which the kernel tells of every opening."""
    events = _checked(LIBC.fanotify_init(CLASS_NOTIFY | CLOSE_ON_EXEC | UNLIMITED, os.O_RDONLY | os.O_CLOEXEC), "fanotify_init")
    for environment in found:
        for path in watched_files(environment):
            _checked(LIBC.fanotify_mark(events, MARK_ADD, OPEN | OPEN_FOR_EXECUTION, HERE, os.fsencode(path)), f"watching {path}")
    return events


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(4000).replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def describe(mask: int, descriptor: int, pid: int) -> dict[str, object]:
    """Return what was opened by whom; a process that is gone already has no command."""
    status = _text(f"/proc/{pid}/status").split("PPid:\t")
    parent = status[1].split("\n")[0] if len(status) > 1 else ""
    return {
        "path": os.readlink(f"/proc/self/fd/{descriptor}"),
        "executed": bool(mask & OPEN_FOR_EXECUTION),
        "pid": pid,
        "command": _text(f"/proc/{pid}/cmdline"),
        "parent": _text(f"/proc/{parent}/cmdline") if parent else "",
        "at": time.time(),
    }


def note(events: int, notes: str) -> None:
    """Write down events until told to end."""
    ended: list[int] = []
    wakeup, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    with open(notes, "a", encoding="utf-8") as file:
        while not ended:
            ready, _, _ = select.select([events, wakeup], [], [])
            if events in ready:
                drain(events, file)
        while select.select([events], [], [], 0)[0]:
            drain(events, file)


def drain(events: int, file: TextIO) -> None:
    """Write down the events that are there."""
    buffer = os.read(events, 65536)
    while buffer:
        length, _version, _reserved, _header, mask, descriptor, pid = EVENT.unpack_from(buffer)
        try:
            file.write(json.dumps(describe(mask, descriptor, pid)) + "\n")
        finally:
            os.close(descriptor)
        buffer = buffer[length:]
    file.flush()


def start(notes: str, folders: list[str]) -> None:
    """Watch in the background; return once nothing is missed any more."""
    found = environments(folders)
    if not found:
        sys.exit(f"No virtual environment at or below {', '.join(folders)}.")
    events = watch(found)
    with open(notes, "w", encoding="utf-8"):
        pass
    pid = os.fork()
    if pid:
        with open(f"{notes}.json", "w", encoding="utf-8") as file:
            json.dump({"pid": pid, "folders": folders, "environments": found}, file)
        print(*found, sep="\n")
        return
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    note(events, notes)
    os._exit(0)


def stop(notes: str) -> None:
    """End it and print what was seen."""
    with open(f"{notes}.json", encoding="utf-8") as file:
        begun = json.load(file)
    os.kill(begun["pid"], signal.SIGTERM)
    while "exec_audit" in _text(f"/proc/{begun['pid']}/cmdline"):
        time.sleep(0.05)
    with open(notes, encoding="utf-8") as file:
        sys.stdout.write(file.read())
    for path in sorted(set(environments(begun["folders"])) - set(begun["environments"])):
        print(json.dumps({"path": path, "executed": False, "pid": 0, "command": "a new environment", "parent": "", "at": time.time()}))
    os.unlink(notes)
    os.unlink(f"{notes}.json")


if __name__ == "__main__":
    if sys.argv[1] == "start":
        start(sys.argv[2], sys.argv[3:])
    else:
        stop(sys.argv[2])
