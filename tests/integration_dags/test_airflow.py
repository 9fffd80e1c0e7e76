# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Airflow of both lines reads DAGs through the link, while it is switched."""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_dag_revisions import Revisions

# Longer than a test: what changed is read because of its time, not because its turn came.
PARSE_INTERVAL = "3600"
PATIENCE = 120
DAG = """
# The code of the {word} revision.
import json
import time
from pathlib import Path

try:
    from airflow.sdk import DAG
    from airflow.providers.standard.operators.python import PythonOperator
except ImportError:
    from airflow.models.dag import DAG
    from airflow.operators.python import PythonOperator
from lib.words import WORD

LINK, RESOLVED = Path(__file__).parent, Path(__file__).resolve().parent
NOTES = Path("{notes}")


def wait():
    (NOTES / "started").touch()
    while not (NOTES / "go").exists():
        time.sleep(0.1)
    from lib import later
    seen = {{"loaded": WORD, "resolved": (RESOLVED / "data.txt").read_text(), "link": (LINK / "data.txt").read_text(), "later": later.WORD}}
    (NOTES / "seen.json").write_text(json.dumps(seen))


with DAG("hello", schedule=None) as dag:
    PythonOperator(task_id="wait", python_callable=wait)
    PythonOperator(task_id="task_" + WORD, python_callable=print)
"""


class Airflow:
    """One line of Airflow on SQLite, with its DAGs folder a link."""

    def __init__(self, line: int, venv: Path, root: Path) -> None:
        self.line = line
        self.venv = venv
        self.root = root
        self.link = root / "dags"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.notes = root / "notes"
        self.notes.mkdir()
        self.revisions = Revisions(str(root / "dag_revisions"), str(self.link))
        self.environment = {
            "PATH": f"{venv}/bin:/usr/bin:/bin",
            "HOME": str(root),
            "LANG": "C.UTF-8",
            "AIRFLOW_HOME": str(root),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.link),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{root}/airflow.db",
            # What was written half a minute ago is otherwise not written again.
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": PARSE_INTERVAL,
            "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": PARSE_INTERVAL,
        }

    def store(self, revision: str, word: str) -> None:
        """A revision whose files all differ by one word."""
        files = {
            "hello.py": DAG.format(notes=self.notes, word=word),
            "lib/__init__.py": "",
            "lib/words.py": f'WORD = "{word}"\n',
            "lib/later.py": f'WORD = "{word}"\n',
            "data.txt": word,
        }
        source = self.root / f"source-{revision}"
        for name, content in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(content)
        with tarfile.open(self.root / "archive.tar.gz", "w:gz") as archive:
            archive.add(source, arcname=".")
        self.revisions.store(revision, str(self.root / "archive.tar.gz"), "", pwd.getpwuid(os.geteuid()).pw_name)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start an `airflow` command."""
        with open(self.root / f"{arguments[0]}.log", "wb") as log:
            command = [str(self.venv / "bin" / "airflow"), *arguments]
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd=self.root)
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """End what still runs."""
        (self.notes / "go").touch()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(PATIENCE)

    def query(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        with closing(sqlite3.connect(self.root / "airflow.db", timeout=30)) as connection, connection:
            return connection.execute(text, values).fetchall()

    def tasks(self) -> set[str]:
        """The tasks that Airflow knows of the DAG, in its newest version."""
        rows = self.query(
            f"SELECT data FROM serialized_dag WHERE dag_id = 'hello' ORDER BY {'last_updated' if self.line < 3 else 'created_at'}"
        )
        return {task["__var"]["task_id"] for task in json.loads(rows[-1][0])["dag"]["tasks"]} if rows else set()

    def code(self) -> str:
        """The code that the web page shows."""
        rows = self.query("SELECT source_code FROM dag_code WHERE fileloc = ? ORDER BY last_updated", f"{self.link}/hello.py")
        return str(rows[-1][0])

    def wait_for(self, condition: Callable[[], bool], what: str) -> float:
        """Seconds until something is so."""
        start = time.monotonic()
        while not condition():
            if time.monotonic() - start > PATIENCE:
                logs = "".join(path.read_text(errors="replace")[-3000:] for path in self.root.glob("*.log"))
                pytest.fail(f"{what} did not come true within {PATIENCE} seconds: {logs}")
            time.sleep(0.2)
        return time.monotonic() - start


@pytest.fixture(params=[2, 3], ids=["2.11.2", "3.3.2"])
def airflow(request: pytest.FixtureRequest, airflows: dict[int, Path], tmp_path: Path) -> Iterator[Airflow]:
    """Airflow with the first revision, and the daemon that reads it."""
    made = Airflow(request.param, airflows[request.param], tmp_path)
    made.store("r1", "first")
    made.store("r2", "second")
    made.revisions.switch("r1")
    try:
        assert made.start("db", "migrate").wait(PATIENCE) == 0
        # On SQLite the scheduler of 2.x reads DAGs itself.
        made.start("dag-processor" if made.line >= 3 else "scheduler")
        made.wait_for(lambda: made.tasks() == {"wait", "task_first"}, "the first revision")
        yield made
    finally:
        made.stop()


def where(airflow: Airflow) -> list[tuple[Any, ...]]:
    """What the database says of the place of every DAG."""
    relative = ", relative_fileloc, bundle_name, is_stale" if airflow.line >= 3 else ", is_active"
    return airflow.query(f"SELECT dag_id, fileloc, is_paused{relative} FROM dag")


def test_a_switch_makes_no_new_dag_and_stops_nothing(airflow: Airflow) -> None:
    airflow.wait_for(lambda: bool(where(airflow)), "the row of the DAG")
    # The scheduler of 2.x would run the task too, were the DAG not paused.
    paused = int(airflow.line < 3)
    airflow.query("UPDATE dag SET is_paused = ?", paused)
    before = where(airflow)
    assert [row[:3] for row in before] == [("hello", f"{airflow.link}/hello.py", paused)]
    assert list((airflow.root / "dag_revisions" / "r1" / "lib" / "__pycache__").glob("words.*.pyc"))
    running = airflow.start("tasks", "test", "hello", "wait", "2026-11-20")
    airflow.wait_for((airflow.notes / "started").exists, "the start of the task")

    airflow.revisions.switch("r2")
    seconds = airflow.wait_for(lambda: airflow.tasks() == {"wait", "task_second"}, "the second revision")
    print(f"RESULT dags_switch_seen_{airflow.line} {seconds:.1f} s")
    assert where(airflow) == before
    airflow.wait_for(lambda: "of the second revision" in airflow.code(), "the new code")

    (airflow.notes / "go").touch()
    assert running.wait(PATIENCE) == 0, (airflow.root / "tasks.log").read_text()
    seen = json.loads((airflow.notes / "seen.json").read_text())
    # What was loaded stays, what was looked up by the link's target stays, what is read by the link is new.
    assert seen == {"loaded": "first", "resolved": "first", "link": "second", "later": "second"}

    airflow.revisions.switch("r1")
    airflow.wait_for(lambda: airflow.tasks() == {"wait", "task_first"}, "the way back")
    assert where(airflow) == before
