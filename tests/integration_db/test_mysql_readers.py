# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every program that connects to MySQL: the modules with PyMySQL, Airflow with mysqlclient and aiomysql, in plain text and encrypted."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._database import Database, DatabaseError
from ansible_collections.updraft.airflow.plugins.module_utils._topology_mysql import async_connect_args, mysql_async_url, mysql_url
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_mysql_target import MysqlTarget
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from ansible_collections.updraft.airflow.plugins.modules.airflow_dag_check import Check, errors_of_server
from ansible_collections.updraft.airflow.plugins.modules.airflow_db_migrate import is_current
from ansible_collections.updraft.airflow.plugins.modules.airflow_health import as_utc
from metadata_mysql_server import MysqlServer
from metadata_server import PASSWORD, USER, Airflow, Made
from test_dag_check import READS_A_VARIABLE
from test_tls import Authorities, make_certificate

# The client library takes the name localhost for the server's socket.
NAMED, OTHER = "127.0.0.1", "127.0.0.2"

CIPHER = "SHOW SESSION STATUS LIKE 'Ssl_cipher'"
SYNCHRONOUS = f"""
from airflow import settings
from sqlalchemy import text
with settings.engine.connect() as connection:
    print("encrypted:", bool(connection.execute(text("{CIPHER}")).fetchone()[1]))
"""
ASYNCHRONOUS = f"""
import asyncio
from airflow import settings
from sqlalchemy import text
async def ask():
    async with settings.async_engine.connect() as connection:
        print("encrypted:", bool((await connection.execute(text("{CIPHER}"))).fetchone()[1]))
asyncio.run(ask())
"""


@pytest.fixture(scope="module")
def authorities(mysql: MysqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authorities]:
    """The server with a certificate of its name, for this file."""
    folder = tmp_path_factory.mktemp("certificates with spaces")
    found = Authorities(make_certificate(folder, "right", f"IP:{NAMED}"), make_certificate(folder, "wrong", f"IP:{NAMED}"))
    mysql.write("updraft.pem", found.right.read_bytes())
    mysql.write("updraft.key", (folder / "right.key").read_bytes())
    mysql.query("SET GLOBAL ssl_cert = 'updraft.pem', ssl_key = 'updraft.key'; ALTER INSTANCE RELOAD TLS")
    yield found
    mysql.query("SET GLOBAL ssl_cert = 'server-cert.pem', ssl_key = 'server-key.pem'; ALTER INSTANCE RELOAD TLS")


def place(mysql: MysqlServer, database: str, mode: str = "disable", authority: Path | None = None) -> dict[str, Any]:
    given = {"engine": "mysql", "host": NAMED, "port": mysql.port, "name": database, "user": USER, "password": PASSWORD}
    return {**given, "ssl_mode": mode, "ssl_root_cert": str(authority) if authority else None}


def test_revisions_and_rows_are_read(mysql: MysqlServer, made_in_mysql: Made, airflows: dict[int, Airflow]) -> None:
    reader = Database(place(mysql, made_in_mysql.templates[3]))
    assert is_current(reader, str(airflows[3].venv)) == ("d2f4e1b3c5a7", True)
    assert is_current(Database(place(mysql, made_in_mysql.templates[2])), str(airflows[3].venv)) == ("5f2621c13b39", False)
    assert not reader.has_table("no_such_table")
    assert reader.query("SELECT pool FROM slot_pool WHERE pool IN (%s, %s)", ["default_pool", "x"]) == [("default_pool",)]


def test_times_are_in_utc(mysql: MysqlServer, made_in_mysql: Made) -> None:
    database = mysql.create(made_in_mysql.templates[3])
    mysql.query("INSERT INTO job (job_type, latest_heartbeat) VALUES ('SchedulerJob', '2026-03-29 01:30:00.5')", database)
    ((beat,),) = Database(place(mysql, database)).query("SELECT latest_heartbeat FROM job")
    assert as_utc(beat) == datetime(2026, 3, 29, 1, 30, 0, 500_000, tzinfo=timezone.utc)


def test_it_cannot_write(mysql: MysqlServer, made_in_mysql: Made) -> None:
    with pytest.raises(DatabaseError, match="READ ONLY transaction"):
        Database(place(mysql, made_in_mysql.templates[3])).query("DELETE FROM log")


def test_a_server_that_does_not_answer_is_a_sentence(mysql: MysqlServer) -> None:
    with pytest.raises(DatabaseError, match=f"nowhere on {NAMED}:{mysql.port} cannot be reached: Access denied for user"):
        Database(place(mysql, "nowhere")).revision()
    with pytest.raises(DatabaseError, match="Access denied for user") as denied:
        Database({**place(mysql, "mysql"), "password": "wrong word"}).revision()
    assert "wrong word" not in str(denied.value)
    with pytest.raises(MoveError, match="No connection to the database nowhere on 127"):
        MysqlTarget(mysql.connection("nowhere"))


