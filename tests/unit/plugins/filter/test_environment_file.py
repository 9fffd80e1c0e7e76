# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""environment_file, read back by a real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.updraft.airflow.plugins.filter.environment_file import environment_file

VALUES = {
    "PASSWORD": "p@ss:w/rd %25#&'\"\\",
    "SHELL_WORDS": "$HOME `id` $(id) ; rm -rf / # !x",
    "EMOJI": "grüezi 👋",
    "LINES": "one\ntwo\n\tthree",
    "JSON": '{"a": "b\\"c", "d": "\\\\"}',
    "EMPTY": "",
    "SPACES": "  kept  ",
    "TRUE": "True",
}


def test_a_shell_reads_every_value_back(tmp_path: Path) -> None:
    path = tmp_path / "daemon.env"
    path.write_text(environment_file(VALUES), encoding="utf-8")
    done = subprocess.run(
        ["/bin/sh", "-c", 'set -a; . "$1"; exec env -0', "sh", str(path)], capture_output=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    read = dict(item.split("=", 1) for item in done.stdout.decode().split("\0") if "=" in item)
    assert {name: read.get(name) for name in VALUES} == VALUES


def test_lines_are_sorted_so_that_nothing_changes_by_chance() -> None:
    assert environment_file({"B": 1, "A": True}) == 'A="True"\nB="1"\n'


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"A-B": "x"}, "'A-B' is not a name of an environment variable: use letters, digits and underscores."),
        ({"A": "x\0y"}, "The value of A holds a null character, which no environment variable can hold."),
    ],
)
def test_refuses_what_no_environment_holds(variables: dict[str, str], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        environment_file(variables)
    assert str(caught.value) == message
