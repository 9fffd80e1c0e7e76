# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sides: the module's copy, pgloader, and pg_restore. Each fills a database that was made beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .data import Data, counts

CHECKOUT = Path(__file__).resolve().parents[3]
Figures = dict[str, float]
# Its default is 100,000 rows at once, for which its heap is too small where rows are long. SQLite keeps a JSON document that is a number as
# one, which pgloader would write as Lisp does.
LOAD = """
LOAD DATABASE FROM sqlite://{source} INTO postgresql://airflow@127.0.0.1:{port}/{database}
WITH data only, include no drop, truncate, disable triggers, reset sequences, prefetch rows = 10000
CAST type json to json using float-to-string;
"""


class Side:
    """One of the three."""

    name = ""

    def __init__(self, data: Data, source: Path) -> None:
        self.data, self.source, self.server = data, source, data.server
        self.database = f"{self.name}_{data.line}"
        self.errors: list[str] = []

    def run(self) -> Figures:
        """How long it takes on an empty database; what was written before is on the disk."""
        self.drop()
        self.make()
        self.server.query("postgres", "CHECKPOINT")
        begin = time.monotonic()
        figures = self.fill()
        return {"seconds": time.monotonic() - begin, **figures}

    def make(self) -> None:
        """The database with Airflow's schema."""
        self.server.query("postgres", f"CREATE DATABASE {self.database} TEMPLATE {self.data.template}")

    def drop(self) -> None:
        """Remove the database."""
        self.server.query("postgres", f"DROP DATABASE IF EXISTS {self.database}")

    def fill(self) -> Figures:
        """Do it; what else there is to tell."""
        raise NotImplementedError

    def missing(self) -> int:
        """How many rows of the source are not there."""
        tables = counts(self.source)
        query = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM public.\"{name}\"" for name in tables)
        found = dict(line.split("|") for line in self.server.query(self.database, query))
        return sum(max(rows - int(found[name]), 0) for name, rows in tables.items())

    def command(self, *words: str | Path, environment: dict[str, str] | None = None) -> str:
        """Run a program; what it wrote."""
        done = subprocess.run(words, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode:
            raise SystemExit(f"{self.name} failed: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout


class Module(Side):
    """The module's code. Its verification is not counted, for the others have none."""

    name = "module"

    def fill(self) -> Figures:
        script = Path(__file__).with_name("once.py")
        collections = {"PYTHONPATH": str(CHECKOUT / ".cache" / "collections")}
        port = str(self.server.postgresql_port)
        told: dict[str, Any] = json.loads(
            self.command(self.data.venv / "bin/python", script, self.source, port, self.database, environment=collections)
        )
        if told.get("refusals"):
            raise SystemExit(f"The copy was refused: {told['refusals']}")
        print("  " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in told["seconds"].items()), flush=True)
        return {"verification": told["seconds"]["verify"], "rows": told["rows"], "peak_mb": told["peak_mb"]}


class Pgloader(Side):
    """pgloader in its mode that loads data only, into the schema that Airflow has made. Nothing checks foreign keys meanwhile."""

    name = "pgloader"

    def fill(self) -> Figures:
        file = self.data.folder / "pgloader.load"
        file.write_text(LOAD.format(source=self.source, port=self.server.postgresql_port, database=self.database))
        try:
            told = self.command("pgloader", "--root-dir", self.data.folder / "pgloader", file)
        except FileNotFoundError:
            sys.exit("pgloader is needed: install Debian's package pgloader.")
        # It goes on without the rows that the server refuses.
        self.errors = [line for line in told.splitlines() if " ERROR " in line or line.startswith("CONTEXT")]
        return {}


class Restore(Side):
    """pg_restore of the copied database, whole: schema, data, indexes and keys, with one job. The dump is not counted."""

    name = "pg_restore"

    def dump(self, database: str) -> None:
        """Make what it restores."""
        self.command(*self._program("pg_dump"), "-Fc", "--exclude-schema", "airflow_kept", "-f", self._dump, "-d", database)

    def make(self) -> None:
        self.server.query("postgres", f"CREATE DATABASE {self.database} TEMPLATE template0")

    def fill(self) -> Figures:
        self.command(*self._program("pg_restore"), "-d", self.database, self._dump)
        return {}

    @property
    def _dump(self) -> Path:
        return self.data.folder / "dump"

    def _program(self, name: str) -> list[str]:
        return [str(self.server.binaries / name), "-h", "127.0.0.1", "-p", str(self.server.postgresql_port), "-U", "airflow"]
