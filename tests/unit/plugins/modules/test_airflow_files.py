# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_files on real files."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.modules import airflow_files

RunModule = Callable[..., dict[str, Any]]


@pytest.fixture
def entries(tmp_path: Path) -> list[dict[str, Any]]:
    return [
        {"path": str(tmp_path / "etc" / "airflow"), "state": "directory", "mode": "0750"},
        {"path": str(tmp_path / "etc" / "airflow" / "airflow.cfg"), "content": "[core]\nparallelism = 4 ✓\n", "mode": "0640"},
        {"path": str(tmp_path / "etc" / "airflow" / "scheduler.env"), "mode": "0600"},
        {"path": str(tmp_path / "current"), "state": "link", "target": "/venvs/3.3.2"},
    ]


def secrets(tmp_path: Path) -> dict[str, str]:
    return {str(tmp_path / "etc" / "airflow" / "scheduler.env"): 'KEY="unspoken"\n'}


def test_makes_everything_once(run_module: RunModule, entries: list[dict[str, Any]], tmp_path: Path) -> None:
    first = run_module("airflow_files", entries=entries, secret_content=secrets(tmp_path))
    assert first["changed"] and first["changed_paths"] == [entry["path"] for entry in entries]
    assert (tmp_path / "etc/airflow/airflow.cfg").read_text() == "[core]\nparallelism = 4 ✓\n"
    assert stat.S_IMODE((tmp_path / "etc/airflow/scheduler.env").stat().st_mode) == 0o600
    assert os.readlink(tmp_path / "current") == "/venvs/3.3.2"
    second = run_module("airflow_files", entries=entries, secret_content=secrets(tmp_path))
    assert second["changed"] is False and second["changed_paths"] == []


def test_check_mode_tells_and_writes_nothing(run_module: RunModule, entries: list[dict[str, Any]], tmp_path: Path) -> None:
    result = run_module("airflow_files", check_mode=True, entries=entries, secret_content=secrets(tmp_path))
    assert result["changed_paths"] == [entry["path"] for entry in entries]
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_in_no_output(run_module: RunModule, entries: list[dict[str, Any]], tmp_path: Path) -> None:
    result = run_module("airflow_files", entries=entries, secret_content=secrets(tmp_path))
    assert "unspoken" not in repr(result)
    changed = run_module("airflow_files", entries=entries, secret_content={entries[2]["path"]: 'KEY="other"\n'})
    assert changed["changed_paths"] == [entries[2]["path"]]
    assert "unspoken" not in repr(changed) and "other" not in repr(changed)


@pytest.mark.parametrize("damage", ["content", "mode", "gone", "link"])
def test_repairs_what_was_broken_by_hand(run_module: RunModule, entries: list[dict[str, Any]], tmp_path: Path, damage: str) -> None:
    run_module("airflow_files", entries=entries, secret_content=secrets(tmp_path))
    config = tmp_path / "etc/airflow/airflow.cfg"
    broken = str(config)
    if damage == "content":
        config.write_text("[core]\nparallelism = 1\n")
    elif damage == "mode":
        config.chmod(0o666)
    elif damage == "gone":
        config.unlink()
    else:
        broken = str(tmp_path / "current")
        (tmp_path / "current").unlink()
        (tmp_path / "current").symlink_to("/elsewhere")
    repaired = run_module("airflow_files", entries=entries, secret_content=secrets(tmp_path))
    assert repaired["changed_paths"] == [broken]
    assert config.read_text() == "[core]\nparallelism = 4 ✓\n" and stat.S_IMODE(config.stat().st_mode) == 0o640
    assert os.readlink(tmp_path / "current") == "/venvs/3.3.2"


def test_refuses_a_folder_where_a_file_belongs(run_module: RunModule, tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").mkdir()
    result = run_module("airflow_files", entries=[{"path": str(tmp_path / "airflow.cfg"), "content": "x"}])
    assert result["failed"]
    assert result["msg"] == f"{tmp_path}/airflow.cfg is a folder: a file is to be written there; move the folder away."


def test_removes_a_file_once(run_module: RunModule, tmp_path: Path) -> None:
    (tmp_path / "old.env").write_text("x")
    entry = {"path": str(tmp_path / "old.env"), "state": "absent"}
    assert run_module("airflow_files", entries=[entry])["changed_paths"] == [entry["path"]]
    assert not (tmp_path / "old.env").exists()
    assert run_module("airflow_files", entries=[entry])["changed"] is False


def test_what_is_removed_is_not_shown(run_module: RunModule, tmp_path: Path) -> None:
    (tmp_path / "restart.json").write_text("unspoken")
    result = run_module("airflow_files", entries=[{"path": str(tmp_path / "restart.json"), "state": "absent"}])
    assert result["changed"] and "unspoken" not in repr(result)


def test_check_mode_knows_that_a_user_may_come_later(run_module: RunModule, tmp_path: Path) -> None:
    entry = {"path": str(tmp_path), "state": "directory", "owner": "comes-later"}
    assert run_module("airflow_files", check_mode=True, entries=[entry])["changed_paths"] == [str(tmp_path)]


@pytest.mark.parametrize("kind", ["unwritable", "in the way"])
def test_nothing_is_replaced_when_a_later_file_cannot_be_written(run_module: RunModule, tmp_path: Path, kind: str) -> None:
    first, folder = tmp_path / "first", tmp_path / "folder"
    first.write_text("before")
    folder.mkdir()
    # Nobody, not even root, makes a file there.
    second = "/proc/updraft" if kind == "unwritable" else str(folder)
    result = run_module("airflow_files", entries=[{"path": str(first), "content": "after"}, {"path": second, "content": "after"}])
    assert result["failed"], result
    assert result["msg"].startswith("/proc/updraft could not be written: " if kind == "unwritable" else f"{folder} is a folder")
    assert first.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "folder"]


