# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DAGs from real servers of git."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._dag_source_git import GitSource
from ansible_collections.updraft.airflow.plugins.module_utils._dag_sources import Controller, Revision, SourceError
from git_servers import TOKEN, HttpsServer, Repository, SshServer, make_key

Resolve = Callable[..., Revision]


@pytest.fixture
def by_ssh(ssh_server: SshServer, controller: Controller) -> Resolve:
    def resolve(**options: Any) -> Revision:
        given = {"deploy_key": ssh_server.key.read_text(), "known_hosts": ssh_server.known_hosts, "ref": "v1", **options}
        return GitSource({"source": "git", "repository": ssh_server.address("dags"), "subdirectory": "dags", **given}, controller).resolve()

    return resolve


@pytest.fixture
def by_https(https_server: HttpsServer, controller: Controller, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    monkeypatch.setenv("GIT_SSL_CAINFO", str(https_server.certificate))

    def resolve(**options: Any) -> Revision:
        given = {"token": TOKEN, "ref": "v1", **options}
        return GitSource(
            {"source": "git", "repository": https_server.address("dags"), "subdirectory": "dags", **given}, controller
        ).resolve()

    return resolve


@pytest.fixture
def overheard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What stood in the arguments of every program that was started by name."""
    folder, log = tmp_path / "programs", tmp_path / "arguments"
    folder.mkdir()
    for name in ("git", "ssh", "ssh-keygen"):
        (folder / name).write_text(f'#!/bin/sh\nprintf "%s " {name} "$@" >> {log}\nexec {shutil.which(name)} "$@"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log.read_text


def refused(resolve: Resolve, **options: Any) -> str:
    """The one sentence that speaks against a repository."""
    with pytest.raises(SourceError) as error:
        resolve(**options)
    (sentence,) = error.value.findings
    return sentence


def files_with(folder: str, text: str) -> list[Path]:
    """Files of a folder that hold a text."""
    return [path for path in Path(folder).rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_deploy_key_reads(by_ssh: Resolve, repository: Repository, ssh_server: SshServer, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(ssh_server.key.read_text().replace("\n", "\r\n").rstrip())
    (tmp_path / "hosts").write_text(ssh_server.known_hosts)
    commits = {"v1": repository.git("rev-parse", "v1"), "main": repository.git("rev-parse", "main")}
    assert by_ssh().details["commit"] == commits["v1"]
    assert by_ssh(ref="main", deploy_key="key", known_hosts="hosts").details["commit"] == commits["main"]
    assert by_ssh(ref=commits["v1"]).requirements == ["rich"]


def test_the_archive_has_the_commit(ssh_server: SshServer, controller: Controller, tmp_path: Path) -> None:
    options = {"deploy_key": str(ssh_server.key), "known_hosts": ssh_server.known_hosts, "ref": "v1", "subdirectory": "dags"}
    source = GitSource({"source": "git", "repository": ssh_server.address("dags"), **options}, controller)
    source.pack(source.resolve(), str(tmp_path / "a.tar.gz"))
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        content = archive.extractfile("a.py")
        assert content is not None and content.read() == b"1"


def test_a_key_is_in_no_argument_and_stays_nowhere(
    by_ssh: Resolve, ssh_server: SshServer, controller: Controller, overheard: Callable[[], str]
) -> None:
    by_ssh()
    secret = ssh_server.key.read_text().splitlines()[2]
    assert "ssh " in overheard() and "StrictHostKeyChecking=yes" in overheard()
    assert secret not in overheard()
    assert files_with(controller.work_dir, secret) == []


def test_a_key_is_readable_by_nobody_else(by_ssh: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    (tmp_path / "bin").mkdir()
    script = f'#!/bin/sh\nfor word in "$@"; do case "$word" in */key) stat -c %a "$word" "$(dirname "$word")" > {seen} ;; esac; done\nexec '
    (tmp_path / "bin" / "ssh").write_text(f'{script}{shutil.which("ssh")} "$@"\n')
    (tmp_path / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    before = os.umask(0)
    try:
        by_ssh()
    finally:
        os.umask(before)
    assert seen.read_text().split() == ["600", "700"]


def test_a_server_that_nobody_vouched_for_is_refused(by_ssh: Resolve, tmp_path: Path, ssh_server: SshServer) -> None:
    other = make_key(tmp_path / "other").rsplit(" ", 1)[0]
    sentence = (
        "The ssh key of 127.0.0.1 is not the one expected, or not known: set airflow_dags.known_hosts to its line (ssh-keyscan 127.0.0.1 "
        "shows it; compare it with what the server's owner publishes)."
    )
    assert refused(by_ssh, known_hosts=f"[127.0.0.1]:{ssh_server.port} {other}") == sentence
    assert refused(by_ssh, known_hosts=None) == sentence


def test_a_key_that_the_server_does_not_know_is_told(by_ssh: Resolve, tmp_path: Path, ssh_server: SshServer) -> None:
    make_key(tmp_path / "other")
    address = ssh_server.address("dags")
    assert refused(by_ssh, deploy_key="other") == (
        f"127.0.0.1 does not accept the key for {address}: set airflow_dags.deploy_key to a key that may read the repository."
    )


def test_a_tag_that_is_not_there_is_told(by_ssh: Resolve, by_https: Resolve, ssh_server: SshServer, https_server: HttpsServer) -> None:
    end = "has no tag, branch or commit v9: correct airflow_dags.ref; a commit is written in full."
    assert refused(by_ssh, ref="v9") == f"{ssh_server.address('dags')} {end}"
    assert refused(by_https, ref="v9") == f"{https_server.address('dags')} {end}"


def test_a_token_reads(by_https: Resolve, repository: Repository, controller: Controller, overheard: Callable[[], str]) -> None:
    assert by_https().details["commit"] == repository.git("rev-parse", "v1")
    assert by_https(ref="main", username="git").details["commit"] == repository.git("rev-parse", "main")
    assert "git " in overheard() and TOKEN not in overheard()
    assert files_with(controller.work_dir, TOKEN) == []


def test_a_token_is_given_to_no_helper(by_https: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gitconfig").write_text(f"[credential]\n  helper = store --file={tmp_path}/kept\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    by_https()
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("token", ["wrong", None])
def test_a_token_that_the_server_does_not_know_is_told(by_https: Resolve, https_server: HttpsServer, token: str | None) -> None:
    assert refused(by_https, token=token) == (
        f"127.0.0.1 does not let the controller read {https_server.address('dags')}: set airflow_dags.token (and username) to one that may."
    )


def test_a_certificate_that_nobody_signed_is_told(by_https: Resolve, https_server: HttpsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO")
    sentence = refused(by_https)
    assert sentence.startswith(f"{https_server.address('dags')} could not be fetched: fatal: unable to access")
    assert "certificate" in sentence and TOKEN not in sentence


def test_a_repository_that_is_not_there_is_told(by_ssh: Resolve, ssh_server: SshServer) -> None:
    address = ssh_server.address("none")
    assert refused(by_ssh, repository=address).startswith(f"{address} could not be fetched: ")


def test_work_files_are_the_controllers_own(by_ssh: Resolve, controller: Controller) -> None:
    by_ssh()
    assert [path.name for path in Path(controller.work_dir).iterdir() if not path.name.startswith("git-")] == []
    assert all(not stat.S_ISLNK(path.lstat().st_mode) for path in Path(controller.work_dir).rglob("*"))
