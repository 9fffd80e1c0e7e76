# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of Airflow's REST API, of both its generations."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from ._api_http import ApiError, HttpClient, Refused, Server

VERSIONS = ("v1", "v2")
"""Airflow 2 and Airflow 3."""

ARGUMENTS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "token": {"type": "str", "no_log": True},
    "api_version": {"type": "str", "choices": ["auto", *VERSIONS], "default": "auto"},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "timeout": {"type": "int", "default": 60},
}
TOGETHER = [("username", "password")]
ONE_OF = [("password", "token")]

PAGE = 100
"""What Airflow's `maximum_page_limit` is unless somebody set it: asking for more gives no more."""

PAUSE_SECONDS = 0.5
NOT_YET = (502, 503)
DENIED = (401, 403)
LONGEST_DETAIL = 300
SHORTEST_SECRET = 4
TOO_MANY = 429
WORTH_A_SESSION = 8
CSRF_TOKEN = re.compile(rb'name="csrf_token"[^>]*value="([^"]+)"')


def server_of(parameters: Mapping[str, Any]) -> Server:
    """The server that a module's arguments name."""
    if parameters["timeout"] < 1:
        raise ApiError(f"timeout is {parameters['timeout']}: it must be 1 second or more.")
    return Server(**{name: parameters[name] for name in ARGUMENTS})


