# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_tree
short_description: Bring the content of a folder over to another folder of the same host
version_added: 0.1.0
description:
  - Copies what is missing or different. A file is the same when size and modification time are, so a second run of tens of thousands
    of files takes a moment.
  - The source is never written. What is only in the destination stays.
  - Links are kept as links. One with an absolute target inside the source gets the same place inside the destination as its target.
  - Sockets, pipes and device files are left out.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Counts what would be copied.
  diff_mode:
    support: none
    description: Only numbers are told.
options:
  src:
    description: The folder to copy from.
    type: path
    required: true
  dest:
    description: The folder to copy to. It is made when it is missing.
    type: path
    required: true
  owner:
    description: Owner of everything in O(dest) that comes from O(src).
    type: str
    required: true
  group:
    description: Group of everything in O(dest) that comes from O(src).
    type: str
    required: true
  exclude:
    description: Shell patterns of names, or of paths below O(src), that are left out. A folder is left out with all that is in it.
    type: list
    elements: str
    default: []
  required:
    description: Whether O(src) must be there. Where not, a folder that is missing has nothing to copy.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Bring the DAGs over
  updraft.airflow.airflow_tree:
    src: /home/jane/airflow/dags
    dest: /opt/airflow/dags
    owner: jane
    group: jane
    exclude: ["__pycache__"]
"""

RETURN = r"""
files:
  description: How many files and links were, or in check mode would be, copied.
  returned: success
  type: int
bytes:
  description: Size of these files.
  returned: success
  type: int
skipped:
  description: Sockets, pipes and device files that were left out.
  returned: success
  type: list
  elements: str
