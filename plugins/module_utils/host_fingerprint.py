# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of what has to be the same on all hosts of an installation."""

from __future__ import annotations

import glob
import hashlib
import hmac
import os
import re

PACKAGES = re.compile(r"(apache_airflow[a-z_]*|celery|kombu)-([^-]+)\.dist-info")
KEYS = {
    "AIRFLOW__CORE__FERNET_KEY": "fernet_key",
    "AIRFLOW__API__SECRET_KEY": "secret_key",
    "AIRFLOW__WEBSERVER__SECRET_KEY": "secret_key",
    "AIRFLOW__API_AUTH__JWT_SECRET": "jwt_secret",
}
LINE = re.compile(r'([A-Z_0-9]+)="(.*)"')


def packages(venv: str) -> str:
    """The versions that decide whether hosts understand each other. Others differ with the host's Python."""
    found = (PACKAGES.fullmatch(os.path.basename(path)) for path in glob.glob(f"{venv}/lib/python3*/site-packages/*.dist-info"))
    return digest("\n".join(sorted(f"{match[1]} {match[2]}" for match in found if match)).encode())


def keys(paths: list[str]) -> dict[str, str]:
    """A digest of each key. One with two values on a host is told with both."""
    values: dict[str, set[str]] = {}
    for path in paths:
        with open(path, encoding="utf-8") as stream:
            for name, value in LINE.findall(stream.read()):
                if name in KEYS:
                    values.setdefault(KEYS[name], set()).add(value)
    pepper = "\n".join(sorted(values.get("fernet_key", ()))).encode()
    return {name: hmac.new(pepper, "\n".join(sorted(found)).encode(), hashlib.sha256).hexdigest() for name, found in values.items()}


def folder(path: str) -> str:
    """All files below a folder by their names and contents, without what Python makes of them."""
    whole = hashlib.sha256()
    for place, names, files in os.walk(path, followlinks=True):
        names[:] = sorted(name for name in names if name != "__pycache__" and not name.startswith(".git"))
        for name in sorted(files):
            file = os.path.join(place, name)
            # What is no file, a dangling link among it, holds no DAG.
            if os.path.isfile(file):
                with open(file, "rb") as stream:
                    content = hashlib.sha256(stream.read()).digest()
                whole.update(os.path.relpath(file, path).encode() + b"\0" + content)
    return whole.hexdigest()


def digest(content: bytes) -> str:
    """A digest as text."""
    return hashlib.sha256(content).hexdigest()


def fingerprint(venv: str | None, config_file: str, environment_files: list[str], dags_folder: str | None) -> dict[str, str]:
    """All digests by name; without an environment, that of the DAGs alone. What a host does not have is left out. Raises OSError."""
    found = {}
    if venv:
        with open(config_file, "rb") as stream:
            found = {"packages": packages(venv), "configuration": digest(stream.read()), **keys(environment_files)}
    if dags_folder:
        found["dags"] = folder(os.path.realpath(dags_folder))
    return found
