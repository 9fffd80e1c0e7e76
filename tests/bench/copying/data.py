# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is copied: a metadata database in SQLite, made by Airflow and filled by a script, and an empty one in PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

from history import add_history
from installations.servers import Postgresql

VERSIONS = {2: "2.11.2", 3: "3.3.2"}
SEED = 20260101
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


def find_venv(line: int) -> Path:
    """The virtual environment of a line; a sentence where there is none."""
    folder = Path(os.environ.get(f"UPDRAFT_VENV_{line}", ""))
    if not os.access(folder / "bin/airflow", os.X_OK):
        raise SystemExit(
            f"UPDRAFT_VENV_{line} must name a virtual environment of Airflow {VERSIONS[line]}; 'make bench-copy' makes and names it."
        )
    return folder


class Data:
    """The source of one line, in two sizes, and the database that its copies are made of."""

    def __init__(self, line: int, folder: Path, server: Postgresql) -> None:
        self.line, self.folder, self.server, self.venv = line, folder, server, find_venv(line)
        self.template = f"template_{line}"

    def make(self, sizes: set[int]) -> dict[int, Path]:
        """A source for each number of rows."""
        empty = self.folder / "empty.db"
        self._migrate(f"sqlite:///{empty}")
        self.server.query("postgres", f"CREATE DATABASE {self.template}")
        self._migrate(f"postgresql+psycopg2://airflow@127.0.0.1:{self.server.postgresql_port}/{self.template}")
        return {rows: self._fill(empty, rows) for rows in sizes}

    def _migrate(self, url: str) -> None:
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(self.folder / "home"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            **({"AIRFLOW__CORE__AUTH_MANAGER": FAB} if self.line == 3 else {}),
        }
        done = subprocess.run([self.venv / "bin/airflow", "db", "migrate"], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])

    def _fill(self, empty: Path, rows: int) -> Path:
        path = self.folder / f"{rows}.db"
        path.write_bytes(empty.read_bytes())
        made = sum(counts(path).values())
        add_history(str(path), rows - made, SEED)
        return path


def counts(path: Path) -> dict[str, int]:
    """The rows of each table."""
    database = sqlite3.connect(path)
    try:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        return {name: int(database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names}
    finally:
        database.close()
