# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which a phase says how far it is."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import metadata_progress
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_progress import Progress


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_it_is_there_at_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    Progress(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = read(path)
    assert (told["pid"], told["step"], told["rows"], told["total"]) == (os.getpid(), "start", 0, 0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["progress"]


def test_steps_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_progress, "_PAUSE_SECONDS", 0)
    path = tmp_path / "progress"
    before = time.monotonic()
    progress = Progress(str(path))
    progress.begin("load", 1000)
    progress.add(400)
    progress.add(100)
    told = read(path)
    assert (told["step"], told["rows"], told["total"]) == ("load", 500, 1000)
    assert before <= told["began"] <= time.monotonic()
    progress.begin("verify", 1000)
    told = read(path)
    assert (told["step"], told["rows"]) == ("verify", 0)
    assert set(told["took"]) == {"start", "load"}
    assert told["took"]["load"] >= 0


def test_it_is_not_written_for_every_batch(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    progress = Progress(str(path))
    progress.begin("load", 1000)
    progress.add(400)
    assert read(path)["rows"] == 0


def test_a_disk_that_is_full_does_not_stop_the_copy(tmp_path: Path) -> None:
    progress = Progress(str(tmp_path / "gone" / "progress"))
    progress.begin("load", 10)
    progress.add(10)
    assert not (tmp_path / "gone").exists()
