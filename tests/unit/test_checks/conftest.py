# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the checks and the fixtures importable, and databases with made-up history."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "testinfra"), str(TESTS / "fixtures" / "tutorial" / "files")]

ROWS = 1500


@pytest.fixture(scope="session")
def make_database(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return a function that makes a metadata database of a version, with so much history from a seed."""

    def make(version: str, seed: int = 1, rows: int = ROWS, **more: object) -> str:
        from history import add_history

        path = str(tmp_path_factory.mktemp("database") / "airflow.db")
        database = sqlite3.connect(path)
        schema = (Path(__file__).parent / "schemas" / f"{version}.sql").read_text()
        # One transaction: a disk under load takes long to flush a hundred.
        database.executescript(f"BEGIN;\n{schema}COMMIT;")
        database.execute(
            "INSERT INTO log_template (id, filename, elasticsearch_id, created_at) VALUES (1, 'f', 'e', '2026-01-01 00:00:00')"
        )
        database.execute("INSERT INTO ab_user (id, first_name, last_name, username, email) VALUES (1, 'J', 'E', 'jane', 'j@e')")
        database.commit()
        database.close()
        add_history(path, rows, seed, **more)
        return path

    return make


@pytest.fixture(scope="session", params=["2.11.2", "3.3.2"])
def version(request: pytest.FixtureRequest) -> str:
    """Return each version in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def history_database(make_database: Callable[..., str], version: str) -> str:
    """Return a database nobody changes."""
    return make_database(version)
