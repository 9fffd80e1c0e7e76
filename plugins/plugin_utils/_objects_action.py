# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the modules that write secrets: it keeps the digests of what was written."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.updraft.airflow.plugins.module_utils._credentials import CredentialsFolder

KEY_BYTES = 32
VAULT_HEADER = "$ANSIBLE_VAULT"

Kept = dict[str, dict[str, dict[str, str]]]
"""Digests by kind and object."""


class DigestsFile:
    """A file of digests, and beside it the file of their key."""

    def __init__(self, path: str, folder: CredentialsFolder) -> None:
        self.path = path
        self._folder = folder
        self._key_name = os.path.splitext(os.path.basename(path))[0] + "_key"

    def key(self, check_mode: bool) -> str:
        """The key, made when there is none. In check mode a new one is forgotten again."""
        known = self._folder.read(self._key_name)
        if known is None:
            known = secrets.token_hex(KEY_BYTES)
            if not check_mode:
                self._folder.write(self._key_name, known)
                # Another run may have been first.
                known = self._folder.read(self._key_name) or known
        return known

    def read(self) -> Kept:
        """Everything in it."""
        if not os.path.exists(self.path):
            return {}
        with open(self.path, encoding="utf-8") as stream:
            content = stream.read()
        if content.startswith(VAULT_HEADER):
            raise AnsibleError(
                f"{self.path} is encrypted with Ansible Vault and could not be kept up to date: decrypt it. It holds no secret; "
                "the key beside it may be encrypted."
            )
        try:
            kept: Kept = json.loads(content)
            if not all(isinstance(digest, dict) for part in kept.values() for digest in part.values()):
                raise ValueError
        except (AttributeError, ValueError):
            raise AnsibleError(f"{self.path} is damaged: remove it, and secrets are written once more.") from None
        return kept

    def store(self, kind: str, changes: Mapping[str, dict[str, str] | None]) -> None:
        """Write new digests, and forget those of None; others may write theirs at the same time."""
        with self._locked():
            kept = self.read()
            known = {**kept.get(kind, {}), **changes}
            updated = {**kept, kind: {name: digest for name, digest in sorted(known.items()) if digest}}
            if updated != kept:
                self._replace(json.dumps(updated, indent=1, sort_keys=True) + "\n")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The folder is locked, not the file, which is replaced."""
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        handle = os.open(os.path.dirname(self.path), os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _replace(self, content: str) -> None:
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(self.path), prefix=f".{os.path.basename(self.path)}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self.path)
        except BaseException:
            os.unlink(temporary)
            raise


class ObjectsAction(ActionBase):
    """Give the module the digests it wrote before, and keep those it returns."""

    _supports_check_mode = True
    _supports_async = False
    module: str
    kind: str

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once. What it did before a failure is kept too."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        path = arguments.pop("digests_file", None)
        if not path:
            return self._call(arguments, task_vars)
        path = self._loader.path_dwim(os.path.expanduser(str(path)))
        try:
            file = DigestsFile(path, CredentialsFolder(os.path.dirname(path), self._loader.get_text_file_contents))
            arguments["digests"] = file.read().get(self.kind, {})
            arguments["digest_key"] = file.key(self._task.check_mode)
            result = self._call(arguments, task_vars)
            digests = result.pop("digests", None)
            if digests:
                file.store(self.kind, digests)
        except OSError as error:
            raise AnsibleError(f"The digests in {path} could not be kept: {error.strerror}.") from error
        return result

    def _call(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        return dict(self._execute_module(f"updraft.airflow.{self.module}", module_args=arguments, task_vars=task_vars))
