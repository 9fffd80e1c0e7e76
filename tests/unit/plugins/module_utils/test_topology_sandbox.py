# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandboxes of daemons and tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Inputs
from topology_inventory import OLD_HOME, adopted, findings, info, inventory, plan, server, single

STRICT = "ProtectSystem=strict"
WITH_CELERY = "webserver scheduler worker metadata_db broker"


def celery(**variables: Any) -> Inputs:
    """CeleryExecutor on one host."""
    inputs: Inputs = inventory({"h1": WITH_CELERY}, **variables)
    return inputs


def sandboxes(hosts: Any) -> dict[str, list[str]]:
    """The lines of each daemon."""
    return {daemon["name"]: daemon["sandbox"] for daemon in plan(hosts)["daemons"]}


def writable(lines: list[str]) -> list[str]:
    """The folders among the lines."""
    return [line.removeprefix('ReadWritePaths="-').removesuffix('"') for line in lines if line.startswith("ReadWritePaths")]


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_only_what_runs_tasks_may_write_everywhere(version: str) -> None:
    found = sandboxes(server(airflow_version=version))
    assert {name for name, lines in found.items() if STRICT not in lines} == {"scheduler"}
    assert "ProtectSystem=full" in found["scheduler"] and "PrivateTmp=yes" not in found["scheduler"]
    for lines in found.values():
        assert {"NoNewPrivileges=yes", "CapabilityBoundingSet=", "PrivateDevices=yes", "RestrictNamespaces=yes"} <= set(lines)


def test_with_workers_the_scheduler_runs_no_tasks() -> None:
    found = sandboxes(celery())
    assert {name for name, lines in found.items() if STRICT not in lines} == {"worker"}


def test_code_of_dags_may_be_compiled_while_it_runs() -> None:
    def compilers(version: str) -> set[str]:
        return {name for name, lines in sandboxes(celery(airflow_version=version)).items() if "MemoryDenyWriteExecute=yes" not in lines}

    assert compilers("2.11.2") == {"scheduler", "triggerer", "worker"}
    assert compilers("3.3.2") == {"dag_processor", "triggerer", "worker"}


def test_daemons_write_logs_and_what_the_user_names() -> None:
    found = sandboxes(server(airflow_writable_paths=["/srv/cache", "/srv/cache/deeper", "/srv/50%"]))
    assert writable(found["webserver"]) == ["/opt/airflow/logs", "/srv/50%%", "/srv/cache"]
    assert writable(found["dag_processor"]) == ["/opt/airflow/dags", "/opt/airflow/logs", "/srv/50%%", "/srv/cache"]
    assert writable(found["scheduler"]) == []


def test_tasks_write_to_airflows_own_folders_below_those_of_the_system() -> None:
    found = sandboxes(server(airflow_home="/usr/local/airflow", airflow_writable_paths=["/etc/lists", "/srv"]))
    assert writable(found["scheduler"]) == ["/etc/lists", "/usr/local/airflow/dags", "/usr/local/airflow/logs"]


@pytest.mark.parametrize(
    "variables",
    [
        {"airflow_writable_paths": ["/tmp"]},
        {"airflow_config": {"core": {"dags_folder": "/tmp/dags"}}},
        {"airflow_config": {"logging": {"base_log_folder": "/var/tmp/logs"}}},
        {"airflow_config": {"core": {"security": "kerberos"}}},
    ],
)
def test_temporary_files_are_shared_where_something_is_there_that_others_use(variables: dict[str, Any]) -> None:
    assert "PrivateTmp=yes" in sandboxes(server())["triggerer"]
    assert "PrivateTmp=yes" not in sandboxes(server(**variables))["triggerer"]


def test_a_take_over_tells_of_the_sandbox() -> None:
    said = "Tasks run in a sandbox from now on"
    found = info(adopted=adopted(), metadata={"size_mb": 1})

    def notes(**variables: Any) -> list[str]:
        told = plan(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME, **variables))["notes"]
        return [note for note in told if note.startswith(said)]

    assert len(notes()) == 1
    assert notes(airflow_task_permissions=["sudo"]) == notes(airflow_sandbox=False) == []


