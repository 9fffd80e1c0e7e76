# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_tree on real folders."""

from __future__ import annotations

import grp
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunModule = Callable[..., dict[str, Any]]
Copy = Callable[..., dict[str, Any]]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "my airflow", tmp_path / "opt" / "dags"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "a.py").write_text("a")
    (source / "b.sh").write_text("bb")
    (source / "b.sh").chmod(0o750)
    os.utime(source / "b.sh", ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    return source, target


@pytest.fixture
def copy(run_module: RunModule, folders: tuple[Path, Path], user: str) -> Copy:
    def run(**arguments: Any) -> dict[str, Any]:
        group = grp.getgrgid(os.getegid()).gr_name
        return run_module("airflow_tree", **{"src": str(folders[0]), "dest": str(folders[1]), "owner": user, "group": group, **arguments})

    return run


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns, path.lstat().st_mode) for path in folder.rglob("*")}


def test_first_and_second_run(copy: Copy, folders: tuple[Path, Path]) -> None:
    source, target = folders
    before = snapshot(source)
    assert {key: copy(check_mode=True)[key] for key in ("changed", "files", "bytes")} == {"changed": True, "files": 2, "bytes": 3}
    assert not target.exists()
    result = copy()
    assert (result["changed"], result["files"], result["bytes"], result["skipped"]) == (True, 2, 3, []), result
    status = (target / "b.sh").stat()
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o750, 1_600_000_000_123_456_789)
    assert (target / "sub" / "a.py").read_text() == "a"
    assert snapshot(source) == before
    again = copy()
    assert (again["changed"], again["files"], again["bytes"]) == (False, 0, 0)


def test_only_what_differs_is_copied_and_what_is_only_there_stays(copy: Copy, folders: tuple[Path, Path]) -> None:
    source, target = folders
    copy()
    (target / "own.py").write_text("own")
    (source / "sub" / "a.py").write_text("longer")
    os.utime(source / "b.sh")
    result = copy()
    assert (result["files"], result["bytes"]) == (2, 8)
    assert (target / "sub" / "a.py").read_text() == "longer" and (target / "own.py").read_text() == "own"


def test_links_stay_links_and_inner_ones_move_along(copy: Copy, folders: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = folders
    (source / "relative").symlink_to("sub/a.py")
    (source / "inner").symlink_to(source / "sub")
    (source / "outer").symlink_to(tmp_path / "elsewhere")
    assert copy()["files"] == 5
    assert os.readlink(target / "relative") == "sub/a.py"
    assert os.readlink(target / "inner") == str(target / "sub")
    assert os.readlink(target / "outer") == str(tmp_path / "elsewhere")
    assert copy()["changed"] is False
    (source / "outer").unlink()
    (source / "outer").write_text("a file now")
    assert copy()["files"] == 1 and (target / "outer").read_text() == "a file now"
    assert not (tmp_path / "elsewhere").exists()


def test_left_out(copy: Copy, folders: tuple[Path, Path]) -> None:
    source, target = folders
    (source / "sub" / "__pycache__").mkdir()
    (source / "sub" / "__pycache__" / "a.pyc").write_text("x")
    (source / "notes.log").write_text("x")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(source)
        server.bind("s")
        os.chdir(here)
        result = copy(exclude=["__pycache__", "*.log", "sub/a.*"])
    assert (result["files"], result["skipped"]) == (1, ["s"])
    assert sorted(path.name for path in target.rglob("*")) == ["b.sh", "sub"]


def test_a_link_below_the_destination_is_not_followed(copy: Copy, folders: tuple[Path, Path], tmp_path: Path) -> None:
    _source, target = folders
    target.mkdir(parents=True)
    (tmp_path / "private").mkdir()
    (target / "sub").symlink_to(tmp_path / "private")
    result = copy()
    assert result["failed"] and result["msg"] == f"{target}/sub is in the way: a folder is to be made there; move it away."
    assert os.listdir(tmp_path / "private") == []


@pytest.mark.parametrize("dest", ["", "sub/deeper", ".."])
def test_folders_in_each_other_are_refused(copy: Copy, folders: tuple[Path, Path], dest: str) -> None:
    result = copy(dest=str(folders[0] / dest))
    assert result["failed"] and "lie in each other; name two separate folders." in result["msg"]


def test_unknown_owner(copy: Copy, folders: tuple[Path, Path]) -> None:
    assert "There is no such owner or group" in copy(owner="nobody-of-this-name")["msg"]
    assert copy(owner="nobody-of-this-name", check_mode=True)["files"] == 2


def test_ownership_is_set_and_repaired(copy: Copy, folders: tuple[Path, Path]) -> None:
    result = copy(owner="nobody", group="nogroup")
    if os.geteuid() != 0:
        # Only root can give files away.
        assert result["failed"] and "Operation not permitted" in result["msg"]
        return
    paths = [folders[1], *folders[1].rglob("*")]
    owners = {path.lstat().st_uid for path in paths}
    assert len(paths) == 4 and owners == {os.stat(folders[1]).st_uid} and 0 not in owners
    os.chown(folders[1] / "b.sh", 0, 0)
    assert copy(owner="nobody", group="nogroup")["changed"]
    assert (folders[1] / "b.sh").stat().st_uid in owners
    assert copy(owner="nobody", group="nogroup")["changed"] is False


def test_a_source_that_need_not_be_there(copy: Copy, tmp_path: Path) -> None:
    assert copy(src=str(tmp_path / "none"), required=False)["changed"] is False


def test_missing_source(copy: Copy, tmp_path: Path) -> None:
    assert copy(src=str(tmp_path / "none"))["msg"] == f"There is no folder {tmp_path}/none; correct src."
