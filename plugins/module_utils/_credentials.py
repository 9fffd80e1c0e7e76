# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials folder on the controller: one file per secret, readable by its owner alone."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable

# Ansible takes every file in an inventory folder for an inventory, whose lines are names of hosts: a secret would be looked up in the
# DNS. It passes over files that end so (INVENTORY_IGNORE_EXTS).
SUFFIX = ".txt"


class CredentialsFolder:
    """Secrets as files. `read_text` reads one, decrypting what Ansible Vault encrypted."""

    def __init__(self, directory: str, read_text: Callable[[str], str]) -> None:
        self.directory = directory
        self._read_text = read_text

    def path(self, name: str) -> str:
        """The file of a secret."""
        return os.path.join(self.directory, name + SUFFIX)

    def read(self, name: str) -> str | None:
        """The secret, None when there is no file or nothing in it."""
        path = self.path(name)
        return (self._read_text(path).strip("\r\n") or None) if os.path.isfile(path) else None

    def write(self, name: str, value: str) -> None:
        """Write a secret unless there is one. Of several runs at once the first wins, and no one ever sees half a file."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.directory, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(value + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            # A link, unlike a rename, does not replace what is there.
            with contextlib.suppress(FileExistsError):
                os.link(temporary, self.path(name))
        finally:
            os.unlink(temporary)