def test_a_secret_is_nobody_elses_at_any_moment(run_module: RunModule, tmp_path: Path) -> None:
    place = tmp_path / "scheduler.env"
    seen = tmp_path / "seen"
    hook = tmp_path / "hook"
    hook.mkdir()
    # Notes the mode of the file whenever something is done to a file's mode, owner or name.
    (hook / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def look(event, arguments):\n"
        "    if event in ('os.chmod', 'os.chown', 'os.rename', 'open') and os.path.exists(PLACE) and not BUSY:\n"
        "        BUSY.append(1)\n"
        "        with open(SEEN, 'a') as notes:\n"
        "            notes.write(oct(os.stat(PLACE).st_mode & 0o777) + '\\n')\n"
        "        BUSY.clear()\n"
        f"PLACE, SEEN, BUSY = {str(place)!r}, {str(seen)!r}, []\n"
        "sys.addaudithook(look)\n"
    )
    result = run_module(
        "airflow_files",
        environment={"PYTHONPATH": str(hook)},
        entries=[{"path": str(place), "mode": "0600"}, {"path": str(tmp_path / "after"), "content": "x"}],
        secret_content={str(place): "KEY=unspoken"},
    )
    assert result["changed"], result
    assert set(seen.read_text().split()) == {"0o600"}


def test_what_a_killed_run_left_is_removed(run_module: RunModule, tmp_path: Path) -> None:
    (tmp_path / ".updraft-scheduler.env-abc").write_text("KEY=unspoken")
    run_module("airflow_files", entries=[{"path": str(tmp_path / "scheduler.env"), "content": "x"}])
    assert [path.name for path in tmp_path.iterdir()] == ["scheduler.env"]


def test_a_shared_folder_hands_its_group_down(run_module: RunModule, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    outside.chmod(0o600)
    logs = tmp_path / "logs"
    inner = logs / "dag_id=a"
    inner.mkdir(parents=True)
    log = inner / "attempt=1.log"
    log.write_text("x")
    log.chmod(0o644)
    inner.chmod(0o755)
    (inner / "latest").symlink_to(outside)
    entry = {"path": str(logs), "state": "directory", "group": grp.getgrgid(os.getgid()).gr_name, "mode": "2770", "shared": True}
    assert run_module("airflow_files", check_mode=True, entries=[entry])["changed"] is True
    assert stat.S_IMODE(inner.stat().st_mode) == 0o755
    assert run_module("airflow_files", entries=[entry])["changed_paths"] == [str(logs)]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (logs, inner, log)] == [0o2770, 0o2775, 0o664]
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600
    assert run_module("airflow_files", entries=[entry])["changed"] is False


def test_new_content_has_a_new_time_and_the_old_permissions(run_module: RunModule, tmp_path: Path) -> None:
    path = tmp_path / "airflow.cfg"
    path.write_text("old\n")
    path.chmod(0o640)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert run_module("airflow_files", entries=[{"path": str(path), "content": "new\n"}])["changed"] is True
    assert path.stat().st_mtime > 1_000_000_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("written", "is_stale", "has_not_read"),
    [(90, False, False), (150, True, False), (250, True, True)],
)
def test_a_reload_is_enough_for_some_files(tmp_path: Path, written: int, is_stale: bool, has_not_read: bool) -> None:
    place = tmp_path / "nginx.conf"
    place.touch()
    os.utime(place, (written, written))
    unit = airflow_files.Unit(started=100, reloaded=200, enabled=True)
    assert (unit.is_stale([str(place)], []), unit.has_not_read([str(place)], [])) == (is_stale, has_not_read)
    stopped = airflow_files.Unit(started=None, reloaded=None, enabled=True)
    assert (stopped.is_stale([str(place)], [str(place)]), stopped.has_not_read([str(place)], [str(place)])) == (False, False)
