# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and repositories of the controller as sources of DAGs; `tests/integration_dags` asks servers."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._dag_source_git import GitSource
from ansible_collections.updraft.airflow.plugins.module_utils._dag_source_s3 import S3Source
from ansible_collections.updraft.airflow.plugins.module_utils._dag_sources import (
    Controller,
    FolderSource,
    Revision,
    Source,
    SourceError,
    requirements_of,
)

Open = Callable[..., Source]
GIT_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Jane",
    "GIT_AUTHOR_EMAIL": "jane@example.org",
    "GIT_COMMITTER_NAME": "Jane",
    "GIT_COMMITTER_EMAIL": "jane@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    """A controller whose inventory is in the test's folder."""
    (tmp_path / "work").mkdir()
    return Controller(str(tmp_path), str(tmp_path / "work"), lambda path: Path(path).read_text(encoding="utf-8"))


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    """A folder with a DAG, a module and a program."""
    folder = tmp_path / "dags"
    (folder / "lib" / "__pycache__").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "hello.py").write_text("print('hello')\n")
    (folder / "lib" / "__init__.py").write_text("")
    (folder / "lib" / "__pycache__" / "x.pyc").write_text("")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


@pytest.fixture
def folder_source(controller: Controller, dags: Path) -> Open:
    def opened(**options: Any) -> Source:
        return FolderSource({"source": "folder", "path": "dags", **options}, controller)

    return opened


def members(archive: Path) -> dict[str, tarfile.TarInfo]:
    """What is in an archive, without folders."""
    with tarfile.open(archive) as content:
        return {member.name: member for member in content.getmembers() if not member.isdir()}


def finding(source: Source) -> str:
    """The one sentence that speaks against a source."""
    with pytest.raises(SourceError) as error:
        source.resolve()
    (sentence,) = error.value.findings
    return sentence


def test_a_folder_is_named_by_its_content(folder_source: Open, dags: Path) -> None:
    first = folder_source().resolve()
    assert first.name.startswith("folder-") and first.description == f"those of {dags} on the controller ({first.name[7:]})"
    (dags / ".git" / "HEAD").write_text("ref: refs/heads/other\n")
    (dags / "lib" / "__pycache__" / "y.pyc").write_text("")
    os.utime(dags / "hello.py", (1, 1))
    assert folder_source().resolve().name == first.name
    (dags / "hello.py").write_text("print('hullo')\n")
    second = folder_source().resolve()
    (dags / "hello.py").chmod(0o755)
    third = folder_source().resolve()
    (dags / "hello.py").rename(dags / "hi.py")
    assert len({first.name, second.name, third.name, folder_source().resolve().name}) == 4


def test_a_folder_is_packed_without_what_does_not_belong(folder_source: Open, tmp_path: Path, dags: Path) -> None:
    (dags / "also.py").symlink_to("hello.py")
    source = folder_source()
    source.pack(source.resolve(), str(tmp_path / "a.tar.gz"))
    found = members(tmp_path / "a.tar.gz")
    assert set(found) == {"also.py", "hello.py", "lib/__init__.py", "run.sh"}
    assert found["also.py"].linkname == "hello.py"
    assert found["run.sh"].mode & 0o111


def test_a_folder_that_changes_meanwhile_is_told(folder_source: Open, tmp_path: Path, dags: Path) -> None:
    revision = folder_source().resolve()
    (dags / "hello.py").write_text("")
    with pytest.raises(SourceError, match=f"^{dags} on the controller changed during the run: run again.$"):
        folder_source().pack(revision, str(tmp_path / "a.tar.gz"))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("mv dags d", "There is no folder {0}/dags on the controller: correct airflow_dags.path."),
        (
            "rm dags/*.py dags/lib/*.py",
            "The folder {0}/dags on the controller holds no file that ends with .py or .zip: correct the path in airflow_dags.",
        ),
        (
            "ln -s /etc dags/lib/etc",
            "lib/etc in {0}/dags is a link to /etc, which does not come along: put the file itself there.",
        ),
        (
            "ln -s ../x.py dags/x.py",
            "x.py in {0}/dags is a link to ../x.py, which does not come along: put the file itself there.",
        ),
    ],
)
def test_a_folder_that_is_refused(folder_source: Open, tmp_path: Path, spoil: str, sentence: str) -> None:
    subprocess.run(["sh", "-c", spoil], cwd=tmp_path, check=True)
    assert finding(folder_source()) == sentence.format(tmp_path)


