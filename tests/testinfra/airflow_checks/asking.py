# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page that is asked for all the time, to see for how long nobody answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from . import api
from .fixtures import Installation

SECONDS_BETWEEN_ASKING = 0.25
ANSWER_SECONDS = 5


@dataclass
class Asked:
    """How the page answered."""

    answers: list[tuple[float, bool]] = field(default_factory=list)

    def longest_gap(self, since: float) -> float:
        """The longest time without an answer, from a moment on."""
        moments = [since, *(sent for sent, good in self.answers if good and sent > since), max(since, self.answers[-1][0])]
        return max((later - earlier for earlier, later in zip(moments, moments[1:])), default=0.0)

    def failed(self, since: float) -> int:
        """How many were not answered that were asked after a moment."""
        return len([sent for sent, good in self.answers if not good and sent >= since])


@contextmanager
def asking(installation: Installation) -> Iterator[Asked]:
    """Ask for a page all the time."""
    asked, stopped = Asked(), threading.Event()
    url = installation.base_url + api.LINES[installation.line]["api"] + "/version"

    def ask() -> None:
        while not stopped.is_set():
            sent = time.time()
            try:
                good = requests.get(url, timeout=ANSWER_SECONDS).ok
            except requests.RequestException:
                good = False
            asked.answers.append((sent, good))
            stopped.wait(SECONDS_BETWEEN_ASKING)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield asked
    finally:
        stopped.set()
        thread.join()
