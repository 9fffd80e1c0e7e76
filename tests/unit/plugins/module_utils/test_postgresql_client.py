# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client that asks a server before a driver is there. What it finds on real servers, tests/integration_db says."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_driverless import literal, look
from ansible_collections.updraft.airflow.plugins.module_utils.postgresql_client import ClientError, Login, Scram, prepared

CHALLENGE = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
ANSWER = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SIGNATURE = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_exchange_of_rfc_7677() -> None:
    scram = Scram("pencil", "rOprNGfwEbeRWgbNEkqO", "user")
    assert scram.first() == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert scram.final(CHALLENGE) == ANSWER
    scram.verify(SIGNATURE)
    with pytest.raises(ClientError, match="does not know the role's password"):
        scram.verify(SIGNATURE.replace("6rri", "7rri"))


@pytest.mark.parametrize("challenge", ["r=other,s=QQ==,i=1", "r=rOpr", "e=no", "r=mine1,s=QQ==,i=x"])
def test_a_challenge_that_is_none(challenge: str) -> None:
    with pytest.raises(ClientError, match="the server's challenge"):
        Scram("pencil", "mine").final(challenge)


@pytest.mark.parametrize(
    ("password", "text"),
    [("p@ss %25", "p@ss %25"), ("I\u00adX", "IX"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b"), ("ä\u0007", "ä\u0007")],
)
def test_passwords_are_prepared_as_the_server_does(password: str, text: str) -> None:
    assert prepared(password) == text.encode()


def test_values_in_statements() -> None:
    assert literal("it's") == "'it''s'"
    assert literal(["a", "b'"]) == "ARRAY['a', 'b''']::text[]"
    assert (literal(7), literal(True)) == ("7", "True")


def listener(answer: bytes) -> int:
    """A port where somebody answers once with these bytes."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _address = server.accept()
        with connection, server:
            connection.recv(1000)
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def found(port: int, ssl_mode: str = "disable", ssl_root_cert: str | None = None) -> list[str]:
    """What is said of a database there."""
    return look(Login("127.0.0.1", port, "airflow", "jane", "hush", ssl_mode, ssl_root_cert))


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert found(port) == [
        f"The database airflow on 127.0.0.1:{port} cannot be used: Connection refused; check that it runs, and "
        "airflow_metadata_db_host and airflow_metadata_db_port."
    ]


@pytest.mark.parametrize(
    ("answer", "mode", "reason"),
    [
        (b"N", "verify-full", "the server offers no TLS"),
        (b"HTTP/1.1 400 Bad Request", "disable", "what answers there is no PostgreSQL server"),
        (b"", "disable", "the server closed the connection"),
    ],
)
def test_something_else_listens(answer: bytes, mode: str, reason: str) -> None:
    (finding,) = found(listener(answer), mode)
    assert f"cannot be used: {reason}; check that it runs" in finding


def test_a_wrong_password_is_told_with_the_variables() -> None:
    message = b'SFATAL\0C28P01\0Mpassword authentication failed for user "jane"\0\0'
    port = listener(b"E" + (len(message) + 4).to_bytes(4, "big") + message)
    assert found(port) == [
        f'The database airflow on 127.0.0.1:{port} cannot be used: password authentication failed for user "jane"; check '
        "airflow_metadata_db_user and airflow_metadata_db_password, and that the server lets this host in."
    ]


def test_authorities_that_are_not_there() -> None:
    (finding,) = found(listener(b"S"), "verify-full", "/nowhere/ca.pem")
    assert "cannot be used: the certificates in /nowhere/ca.pem cannot be read (No such file or directory); the server is" in finding


def test_a_server_of_this_host_that_is_not_there_is_no_finding(tmp_path: Path) -> None:
    assert look(Login(str(tmp_path), 5432, "airflow", "postgres")) == []
