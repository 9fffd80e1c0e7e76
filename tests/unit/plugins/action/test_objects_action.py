# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests that are kept on the controller."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible_collections.updraft.airflow.plugins.module_utils._credentials import CredentialsFolder
from ansible_collections.updraft.airflow.plugins.plugin_utils._objects_action import DigestsFile


def read_text(path: str) -> str:
    """A file that is not encrypted."""
    return Path(path).read_text(encoding="utf-8")


@pytest.fixture
def file(tmp_path: Path) -> DigestsFile:
    """A file in a folder that is not there yet."""
    folder = tmp_path / "credentials" / "airflow"
    return DigestsFile(str(folder / "object_digests.txt"), CredentialsFolder(str(folder), read_text))


def test_a_key_is_made_once(file: DigestsFile) -> None:
    assert file.key(check_mode=True) != file.key(check_mode=True)
    assert not Path(file.path).parent.exists()
    key = file.key(check_mode=False)
    assert len(key) == 64
    assert (file.key(check_mode=False), file.key(check_mode=True)) == (key, key)
    path = Path(file.path).parent / "object_digests_key.txt"
    assert (path.read_text().strip(), stat.S_IMODE(path.stat().st_mode)) == (key, 0o600)


def test_what_is_stored_is_read(file: DigestsFile) -> None:
    assert file.read() == {}
    file.store("connections", {"a": {"password": "1"}, "b": {"password": "2"}, "c": None})
    file.store("users", {"a": {"password": "3"}})
    file.store("connections", {"a": None, "b": {"password": "4"}})
    assert file.read() == {"connections": {"b": {"password": "4"}}, "users": {"a": {"password": "3"}}}
    assert stat.S_IMODE(Path(file.path).stat().st_mode) == 0o600
    assert [path.name for path in Path(file.path).parent.iterdir()] == ["object_digests.txt"]


def test_what_does_not_change_is_not_written(file: DigestsFile) -> None:
    file.store("users", {"a": {"password": "3"}})
    before = Path(file.path).stat()
    file.store("users", {"a": {"password": "3"}, "b": None})
    after = Path(file.path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_several_at_once_lose_nothing(file: DigestsFile) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: file.store("users", {str(number): {"password": "x"}}), range(40)))
    assert len(file.read()["users"]) == 40


@pytest.mark.parametrize("content", ["{", "[]", '{"users": 1}', '{"users": {"a": 1}}'])
def test_a_damaged_file_is_told(file: DigestsFile, content: str) -> None:
    Path(file.path).parent.mkdir(parents=True)
    Path(file.path).write_text(content)
    with pytest.raises(AnsibleError, match=r"object_digests\.txt is damaged: remove it, and secrets are written once more\."):
        file.read()


def test_an_encrypted_file_is_refused_and_an_encrypted_key_is_not(tmp_path: Path) -> None:
    decrypted = CredentialsFolder(str(tmp_path), lambda path: "the key\n" if path.endswith("_key.txt") else read_text(path))
    file = DigestsFile(str(tmp_path / "d.txt"), decrypted)
    (tmp_path / "d_key.txt").write_text("$ANSIBLE_VAULT;1.1;AES256\n00")
    assert file.key(check_mode=False) == "the key"
    (tmp_path / "d.txt").write_text("$ANSIBLE_VAULT;1.1;AES256\n00")
    with pytest.raises(AnsibleError, match="is encrypted with Ansible Vault"):
        file.read()


def test_nothing_half_written_is_left(file: DigestsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.store("users", {"a": {"password": "3"}})

    def fail(*_: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        file.store("users", {"b": {"password": "4"}})
    assert json.loads(Path(file.path).read_text()) == {"users": {"a": {"password": "3"}}}
    assert len(list(Path(file.path).parent.iterdir())) == 1
