# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_dag_revision on real folders."""

from __future__ import annotations

import io
import json
import os
import pwd
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunModule = Callable[..., dict[str, Any]]
DAY = 86400


class Host:
    """The folders of a host, and the module on it."""

    def __init__(self, run_module: RunModule, root: Path, user: str) -> None:
        self.run_module = run_module
        self.root = root
        self.user = user
        self.folder = root / "dag_revisions"
        self.link = root / "dags"

    def run(self, phase: str, revision: str, **arguments: Any) -> dict[str, Any]:
        """One call of the module."""
        places = {"folder": str(self.folder), "link": str(self.link), "owner": self.user}
        return self.run_module("airflow_dag_revision", phase=phase, revision=revision, **places, **arguments)

    def deploy(self, revision: str, *, switch: bool = True, **files: str) -> dict[str, Any]:
        """Fetch a revision with these files, and switch to it."""
        fetched = self.run("fetch", revision, archive=self.archive(**files), description=f"those of {revision}")
        return self.run("switch", revision) if switch else fetched

    def archive(self, *special: tarfile.TarInfo, **files: str) -> str:
        """An archive with Python files, and with further members."""
        path = self.root / "archive.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name.replace("__", "/") + ".py")
                member.size = len(content)
                member.mode = 0o664
                archive.addfile(member, io.BytesIO(content.encode()))
            for member in special:
                archive.addfile(member)
        return str(path)

    def listed(self) -> set[str]:
        """Names in the folder of all revisions."""
        return set(os.listdir(self.folder))


@pytest.fixture
def host(run_module: RunModule, tmp_path: Path, user: str) -> Host:
    return Host(run_module, tmp_path, user)


