# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands before Airflow in a company: a proxy with TLS and a path of its own, which sometimes fails."""

from __future__ import annotations

import http.client
import http.server
import json
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api_server import AirflowServer

Rule = tuple[str, str, Callable[[http.server.BaseHTTPRequestHandler], bool]]
"""Method, end of the path, and what is done once; whether that was the answer."""


class Front:
    """A proxy on a free loopback port; with a certificate it speaks TLS."""

    def __init__(self, server: AirflowServer, path: str = "", certificate: Path | None = None) -> None:
        self._rules: list[Rule] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(server, path))
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme, host = ("http", "127.0.0.1") if certificate is None else ("https", "localhost")
        self.url = f"{scheme}://{host}:{self._server.server_address[1]}{path}"

    def fail(self, method: str, path: str, status: int, words: str) -> None:
        """Answer the first such request with an error of Airflow's form."""

        def answer(handler: http.server.BaseHTTPRequestHandler) -> bool:
            _reply(handler, status, json.dumps({"detail": words}).encode())
            return True

        self._rules.append((method, path, answer))

    def drop(self, method: str, path: str) -> None:
        """End the connection instead of an answer."""

        def hang_up(handler: http.server.BaseHTTPRequestHandler) -> bool:
            handler.close_connection = True
            return True

        self._rules.append((method, path, hang_up))

    def before(self, method: str, path: str, action: Callable[[], Any]) -> None:
        """Do something before the first such request is passed on."""

        def act(_handler: http.server.BaseHTTPRequestHandler) -> bool:
            action()
            return False

        self._rules.append((method, path, act))

    def __enter__(self) -> Front:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answers(self, handler: http.server.BaseHTTPRequestHandler) -> bool:
        """Whether a rule has answered this request."""
        for rule in self._rules:
            method, path, action = rule
            if handler.command == method and handler.path.endswith(path):
                self._rules.remove(rule)
                return action(handler)
        return False

    def _handler(self, server: AirflowServer, path: str) -> type[http.server.BaseHTTPRequestHandler]:
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                """Pass a request on."""
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if not self.path.startswith(path):
                    _reply(self, 404, b"not here")
                elif not front.answers(self):
                    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
                    headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                    connection.request(self.command, self.path[len(path) :], content or None, headers)
                    answer = connection.getresponse()
                    _reply(self, answer.status, answer.read(), answer.getheaders())
                    connection.close()

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def _reply(handler: http.server.BaseHTTPRequestHandler, status: int, content: bytes, headers: list[tuple[str, str]] | None = None) -> None:
    handler.send_response(status)
    for name, value in headers or [("Content-Type", "application/json")]:
        if name.lower() not in ("connection", "content-length", "transfer-encoding", "date", "server"):
            handler.send_header(name, value)
    if status != 204:
        handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