class ApiClient:
    """Requests to one server. `version` is v1 or v2 once it is open."""

    def __init__(
        self,
        server: Server,
        patient: bool = True,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Without patience, nobody waits for an API that does not accept connections yet."""
        self.version = ""
        self.airflow = ""
        self.secrets: frozenset[str] = frozenset()
        """What must not be told when the server quotes it."""

        self._server = server
        self._http = HttpClient(server)
        self._patient = patient
        self._clock = clock
        self._pause = pause
        self._caller = server.username or "the owner of the token"
        self._basic = ""
        self._headers = {"Accept": "application/json"}

    def open(self) -> None:
        """Find out which generation answers, and log in."""
        self.version, self.airflow = self._find_version()
        if self._server.token:
            self._headers["Authorization"] = f"Bearer {self._server.token}"
        elif self.version == "v1":
            self._headers["Authorization"] = self._basic = self._by_password(self._server.password)
        else:
            self._headers["Authorization"] = f"Bearer {self._new_token()}"

    def learn(self, username: str, password: str) -> None:
        """A user has a new password; it may be the one who does all this."""
        if username == self._server.username and self._basic:
            self._basic = self._by_password(password)
            if "Cookie" not in self._headers:
                self._headers["Authorization"] = self._basic

    def expect(self, writes: int) -> None:
        """Prepare for many requests: Airflow 2 hashes the password for each one, which takes longer than all the rest of it."""
        if writes >= WORTH_A_SESSION and "Cookie" not in self._headers:
            self._log_in_by_session(patient=False)

    def close(self) -> None:
        """Log out of a session, and end the connection."""
        if "Cookie" in self._headers:
            with contextlib.suppress(ApiError):
                self._http.fetch("GET", "/logout/", None, self._headers)
            self._back_to_basic()
        self.disconnect()

    def disconnect(self) -> None:
        """End the connection, but not the session."""
        self._http.disconnect()

    def twin(self) -> ApiClient:
        """Another client with the same login and a connection of its own."""
        other = copy.copy(self)
        other._http = HttpClient(self._server)
        other._headers = dict(self._headers)
        return other

    def collect(self, path: str, name: str) -> list[dict[str, Any]]:
        """All objects of a list, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.request("GET", f"{path}?{urlencode({'limit': PAGE, 'offset': len(found)})}")
            if not isinstance(page, dict) or not isinstance(page.get(name), list):
                raise ApiError(f"{self._http.root}{path} answered something else than {name}: check the url.")
            found += page[name]
            if not page[name] or len(found) >= int(page.get("total_entries", 0)):
                return found

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer of one request; None where it has no content."""
        status, answer = self._exchange(method, path, body)
        if status in DENIED and self._log_in_otherwise():
            status, answer = self._exchange(method, path, body)
        if 200 <= status < 300:
            return answer
        raise self._error(method, path, status, answer)

    def quote(self, words: str) -> str:
        """Words of the server without secrets."""
        return without_secrets(words, self.secrets)

    def _find_version(self) -> tuple[str, str]:
        wanted = VERSIONS if self._server.api_version == "auto" else (self._server.api_version,)
        status = 0
        # The newer one first: Airflow 3 answers requests to the older with a page of its own.
        for version in reversed(wanted):
            status, answer = self._exchange("GET", f"/api/{version}/version", None)
            if status == 200 and isinstance(answer, dict) and "version" in answer:
                return version, str(answer["version"])
            if 300 <= status < 400 or status in NOT_YET:
                raise self._error("GET", "", status, answer)
        raise ApiError(
            f"{self._http.root} is not Airflow's API ({' and '.join(wanted)} asked, HTTP {status} last): check url and api_version."
        )

    def _by_password(self, password: str | None) -> str:
        return "Basic " + base64.b64encode(f"{self._server.username}:{password}".encode()).decode()

    def _new_token(self) -> str:
        given = {"username": self._server.username, "password": self._server.password}
        status, answer = self._exchange("POST", "/auth/token", given)
        if status in (200, 201) and isinstance(answer, dict) and answer.get("access_token"):
            return str(answer["access_token"])
        if status in (400, *DENIED):
            raise ApiError(f"{self._http.root} does not let {self._caller} in: check username and password.", status)
        raise ApiError(
            f"{self._http.root}/auth/token gave no token (HTTP {status}): with an auth manager other than FAB or Simple, set token.", status
        )

    def _log_in_otherwise(self) -> bool:
        """Airflow 2 has a setting for whether it lets passwords in by themselves, sessions, or both. Whether there is another way."""
        if "Cookie" in self._headers:
            self._back_to_basic()
            return True
        return self._log_in_by_session(patient=self._patient)

    def _log_in_by_session(self, patient: bool) -> bool:
        """Whether there is a session now. With patience, also where others have just logged in from here."""
        if self.version != "v1" or not self._server.password:
            return False
        cookie = ""
        with contextlib.suppress(ApiError):
            cookie = self._new_session(patient)
        if cookie:
            del self._headers["Authorization"]
            self._headers["Cookie"] = cookie
        return bool(cookie)

    def _new_session(self, patient: bool) -> str:
        """Log in as a browser does. Returns the cookie, nothing where that does not work."""
        headers = {"Referer": f"{self._http.root}/login/", "Content-Type": "application/x-www-form-urlencoded"}
        page = self._http.fetch("GET", "/login/", None, headers)
        token = CSRF_TOKEN.search(page.content)
        if page.status != 200 or not token:
            return ""
        form = {"csrf_token": token[1].decode(), "username": self._server.username, "password": self._server.password}
        deadline = self._clock() + self._server.timeout
        while True:
            answer = self._http.fetch("POST", "/login/", urlencode(form).encode(), {**headers, "Cookie": page.cookies})
            # FAB takes five of these in forty seconds.
            if answer.status != TOO_MANY or not patient or self._clock() >= deadline:
                break
            self._pause(PAUSE_SECONDS)
        return answer.cookies if answer.status == 302 and not answer.location.endswith("/login/") else ""

    def _back_to_basic(self) -> None:
        del self._headers["Cookie"]
        self._headers["Authorization"] = self._basic

    def _exchange(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and decoded body. Waits while the server says that it is not there yet."""
        # Airflow 2 takes an empty body for broken JSON when it is announced as JSON.
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        deadline = self._clock() + self._server.timeout
        while True:
            patient = self._patient and self._clock() < deadline
            try:
                response = self._http.fetch(method, path, content, headers)
                if response.status not in NOT_YET or not patient:
                    return response.status, response.location or _decoded(response.content)
            except Refused:
                if not patient:
                    raise
            self._pause(PAUSE_SECONDS)

    def _error(self, method: str, path: str, status: int, answer: Any) -> ApiError:
        place, root = path.partition("?")[0], self._http.root
        if 300 <= status < 400:
            told = f"{root} redirects to {answer}: set url to the address where Airflow answers itself."
        elif status in NOT_YET:
            told = f"{root} still answers HTTP {status} after {self._server.timeout} seconds: check that Airflow is running behind it."
        elif status in DENIED and self.version == "v1":
            # Airflow 2 takes whoever it does not know for a guest, who may do nothing.
            told = (
                f"{root} does not let {self._caller} {method} {place}: check username, password and the user's role, "
                "and that [api] auth_backends names FAB's basic_auth or session."
            )
        elif status == 401:
            told = f"{root} does not let {self._caller} in: check username and password, or token."
        elif status == 403:
            told = f"{root} does not let {self._caller} {method} {place}: give the user a role that may."
        else:
            told = f"HTTP {status}: {self.quote(detail(answer)) or 'no reason given'}"
        return ApiError(told, status)


def detail(answer: Any) -> str:
    """What an error says about itself. Left out is what quotes the request: it holds secrets."""
    told = answer
    if isinstance(told, dict):
        told = told.get("detail") or told.get("title")
    if isinstance(told, dict):
        told = told.get("reason") or told.get("message")
    if isinstance(told, list):
        told = "; ".join(_finding(entry) for entry in told)
    return str(told or "")[:LONGEST_DETAIL]


def _finding(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    place = ".".join(str(part) for part in entry.get("loc", ()))
    return f"{place}: {entry.get('msg')}"


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret blotted out that is long enough to be recognised."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "********")
    return text


def segment(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")


def _decoded(data: bytes) -> Any:
    """JSON as what it says; a page for people is of no use."""
    try:
        return json.loads(data) if data else None
    except ValueError:
        return None