"""

import fnmatch
import grp
import os
import pwd
import shutil
import stat
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule


class TreeError(Exception):
    """The folder cannot be copied; the text is for the user."""


class Tree:
    """Copies one folder into another, or counts what it would copy."""

    def __init__(self, parameters: dict[str, Any], check_mode: bool) -> None:
        self.src = os.path.realpath(parameters["src"])
        self.dest = os.path.normpath(parameters["dest"])
        self.exclude: list[str] = parameters["exclude"]
        self.check_mode = check_mode
        self.changed = False
        self.files = 0
        self.bytes = 0
        self.skipped: list[str] = []
        try:
            self.uid = pwd.getpwnam(parameters["owner"]).pw_uid
            self.gid = grp.getgrnam(parameters["group"]).gr_gid
        except KeyError as error:
            if not check_mode:
                raise TreeError(f"There is no such owner or group ({error}); create it before the files are copied.") from error
            # A first run in check mode has not created the user.
            self.uid = self.gid = -1

    def copy(self) -> None:
        """Copy the whole folder."""
        destination = os.path.realpath(self.dest)
        if os.path.commonpath([self.src, destination]) in (self.src, destination):
            raise TreeError(f"{self.src} and {destination} lie in each other; name two separate folders.")
        if not os.path.isdir(self.src):
            raise TreeError(f"There is no folder {self.src}; correct src.")
        self._folder("")

    def _folder(self, relative: str) -> None:
        source = os.path.join(self.src, relative)
        self._make_folder(os.path.join(self.dest, relative), os.stat(source))
        existing = self._entries(os.path.join(self.dest, relative))
        with os.scandir(source) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = os.path.join(relative, entry.name)
                if not self._is_excluded(path):
                    self._entry(entry, path, existing.get(entry.name))

    @staticmethod
    def _entries(folder: str) -> dict[str, os.stat_result]:
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            return {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
        return {}

    def _is_excluded(self, path: str) -> bool:
        name = os.path.basename(path)
        return any(fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(path, pattern) for pattern in self.exclude)

    def _entry(self, entry: os.DirEntry[str], path: str, present: os.stat_result | None) -> None:
        # A file of a running installation may go at any moment.
        with suppress(FileNotFoundError):
            if entry.is_symlink():
                self._link(path, present)
            elif entry.is_dir():
                self._folder(path)
            elif entry.is_file():
                self._file(path, entry.stat(), present)
            else:
                self.skipped.append(path)

    def _make_folder(self, path: str, status: os.stat_result) -> None:
        try:
            present = os.lstat(path)
        except FileNotFoundError:
            self.changed = True
            if not self.check_mode:
                os.makedirs(path)
                os.chmod(path, stat.S_IMODE(status.st_mode) | stat.S_IRWXU)
                os.chown(path, self.uid, self.gid)
            return
        # The destination itself may be a link that its administrator made; below it a link would lead out of it.
        if not stat.S_ISDIR(present.st_mode) and not (path.rstrip("/") == self.dest and os.path.isdir(path)):
            raise TreeError(f"{path} is in the way: a folder is to be made there; move it away.")
        self._own(path, os.stat(path))

    def _own(self, path: str, present: os.stat_result) -> None:
        if self.uid != -1 and (present.st_uid, present.st_gid) != (self.uid, self.gid):
            self.changed = True
            if not self.check_mode:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def _count(self, size: int) -> None:
        self.changed = True
        self.files += 1
        self.bytes += size

    def _file(self, path: str, status: os.stat_result, present: os.stat_result | None) -> None:
        target = os.path.join(self.dest, path)
        if present is not None:
            if stat.S_ISDIR(present.st_mode):
                raise TreeError(f"{target} is a folder, and a file is to be copied there; move the folder away.")
            if stat.S_ISREG(present.st_mode) and (present.st_size, present.st_mtime_ns) == (status.st_size, status.st_mtime_ns):
                self._own(target, present)
                return
        self._count(status.st_size)
        if not self.check_mode:
            if present is not None and not stat.S_ISREG(present.st_mode):
                os.unlink(target)
            self._copy_file(os.path.join(self.src, path), target)

    def _copy_file(self, source: str, target: str) -> None:
        """Copy content, permissions and, at the very end, the time: a copy that was interrupted is seen as different."""
        # Both folders belong to users: neither end may have become a link in the meantime.
        reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(reader, "rb") as content:
            status = os.fstat(content.fileno())
            writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(writer, "wb") as copy:
                shutil.copyfileobj(content, copy, 1024 * 1024)
                os.fchown(copy.fileno(), self.uid, self.gid)
                os.fchmod(copy.fileno(), stat.S_IMODE(status.st_mode) & ~(stat.S_ISUID | stat.S_ISGID))
                copy.flush()
                os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))

    def _link(self, path: str, present: os.stat_result | None) -> None:
        link = os.path.join(self.dest, path)
        wanted = self._moved(os.readlink(os.path.join(self.src, path)))
        if present is not None:
            if stat.S_ISDIR(present.st_mode):
                raise TreeError(f"{link} is a folder, and a link is to be made there; move the folder away.")
            if stat.S_ISLNK(present.st_mode) and os.readlink(link) == wanted:
                self._own(link, present)
                return
        self._count(0)
        if not self.check_mode:
            if present is not None:
                os.unlink(link)
            os.symlink(wanted, link)
            os.chown(link, self.uid, self.gid, follow_symlinks=False)

    def _moved(self, target: str) -> str:
        """The target of a link, in the destination when it lies in the source."""
        if os.path.isabs(target) and os.path.commonpath([self.src, os.path.normpath(target)]) == self.src:
            return os.path.normpath(os.path.join(self.dest, os.path.relpath(target, self.src)))
        return target


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "owner": {"type": "str", "required": True},
            "group": {"type": "str", "required": True},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "required": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    if not module.params["required"] and not os.path.lexists(module.params["src"]):
        module.exit_json(changed=False, files=0, bytes=0, skipped=[])
    try:
        tree = Tree(module.params, module.check_mode)
        tree.copy()
    except TreeError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{module.params['src']} could not be copied to {module.params['dest']}: {error}")
    module.exit_json(changed=tree.changed, files=tree.files, bytes=tree.bytes, skipped=tree.skipped)


if __name__ == "__main__":
    main()
