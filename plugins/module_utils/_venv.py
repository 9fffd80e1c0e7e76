# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments made by uv from hash locks, and what is wrong with one that is there."""

from __future__ import annotations

import csv
import glob
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._command import last_lines

MARKER = ".updraft-complete"
"""Written last: an environment without it was never finished."""


# An address with a login, in a text; and what uv says of a set of packages that cannot be had together.
LOGIN = re.compile(r"(?<=://)[^/\s@]+@")
MISFIT = re.compile(r"^error: (No solution found when resolving|Failed to build )", re.MULTILINE)
# uv also calls a package not found when the index did not let it look, and a build failed that got no answer.
NO_ANSWER = ("401 Unauthorized", "403 Forbidden", "Failed to fetch", "error sending request", "the network was disabled")


class InstallError(Exception):
    """An installation failed; the text is for the user."""


class MisfitError(InstallError):
    """Packages do not exist, do not go together, or cannot be built."""


def login_of(url: str) -> str | None:
    """User and password of an address as they stand in it, however they are written."""
    login = url.partition("://")[2].rpartition("@")[0]
    return login or None


def without_logins(text: str, logins: Iterable[str]) -> str:
    """A text for people, without what logs in at an index or a proxy."""
    for login in logins:
        text = text.replace(login, "***")
    return LOGIN.sub("***@", text)


def is_misfit(text: str) -> bool:
    """Whether uv speaks of the packages, and not of an index that it could not ask."""
    return bool(MISFIT.search(text)) and not any(words in text for words in NO_ANSWER)


def find_damage(path: str) -> str | None:
    """What is missing from an environment, or None when it is whole. Only reads."""
    if not os.path.exists(os.path.join(path, MARKER)):
        return "not installed"
    if not os.path.exists(os.path.join(path, "bin", "python")):
        return "its interpreter is gone"
    packages = site_packages(path)
    if packages is None:
        return "its packages are gone"
    with open(os.path.join(path, MARKER), encoding="utf-8") as handle:
        wanted = set(handle.read().split())
    there = {os.path.basename(record) for record in glob.glob(os.path.join(packages, "*.dist-info"))}
    missing = sorted(wanted - there)
    if missing:
        return f"{missing[0].rsplit('.', 1)[0]} is gone"
    return next(_damaged_files(packages), None)


def site_packages(path: str) -> str | None:
    """The folder of the environment's packages."""
    found = glob.glob(os.path.join(path, "lib", "python3*", "site-packages"))
    return found[0] if found else None


def _damaged_files(packages: str) -> Iterator[str]:
    for record in glob.glob(os.path.join(packages, "*.dist-info", "RECORD")):
        yield from _damage_of(record, packages)


def _damage_of(record: str, packages: str) -> Iterator[str]:
    """The files of one package that are not as its RECORD says."""
    with open(record, newline="", encoding="utf-8") as handle:
        for row in csv.reader(handle):
            if len(row) < 3 or not row[2]:
                continue
            name = os.path.join(packages, row[0])
            try:
                size = os.stat(name).st_size
            except OSError:
                yield f"{name} is gone"
                continue
            if size != int(row[2]):
                yield f"{name} was changed"


