# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL client in pure Python, for a host that has no driver yet: a server is asked before anything is installed.

It logs in by password (SCRAM-SHA-256, MD5 or plain) or as the user of the operating system, with TLS as libpq's modes say it, and reads
the results of simple queries.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import socket
import ssl
import stringprep
import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import acting_as

PROTOCOL = 196608
SSL_REQUEST = 80877103
ENCRYPTED = ("require", "verify-ca", "verify-full")
SCRAM = "SCRAM-SHA-256"
NO_SUCH_DATABASE = "3D000"
LONGEST_MESSAGE = 1 << 28

_CONVERTERS: Mapping[int, Callable[[str], Any]] = {16: lambda text: text == "t", 20: int, 21: int, 23: int, 26: int}
"""By the type's number in the catalogue; everything else stays a text."""


class ClientError(Exception):
    """What the server, or the way to it, says; `code` is its SQLSTATE, empty where it comes from no server."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Login:
    """Where the server is, and who asks. A host that begins with a slash is the folder of the server's socket."""

    host: str
    port: int
    database: str
    user: str
    password: str = ""
    ssl_mode: str = "prefer"
    ssl_root_cert: str | None = None
    options: str = ""
    timeout: float = 10


class Client:
    """A session. Raises ClientError."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._buffer = b""
        try:
            self._socket = self._connect()
            self._start()
        except (OSError, ValueError) as error:
            raise ClientError(_reason(error)) from None

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        self._send(b"Q", statement.encode() + b"\0")
        found: list[tuple[Any, ...]] = []
        converters: list[Callable[[str], Any]] = []
        failure: ClientError | None = None
        while True:
            kind, body = self._receive()
            if kind == b"T":
                converters = [_CONVERTERS.get(number, str) for number in _types(body)]
            elif kind == b"D":
                found.append(tuple(None if value is None else convert(value.decode()) for convert, value in zip(converters, _values(body))))
            elif kind == b"E":
                failure = _error(body)
            elif kind == b"Z":
                if failure is not None:
                    raise failure
                return found

    def close(self) -> None:
        """Leave the server."""
        with contextlib.suppress(OSError, ClientError):
            self._send(b"X", b"")
        self._socket.close()

    def _connect(self) -> socket.socket:
        login = self._login
        if login.host.startswith("/"):
            return _to_socket(f"{login.host}/.s.PGSQL.{login.port}", login.timeout)
        plain = socket.create_connection((login.host, login.port), login.timeout)
        if login.ssl_mode in ("disable", "allow"):
            return plain
        plain.sendall(struct.pack("!ii", 8, SSL_REQUEST))
        if plain.recv(1) == b"S":
            return _context(login).wrap_socket(plain, server_hostname=login.host)
        if login.ssl_mode in ENCRYPTED:
            raise ClientError("the server offers no TLS")
        return plain

    def _start(self) -> None:
        login = self._login
        settings = {"user": login.user, "database": login.database, "options": login.options, "client_encoding": "UTF8"}
        named = [(name, value) for name, value in settings.items() if value]
        body = b"".join(name.encode() + b"\0" + value.encode() + b"\0" for name, value in named) + b"\0"
        self._socket.sendall(struct.pack("!ii", len(body) + 8, PROTOCOL) + body)
        while True:
            kind, body = self._receive()
            if kind == b"E":
                raise _error(body)
            if kind == b"R":
                self._log_in(struct.unpack("!i", body[:4])[0], body[4:])
            elif kind == b"Z":
                return

    def _log_in(self, method: int, body: bytes) -> None:
        login = self._login
        if method == 0:
            return
        if method == 3:
            self._send(b"p", login.password.encode() + b"\0")
        elif method == 5:
            inner = hashlib.md5(login.password.encode() + login.user.encode()).hexdigest()
            self._send(b"p", b"md5" + hashlib.md5(inner.encode() + body[:4]).hexdigest().encode() + b"\0")
        elif method == 10 and SCRAM.encode() in body.split(b"\0"):
            self._log_in_by_scram()
        else:
            raise ClientError(f"the server wants a login of a kind that is not known here ({method})")

    def _log_in_by_scram(self) -> None:
        scram = Scram(self._login.password)
        first = scram.first().encode()
        self._send(b"p", SCRAM.encode() + b"\0" + struct.pack("!i", len(first)) + first)
        self._send(b"p", scram.final(self._authentication(11).decode()).encode())
        scram.verify(self._authentication(12).decode())

    def _authentication(self, step: int) -> bytes:
        kind, body = self._receive()
        if kind == b"E":
            raise _error(body)
        if kind != b"R" or struct.unpack("!i", body[:4])[0] != step:
            raise ClientError("the server broke the login off")
        return body[4:]

    def _send(self, kind: bytes, body: bytes) -> None:
        try:
            self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)
        except OSError as error:
            raise ClientError(_reason(error)) from None

    def _receive(self) -> tuple[bytes, bytes]:
        kind, length = struct.unpack("!ci", self._exactly(5))
        if not 4 <= length <= LONGEST_MESSAGE:
            raise ClientError("what answers there is no PostgreSQL server")
        return kind, self._exactly(length - 4)

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            try:
                part = self._socket.recv(65536)
            except OSError as error:
                raise ClientError(_reason(error)) from None
            if not part:
                raise ClientError("the server closed the connection")
            self._buffer += part
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found


class Scram:
    """The client's half of SCRAM-SHA-256 (RFC 7677), without channel binding."""

    def __init__(self, password: str, nonce: str = "", user: str = "") -> None:
        self._password = prepared(password)
        self._nonce = nonce or base64.b64encode(secrets.token_bytes(18)).decode()
        self._bare = f"n={user},r={self._nonce}"
        self._signature = b""

    def first(self) -> str:
        """The first message. The server knows the user's name already."""
        return f"n,,{self._bare}"

    def final(self, challenge: str) -> str:
        """The answer to the server's challenge."""
        parts = _attributes(challenge)
        try:
            nonce, salt, rounds = parts["r"], base64.b64decode(parts["s"]), int(parts["i"])
        except (KeyError, ValueError):
            raise ClientError("the server's challenge cannot be read") from None
        if not nonce.startswith(self._nonce):
            raise ClientError("the server's challenge is not for this login")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        without_proof = f"c=biws,r={nonce}"
        message = ",".join((self._bare, challenge, without_proof)).encode()
        client_key = _keyed(salted, b"Client Key")
        proof = bytes(a ^ b for a, b in zip(client_key, _keyed(hashlib.sha256(client_key).digest(), message)))
        self._signature = _keyed(_keyed(salted, b"Server Key"), message)
        return f"{without_proof},p={base64.b64encode(proof).decode()}"

    def verify(self, answer: str) -> None:
        """Whether the server knows the password too."""
        if _attributes(answer).get("v", "") != base64.b64encode(self._signature).decode():
            raise ClientError("the server does not know the role's password")


