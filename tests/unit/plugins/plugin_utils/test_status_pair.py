# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a status says about two MySQL servers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_report import Look, Report, database_pair

SOURCE = {"role": "source", "follows": None, "receives": False, "applies": False, "error": None, "confirms": True, "lag": None}
REPLICA = {"role": "replica", "follows": "db1", "receives": True, "applies": True, "error": None, "confirms": False, "lag": 0.4}


def told(**views: dict[str, Any] | str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The report on the pair, and its sentences with their levels."""
    looks = []
    for name, view in views.items():
        failed = isinstance(view, str)
        found = {"pair": None if failed else view, "errors": {"pair": view} if failed else {}}
        looks.append(Look(name, ["metadata_db"], {}, found))
    report = Report({}, looks)
    pair = database_pair(report, looks)
    return pair, [(problem["level"], problem["text"]) for problem in report.problems]


def test_a_pair_that_is_well() -> None:
    pair, sentences = told(db1=SOURCE, db2=REPLICA)
    assert sentences == []
    assert pair["leader"] == "db1"
    assert [(member["name"], member["role"], member["state"], member["lag_seconds"]) for member in pair["members"]] == [
        ("db1", "source", "in sync", None),
        ("db2", "replica", "follows", 0.4),
    ]


CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "two sources": (
        {"db1": SOURCE, "db2": SOURCE},
        [("failing", "Two MySQL servers take writes (db1, db2), so their data are not the same any more.")],
    ),
    "no source": (
        {"db1": "no answer", "db2": {**REPLICA, "receives": False, "error": "cannot connect"}},
        [
            ("problem", "db1: its MySQL server does not tell what it is (no answer)."),
            ("failing", "No MySQL server takes writes: updraft.airflow.promote_replica lets the replica take over."),
            ("problem", "db2: its MySQL server does not follow the source (cannot connect)."),
        ],
    ),
    "alone": (
        {"db1": {**SOURCE, "confirms": False}, "db2": {**REPLICA, "role": "closed"}},
        [
            ("problem", "db1: its MySQL server goes on alone: the replica does not have what is written now."),
            ("problem", "db2: its MySQL server neither takes writes nor follows: updraft.airflow.site makes it the replica."),
        ],
    ),
    "behind": (
        {"db1": SOURCE, "db2": {**REPLICA, "lag": 90}},
        [("problem", "db2: its MySQL server is 1 min 30 s behind the source.")],
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_wrong_is_told(case: str) -> None:
    views, sentences = CASES[case]
    assert told(**views)[1] == sentences
