# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_dag_check with a package that stands in for Airflow, in a real child process."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

CallModule = Callable[..., dict[str, Any]]

# A DagBag that runs every file of a folder, as Airflow's does.
DAGBAG = """
import os, runpy, traceback
class Dag:
    def __init__(self, dag_id, fileloc):
        self.dag_id, self.fileloc = dag_id, fileloc
class DagBag:
    def __init__(self, folder, include_examples=None, bundle_path=None, bundle_name=None):
        print("noise on standard output")
        self.dags, self.import_errors = {}, {}
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            try:
                for dag_id in runpy.run_path(path)["DAGS"]:
                    self.dags[dag_id] = Dag(dag_id, path)
            except Exception:
                self.import_errors[path] = traceback.format_exc()
BundleDagBag = DagBag
"""
SERIALIZED = """
class SerializedDAG:
    @staticmethod
    def to_dict(dag):
        if dag.dag_id == "unserializable":
            raise ValueError("no JSON")
DagSerialization = SerializedDAG
"""
READS_SECRETS = """
import json, os
assert os.environ["AIRFLOW_VAR_GREETING"] == "héllo", os.environ["AIRFLOW_VAR_GREETING"]
assert json.loads(os.environ["AIRFLOW_CONN_DB"])["password"] == "p@ss"
assert "AIRFLOW_VAR_BROKEN" not in os.environ
assert "CALLER" not in os.environ
assert os.environ["AIRFLOW_HOME"] == "/opt/new home"
open(os.environ["SEEN"], "w").write(os.getcwd() + "\\n" + str(os.path.exists("airflow.db")))
DAGS = ["reader"]
"""


@pytest.fixture(params=["2.11.2", "3.3.2"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def check(call_module: CallModule, tmp_path: Path, user: str, version: str) -> Callable[..., dict[str, Any]]:
    packages = tmp_path / "packages"
    module = "dag_processing" if version == "3.3.2" else "models"
    for name in ("", "dag_processing", "models", "serialization"):
        (packages / "airflow" / name).mkdir(parents=True, exist_ok=True)
        (packages / "airflow" / name / "__init__.py").write_text("")
    (packages / "airflow" / module / "dagbag.py").write_text(DAGBAG)
    (packages / "airflow" / "serialization" / "serialized_objects.py").write_text(SERIALIZED)
    (tmp_path / "my dags").mkdir()

    def run(environment: dict[str, str] | None = None, **arguments: Any) -> dict[str, Any]:
        return call_module(
            "airflow_dag_check",
            **{
                "interpreter": sys.executable,
                "version": version,
                "dags_folder": str(tmp_path / "my dags"),
                "user": user,
                "environment": {"PYTHONPATH": str(packages), **(environment or {})},
                **arguments,
            },
        )

    return run


def test_everything_parses(check: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "my dags" / "a.py").write_text("print('noise')\nDAGS = ['one', 'two']")
    result = check()
    assert result["changed"] is False, result
    assert result["dags"] == [{"dag_id": "one", "file": "a.py"}, {"dag_id": "two", "file": "a.py"}]
    assert (result["import_errors"], result["skipped"]) == ([], False)
    assert os.listdir(tmp_path / "my dags") == ["a.py"]


def test_a_file_that_parsed_before_is_named(check: Callable[..., dict[str, Any]], tmp_path: Path, version: str) -> None:
    (tmp_path / "my dags" / "new.py").write_text("import nothing_like_this")
    (tmp_path / "my dags" / "old.py").write_text("raise ValueError('as ever')")
    known = [f"{tmp_path}/my dags/old.py"]
    result = check(known_import_errors=known)
    assert result["failed"] and result["msg"] == (
        f"These files parsed before and do not parse with Airflow {version}: new.py (ModuleNotFoundError: No module named "
        "'nothing_like_this'). Correct them, add what they import to airflow_requirements, or take them out of the folder."
    )
    assert [entry["file"] for entry in result["import_errors"]] == ["new.py", "old.py"]
    (tmp_path / "my dags" / "new.py").unlink()
    assert check(known_import_errors=known)["changed"] is False
    assert check(known_import_errors=["old.py"])["changed"] is False
    assert check(known_import_errors=["/home/jane/dags/old.py"], known_dags_folder="/home/jane/dags")["changed"] is False


def test_a_dag_that_cannot_be_stored_is_broken(check: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "my dags" / "a.py").write_text("DAGS = ['unserializable']")
    result = check()
    assert result["failed"] and "a.py (ValueError: no JSON)" in result["msg"]


def test_secrets_and_a_home_of_its_own(
    check: Callable[..., dict[str, Any]], tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Fernet.generate_key()
    path = tmp_path / "airflow.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE variable (key TEXT, val TEXT, is_encrypted BOOLEAN)")
        rows = [("greeting", Fernet(key).encrypt("héllo".encode()).decode(), 1), ("broken", "no token", 1)]
        connection.executemany("INSERT INTO variable VALUES (?, ?, ?)", rows)
        fields = "conn_id, conn_type, description, host, login, password, schema, port, extra, is_encrypted, is_extra_encrypted"
        connection.execute(f"CREATE TABLE connection ({fields})")
        password = Fernet(key).encrypt(b"p@ss").decode()
        connection.execute("INSERT INTO connection VALUES ('db', 'postgres', NULL, 'h', 'u', ?, NULL, 5432, NULL, 1, 0)", (password,))
    connection.close()
    (tmp_path / "my dags" / "a.py").write_text(READS_SECRETS)
    monkeypatch.setenv("CALLER", "1")
    environment = {
        "AIRFLOW__CORE__FERNET_KEY": f"{Fernet.generate_key().decode()},{key.decode()}",
        "AIRFLOW_HOME": "/opt/new home",
        "SEEN": str(tmp_path / "seen"),
    }
    result = check(environment, metadata_path=str(path))
    assert result.get("dags") == [{"dag_id": "reader", "file": "a.py"}], result
    home, has_database = (tmp_path / "seen").read_text().splitlines()
    # Only an Airflow of the same line can read the source's database.
    assert has_database == str(version.startswith("2"))
    assert not os.path.exists(home)


def test_a_dag_that_never_ends(check: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "my dags" / "a.py").write_text("import signal\nsignal.pause()")
    assert check(timeout=1)["msg"] == f"The DAGs in {tmp_path}/my dags were not parsed within 1 seconds."


def test_an_installation_that_does_not_work(check: Callable[..., dict[str, Any]], tmp_path: Path, version: str) -> None:
    result = check({"PYTHONPATH": ""})
    assert result["msg"].startswith(f"Airflow {version} could not parse {tmp_path}/my dags: Traceback")


def test_not_installed_yet(check: Callable[..., dict[str, Any]], version: str) -> None:
    missing = check(interpreter="/nonexistent/python", check_mode=True)
    assert missing["skipped"] is True and missing["changed"] is False
    assert check(interpreter="/nonexistent/python")["msg"] == (
        f"There is no /nonexistent/python; install Airflow {version} before the check."
    )


def test_unknown_user(check: Callable[..., dict[str, Any]]) -> None:
    assert check(user="nobody-of-this-name")["msg"] == ("There is no user nobody-of-this-name to parse the DAGs as; create the user first.")
