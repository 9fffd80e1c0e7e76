# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client with servers that do what a script says, over real sockets."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._api_client import PAGE, ApiClient, detail, segment, without_secrets
from ansible_collections.updraft.airflow.plugins.module_utils._api_http import ApiError, Refused, Server

Answer = tuple[int, Any]
DROP = (0, None)
VERSION = (200, {"version": "3.3.2"})
TOKEN = (201, {"access_token": "t0ken"})


class Script:
    """Answers in their order, and the requests that came."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, Any]] = []
        self.authorizations: list[str | None] = []
        self.connections = 0


class Clock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Wait."""
        self.now += seconds


def handler(script: Script) -> type[http.server.BaseHTTPRequestHandler]:
    """What speaks to a client."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            """Count connections."""
            script.connections += 1
            super().setup()

        def handle_any(self) -> None:
            """Give the next answer."""
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.requests.append((self.command, self.path, json.loads(content) if content.startswith((b"{", b"[")) else content.decode()))
            script.authorizations.append(self.headers.get("Authorization") or self.headers.get("Cookie"))
            status, answer = script.answers.pop(0)
            if status == 0:
                self.close_connection = True
                return
            headers = answer if status in (302, 308) else {}
            data = b"" if headers else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


Serve = Callable[..., tuple[Script, str]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A function that starts a server with a script and returns both."""
    with contextlib.ExitStack() as stack:

        def start(*answers: Answer) -> tuple[Script, str]:
            script = Script(*answers)
            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(script)))
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.shutdown)
            return script, f"http://127.0.0.1:{server.server_address[1]}"

        yield start


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


def client(url: str, clock: Clock, patient: bool = True, **settings: Any) -> ApiClient:
    """A client that waits without waiting."""
    login = {} if "token" in settings else {"username": "jane", "password": "pässword"}
    return ApiClient(Server(url, **{**login, **settings}), patient, clock, clock.pause)


def test_airflow_3(serve: Serve, clock: Clock) -> None:
    script, url = serve(VERSION, TOKEN, (200, {}))
    api = client(f"{url}/below/", clock)
    api.open()
    api.request("GET", "/api/v2/pools")
    assert (api.version, api.airflow) == ("v2", "3.3.2")
    assert script.requests == [
        ("GET", "/below/api/v2/version", ""),
        ("POST", "/below/auth/token", {"username": "jane", "password": "pässword"}),
        ("GET", "/below/api/v2/pools", ""),
    ]
    assert script.authorizations == [None, None, "Bearer t0ken"]
    assert script.connections == 1


def test_airflow_2(serve: Serve, clock: Clock) -> None:
    script, url = serve((404, b"<html>"), (200, {"version": "2.11.2"}), (200, {}))
    api = client(url, clock)
    api.open()
    api.request("GET", "/api/v1/pools")
    assert (api.version, api.airflow) == ("v1", "2.11.2")
    assert script.authorizations[-1] == "Basic amFuZTpww6Rzc3dvcmQ="


def test_a_token_and_a_version_that_are_given(serve: Serve, clock: Clock) -> None:
    script, url = serve((200, {"version": "2.11.2"}), (200, {}))
    api = client(url, clock, token="mine", api_version="v1")
    api.open()
    api.request("GET", "/api/v1/pools")
    assert [path for _, path, _ in script.requests] == ["/api/v1/version", "/api/v1/pools"]
    assert script.authorizations[-1] == "Bearer mine"


@pytest.mark.parametrize("status", [502, 503])
def test_it_waits_for_a_server_that_is_not_there_yet(serve: Serve, clock: Clock, status: int) -> None:
    script, url = serve((status, b""), (status, b""), VERSION, TOKEN, (status, b""), (200, {"done": 1}))
    api = client(url, clock)
    api.open()
    assert api.request("PATCH", "/x", {"a": 1}) == {"done": 1}
    assert clock.now == 1.5
    assert script.requests[-1] == ("PATCH", "/x", {"a": 1})


def test_it_does_not_wait_for_ever(serve: Serve, clock: Clock) -> None:
    _, url = serve(*[(503, b"")] * 100)
    with pytest.raises(ApiError, match="still answers HTTP 503 after 5 seconds"):
        client(url, clock, timeout=5).open()
    assert clock.now == 5


