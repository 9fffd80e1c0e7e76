# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single HTTP requests to one server, on a connection that is kept open."""

from __future__ import annotations

import http.client
import os
import select
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

DROPPED = (http.client.BadStatusLine, BrokenPipeError, ConnectionResetError)


class ApiError(Exception):
    """What the API did not do, in one sentence. `status` is None when there was no answer; `sent` says whether it may have been done."""

    def __init__(self, message: str, status: int | None = None, sent: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.sent = sent


class Refused(ApiError):
    """Nothing listens at the address."""


@dataclass(frozen=True)
class Server:
    """Where the API is and how to log in."""

    url: str
    username: str | None = None
    password: str | None = None
    token: str | None = None
    api_version: str = "auto"
    validate_certs: bool = True
    ca_path: str | None = None
    timeout: float = 60

    def address(self) -> SplitResult:
        """The parts of the URL."""
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid or parts.query or parts.fragment or "@" in parts.netloc:
            # It may hold a password, so it is not shown.
            raise ApiError(
                "The url is no address of a web server: write http://HOST:PORT or https://HOST, with a path where Airflow has one "
                "and without user and password."
            )
        return parts


@dataclass(frozen=True)
class Response:
    """An answer."""

    status: int
    content: bytes
    location: str
    cookies: str


class HttpClient:
    """Requests below the server's URL, which is `root` for messages."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._address = server.address()
        self._base = self._address.path.rstrip("/")
        self.root = f"{self._address.scheme}://{self._address.netloc}{self._base}"
        self._connection: http.client.HTTPConnection | None = None

    def fetch(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Response:
        """The answer to one request."""
        if self._connection is not None and self._is_stale(self._connection):
            self.disconnect()
        reused = self._connection is not None
        try:
            return self._fetch(method, path, content, headers)
        except DROPPED:
            # A server may end a kept connection just now. What changes something is not asked for twice.
            if not reused or method != "GET":
                raise self._broken(method, "it ended the connection without an answer") from None
        try:
            return self._fetch(method, path, content, headers)
        except DROPPED:
            raise self._broken(method, "it ended the connection without an answer") from None

    def disconnect(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fetch(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Response:
        if self._connection is None:
            self._connection = self._connect()
        try:
            self._connection.request(method, self._base + path, content, dict(headers))
            response = self._connection.getresponse()
            data = response.read()
        except DROPPED:
            self.disconnect()
            raise
        except (OSError, http.client.HTTPException) as error:
            self.disconnect()
            raise self._broken(method, _reason(error)) from None
        if response.will_close:
            self.disconnect()
        cookies = (line.partition(";")[0] for line in response.headers.get_all("Set-Cookie") or ())
        return Response(response.status, data, str(response.headers.get("Location", "")), "; ".join(cookies))

    @staticmethod
    def _is_stale(connection: http.client.HTTPConnection) -> bool:
        """Between requests a server has nothing to say but farewell."""
        return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])

    def _connect(self) -> http.client.HTTPConnection:
        host, port, timeout = str(self._address.hostname), self._address.port, self.server.timeout
        connection = (
            http.client.HTTPConnection(host, port, timeout=timeout)
            if self._address.scheme == "http"
            else http.client.HTTPSConnection(host, port, timeout=timeout, context=self._context())
        )
        try:
            connection.connect()
        except ConnectionRefusedError:
            raise Refused(f"Nothing accepts connections at {self.root}: start Airflow's web or API server, or correct url.") from None
        except OSError as error:
            raise ApiError(f"{self.root} cannot be reached: {_reason(error)}.") from None
        return connection

    def _context(self) -> ssl.SSLContext:
        authorities = self.server.ca_path
        try:
            folder = authorities is not None and os.path.isdir(authorities)
            context = ssl.create_default_context(cafile=None if folder else authorities, capath=authorities if folder else None)
        except (OSError, ssl.SSLError):
            raise ApiError(f"{authorities} holds no certificates that can be read: correct ca_path.") from None
        if not self.server.validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _broken(self, method: str, reason: str) -> ApiError:
        return ApiError(f"{self.root} broke off: {reason}.", sent=method != "GET")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message}); set ca_path to the authority that signed it"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return getattr(error, "strerror", None) or type(error).__name__
