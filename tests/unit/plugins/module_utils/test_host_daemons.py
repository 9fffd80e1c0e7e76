# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons found among real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import (
    carried_environment,
    find_daemons,
    kind_of,
    listening_port,
    read_pid_files,
)
from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import environment, read_process


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (["/v/bin/python", "/v/bin/airflow", "scheduler", "-D"], "scheduler"),
        (["/v/bin/python3.11", "/v/bin/airflow", "webserver"], "webserver"),
        (["python", "-m", "airflow", "triggerer"], "triggerer"),
        (["/v/bin/python /v/bin/airflow dag-processor"], "dag-processor"),
        (["airflow api_server -- host:0.0.0.0 port:8080", "", ""], "api-server"),
        (["gunicorn: master [airflow-webserver]"], "webserver"),
        (["/v/bin/python", "/v/bin/airflow", "celery", "worker"], "celery-worker"),
        (["/v/bin/python", "/v/bin/airflow", "celery", "list-workers"], None),
        (["/v/bin/python", "/v/bin/airflow", "tasks", "run", "d", "t"], None),
        (["/v/bin/python", "/v/bin/airflow"], None),
        (["/bin/sh", "/v/bin/airflow", "scheduler"], None),
        (["sudo", "-u", "jane", "airflow", "scheduler"], None),
        (["gunicorn: master [gunicorn]"], None),
        (["airflow scheduler -- DagFileProcessorManager"], None),
    ],
)
def test_kinds(line: list[str], kind: str | None) -> None:
    assert kind_of(tuple(line)) == kind


def test_found_by_its_environment(old_airflow: Any) -> None:
    process = old_airflow.start("scheduler", "-D")
    (daemon,) = find_daemons(str(old_airflow.home))
    assert (daemon.kind, daemon.process.pid, daemon.pid_file) == ("scheduler", process.pid, None)
    assert daemon.argv == [str(old_airflow.prefix / "bin" / "python"), str(old_airflow.script), "scheduler", "-D"]
    assert find_daemons(str(old_airflow.folder)) == []


def test_found_by_the_default_home(old_airflow: Any) -> None:
    (old_airflow.folder / "airflow").mkdir()
    process = old_airflow.start("scheduler", AIRFLOW_HOME="")
    assert [daemon.process.pid for daemon in find_daemons(str(old_airflow.folder / "airflow"))] == [process.pid]


def test_found_by_its_pid_file_whatever_its_environment_says(old_airflow: Any) -> None:
    process = old_airflow.start("triggerer", AIRFLOW_HOME="/elsewhere")
    assert find_daemons(str(old_airflow.home)) == []
    pid_file = old_airflow.home / "airflow-triggerer.pid"
    pid_file.write_text(f"{process.pid}\n")
    (daemon,) = find_daemons(str(old_airflow.home))
    assert (daemon.kind, daemon.pid_file) == ("triggerer", str(pid_file))


def test_a_pid_that_went_to_another_program_is_no_daemon(old_airflow: Any) -> None:
    (old_airflow.home / "airflow-scheduler.pid").write_text(str(os.getpid()))
    (old_airflow.home / "airflow-webserver.pid").write_text("not a number")
    assert read_pid_files(str(old_airflow.home)) == {os.getpid(): str(old_airflow.home / "airflow-scheduler.pid")}
    assert find_daemons(str(old_airflow.home)) == []


def test_standalone_holds_what_it_started(old_airflow: Any) -> None:
    process = old_airflow.start("standalone", STANDALONE="1")
    (daemon,) = find_daemons(str(old_airflow.home))
    assert (daemon.kind, daemon.process.pid) == ("standalone", process.pid)
    assert sorted(child.kind for child in daemon.children) == ["api-server", "scheduler"]


def test_a_rewritten_title_hides_neither_command_nor_environment(old_airflow: Any) -> None:
    title = f"{old_airflow.prefix}/bin/python {old_airflow.script} scheduler -D"
    process = old_airflow.start("scheduler", "-D", TITLE=title, AIRFLOW__CORE__PARALLELISM="7", OTHER="é ")
    shown = Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"AIRFLOW_HOME=" not in shown and b"OTHER=" in shown
    (daemon,) = find_daemons(str(old_airflow.home))
    assert daemon.argv == title.split()
    assert daemon.environment == {
        "HOME": str(old_airflow.folder),
        "PATH": f"{old_airflow.prefix}/bin:/usr/bin:/bin",
        "AIRFLOW_HOME": str(old_airflow.home),
        "TITLE": title,
        "AIRFLOW__CORE__PARALLELISM": "7",
        "OTHER": "é ",
    } | {name: value for name, value in (daemon.environment or {}).items() if name == "LC_CTYPE"}


def test_variables_are_collected_and_differences_named(old_airflow: Any) -> None:
    old_airflow.start("webserver", "--port", "8081", AIRFLOW__CORE__PARALLELISM="7", AIRFLOW_VAR_X="x", SECRET="no")
    old_airflow.start("scheduler", AIRFLOW__CORE__PARALLELISM="8", AIRFLOW_CONN_DB="sqlite://")
    daemons = find_daemons(str(old_airflow.home))
    values, conflicts, unreadable = carried_environment(daemons)
    assert values == {
        "AIRFLOW_HOME": str(old_airflow.home),
        "AIRFLOW__CORE__PARALLELISM": "7",
        "AIRFLOW_VAR_X": "x",
        "AIRFLOW_CONN_DB": "sqlite://",
    }
    assert (conflicts, unreadable) == (["AIRFLOW__CORE__PARALLELISM"], [])
    assert listening_port(daemons) == 8081


@pytest.mark.parametrize("arguments", [("-p", "9001"), ("--port=9001",), ("-p9001",)])
def test_port_in_any_spelling(old_airflow: Any, arguments: tuple[str, ...]) -> None:
    old_airflow.start("webserver", *arguments)
    assert listening_port(find_daemons(str(old_airflow.home))) == 9001


def test_port_in_a_title(old_airflow: Any) -> None:
    old_airflow.start("api-server", TITLE="airflow api_server -- host:0.0.0.0 port:9002")
    assert listening_port(find_daemons(str(old_airflow.home))) == 9002


def test_a_process_that_ended_is_gone_though_nobody_collected_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{process.pid}").exists()
    assert read_process(process.pid) is None
    process.wait()


def test_a_process_that_is_gone_has_no_environment(old_airflow: Any) -> None:
    daemon = old_airflow.start("scheduler")
    process = read_process(daemon.pid)
    assert process is not None and environment(process)
    daemon.kill()
    daemon.wait()
    assert environment(process) is None
