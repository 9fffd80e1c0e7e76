# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, with the interpreter of an Airflow environment."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState
from installations.processes import until
from metadata_mysql_server import MysqlServer
from metadata_server import PASSWORD, SOURCE_NAME, USER, Airflow, Made, Server

CHECKOUT = Path(__file__).resolve().parents[2]


class Runner:
    """Runs the module on localhost."""

    def __init__(self, folder: Path, server: Server, interpreter: Path) -> None:
        namespace = folder / "ansible_collections/updraft"
        namespace.mkdir(parents=True)
        (namespace / "airflow").symlink_to(CHECKOUT)
        self.environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(folder),
            "ANSIBLE_HOME": str(folder / "home"),
            # What is left behind is looked for there, and others leave theirs elsewhere.
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "temporary"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
            "ANSIBLE_NOCOLOR": "1",
        }
        for name in ("HOME", "TMPDIR"):
            Path(self.environment[name]).mkdir()
        self.home, self.temporary = folder / "home", folder / "temporary"
        self.server = server
        self.interpreter = interpreter
        self.output = ""

    def left(self) -> set[str]:
        """What is left on the host."""
        found = [*self.temporary.glob("updraft-copy.*"), *self.home.glob(".ansible_async/*"), *self.home.rglob("ansible-tmp-*")]
        return set(map(str, found))

    def told(self) -> dict[str, Any] | None:
        """What a phase that runs in the background tells of itself."""
        for path in self.temporary.glob("updraft-copy.*/progress"):
            found: dict[str, Any] = json.loads(path.read_text())
            return found
        return None

    def loads(self) -> bool:
        """Whether a copy does."""
        return (self.told() or {}).get("step") == "load"

    def command(
        self, phase: str, database: str | None = None, check: bool = False, interpreter: str | None = None, **arguments: Any
    ) -> list[str]:
        """The command that runs the module."""
        if database:
            there = {"host": "127.0.0.1", "port": self.server.port, "database": database, "user": USER, "password": PASSWORD}
            arguments = there | arguments
        command = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", "updraft.airflow.airflow_metadata_copy", "-vvv"]
        command += ["-a", json.dumps({"phase": phase, **arguments})]
        return (
            command
            + ["-e", json.dumps({"ansible_python_interpreter": interpreter or str(self.interpreter)})]
            + (["--check"] if check else [])
        )

    def run(self, phase: str, database: str | None = None, **options: Any) -> dict[str, Any]:
        """The module's result."""
        done = subprocess.run(self.command(phase, database, **options), env=self.environment, capture_output=True, text=True, check=False)
        self.output = done.stdout + done.stderr
        text = done.stdout[done.stdout.index("localhost | ") :]
        result: dict[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])
        return {**result, "failed": text.startswith("localhost | FAILED!")}


@pytest.fixture
def runner(server: Server, airflows: dict[int, Airflow], tmp_path: Path) -> Runner:
    """A runner with the interpreter of Airflow 2."""
    return Runner(tmp_path, server, airflows[2].venv / "bin/python")


def test_the_whole_way(runner: Runner, made: Made, server: Server, sources: dict[int, Path]) -> None:
    database = server.create(made.templates[2])
    source = {"source": str(sources[2]), "source_name": SOURCE_NAME}
    assert runner.run("state", database)["state"] == "fresh"
    result = runner.run("copy", database, **source)
    assert result["changed"] is True
    assert result["msg"] == f"Copied and verified {result['rows']} rows in 48 tables."
    assert PASSWORD not in runner.output
    again = runner.run("copy", database, **source)
    assert again["failed"] is True
    assert again["msg"].endswith("run the phase reset, then migrate and copy again.")
    assert runner.run("reset", database, source_name=SOURCE_NAME)["changed"] is True
    assert runner.run("state", database)["state"] == "empty"


def test_a_source_is_inspected_by_any_python_and_also_in_check_mode(runner: Runner, sources: dict[int, Path]) -> None:
    for check in (False, True):
        result = runner.run("inspect", check=check, interpreter="/usr/bin/python3", source=str(sources[2]), line=3)
        assert result["changed"] is False
        assert result["refusals"] == []
        assert {table["name"]: table["rows"] for table in result["tables"]}["task_instance"] > 1000


def test_check_mode_tells_without_a_server(runner: Runner, made: Made, server: Server, sources: dict[int, Path]) -> None:
    database = server.create(made.templates[2])
    for phase in ("copy", "keep"):
        result = runner.run(phase, database, check=True, interpreter="/usr/bin/python3", source=str(sources[2]), source_name=SOURCE_NAME)
        assert result["changed"] is True
        assert result["msg"].startswith("Would ")
    assert server.query("SELECT count(*) FROM dag_run", database) == [(0,)]
    assert runner.run("state", "missing", check=True)["state"] == "unknown"


def test_a_refusal_is_one_sentence_and_a_list(runner: Runner, made: Made, server: Server) -> None:
    database = server.create(made.templates[3])
    result = runner.run("copy", database, source=str(made.files[2]), source_name=SOURCE_NAME)
    assert result["failed"] is True
    assert result["msg"].startswith("The copy is refused: alembic_version is at 5f2621c13b39 in the source and at d2f4e1b3c5a7")
    assert result["refusals"]


