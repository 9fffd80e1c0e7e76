# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever sees only the last lines of a test run knows what failed, and where the time went."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import reporting

PYTEST = """\
collected 3 items

../../tests/testinfra/shared/test_40_again.py .FF                        [100%]

=================================== FAILURES ===================================
____ test_a_run_that_changes_nothing[ansible://updraft-default] ____

    def test_a_run_that_changes_nothing(installation, run_site):
>       assert again.changed == 0
E       AssertionError: changed: Start the scheduler
E       assert 1 == 0

tests/testinfra/shared/test_40_again.py:77: AssertionError
_ test_units[ansible://updraft-default] _
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _
E       assert 'failed' == 'active'
=========================== short test summary info ============================
FAILED ../../tests/testinfra/shared/test_40_again.py::test_a_run_that_changes_nothing[ansible://updraft-default]
========================= 2 failed, 1 passed in 61.33s =========================
\x1b[31m\x1b[1mCRITICAL\x1b[0m Verifier tests failed
"""
ANSIBLE = """\
TASK [Ask something] ***********************************************************
[ERROR]: Task failed: Module failed: not now
fatal: [updraft-default]: FAILED! =>
    msg: not now
...ignoring

TASK [updraft.airflow.common : Install Airflow 2.11.2] *************************
FAILED - RETRYING: [updraft-default]: Install (3 retries left).
fatal: [updraft-default]: FAILED! =>
    changed: false
    cmd:
    - uv
    - pip
    msg: |-
        The index cannot be reached:
        it does not answer.
    rc: 2

PLAY RECAP *********************************************************************
updraft-default            : ok=3    changed=0    unreachable=0    failed=1
"""


def told(output: str) -> list[str]:
    """The summary of a part with this output."""
    parts = reporting.Parts(0)
    for line in output.splitlines(keepends=True):
        parts.read(line, 1)
    return list(reporting.summary(parts.last.lines))


def test_failed_tests_are_named_with_their_assertions() -> None:
    assert told(PYTEST) == [
        "test_a_run_that_changes_nothing[ansible://updraft-default]",
        "E       AssertionError: changed: Start the scheduler",
        "E       assert 1 == 0",
        "tests/testinfra/shared/test_40_again.py:77: AssertionError",
        "test_units[ansible://updraft-default]",
        "E       assert 'failed' == 'active'",
        "CRITICAL Verifier tests failed",
    ]


def test_a_failed_task_is_named_with_its_message_and_an_ignored_one_is_not() -> None:
    assert told(ANSIBLE) == [
        "TASK [updraft.airflow.common : Install Airflow 2.11.2]",
        "fatal: [updraft-default]: FAILED! =>",
        "    msg: |-",
        "        The index cannot be reached:",
        "        it does not answer.",
    ]


def test_tasks_that_changed_something_again_are_named() -> None:
    output = "CRITICAL Idempotence test failed because of the following tasks:\n* [updraft-default] => common : Install\n"
    assert told(output) == output.splitlines()


def test_a_scenario_that_cannot_be_read_is_told_with_its_line() -> None:
    output = "ERROR    parsing config file 'molecule.yml'.\n\nInvalid placeholder in string: line 19\n19:  pattern: ^x$\nscenario:\n"
    assert told(output) == [line for line in output.splitlines()[:4] if line]


def test_where_no_failure_is_recognised_the_end_is_told_without_what_make_says() -> None:
    output = "".join(f"plugins/x.py:{number}:1: E501 line too long\n" for number in range(30)) + "make: *** [Makefile:60: lint] Error 1\n"
    assert told(output) == [f"plugins/x.py:{number}:1: E501 line too long" for number in range(15, 30)]


def test_many_failures_and_long_lines_stay_short() -> None:
    output = "".join(f"____ test_{number} ____\nE   {'x' * 1000}\n" for number in range(50))
    lines = told(output)
    assert len(lines) == 23 and max(map(len, lines)) == 300
    assert lines[-1].startswith("and 39 more: test_11, test_12")


def test_the_minutes_of_parts_and_steps_are_told() -> None:
    parts = reporting.Parts(0)
    for now, line in (
        (0, "== Lint\n"),
        (60, "== Molecule: default\n"),
        (60, "\x1b[36mINFO    \x1b[0m default ➜ prepare: Executing\n"),
        (120, "INFO     default ➜ syntax: Executing\n"),
        (121, "INFO     default ➜ converge: Executing\n"),
        (200, "== 1 failed, 3 passed in 2.00s ==\n"),
        (201, "ERROR    default ➜ converge: Executed: Failed\n"),
        (201, "INFO     default ➜ destroy: Executing\n"),
    ):
        parts.read(line, now)
    parts.end(241)
    assert parts.in_words() == ["Minutes: Lint 1.0; Molecule: default 3.0 (prepare 1.0, converge 1.3, destroy 0.7)"]
    kept = "(the whole output is in .cache/test.log)"
    assert reporting.report(parts, 2)[0] == f"== Failed after 4.0 minutes: Molecule: default, converge {kept}"
    assert reporting.report(parts, 0)[-1] == "== Passed in 4.0 minutes"


@pytest.mark.parametrize("code", [0, 2])
def test_the_output_is_passed_on_and_kept_and_the_code_is_the_commands(tmp_path: Path, code: int) -> None:
    command = ["sh", "-c", f"echo '== Unit'; echo said; exit {code}"]
    done = subprocess.run([sys.executable, reporting.__file__, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout.startswith("== Unit\nsaid\n")
    assert "Minutes: Unit 0.0" in done.stdout
    assert (tmp_path / ".cache" / "test.log").read_text(encoding="utf-8") == "== Unit\nsaid\n"


def test_minutes_that_a_heading_tells_are_told_again() -> None:
    parts = reporting.Parts(0.0)
    for line in ("== Molecule: default [12.3 (converge 4.5)]\n", "INFO     default ➜ verify: Executing\n"):
        parts.read(line, 60.0)
    parts.end(61.0)
    assert parts.in_words() == ["Minutes: Molecule: default 12.3 (converge 4.5)"]
    assert parts.where() == "Molecule: default, verify"
