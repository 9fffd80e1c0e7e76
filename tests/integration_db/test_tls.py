# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server whose certificate is verified, by every program that connects to it."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._database import Database, DatabaseError
from ansible_collections.updraft.airflow.plugins.module_utils._topology_urls import postgresql_async_url, postgresql_url
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import PostgresqlTarget
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from ansible_collections.updraft.airflow.plugins.modules.airflow_db_migrate import is_current
from metadata_server import PASSWORD, USER, Airflow, Made, Server

NAMED = "localhost"
"""The server's name in its certificate; it also answers at an address that is not in there."""

IS_ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
# Both engines as Airflow itself makes them; the asynchronous one is of 3.x.
SYNCHRONOUS = f"""
from airflow import settings
from sqlalchemy import text
with settings.engine.connect() as connection:
    print("encrypted:", connection.execute(text("{IS_ENCRYPTED}")).scalar())
"""
ASYNCHRONOUS = f"""
import asyncio
from airflow import settings
from sqlalchemy import text
async def ask():
    async with settings.async_engine.connect() as connection:
        print("encrypted:", (await connection.execute(text("{IS_ENCRYPTED}"))).scalar())
asyncio.run(ask())
"""


@dataclass(frozen=True)
class Authorities:
    """Files of certificates: the one that the server has, and one of somebody else."""

    right: Path
    wrong: Path


def make_certificate(folder: Path, name: str, server: str = f"DNS:{NAMED}") -> Path:
    """A certificate that is its own authority, with its key beside it."""
    certificate = folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName={server}", "-keyout", str(folder / f"{name}.key")]
    subprocess.run([*command, "-out", str(certificate)], check=True, capture_output=True)
    return certificate


@pytest.fixture(scope="module")
def authorities(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authorities]:
    """The server with TLS on, for this file."""
    folder = tmp_path_factory.mktemp("certificates with spaces")
    found = Authorities(make_certificate(folder, "right"), make_certificate(folder, "wrong"))
    data = Path(server.query("SHOW data_directory")[0][0])
    for source, target in ((found.right, data / "server.crt"), (folder / "right.key", data / "server.key")):
        target.write_bytes(source.read_bytes())
        target.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(target, pwd.getpwnam("postgres").pw_uid, -1)
    server.query("ALTER SYSTEM SET ssl = on")
    server.query("SELECT pg_reload_conf()")
    yield found
    server.query("ALTER SYSTEM RESET ssl")
    server.query("SELECT pg_reload_conf()")


def target_of(server: Server, database: str, mode: str, authority: Path, host: str = NAMED) -> PostgresqlTarget:
    return PostgresqlTarget(replace(server.connection(database), host=host, ssl_mode=mode, ssl_root_cert=str(authority)))


def reader_of(server: Server, database: str, mode: str, authority: Path) -> Database:
    place = {"engine": "postgresql", "host": NAMED, "port": server.port, "name": database, "user": USER, "password": PASSWORD}
    return Database({**place, "ssl_mode": mode, "ssl_root_cert": str(authority)})


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_the_right_authority_lets_the_modules_in(
    mode: str, server: Server, made: Made, airflows: dict[int, Airflow], authorities: Authorities
) -> None:
    target = target_of(server, made.templates[3], mode, authorities.right)
    try:
        assert target.value(IS_ENCRYPTED) is True
        assert TargetState(target).as_dict()["state"] == "fresh"
    finally:
        target.close()
    reader = reader_of(server, made.templates[3], mode, authorities.right)
    assert reader.query(IS_ENCRYPTED) == [(True,)]
    assert is_current(reader, str(airflows[3].venv)) == ("d2f4e1b3c5a7", True)


def test_a_wrong_authority_is_a_sentence(server: Server, authorities: Authorities) -> None:
    database = server.create()
    verified = (
        f"certificate verify failed; the server is verified by the authorities in {authorities.wrong} (airflow_metadata_db_ssl_root_cert)"
    )
    with pytest.raises(MoveError) as move:
        target_of(server, database, "verify-full", authorities.wrong)
    assert str(move.value).startswith(f"No connection to the database {database} on {NAMED}:{server.port} (")
    assert str(move.value).endswith(f"{verified}); check the server and the variables airflow_metadata_db_*.")
    with pytest.raises(DatabaseError) as read:
        reader_of(server, database, "verify-full", authorities.wrong).revision()
    assert str(read.value).startswith(f"{database} on {NAMED}:{server.port} cannot be reached: ")
    assert str(read.value).endswith(verified)
    assert PASSWORD not in str(move.value) + str(read.value)


def test_a_file_that_is_not_there_is_a_sentence(server: Server, authorities: Authorities) -> None:
    with pytest.raises(DatabaseError, match=r'root certificate file "/nowhere\.pem" does not exist'):
        reader_of(server, "postgres", "verify-full", Path("/nowhere.pem")).revision()


def test_only_verify_full_looks_at_the_name(server: Server, authorities: Authorities) -> None:
    database = server.create()
    target_of(server, database, "verify-ca", authorities.right, host="127.0.0.1").close()
    with pytest.raises(MoveError, match=r'does not match host name "127\.0\.0\.1"'):
        target_of(server, database, "verify-full", authorities.right, host="127.0.0.1")


def run_airflow(airflow: Airflow, server: Server, database: str, authority: Path, code: str) -> subprocess.CompletedProcess[str]:
    parts: tuple[Any, ...] = (USER, PASSWORD, NAMED, server.port, database, "verify-full", str(authority))
    environment = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(airflow.home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgresql_url(*parts),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": postgresql_async_url(*parts),
    }
    command = [str(airflow.venv / "bin/python"), "-W", "ignore", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("line", "code"), [(2, SYNCHRONOUS), (3, SYNCHRONOUS), (3, ASYNCHRONOUS)], ids=["2", "3", "3-asynchronous"])
def test_airflows_own_engines_verify(line: int, code: str, server: Server, airflows: dict[int, Airflow], authorities: Authorities) -> None:
    database = server.create()
    let_in = run_airflow(airflows[line], server, database, authorities.right, code)
    assert "encrypted: True" in let_in.stdout, let_in.stderr[-2000:]
    refused = run_airflow(airflows[line], server, database, authorities.wrong, code)
    assert refused.returncode != 0
    assert "certificate verify failed" in refused.stderr.lower()
