# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks of the copy and of the lift make of what they see."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.filter.downtime import downtime_lines, phases
from copying.__main__ import report
from copying.data import counts
from demo.machine import DemoError
from lift.__main__ import phases_in

TIMES = {"stopping": 100.0, "stopped": 102.8, "copied": 114.8, "migrated": 144.8, "switched": 150.3, "healthy": 174.8}


def test_the_report_of_site_is_understood() -> None:
    (line,) = downtime_lines(TIMES, 0.0, {"verify": 4.0})
    wrapped = line.replace(", switching", ",\n      switching")
    printed = f"ok: [h] =>\n    msg:\n    - 'Airflow: http://h:8080'\n    - '{wrapped}'\n\nPLAY RECAP 1.5 s"
    assert phases_in(printed) == pytest.approx(phases(TIMES, 0.0, 4.0))


def test_a_report_without_it_is_an_error() -> None:
    with pytest.raises(DemoError, match="does not say how long Airflow stood still"):
        phases_in("PLAY RECAP")


def test_rows_are_counted_table_by_table(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute('CREATE TABLE "a b" (x INTEGER PRIMARY KEY AUTOINCREMENT)')
        database.executemany('INSERT INTO "a b" VALUES (?)', [(number,) for number in range(3)])
        database.execute("CREATE TABLE empty (x)")
    database.close()
    assert counts(tmp_path / "a.db") == {"a b": 3, "empty": 0}


def test_verification_is_not_counted_and_the_median_round_is(capsys: pytest.CaptureFixture[str]) -> None:
    ours = [{"seconds": seconds + 5.0, "verification": 5.0, "rows": 1000.0, "peak_mb": 66.0} for seconds in (10.0, 12.0, 30.0)]
    theirs = {"pgloader": [{"seconds": 40.0}] * 3, "pg_restore": [{"seconds": 10.0}] * 3}
    report("3.3.2", {"module": ours, **theirs}, {"rows": 100.0, "peak_mb": 60.0}, {"module": 0, "pgloader": 7})
    assert capsys.readouterr().out.splitlines() == [
        "RESULT copy_rows_per_second_3.3.2 83 rows/s",
        "pgloader left out 7 rows of the source",
        "RESULT copy_vs_pgloader_3.3.2 3.33 times as fast (at least 3.0: met)",
        "RESULT copy_vs_pg_restore_3.3.2 1.20 of its time (at most 1.5: met)",
        "RESULT copy_verification_3.3.2 5.0 s",
        "RESULT copy_peak_memory_3.3.2_100_rows 60.0 MB",
        "RESULT copy_peak_memory_3.3.2_1000_rows 66.0 MB",
        "RESULT copy_memory_ratio_3.3.2 1.10 times (at most 1.2: met)",
    ]
