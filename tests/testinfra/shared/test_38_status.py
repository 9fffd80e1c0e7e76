# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of one host: well, with a daemon that somebody stopped, and with a file that somebody changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from airflow_checks import api, hosts, secrets
from airflow_checks.fixtures import CHECKOUT, Installation, inventory_dir
from airflow_checks.playbook import PlayRun, run

TRIGGERER = "airflow-triggerer.service"


def status(installation: Installation, *words: str) -> tuple[PlayRun, dict[str, Any]]:
    """What the playbook tells, and what it writes."""
    folder = CHECKOUT / ".cache" / "status" / os.environ["MOLECULE_SCENARIO_NAME"] / installation.name
    arguments = ["--inventory", str(inventory_dir()), "--extra-vars", json.dumps({"airflow_status_folder": str(folder)}), *words]
    told = run([*arguments, "updraft.airflow.status"], installation.name, folder / "status.log")
    return told, json.loads((folder / "status.json").read_text(encoding="utf-8"))


def wrong(report: dict[str, Any]) -> list[str]:
    """The sentences about what does not work."""
    return [problem["text"] for problem in report["problems"] if problem["level"] != "notice"]


def test_what_works_is_told_and_nothing_is_changed(installation: Installation) -> None:
    before = hosts.start_times(installation.host)
    told, report = status(installation)
    assert (told.status, told.changed, told.failed) == (0, 0, 0), told.output[-3000:]
    assert (report["verdict"], wrong(report)) == ("healthy", []), report["problems"]
    assert hosts.start_times(installation.host) == before
    (host,) = report["hosts"]
    assert {entry["state"] for entry in [*host["daemons"], *host["servers"]]} == {"healthy"}
    assert host["airflow"]["version"] == installation.variables["test_version"]
    assert host["drift"] == []
    assert report["database"]["engine"] == installation.engine
    assert {"SchedulerJob", "TriggererJob"} <= {job["type"] for job in report["database"]["jobs"]}
    if report["broker"]:
        assert all(queue["workers"] for queue in report["broker"]["queues"])
    written = [Path(place).read_text(encoding="utf-8") for place in (CHECKOUT / ".cache" / "status").rglob("status.*")]
    assert secrets.told("\n".join([told.output, *written]), installation.secrets()) == []


def test_a_daemon_that_is_stopped_is_told_and_fails_where_that_is_asked_for(installation: Installation) -> None:
    hosts.run(installation.host, "systemctl", "stop", TRIGGERER)
    try:
        told, report = status(installation, "--extra-vars", "airflow_status_fail=true")
    finally:
        hosts.run(installation.host, "systemctl", "start", TRIGGERER)
    assert told.status != 0
    assert report["verdict"] == "failing"
    assert any(f"{installation.name}: the triggerer stopped" in sentence for sentence in wrong(report))
    assert "FAILING" in told.output
    api.wait_healthy(installation.base_url, installation.line, ("metadatabase", "scheduler", "triggerer"))


def test_a_file_that_was_changed_by_hand_is_a_notice(installation: Installation) -> None:
    hosts.run(installation.host, "cp", "-a", "/etc/airflow/cli.env", "/etc/airflow/cli.env.before")
    hosts.run(installation.host, "sh", "-c", "echo BY_HAND=1 >> /etc/airflow/cli.env")
    try:
        told, report = status(installation)
    finally:
        hosts.run(installation.host, "mv", "/etc/airflow/cli.env.before", "/etc/airflow/cli.env")
    assert (told.status, report["verdict"]) == (0, "healthy")
    assert report["hosts"][0]["drift"] == [{"path": "/etc/airflow/cli.env", "what": "differs"}]
