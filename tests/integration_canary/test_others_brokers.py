# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of Redis as others may look after them, and what the module says of each with both lines' drivers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from installations.processes import free_port, listens, until

PASSWORD = 'p@ss:w/rd%25#&"'
QUOTED = "p%40ss%3Aw%2Frd%2525%23%26%22"
VENVS = {2: "UPDRAFT_VENV_2", 3: "UPDRAFT_VENV_3"}
Start = Callable[..., int]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a Redis with settings; returns its port."""
    running: list[subprocess.Popen[bytes]] = []

    def run(*settings: str) -> int:
        port: int = free_port()
        folder = tmp_path / str(port)
        folder.mkdir()
        words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *settings]
        running.append(subprocess.Popen(words, stdout=subprocess.DEVNULL))
        until(f"Redis listens on {port}", lambda: listens(port))
        return port

    yield run
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture(params=sorted(VENVS), ids=["airflow2", "airflow3"])
def check(request: pytest.FixtureRequest) -> Callable[[str], dict[str, Any]]:
    """Runs the module on the Python of Airflow's environment."""
    python = Path(os.environ[VENVS[request.param]]) / "bin" / "python"
    source = "ansible_collections.updraft.airflow.plugins.module_utils._broker_check"
    script = (
        f"import json, sys; sys.path[:0] = {[os.environ['ANSIBLE_COLLECTIONS_PATH'], *_ansible()]!r}\n"
        f"from {source} import BrokerError, check_broker\n"
        "try: print(json.dumps({'warnings': check_broker(sys.argv[1], 'queues:1')}))\n"
        "except BrokerError as error: print(json.dumps({'error': str(error)}))"
    )

    def run(url: str) -> dict[str, Any]:
        said = subprocess.run([str(python), "-c", script, url], capture_output=True, text=True, check=True, timeout=60)
        return dict(json.loads(said.stdout))

    return run


def _ansible() -> list[str]:
    import ansible

    return [str(Path(ansible.__file__).parents[1])]


def test_a_server_with_a_password_is_used_and_left_clean(start: Start, check: Callable[[str], dict[str, Any]]) -> None:
    port = start("--requirepass", PASSWORD, "--appendonly", "yes")
    assert check(f"redis://:{QUOTED}@127.0.0.1:{port}/0") == {"warnings": []}
    words = ["redis-cli", "-p", str(port), "dbsize"]
    kept = subprocess.run(words, env={**os.environ, "REDISCLI_AUTH": PASSWORD}, capture_output=True, text=True, check=True).stdout
    assert kept.strip() == "0"


def test_what_may_lose_tasks_is_told(start: Start, check: Callable[[str], dict[str, Any]]) -> None:
    port = start("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")
    assert check(f"redis://127.0.0.1:{port}/0")["warnings"] == [
        "The Redis at queues:1 throws keys away when its memory is full (allkeys-lru), tasks too: set maxmemory-policy noeviction.",
        "The Redis at queues:1 writes no log of its changes: tasks that wait are lost when it ends; set appendonly yes.",
    ]


def test_what_cannot_be_used_is_refused(start: Start, check: Callable[[str], dict[str, Any]]) -> None:
    cluster, master, closed = start("--cluster-enabled", "yes"), start("--requirepass", PASSWORD), free_port()
    replica = start("--replicaof", "127.0.0.1", str(master))
    assert check(f"redis://127.0.0.1:{cluster}/0")["error"].startswith("The Redis at queues:1 is a Redis Cluster, ")
    assert check(f"redis://127.0.0.1:{replica}/0")["error"] == "The Redis at queues:1 is a replica, which takes no tasks: name its master"
    refused = check(f"redis://:{QUOTED}x@127.0.0.1:{master}/0")["error"]
    assert refused.startswith("The broker at queues:1 cannot be used: ")
    assert PASSWORD not in refused
    assert "refused" in check(f"redis://127.0.0.1:{closed}/0")["error"]