def test_nothing_listens(clock: Clock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Refused, match="Nothing accepts connections at http://127"):
            client(url, clock, timeout=3).open()
        assert clock.now == 3
        with pytest.raises(Refused):
            client(url, clock, patient=False).open()
        assert clock.now == 3


def test_a_server_that_ends_the_connection_now_and_then(serve: Serve, clock: Clock) -> None:
    script, url = serve(VERSION, TOKEN, DROP, (200, {"again": 1}))
    api = client(url, clock)
    api.open()
    assert api.request("GET", "/x") == {"again": 1}
    assert script.connections == 2


def test_what_changes_something_is_not_sent_twice(serve: Serve, clock: Clock) -> None:
    script, url = serve(VERSION, TOKEN, DROP, (200, {}))
    api = client(url, clock)
    api.open()
    with pytest.raises(ApiError) as raised:
        api.request("POST", "/x", {})
    assert raised.value.sent is True
    assert len(script.requests) == 3


def test_pages(serve: Serve, clock: Clock) -> None:
    first, second = [{"n": n} for n in range(PAGE)], [{"n": PAGE}]
    script, url = serve(
        VERSION, TOKEN, (200, {"pools": first, "total_entries": 101}), (200, {"pools": second, "total_entries": 101}), (200, {"x": 1})
    )
    api = client(url, clock)
    api.open()
    assert api.collect("/api/v2/pools", "pools") == first + second
    assert [path for _, path, _ in script.requests[2:]] == [
        "/api/v2/pools?limit=100&offset=0",
        "/api/v2/pools?limit=100&offset=100",
    ]
    with pytest.raises(ApiError, match="answered something else than pools"):
        api.collect("/api/v2/pools", "pools")


def test_a_list_that_gets_shorter_meanwhile(serve: Serve, clock: Clock) -> None:
    _, url = serve(VERSION, TOKEN, (200, {"pools": [{"n": 1}], "total_entries": 2}), (200, {"pools": [], "total_entries": 2}))
    api = client(url, clock)
    api.open()
    assert api.collect("/p", "pools") == [{"n": 1}]


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ([(404, b""), (404, b"")], r"is not Airflow's API \(v1 and v2 asked, HTTP 404 last\): check url and api_version\.$"),
        ([(200, b"<html>"), (200, b"<html>")], "is not Airflow's API"),
        ([(308, {"Location": "https://here/"})], "redirects to https://here/: set url to the address where Airflow answers itself"),
        ([VERSION, (401, {"detail": "Invalid credentials"})], "does not let jane in: check username and password"),
        ([VERSION, (404, b"")], r"gave no token \(HTTP 404\): with an auth manager other than FAB or Simple, set token"),
        ([VERSION, TOKEN, (401, b"")], "does not let jane in: check username and password, or token"),
        ([VERSION, TOKEN, (403, b"")], "does not let jane GET /x: give the user a role that may"),
        ([VERSION, TOKEN, (500, b"<html>")], "^HTTP 500: no reason given$"),
        (
            [(404, b""), (200, {"version": "2"}), (403, b""), (404, b"")],
            r"GET /x: check .* that \[api\] auth_backends names FAB's basic_auth or session",
        ),
    ],
)
def test_errors_in_one_sentence(serve: Serve, clock: Clock, answers: list[Answer], sentence: str) -> None:
    _, url = serve(*answers)
    api = client(url, clock)
    with pytest.raises(ApiError, match=sentence):
        api.open()
        api.request("GET", "/x?limit=1")


LOGIN_PAGE = (200, b'<input id="csrf_token" name="csrf_token" type="hidden" value="c5rf">')
LOGGED_IN = (302, {"Location": "/home", "Set-Cookie": "session=s1; Path=/"})


def test_a_session_for_many_writes(serve: Serve, clock: Clock) -> None:
    script, url = serve((404, b""), (200, {"version": "2"}), LOGIN_PAGE, LOGGED_IN, (200, {}), (302, {"Location": "/"}))
    api = client(url, clock)
    api.open()
    api.expect(7)
    assert len(script.requests) == 2
    api.expect(8)
    api.request("GET", "/x")
    api.close()
    assert script.requests[3] == ("POST", "/login/", "csrf_token=c5rf&username=jane&password=p%C3%A4ssword")
    assert script.requests[-1] == ("GET", "/logout/", "")
    assert script.authorizations[-2:] == ["session=s1", "session=s1"]