def test_requirements_are_read_beside_the_dags(folder_source: Open, dags: Path, tmp_path: Path) -> None:
    assert folder_source().resolve().requirements == []
    (dags / "requirements.txt").write_text("pandas==2.3.0  # for the reports\n\n# comment\nhumanize>=4 ; \\\n  python_version < '3.13'\n")
    assert folder_source().resolve().requirements == ["pandas==2.3.0", "humanize>=4 ;    python_version < '3.13'"]
    (tmp_path / "all.txt").write_text("rich\n")
    assert folder_source(requirements="../all.txt").resolve().requirements == ["rich"]
    assert folder_source(requirements="").resolve().requirements == []
    sentence = f"There is no {dags}/other.txt, which airflow_dags.requirements names: correct it, or remove it."
    assert finding(folder_source(requirements="other.txt")) == sentence


@pytest.mark.parametrize("line", ["-r base.txt", "--constraint https://example.org/c.txt", "./wheels/x.whl", "a==1 --hash=sha256:00"])
def test_requirements_that_are_refused(line: str) -> None:
    with pytest.raises(SourceError) as error:
        requirements_of(f"pandas\n{line}\n", "requirements.txt in v1 of x", True)
    assert error.value.findings == [
        f"requirements.txt in v1 of x holds {line!r}: write packages only, without options of pip, paths or addresses in front; Airflow's "
        "own packages are pinned by the lock, and another index is airflow_package_index_url."
    ]


