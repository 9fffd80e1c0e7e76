# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of two MySQL servers: what is certain of it, and what is not. What it does is tested on servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import database_role
from ansible_collections.updraft.airflow.plugins.module_utils.mysql_member import alive, doubt

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
        pytest.param(
            70, [WEB], "its source was last in sync with it 70 s ago, and took writes of web until 60 s ago", id="alone before it was lost"
        ),
    ],
)
def test_a_replica_has_everything_or_it_is_told_why_not(age: float | None, ways: list[dict[str, Any]], said: str | None) -> None:
    assert doubt(age, ways, 10) == said


def test_one_that_follows_nobody_is_no_replica() -> None:
    said = "it follows nobody, so that it is the one that was the source, and the other one may have taken over and taken writes since"
    assert doubt(1.0, [WEB], 10, follows=False) == said


@pytest.mark.parametrize(
    ("peer", "ways", "said"),
    [
        (None, [WEB, {"host": "web2"}], None),
        ({"writable": False}, [WEB], None),
        ({"writable": True}, [WEB], "it says that it takes writes"),
        (None, [WEB, {**WEB, "host": "web2", "up": True}], "web2 still reaches it"),
    ],
)
def test_what_tells_that_a_source_is_alive(peer: dict[str, Any] | None, ways: list[dict[str, Any]], said: str | None) -> None:
    assert alive(peer, ways) == said


@pytest.mark.parametrize(
    ("own", "peer", "closes", "is_source"),
    [
        pytest.param({}, None, False, True, id="nobody answers"),
        pytest.param({}, {"writable": False, "follows_uuid": "a"}, False, True, id="it is followed"),
        pytest.param({}, {"writable": True, "alone": True}, True, False, id="the other one took over"),
        pytest.param({}, {"writable": True}, True, False, id="neither has the file"),
        pytest.param({"alone": True}, {"writable": True}, False, True, id="it took over"),
        pytest.param({"alone": True}, {"writable": True, "alone": True}, False, False, id="both have the file"),
        pytest.param({}, {"writable": True, "follows_uuid": "a"}, False, True, id="somebody opened the replica"),
        pytest.param({"follows": "db1"}, {"writable": True}, True, False, id="somebody opened this replica"),
        pytest.param({"writable": False}, {"writable": True, "alone": True}, False, True, id="it is closed"),
    ],
)
def test_of_two_that_take_writes_one_closes(own: dict[str, Any], peer: dict[str, Any] | None, closes: bool, is_source: bool) -> None:
    found = {"uuid": "a", "writable": True, "follows": None, "alone": False, **own}
    assert (database_role.must_close(found, peer), database_role.is_source(found, peer)) == (closes, is_source)


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


def test_a_source_is_closed_on_purpose_until_it_starts_again(tmp_path: Path) -> None:
    noted = str(tmp_path / "closed")
    assert database_role.closed_on_purpose(noted, 1000) == ""
    database_role.note_closed(noted, 1000, is_closed=False)
    assert [database_role.closed_on_purpose(noted, started) for started in (998, 1000, 1002)] == ["asked"] * 3
    database_role.note_closed(noted, 1000, is_closed=True)
    assert [database_role.closed_on_purpose(noted, started) for started in (997, 1001, 1003)] == ["", "closed", ""]
    (tmp_path / "closed").write_text("nonsense")
    assert database_role.closed_on_purpose(noted, 1000) == ""
    assert (tmp_path / "closed").stat().st_mode & 0o777 == 0o644


def test_the_replica_remembers_when_it_was_in_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    now, answer = [100.0], {"in_sync": True}
    monkeypatch.setattr(database_role, "ask", lambda _url, _seconds: answer)
    watch = database_role.Watch("http://db1", clock=lambda: now[0])
    assert watch.age(1000) is None
    watch.look()
    now[0], answer["in_sync"] = 105.0, False
    watch.look()
    assert watch.age(1000) == 5.0
    # The server started again since, and has not got back yet what it had not applied.
    assert (watch.age(5), watch.age(None)) == (None, None)


def test_a_server_that_is_silent_is_what_it_said_last(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[dict[str, Any] | None] = [{"writable": True}, None, None, {"writable": False}]
    waited: list[float] = []

    def ask(_url: str, seconds: float) -> dict[str, Any] | None:
        waited.append(seconds)
        return answers.pop(0)

    monkeypatch.setattr(database_role, "ask", ask)
    watch = database_role.Watch("http://db1")
    assert [watch.now() for _time in range(4)] == [{"writable": True}] * 3 + [{"writable": False}]
    # A proxy waits for the answer: it is waited for as long as that only where somebody was there.
    assert waited == [2.0, 2.0, 0.5, 0.5]


class Cursor:
    """A server that waits for its replica with the first of its answers."""

    def __init__(self, waiting: list[int], replicas: int = 1) -> None:
        self.waiting = waiting
        self.replicas = replicas
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
                ("Rpl_semi_sync_source_clients", str(self.replicas)),
                ("Rpl_semi_sync_source_wait_sessions", str(waits)),
            ]
        else:
            self.found = [(0, 0, "a", "a:1-5,\nb:1", None, None, None, None, None, None, None, "60", 1700000000, None)]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The answer."""
        return self.found


@pytest.mark.parametrize(("waiting", "in_sync"), [([0], True), ([2, 1, 0], True), ([1], False)])
def test_in_sync_means_that_no_commit_waits(waiting: list[int], in_sync: bool) -> None:
    found = database_role.look(Cursor(waiting), sleep=lambda _seconds: None)
    assert (found["in_sync"], found["confirms"], found["executed"]) == (in_sync, True, "a:1-5,b:1")


def test_of_two_replicas_it_is_not_known_which_one_confirms() -> None:
    found = database_role.look(Cursor([0], replicas=2), sleep=lambda _seconds: None)
    assert (found["in_sync"], found["confirms"]) == (False, True)
