# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the packages of a hand-made Airflow are: a virtual environment, a user site or the system."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import Daemon
from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import executable

DEPTH = 4
SKIPPED = {"node_modules", "logs", "site-packages", "__pycache__"}
USER_SITE = ".local"
TOO_WIDE = ("/", "/home", "/usr", "/var")
SYSTEM_PREFIXES = ("/usr", "/usr/local")


@dataclass(frozen=True)
class Source:
    """A folder of packages with Airflow in it. `prefix` is the virtual environment, None for a user site or the system."""

    site: str
    prefix: str | None

    @property
    def python_version(self) -> str:
        """Version of its interpreter, as exact as the environment tells."""
        match = re.search(r"/python(3\.\d+)/", self.site)
        short = match.group(1) if match else ""
        told = _environment_settings(self.prefix).get("version_info") or _environment_settings(self.prefix).get("version")
        # Some tools write 3.11.2.final.0.
        numbers = re.match(r"\d+\.\d+\.\d+", told or "")
        return numbers.group(0) if numbers and numbers.group(0).startswith(short) else short

    @property
    def python_path(self) -> str | None:
        """The interpreter that its daemons run on."""
        if self.prefix:
            return os.path.realpath(os.path.join(self.prefix, "bin", "python"))
        found = [f"{folder}/bin/python{self.python_version}" for folder in SYSTEM_PREFIXES]
        return next((path for path in found if os.path.exists(path)), None)


def _environment_settings(prefix: str | None) -> dict[str, str]:
    if prefix is None:
        return {}
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8") as handle:
            pairs = (line.partition("=") for line in handle)
            return {name.strip(): value.strip() for name, _separator, value in pairs}
    except OSError:
        return {}


def find_source(home: str, owner_home: str, daemons: list[Daemon]) -> Source | None:
    """The packages that the running daemons use, else the first that are found around the AIRFLOW_HOME."""
    places = [home, owner_home, os.path.dirname(home)]
    below = (prefix for top in places if top not in TOO_WIDE for prefix in _environments_below(top))
    # One after the other: what a daemon shows makes the search unnecessary.
    for prefix in itertools.chain(_of_daemons(daemons), below):
        source = _in_prefix(prefix)
        if source:
            return source
    return _outside_environments(owner_home)


def _of_daemons(daemons: list[Daemon]) -> Iterator[str]:
    """Environments of running daemons: from their interpreter, their script, or the program itself."""
    for daemon in daemons:
        for each in (daemon, *daemon.children):
            for path in [*each.argv[:2], executable(each.process) or ""]:
                folder, name = os.path.split(path)
                if os.path.isabs(path) and (name == "airflow" or name.startswith("python")):
                    yield os.path.dirname(folder)
            # A daemon that rewrote its command line still has its environment.
            for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
                yield (each.environment or {}).get(variable, "")
            for folder in (each.environment or {}).get("PATH", "").split(os.pathsep):
                if os.path.exists(os.path.join(folder, "airflow")):
                    yield os.path.dirname(folder)


def _environments_below(top: str) -> Iterator[str]:
    """Virtual environments below a folder, nearest first, at a bounded depth."""
    level = [top]
    for _depth in range(DEPTH):
        following = []
        for folder in level:
            if _is_environment(folder):
                yield folder
            else:
                following += _folders_in(folder)
        level = following


def _folders_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name not in SKIPPED)
    except OSError:
        return []


def _is_environment(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, "pyvenv.cfg")) or os.path.isdir(os.path.join(folder, "conda-meta"))


def _in_prefix(prefix: str) -> Source | None:
    """Airflow in an environment, or in a Python that a user built (pyenv has no pyvenv.cfg)."""
    has_python = os.path.exists(os.path.join(prefix, "bin", "python3")) and os.path.basename(prefix) != USER_SITE
    if not prefix or prefix in SYSTEM_PREFIXES or not (has_python or _is_environment(prefix)):
        return None
    return next((Source(site, prefix) for site in _with_airflow(prefix, "lib/python3*/site-packages")), None)


def _outside_environments(owner_home: str) -> Source | None:
    places = [(os.path.join(owner_home, USER_SITE), "lib/python3*/site-packages")]
    for prefix in reversed(SYSTEM_PREFIXES):
        places += [(prefix, "lib/python3*/site-packages"), (prefix, "lib/python3*/dist-packages")]
    return next((Source(site, None) for prefix, pattern in places for site in _with_airflow(prefix, pattern)), None)


def _with_airflow(prefix: str, pattern: str) -> list[str]:
    """Folders of packages that hold Airflow itself, newest interpreter first."""
    found = [site for site in glob.glob(os.path.join(glob.escape(prefix), pattern)) if airflow_version(site)]
    return sorted(found, key=lambda site: [int(part) for part in re.findall(r"python3\.(\d+)", site)], reverse=True)


def airflow_version(site: str) -> str | None:
    """Airflow's version in a folder of packages, by its metadata."""
    found = [_metadata(path) for path in glob.glob(os.path.join(glob.escape(site), "apache_airflow-*.dist-info"))]
    return next((entry["version"] for entry in found if entry), None)


def read_packages(site: str) -> list[dict[str, Any]]:
    """Packages in a folder as `{name, version, url}`, by reading; `url` only for one that did not come from an index."""
    found = [_metadata(path) for path in glob.glob(os.path.join(glob.escape(site), "*.dist-info"))]
    return sorted((entry for entry in found if entry), key=lambda entry: str(entry["name"]).lower())


def _metadata(path: str) -> dict[str, Any] | None:
    headers: dict[str, str] = {}
    try:
        with open(os.path.join(path, "METADATA"), encoding="utf-8", errors="replace") as handle:
            for line in handle:
                if not line.strip():
                    break
                name, _separator, value = line.partition(":")
                headers.setdefault(name.lower(), value.strip())
    except OSError:
        return None
    if "name" not in headers or "version" not in headers:
        return None
    return {"name": headers["name"], "version": headers["version"], "url": _url(path)}


def _url(path: str) -> str | None:
    try:
        with open(os.path.join(path, "direct_url.json"), encoding="utf-8") as handle:
            found = re.search(r'"url":\s*"([^"]+)"', handle.read())
    except OSError:
        return None
    return found.group(1) if found else None
