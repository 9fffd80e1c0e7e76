# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DAGs of an installation on a server are parsed with what that server holds."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

from ansible_collections.updraft.airflow.plugins.modules.airflow_dag_check import Check, errors_of_server
from metadata_server import PASSWORD, USER, Airflow, Made, Server

READS_A_VARIABLE = """
from datetime import datetime
from airflow import DAG
from airflow.hooks.base import BaseHook
from airflow.models import Variable

with DAG(Variable.get("top_name"), schedule=None, start_date=datetime(2026, 1, 1), tags=[BaseHook.get_connection("top_connection").host]):
    pass
"""


def test_variables_connections_and_known_errors_come_from_the_server(
    server: Server, made: Made, airflows: dict[int, Airflow], tmp_path: Path
) -> None:
    database = server.create(made.templates[2])
    rows = """
        INSERT INTO variable (key, val, is_encrypted) VALUES ('top_name', 'named_by_a_variable', false);
        INSERT INTO connection (conn_id, conn_type, host, is_encrypted, is_extra_encrypted)
            VALUES ('top_connection', 'http', 'example.org', false, false);
        INSERT INTO import_error (filename, stacktrace) VALUES ('/home/jane/airflow/dags/broken.py', 'of old')
    """
    server.query(rows, database)
    place = {"engine": "postgresql", "host": "127.0.0.1", "port": server.port, "name": database, "user": USER, "password": PASSWORD}
    (tmp_path / "dags").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "dags" / "top.py").write_text(READS_A_VARIABLE)
    parameters: dict[str, Any] = {
        "interpreter": str(airflows[2].venv / "bin/python"),
        "version": "2.11.2",
        "dags_folder": str(tmp_path / "dags"),
        "plugins_folder": None,
        "user": pwd.getpwuid(os.geteuid()).pw_name,
        "environment": {},
        "settings": {},
        "metadata_path": None,
        "database": {**place, "ssl_mode": None, "ssl_root_cert": None},
        "timeout": 120,
    }
    found = Check(parameters, str(tmp_path / "home")).run()
    assert (found["dags"], found["import_errors"]) == ([{"dag_id": "named_by_a_variable", "file": "top.py"}], [])
    assert errors_of_server(parameters["database"]) == ["/home/jane/airflow/dags/broken.py"]
    without = Check({**parameters, "database": None}, str(tmp_path / "home")).run()
    assert [entry["file"] for entry in without["import_errors"]] == ["top.py"]
