# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revisions of the DAGs side by side on a host, and the link that says which one Airflow reads."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import posixpath
import pwd
import shutil
import stat
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

CACHE = "__pycache__"
NEW, OLD = ".new-", ".old-"
PROGRAM_MODE, FILE_MODE, FOLDER_MODE = 0o755, 0o644, 0o755
SHOWN_NAMES = 5

Files = dict[str, dict[str, str]]


class RevisionError(Exception):
    """A revision cannot be stored or used; the text is for the user."""


class Revisions:
    """The folder with all revisions. Each is a folder that root owns, with a record beside it that is written first."""

    def __init__(self, folder: str, link: str) -> None:
        self.folder = folder
        self.link = link

    def path(self, revision: str) -> str:
        """The folder of a revision."""
        return os.path.join(self.folder, revision)

    def record(self, revision: str) -> dict[str, Any] | None:
        """What was written when the revision was stored, None when it never was."""
        try:
            with open(self.path(revision) + ".json", encoding="utf-8") as stream:
                return dict(json.load(stream))
        except (FileNotFoundError, ValueError):
            return None

    def is_there(self, revision: str) -> bool:
        """Whether something is stored under that name, whole or not."""
        return os.path.lexists(self.path(revision))

    def is_whole(self, revision: str) -> bool:
        """Whether a revision is there as it was stored."""
        record = self.record(revision)
        return record is not None and os.path.isdir(self.path(revision)) and record["files"] == files_of(self.path(revision))

    def current(self) -> str | None:
        """The revision that the link leads to, None when it leads elsewhere or is no link."""
        target = os.readlink(self.link) if os.path.islink(self.link) else ""
        return os.path.basename(target) if os.path.dirname(target) == self.folder else None

    def store(self, revision: str, archive: str, description: str, owner: str) -> str | None:
        """Unpack an archive. Returns where something that was there under that name, and was changed, is kept now."""
        os.makedirs(self.folder, mode=FOLDER_MODE, exist_ok=True)
        self._clear(NEW)
        folder = tempfile.mkdtemp(prefix=NEW, dir=self.folder)
        unpack(archive, folder)
        own_caches(folder, owner)
        os.chmod(folder, FOLDER_MODE)
        record = {"revision": revision, "description": description, "files": files_of(folder)}
        replace_file(self.path(revision) + ".json", json.dumps(record, indent=1, sort_keys=True) + "\n")
        # What is renamed into place is on the disk: a revision is never there in part.
        os.sync()
        kept = free_name(f"{self.path(revision)}.changed") if self.is_there(revision) else None
        if kept:
            os.rename(self.path(revision), kept)
        os.rename(folder, self.path(revision))
        return kept

    def in_the_way(self, revision: str) -> list[str]:
        """Files of a plain folder in the link's place that the revision lacks, or has otherwise."""
        if os.path.islink(self.link) or not os.path.isdir(self.link):
            return []
        record = self.record(revision) or {"files": {}}
        return sorted(path for path, what in files_of(self.link).items() if record["files"].get(path) != what)

    def switch(self, revision: str) -> str | None:
        """Make the link lead to a revision, at once. Returns where a plain folder that was there is kept now."""
        if not os.path.isdir(self.path(revision)):
            raise RevisionError(f"{self.path(revision)} is not there: fetch the revision first.")
        before = self.current()
        kept = self._make_room(revision)
        # Airflow reads a file again when its time is newer than its last look.
        touch(self.path(revision))
        temporary = f"{self.link}.updraft-new"
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(self.path(revision), temporary)
        os.replace(temporary, self.link)
        if before and self.is_there(before):
            # From now on it is out of use.
            os.utime(self.path(before))
        return kept

    def _make_room(self, revision: str) -> str | None:
        if os.path.islink(self.link) or not os.path.lexists(self.link):
            return None
        with suppress(OSError):
            os.rmdir(self.link)
            return None
        kept = free_name(f"{self.link}.before-{revision}")
        os.rename(self.link, kept)
        return kept

    def prune(self, keep: int, seconds: int) -> list[str]:
        """Remove revisions beyond the newest that have been out of use for longer than a task may run."""
        current = self.current()
        others = [os.path.basename(path)[: -len(".json")] for path in glob.glob(os.path.join(glob.escape(self.folder), "*.json"))]
        others = sorted((name for name in others if name != current), key=self._last_use, reverse=True)
        gone = [name for name in others[max(keep - 1, 0) :] if time.time() - self._last_use(name) > seconds]
        for name in gone:
            self._remove(name)
        self._clear(OLD)
        return gone

    def _clear(self, prefix: str) -> None:
        """Remove what this run renamed, or what one that was killed left behind."""
        for left in glob.glob(os.path.join(glob.escape(self.folder), f"{prefix}*")):
            if os.path.isdir(left):
                shutil.rmtree(left)
            else:
                os.unlink(left)

    def _last_use(self, revision: str) -> float:
        path = self.path(revision)
        return os.stat(path if os.path.isdir(path) else f"{path}.json").st_mtime

    def _remove(self, revision: str) -> None:
        if self.is_there(revision):
            os.rename(self.path(revision), os.path.join(self.folder, f"{OLD}{revision}"))
        os.unlink(f"{self.path(revision)}.json")


