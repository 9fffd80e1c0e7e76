# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API answers when it is asked for a task's log: the log, or why there is none."""

from __future__ import annotations

import ast
import re
from typing import Any

LONGEST = 300
HINTS = (
    (r"secret_key|\b403\b", "the log server refuses the webserver; give both the same secret key, and clocks that agree."),
    (
        r"Name or service not known|name resolution|nodename nor servname|No address associated",
        "the webserver cannot resolve that name; make it known there, or let [core] hostname_callable give an address.",
    ),
    (
        r"Connection refused|timed out|No route to host|unreachable",
        "no log server answers there; look whether it runs and whether its port is open to the webserver.",
    ),
)


def log_text(answer: Any) -> str:
    """The text of a log; Airflow 2 writes it as a Python list of pairs, Airflow 3 as a list of events."""
    content = answer.get("content") if isinstance(answer, dict) else answer
    if isinstance(content, str):
        try:
            content = ast.literal_eval(content)
        except (SyntaxError, ValueError):
            return str(content)
    if not isinstance(content, (list, tuple)):
        return str(content or "")
    return "\n".join(_entry_text(entry) for entry in content)


def _entry_text(entry: Any) -> str:
    if isinstance(entry, dict):
        errors = [
            f"{error.get('exc_type')}: {error.get('exc_value')}" for error in entry.get("error_detail") or [] if isinstance(error, dict)
        ]
        return " ".join([str(entry.get("event", "")), *errors])
    if isinstance(entry, (list, tuple)) and entry:
        return str(entry[-1])
    return str(entry)


def ending(text: str) -> str:
    """What a text says at its end, in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("::")]
    return " ".join(lines)[-LONGEST:].strip()


def reason_of(text: str) -> str:
    """Why a log cannot be read, as far as the text in its place tells."""
    for pattern, meaning in HINTS:
        if re.search(pattern, text):
            return meaning
    return f"the API gives {ending(text)!r} in its place." if text.strip() else "the API gives nothing in its place."
