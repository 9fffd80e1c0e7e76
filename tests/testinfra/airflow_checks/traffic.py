# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that go on while something happens to the servers behind them."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from . import api

SECONDS_PER_REQUEST = 30
KINDS = ("page", "read", "page", "read", "page", "write", "page", "read", "page", "read")
"""Half to the API, and a tenth of all writes something."""

PAGES = ("/", "/dags", "/auth/users/list/", "/static/pin_32.png")


@dataclass(frozen=True)
class Request:
    """One that was sent."""

    number: int
    kind: str
    sent: float
    seconds: float
    problem: str


@dataclass
class Traffic:
    """All that were sent, in the order of their ends."""

    client: api.Client
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    requests: list[Request] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def failures(self, since: float = 0.0) -> list[str]:
        """What went wrong with requests that were sent after a moment."""
        return [
            f"{one.kind} {one.number}, {one.seconds:.1f} s: {one.problem}" for one in self.requests if one.problem and one.sent >= since
        ]

    def written(self) -> int:
        """How many writes were acknowledged."""
        return len([one for one in self.requests if one.kind == "write" and not one.problem])

    def kept(self) -> int:
        """How many of them are there."""
        return len([one for one in self.client.every("/variables", "variables") if one["key"].startswith(self.mark)])

    def clean(self) -> None:
        """Remove them."""
        for one in self.client.every("/variables", "variables"):
            if one["key"].startswith(self.mark):
                self.client.request("DELETE", api.path("variables", one["key"]))

    def send(self, number: int) -> None:
        """Send one request, and remember how it ended."""
        kind, sent = KINDS[number % len(KINDS)], time.time()
        problem = ""
        try:
            if kind == "write":
                self.client.request("POST", "/variables", json={"key": f"{self.mark}-{number}", "value": "kept"})
            elif kind == "read":
                self.client.get("/dags?limit=1")
            else:
                place = self.client.base_url + PAGES[number // len(KINDS) % len(PAGES)]
                self.client.session.get(place, timeout=SECONDS_PER_REQUEST).raise_for_status()
        except (requests.RequestException, AssertionError) as error:
            problem = str(error)[:300]
        self.requests.append(Request(number, kind, sent, time.time() - sent, problem))

    def keep_sending(self, numbers: Iterator[int], pause: float) -> None:
        """Send until somebody says stop."""
        while not self.stopped.is_set():
            self.send(next(numbers))
            self.stopped.wait(pause)


@contextmanager
def traffic(client: api.Client, per_second: float = 20, senders: int = 4) -> Iterator[Traffic]:
    """Send requests while the block runs."""
    sent = Traffic(client)
    numbers = itertools.count()
    with ThreadPoolExecutor(max_workers=senders) as pool:
        running = [pool.submit(sent.keep_sending, numbers, senders / per_second) for _number in range(senders)]
        try:
            yield sent
        finally:
            sent.stopped.set()
        for one in running:
            one.result()