def prepared(password: str) -> bytes:
    """A password as SASLprep has it (RFC 4013); one that it forbids is taken as it is, as PostgreSQL does."""
    if password.isascii():
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character for character in password if not stringprep.in_table_b1(character)
    )
    text = unicodedata.normalize("NFKC", mapped)
    return (text if text and not any(map(_is_forbidden, text)) else password).encode()


def _is_forbidden(character: str) -> bool:
    tables = (
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
        stringprep.in_table_a1,
    )
    return any(table(character) for table in tables)


def _keyed(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _attributes(message: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in message.split(","))
    return {name: value for name, _separator, value in pairs}


def _to_socket(path: str, timeout: float) -> socket.socket:
    """A connection to a server of this host, as the user that it runs as."""
    owner = os.stat(path)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    with acting_as(owner.st_uid, owner.st_gid):
        connection.connect(path)
    return connection


def _context(login: Login) -> ssl.SSLContext:
    verifies = login.ssl_mode.startswith("verify-")
    path = login.ssl_root_cert if verifies and login.ssl_root_cert else None
    try:
        context = ssl.create_default_context(cafile=path)
    except OSError as error:
        raise ClientError(f"the certificates in {path} cannot be read ({_reason(error)})") from None
    # libpq is content with certificates that Python 3.13 is not.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    context.check_hostname = login.ssl_mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    """An error of the way in words."""
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "it does not answer in time"
    return str(getattr(error, "strerror", None) or error)


def _types(body: bytes) -> list[int]:
    (count,) = struct.unpack_from("!h", body)
    position, found = 2, []
    for _number in range(count):
        position = body.index(b"\0", position) + 1
        found.append(struct.unpack_from("!I", body, position + 6)[0])
        position += 18
    return found


def _values(body: bytes) -> list[bytes | None]:
    (count,) = struct.unpack_from("!h", body)
    position, found = 2, []
    for _number in range(count):
        (length,) = struct.unpack_from("!i", body, position)
        position += 4
        found.append(None if length < 0 else body[position : position + length])
        position += max(length, 0)
    return found


def _error(body: bytes) -> ClientError:
    fields = {chr(part[0]): part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
    return ClientError(" ".join(fields.get("M", "no reason").split()), fields.get("C", ""))
