# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection wrote on a host before: the record of the installation and the environment files of its daemons."""

from __future__ import annotations

import glob
import json
import os
import re
from typing import Any

RECORD = "installation.json"
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
ESCAPED_IN_QUOTES = '"\\`$'


def read_installation(config_dir: str) -> dict[str, Any] | None:
    """The record with `environment` of each daemon, or None when the collection installed nothing here."""
    try:
        with open(os.path.join(config_dir, RECORD), encoding="utf-8") as handle:
            record = json.load(handle)
    except FileNotFoundError:
        return None
    files = sorted(glob.glob(os.path.join(glob.escape(config_dir), "*.env")))
    record["environment"] = {os.path.basename(path)[: -len(".env")]: _read_file(path) for path in files}
    return dict(record)


def _read_file(path: str) -> dict[str, str]:
    with open(path, encoding="utf-8") as handle:
        return parse_environment_file(handle.read())


def parse_environment_file(text: str) -> dict[str, str]:
    """Variables of a systemd EnvironmentFile, with systemd's rules for quotes and backslashes."""
    values = {}
    position = 0
    while position < len(text):
        if ASSIGNMENT.match(text, position):
            separator = text.index("=", position)
            value, end = _value(text, separator + 1)
            values[text[position:separator]] = value
            position = end
        else:
            # A comment, an empty line, or something that systemd would skip too.
            end = text.find("\n", position)
            position = len(text) if end == -1 else end + 1
    return values


def _value(text: str, position: int) -> tuple[str, int]:
    """The value that starts at a position, and where the next line begins."""
    found: list[str] = []
    # Blanks at the end of an unquoted value do not belong to it; quoted and escaped ones do.
    kept = 0
    while position < len(text) and text[position] != "\n":
        character = text[position]
        if character in "'\"":
            part, position = _quoted(text, position + 1, character)
            found.append(part)
            kept = len(found)
            continue
        if character == "\\" and position + 1 < len(text):
            position += 1
            found.append("" if text[position] == "\n" else text[position])
            kept = len(found)
        elif character not in " \t\r":
            found.append(character)
            kept = len(found)
        elif found:
            found.append(character)
        position += 1
    return "".join(found[:kept]), position + 1


def _quoted(text: str, position: int, quote: str) -> tuple[str, int]:
    """The text up to the closing quote, and the position after it."""
    found = []
    while position < len(text) and text[position] != quote:
        if quote == '"' and text[position] == "\\" and position + 1 < len(text):
            following = text[position + 1]
            if following != "\n":
                found.append(following if following in ESCAPED_IN_QUOTES else "\\" + following)
            position += 2
            continue
        found.append(text[position])
        position += 1
    return "".join(found), position + 1