def test_variables_connections_and_known_errors_come_from_the_server(
    mysql: MysqlServer, made_in_mysql: Made, airflows: dict[int, Airflow], tmp_path: Path
) -> None:
    database = mysql.create(made_in_mysql.templates[2])
    rows = """
        INSERT INTO variable ("key", val, is_encrypted) VALUES ('top_name', 'named_by_a_variable', false);
        INSERT INTO connection (conn_id, conn_type, host, is_encrypted, is_extra_encrypted)
            VALUES ('top_connection', 'http', 'example.org', false, false);
        INSERT INTO import_error (filename, stacktrace) VALUES ('/home/jane/airflow/dags/broken.py', 'of old')
    """
    mysql.query(rows, database)
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
        "database": place(mysql, database),
        "timeout": 120,
    }
    found = Check(parameters, str(tmp_path / "home")).run()
    assert (found["dags"], found["import_errors"]) == ([{"dag_id": "named_by_a_variable", "file": "top.py"}], [])
    assert errors_of_server(parameters["database"]) == ["/home/jane/airflow/dags/broken.py"]


@pytest.mark.parametrize(
    ("mode", "encrypted"), [("disable", False), ("prefer", True), ("require", True), ("verify-ca", True), ("verify-full", True)]
)
def test_modules_encrypt_as_they_are_told(mode: str, encrypted: bool, mysql: MysqlServer, authorities: Authorities) -> None:
    database = mysql.create()
    ((_name, cipher),) = Database(place(mysql, database, mode, authorities.right)).query(CIPHER)
    assert bool(cipher) is encrypted
    target = MysqlTarget(replace(mysql.connection(database), host=NAMED, ssl_mode=mode, ssl_root_cert=str(authorities.right)))
    assert bool(target.rows(CIPHER)[0][1]) is encrypted
    target.close()


def test_a_wrong_authority_is_a_sentence(mysql: MysqlServer, authorities: Authorities) -> None:
    database = mysql.create()
    told = f"the server is verified by the authorities in {authorities.wrong} (airflow_metadata_db_ssl_root_cert)"
    with pytest.raises(DatabaseError, match="certificate verify failed") as read:
        Database(place(mysql, database, "verify-full", authorities.wrong)).revision()
    assert str(read.value).endswith(told)
    with pytest.raises(MoveError, match="certificate verify failed") as move:
        MysqlTarget(replace(mysql.connection(database), host=NAMED, ssl_mode="verify-ca", ssl_root_cert=str(authorities.wrong)))
    assert told in str(move.value)
    assert PASSWORD not in str(read.value) + str(move.value)


def test_only_verify_full_looks_at_the_name(mysql: MysqlServer, authorities: Authorities) -> None:
    database = mysql.create()
    Database({**place(mysql, database, "verify-ca", authorities.right), "host": OTHER}).revision()
    with pytest.raises(DatabaseError, match="IP address mismatch"):
        Database({**place(mysql, database, "verify-full", authorities.right), "host": OTHER}).revision()


def run_airflow(
    airflow: Airflow, mysql: MysqlServer, database: str, mode: str, authority: Path, home: Path, code: str
) -> subprocess.CompletedProcess[str]:
    verified = str(authority) if mode.startswith("verify") else None
    environment = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": mysql_url(USER, PASSWORD, NAMED, mysql.port, database, mode, verified),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": mysql_async_url(USER, PASSWORD, NAMED, mysql.port, database),
    }
    context = async_connect_args(mode, str(authority))
    if context:
        (home / "config").mkdir(parents=True, exist_ok=True)
        (home / "config" / "updraft_connect_args.py").write_text(context)
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC"] = "updraft_connect_args.connect_args"
    command = [str(airflow.venv / "bin/python"), "-W", "ignore", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("line", "code"), [(2, SYNCHRONOUS), (3, SYNCHRONOUS), (3, ASYNCHRONOUS)], ids=["2", "3", "3-asynchronous"])
def test_airflows_own_engines_encrypt(
    line: int, code: str, mysql: MysqlServer, airflows: dict[int, Airflow], authorities: Authorities, tmp_path: Path
) -> None:
    database = mysql.create()
    for mode, encrypted in (("disable", False), ("require", True), ("verify-full", True)):
        let_in = run_airflow(airflows[line], mysql, database, mode, authorities.right, tmp_path / mode, code)
        assert f"encrypted: {encrypted}" in let_in.stdout, let_in.stderr[-2000:]
    refused = run_airflow(airflows[line], mysql, database, "verify-full", authorities.wrong, tmp_path / "wrong", code)
    assert refused.returncode != 0
    assert "certificate" in refused.stderr.lower()