class Installer:
    """Installs environments with uv, which it installs first from its own lock."""

    def __init__(
        self,
        uv_home: str,
        uv_lock: str,
        variables: Mapping[str, str],
        index_url: str | None = None,
        wheelhouse: str | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        self.uv_home = uv_home
        self.uv_lock = uv_lock
        self.environment = self._environment(variables, None if wheelhouse else index_url, ca_bundle)
        self.sources = ["--no-index", "--find-links", wheelhouse] if wheelhouse else []
        self.logins = [login for login in map(login_of, (index_url or "", *variables.values())) if login]

    @property
    def uv(self) -> str:
        """Path of uv's executable."""
        return os.path.join(self.uv_home, "bin", "uv")

    @staticmethod
    def _environment(variables: Mapping[str, str], index_url: str | None, ca_bundle: str | None) -> dict[str, str]:
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": os.path.expanduser("~"), "LANG": "C.UTF-8"}
        if ca_bundle:
            environment.update(SSL_CERT_FILE=ca_bundle, PIP_CERT=ca_bundle, UV_SYSTEM_CERTS="1")
        environment.update(variables)
        if index_url:
            # Every user of the host can read the arguments of a program, and the address may hold a password.
            environment.update(UV_DEFAULT_INDEX=index_url, PIP_INDEX_URL=index_url)
        return environment

    def install(self, environment: Mapping[str, Any]) -> dict[str, str]:
        """Make or repair one environment; returns the carried packages that were left out, with the reason. Raises InstallError."""
        self._install_uv(environment["python"])
        path = environment["path"]
        python = os.path.join(path, "bin", "python")
        if not os.path.exists(python):
            self._run([self.uv, "venv", "--quiet", "--no-python-downloads", "--allow-existing", "--python", environment["python"], path])
        else:
            self._reinstall_damaged(path)
        self._run(self._pip_install(python, [*self._base(environment)]))
        if environment["requirements"]:
            self._run(self._pip_install(python, [*environment["requirements"], *self._pins(path)]))
        left_out = self._carry(python, path, environment["carried"])
        self._smoke(python, environment["version"])
        packages = site_packages(path) or path
        names = sorted(os.path.basename(name) for name in glob.glob(os.path.join(packages, "*.dist-info")))
        with open(os.path.join(path, MARKER), "w", encoding="utf-8") as handle:
            handle.write("\n".join(names) + "\n")
        return left_out

    def _install_uv(self, python: str) -> None:
        if os.access(self.uv, os.X_OK):
            return
        self._run([python, "-m", "venv", "--clear", self.uv_home])
        pip = os.path.join(self.uv_home, "bin", "pip")
        self._run([pip, "install", "--quiet", "--disable-pip-version-check", "--require-hashes", *self.sources, "-r", self.uv_lock])

    @staticmethod
    def _base(environment: Mapping[str, Any]) -> list[str]:
        if environment["locks"]:
            return ["--require-hashes", *(word for lock in environment["locks"] for word in ("-r", lock))]
        return [*environment["packages"], "--constraint", environment["constraint_url"]]

    def _carry(self, python: str, path: str, carried: list[str]) -> dict[str, str]:
        """Install carried packages together, or else one by one, so that one that does not fit keeps none of the others out."""
        if not carried:
            return {}
        try:
            return self._carry_what_fits(python, path, carried)
        except InstallError as error:
            raise InstallError(
                f"The packages of the old installation ({', '.join(carried)}) could not be looked for: make the package index reachable "
                f"(airflow_package_index_url, airflow_proxy_environment, airflow_wheelhouse) and run again. {error}"
            ) from None

    def _carry_what_fits(self, python: str, path: str, carried: list[str]) -> dict[str, str]:
        try:
            self._run(self._pip_install(python, [*carried, *self._pins(path)]))
            return {}
        except MisfitError:
            left_out = {}
        for package in carried:
            try:
                self._run(self._pip_install(python, [package, *self._pins(path)]))
            except MisfitError as error:
                left_out[package] = str(error)
        return left_out

    @staticmethod
    def _pins(path: str) -> list[str]:
        """The first step's packages as exact requirements: a further requirement that would change one is refused by uv."""
        packages = site_packages(path) or path
        names = (os.path.basename(name)[: -len(".dist-info")] for name in glob.glob(os.path.join(packages, "*.dist-info")))
        return ["==".join(name.rsplit("-", 1)) for name in sorted(names)]

    def _pip_install(self, python: str, arguments: list[str]) -> list[str]:
        return [self.uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *self.sources, *arguments]

    def _reinstall_damaged(self, path: str) -> None:
        """Remove the metadata of packages that lost files, so that uv installs them again."""
        packages = site_packages(path)
        if packages is None:
            return
        for record in glob.glob(os.path.join(packages, "*.dist-info", "RECORD")):
            folder = os.path.dirname(record)
            if next(_damage_of(record, packages), None):
                name = os.path.basename(folder)[: -len(".dist-info")].rsplit("-", 1)[0]
                self._run([self.uv, "pip", "uninstall", "--quiet", "--python", os.path.join(path, "bin", "python"), name])

    def _smoke(self, python: str, version: str) -> None:
        """Import what a daemon imports: a lock that resolves is not yet one that works."""
        code = "import airflow.executors.executor_loader, airflow.jobs.scheduler_job_runner, airflow.version as v; print(v.version)"
        environment = dict(self.environment, AIRFLOW_HOME="/nonexistent", AIRFLOW_CONFIG="/dev/null")
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "sqlite://"
        environment["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] = "/tmp"
        done = subprocess.run(
            [python, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode != 0 or not done.stdout.strip().endswith(version):
            raise InstallError(f"Airflow {version} was installed but does not import: {last_lines(done.stderr or done.stdout)}")

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode == 0:
            return
        text = done.stderr or done.stdout
        what = " ".join([os.path.basename(command[0]), *(word for word in command[1:3] if not word.startswith("-"))])
        kind = MisfitError if is_misfit(text) else InstallError
        raise kind(f"{what} failed: {without_logins(last_lines(text), self.logins)}")
