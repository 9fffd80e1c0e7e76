# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long nothing ran, phase by phase."""

from __future__ import annotations

from ansible_collections.updraft.airflow.plugins.filter.downtime import downtime_lines, phases

TIMES = {"stopping": 100.0, "stopped": 108.0, "copied": 120.0, "migrated": 150.0, "switched": 155.5, "healthy": 180.0}


def test_phases_follow_each_other_and_tasks_that_end_first_are_not_counted() -> None:
    found = phases(TIMES, 5.0, 4.0)
    assert found == {
        "stopping": 3.0,
        "copying": 8.0,
        "verifying": 4.0,
        "migrating": 30.0,
        "switching": 5.5,
        "starting until healthy": 24.5,
    }
    assert sum(found.values()) == TIMES["healthy"] - TIMES["stopping"] - 5.0


def test_within_a_line_nothing_is_migrated() -> None:
    times = {moment: at for moment, at in TIMES.items() if moment != "migrated"}
    assert phases(times, 0.0, 4.0) == {"stopping": 8.0, "copying": 8.0, "verifying": 4.0, "switching": 35.5, "starting until healthy": 24.5}


def test_older_rows_are_brought_to_another_schema_before_they_are_copied() -> None:
    found = phases({**TIMES, "upgraded": 112.0}, 0.0, 4.0)
    assert list(found.items())[:4] == [("stopping", 8.0), ("upgrading a copy", 4.0), ("copying", 4.0), ("verifying", 4.0)]


def test_a_database_that_stays_is_not_copied() -> None:
    times = {moment: TIMES[moment] for moment in ("stopping", "stopped", "switched", "healthy")}
    assert phases(times, 0.0, 0.0) == {"stopping": 8.0, "switching": 47.5, "starting until healthy": 24.5}


def test_the_report() -> None:
    assert downtime_lines(TIMES, 5.2, {"load": 6.0, "verify": 4.0}) == [
        "Airflow stood still for 75 s: stopping 2.8 s, copying 8.0 s, verifying 4.0 s, migrating 30.0 s, switching 5.5 s, "
        "starting until healthy 24.5 s.",
        "Running tasks had 5 s to end before that, in which none began.",
    ]
    assert len(downtime_lines(TIMES, 0.4, {"verify": 4.0})) == 1


def test_what_did_not_come_to_its_end_is_not_told() -> None:
    assert downtime_lines({}) == []
    assert downtime_lines({moment: at for moment, at in TIMES.items() if moment != "healthy"}) == []
