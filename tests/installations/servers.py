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


class Servers:
    """PostgreSQL and Redis, which several installations share."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = QUICK_SETTINGS, redis_password: str = "") -> None:
        self.folder, self.settings, self._redis_password = folder, settings, redis_password
        self.postgresql_port, self.redis_port = free_port(), free_port()
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
        if not versions or not shutil.which("redis-server"):
            raise LookupError("PostgreSQL and Redis are needed: install Debian's packages postgresql and redis-server.")
        self._binaries = versions[-1].parent
        self.processes: list[Process] = []

    def start(self) -> None:
        """Both, on loopback."""
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            os.chown(self.folder, pwd.getpwnam(user).pw_uid, -1)
        data = self.folder / "data"
        make = [
            str(self._binaries / "initdb"),
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
        server = [str(self._binaries / "postgres"), "-D", str(data), "-p", str(self.postgresql_port), "-k", str(self.folder)]
        for name, value in {"listen_addresses": "127.0.0.1", **self.settings}.items():
            server += ["-c", f"{name}={value}"]
        redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.redis_port), "--save", "", "--dir", str(self.folder)]
        redis += ["--requirepass", self._redis_password] if self._redis_password else []
        for name, command, port in (("postgres", server, self.postgresql_port), ("redis", redis, self.redis_port)):
            self.processes.append(Process(command, dict(os.environ), self.folder / f"{name}.log", user))
            until(f"{name} does not listen", lambda port=port: listens(port))  # type: ignore[misc]

    def stop(self) -> None:
        """Both, with what they kept."""
        for process in self.processes:
            process.kill()
        shutil.rmtree(self.folder)

    def query(self, database: str, statement: str) -> list[str]:
        """Rows of a database, as psql writes them."""
        command = [
            str(self._binaries / "psql"),
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
