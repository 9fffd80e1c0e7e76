# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_status on a folder that looks like an installation, with programs that stand in for systemctl and rabbitmqctl."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

RunModule = Callable[..., dict[str, Any]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An installation on SQLite."""
    venv = tmp_path / "venvs" / "3.3.2-abc"
    (venv / "lib" / "python3.11" / "site-packages" / "apache_airflow-3.3.2.dist-info").mkdir(parents=True)
    (venv / "bin").mkdir()
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "pyvenv.cfg").write_text("version = 3.11.2\n")
    (tmp_path / "current").symlink_to(venv)
    (tmp_path / "airflow.cfg").write_text("[core]\nexecutor = LocalExecutor\n")
    with sqlite3.connect(tmp_path / "airflow.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('d2f4e1b3c5a7')")
    (tmp_path / "scheduler.env").write_text(
        f'AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite:///{tmp_path}/airflow.db"\nAIRFLOW__CORE__FERNET_KEY="very-secret"\n'
    )
    return tmp_path


class Health(BaseHTTPRequestHandler):
    """A page as Airflow has it."""

    def do_GET(self) -> None:
        """Answer."""
        status = 200 if self.path == "/health" else 503
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps({"scheduler": {"status": "healthy"}}).encode())

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """A web server."""
    server = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def look(run_module: RunModule, home: Path, **arguments: Any) -> dict[str, Any]:
    """What the module finds."""
    result = run_module("airflow_status", home=str(home), config_dir=str(home), line=3, **arguments)
    assert result["changed"] is False
    return dict(result["status"])


def test_a_host_is_read_in_one_call(run_module: RunModule, home: Path, address: str) -> None:
    before = {path: path.lstat().st_mtime for path in home.rglob("*")}
    digest = hashlib.sha256((home / "airflow.cfg").read_bytes()).hexdigest()
    found = look(
        run_module,
        home,
        pages={"scheduler": f"{address}/health", "webserver": f"{address}/gone"},
        expected_files={str(home / "airflow.cfg"): {"sha256": digest}, str(home / "cli.env"): {"sha256": digest}},
        database_files=[str(home / "webserver.env"), str(home / "scheduler.env")],
    )
    assert found["errors"] == {}
    assert (found["airflow"]["version"], found["airflow"]["python"]) == ("3.3.2", "3.11.2")
    assert found["pages"]["scheduler"] == {"answers": True, "parts": {"scheduler": "healthy"}}
    assert found["pages"]["webserver"] == {"answers": False, "reason": "answers 503"}
    assert found["drift"] == [{"path": str(home / "cli.env"), "what": "missing"}]
    assert found["database"]["revision"] == "d2f4e1b3c5a7"
    assert set(found["fingerprint"]) == {"packages", "configuration", "fernet_key"}
    assert (found["broker"], found["patroni"], found["rabbitmq"], found["load_balancer"]) == (None, None, None, None)
    assert {path: path.lstat().st_mtime for path in home.rglob("*")} == before


def test_a_secret_is_in_no_answer(run_module: RunModule, home: Path) -> None:
    (home / "worker.env").write_text('AIRFLOW__CELERY__BROKER_URL="redis://:very-secret@127.0.0.1:1/0"\n')
    files = {"database_files": [str(home / "scheduler.env")], "broker_files": [str(home / "worker.env")]}
    found = look(run_module, home, **files, nodes=["celery@h"])
    assert found["broker"] is None
    assert found["errors"]["broker"]
    assert found["database"]
    assert "very-secret" not in json.dumps(found)


def test_a_host_without_anything_gives_reasons(run_module: RunModule, tmp_path: Path) -> None:
    found = look(
        run_module,
        tmp_path / "none",
        pages={"webserver": "http://127.0.0.1:1/health"},
        database_files=[str(tmp_path / "none" / "scheduler.env")],
        patroni_url="https://127.0.0.1:1",
        patroni_authority=str(tmp_path / "ca.crt"),
        rabbitmq_vhost="airflow",
        load_balancer="haproxy",
    )
    assert set(found["errors"]) >= {"database", "patroni", "rabbitmq", "load_balancer"}
    assert "says where it is" in found["errors"]["database"]
    assert "does not answer" in found["pages"]["webserver"]["reason"]
    assert found["airflow"]["version"] is None


def test_an_environment_that_is_gone_is_a_reason(run_module: RunModule, home: Path) -> None:
    (home / "current").unlink()
    found = look(run_module, home, database_files=[str(home / "scheduler.env")])
    assert found["errors"]["database"] == f"{home}/current/bin/python is not there, with which it is asked"
