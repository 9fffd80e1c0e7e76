# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which interpreters of a host are found, and that nothing else is started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ansible_collections.updraft.airflow.plugins.module_utils.host_interpreters import find_interpreters

REAL = os.path.realpath(sys.executable)


def test_a_linked_interpreter_is_listed_once_with_its_version(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(REAL)
    (tmp_path / "python3.11").symlink_to(REAL)
    found = [entry for entry in find_interpreters(f"{tmp_path}:{tmp_path}") if entry["path"] == REAL]
    assert found == [{"path": REAL, "version": ".".join(str(part) for part in sys.version_info[:3])}]


def test_a_shim_is_not_started(tmp_path: Path) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text(f'#!/bin/sh\ntouch {tmp_path}/started\nexec {REAL} "$@"\n')
    shim.chmod(0o755)
    assert str(shim) not in [entry["path"] for entry in find_interpreters(str(tmp_path))]
    assert not (tmp_path / "started").exists()


def test_other_programs_and_other_binaries_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "python3-config").symlink_to(REAL)
    (tmp_path / "python3.9").symlink_to(os.path.realpath("/bin/true"))
    paths = [entry["path"] for entry in find_interpreters(str(tmp_path))]
    assert os.path.realpath("/bin/true") not in paths
    assert all("config" not in path for path in paths)


def test_the_interpreter_of_an_environment_is_none_of_the_host(tmp_path: Path) -> None:
    binary = tmp_path / "bin" / "python3.11"
    binary.parent.mkdir()
    binary.write_bytes(Path(REAL).read_bytes())
    binary.chmod(0o755)
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert str(binary) not in [entry["path"] for entry in find_interpreters(str(binary.parent))]


def test_newest_first() -> None:
    versions = [tuple(int(part) for part in entry["version"].split(".")[:3] if part.isdigit()) for entry in find_interpreters()]
    assert versions == sorted(versions, reverse=True)