def test_a_server_that_does_not_answer_is_a_sentence(runner: Runner, server: Server) -> None:
    result = runner.run("state", "missing")
    assert result["failed"] is True
    assert "No connection to the database missing on 127.0.0.1" in result["msg"]
    assert PASSWORD not in runner.output


def test_a_python_without_the_driver_is_a_sentence(runner: Runner, server: Server) -> None:
    result = runner.run("state", "missing", interpreter="/usr/bin/python3")
    assert "has no psycopg2; run the module with the interpreter of the Airflow environment" in result["msg"]


def test_from_server_to_server(
    runner: Runner, made: Made, made_in_mysql: Made, server: Server, mysql: MysqlServer, copied: dict[int, str]
) -> None:
    there: dict[str, Any] = {"host": "127.0.0.1", "user": USER, "password": PASSWORD}
    source = {**there, "engine": "postgresql", "port": server.port, "name": copied[2]}
    name: dict[str, Any] = {"source_server": source, "source_name": "postgresql://127.0.0.1/there"}
    target = {**there, "engine": "mysql", "port": mysql.port, "database": mysql.create(made_in_mysql.templates[2])}
    assert runner.run("inspect", engine="mysql", source_server={**source, "name": made.templates[2]})["refusals"] == []
    refusals = runner.run("inspect", against_target=True, source_server=source, **target)["refusals"]
    assert any("MySQL's character set utf8mb3 does not have in the row (" in refusal for refusal in refusals)
    state = runner.run("state", **target)
    assert (state["state"], state["refusals"]) == ("fresh", [])
    refused = runner.run("copy", **name, **target)
    assert refused["failed"] is True
    assert "run the phase inspect, which names the row" in refused["msg"]
    result = runner.run("copy", **{**name, "source_server": {**source, "name": made.templates[2]}}, **target)
    assert result["msg"] == f"Copied and verified {result['rows']} rows in 48 tables."
    assert runner.run("reset", source_name=name["source_name"], **target)["changed"] is True
    assert PASSWORD not in runner.output


def test_a_source_is_one_of_two(runner: Runner) -> None:
    result = runner.run("inspect", interpreter="/usr/bin/python3")
    assert result["msg"] == "phase is inspect but any of the following are missing: source, source_server"


# What a million rows would take, with a thousand.
SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';
    CREATE TRIGGER slow BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION slow()
"""


def test_a_long_copy_tells_how_far_it_is_and_leaves_nothing_on_the_host(
    runner: Runner, made: Made, server: Server, sources: dict[int, Path]
) -> None:
    quick = runner.run("copy", server.create(made.templates[2]), source=str(sources[2]), source_name=SOURCE_NAME)
    database = server.create(made.templates[2])
    # It is looked at after 5 seconds and after 15: then the rows of one table are done, and those of another are under way.
    server.query(SLOW.replace("0.01", "0.008"), database)
    server.query("CREATE TRIGGER slow BEFORE INSERT ON xcom FOR EACH ROW EXECUTE FUNCTION slow()", database)
    result = runner.run("copy", database, source=str(sources[2]), source_name=SOURCE_NAME)
    assert re.search(
        rf"^\[localhost\] copied [\d,]+ of {result['rows']:,} rows \(\d+ %\), about \d+ (second|minute)s? left$",
        runner.output,
        re.MULTILINE,
    )
    assert (set(result), result["fingerprint"]) == (set(quick), quick["fingerprint"])
    assert runner.left() == set()
    assert PASSWORD not in runner.output


def require_no_lock(server: Server, database: str) -> None:
    """Nobody copies to the database any more, and nothing of it is there."""
    with server.target(database) as target:
        target.run("SELECT pg_advisory_xact_lock(7265221340)")
        target.rollback()
        assert TargetState(target).name == "fresh"


def test_a_copy_that_is_killed_is_told_and_leaves_nothing(runner: Runner, made: Made, server: Server, sources: dict[int, Path]) -> None:
    database = server.create(made.templates[2])
    server.query(SLOW, database)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(runner.run, "copy", database, source=str(sources[2]), source_name=SOURCE_NAME)
        until("the copy does not load", runner.loads)
        told = runner.told()
        assert told is not None
        os.kill(told["pid"], signal.SIGKILL)
        result = running.result()
    assert (result["failed"], result["msg"]) == (True, "The phase copy ended without a result: it was killed")
    assert runner.left() == set()
    require_no_lock(server, database)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_controller_left_is_ended_and_the_next_run_is_not_kept_from_anything(
    runner: Runner, made: Made, server: Server, sources: dict[int, Path], number: signal.Signals
) -> None:
    database = server.create(made.templates[2])
    # The server goes on for as long with what it has been sent; it would take the whole copy for done if nobody ended its client.
    server.query(SLOW.replace("0.01", "0.02"), database)
    command = runner.command("copy", database, source=str(sources[2]), source_name=SOURCE_NAME)
    with subprocess.Popen(command, env=runner.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as controller:
        until("the copy does not load", runner.loads)
        # It holds the password, and Python has read it.
        assert list(runner.home.rglob("AnsiballZ_airflow_metadata_copy.py")) == []
        controller.send_signal(number)
    told = runner.told()
    assert told is not None
    os.kill(told["pid"], 0)
    result = runner.run("state", database)
    assert (result["failed"], result["state"]) == (False, "fresh")
    assert not Path(f"/proc/{told['pid']}").exists()
    assert list(runner.temporary.glob("updraft-copy.*")) == []
    require_no_lock(server, database)