def files_of(folder: str) -> Files:
    """Every file and link of a folder with its content and mode. What Python compiled does not count."""
    found: Files = {}
    for root, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        folders[:] = [name for name in folders if name != CACHE and name not in links]
        for name in [*files, *links]:
            path = os.path.join(root, name)
            if not name.endswith(".pyc"):
                found[os.path.relpath(path, folder)] = _described(path)
    return found


def _described(path: str) -> dict[str, str]:
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return {"link": os.readlink(path)}
    if not stat.S_ISREG(status.st_mode):
        return {"kind": "special"}
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1024 * 1024), b""):
            digest.update(block)
    return {"program" if status.st_mode & stat.S_IXUSR else "file": digest.hexdigest()}


def unpack(archive: str, folder: str) -> None:
    """Files, folders and links of an archive, root's own and readable by all; nothing outside of the folder."""
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                _unpack_member(members, member, folder)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise RevisionError(f"The archive of the DAGs is damaged ({error}): run again.") from None


def _unpack_member(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: str) -> None:
    name = posixpath.normpath(member.name)
    if leaves(name) or (member.issym() and leaves(posixpath.join(posixpath.dirname(name), member.linkname))):
        raise RevisionError(f"{member.name} in the archive of the DAGs leads out of it: remove it from the source.")
    path = os.path.join(folder, name)
    if member.isdir():
        os.makedirs(path, mode=FOLDER_MODE, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), mode=FOLDER_MODE, exist_ok=True)
    # A link that an earlier member made may not lead a later one elsewhere.
    if not f"{os.path.realpath(os.path.dirname(path))}/".startswith(f"{os.path.realpath(folder)}/"):
        raise RevisionError(f"{member.name} in the archive of the DAGs leads out of it: remove it from the source.")
    if member.issym():
        os.symlink(member.linkname, path)
    elif member.isfile():
        content = archive.extractfile(member)
        mode = PROGRAM_MODE if member.mode & stat.S_IXUSR else FILE_MODE
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            shutil.copyfileobj(content, stream) if content else None
            os.fchmod(stream.fileno(), mode)


def leaves(path: str) -> bool:
    """Whether a relative path leads out of where it starts."""
    return path.startswith("/") or posixpath.normpath(path).split("/")[0] == ".."


def own_caches(folder: str, owner: str) -> None:
    """Give the daemons' user a place for compiled files beside its modules, which it cannot change itself."""
    user = pwd.getpwnam(owner)
    for root, _folders, files in os.walk(folder):
        os.chmod(root, FOLDER_MODE)
        if any(name.endswith(".py") for name in files):
            cache = os.path.join(root, CACHE)
            os.makedirs(cache, exist_ok=True)
            os.chmod(cache, FOLDER_MODE)
            os.chown(cache, user.pw_uid, user.pw_gid)


def touch(folder: str) -> None:
    """Give every file of a folder the time of now."""
    for path in every_file(folder):
        os.utime(path, follow_symlinks=False)


def every_file(folder: str) -> Iterator[str]:
    """Files and links, without what Python compiled."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != CACHE]
        yield from (os.path.join(root, name) for name in files)


def replace_file(path: str, text: str) -> None:
    """Write a file that is there in full or not at all."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=NEW)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
        os.fchmod(stream.fileno(), FILE_MODE)
    os.replace(temporary, path)


def free_name(path: str) -> str:
    """The path, with a number where something has that name."""
    number = 1
    name = path
    while os.path.lexists(name):
        number += 1
        name = f"{path}-{number}"
    return name


def some(names: list[str]) -> str:
    """The first names of a list, for a sentence."""
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more
