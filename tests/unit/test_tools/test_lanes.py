# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios side by side: a program of the name `molecule` stands for the real one, which has no part in this."""

from __future__ import annotations

from pathlib import Path

import lanes
import pytest

PROGRAM = """\
#!/bin/sh
echo "INFO     $3 ➜ converge: Executing"
touch "$PLACE/$3.runs"
case "$3" in
  waits) while [ ! -e "$PLACE/$PARTNER.runs" ]; do :; done ;;
  fails) echo "ERROR    $3 ➜ converge: Executed: Failed"; exit 1 ;;
esac
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is first on the path."""
    program = tmp_path / "molecule"
    program.write_text(PROGRAM, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PLACE", str(tmp_path))
    return tmp_path


def test_two_run_at_a_time(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PARTNER", "second")
    assert lanes.main(2, ["waits", "second"]) == 0
    said = capsys.readouterr().out
    assert "waits: converge\n" in said
    headings = [line for line in said.splitlines() if line.startswith("== ")]
    assert sorted(line.split(" [")[0] for line in headings) == ["== Molecule: second", "== Molecule: waits"]


def test_all_run_and_what_failed_is_told_last(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lanes.main(1, ["first", "fails", "third"]) == 1
    said = capsys.readouterr().out.splitlines()
    headings = [line.split(" [")[0] for line in said if line.startswith("== ")]
    assert headings == ["== Molecule: first", "== Molecule: third", "== Molecule: fails"]
    assert said[-1] == "ERROR    fails ➜ converge: Executed: Failed"


def test_a_target_is_one_part_whatever_headings_it_prints(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = place / "make"
    program.write_text('#!/bin/sh\necho "== Tests of $2"\necho "3 passed"\n', encoding="utf-8")
    program.chmod(0o755)
    assert lanes.main(1, ["make:database"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "make:database: Tests of database"
    assert [line.split(" [")[0] for line in said if line.startswith("== ")] == ["== database"]
    assert said[-2:] == ["-- Tests of database", "3 passed"]
