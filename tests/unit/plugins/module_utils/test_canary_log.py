# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of Airflow's API to the question for a log, as 2.11.2 and 3.3.2 give them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._canary_log import ending, log_text, reason_of

KEY = "the log server refuses the webserver; give both the same secret key, and clocks that agree."
NAME = "the webserver cannot resolve that name; make it known there, or let [core] hostname_callable give an address."
PORT = "no log server answers there; look whether it runs and whether its port is open to the webserver."


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            {"content": "[('h1', '*** Found\\n[2026-11-21] sings'), ('', 'end')]", "continuation_token": "x"},
            "*** Found\n[2026-11-21] sings\nend",
        ),
        ({"content": [{"event": "::group::x", "timestamp": None}, {"event": "sings", "level": "info"}]}, "::group::x\nsings"),
        (
            {"content": [{"event": "Task failed", "error_detail": [{"exc_type": "KeyError", "exc_value": "'song'"}]}]},
            "Task failed KeyError: 'song'",
        ),
        ({"content": ["as it is"]}, "as it is"),
        ({"content": "no list"}, "no list"),
        ({"content": None}, ""),
        (None, ""),
    ],
)
def test_the_text_of_a_log(answer: Any, text: str) -> None:
    assert log_text(answer) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("*** Could not read served logs: Client error '403 FORBIDDEN' for url 'http://h1:8793/log/x'", KEY),
        ("!!!! Please make sure that all your Airflow components have the same 'secret_key' configured in '[api]' section", KEY),
        ("*** Could not read served logs: [Errno -2] Name or service not known", NAME),
        ("*** Could not read served logs: [Errno -3] Temporary failure in name resolution", NAME),
        ("*** Could not read served logs: [Errno 111] Connection refused", PORT),
        ("*** Could not read served logs: timed out", PORT),
        ("*** !!!! something else\n", "the API gives '*** !!!! something else' in its place."),
        (" \n", "the API gives nothing in its place."),
    ],
)
def test_why_a_log_cannot_be_read(text: str, reason: str) -> None:
    assert reason_of(text) == reason


def test_the_end_of_a_text_is_one_line() -> None:
    assert ending("::group::x\n one \n\ntwo\n") == "one two"
    assert ending("x" * 400 + "\nthe end") == "x" * 292 + " the end"
