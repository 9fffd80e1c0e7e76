# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_host_info on a hand-made installation of real files and processes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.modules.airflow_host_info import why_unread

RunModule = Callable[..., dict[str, Any]]


@pytest.fixture
def look(run_module: RunModule, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run(**arguments: Any) -> dict[str, Any]:
        result = run_module("airflow_host_info", home=str(tmp_path / "opt"), config_dir=str(tmp_path / "etc"), **arguments)
        assert result["changed"] is False, result
        found: dict[str, Any] = result["airflow_host"]
        return found

    return run


def test_a_host_without_anything(look: Callable[..., dict[str, Any]]) -> None:
    found = look()
    assert (found["installation"], found["adopted"], found["metadata"]) == (None, None, None)
    assert found["pythons"] and found["hostname"] and found["systemd"] is os.path.isdir("/run/systemd/system")
    assert found["free_mb"]["home"] > 0 and found["free_mb"]["config_dir"] > 0


def test_a_tutorial_installation(look: Callable[..., dict[str, Any]], old_airflow: Any, user: str) -> None:
    old_airflow.make_database("running", "success")
    scheduler = old_airflow.start("scheduler", "-D", AIRFLOW__CORE__PARALLELISM="7")
    webserver = old_airflow.start("webserver", "-D")
    (old_airflow.home / "airflow-webserver-monitor.pid").write_text(str(webserver.pid))
    (old_airflow.home / "webserver_config.py").write_text("")
    found = look(adopt_home=f"{old_airflow.home}/")
    adopted = found["adopted"]
    assert adopted["problems"] == []
    assert (adopted["home"], adopted["version"], adopted["prefix"]) == (str(old_airflow.home), "2.11.2", str(old_airflow.prefix))
    assert adopted["owner"]["user"] == user and adopted["owner"]["uid"] == os.geteuid()
    assert [(daemon["kind"], daemon["pid"], daemon["pid_file"]) for daemon in adopted["daemons"]] == [
        ("scheduler", scheduler.pid, None),
        ("webserver", webserver.pid, f"{old_airflow.home}/airflow-webserver-monitor.pid"),
    ]
    assert adopted["environment"] == {"AIRFLOW_HOME": str(old_airflow.home), "AIRFLOW__CORE__PARALLELISM": "7"}
    assert adopted["config"]["webserver"]["instance_name"] == "50% off"
    assert adopted["dags_folder"] == os.path.expanduser("~/dags with space")
    assert adopted["plugins_folder"] == f"{old_airflow.home}/plugins"
    assert adopted["base_log_folder"] == f"{old_airflow.home}/logs"
    assert (adopted["webserver_port"], adopted["webserver_config"]) == (8099, f"{old_airflow.home}/webserver_config.py")
    assert adopted["metadata"] == {"engine": "sqlite", "url": f"sqlite:///{old_airflow.database}", "path": str(old_airflow.database)}
    assert adopted["simple_auth"] is None
    assert found["metadata"]["task_states"] == {"running": 1, "success": 1}


def test_after_an_interrupted_run_the_daemons_are_known_as_they_were(
    look: Callable[..., dict[str, Any]], run_module: RunModule, old_airflow: Any, tmp_path: Path
) -> None:
    old_airflow.make_database("success")
    old_airflow.start("webserver", "-p", "8123", AIRFLOW_VAR_ONLY_HERE="1")
    old_airflow.start("scheduler", AIRFLOW__CORE__PARALLELISM="7")
    before = look(adopt_home=str(old_airflow.home))["adopted"]
    (tmp_path / "opt" / "backups").mkdir(parents=True)
    restart_file = str(tmp_path / "opt" / "backups" / "restart.json")
    stopped = run_module("airflow_old_daemons", home=str(old_airflow.home), state="stopped", restart_file=restart_file)
    assert stopped["changed"], stopped
    after = look(adopt_home=str(old_airflow.home))["adopted"]
    assert after["environment"] == {
        "AIRFLOW_HOME": str(old_airflow.home),
        "AIRFLOW_VAR_ONLY_HERE": "1",
        "AIRFLOW__CORE__PARALLELISM": "7",
    }
    assert len(before["daemons"]) == 2 and after["daemons"] == []
    assert {**before, "daemons": []} == after


def lift(folder: Path, old_airflow: Any, **moved: Any) -> dict[str, Any]:
    """Write the record of a lift of the installation made by hand, and return it."""
    home = str(old_airflow.home)
    record = {
        "engine": "postgresql",
        "database": {"host": "127.0.0.1", "port": 5432, "name": "airflow"},
        "adopted": {"home": home},
        "moved": {"kind": "adopted", "home": home, "path": str(old_airflow.database), **moved},
    }
    (folder / "etc").mkdir()
    (folder / "etc" / "installation.json").write_text(json.dumps(record))
    (folder / "opt" / "backups").mkdir(parents=True)
    return record


def test_what_is_left_of_a_lifted_installation(
    look: Callable[..., dict[str, Any]], run_module: RunModule, old_airflow: Any, tmp_path: Path
) -> None:
    assert look()["lifted"] is None
    old_airflow.make_database()
    record = lift(tmp_path, old_airflow)
    backups, home = tmp_path / "opt" / "backups", str(old_airflow.home)
    found = look(adopt_home=home)
    assert found["adopted"] is None
    assert found["lifted"] == {
        "source_is_there": True,
        "backup_is_there": False,
        "remembered": [],
        "running": [],
        "record_is_there": False,
        "is_gone_back": False,
    }
    (backups / "before-the-move.db").write_text("")
    for kind in ("scheduler", "webserver"):
        old_airflow.start(kind)
    assert run_module("airflow_old_daemons", home=home, state="stopped", restart_file=str(backups / "restart.json"))["changed"]
    (backups / "rolled-back.json").write_text(json.dumps({"database": record["database"]}))
    old_airflow.start("scheduler")
    found = look(adopt_home=home)
    assert found["lifted"] == {
        "source_is_there": True,
        "backup_is_there": True,
        "remembered": ["scheduler", "webserver"],
        "running": ["scheduler"],
        "record_is_there": True,
        "is_gone_back": True,
    }
    # It is in service, and may be lifted anew.
    assert [daemon["kind"] for daemon in found["adopted"]["daemons"]] == ["scheduler"]


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_damaged_record_of_a_rollback_is_told(content: str, run_module: RunModule, old_airflow: Any, tmp_path: Path) -> None:
    old_airflow.make_database()
    lift(tmp_path, old_airflow)
    (tmp_path / "opt" / "backups" / "rolled-back.json").write_text(content)
    result = run_module("airflow_host_info", home=str(tmp_path / "opt"), config_dir=str(tmp_path / "etc"))
    assert result["failed"] and result["msg"].startswith("The record of a rollback cannot be read")
    assert "rolled-back.json" in result["msg"]


def test_a_rollback_from_another_database_is_over(look: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path) -> None:
    old_airflow.make_database()
    lift(tmp_path, old_airflow)
    (tmp_path / "opt" / "backups" / "rolled-back.json").write_text(json.dumps({"database": {"name": "first"}}))
    found = look(adopt_home=str(old_airflow.home))
    assert (found["lifted"]["record_is_there"], found["lifted"]["is_gone_back"], found["adopted"]) == (True, False, None)


def test_a_record_without_an_installation_is_one_to_remove(look: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "opt" / "backups").mkdir(parents=True)
    (tmp_path / "opt" / "backups" / "rolled-back.json").write_text("{}")
    lifted = look()["lifted"]
    assert {name for name, value in lifted.items() if value} == {"record_is_there"}


def test_units_of_an_installation_of_the_collections_own_are_no_old_daemons(
    look: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path
) -> None:
    old_airflow.make_database()
    lift(tmp_path, old_airflow, kind="own")
    old_airflow.start("scheduler")
    assert look()["lifted"]["running"] == []


DEFAULT_CONFIG = """# A comment
\"\"\"A text.\"\"\"
from __future__ import annotations
import os
from flask_appbuilder.const import AUTH_DB
basedir = os.path.abspath(os.path.dirname(__file__))
WTF_CSRF_ENABLED = True
WTF_CSRF_TIME_LIMIT = None
AUTH_TYPE = AUTH_DB
# AUTH_ROLE_PUBLIC = 'Public'
"""
FORMER_CONFIG = """import os
from airflow.www.fab_security.manager import AUTH_DB
basedir = os.path.abspath(os.path.dirname(__file__))
WTF_CSRF_ENABLED = True
AUTH_TYPE = AUTH_DB
"""


@pytest.mark.parametrize(
    ("content", "is_edited"),
    [
        (DEFAULT_CONFIG, False),
        (DEFAULT_CONFIG.replace("A comment", "Another"), False),
        (FORMER_CONFIG, False),
        (DEFAULT_CONFIG + "AUTH_ROLE_PUBLIC = 'Public'\n", True),
        (DEFAULT_CONFIG.replace("True", "False"), True),
        (DEFAULT_CONFIG + "import mine\n", True),
        (DEFAULT_CONFIG + "else\n", True),
    ],
    ids=["as it was made", "comment", "of a former version", "added", "changed", "import", "broken"],
)
def test_only_an_edited_webserver_config_is_carried(
    content: str, is_edited: bool, look: Callable[..., dict[str, Any]], old_airflow: Any
) -> None:
    old_airflow.make_database()
    templates = old_airflow.site / "airflow" / "config_templates"
    templates.mkdir(parents=True, exist_ok=True)
    (templates / "default_webserver_config.py").write_text(DEFAULT_CONFIG)
    (old_airflow.home / "webserver_config.py").write_text(content)
    old_airflow.start("scheduler")
    adopted = look(adopt_home=str(old_airflow.home))["adopted"]
    assert adopted["webserver_config_content"] == (content if is_edited else None)


def test_a_damaged_file_of_an_interrupted_run_is_named(run_module: RunModule, old_airflow: Any, tmp_path: Path) -> None:
    (tmp_path / "opt" / "backups").mkdir(parents=True)
    (tmp_path / "opt" / "backups" / "restart.json").write_text("")
    result = run_module("airflow_host_info", home=str(tmp_path / "opt"), config_dir=str(tmp_path / "etc"), adopt_home=str(old_airflow.home))
    assert result["failed"] and result["msg"].startswith(f"{tmp_path}/opt/backups/restart.json, which says how the old daemons")


def test_users_of_simple_auth_manager(look: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    (old_airflow.site / "apache_airflow-2.11.2.dist-info").rename(old_airflow.site / "apache_airflow-3.3.2.dist-info")
    metadata = old_airflow.site / "apache_airflow-3.3.2.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("2.11.2", "3.3.2"))
    (old_airflow.home / "simple_auth_manager_passwords.json.generated").write_text('{"admin": "one", "bob": "two"}')
    old_airflow.start("standalone", AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS="admin:admin, bob:viewer")
    simple = look(adopt_home=str(old_airflow.home))["adopted"]["simple_auth"]
    assert simple["users"] == [{"username": "admin", "role": "admin"}, {"username": "bob", "role": "viewer"}]
    assert simple["passwords"] == {"admin": "one", "bob": "two"} and simple["all_admins"] is False


def test_a_server_database_is_told_and_not_opened(look: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    url = "postgresql+psycopg2://jane:p%40ss@db/airflow"
    old_airflow.start("scheduler", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
    found = look(adopt_home=str(old_airflow.home))
    assert found["adopted"]["metadata"] == {"engine": "postgresql", "url": url, "path": None}
    assert found["metadata"] is None


def test_what_makes_a_take_over_impossible(look: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    assert look(adopt_home=str(tmp_path / "none"))["adopted"]["problems"] == [
        f"There is no folder {tmp_path}/none; set airflow_adopt_home to the AIRFLOW_HOME to take over."
    ]
    empty = tmp_path / "empty"
    empty.mkdir()
    config, database = look(adopt_home=str(empty))["adopted"]["problems"][0], look(adopt_home=str(empty))["adopted"]["problems"][-1]
    assert config == f"There is no {empty}/airflow.cfg; set airflow_adopt_home to the AIRFLOW_HOME that holds the airflow.cfg to take over."
    assert database.startswith(f"The metadata database {empty}/airflow.db cannot be read (")


def test_who_else_has_the_database_open_is_a_problem(look: Callable[..., dict[str, Any]], old_airflow: Any, user: str) -> None:
    old_airflow.make_database()
    old_airflow.start("scheduler", "-D")
    with open(old_airflow.database, "rb") as handle:
        other = subprocess.Popen(["sleep", "60"], stdin=handle)
    try:
        adopted = look(adopt_home=str(old_airflow.home))["adopted"]
    finally:
        other.kill()
        other.wait()
    holder = f"sleep (process {other.pid} of {user})"
    assert adopted["strangers"] == [holder]
    assert adopted["problems"] == [
        f"The metadata database {old_airflow.database} is in use by {holder}, which is none of the daemons that are stopped for a move; "
        "end that, and run again."
    ]
    assert look(adopt_home=str(old_airflow.home))["adopted"]["problems"] == []


def test_a_database_that_is_locked_is_told_with_who_holds_it() -> None:
    error = sqlite3.OperationalError("database is locked")
    assert why_unread("/home/jane/airflow/airflow.db", error, ["sqlite3 (process 7 of jane)"]) == (
        "The metadata database /home/jane/airflow/airflow.db is locked by sqlite3 (process 7 of jane), and could not be read; end that, "
        "and run again."
    )
    assert "is locked by a process, and could not be read;" in why_unread("/a.db", error, [])


def test_a_damaged_database_is_a_problem(look: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    old_airflow.database.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (problem,) = look(adopt_home=str(old_airflow.home))["adopted"]["problems"][-1:]
    assert problem.startswith(f"The metadata database {old_airflow.database} cannot be read (file is not a database); repair it or correct")


def test_what_would_be_copied_is_measured(look: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    old_airflow.make_database()
    logs = old_airflow.home / "logs" / "dag_id=a"
    logs.mkdir(parents=True)
    before = look(adopt_home=str(old_airflow.home))
    (logs / "attempt=1.log").write_bytes(os.urandom(3 * 1024**2))
    after = look(adopt_home=str(old_airflow.home))
    assert after["copies_mb"] - before["copies_mb"] == 3
    assert set(after["devices"]) == set(after["free_mb"]) == {"home", "config_dir", "postgresql", "mysql"}
    assert abs(time.time() - after["clock"]) < 30


def test_a_key_from_a_command_is_a_problem(look: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    old_airflow.make_database()
    (old_airflow.home / "airflow.cfg").write_text("[core]\nfernet_key_cmd = cat /key\n")
    assert look(adopt_home=str(old_airflow.home))["adopted"]["problems"] == [
        f"fernet_key of section core comes from a command or a secrets backend; write its value into {old_airflow.home}/airflow.cfg."
    ]


def test_a_broken_airflow_cfg_is_a_problem(look: Callable[..., dict[str, Any]], old_airflow: Any) -> None:
    old_airflow.make_database()
    (old_airflow.home / "airflow.cfg").write_text("no section = x\n")
    (problem,) = look(adopt_home=str(old_airflow.home))["adopted"]["problems"]
    assert problem.startswith(f"{old_airflow.home}/airflow.cfg cannot be read (File contains no section headers.")


def test_what_was_taken_over_is_not_scanned_again(look: Callable[..., dict[str, Any]], old_airflow: Any, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    record = {"format": 1, "engine": "postgresql", "adopted": {"home": str(old_airflow.home)}}
    (tmp_path / "etc" / "installation.json").write_text(json.dumps(record))
    found = look(adopt_home=str(old_airflow.home))
    assert found["adopted"] is None and found["metadata"] is None
    assert found["installation"] == {**record, "environment": {}}


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (
            "{",
            "The record of the installation in {etc} cannot be read (Expecting property name enclosed in double quotes: line 1 column 2 ",
        ),
        (
            '{"engine": "sqlite", "database": {"path": "/none/a.db"}}',
            "The metadata database /none/a.db cannot be read ([Errno 2] No such file or directory: '/none/a.db'); repair it",
        ),
        ("[]", "TypeError in host_state.py, line "),
    ],
    ids=["no JSON", "no database", "unforeseen"],
)
def test_what_cannot_be_read_is_a_sentence(record: str, sentence: str, run_module: RunModule, tmp_path: Path) -> None:
    (tmp_path / "installation.json").write_text(record)
    result = run_module("airflow_host_info", home=str(tmp_path), config_dir=str(tmp_path))
    assert result["failed"] is True
    assert result["msg"].startswith(sentence.replace("{etc}", str(tmp_path)))


def test_the_own_sqlite_database_is_what_a_move_reads(look: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    database = tmp_path / "own.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE alembic_version_fab (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version_fab VALUES ('f1')")
    connection.close()
    (tmp_path / "etc").mkdir()
    record = {"format": 1, "engine": "sqlite", "adopted": None, "database": {"path": str(database)}}
    (tmp_path / "etc" / "installation.json").write_text(json.dumps(record))
    metadata = look()["metadata"]
    assert (metadata["path"], metadata["fab_revision"], metadata["tables"]) == (str(database), "f1", {"alembic_version_fab": 1})
