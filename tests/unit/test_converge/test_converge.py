# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of converging makes of what it sees."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs, compile_topology
from converge import __main__ as bench
from converge import first_run, hosts, inventory, runs
from converge.figures import Figure, growth, ratio
from demo.machine import CHECKOUT, DemoError

RECAP = """
PLAY RECAP *********************************************************************
updraft-bench-1            : ok=31   changed=0    unreachable=0    failed=0    skipped=47   rescued=0    ignored=0
updraft-bench-2            : ok=24   changed={changed}    unreachable=0    failed={failed}    skipped=55   rescued=0    ignored=0
"""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """An ansible-playbook that says what it is told to say, and keeps what it was asked."""
    monkeypatch.setattr(runs, "FOLDER", CHECKOUT / ".cache" / "unit")
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "ansible-playbook"

    def answer(text: str, status: int = 0) -> Path:
        (tmp_path / "text").write_text(text)
        asked = tmp_path / "asked"
        lines = [
            "#!/bin/sh",
            f'echo "$* $ANSIBLE_PIPELINING $ANSIBLE_STRATEGY" > {asked}',
            f"/bin/cat {tmp_path / 'text'}",
            f"exit {status}",
        ]
        program.write_text("\n".join(lines) + "\n")
        program.chmod(0o755)
        return asked

    return answer


def test_a_figure_says_whether_its_goal_is_met() -> None:
    assert Figure("noop_seconds", 12.345, "s", 20).line == "RESULT noop_seconds 12.3 s (at most 20: met)"
    assert ratio("first_run_ratio", 100.0, 50.0, 1.5).line == "RESULT first_run_ratio 2 times (at most 1.5: not met)"
    assert Figure("noop_hosts_4", 30.0, "s").line == "RESULT noop_hosts_4 30 s"


def test_growth_is_told_by_host_and_per_host() -> None:
    assert [figure.line for figure in growth({8: 34.0, 1: 20.0})] == [
        "RESULT noop_hosts_1 20 s",
        "RESULT noop_hosts_8 34 s",
        "RESULT noop_further_host 2 s per host",
    ]
    assert [figure.name for figure in growth({2: 20.0})] == ["noop_hosts_2"]


def test_a_run_tells_what_was_changed_on_all_hosts_and_the_most_tasks_of_one(site: Any) -> None:
    asked = site(RECAP.format(changed=3, failed=0))
    run = runs.site([Path("a.yml"), Path("b.yml")], "unit", ANSIBLE_STRATEGY="mitogen_linear")
    assert (run.changed, run.tasks) == (3, 31)
    assert asked.read_text() == "--inventory a.yml --inventory b.yml updraft.airflow.site true mitogen_linear\n"


def test_a_run_that_was_to_change_nothing_and_did_is_refused(site: Any) -> None:
    site(RECAP.format(changed=3, failed=0))
    with pytest.raises(DemoError, match=r"^A run that was to change nothing changed 3 things, see \.cache/unit/unit\.log\.$"):
        runs.nothing([], "unit")
    site(RECAP.format(changed=0, failed=0))
    assert runs.nothing([], "unit").tasks == 31


@pytest.mark.parametrize(("failed", "status"), [(1, 2), (0, 4)], ids=["a task", "a host that was not reached"])
def test_a_run_that_failed_is_no_figure(site: Any, failed: int, status: int) -> None:
    site(RECAP.format(changed=0, failed=failed), status)
    with pytest.raises(DemoError, match=rf"^site ended with {status}, see \.cache/unit/unit\.log"):
        runs.site([], "unit")


@pytest.mark.parametrize("count", bench.COUNTS)
def test_the_topology_compiler_takes_the_inventories_that_grow(count: int) -> None:
    names = [f"{hosts.NAME}-{number}" for number in range(1, count + 1)]
    content = inventory.grown(names)["airflow"]
    groups = {name: list(group["hosts"]) for name, group in content["children"].items()}
    facts = {
        "distribution": "Debian",
        "distribution_major_version": "12",
        "os_family": "Debian",
        "processor_vcpus": 2,
        "memtotal_mb": 24000,
    }
    described = {
        name: Host(name, content["vars"], {**facts, "default_ipv4": {"address": f"198.18.254.{number}"}}, info(name))
        for number, name in enumerate(names, start=2)
    }
    topology = compile_topology(Inputs(described, {"airflow": names, **groups}, str(CHECKOUT / "roles" / "common" / "files")), NoSecrets())
    assert [topology.plan(name)["executor"] for name in names] == ["CeleryExecutor"] * count
    assert ["worker" in [daemon["name"] for daemon in topology.plan(name)["daemons"]] for name in names] == [True] * count


class NoSecrets:
    """A credentials folder with nothing in it."""

    directory = "credentials"

    def path(self, name: str) -> str:
        return f"{self.directory}/{name}"

    def read(self, name: str) -> None:
        return None


def info(name: str) -> dict[str, Any]:
    """What is found on a fresh host."""
    python = {"path": "/usr/bin/python3.11", "version": "3.11.2"}
    free = {"home": 20000, "config_dir": 20000}
    return {
        "hostname": name,
        "pythons": [python],
        "systemd": True,
        "free_mb": free,
        "installation": None,
        "adopted": None,
        "metadata": None,
    }


def test_the_one_nodes_host_is_that_of_the_inventory() -> None:
    content = yaml.safe_load((inventory.ONE_NODE / "hosts.yml").read_text())["airflow"]
    assert {host for group in content["children"].values() for host in group["hosts"]} == {inventory.ONE_NODE_HOST}


def test_the_script_of_what_is_done_by_hand_is_one_and_installs_what_the_collection_does() -> None:
    text = first_run.SCRIPT.read_text()
    assert subprocess.run(["bash", "-n", str(first_run.SCRIPT)], check=False).returncode == 0
    assert f"version={hosts.VERSION}\n" in text
    assert re.findall(r'-r "\$locks/([^"]+)"', text.replace("$version", hosts.VERSION)) == ["uv.txt", *hosts.LOCK_NAMES]


def test_parts_and_hosts_can_be_chosen() -> None:
    assert bench.arguments([]).parts == list(bench.PARTS)
    assert bench.arguments(["--parts", "install", "--hosts", "1", "2"]).hosts == [1, 2]
    with pytest.raises(SystemExit):
        bench.arguments(["--hosts", "0"])


def test_nothing_is_left_when_a_part_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def docker(*words: str) -> str:
        asked.append(words)
        return {"ps": "box", "network": "net"}.get(words[0], "")

    monkeypatch.setattr(hosts, "docker", docker)
    with pytest.raises(DemoError), hosts.network():
        asked.clear()
        raise DemoError("Something failed.")
    assert ("rm", "--force", "--volumes", "box") in asked
    assert ("network", "rm", hosts.NAME) in asked
