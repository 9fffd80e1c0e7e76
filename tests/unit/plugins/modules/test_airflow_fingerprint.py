# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_fingerprint on real files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

RunModule = Callable[..., dict[str, Any]]


def host(folder: Path, key: str = "k" * 32, dag: str = "print(1)\n", version: str = "3.3.2") -> dict[str, Any]:
    site = folder / "venv" / "lib" / "python3.11" / "site-packages"
    (site / f"apache_airflow-{version}.dist-info").mkdir(parents=True)
    (site / f"only_here_{folder.name}-1.0.dist-info").mkdir()
    (folder / "dags" / "__pycache__").mkdir(parents=True)
    (folder / "dags" / "__pycache__" / "dag.pyc").write_text(folder.name)
    (folder / "dags" / "dag.py").write_text(dag)
    (folder / "airflow.cfg").write_text("[core]\n")
    (folder / "webserver.env").write_text(f'AIRFLOW__CORE__FERNET_KEY="fernet"\nAIRFLOW__API_AUTH__JWT_SECRET="{key}"\n')
    (folder / "worker.env").write_text('AIRFLOW__CORE__FERNET_KEY="fernet"\n')
    return {"venv": str(folder / "venv"), "config_file": str(folder / "airflow.cfg"), "dags_folder": str(folder / "dags")}


def read(run_module: RunModule, folder: Path, *files: str, **changed: Any) -> dict[str, str]:
    result = run_module("airflow_fingerprint", **host(folder, **changed), environment_files=[str(folder / name) for name in files])
    assert result["changed"] is False
    found: dict[str, str] = result["fingerprint"]
    return found


def test_equal_hosts_have_equal_fingerprints(run_module: RunModule, tmp_path: Path) -> None:
    master, worker = (read(run_module, tmp_path / name, f"{part}.env") for name, part in (("m1", "webserver"), ("w1", "worker")))
    assert sorted(master) == ["configuration", "dags", "fernet_key", "jwt_secret", "packages"]
    assert worker == {name: value for name, value in master.items() if name != "jwt_secret"}


def test_each_difference_shows_in_its_own_place(run_module: RunModule, tmp_path: Path) -> None:
    one = read(run_module, tmp_path / "one", "webserver.env")
    two = read(run_module, tmp_path / "two", "webserver.env", key="l" * 32, dag="print(2)\n", version="3.3.1")
    assert [name for name in one if one[name] != two[name]] == ["packages", "jwt_secret", "dags"]


def test_two_keys_on_one_host_are_seen(run_module: RunModule, tmp_path: Path) -> None:
    arguments = host(tmp_path)
    (tmp_path / "worker.env").write_text('AIRFLOW__CORE__FERNET_KEY="another"\n')
    files = {
        name: [str(tmp_path / f"{part}.env") for part in parts]
        for name, parts in (("both", ("webserver", "worker")), ("one", ("webserver",)))
    }
    found = {name: run_module("airflow_fingerprint", **arguments, environment_files=paths)["fingerprint"] for name, paths in files.items()}
    assert found["both"]["fernet_key"] != found["one"]["fernet_key"]


def test_no_secret_is_told(run_module: RunModule, tmp_path: Path) -> None:
    assert "unspoken" not in repr(read(run_module, tmp_path, "webserver.env", key="unspoken"))


def test_what_is_missing_is_named(run_module: RunModule, tmp_path: Path) -> None:
    arguments = host(tmp_path)
    result = run_module("airflow_fingerprint", **arguments, environment_files=[str(tmp_path / "scheduler.env")])
    assert result["failed"] and result["msg"] == f"{tmp_path}/scheduler.env cannot be read: No such file or directory."


def test_dags_alone(run_module: RunModule, tmp_path: Path) -> None:
    there = run_module("airflow_fingerprint", dags_folder=host(tmp_path / "there")["dags_folder"])["fingerprint"]
    assert there == {"dags": read(run_module, tmp_path / "there_too", "webserver.env")["dags"]}
    (tmp_path / "empty").mkdir()
    empty, missing = (run_module("airflow_fingerprint", dags_folder=str(tmp_path / name))["fingerprint"] for name in ("empty", "missing"))
    assert empty == missing != there
