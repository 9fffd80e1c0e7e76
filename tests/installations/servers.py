# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL and Redis of a run's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .processes import Process, free_port, listens, until

QUICK_SETTINGS = {"fsync": "off", "max_connections": "300"}
"""Of a PostgreSQL whose content nobody misses."""


class Postgresql:
    """PostgreSQL alone."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = QUICK_SETTINGS) -> None:
        self.folder, self.settings = folder, settings
        self.postgresql_port = free_port()
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
        if not versions:
            raise LookupError("PostgreSQL is needed: install Debian's package postgresql.")
        self.binaries = versions[-1].parent
        self.processes: list[Process] = []

    def start(self) -> None:
        """On loopback."""
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            os.chown(self.folder, pwd.getpwnam(user).pw_uid, -1)
        data = self.folder / "data"
        make = [
            str(self.binaries / "initdb"),
            "-D",
            str(data),
            "-U",
            "airflow",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        subprocess.run(make, user=user, check=True, capture_output=True, cwd="/")
        server = [str(self.binaries / "postgres"), "-D", str(data), "-p", str(self.postgresql_port), "-k", str(self.folder)]
        for name, value in {"listen_addresses": "127.0.0.1", **self.settings}.items():
            server += ["-c", f"{name}={value}"]
        self.run("postgres", server, self.postgresql_port, user)

    def run(self, name: str, command: list[str], port: int, user: str | None) -> None:
        """Start a server, and wait until it listens."""
        self.processes.append(Process(command, dict(os.environ), self.folder / f"{name}.log", user))
        until(f"{name} does not listen", lambda: listens(port))

    def stop(self) -> None:
        """With what was kept."""
        for process in self.processes:
            process.kill()
        shutil.rmtree(self.folder)

    def query(self, database: str, statement: str) -> list[str]:
        """Rows of a database, as psql writes them."""
        command = [
            str(self.binaries / "psql"),
            "-h",
            "127.0.0.1",
            "-p",
            str(self.postgresql_port),
            "-U",
            "airflow",
            "-qAtc",
            statement,
            database,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout.splitlines()


class Servers(Postgresql):
    """PostgreSQL and Redis, which several installations share."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = QUICK_SETTINGS, redis_password: str = "") -> None:
        super().__init__(folder, settings)
        self._redis_password = redis_password
        self.redis_port = free_port()
        if not shutil.which("redis-server"):
            raise LookupError("Redis is needed: install Debian's package redis-server.")

    def start(self) -> None:
        """Both."""
        super().start()
        redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.redis_port), "--save", "", "--dir", str(self.folder)]
        redis += ["--requirepass", self._redis_password] if self._redis_password else []
        self.run("redis", redis, self.redis_port, "postgres" if os.geteuid() == 0 else None)