def link_to(name: str, target: str) -> tarfile.TarInfo:
    """A link in an archive."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def test_fetch_stores_and_leaves_the_link_alone(host: Host) -> None:
    assert host.run("fetch", "r1") == {**host.run("fetch", "r1"), "changed": True, "missing": True, "current": False, "sentences": []}
    first = host.deploy("r1", switch=False, a="1", lib__b="2")
    assert (first["changed"], first["missing"], first["current"]) == (True, True, False), first
    assert not host.link.exists()
    assert host.listed() == {"r1", "r1.json"}
    assert json.loads((host.folder / "r1.json").read_text())["description"] == "those of r1"
    again = host.run("fetch", "r1")
    assert (again["changed"], again["missing"], again["current"]) == (False, False, False)


def test_files_are_not_the_daemons_own(host: Host) -> None:
    program = tarfile.TarInfo("run.sh")
    program.mode = 0o775
    host.run("fetch", "r1", archive=host.archive(program, link_to("lib/c.py", "../a.py"), a="1", lib__b="2"))
    modes = {path.relative_to(host.folder / "r1").as_posix(): path.lstat().st_mode & 0o777 for path in (host.folder / "r1").rglob("*.*")}
    assert modes == {"a.py": 0o644, "lib/b.py": 0o644, "lib/c.py": 0o777, "run.sh": 0o755}
    caches = {path.relative_to(host.folder).as_posix(): path.owner() for path in host.folder.rglob("__pycache__")}
    assert caches == {"r1/__pycache__": host.user, "r1/lib/__pycache__": host.user}
    assert (host.folder / "r1" / "lib").owner() == pwd.getpwuid(os.geteuid()).pw_name
    assert (host.folder / "r1" / "lib").stat().st_mode & 0o777 == 0o755


def test_switch_changes_the_link_once(host: Host) -> None:
    host.deploy("r1", switch=False, a="1")
    assert host.run("switch", "r1", check_mode=True)["changed"] and not host.link.exists()
    first = host.run("switch", "r1")
    assert (first["changed"], first["diff"]) == (True, {"before": "no revision\n", "after": "r1\n"}), first
    assert os.readlink(host.link) == str(host.folder / "r1")
    assert host.run("switch", "r1")["changed"] is False
    assert host.run("fetch", "r1")["current"] is True
    assert host.deploy("r2", a="2")["diff"] == {"before": "r1\n", "after": "r2\n"}
    assert (host.link / "a.py").read_text() == "2"
    assert (host.folder / "r1" / "a.py").read_text() == "1"


def test_switch_makes_files_newer_than_the_last_look(host: Host) -> None:
    host.deploy("r1", a="1")
    host.deploy("r2", a="2")
    os.utime(host.folder / "r1" / "a.py", (1, 1))
    before = time.time() - 2
    host.run("switch", "r1")
    assert (host.link / "a.py").stat().st_mtime > before


def test_compiled_files_do_not_count(host: Host) -> None:
    host.deploy("r1", a="1")
    (host.folder / "r1" / "__pycache__" / "a.pyc").write_text("x")
    assert host.run("fetch", "r1")["changed"] is False


@pytest.mark.parametrize("spoil", ["echo 2 > a.py", "rm a.py", "touch b.py", "chmod +x a.py", "ln -sf /etc/passwd a.py"])
def test_what_was_changed_by_hand_is_written_anew_and_kept(host: Host, spoil: str) -> None:
    host.deploy("r1", a="1")
    os.system(f"cd {host.folder}/r1 && {spoil}")
    spoilt = sorted(path.name for path in (host.folder / "r1").glob("*.py"))
    assert host.run("fetch", "r1")["missing"] is True
    result = host.deploy("r1", switch=False, a="1")
    assert result["sentences"] == [
        f"{host.folder}/r1 was changed by hand: it is written anew, and what was there is kept as {host.folder}/r1.changed."
    ]
    assert [path.name for path in host.link.glob("*.py")] == ["a.py"] and (host.link / "a.py").read_text() == "1"
    assert sorted(path.name for path in (host.folder / "r1.changed").glob("*.py")) == spoilt
    assert host.run("fetch", "r1")["changed"] is False


def test_a_killed_run_leaves_no_half_revision(host: Host) -> None:
    host.folder.mkdir()
    (host.folder / ".new-abc").mkdir()
    (host.folder / "r1").mkdir()
    (host.folder / "r1.json").write_text('{"files": ')
    assert host.run("fetch", "r1")["missing"] is True
    host.deploy("r1", a="1")
    assert host.listed() == {"r1", "r1.json", "r1.changed"}


def test_a_folder_in_the_way_is_kept(host: Host) -> None:
    (host.link / "mine").mkdir(parents=True)
    (host.link / "a.py").write_text("1")
    (host.link / "mine" / "b.py").write_text("2")
    maybe = host.run("fetch", "r1", check_mode=True)["sentences"]
    sure = host.deploy("r1", switch=False, a="1")["sentences"]
    end = "the folder will be kept beside it as dags.before-r1, and Airflow will read the revision only."
    assert maybe == [f"{host.link} is a folder with files that may not be in the revision (a.py, mine/b.py): {end}"]
    assert sure == [f"{host.link} is a folder with files that the revision does not have, or has otherwise (mine/b.py): {end}"]
    assert host.run("switch", "r1")["sentences"] == [f"What was in {host.link} is kept as {host.link}.before-r1."]
    assert (host.root / "dags.before-r1" / "mine" / "b.py").read_text() == "2"
    assert host.link.is_symlink()


def test_a_folder_with_the_same_files_needs_no_word(host: Host) -> None:
    (host.link / "__pycache__").mkdir(parents=True)
    (host.link / "a.py").write_text("1")
    assert host.deploy("r1", switch=False, a="1")["sentences"] == []
    host.run("switch", "r1")
    assert (host.root / "dags.before-r1" / "a.py").is_file()


def test_an_empty_folder_and_a_link_elsewhere_go(host: Host) -> None:
    host.link.mkdir()
    assert host.deploy("r1", a="1")["sentences"] == []
    elsewhere = host.root / "elsewhere"
    elsewhere.mkdir()
    host.link.unlink()
    host.link.symlink_to(elsewhere)
    assert host.run("fetch", "r1")["current"] is False
    assert host.run("switch", "r1")["changed"] is True
    assert elsewhere.is_dir() and host.listed() == {"r1", "r1.json"}


def test_what_is_kept_never_replaces_what_was_kept(host: Host) -> None:
    for content in ("1", "2"):
        if host.link.is_symlink():
            host.link.unlink()
        host.link.mkdir()
        (host.link / "x.py").write_text(content)
        host.deploy("r1", a="1")
    assert (host.root / "dags.before-r1" / "x.py").read_text() == "1"
    assert (host.root / "dags.before-r1-2" / "x.py").read_text() == "2"


def test_old_revisions_go_when_no_task_can_need_them(host: Host) -> None:
    for number in range(1, 6):
        host.deploy(f"r{number}", a=str(number))
    assert {"r1", "r2", "r3", "r4", "r5"} < host.listed()
    for number in range(1, 4):
        os.utime(host.folder / f"r{number}", (time.time() - 2 * DAY + number,) * 2)
    host.deploy("r6", switch=False, a="6")
    result = host.run("switch", "r6", keep=4, keep_seconds=DAY)
    # r5 and r4 are younger than a day, r3 is among the newest four with the one in use.
    assert result["pruned"] == ["r2", "r1"]
    assert host.listed() == {f"r{number}{end}" for number in (3, 4, 5, 6) for end in ("", ".json")}


def test_a_revision_that_is_not_there_is_no_target(host: Host) -> None:
    result = host.run("switch", "r1")
    assert result["msg"] == f"{host.folder}/r1 is not there: fetch the revision first."


@pytest.mark.parametrize(
    ("member", "name"),
    [
        (tarfile.TarInfo("../x.py"), "../x.py"),
        (tarfile.TarInfo("/x.py"), "/x.py"),
        (link_to("lib/l", "../../x"), "lib/l"),
        (link_to("l", "/etc"), "l"),
    ],
)
def test_an_archive_that_leads_out_is_refused(host: Host, member: tarfile.TarInfo, name: str) -> None:
    result = host.run("fetch", "r1", archive=host.archive(member, a="1"))
    assert result["msg"] == f"{name} in the archive of the DAGs leads out of it: remove it from the source."
    assert not (host.root / "x.py").exists()


def test_a_damaged_archive_is_refused(host: Host) -> None:
    path = Path(host.archive(a="1" * 5000))
    path.write_bytes(path.read_bytes()[:-30])
    assert host.run("fetch", "r1", archive=str(path))["msg"].startswith("The archive of the DAGs is damaged (")
    assert not (host.folder / "r1").exists()


def test_a_user_that_is_missing_is_told(host: Host) -> None:
    host.user = "nobody-here"
    result = host.run("fetch", "r1", archive=host.archive(a="1"))
    assert result["msg"] == "There is no user nobody-here: create it before the DAGs are stored."
