# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action that tells a status of what a play's hosts registered."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.updraft.airflow.plugins.action.airflow_status_report import ActionModule
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs, survey_topology

FILES = str(Path(__file__).parents[4] / "roles" / "common" / "files")
FACTS = {"distribution": "Debian", "distribution_major_version": "12", "os_family": "Debian", "processor_vcpus": 2, "memtotal_mb": 4096}
HOSTS = {"h1": ["webserver", "scheduler"], "h2": ["metadata_db"]}


class Store:
    """A credentials folder with nothing in it."""

    directory = "/credentials"

    def path(self, name: str) -> str:
        """The file of a secret."""
        return name

    def read(self, _name: str) -> str | None:
        """No secret is there."""
        return None


class Play:
    """A play after it looked at all hosts, of which the second one does not answer."""

    def __init__(self, folder: Path) -> None:
        groups = {"airflow": list(HOSTS)}
        for name, parts in HOSTS.items():
            groups.update({f"airflow_{part}": [name] for part in parts})
        info = {"hostname": "h1", "pythons": [{"path": "/usr/bin/python3.11", "version": "3.11.2"}], "systemd": True}
        hosts = {
            "h1": Host("h1", {}, {**FACTS, "default_ipv4": {"address": "198.18.0.2"}}, info),
            "h2": Host("h2", {}),
        }
        topology, _findings = survey_topology(Inputs(hosts, groups, FILES), Store())
        self.hostvars: dict[str, dict[str, Any]] = {
            name: {"__airflow": {"status": topology.status(name), "plan": None, "unread": {"h2": None}, "findings": []}} for name in HOSTS
        }
        self.hostvars["h1"]["__airflow_status"] = {"failed": True, "msg": "Task failed: Timed out after 90 second(s)."}
        self.hostvars["h2"]["__airflow_facts"] = {"unreachable": True, "msg": "Task failed: Connection refused"}
        self.folder = folder

    def run(self, check_mode: bool = False, **arguments: Any) -> dict[str, Any]:
        """The action's result."""
        loader = DataLoader()
        task = MagicMock(args=arguments, check_mode=check_mode, async_val=0, delegate_to=None, diff=False)
        task_vars = {"inventory_dir": str(self.folder), "ansible_play_hosts_all": list(HOSTS), "hostvars": self.hostvars}
        action = ActionModule(
            task=task,
            connection=MagicMock(),
            play_context=MagicMock(check_mode=check_mode),
            loader=loader,
            templar=Templar(loader=loader, variables=task_vars),
            shared_loader_obj=None,
        )
        return dict(action.run(task_vars=task_vars))


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """The play."""
    return Play(tmp_path)


def test_it_is_written_beside_the_inventory_for_its_owner(play: Play, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = play.run()
    folder = tmp_path / ".status" / "airflow"
    assert (result["json"], result["html"]) == (str(folder / "status.json"), str(folder / "status.html"))
    assert sorted(os.listdir(folder)) == ["status.html", "status.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert (result["changed"], result["verdict"]) == (False, "failing")
    report = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    assert [problem["text"] for problem in report["problems"] if problem["level"] != "notice"] == result["problems"]
    assert "FAILING: Airflow cannot do all its work" in capsys.readouterr().out


def test_hosts_are_told_with_what_ansible_said_of_them(play: Play) -> None:
    assert play.run()["problems"] == [
        "Nothing is known of the metadata database, as no host that uses it could be looked at.",
        "h1: the host could not be looked at (Timed out after 90 second(s)).",
        "h2: the host does not answer (Connection refused).",
    ]


def test_why_nothing_is_compared_is_a_notice(play: Play, tmp_path: Path) -> None:
    play.run()
    report = json.loads((tmp_path / ".status" / "airflow" / "status.json").read_text(encoding="utf-8"))
    notices = [problem["text"] for problem in report["problems"] if problem["level"] == "notice"]
    assert notices == ["Not compared with the inventory, as nothing is known of h2."]


def test_the_folder_is_relative_to_the_inventory(play: Play, tmp_path: Path) -> None:
    assert play.run(folder="pages")["html"] == str(tmp_path / "pages" / "status.html")
    assert play.run(folder=str(tmp_path / "elsewhere"))["html"] == str(tmp_path / "elsewhere" / "status.html")


def test_check_mode_writes_nothing(play: Play, tmp_path: Path) -> None:
    result = play.run(check_mode=True)
    assert result["verdict"] == "failing"
    assert "html" not in result
    assert os.listdir(tmp_path) == []


def test_without_a_topology_its_findings_are_told(play: Play) -> None:
    for variables in play.hostvars.values():
        variables["__airflow"] = {"status": None, "findings": ["The topology could not be derived: no group."]}
    result = play.run()
    assert result["failed"]
    assert result["msg"] == "The status could not be told: The topology could not be derived: no group."
