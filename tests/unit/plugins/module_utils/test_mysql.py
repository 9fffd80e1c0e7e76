# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting to MySQL: what is sent to a server without TLS, and what errors say."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pymysql
import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._mysql import connect, reason
from pymysql.constants import CLIENT

DENIED = b"\xff\x15\x04#28000Access denied"


class Server(threading.Thread):
    """A server without TLS, which greets, listens once, and lets nobody in."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.heard = b""
        self.start()

    def run(self) -> None:
        client, _address = self.socket.accept()
        with client:
            client.sendall(packet(0, greeting()))
            self.heard = client.recv(4096)
            if self.heard:
                client.sendall(packet(2, DENIED))


def packet(number: int, content: bytes) -> bytes:
    return struct.pack("<I", len(content))[:3] + bytes([number]) + content


def greeting() -> bytes:
    flags = CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH
    low, high = struct.pack("<I", flags)[:2], struct.pack("<I", flags)[2:]
    parts = [b"\x0a9.7.0\0", b"\1\0\0\0", b"s" * 8, b"\0", low, b"\xff", b"\2\0", high, b"\x15", b"\0" * 10, b"s" * 12, b"\0"]
    return b"".join([*parts, b"caching_sha2_password\0"])


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.socket.close()


def settings(server: Server, mode: str) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": server.port, "name": "airflow", "user": "airflow", "password": "secret", "ssl_mode": mode}


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_where_tls_is_demanded_nothing_is_sent_without(mode: str, server: Server) -> None:
    with pytest.raises(pymysql.OperationalError, match="the server offers no TLS"):
        connect(settings(server, mode))
    server.join(10)
    assert server.heard == b""


@pytest.mark.parametrize("mode", ["disable", "prefer", ""])
def test_elsewhere_the_login_goes_on_and_the_password_is_not_in_it(mode: str, server: Server) -> None:
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        connect(settings(server, mode))
    server.join(10)
    assert b"airflow\0" in server.heard
    assert b"secret" not in server.heard


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            pymysql.IntegrityError(1062, "Duplicate entry 'Jane's \n key' for key 'variable.PRIMARY'"),
            "Duplicate entry for key 'variable.PRIMARY'",
        ),
        (
            pymysql.OperationalError(1366, "Incorrect string value: '\\xF0\\x9F' for column 'dag_id' at row 1"),
            "Incorrect string value: for column 'dag_id' at row 1",
        ),
        (pymysql.OperationalError(2013, "Lost connection to MySQL\nserver"), "Lost connection to MySQL server"),
        (RuntimeError("'cryptography' package is required"), "'cryptography' package is required"),
    ],
)
def test_errors_are_told_without_values(error: Exception, text: str) -> None:
    assert reason(error) == text
