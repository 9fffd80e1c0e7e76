# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a copy that runs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.plugin_utils._copy_progress import (
    INDEXES_OF_LOADING,
    VERIFYING_OF_LOADING,
    duration,
    remaining_seconds,
    sentence,
)

AFTER_LOADING = INDEXES_OF_LOADING + VERIFYING_OF_LOADING


def seen(step: str, rows: int, total: int, seconds: float, **took: float) -> dict[str, Any]:
    return {"step": step, "rows": rows, "total": total, "seconds": seconds, "took": took}


def test_loading_goes_on_as_fast_as_it_did_and_more_comes_after_it() -> None:
    assert remaining_seconds("load", 250, 1000, 5.0) == pytest.approx(15.0 + 20.0 * AFTER_LOADING)
    assert remaining_seconds("load", 1000, 1000, 20.0) == pytest.approx(20.0 * AFTER_LOADING)


def test_indexes_take_a_share_of_the_loading_and_never_less_than_nothing() -> None:
    assert remaining_seconds("indexes", 0, 1000, 1.0, 20.0) == pytest.approx(20.0 * AFTER_LOADING - 1.0)
    assert remaining_seconds("indexes", 0, 1000, 500.0, 20.0) == pytest.approx(20.0 * VERIFYING_OF_LOADING)


@pytest.mark.parametrize("step", ["verify", "record", "compare"])
def test_the_last_step_ends_with_its_last_row(step: str) -> None:
    assert remaining_seconds(step, 250, 1000, 5.0, 20.0) == pytest.approx(15.0)
    assert remaining_seconds(step, 1000, 1000, 20.0, 20.0) == pytest.approx(0.0)


@pytest.mark.parametrize(("step", "rows", "total"), [("load", 0, 1000), ("verify", 0, 0), ("start", 5, 10), ("load", 11, 10)])
def test_nothing_is_guessed_before_there_is_something_to_guess_from(step: str, rows: int, total: int) -> None:
    assert remaining_seconds(step, rows, total, 5.0) is None


def test_the_sentences() -> None:
    text = sentence(seen("load", 412_000, 1_000_000, 10.3))
    left = (588_000 / 412_000 + AFTER_LOADING * 1_000_000 / 412_000) * 10.3
    assert text == f"copied 412,000 of 1,000,000 rows (41 %), about {round(left)} seconds left"
    assert sentence(seen("indexes", 0, 1_000_000, 2.0, load=20.0)) == (
        f"copied all 1,000,000 rows, building indexes, about {round(20 * AFTER_LOADING - 2)} seconds left"
    )
    assert sentence(seen("verify", 999_999, 1_000_000, 10.0, load=20.0)) == "verified 999,999 of 1,000,000 rows (99 %), about 1 second left"
    assert sentence(seen("load", 0, 1_000_000, 3.0)) == "copied 0 of 1,000,000 rows (0 %)"
    assert sentence(seen("start", 0, 0, 3.0)) is None
    assert sentence(seen("compare", 0, 0, 3.0)) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "1 second"), (12.4, "12 seconds"), (89.9, "90 seconds"), (90.0, "2 minutes"), (600.0, "10 minutes")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