class Repository:
    """A repository on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run git in it."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env={**os.environ, **GIT_ENVIRONMENT}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        """Write files (`__` is a slash, a dot is added before py and txt) and commit them."""
        for name, content in files.items():
            path = self.path / name.replace("__", "/").replace("_py", ".py").replace("_txt", ".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.commit(dags__a_py="1", requirements_txt="rich\n", dags__requirements_txt="humanize\n", README_txt="")
    made.git("tag", "--annotate", "--message=x", "v1")
    return made


@pytest.fixture
def git_source(controller: Controller, repository: Repository) -> Open:
    def opened(**options: Any) -> Source:
        return GitSource({"source": "git", "repository": str(repository.path), "ref": "main", **options}, controller)

    return opened


def test_a_ref_is_looked_up_now(git_source: Open, repository: Repository, tmp_path: Path) -> None:
    first = repository.git("rev-parse", "main")
    second = repository.commit(dags__a_py="2")
    found = {ref: git_source(ref=ref, subdirectory="dags").resolve() for ref in ("v1", "main", first, second)}
    assert {ref: revision.details["commit"] for ref, revision in found.items()} == {
        "v1": first,
        "main": second,
        first: first,
        second: second,
    }
    assert found["v1"].name == found[first].name != found["main"].name == found[second].name
    assert found["v1"].name == f"git-{first[:12]}-{repository.git('rev-parse', 'v1:dags')[:8]}"
    assert found["v1"].description == f"those of v1 of {repository.path}, folder dags (commit {first[:12]})"
    repository.commit(dags__a_py="3")
    git_source(ref="main", subdirectory="dags").pack(found["main"], str(tmp_path / "a.tar.gz"))
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        content = archive.extractfile("a.py")
        assert content is not None and content.read() == b"2"


def test_a_folder_of_a_repository(git_source: Open, tmp_path: Path) -> None:
    whole, part = git_source(), git_source(subdirectory="dags/")
    assert (whole.resolve().requirements, part.resolve().requirements) == (["rich"], ["humanize"])
    assert git_source(subdirectory="dags", requirements="../requirements.txt").resolve().requirements == ["rich"]
    part.pack(part.resolve(), str(tmp_path / "a.tar.gz"))
    assert set(members(tmp_path / "a.tar.gz")) == {"a.py", "requirements.txt"}


def test_a_repository_is_fetched_again_where_it_is_gone(git_source: Open, controller: Controller, tmp_path: Path) -> None:
    revision = git_source().resolve()
    subprocess.run(["rm", "-r", *Path(controller.work_dir).iterdir()], check=True)
    git_source().pack(revision, str(tmp_path / "a.tar.gz"))
    assert "dags/a.py" in members(tmp_path / "a.tar.gz")


def test_nothing_secret_stays(git_source: Open, controller: Controller) -> None:
    git_source(token="t0ken").resolve()
    assert not [path for path in Path(controller.work_dir).rglob("*") if path.is_file() and b"t0ken" in path.read_bytes()]
    assert not list(Path(controller.work_dir).glob("access-*"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ref": "v2"}, "{0} has no tag, branch or commit v2: correct airflow_dags.ref; a commit is written in full."),
        ({"ref": "f" * 40}, "{0} has no tag, branch or commit " + "f" * 40 + ": correct airflow_dags.ref; a commit is written in full."),
        ({"subdirectory": "dag"}, "main of {0} has no folder dag: correct airflow_dags.subdirectory."),
        ({"subdirectory": "dags/a.py"}, "main of {0} has no folder dags/a.py: correct airflow_dags.subdirectory."),
        (
            {"requirements": "r.txt"},
            "There is no r.txt in main of {0}, which airflow_dags.requirements names: correct it, or remove it.",
        ),
    ],
)
def test_a_repository_that_is_refused(git_source: Open, repository: Repository, options: dict[str, str], sentence: str) -> None:
    assert finding(git_source(**options)) == sentence.format(repository.path)


def test_a_repository_that_is_not_there_is_told_with_gits_reason(git_source: Open) -> None:
    told = finding(git_source(repository="file:///nowhere/dags.git"))
    assert told == "file:///nowhere/dags.git could not be fetched: fatal: '/nowhere/dags.git' does not appear to be a git repository."


def test_a_repository_without_dags_is_refused(git_source: Open, repository: Repository) -> None:
    repository.commit(docs__x_txt="")
    sentence = f"main of {repository.path}, folder docs holds no file that ends with .py or .zip: correct the path in airflow_dags."
    assert finding(git_source(subdirectory="docs")) == sentence


def test_submodules_are_refused(git_source: Open, repository: Repository) -> None:
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository.path), "libs/x")
    repository.commit()
    assert finding(git_source()) == f"main of {repository.path} has submodules (libs/x), which are not fetched: put their files into it."


def test_a_link_out_of_a_repository_is_refused(git_source: Open, repository: Repository) -> None:
    (repository.path / "dags" / "x.py").symlink_to("../../x.py")
    repository.commit()
    sentence = f"x.py in main of {repository.path} is a link to ../../x.py, which does not come along: put the file itself there."
    assert finding(git_source(subdirectory="dags")) == sentence


def test_keys_that_are_refused(git_source: Open, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "long enough", "-f", str(tmp_path / "locked")], check=True)
    assert finding(git_source(deploy_key="locked")) == (
        "airflow_dags.deploy_key is protected by a passphrase, which nobody can type here: give a key without one."
    )
    assert finding(git_source(deploy_key="-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----")) == (
        "airflow_dags.deploy_key is no private key of OpenSSH: write the whole file, with its first and last line."
    )
    assert (
        finding(git_source(deploy_key="keys/none"))
        == f"There is no file {tmp_path}/keys/none on the controller: correct airflow_dags.deploy_key."
    )


def test_a_controller_without_git_is_told(git_source: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert finding(git_source()) == "airflow_dags has the source git, and the controller has no git: install it there."


class Bucket:
    """What boto3 would say of a bucket."""

    def __init__(self, objects: dict[str, str]) -> None:
        self.objects = objects

    def get_paginator(self, _name: str) -> Bucket:
        """The only list there is."""
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
        """Two pages."""
        found = [{"Key": key, "ETag": tag} for key, tag in self.objects.items() if key.startswith(Prefix)]
        return [{"Contents": found[:1]}, {"Contents": found[1:]}, {}]


def bucket(controller: Controller, objects: dict[str, str], **options: str) -> S3Source:
    """A bucket with keys and ETags."""
    source = S3Source({"source": "s3", "bucket": "b", "requirements": "", **options}, controller)
    source._opened = Bucket(objects)
    return source


def test_a_bucket_is_named_by_keys_and_etags(controller: Controller) -> None:
    first = bucket(controller, {"dags/": "0", "dags/a.py": "1", "dags/b/c.py": "2", "other.py": "3"}, prefix="dags").resolve()
    same = {"dags/b/c.py": "2", "dags/__pycache__/x.pyc": "9", "dags/a.py": "1"}
    assert bucket(controller, same, prefix="dags/").resolve() == first
    assert bucket(controller, {**same, "dags/a.py": "7"}, prefix="dags").resolve().name != first.name
    assert first == Revision(first.name, f"those of s3://b/dags/ ({first.name[3:]})", [])


@pytest.mark.parametrize("name", ["../x.py", "a//b.py", "a.py/b.py"])
def test_keys_that_are_no_paths_are_refused(controller: Controller, name: str) -> None:
    wrong = "a.py" if name == "a.py/b.py" else name
    sentence = f"'{wrong}' in s3://b/ cannot be a file on a host: rename the object."
    assert finding(bucket(controller, {"a.py": "1", name: "2"})) == sentence


def test_an_empty_prefix_is_refused(controller: Controller) -> None:
    sentence = "s3://b/dag/ at https://s3.example.org holds no file that ends with .py or .zip: correct the path in airflow_dags."
    assert finding(bucket(controller, {"dags/a.py": "1"}, prefix="dag", endpoint_url="https://s3.example.org")) == sentence


def test_a_controller_without_boto3_is_told(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    source = S3Source({"source": "s3", "bucket": "b"}, controller)
    assert finding(source) == "airflow_dags has the source s3, and Ansible's Python on the controller has no boto3: install it there."
