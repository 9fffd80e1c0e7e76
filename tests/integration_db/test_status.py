# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a status asks of the schemas that real Airflow versions have made, with the drivers of their environments."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import child_status
from ansible_collections.updraft.airflow.plugins.module_utils.host_child import base_environment, run_child
from metadata_mysql_server import MysqlServer
from metadata_server import PASSWORD, Airflow, Made, Server, mysql_url, url

REVISIONS = {2: "5f2621c13b39", 3: "d2f4e1b3c5a7"}
JOB = (
    "INSERT INTO job (state, job_type, start_date, latest_heartbeat, hostname) "
    "VALUES ('running', 'SchedulerJob', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 'h1')"
)
ERROR = "INSERT INTO import_error (filename) VALUES ('/dags/bad.py')"


def look(airflow: Airflow, address: str) -> dict[str, Any]:
    """What is found at an address with the drivers of a version."""
    request = {
        "line": airflow.line,
        "database_url": address,
        "broker_url": "",
        "broker_options": {},
        "queues": [],
        "nodes": [],
        "broadcast": False,
    }
    answer = run_child(str(airflow.venv / "bin/python"), child_status, request, base_environment("/"), timeout=60)
    assert answer["broker"] is None
    return dict(answer["database"])


def check(found: dict[str, Any], engine: str, line: int) -> None:
    """That everything was found, whatever the zone of the server is."""
    assert (found["engine"], found["unknown"], found["revision"]) == (engine, {}, REVISIONS[line])
    (job,) = found["jobs"]
    assert (job["type"], job["hostname"]) == ("SchedulerJob", "h1")
    assert abs(time.time() - job["beat"]) < 300
    assert (found["tasks"], found["dags"], found["paused_dags"]) == ({}, 0, 0)
    assert (found["import_errors"], found["import_error_files"]) == (1, ["/dags/bad.py"])
    assert found["bytes"] > 100_000


@pytest.mark.parametrize("line", [2, 3])
def test_postgresql(line: int, server: Server, made: Made, airflows: dict[int, Airflow]) -> None:
    database = server.create(made.templates[line])
    for statement in (JOB, ERROR):
        server.query(statement, database)
    found = look(airflows[line], url(server, database))
    check(found, "postgresql", line)
    assert 1 <= found["connections"] < found["max_connections"]
    assert int(found["version"].partition(".")[0]) >= 14


@pytest.mark.parametrize("line", [2, 3])
def test_mysql(line: int, mysql: MysqlServer, made_in_mysql: Made, airflows: dict[int, Airflow]) -> None:
    database = mysql.create(made_in_mysql.templates[line])
    for statement in (JOB, ERROR):
        mysql.query(statement, database)
    found = look(airflows[line], mysql_url(mysql.port, database))
    check(found, "mysql", line)
    assert 1 <= found["connections"] < found["max_connections"]


@pytest.mark.parametrize("line", [2, 3])
def test_sqlite(line: int, files: dict[int, Path], airflows: dict[int, Airflow]) -> None:
    found = look(airflows[line], f"sqlite:///{files[line]}")
    assert (found["unknown"], found["revision"], found["jobs"], found["import_errors"]) == ({}, REVISIONS[line], [], 0)


def test_the_password_is_in_no_reason(server: Server, airflows: dict[int, Airflow]) -> None:
    found = look(airflows[3], url(server, "none"))
    assert "none" in found["error"]
    assert PASSWORD not in found["error"]
