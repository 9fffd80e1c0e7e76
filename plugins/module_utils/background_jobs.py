# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phases of the move that run in the background on a host, and what a controller that was killed left of them."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError

FOLDERS = "updraft-copy.*"
"""Of the folder for temporary files. A phase has one of these, which is Ansible's folder for its result, too."""
WATCHED = "watched"
"""The file in it that is touched by whoever waits for the phase."""

_MODULE = b"airflow_metadata_copy"
_WRAPPER = b"async_wrapper"
_OWN_FILE = b"AnsiballZ_"
# Ansible tells the processes of a job so where the job's result goes.
_FOLDER_VARIABLE = b"ANSIBLE_ASYNC_DIR="
# Who waits is gone for a moment between two looks.
UNWATCHED_SECONDS = 20.0
INTERRUPT_SECONDS = 5.0
KILL_SECONDS = 60.0
# Ansible's wrapper looks every five seconds whether the module is there, and then removes the module's folder.
WRAPPER_SECONDS = 10.0
_PAUSE_SECONDS = 0.1


def remove_own_file() -> None:
    """Remove the file that Ansible made of this module and its arguments, such as passwords. Python has read all of it before it begins."""
    for part in _read("/proc/self/cmdline").split(b"\0"):
        if os.path.basename(part).startswith(_OWN_FILE):
            with contextlib.suppress(OSError):
                os.unlink(part)


def note_watching(folder: str) -> None:
    """Tell that somebody still waits for a phase."""
    with contextlib.suppress(OSError):
        os.utime(os.path.join(folder, WATCHED))


def end_job(folder: str) -> bool:
    """End the phase of a folder, and wait until it is gone; whether it is."""

    def gone(of_module: bool) -> Callable[[], list[int]]:
        return lambda: [pid for pid, command in _commands(folder).items() if not of_module or _WRAPPER not in command]

    return (_until_gone(gone(True), signal.SIGINT, INTERRUPT_SECONDS) or _until_gone(gone(True), signal.SIGKILL, KILL_SECONDS)) and (
        _until_gone(gone(False), None, WRAPPER_SECONDS) or _until_gone(gone(False), signal.SIGKILL, KILL_SECONDS)
    )


def end_orphans(own: str | None = None) -> None:
    """End the phases of this user that nobody waits for any more, as the controller was killed, and remove their folders."""
    for folder in sorted(glob.glob(os.path.join(tempfile.gettempdir(), FOLDERS))):
        if own is not None and os.path.basename(folder) == os.path.basename(own):
            continue
        # One that somebody waits for is another run of the move. The lock in the database tells that.
        if not _is_mine(folder) or _is_watched(folder):
            continue
        if not end_job(folder):
            pids = ", ".join(map(str, _commands(folder)))
            raise MoveError(f"A phase of an earlier run of the move does not end, though it was killed: end the processes {pids} yourself.")
        shutil.rmtree(folder, ignore_errors=True)


def _until_gone(running: Callable[[], list[int]], number: signal.Signals | None, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    for pid in running():
        if number is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    while running():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def _commands(folder: str) -> dict[int, bytes]:
    """The command lines of the processes of a folder, by pid. Those that only wait to be collected have none."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        command = _read(f"/proc/{name}/cmdline")
        if _MODULE in command and _folder_of(_read(f"/proc/{name}/environ")) == os.path.basename(os.fsencode(folder)):
            found[int(name)] = command
    return found


def _folder_of(environment: bytes) -> bytes | None:
    """The name of the folder for a job's result; mktemp gives it to no other."""
    for variable in environment.split(b"\0"):
        if variable.startswith(_FOLDER_VARIABLE):
            return os.path.basename(variable[len(_FOLDER_VARIABLE) :])
    return None


def _is_mine(folder: str) -> bool:
    """Whether it is a folder of this user's; anybody can make something of that name."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _is_watched(folder: str) -> bool:
    """Whether somebody waits for the phase. What waited for it on the host may go on for a moment when its controller is gone."""
    deadline = time.monotonic() + 2 * UNWATCHED_SECONDS
    while True:
        try:
            age = time.time() - os.stat(os.path.join(folder, WATCHED)).st_mtime
        except OSError:
            return False
        if age > UNWATCHED_SECONDS:
            return False
        if time.monotonic() > deadline:
            return True
        time.sleep(_PAUSE_SECONDS)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""
