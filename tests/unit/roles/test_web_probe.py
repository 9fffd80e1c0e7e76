# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe beside nginx, on real sockets; nginx itself is in the scenario `cluster`."""

from __future__ import annotations

import importlib.util
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[3] / "roles" / "load_balancer" / "files" / "web_probe.py"


@pytest.fixture(scope="module")
def probe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("web_probe", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["web_probe"] = module
    spec.loader.exec_module(module)
    return module


class Page(BaseHTTPRequestHandler):
    """Answers as its server says."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/version" else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def web() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.status = 200  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hanging() -> Iterator[int]:
    """A port that accepts, as the kernel does for a process that is stopped, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_server_that_answers_gets_requests(probe: ModuleType, web: ThreadingHTTPServer) -> None:
    assert probe.Server("m1", "127.0.0.1", web.server_port).answers("/version")


def test_one_with_an_error_does_not(probe: ModuleType, web: ThreadingHTTPServer) -> None:
    web.status = 503  # type: ignore[attr-defined]
    assert not probe.Server("m1", "127.0.0.1", web.server_port).answers("/version")


def test_one_that_hangs_does_not(probe: ModuleType, hanging: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "ANSWER_SECONDS", 0.2)
    assert not probe.Server("m1", "127.0.0.1", hanging).answers("/version")


def test_one_failure_is_forgiven(probe: ModuleType, web: ThreadingHTTPServer) -> None:
    watcher = probe.Watch([probe.Server("m1", "127.0.0.1", web.server_port)], "/version")
    with ThreadPoolExecutor(max_workers=1) as pool:
        web.status = 500  # type: ignore[attr-defined]
        assert watcher.ask(pool) == set()
        assert watcher.ask(pool) == {"m1"}
        web.status = 200  # type: ignore[attr-defined]
        assert watcher.ask(pool) == set()


def servers(probe: ModuleType) -> list[object]:
    return [probe.Server("m1", "198.18.0.2", 8080), probe.Server("m2", "fd00::2", 8080)]


def test_nginx_reads_who_is_out(probe: ModuleType) -> None:
    assert probe.upstream(servers(probe), {"m1"}, set()).splitlines() == [
        "upstream airflow_webserver {",
        "    server 198.18.0.2:8080 max_fails=0 down;  # m1",
        "    server [fd00::2]:8080 max_fails=0;  # m2",
        "}",
    ]


def out(probe: ModuleType, failed: set[str], drained: set[str]) -> set[str]:
    """Who gets no requests."""
    lines = probe.upstream(servers(probe), failed, drained).splitlines()
    return {line.rpartition("# ")[2] for line in lines if " down;" in line}


@pytest.mark.parametrize(
    ("failed", "drained", "expected"),
    [
        ({"m1", "m2"}, set(), set()),
        # It answers, and nobody else does.
        ({"m2"}, {"m1"}, {"m2"}),
        ({"m1", "m2"}, {"m1"}, {"m1"}),
        (set(), {"m1", "m2"}, set()),
        ({"m1"}, {"m1"}, {"m1"}),
        ({"m1", "m2"}, {"m1", "m2"}, set()),
    ],
)
def test_where_all_are_out_somebody_stays(probe: ModuleType, failed: set[str], drained: set[str], expected: set[str]) -> None:
    assert out(probe, failed, drained) == expected


def test_one_of_two_that_both_fail_is_taken_out(probe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nginx = probe.Nginx(tmp_path / "state", tmp_path / "nginx.pid")
    nginx.write(servers(probe), {"m1", "m2"})
    monkeypatch.setattr(probe, "read_settings", lambda: (servers(probe), "/version", ""))
    monkeypatch.setattr(probe, "PATIENCE_SECONDS", 5)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            nginx.write(servers(probe), {"m1", "m2"})

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        probe.drain(nginx, "m1")
        assert not probe.gets_requests(nginx, "m1") and probe.gets_requests(nginx, "m2")
        # The last one stays.
        probe.drain(nginx, "m2")
        assert probe.gets_requests(nginx, "m2")
    finally:
        ended.set()
        watching.join()


def test_the_file_is_written_when_something_changes(probe: ModuleType, tmp_path: Path) -> None:
    nginx = probe.Nginx(tmp_path / "state", tmp_path / "nginx.pid")
    assert nginx.write(servers(probe), set())
    assert not nginx.write(servers(probe), set())
    assert probe.gets_requests(nginx, "m1")
    assert nginx.write(servers(probe), {"m1"})
    assert not probe.gets_requests(nginx, "m1")
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["upstream.conf"]


def test_who_was_taken_out_is_remembered(probe: ModuleType, tmp_path: Path) -> None:
    nginx = probe.Nginx(tmp_path / "state", tmp_path / "nginx.pid")
    assert nginx.drained_names() == set()
    nginx.drained.mkdir(parents=True)
    (nginx.drained / "m1").touch()
    assert nginx.drained_names() == {"m1"}


def test_no_signal_goes_to_a_process_of_somebody_else(probe: ModuleType, tmp_path: Path) -> None:
    pid_file = tmp_path / "nginx.pid"
    # This very process, which a hang-up would end.
    pid_file.write_text(str(threading.get_native_id()))
    nginx = probe.Nginx(tmp_path / "state", pid_file)
    assert nginx.master() is None
    nginx.reload()
