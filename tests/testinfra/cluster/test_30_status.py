# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of a cluster: well, without a scheduler, and without a host."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

from airflow_checks import hosts, pages, playbook
from airflow_checks.fixtures import CHECKOUT, Installation, inventory_dir

Group = Callable[[str], dict[str, Any]]
FOLDER = CHECKOUT / ".cache" / "status" / "cluster"
FIRST = "updraft-cluster-m1"
SECOND = "updraft-cluster-m2"
WORKER = "updraft-cluster-w2"
SCHEDULER = "airflow-scheduler.service"


def status(*words: str) -> tuple[playbook.PlayRun, dict[str, Any]]:
    """What the playbook tells, and what it writes."""
    arguments = ["--inventory", str(inventory_dir()), "--extra-vars", json.dumps({"airflow_status_folder": str(FOLDER)}), *words]
    told = playbook.run([*arguments, "updraft.airflow.status"], FIRST, FOLDER / "status.log")
    return told, json.loads((FOLDER / "status.json").read_text(encoding="utf-8"))


def wrong(report: dict[str, Any]) -> list[str]:
    """The sentences about what does not work."""
    return [problem["text"] for problem in report["problems"] if problem["level"] != "notice"]


def daemons(report: dict[str, Any], host: str) -> dict[str, str]:
    """The states of a host's daemons and servers."""
    found = next(each for each in report["hosts"] if each["name"] == host)
    return {entry["name"]: entry["state"] for entry in [*found["daemons"], *found["servers"]]}


def test_a_cluster_that_works_is_told_in_full(installation: Installation, group: Group) -> None:
    told, report = status()
    assert (told.status, told.changed) == (0, 0), told.output[-3000:]
    assert (report["verdict"], wrong(report)) == ("healthy", []), report["problems"]
    assert {state for host in report["hosts"] for state in daemons(report, host["name"]).values()} == {"healthy"}
    assert [entry for host in report["hosts"] for entry in host["drift"]] == []
    assert report["installation"]["version"] == installation.variables["test_version"]
    members = report["database_cluster"]["members"]
    assert {member["name"] for member in members} == set(group("airflow_metadata_db"))
    assert [member["name"] for member in members if member["role"] == "leader"] == [report["database_cluster"]["leader"]]
    assert sorted(member["etcd"] for member in members) == ["healthy", "healthy", "leads"]
    assert sorted(report["broker"]["running"]) == sorted(group("airflow_broker"))
    for queue in report["broker"]["queues"]:
        assert (queue["type"], len(queue["members"]), len(queue["online"]), len(queue["workers"])) == ("quorum", 3, 3, 2), queue
    assert report["load_balancers"][0]["servers"] == {FIRST: "in", SECOND: "in"}
    with pages.browser(FOLDER) as window:
        window.page.goto((FOLDER / "status.html").as_uri())
        window.picture("healthy")
        shown = window.text()
    assert all(name in shown for name in ("updraft-cluster-lb", FIRST, WORKER))


def test_a_scheduler_that_is_stopped_is_told(group: Group) -> None:
    host = group("airflow_scheduler")[SECOND]
    hosts.run(host, "systemctl", "stop", SCHEDULER)
    try:
        told, report = status("--extra-vars", "airflow_status_fail=true")
    finally:
        hosts.run(host, "systemctl", "start", SCHEDULER)
    assert told.status != 0
    assert report["verdict"] == "degraded"
    (sentence,) = wrong(report)
    assert sentence.startswith(f"{SECOND}: the scheduler stopped")
    assert sentence in told.output
    assert daemons(report, SECOND)["scheduler"] == "stopped"
    assert daemons(report, FIRST)["scheduler"] == "healthy"


def test_a_host_that_does_not_answer_is_told_and_ends_nothing() -> None:
    # Frozen, it is still there for the network, and answers nobody.
    subprocess.run(["docker", "pause", WORKER], check=True, capture_output=True)
    try:
        told, report = status("--extra-vars", json.dumps({"airflow_status_timeout": 30}))
    finally:
        subprocess.run(["docker", "unpause", WORKER], check=True, capture_output=True)
    assert told.status == 0, told.output[-3000:]
    assert report["verdict"] == "degraded"
    assert any(sentence.startswith(f"{WORKER}: the host") for sentence in wrong(report)), wrong(report)
    assert f"{WORKER}: the worker does not answer over the broker." in wrong(report)
    assert daemons(report, WORKER)["worker"] == "silent"
    assert daemons(report, FIRST)["scheduler"] == "healthy"
    assert all(len(queue["workers"]) == 1 for queue in report["broker"]["queues"])
