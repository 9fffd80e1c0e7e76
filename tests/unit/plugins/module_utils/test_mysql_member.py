# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of two MySQL servers: what is certain of it, and what is not. What it does is tested on servers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import database_role
from ansible_collections.updraft.airflow.plugins.module_utils.mysql_member import doubt

WEB = {"host": "web", "up": False, "age": 60}


@pytest.mark.parametrize(
    ("age", "ways", "said"),
    [
        pytest.param(62, [WEB], None, id="in sync until it was lost"),
        pytest.param(69.9, [WEB, {**WEB, "host": "web2", "age": 61}], None, id="two that saw it"),
        pytest.param(None, [WEB], "it was not connected to its source since it started", id="started since"),
        pytest.param(62, [], "no host of Airflow tells when its source was lost", id="nobody saw it"),
        pytest.param(
            62, [{"host": "web"}], "web does not answer, which could tell when its source was lost", id="one that is lost with it"
        ),
        pytest.param(62, [{**WEB, "up": True}], "web still reaches its source, which goes on without it", id="cut off"),
        pytest.param(
            70, [WEB], "its source was last in sync with it 70 s ago, and took writes of web until 60 s ago", id="alone before it was lost"
        ),
    ],
)
def test_a_replica_has_everything_or_it_is_told_why_not(age: float | None, ways: list[dict[str, Any]], said: str | None) -> None:
    assert doubt(age, ways, 10) == said


@pytest.mark.parametrize(
    ("peer", "alone", "opens"),
    [
        pytest.param({"writable": False, "follows_uuid": "a"}, False, True, id="the other one follows"),
        pytest.param({"writable": True, "follows_uuid": None}, False, False, id="the other one took over"),
        pytest.param({"writable": True, "follows_uuid": None}, True, False, id="the other one took over, whatever was written down"),
        pytest.param({"writable": False, "follows_uuid": "c"}, False, False, id="the other one follows what was here before"),
        pytest.param({"failure": "down"}, False, False, id="the other one's MySQL is down"),
        pytest.param(None, False, False, id="the other one's host is down"),
        pytest.param(None, True, True, id="there is no other one"),
    ],
)
def test_a_server_opens_only_where_it_is_certain(peer: dict[str, Any] | None, alone: bool, opens: bool) -> None:
    assert database_role.may_open({"uuid": "a"}, peer, alone) is opens


def test_the_replica_remembers_when_it_was_in_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    now, answer = [100.0], {"in_sync": True}
    monkeypatch.setattr(database_role, "ask", lambda _url: answer)
    watch = database_role.Watch("http://db1", clock=lambda: now[0])
    assert watch.age() is None
    watch.look()
    now[0], answer["in_sync"] = 105.0, False
    watch.look()
    assert watch.age() == 5.0


class Cursor:
    """A server that waits for its replica with the first of its answers."""

    def __init__(self, waiting: list[int]) -> None:
        self.waiting = waiting
        self.found: list[tuple[Any, ...]] = []

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def cursor(self) -> Cursor:
        """Itself."""
        return self

    def execute(self, statement: str) -> None:
        """Answer."""
        if statement == database_role.SEMI_SYNC:
            waits = self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]
            self.found = [
                ("Rpl_semi_sync_source_status", "ON"),
                ("Rpl_semi_sync_source_clients", "1"),
                ("Rpl_semi_sync_source_wait_sessions", str(waits)),
            ]
        else:
            self.found = [(0, 0, "a", "a:1-5,\nb:1", None, None, None, None, None, None, None, None)]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The answer."""
        return self.found


@pytest.mark.parametrize(("waiting", "in_sync"), [([0], True), ([2, 1, 0], True), ([1], False)])
def test_in_sync_means_that_no_commit_waits(waiting: list[int], in_sync: bool) -> None:
    found = database_role.look(Cursor(waiting), sleep=lambda _seconds: None)
    assert (found["in_sync"], found["confirms"], found["executed"]) == (in_sync, True, "a:1-5,b:1")
