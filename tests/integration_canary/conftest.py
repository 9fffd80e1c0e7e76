# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation of each line, and a way to fly a canary in it."""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args
from installation import Installation
from installations.servers import Servers

ACCOUNT = {"username": "updraft", "password": 'p@ss:w/rd%25#&" ü'}
QUEUES = ("default", "reports")
Fly = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def installations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Installation]]:
    """Both lines."""
    try:
        servers = Servers(Path(tempfile.mkdtemp(prefix="updraft-canary.")))
        found = {line: Installation(line, tmp_path_factory.mktemp(f"airflow{line}"), servers) for line in (2, 3)}
    except LookupError as error:
        pytest.fail(str(error))
    try:
        servers.start()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Installation.start, found.values()))
        yield found
    finally:
        for installation in found.values():
            installation.kill_all()
        servers.stop()


@pytest.fixture(params=[2, 3], ids=["airflow2", "airflow3"])
def airflow(request: pytest.FixtureRequest, installations: dict[int, Installation]) -> Installation:
    """One line after the other."""
    return installations[request.param]


def call(capsys: pytest.CaptureFixture[str], name: str, **arguments: Any) -> dict[str, Any]:
    """The result of a module."""
    warnings._global_warnings.clear()
    module = importlib.import_module(f"ansible_collections.updraft.airflow.plugins.modules.{name}")
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    result["warnings"] = [warning["event"]["msg"] for warning in result.get("warnings", [])]
    return result


@pytest.fixture
def fly(airflow: Installation, capsys: pytest.CaptureFixture[str]) -> Fly:
    """A function that does what the role does, but for the account."""

    def run(wait: int = 60, **changed: Any) -> dict[str, Any]:
        program = {"interpreter": str(airflow.venv / "bin/python"), "environment": airflow.environment}
        airflow.put_canary(QUEUES)
        stored = call(capsys, "airflow_canary_dag", file=str(airflow.canary_file), **program)
        assert not stored.get("failed"), stored
        queues = [{"name": queue, "servers": [f"airflow-worker@{queue} on h1"], "slots": 1, "siblings": [queue]} for queue in QUEUES]
        places = {"schedulers": ["airflow-scheduler on h1"], "parsers": ["airflow-dag-processor on h1"]}
        access = {"url": airflow.url, **ACCOUNT, **changed}
        result = call(capsys, "airflow_canary", **access, queues=queues, slots=8, wait=wait, refusal_is_a_result=True, **places)
        airflow.put_canary(())
        if airflow.line == 3:
            call(capsys, "airflow_canary", **access, state="absent", refusal_is_a_result=True)
        return result

    return run


@pytest.fixture
def make_account(airflow: Installation, capsys: pytest.CaptureFixture[str]) -> Callable[[], None]:
    """A function that makes the account as the role does when nobody was let in."""

    def make() -> None:
        users = [{**ACCOUNT, "role": "Admin"}]
        result = call(
            capsys, "airflow_fab_users", interpreter=str(airflow.venv / "bin/python"), environment=airflow.environment, users=users
        )
        assert result["created"] == ["updraft"], result

    return make
