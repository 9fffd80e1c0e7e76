# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon's pages are asked of a server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CallModule = Callable[..., dict[str, Any]]


class Pages(ThreadingHTTPServer):
    """Answers each page with the status that is set for it, and remembers who was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = {"/health": 200, "/first": 200}

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            server: Pages

            def do_GET(self) -> None:
                self.server.asked.append(self.path)
                self.send_response(self.server.status[self.path])
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A server that runs."""
    with Pages() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A systemd whose unit is active, and a journal without a line."""
    for name, says in (("systemctl", "ActiveState=active\\nExecMainStartTimestamp=@1\\n"), ("journalctl", "")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nprintf '{says}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def health(call_module: CallModule, pages: Pages) -> dict[str, Any]:
    return call_module("airflow_health", unit="airflow-webserver", url=f"{pages.url}/health", first_url=f"{pages.url}/first", timeout=1)


def test_its_first_request_is_made_when_it_is_well(call_module: CallModule, pages: Pages) -> None:
    assert "failed" not in health(call_module, pages)
    assert pages.asked == ["/health", "/first"]


def test_nobody_asks_first_a_daemon_that_is_not_well(call_module: CallModule, pages: Pages) -> None:
    pages.status["/health"] = 503
    assert f"{pages.url}/health answers 503" in health(call_module, pages)["msg"]
    assert set(pages.asked) == {"/health"}


@pytest.mark.parametrize("status", [404, 500])
def test_a_first_request_that_fails_is_told(call_module: CallModule, pages: Pages, status: int) -> None:
    pages.status["/first"] = status
    assert f"{pages.url}/first answers {status}" in health(call_module, pages)["msg"]
