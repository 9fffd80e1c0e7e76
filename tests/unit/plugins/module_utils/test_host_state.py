# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection left on a host, read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.filter.environment_file import environment_file
from ansible_collections.updraft.airflow.plugins.module_utils.host_state import parse_environment_file, read_installation


def test_nothing_was_installed(tmp_path: Path) -> None:
    assert read_installation(str(tmp_path)) is None


def test_the_record_comes_with_every_environment(tmp_path: Path) -> None:
    (tmp_path / "installation.json").write_text(json.dumps({"format": 1, "version": "2.11.2"}))
    (tmp_path / "webserver.env").write_text('A="1"\n')
    (tmp_path / "dag-processor.env").write_text("# nothing\n")
    assert read_installation(str(tmp_path)) == {
        "format": 1,
        "version": "2.11.2",
        "environment": {"webserver": {"A": "1"}, "dag-processor": {}},
    }


def test_what_the_collection_writes_comes_back_exactly() -> None:
    values = {"PASSWORD": "p@ss:w/rd %25#&'\"\\", "DOLLAR": "$HOME `id` \\$x \\n", "LINES": "a\nb", "EMPTY": "", "BLANKS": " é 👋 "}
    assert parse_environment_file(environment_file(values)) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=plain  \n; comment\nB=2", {"A": "plain", "B": "2"}),
        ("A='sin\\gle $x'\n", {"A": "sin\\gle $x"}),
        ("A=one\\ two\n", {"A": "one two"}),
        ('A="a\\qb"\n', {"A": "a\\qb"}),
        ('A=x"y z"\n\nexport B=3\nC=\n', {"A": "xy z", "C": ""}),
    ],
)
def test_what_a_hand_wrote_is_read_as_systemd_does(text: str, values: dict[str, str]) -> None:
    assert parse_environment_file(text) == values
