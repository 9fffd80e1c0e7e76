# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of DAGs, asked on the controller: which revision is there now, and its files as one archive for the hosts."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._dag_options import NAME, requirements_path
from ._topology_locks import package_name

DIGEST_LENGTH = 12
DAG_SUFFIXES = (".py", ".zip")
LEFT_OUT_FOLDERS = (".git", ".hg", ".svn", "__pycache__")
LEFT_OUT_SUFFIXES = (".pyc", ".pyo")


class SourceError(Exception):
    """The source cannot be used; `findings` says why, one sentence each."""

    def __init__(self, *findings: str) -> None:
        self.findings = list(findings)
        super().__init__(" ".join(findings))


@dataclass(frozen=True)
class Revision:
    """What a source holds at one moment."""

    name: str
    description: str
    requirements: list[str]
    details: dict[str, str] = field(default_factory=dict)
    """What the source needs to find this revision again."""


@dataclass(frozen=True)
class Controller:
    """What a source needs of the controller."""

    base_dir: str
    """Where relative paths start."""
    work_dir: str
    """A folder that is there for this run only."""
    read_text: Callable[[str], str]
    """Reads a file that Ansible Vault may have encrypted."""

    def path(self, name: str) -> str:
        """A path of the user's as an absolute one."""
        return os.path.normpath(os.path.join(self.base_dir, os.path.expanduser(name)))


class Source(Protocol):
    """Where DAGs come from."""

    def resolve(self) -> Revision:
        """What is there now. Raises SourceError."""

    def pack(self, revision: Revision, target: str) -> None:
        """Write the files of a revision as a tar.gz. Raises SourceError."""


class FolderSource:
    """A folder of the controller; its revision is a digest of names, content, and who may execute."""

    def __init__(self, options: Mapping[str, Any], controller: Controller) -> None:
        self.folder = controller.path(options["path"])
        name = requirements_path(options)
        self.requirements = os.path.normpath(os.path.join(self.folder, name)) if name else ""
        self.must_have_requirements = bool(options.get("requirements"))

    def resolve(self) -> Revision:
        """Read every file."""
        if not os.path.isdir(self.folder):
            raise SourceError(f"There is no folder {self.folder} on the controller: correct {NAME}.path.")
        digest = folder_digest(self.folder)
        return Revision(f"folder-{digest}", f"those of {self.folder} on the controller ({digest})", self._requirements())

    def _requirements(self) -> list[str]:
        if not self.requirements:
            return []
        text = read_if_there(self.requirements)
        return requirements_of(text, self.requirements, self.must_have_requirements)

    def pack(self, revision: Revision, target: str) -> None:
        """Write the archive, unless the folder is another one by now."""
        pack_folder(self.folder, target)
        if revision.name != f"folder-{folder_digest(self.folder)}":
            raise SourceError(f"{self.folder} on the controller changed during the run: run again.")


def read_if_there(path: str) -> str | None:
    """The text of a file, None where there is none."""
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def requirements_of(text: str | None, place: str, must_be_there: bool) -> list[str]:
    """The requirements in a file's text. Raises SourceError with what this collection cannot honour."""
    if text is None and must_be_there:
        raise SourceError(f"There is no {place}, which {NAME}.requirements names: correct it, or remove it.")
    lines = re.sub(r"\\\r?\n", " ", text or "").splitlines()
    found = [re.sub(r"(^|\s)#.*$", "", line).strip() for line in lines]
    wrong = [line for line in found if line and (not package_name(line) or re.search(r"\s--?\w", line))]
    if wrong:
        raise SourceError(
            *(
                f"{place} holds {line!r}: write packages only, without options of pip, paths or addresses in front; Airflow's own packages "
                "are pinned by the lock, and another index is airflow_package_index_url."
                for line in wrong
            )
        )
    return [line for line in found if line]


def refuse_without_dags(paths: Iterable[str], place: str) -> None:
    """A wrong path would take every DAG away: a source without a file that can be a DAG is refused."""
    if not any(path.endswith(DAG_SUFFIXES) for path in paths):
        raise SourceError(f"{place} holds no file that ends with {' or '.join(DAG_SUFFIXES)}: correct the path in {NAME}.")


def refuse_link(path: str, target: str, place: str) -> None:
    """A link must lead to something that travels with it."""
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if target.startswith("/") or inside.split("/")[0] == "..":
        raise SourceError(f"{path} in {place} is a link to {target}, which does not come along: put the file itself there.")


def list_folder(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """(path inside the folder, status) of each file and link, in a fixed order. Nothing of version control, nothing compiled."""
    for root, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT_FOLDERS and name not in links)
        for name in sorted([*files, *links]):
            path = os.path.join(root, name)
            status = os.lstat(path)
            is_content = stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)
            if is_content and name not in LEFT_OUT_FOLDERS and not name.endswith(LEFT_OUT_SUFFIXES):
                yield os.path.relpath(path, folder), status


def folder_digest(folder: str) -> str:
    """A short digest of a folder's content. Raises SourceError when it holds no DAG, or a link out of it."""
    digest = hashlib.sha256()
    paths = []
    try:
        for path, status in list_folder(folder):
            paths.append(path)
            digest.update(f"{path}\0{_kind(status)}\0".encode("utf-8", "surrogateescape"))
            digest.update(_content_digest(os.path.join(folder, path), path, status, folder))
    except OSError as error:
        raise SourceError(f"{error.filename} on the controller could not be read ({error.strerror}): make it readable.") from None
    refuse_without_dags(paths, f"The folder {folder} on the controller")
    return digest.hexdigest()[:DIGEST_LENGTH]


def _kind(status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return "link"
    return "program" if status.st_mode & stat.S_IXUSR else "file"


def _content_digest(full_path: str, path: str, status: os.stat_result, folder: str) -> bytes:
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(full_path)
        refuse_link(path, target, folder)
        return hashlib.sha256(os.fsencode(target)).digest()
    digest = hashlib.sha256()
    with open(full_path, "rb") as stream:
        for block in iter(lambda: stream.read(1024 * 1024), b""):
            digest.update(block)
    return digest.digest()


def pack_folder(folder: str, target: str) -> None:
    """The folder's content as a tar.gz."""
    try:
        with tarfile.open(target, "w:gz", compresslevel=6) as archive:
            for path, _status in list_folder(folder):
                archive.add(os.path.join(folder, path), arcname=path, recursive=False)
    except OSError as error:
        raise SourceError(f"{folder} on the controller could not be packed: {error.strerror}.") from None
