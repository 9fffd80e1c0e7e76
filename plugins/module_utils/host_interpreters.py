# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPython interpreters of a host."""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator

NAME = re.compile(r"python3(\.\d+)?$")
FOLDERS = ("/usr/bin", "/usr/local/bin")
OLDEST = (3, 9)
QUESTION = (
    "import json, platform, sys; "
    "print(json.dumps([platform.python_implementation(), platform.python_version(), list(sys.version_info[:2])]))"
)


def find_interpreters(search_path: str | None = None) -> list[dict[str, str]]:
    """Real CPython 3.9+ interpreters as `{path, version}`, newest first; each is started once."""
    path = os.environ.get("PATH", "") if search_path is None else search_path
    folders = [*FOLDERS, *(folder for folder in path.split(os.pathsep) if folder)]
    found = [entry for entry in map(_ask, _binaries(folders)) if entry]
    found.sort(key=lambda entry: ([int(part) for part in re.findall(r"\d+", entry["version"])[:3]], entry["path"]))
    return found[::-1]


def _binaries(folders: Iterable[str]) -> Iterator[str]:
    seen = set()
    for folder in folders:
        for candidate in sorted(glob.glob(os.path.join(glob.escape(folder), "python3*"))):
            path = os.path.realpath(candidate)
            if NAME.search(candidate) and path not in seen and _is_program(path) and not _in_environment(candidate):
                seen.add(path)
                yield path


def _is_program(path: str) -> bool:
    """Whether this is a binary. Version managers put scripts in its place, which may start anything or nothing."""
    try:
        with open(path, "rb") as handle:
            return handle.read(4) == b"\x7fELF" and os.access(path, os.X_OK)
    except OSError:
        return False


def _in_environment(path: str) -> bool:
    return os.path.exists(os.path.join(os.path.dirname(os.path.dirname(path)), "pyvenv.cfg"))


def _ask(path: str) -> dict[str, str] | None:
    try:
        answer = subprocess.run([path, "-I", "-S", "-c", QUESTION], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=True)
        implementation, version, short = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if implementation != "CPython" or tuple(short) < OLDEST:
        return None
    return {"path": path, "version": str(version)}
