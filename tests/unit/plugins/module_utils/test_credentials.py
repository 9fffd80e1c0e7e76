# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials folder on the controller."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._credentials import CredentialsFolder


def folder(path: Path) -> CredentialsFolder:
    """A folder that is read as plain text."""
    return CredentialsFolder(str(path), lambda name: Path(name).read_text(encoding="utf-8"))


def test_a_secret_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    store = folder(tmp_path / "credentials" / "airflow")
    store.write("fernet_key", "p@ss ä")
    assert store.read("fernet_key") == "p@ss ä"
    assert stat.S_IMODE(os.stat(store.path("fernet_key")).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(store.directory).st_mode) == 0o700
    assert os.listdir(store.directory) == ["fernet_key.txt"]


def test_the_first_one_wins(tmp_path: Path) -> None:
    store = folder(tmp_path)
    store.write("secret_key", "first")
    store.write("secret_key", "second")
    assert store.read("secret_key") == "first"
    assert os.listdir(tmp_path) == ["secret_key.txt"]


def test_nothing_is_left_of_a_write_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OSError, match="no space"):
        folder(tmp_path).write("secret_key", "value")
    assert os.listdir(tmp_path) == []


def test_a_missing_or_empty_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "jwt_secret.txt").write_text("\n")
    assert folder(tmp_path).read("jwt_secret") is None
    assert folder(tmp_path).read("fernet_key") is None


def test_blanks_belong_to_a_secret_and_line_ends_do_not(tmp_path: Path) -> None:
    (tmp_path / "admin_password.txt").write_text(" two words \r\n")
    assert folder(tmp_path).read("admin_password") == " two words "


def test_no_secret_becomes_a_host_of_an_inventory_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {hosts: {box: }}\n")
    folder(tmp_path / "credentials" / "airflow").write("fernet_key", "not-a-host")
    done = subprocess.run(["ansible-inventory", "-i", str(tmp_path), "--list"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["ungrouped"]["hosts"] == ["box"]
    assert "not-a-host" not in done.stdout + done.stderr
