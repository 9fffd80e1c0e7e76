# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_canary and airflow_canary_dag where Airflow does not do what they want."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CallModule = Callable[..., dict[str, Any]]
RunModule = Callable[..., dict[str, Any]]
QUEUES = [{"name": "default", "servers": ["airflow-worker on h1"], "slots": 4}]


class Refusing(http.server.BaseHTTPRequestHandler):
    """Airflow 3 that knows nobody."""

    def do_GET(self) -> None:
        self._answer(200, b'{"version": "3.3.2"}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(401, b'{"detail": "Invalid credentials"}')

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def access() -> Iterator[dict[str, Any]]:
    """Arguments for a server that lets nobody in."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield {"url": f"http://127.0.0.1:{server.server_address[1]}", "username": "updraft", "password": "s3cret", "slots": 4, "queues": QUEUES}
    server.shutdown()
    server.server_close()


def test_a_login_that_is_refused_is_a_failure(run_module: RunModule, access: dict[str, Any]) -> None:
    result = run_module("airflow_canary", **access)
    assert result["failed"] is True
    assert result["msg"] == f"{access['url']} does not let updraft in: check username and password."


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_login_that_is_refused_may_be_a_result(run_module: RunModule, access: dict[str, Any], state: str) -> None:
    result = run_module("airflow_canary", refusal_is_a_result=True, state=state, **access)
    assert (result["login_refused"], result["proven"], result["changed"]) == (True, False, False)


def test_an_api_that_is_not_there_is_a_failure_in_any_case(run_module: RunModule) -> None:
    access = {"url": "http://127.0.0.1:1", "username": "updraft", "password": "s3cret", "timeout": 1, "slots": 4, "queues": QUEUES}
    result = run_module("airflow_canary", refusal_is_a_result=True, **access)
    assert result["msg"].startswith("Nothing accepts connections at http://127.0.0.1:1")


def test_check_mode_asks_nobody(run_module: RunModule) -> None:
    access = {"url": "http://127.0.0.1:1", "username": "updraft", "password": "s3cret", "slots": 4, "queues": QUEUES}
    assert run_module("airflow_canary", check_mode=True, **access)["changed"] is False


def test_a_dag_that_does_not_parse_is_told(call_module: CallModule, tmp_path: Path) -> None:
    """Packages that stand in for those of Airflow 2."""
    parts = {
        "airflow/__init__.py": "print('noise on standard output')",
        "airflow/dag_processing/__init__.py": "",
        "airflow/models/__init__.py": "",
        "airflow/models/dag.py": "class DAG: pass",
        "airflow/models/dagbag.py": "class DagBag:\n"
        "    def __init__(self, path, **options):\n"
        "        self.dags, self.import_errors = {}, {path: 'Traceback\\nPolicyViolation: no'}\n",
        "airflow/models/dagcode.py": "class DagCode: pass",
        "airflow/models/serialized_dag.py": "class SerializedDagModel: pass",
        "airflow/utils/__init__.py": "",
        "airflow/utils/session.py": "create_session = None",
        "sqlalchemy.py": "delete = None",
    }
    for name, text in parts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    program = {"interpreter": sys.executable, "environment": {"PYTHONPATH": str(tmp_path)}}
    result = call_module("airflow_canary_dag", file="/opt/airflow/canary/canary.py", **program)
    assert result["msg"] == "The canary's DAG does not parse: Traceback PolicyViolation: no"


def test_a_program_that_fails_is_told(call_module: CallModule) -> None:
    result = call_module("airflow_canary_dag", interpreter=sys.executable, environment={"PYTHONPATH": "/nowhere"}, file="/x/canary.py")
    assert result["msg"].startswith("The canary's DAG could not be stored: ")
    assert "No module named 'airflow'" in result["msg"]
