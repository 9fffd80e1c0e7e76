# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_files
short_description: Write the folders, files and links of an installation in one call
version_added: 0.1.0
description:
  - Brings a list of folders, files and links to the wanted content, owner and mode.
  - It exists for speed. A task costs about half a second per host, and so does each item of a loop; an installation has some twenty
    such objects.
  - With O(units), it also tells which systemd units were started before something they read was last written.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells what would change and writes nothing.
  diff_mode:
    support: full
    description: What comes from O(secret_content) is never shown.
options:
  entries:
    description: The objects, in the order in which they are made.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path on the host.
        type: path
        required: true
      state:
        description: What the object is.
        type: str
        choices: [directory, file, link, absent]
        default: file
      content:
        description: The text of a file, written as UTF-8.
        type: str
      target:
        description: Where a link points.
        type: path
      owner:
        description: Name of the owner.
        type: str
      group:
        description: Name of the group.
        type: str
      mode:
        description: Octal permissions, as a string.
        type: str
      shared:
        description: Whether everything below a directory gets its group too, which may then write there, and folders hand it down.
        type: bool
        default: false
  secret_content:
    description: The text of the files that hold secrets, by path. It is shown in no output and no diff.
    type: dict
    default: {}
  units:
    description: Systemd units, each with the paths that it alone reads.
    type: dict
    default: {}
  reloads:
    description: Systemd units, each with the paths that it reads again when it is reloaded.
    type: dict
    default: {}
  watch:
    description: Paths that all O(units) read. A link counts by its own modification time.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Write the settings
  updraft.airflow.airflow_files:
    entries:
      - path: /etc/airflow
        state: directory
        mode: "0755"
      - path: /etc/airflow/scheduler.env
        mode: "0600"
    secret_content:
      /etc/airflow/scheduler.env: "{{ lookup('ansible.builtin.template', 'daemon.env.j2') }}"
"""

RETURN = r"""
changed_paths:
  description: Paths that were, or in check mode would be, written.
  returned: always
  type: list
  elements: str
stale_units:
  description: Those of O(units) that run and were started before one of their files was last written, or one of them was written now.
  returned: always
  type: list
  elements: str
unread_units:
  description: Those of O(reloads) that run and were started or reloaded before one of their files was last written, or one was written now.
  returned: always
  type: list
  elements: str
idle_units:
  description: Those of O(units) and O(reloads) that do not run, or do not start with the host.
  returned: always
  type: list
  elements: str
"""

import glob
import grp
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_text

HIDDEN = "(secret)"


def _read(path: str) -> str | None:
    """The file's text, or None when there is no readable regular file."""
    if os.path.islink(path) or not os.path.isfile(path):
        return None
    with open(path, "rb") as handle:
        return str(to_text(handle.read(), errors="surrogate_or_strict"))


def is_known(look_up: Callable[[str], object], name: str | None) -> bool:
    """Whether a user or group is there; in check mode it may be one that would be made."""
    try:
        return name is None or bool(look_up(name))
    except KeyError:
        return False


