# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules on the API where no API is."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

CallModule = Callable[..., dict[str, Any]]
KINDS = {"connections": "conn_id", "variables": "key", "pools": "name", "users": "username"}
RUNTIME = Path(__file__).resolve().parents[4] / "meta" / "runtime.yml"


@pytest.fixture
def nowhere() -> Iterator[dict[str, Any]]:
    """Arguments that name a port where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield {"url": f"http://127.0.0.1:{taken.getsockname()[1]}", "username": "admin", "password": "s3cret", "timeout": 1}


def test_check_mode_before_there_is_an_airflow(run_module: CallModule, nowhere: dict[str, Any]) -> None:
    pools = [{"name": "a", "slots": 1}, {"name": "b", "state": "absent"}]
    result = run_module("airflow_pools", check_mode=True, pools=pools, **nowhere)
    assert (result["changed"], result["created"], result["removed"], result["airflow_version"]) == (True, ["a"], [], "")
    assert "Nothing accepts connections" in json.dumps(result["warnings"])
    refused = run_module("airflow_pools", check_mode=True, pools=[{"name": "a"}], **nowhere)
    assert refused["findings"] == ["pools, a: slots is missing, without which no pool can be created: add it."]


def test_without_check_mode_that_is_an_error(call_module: CallModule, nowhere: dict[str, Any]) -> None:
    result = call_module("airflow_pools", pools=[], **nowhere)
    assert result["failed"] is True
    assert result["msg"].startswith("The pools were not looked at or changed. Nothing accepts connections at http://127.0.0.1:")


def test_mistakes_are_told_without_an_airflow(call_module: CallModule, nowhere: dict[str, Any]) -> None:
    connections = [{"conn_id": "a", "pasword": "hidden-as-well"}, {"conn_id": "b", "password": "pass-of-b", "port": -1}]
    result = call_module("airflow_connections", connections=connections, **nowhere)
    assert result["findings"] == [
        "connections, a: there is no key pasword: did you mean password?",
        "connections, b: port is -1: it must be between 0 and 65535.",
    ]
    assert result["invocation"]["module_args"]["connections"] == ["a", "b"]
    for secret in ("hidden-as-well", "pass-of-b", "s3cret"):
        assert secret not in json.dumps(result)


def test_reading_where_there_is_nothing(call_module: CallModule, nowhere: dict[str, Any]) -> None:
    result = call_module("airflow_users_info", **nowhere)
    assert result["msg"].startswith("The users could not be read. Nothing accepts connections")


def test_no_time_at_all(call_module: CallModule, nowhere: dict[str, Any]) -> None:
    result = call_module("airflow_users_info", **{**nowhere, "timeout": 0})
    assert result["msg"] == "The users could not be read. timeout is 0: it must be 1 second or more."


@pytest.mark.parametrize("kind", KINDS)
def test_a_login_is_needed(call_module: CallModule, kind: str) -> None:
    result = call_module(f"airflow_{kind}", url="http://h", **{kind: []})
    assert result["msg"] == "one of the following is required: password, token"


def test_the_action_group_has_every_module_on_the_api() -> None:
    modules = (path.stem for path in (RUNTIME.parents[1] / "plugins" / "modules").glob("*.py"))
    on_the_api = sorted(name for name in modules if name.removeprefix("airflow_").removesuffix("_info") in KINDS)
    assert yaml.safe_load(RUNTIME.read_text())["action_groups"] == {"api": on_the_api}