def test_daemons_write_where_airflows_options_say() -> None:
    options = {"logging": {"base_log_folder": "/var/log/airflow"}, "core": {"dags_folder": "/srv/dags"}}
    options["webserver"] = {"access_logfile": "/var/log/web/access.log", "error_logfile": "-"}
    options["scheduler"] = {"child_process_log_directory": "{AIRFLOW_HOME}/parsing/logs"}
    found = sandboxes(server(airflow_version="2.11.2", airflow_config=options))
    assert writable(found["webserver"]) == ["/opt/airflow/logs", "/opt/airflow/parsing", "/var/log/airflow", "/var/log/web"]
    assert "/srv/dags" in writable(found["triggerer"])


def test_sqlite_is_written_by_every_daemon() -> None:
    found = sandboxes(single())
    assert all("/opt/airflow/metadata" in writable(lines) for name, lines in found.items() if name != "scheduler")


def test_managed_dags_are_not_written() -> None:
    revision = {"revision": "0123456789ab", "description": "folder dags", "requirements": [], "details": {}}
    found = sandboxes(replace(server(airflow_dags={"source": "folder", "path": "dags"}), dags=revision))
    assert writable(found["dag_processor"]) == ["/opt/airflow/logs"]


def test_tasks_may_be_kept_to_some_folders() -> None:
    lines = sandboxes(server(airflow_task_writable_paths=["/data"]))["scheduler"]
    assert STRICT in lines and "ProtectSystem=full" not in lines
    assert writable(lines) == ["/data", "/opt/airflow/dags", "/opt/airflow/logs", "/tmp", "/var/tmp"]


def test_tasks_may_use_devices() -> None:
    lines = sandboxes(server(airflow_task_permissions=["devices"]))["scheduler"]
    assert not {"PrivateDevices=yes", "DevicePolicy=closed", "ProtectClock=yes"} & set(lines) and "RestrictNamespaces=yes" in lines


def test_tasks_may_make_sandboxes_of_their_own() -> None:
    lines = sandboxes(server(airflow_task_permissions=["namespaces"]))["scheduler"]
    assert not {"RestrictNamespaces=yes", "ProtectKernelTunables=yes", "ProtectKernelLogs=yes"} & set(lines)
    assert "SystemCallFilter=@mount" in lines and "PrivateDevices=yes" in lines


@pytest.mark.parametrize(
    "variables", [{"airflow_task_permissions": ["sudo", "devices"]}, {"airflow_config": {"core": {"default_impersonation": "jane"}}}]
)
def test_tasks_that_become_others_are_in_no_sandbox(variables: dict[str, Any]) -> None:
    found = sandboxes(server(**variables))
    assert found["scheduler"] == [] and STRICT in found["webserver"]


def test_without_a_sandbox_there_is_none() -> None:
    assert set(map(len, sandboxes(server(airflow_sandbox=False)).values())) == {0}


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"airflow_task_permissions": ["device"]},
            "airflow_task_permissions of h1 has 'device': use devices, namespaces, sudo. Did you mean devices?",
        ),
        (
            {"airflow_writable_paths": ["cache"]},
            "airflow_writable_paths of h1 has 'cache': write an absolute path without '.' and '..' in it.",
        ),
        (
            {"airflow_task_writable_paths": ["/srv/../data"]},
            "airflow_task_writable_paths of h1 has '/srv/../data': write an absolute path without '.' and '..' in it.",
        ),
        (
            {"airflow_task_writable_paths": ["/data"], "airflow_sandbox": False},
            "airflow_task_writable_paths of h1 is set, and airflow_sandbox is false, without which nothing is kept from tasks: remove one.",
        ),
        (
            {"airflow_task_writable_paths": ["/data"], "airflow_task_permissions": ["sudo"]},
            "airflow_task_writable_paths of h1 is set, and its tasks may use sudo, which is in no sandbox: remove one, or "
            "[core] default_impersonation, which implies it.",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(variables: dict[str, Any], sentence: str) -> None:
    assert findings(server(**variables)) == [sentence]
