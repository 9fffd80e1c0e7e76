# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks: the files an environment is installed from, and the digest that names its folder."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence

DIGEST_LENGTH = 12


def package_name(requirement: str) -> str:
    """The normalised name at the start of a requirement."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""


def lock_files(files_dir: str, version: str, parts: Sequence[str]) -> list[str]:
    """The lock of a version and the further ones of parts such as a database engine; none for a version without a lock."""
    names = [f"{version}.txt", *(f"{version}-{part}.txt" for part in parts)]
    paths = [os.path.join(files_dir, "locks", name) for name in names]
    return paths if all(os.path.isfile(path) for path in paths) else []


def locked_names(paths: Iterable[str]) -> set[str]:
    """The packages that locks hold."""
    names: set[str] = set()
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            names.update(package_name(line) for line in lines if line[:1].isalnum())
    return names


def environment_digest(paths: Sequence[str], further: Sequence[str]) -> str:
    """Changes whenever something else would be installed: the locks' content, the requirements, the Python."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as lock:
            digest.update(lock.read())
    for text in further:
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()[:DIGEST_LENGTH]