class Writer:
    """Applies entries and remembers what changed.

    The new content of every file is on the disk, beside its place, before the first file is replaced: a full disk leaves all as it was.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.secrets: dict[str, str] = module.params["secret_content"]
        self.staged: dict[str, str] = {}
        self.changed: list[str] = []
        self.diffs: list[dict[str, Any]] = []

    def apply_all(self, entries: list[dict[str, Any]]) -> None:
        """Bring all entries to their states, in their order."""
        entry: dict[str, Any] = {"path": ""}
        try:
            for entry in entries:
                self._stage(entry)
            for entry in entries:
                self.apply(entry)
        except OSError as error:
            done = f"; written before it: {', '.join(self.changed)}" if self.changed else "; nothing was changed"
            self.module.fail_json(msg=f"{entry['path']} could not be written: {error.strerror}{done}.")
        finally:
            for temporary in self.staged.values():
                with suppress(FileNotFoundError):
                    os.unlink(temporary)

    def _stage(self, entry: dict[str, Any]) -> None:
        path = entry["path"]
        folder = os.path.dirname(path)
        self._refuse_what_is_in_the_way(entry)
        # A folder that is not there yet is made by an entry before this one.
        if entry["state"] != "file" or self.module.check_mode or not os.path.isdir(folder):
            return
        # What a run that was killed left behind.
        for left in glob.glob(os.path.join(glob.escape(folder), f".updraft-{glob.escape(os.path.basename(path))}-*")):
            os.unlink(left)
        if _read(path) != self._content(entry):
            handle, self.staged[path] = tempfile.mkstemp(dir=folder, prefix=f".updraft-{os.path.basename(path)}-")
            with os.fdopen(handle, "wb") as stream:
                stream.write(to_bytes(self._content(entry)))
                stream.flush()
                os.fsync(stream.fileno())

    def _refuse_what_is_in_the_way(self, entry: dict[str, Any]) -> None:
        path, state = entry["path"], entry["state"]
        is_folder = os.path.isdir(path) and not os.path.islink(path)
        if state == "directory" and os.path.lexists(path) and not os.path.isdir(path):
            self.module.fail_json(msg=f"{path} is in the way: a folder is to be made there; move the file away.")
        if state == "file" and os.path.isdir(path):
            self.module.fail_json(msg=f"{path} is a folder: a file is to be written there; move the folder away.")
        if state == "link" and os.path.lexists(path) and not os.path.islink(path):
            self.module.fail_json(msg=f"{path} is in the way: a link is to be made there; move it away.")
        if state == "absent" and is_folder:
            self.module.fail_json(msg=f"{path} is a folder: only files and links are removed.")

    def _content(self, entry: dict[str, Any]) -> str:
        return str(self.secrets.get(entry["path"], entry["content"] or ""))

    def apply(self, entry: dict[str, Any]) -> None:
        """Bring one entry to its state."""
        changed = getattr(self, "_" + entry["state"])(entry)
        if entry["state"] in ("directory", "file"):
            changed = self._attributes(entry) or changed
        if entry["state"] == "directory" and entry["shared"] and os.path.isdir(entry["path"]):
            changed = self._share(entry) or changed
        if changed:
            self.changed.append(entry["path"])

    def _attributes(self, entry: dict[str, Any]) -> bool:
        path = entry["path"]
        if self.module.check_mode and not (
            os.path.lexists(path) and is_known(pwd.getpwnam, entry["owner"]) and is_known(grp.getgrnam, entry["group"])
        ):
            return True
        return bool(self.module.set_fs_attributes_if_different(self._wanted(entry), False))

    def _share(self, entry: dict[str, Any]) -> bool:
        """Let the folder's group write everything below it, and folders hand the group down."""
        changed = False
        group = grp.getgrnam(entry["group"]).gr_gid if is_known(grp.getgrnam, entry["group"]) else None
        # By descriptors: whoever owns what is in there could put a link to somewhere else in its place at any moment.
        for _path, _folders, files, folder in os.fwalk(entry["path"], follow_symlinks=False):
            changed = self._share_one(folder, group) or changed
            for name in files:
                with suppress(OSError):
                    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
                    try:
                        changed = self._share_one(descriptor, group) or changed
                    finally:
                        os.close(descriptor)
        return changed

    def _share_one(self, descriptor: int, group: int | None) -> bool:
        status = os.fstat(descriptor)
        bits = stat.S_IMODE(status.st_mode)
        wanted = bits | (stat.S_IRWXG | stat.S_ISGID if stat.S_ISDIR(status.st_mode) else stat.S_IRGRP | stat.S_IWGRP)
        if wanted == bits and group == status.st_gid:
            return False
        if not self.module.check_mode:
            if group is not None:
                os.fchown(descriptor, -1, group)
            # After the owner: a change of the group takes the bit that hands it down away.
            os.fchmod(descriptor, wanted)
        return True

    def _wanted(self, entry: dict[str, Any]) -> dict[str, Any]:
        attributes = {name: entry[name] for name in ("owner", "group", "mode")}
        return dict(self.module.load_file_common_arguments(attributes, path=entry["path"]))

    def _remember(self, entry: dict[str, Any], before: str, after: str) -> None:
        header = entry["path"]
        if entry["path"] in self.secrets:
            before, after = (HIDDEN if before else ""), HIDDEN + " changed"
        self.diffs.append({"before_header": header, "after_header": header, "before": before, "after": after})

    def _directory(self, entry: dict[str, Any]) -> bool:
        path = entry["path"]
        if os.path.isdir(path):
            return False
        self._remember(entry, "", "directory\n")
        if not self.module.check_mode:
            os.makedirs(path, mode=0o755)
        return True

    def _file(self, entry: dict[str, Any]) -> bool:
        path = entry["path"]
        content = self._content(entry)
        before = _read(path)
        if before == content:
            return False
        self._remember(entry, before or "", content)
        if not self.module.check_mode:
            if path not in self.staged:
                self._stage(entry)
            temporary = self.staged[path]
            # Complete before it gets its name: a secret is readable by nobody else at any moment.
            if os.path.isfile(path):
                shutil.copystat(path, temporary)
                # New content has a time of its own: by it a daemon is seen to have read the old one.
                os.utime(temporary)
                os.chown(temporary, os.stat(path).st_uid, os.stat(path).st_gid)
            self.module.set_fs_attributes_if_different({**self._wanted(entry), "path": temporary}, False)
            os.replace(temporary, path)
            del self.staged[path]
        return True

    def _link(self, entry: dict[str, Any]) -> bool:
        path, target = entry["path"], entry["target"]
        before = os.readlink(path) if os.path.islink(path) else ""
        if before == target:
            return False
        self._remember(entry, before, target)
        if not self.module.check_mode:
            temporary = path + ".updraft-new"
            if os.path.lexists(temporary):
                os.unlink(temporary)
            os.symlink(target, temporary)
            os.replace(temporary, path)
        return True

    def _absent(self, entry: dict[str, Any]) -> bool:
        path = entry["path"]
        if not os.path.lexists(path):
            return False
        # The content of what goes may be a secret, and nobody needs it to see that it goes.
        self._remember(entry, "present\n", "absent\n")
        if not self.module.check_mode:
            os.unlink(path)
        return True


