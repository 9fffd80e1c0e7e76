# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Airflow of one line, on a throw-away home and free loopback ports."""

from __future__ import annotations

import base64
import http.client
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .processes import Process, free_port, until
from .servers import Servers

KEY = base64.urlsafe_b64encode(b"0123456789abcdef0123456789abcdef").decode()
DAEMONS = {2: ("scheduler", "triggerer"), 3: ("scheduler", "triggerer", "dag-processor")}
"""What runs beside the webserver."""


def find_venv(line: int) -> Path:
    """The virtual environment of a line; a sentence where there is none."""
    folder = os.environ.get(f"UPDRAFT_VENV_{line}", "")
    if not folder or not os.access(Path(folder) / "bin/celery", os.X_OK):
        raise LookupError(
            f"UPDRAFT_VENV_{line} must name a virtual environment of Airflow {line} with Celery; 'make canary' makes and names it."
        )
    return Path(folder)


class Airflow:
    """Its environment and its daemons; who inherits says what is in the environment."""

    def __init__(self, line: int, home: Path, servers: Servers, database: str) -> None:
        self.line, self.home, self.venv, self.servers = line, home, find_venv(line), servers
        self.database = database
        self.port, self.log_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.daemons: dict[str, Process] = {}
        self.environment: dict[str, str] = {}

    def airflow(self, *words: str) -> None:
        """Run a command of Airflow's."""
        done = subprocess.run(
            [f"{self.venv}/bin/airflow", *words], env=self.environment, capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def make_database(self) -> None:
        """The database with its schema."""
        self.servers.query("postgres", f"CREATE DATABASE {self.database}")
        self.airflow("db", "migrate")

    def start_webserver(self) -> None:
        """Start it, and wait until it answers."""
        web = ("webserver", "--hostname", "127.0.0.1") if self.line == 2 else ("api-server", "--host", "127.0.0.1")
        self.run("webserver", *web, "--port", str(self.port), "--pid", str(self.home / "webserver.pid"))
        until("the webserver does not answer", self.answers)

    def run(self, name: str, *words: str, **changed: str) -> None:
        """Start a daemon."""
        environment = {**self.environment, **changed}
        self.daemons[name] = Process([f"{self.venv}/bin/airflow", *words], environment, self.home / f"{name}.log")

    def stop(self, name: str) -> None:
        """Stop a daemon."""
        self.daemons.pop(name).stop()

    def stop_all(self) -> None:
        """Stop every daemon, all at the same time."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Process.stop, self.daemons.values()))
        self.daemons.clear()

    def kill_all(self) -> None:
        """End every daemon at once."""
        for process in self.daemons.values():
            process.kill()

    def answers(self) -> bool:
        """Whether the web server does."""
        assert self.daemons["webserver"].runs(), self.daemons["webserver"].told()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health" if self.line == 2 else "/api/v2/version")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def query(self, statement: str) -> list[str]:
        """Rows of the metadata."""
        return self.servers.query(self.database, statement)
