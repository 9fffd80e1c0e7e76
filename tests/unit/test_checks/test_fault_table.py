# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that tells what failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from airflow_checks.fault_table import Seen, keep, page

KILLED = Seen("a worker is killed", "w1", no_task=3.21, no_page=0.4, no_write=0.1, runs=14, cut_off=2, tried_again=12.34)
LOST = Seen("all hosts are lost", "w1, w2", no_task=60.0, no_page=40.0, no_write=None, runs=5, cut_off=0, tried_again=None)


def test_a_newer_result_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    place = tmp_path / "folder" / "faults.json"
    assert keep(place, KILLED) == [KILLED]
    assert keep(place, LOST) == [KILLED, LOST]
    newer = replace(KILLED, no_task=2.0)
    assert keep(place, newer) == [LOST, newer]


def test_the_page_has_a_line_for_each_in_the_order_of_the_tests() -> None:
    text = page([LOST, KILLED], ["a worker is killed", "one that did not run", "all hosts are lost"], "2 cores, 24 GiB", "3.3.2")
    assert "one machine (2 cores, 24 GiB)" in text
    assert text.endswith(
        "| a worker is killed | 3.2 | 0.4 | 0.1 | 14 | 2 | 12.3 |\n| all hosts are lost | 60.0 | 40.0 |  | 5 | 0 |  |\n"
        "\nNot in the table, for they were not run, or did not what the test demands: one that did not run.\n",
    )
