# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Airflow that serves nothing but its API and pages, on SQLite and a free loopback port."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

FERNET_KEY = base64.urlsafe_b64encode(b"0123456789abcdef0123456789abcdef").decode()
ADMIN = "root-of-all"
ADMIN_PASSWORD = 'p@ss:w/rd%25#&" ü'
START_SECONDS = 120
BACKENDS = ("basic_auth", "session")


def find_venv(line: int) -> Path:
    """The virtual environment of a line; a sentence where there is none."""
    folder = os.environ.get(f"UPDRAFT_VENV_{line}", "")
    if not folder or not os.access(Path(folder) / "bin/airflow", os.X_OK):
        raise LookupError(f"UPDRAFT_VENV_{line} must name a virtual environment of Airflow {line}; 'make api' makes and names it.")
    return Path(folder)


class AirflowServer:
    """Airflow of one line with FAB's auth manager."""

    def __init__(self, line: int, home: Path, backends: Sequence[str] = BACKENDS) -> None:
        """`backends` are the ways in which Airflow 2 lets people in."""
        self.line = line
        self.home = home
        self.venv = find_venv(line)
        self.database = home / "airflow.db"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        fab = "airflow.providers.fab.auth_manager"
        self.environment = {
            "PATH": f"{self.venv}/bin:/usr/bin:/bin",
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
            "AIRFLOW__CORE__AUTH_MANAGER": f"{fab}.fab_auth_manager.FabAuthManager",
            "AIRFLOW__API__AUTH_BACKENDS": ",".join(f"{fab}.api.auth.backend.{name}" for name in backends),
            "AIRFLOW__WEBSERVER__SECRET_KEY": FERNET_KEY,
            "AIRFLOW__API__SECRET_KEY": FERNET_KEY,
            "AIRFLOW__API_AUTH__JWT_SECRET": FERNET_KEY * 2,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def database_environment(self) -> dict[str, str]:
        """Where the database is, which Airflow finds by itself unless it is told another place."""
        place = {"SQL_ALCHEMY_CONN": f"sqlite:///{self.database}", "SQL_ALCHEMY_CONN_ASYNC": f"sqlite+aiosqlite:///{self.database}"}
        return {f"AIRFLOW__DATABASE__{name}": value for name, value in place.items()}

    def start(self) -> None:
        """Make the database, wait until the server answers, and make the administrator."""
        command = [str(self.venv / "bin/airflow"), "db", "migrate"]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout.decode()[-3000:]
        server = ("webserver", "--workers", "1", "--hostname") if self.line == 2 else ("api-server", "--host")
        with (self.home / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(self.venv / "bin/airflow"), *server, "127.0.0.1", "--port", str(self.port)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, (self.home / "server.log").read_text()[-3000:]
            time.sleep(0.2)
        self._make_administrator()

    def stop(self) -> None:
        """End it, with what it started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _make_administrator(self) -> None:
        """As `airflow users create` would, which takes its time."""
        digest = hashlib.pbkdf2_hmac("sha256", ADMIN_PASSWORD.encode(), b"salt", 1000).hex()
        row = (ADMIN, "R", "Oot", "root@example.org", f"pbkdf2:sha256:1000$salt${digest}")
        self.query("INSERT INTO ab_user (username, first_name, last_name, email, password, active) VALUES (?, ?, ?, ?, ?, true)", *row)
        self.query("INSERT INTO ab_user_role (user_id, role_id) SELECT u.id, r.id FROM ab_user u, ab_role r WHERE r.name = 'Admin'")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health" if self.line == 2 else "/api/v2/version")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def logs_in(self, username: str, password: str) -> bool:
        """Whether a user who may read DAGs gets in with a password."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        if self.line == 2:
            given = base64.b64encode(f"{username}:{password}".encode()).decode()
            connection.request("GET", "/api/v1/dags?limit=1", headers={"Authorization": f"Basic {given}"})
        else:
            body = json.dumps({"username": username, "password": password})
            connection.request("POST", "/auth/token", body, {"Content-Type": "application/json"})
        status = connection.getresponse().status
        connection.close()
        return status in (200, 201)

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of the metadata database; what the statement changes is committed."""
        with sqlite3.connect(self.database, timeout=30) as connection:
            rows = connection.execute(statement, parameters).fetchall()
        connection.close()
        return rows

    def clean(self) -> None:
        """Remove every object but the administrator and the default pool, which is as it was."""
        for statement in (
            "DELETE FROM connection",
            "DELETE FROM variable",
            "DELETE FROM slot_pool WHERE pool <> 'default_pool'",
            "UPDATE slot_pool SET slots = 128, include_deferred = false, description = 'Default pool'",
            f"DELETE FROM ab_user_role WHERE user_id IN (SELECT id FROM ab_user WHERE username <> '{ADMIN}')",
            f"DELETE FROM ab_user WHERE username <> '{ADMIN}'",
        ):
            self.query(statement)

    def stored(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every object as it is in the database, statistics left out."""
        return {
            "connection": self.query("SELECT * FROM connection ORDER BY conn_id"),
            "variable": self.query("SELECT * FROM variable ORDER BY key"),
            "slot_pool": self.query("SELECT * FROM slot_pool ORDER BY pool"),
            "ab_user": self.query("SELECT username, email, first_name, last_name, password FROM ab_user ORDER BY username"),
            "ab_user_role": self.query("SELECT user_id, role_id FROM ab_user_role ORDER BY user_id, role_id"),
        }


def decrypted(token: str | None) -> str | None:
    """What Airflow would read."""
    return None if token is None else Fernet(FERNET_KEY).decrypt(token.encode()).decode()