@pytest.mark.parametrize(
    "answers",
    [
        [(404, b"")],
        [(200, b"Sign in with somebody else")],
        [LOGIN_PAGE, (302, {"Location": "/login/", "Set-Cookie": "session=no"})],
        [LOGIN_PAGE, (429, b"")],
        [DROP],
        [LOGIN_PAGE, LOGGED_IN, (403, b"")],
    ],
)
def test_where_there_are_no_sessions(serve: Serve, clock: Clock, answers: list[Answer]) -> None:
    script, url = serve((404, b""), (200, {"version": "2"}), *answers, *([DROP] if answers == [DROP] else []), (200, {}))
    api = client(url, clock)
    api.open()
    api.expect(8)
    api.request("GET", "/x")
    assert str(script.authorizations[-1]).startswith("Basic ")


def test_airflow_2_that_lets_nothing_in_but_sessions(serve: Serve, clock: Clock) -> None:
    script, url = serve((404, b""), (200, {"version": "2"}), (401, b""), LOGIN_PAGE, LOGGED_IN, (200, {"a": 1}), (200, {}), (302, {}))
    api = client(url, clock)
    api.open()
    assert api.request("GET", "/x") == {"a": 1}
    api.expect(8)
    api.request("POST", "/x", {})
    api.close()
    assert [request[:2] for request in script.requests[5:]] == [("GET", "/x"), ("POST", "/x"), ("GET", "/logout/")]
    assert str(script.authorizations[2]).startswith("Basic ")
    assert script.authorizations[5:] == ["session=s1"] * 3


def test_it_waits_where_others_have_just_logged_in(serve: Serve, clock: Clock) -> None:
    script, url = serve((404, b""), (200, {"version": "2"}), (401, b""), LOGIN_PAGE, *[(429, b"")] * 80, LOGGED_IN, (200, {"a": 1}))
    api = client(url, clock)
    api.open()
    assert api.request("GET", "/x") == {"a": 1}
    assert (clock.now, script.authorizations[-1]) == (40, "session=s1")


def test_it_does_not_wait_for_a_login_for_ever(serve: Serve, clock: Clock) -> None:
    _, url = serve((404, b""), (200, {"version": "2"}), (401, b""), LOGIN_PAGE, *[(429, b"")] * 11)
    api = client(url, clock, timeout=5)
    api.open()
    with pytest.raises(ApiError, match="does not let jane GET /x"):
        api.request("GET", "/x")
    assert clock.now == 5


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://h", "http://", "http://u:s3cret@h", "http://h?x=1", "http://h:port"])
def test_what_is_no_address(url: str, clock: Clock) -> None:
    with pytest.raises(ApiError, match="is no address of a web server") as raised:
        client(url, clock)
    assert "s3cret" not in str(raised.value)


def test_certificates_that_are_none(clock: Clock) -> None:
    with pytest.raises(ApiError, match=r"/nowhere holds no certificates that can be read: correct ca_path\."):
        client("https://127.0.0.1:1", clock, ca_path="/nowhere").open()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"detail": "what", "title": "Bad"}, "what"),
        ({"title": "Bad"}, "Bad"),
        ({"detail": {"reason": "Unique constraint violation", "statement": "INSERT s3cret"}}, "Unique constraint violation"),
        ({"detail": [{"loc": ["body", "port"], "msg": "too large", "input": "s3cret"}]}, "body.port: too large"),
        ({"detail": "x" * 1000}, "x" * 300),
        (None, ""),
    ],
)
def test_what_an_error_says(answer: Any, told: str) -> None:
    assert detail(answer) == told


def test_secrets_are_blotted_out() -> None:
    assert without_secrets("no s3cret and s3cret-long, but a 1", ["s3cret", "s3cret-long", "1"]) == "no ******** and ********, but a 1"


def test_a_name_is_one_segment() -> None:
    assert segment("a/b c?ü") == "a%2Fb%20c%3F%C3%BC"