@dataclass(frozen=True)
class Unit:
    """A unit as systemd sees it."""

    started: float | None
    """Seconds since the epoch; None when it does not run."""
    reloaded: float | None
    """The same of its last start or reload."""
    enabled: bool

    def is_stale(self, paths: list[str], changed: list[str]) -> bool:
        """Whether it runs and was started before the files were written as they are now."""
        return self._is_older(self.started, paths, changed)

    def has_not_read(self, paths: list[str], changed: list[str]) -> bool:
        """Whether it runs and was started and reloaded before the files were written as they are now."""
        return self._is_older(self.reloaded, paths, changed)

    def _is_older(self, moment: float | None, paths: list[str], changed: list[str]) -> bool:
        if moment is None:
            return False
        # A folder's time is that of whatever came into it last.
        read = [path for path in paths if os.path.islink(path) or not os.path.isdir(path)]
        # systemd gives whole seconds here: a file written in the second of the start counts as read.
        return any(path in changed or (os.path.lexists(path) and os.lstat(path).st_mtime > moment + 1) for path in read)


def look_at(module: AnsibleModule, name: str) -> Unit:
    """What systemd says of a unit."""
    # A reload changes a unit's state for a moment.
    properties = "ActiveState,ExecMainStartTimestamp,StateChangeTimestamp,UnitFileState"
    code, out, _error = module.run_command(["systemctl", "show", name, f"--property={properties}", "--timestamp=unix"])
    values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    started, changed = (values.get(name, "").lstrip("@") for name in ("ExecMainStartTimestamp", "StateChangeTimestamp"))
    runs = code == 0 and values.get("ActiveState") in ("active", "activating", "reloading") and started
    if not runs:
        return Unit(None, None, values.get("UnitFileState") == "enabled")
    return Unit(float(started), max(float(started), float(changed or 0)), values.get("UnitFileState") == "enabled")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "entries": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "state": {"choices": ["directory", "file", "link", "absent"], "default": "file"},
                    "content": {"type": "str"},
                    "target": {"type": "path"},
                    "owner": {"type": "str"},
                    "group": {"type": "str"},
                    "mode": {"type": "str"},
                    "shared": {"type": "bool", "default": False},
                },
            },
            "secret_content": {"type": "dict", "default": {}, "no_log": True},
            "units": {"type": "dict", "default": {}},
            "reloads": {"type": "dict", "default": {}},
            "watch": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    writer = Writer(module)
    writer.apply_all(module.params["entries"])
    watched = module.params["watch"]
    units = {name: (look_at(module, name), [*paths, *watched]) for name, paths in module.params["units"].items()}
    reloads = {name: (look_at(module, name), paths) for name, paths in module.params["reloads"].items()}
    module.exit_json(
        changed=bool(writer.changed),
        changed_paths=writer.changed,
        diff=writer.diffs,
        stale_units=[name for name, (unit, paths) in units.items() if unit.is_stale(paths, writer.changed)],
        unread_units=[name for name, (unit, paths) in reloads.items() if unit.has_not_read(paths, writer.changed)],
        idle_units=[name for name, (unit, _paths) in {**units, **reloads}.items() if unit.started is None or not unit.enabled],
    )


if __name__ == "__main__":
    main()
