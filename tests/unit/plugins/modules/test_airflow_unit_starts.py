# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""airflow_unit_starts with a program that stands in for systemctl."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunModule = Callable[..., dict[str, Any]]
SHOWS = """#!/bin/sh
[ "$1 $2" = "show --property=Id,InvocationID" ] || exit 1
shift 2
for unit; do
  case $unit in
    airflow-worker@x.service) printf 'InvocationID=\\nId=%s\\n\\n' "$unit";;
    *) printf 'Id=%s\\nInvocationID=1f\\n\\n' "$unit";;
  esac
done
"""


@pytest.fixture
def look(tmp_path: Path, run_module: RunModule) -> Callable[..., dict[str, Any]]:
    """A function that compares the units with what the file holds."""
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(SHOWS)
    systemctl.chmod(0o755)

    def run(*units: str, record: Any = None) -> dict[str, Any]:
        path = tmp_path / "proven.json"
        if record is not None:
            path.write_text(record if isinstance(record, str) else json.dumps(record))
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        return run_module("airflow_unit_starts", environment=environment, units=list(units), record=str(path))

    return run


def test_without_a_record_every_unit_was_started(look: Callable[..., dict[str, Any]]) -> None:
    result = look("airflow-scheduler.service", "airflow-webserver.service")
    assert result["starts"] == {"airflow-scheduler.service": "1f", "airflow-webserver.service": "1f"}
    assert result["started"] == ["airflow-scheduler.service", "airflow-webserver.service"]
    assert result["changed"] is False


def test_a_start_that_is_recorded_is_known(look: Callable[..., dict[str, Any]]) -> None:
    record = {"airflow-scheduler.service": "1f", "airflow-webserver.service": "1e"}
    assert look("airflow-scheduler.service", "airflow-webserver.service", record=record)["started"] == ["airflow-webserver.service"]


def test_a_unit_that_does_not_run_is_never_known(look: Callable[..., dict[str, Any]]) -> None:
    assert look("airflow-worker@x.service", record={"airflow-worker@x.service": ""})["started"] == ["airflow-worker@x.service"]


@pytest.mark.parametrize("record", ["{", "[]", ""])
def test_a_broken_record_is_none(look: Callable[..., dict[str, Any]], record: str) -> None:
    assert look("airflow-scheduler.service", record=record)["started"] == ["airflow-scheduler.service"]


def test_no_units_are_no_starts(look: Callable[..., dict[str, Any]]) -> None:
    assert (look()["starts"], look()["started"]) == ({}, [])
