# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as /proc shows them: command line, environment, start time. Nothing is started and nothing is written."""

from __future__ import annotations

import os
import pwd
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Callable, TypeVar

Result = TypeVar("Result")

VARIABLE = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*=[^\0]*")
# Variables that nearly every process has. Any of them leads to the array that holds them all.
ANCHORS = (b"\0PATH=", b"\0HOME=", b"\0AIRFLOW_HOME=")
LONGEST_VARIABLE = 128 * 1024


@dataclass(frozen=True)
class Process:
    """One process. `started` (clock ticks since boot) together with `pid` names it for as long as the host is up."""

    pid: int
    parent: int
    uid: int
    gid: int
    started: int
    state: str
    arguments: tuple[str, ...]

    @property
    def user(self) -> str:
        """Name of the user it runs as, or the number when there is none."""
        return user_name(self.uid)


def user_name(uid: int) -> str:
    """Name of a user, or the number when there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def read_process(pid: int) -> Process | None:
    """The process, or None when it is gone. One that ended and was not yet collected by its parent counts as gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as handle:
            # The name in parentheses may hold anything, even parentheses.
            fields = handle.read().rpartition(b")")[2].split()
        with open(f"/proc/{pid}/cmdline", "rb") as handle:
            line = handle.read()
        owner = os.stat(f"/proc/{pid}")
    except (OSError, ValueError):
        return None
    state = fields[0].decode()
    if state in "ZX":
        return None
    arguments = _split(line.decode("utf-8", "surrogateescape"))
    return Process(pid, int(fields[1]), owner.st_uid, owner.st_gid, int(fields[19]), state, arguments)


def _split(line: str) -> tuple[str, ...]:
    """Arguments of a command line; a process that set its own title has it in one piece, padded with zero bytes."""
    return tuple(line.rstrip("\0").split("\0")) if line.strip("\0") else ()


def list_processes() -> dict[int, Process]:
    """All processes by pid; kernel threads are left out."""
    found = (read_process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process and process.arguments}


def descendants(pid: int, processes: dict[int, Process]) -> list[Process]:
    """Children of a process and theirs, nearest first."""
    found: list[Process] = []
    parents = [pid]
    while parents:
        children = [process for process in processes.values() if process.parent in parents]
        found += children
        parents = [child.pid for child in children]
    return found


@contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Read with the rights of another user; does nothing unless this is root."""
    if os.geteuid() != 0 or uid == 0:
        yield
        return
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def _read(process: Process, function: Callable[[], Result]) -> Result | None:
    """Call a function that reads /proc. In a container root may lack the right to look at others: ask as the owner then."""
    with suppress(PermissionError):
        try:
            return function()
        except PermissionError:
            with acting_as(process.uid, process.gid):
                return function()
        except (FileNotFoundError, ProcessLookupError):
            return None
    return None


def executable(process: Process) -> str | None:
    """Path of the program."""
    return _read(process, lambda: os.readlink(f"/proc/{process.pid}/exe"))


def working_folder(process: Process) -> str | None:
    """The process's current folder."""
    return _read(process, lambda: os.readlink(f"/proc/{process.pid}/cwd"))


def umask(process: Process) -> int:
    """The permissions that files it makes do not get."""
    with open(f"/proc/{process.pid}/status", encoding="utf-8", errors="replace") as handle:
        for line in handle:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022


def output_file(process: Process, descriptor: int) -> str | None:
    """The regular file that a descriptor of the process writes to."""
    path = _read(process, lambda: os.readlink(f"/proc/{process.pid}/fd/{descriptor}"))
    return path if path and os.path.isfile(path) else None


def in_container(process: Process) -> bool:
    """Whether the process lives in a container on this host: its paths mean other files."""
    own = os.readlink("/proc/self/ns/pid")
    return (_read(process, lambda: os.readlink(f"/proc/{process.pid}/ns/pid")) or own) != own


def open_files(process: Process) -> list[str]:
    """Paths of the files that it holds open."""

    def read() -> list[str]:
        found = []
        for name in os.listdir(f"/proc/{process.pid}/fd"):
            with suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{process.pid}/fd/{name}"))
        return found

    return _read(process, read) or []


def environment(process: Process) -> dict[str, str] | None:
    """The environment a process was started with, or None when it cannot be read.

    A process that sets its title (gunicorn, most daemons of Airflow) writes over the place that /proc/PID/environ shows. Its variables
    live on in its heap, so they are looked up there.
    """

    def read() -> list[bytes]:
        with open(f"/proc/{process.pid}/environ", "rb") as handle:
            return [entry for entry in handle.read().split(b"\0") if VARIABLE.fullmatch(entry)]

    # Of a process whose command line is in one piece, that place shows nothing, or a rest that was not written over.
    has_title = len(process.arguments) == 1
    entries = _read(process, (lambda: _heap_environment(process.pid)) if has_title else read)
    if not entries:
        return None
    pairs = (entry.decode("utf-8", "surrogateescape").partition("=") for entry in entries)
    return {name: value for name, _separator, value in pairs}


def _heap_environment(pid: int) -> list[bytes]:
    segments = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            if line.rstrip().endswith("[heap]"):
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                with suppress(OSError):
                    memory.seek(start)
                    segments.append((start, memory.read(end - start)))
    for anchor in ANCHORS:
        found = max((_environment_around(address, segments) for address in _pointers_to(anchor, segments)), key=len, default=[])
        if found:
            return found
    return []


def _pointers_to(text: bytes, segments: list[tuple[int, bytes]]) -> Iterator[int]:
    """Addresses of pointers to a text; it follows a null character, which stands before it."""
    for start, content in segments:
        position = content.find(text)
        while position != -1:
            pointer = struct.pack("=Q", start + position + 1)
            for base, other in segments:
                place = other.find(pointer)
                if place != -1 and (base + place) % 8 == 0:
                    yield base + place
            position = content.find(text, position + 1)


def _environment_around(address: int, segments: list[tuple[int, bytes]]) -> list[bytes]:
    """The variables of the array of pointers that `address` lies in; empty unless the array ends as C wants it, with a null."""
    before: list[bytes] = []
    position = address - 8
    while (entry := _variable_at(_pointer_at(position, segments), segments)) is not None:
        before.append(entry)
        position -= 8
    after: list[bytes] = []
    position = address
    while (entry := _variable_at(_pointer_at(position, segments), segments)) is not None:
        after.append(entry)
        position += 8
    return before[::-1] + after if _pointer_at(position, segments) == 0 else []


def _pointer_at(address: int, segments: list[tuple[int, bytes]]) -> int | None:
    for start, content in segments:
        if start <= address <= start + len(content) - 8:
            return int(struct.unpack_from("=Q", content, address - start)[0])
    return None


def _variable_at(address: int | None, segments: list[tuple[int, bytes]]) -> bytes | None:
    if address is None:
        return None
    for start, content in segments:
        if start <= address < start + len(content):
            end = content.find(b"\0", address - start, address - start + LONGEST_VARIABLE)
            text = content[address - start : end] if end != -1 else b""
            return text if VARIABLE.fullmatch(text) else None
    return None
