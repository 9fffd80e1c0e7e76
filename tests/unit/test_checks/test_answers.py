# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks work out of answers."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from airflow_checks import api, catalogue, hosts


def task(start: str | None, end: str | None) -> dict[str, Any]:
    """Return a task instance as the API gives it."""
    return {"start_date": start and f"2026-01-01T00:00:{start}Z", "end_date": end and f"2026-01-01T00:00:{end}+00:00"}


@pytest.mark.parametrize(
    ("tasks", "most"),
    [
        ([], 0),
        ([task("00", "10"), task("10", "20"), task("20.5", "30")], 1),
        ([task("00", "10"), task("05", "15"), task("09.999999", "11")], 3),
        ([task("00", "10"), task("00", None), task(None, None)], 1),
    ],
)
def test_most_at_once(tasks: list[dict[str, Any]], most: int) -> None:
    assert api.most_at_once(tasks) == most


def test_seconds_taken() -> None:
    assert api.seconds_taken([task("05", "15"), task("02.5", "10"), task(None, None)]) == 12.5


def test_waiting_ends_with_what_was_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(api.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(api.time, "sleep", lambda _seconds: None)

    def look() -> None:
        raise requests.ConnectionError("refused")

    with pytest.raises(TimeoutError, match=r"Waited 5 s for the moon\. Last error: refused"):
        api.wait_until("the moon", look, 5)


def test_waiting_returns_what_is_seen() -> None:
    assert api.wait_until("nothing", lambda: "seen", 5) == "seen"


def test_a_catalogue_names_every_difference() -> None:
    expected = {"column public.a.b": "integer", "index public.a i": "x", "table public.a": "r"}
    actual = {"column public.a.b": "bigint", "index public.a j": "x", "table public.a": "r"}
    assert catalogue.compare(expected, actual) == [
        "Missing: index public.a i (x).",
        "Not expected: index public.a j (x).",
        "Different: column public.a.b is (bigint), expected (integer).",
    ]


class FakeHost:
    """Answers every command with one text."""

    def __init__(self, text: str, code: int = 0) -> None:
        self.text, self.code = text, code

    def run(self, _command: str) -> Any:
        """Answer."""
        return type("Result", (), {"rc": self.code, "stdout": self.text, "stderr": ""})()


NOTES = """start r sleep_1 1 1.0
end r sleep_1 1 2.0
start r sleep_2 1 1.5
start r sleep_1 1 3.0
start other sleep_2 1 3.0
end other sleep_2 1 4.5
"""


def test_executions_are_counted_outside_airflow() -> None:
    found = hosts.executions(FakeHost(NOTES), "notes")
    assert found[0] == hosts.Execution("r", "sleep_1", 1, 1.0, 2.0)
    assert hosts.executed_once(found, "other", tasks=1) == []
    assert hosts.executed_once(found, "r", tasks=3) == [
        "sleep_1 was executed 2 times",
        "sleep_2 never ended",
        "sleep_1 never ended",
        "2 tasks of 3 were executed",
    ]


def test_a_failed_command_is_an_error_with_its_words() -> None:
    with pytest.raises(AssertionError, match="cat notes ended with 1: no such file"):
        hosts.executions(FakeHost("no such file", 1), "notes")
