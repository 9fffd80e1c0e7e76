# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README and docs say is true, as far as it can be checked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.updraft.airflow.plugins.module_utils._topology_model import DAEMONS
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs, Topology, compile_topology

CHECKOUT = Path(__file__).resolve().parents[3]
README = CHECKOUT / "README.md"
OPERATIONS = CHECKOUT / "docs" / "operations.md"
PAGES = [README, *sorted((CHECKOUT / "docs").glob("*.md"))]
INVENTORIES = sorted(path.parent for path in (CHECKOUT / "inventories").glob("*/hosts.yml"))
PLAYBOOKS = sorted(path.stem for path in (CHECKOUT / "playbooks").glob("*.yml"))
MODULES = sorted(path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir() if path.is_dir())
SCENARIOS = sorted(path.parent.name for path in (CHECKOUT / "molecule").glob("*/molecule.yml"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OBJECTS = ("airflow_pools", "airflow_variables", "airflow_connections", "airflow_users")
EXPECTED = {
    "celery_rabbitmq": ("3.3.2", "CeleryExecutor", "postgresql", False),
    "celery_redis": ("3.3.2", "CeleryExecutor", "postgresql", False),
    "cluster": ("3.3.2", "CeleryExecutor", "postgresql", False),
    "lift": ("2.11.2", "LocalExecutor", "postgresql", True),
    "local_mysql": ("3.3.2", "LocalExecutor", "mysql", False),
    "local_postgresql": ("3.3.2", "LocalExecutor", "postgresql", False),
    "sqlite": ("3.3.2", "LocalExecutor", "sqlite", False),
}
"""Version, executor, database and whether data moves, for each folder of inventories."""


class EmptyFolder:
    """A credentials folder with nothing in it."""

    directory = "/credentials"

    def read(self, _name: str) -> str | None:
        """No secret."""
        return None

    def path(self, name: str) -> str:
        """Where it would be."""
        return f"{self.directory}/{name}"


def tutorial(home: str) -> dict[str, Any]:
    """An installation made by hand, as the host information module describes it."""
    return {
        "home": home,
        "owner": {"user": "jane", "uid": 1000, "group": "jane", "gid": 1000, "home": "/home/jane"},
        "version": "2.11.2",
        "config_file": f"{home}/airflow.cfg",
        "config": {"core": {"fernet_key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}},
        "dags_folder": f"{home}/dags",
        "metadata": {"engine": "sqlite", "url": f"sqlite:///{home}/airflow.db", "path": f"{home}/airflow.db"},
    }


@cache
def inventory_json(inventory: Path) -> str:
    """What ansible-inventory says of a file or folder."""
    command = [sys.executable, "-m", "ansible", "inventory", "--inventory", str(inventory), "--list"]
    environment = {**os.environ, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(inventory: Path) -> dict[str, Any]:
    """Groups, hosts and variables of an inventory."""
    content: dict[str, Any] = json.loads(inventory_json(inventory))
    return content


def members(content: Mapping[str, Any], group: str) -> list[str]:
    """All hosts of a group, those of its children too."""
    entry = content.get(group, {})
    inside = [host for child in entry.get("children", []) for host in members(content, child)]
    return list(dict.fromkeys([*entry.get("hosts", []), *inside]))


def compiled(content: Mapping[str, Any], **changed: Any) -> tuple[Topology, list[str]]:
    """The topology of an inventory on made-up hosts with Debian 12, and its hosts."""
    variables = content["_meta"]["hostvars"]
    groups = {name: members(content, name) for name in content if name != "_meta"}
    parent = next((values["airflow_group"] for values in variables.values() if "airflow_group" in values), "airflow")
    facts = {"distribution": "Debian", "distribution_major_version": "12", "os_family": "Debian", "processor_vcpus": 2, "memtotal_mb": 4096}
    hosts = {}
    for number, name in enumerate(groups[parent], start=2):
        own = {**variables.get(name, {}), **changed}
        home = own.get("airflow_adopt_home")
        info = {
            "hostname": name,
            "pythons": [{"path": "/usr/bin/python3.11", "version": "3.11.2"}],
            "systemd": True,
            "free_mb": {"home": 20000},
            "installation": None,
            "adopted": tutorial(home) if home else None,
        }
        hosts[name] = Host(name, own, {**facts, "default_ipv4": {"address": f"198.18.0.{number}"}}, info)
    return compile_topology(Inputs(hosts, groups, str(CHECKOUT / "roles" / "common" / "files")), EmptyFolder()), list(hosts)


def blocks(page: Path, language: str) -> Iterator[str]:
    """The code blocks of a page."""
    return (match[1] for match in re.finditer(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


def inventory_blocks(page: Path) -> list[str]:
    """The inventories on a page."""
    return [block for block in blocks(page, "yaml") if "children:" in block]


def sections(text: str) -> dict[str, str]:
    """Text by heading."""
    parts = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def anchor(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_inventory_is_expected() -> None:
    assert {path.name for path in INVENTORIES} == set(EXPECTED)


@pytest.mark.parametrize("folder", INVENTORIES, ids=lambda path: path.name)
def test_an_inventory_compiles(folder: Path) -> None:
    topology, hosts = compiled(listed(folder))
    plans = [topology.plan(host) for host in hosts]
    assert {(plan["version"], plan["executor"], plan["engine"], plan["move"] is not None) for plan in plans} == {EXPECTED[folder.name]}
    assert topology.draft.warnings == []


def test_the_lift_may_cross_to_3() -> None:
    topology, (host,) = compiled(listed(CHECKOUT / "inventories" / "lift"), airflow_version="3.3.2")
    plan = topology.plan(host)
    assert (plan["version"], plan["move"]["source"]["version"]) == ("3.3.2", "2.11.2")


def test_the_first_inventory_has_ten_lines() -> None:
    assert len(inventory_blocks(README)[0].splitlines()) == 10


def test_the_readmes_inventories_are_those_of_the_folder() -> None:
    files = {(folder / "hosts.yml").read_text(encoding="utf-8") for folder in INVENTORIES}
    assert set(inventory_blocks(README)) == files


def test_an_inventory_in_the_docs_compiles(tmp_path: Path) -> None:
    found = [block for page in PAGES if page != README for block in inventory_blocks(page)]
    assert found
    for number, block in enumerate(found):
        path = tmp_path / f"{number}.yml"
        path.write_text(block, encoding="utf-8")
        topology, hosts = compiled(listed(path))
        plans = [topology.plan(host) for host in hosts]
        assert all(plan["daemons"] or (plan["database"] or {}).get("on_this_host") for plan in plans)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_yaml_on_a_page_is_yaml(page: Path) -> None:
    assert all(yaml.safe_load(block) for block in blocks(page, "yaml"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_variables_on_a_page_are_options_of_airflow(page: Path) -> None:
    for block in blocks(page, "yaml"):
        config = yaml.safe_load(block).get("airflow_config")
        if config:
            compiled(listed(CHECKOUT / "inventories" / "local_postgresql"), airflow_config=config)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_objects_on_a_page_can_be_written(page: Path) -> None:
    for block in blocks(page, "yaml"):
        content = yaml.safe_load(block)
        objects = {name: content[name] for name in OBJECTS if name in content}
        if objects:
            topology, (host,) = compiled(listed(CHECKOUT / "inventories" / "local_postgresql"), **objects)
            assert topology.plan(host)["objects"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        name, _, place = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (place and place not in map(anchor, sections(target.read_text(encoding="utf-8")))):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_make_target_exists(page: Path) -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_named_variable_exists(page: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (CHECKOUT / "roles").glob("*/meta/argument_specs.yml")]
    specs = [yaml.safe_load(text)["argument_specs"]["main"].get("options") or {} for text in texts]
    options = {name: option for found in specs for name, option in found.items()}
    groups = {str(option.get("default")) for name, option in options.items() if name.endswith("_group")}
    known = {*options, *groups, *MODULES}
    named = set(re.findall(r"`(airflow_[a-z0-9_]+)`", page.read_text(encoding="utf-8")))
    assert sorted(named - known - {"airflow_kept", "airflow_kept__"}) == []


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_playbook_has_a_runbook(name: str) -> None:
    assert f"`updraft.airflow.{name}`" in sections(OPERATIONS.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("page", "names"), [("architecture.md", [*MODULES, *ROLES]), ("testing.md", SCENARIOS)])
def test_every_part_is_described(page: str, names: list[str]) -> None:
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize("tool", ["make-variables", "make-losses"])
def test_what_is_generated_is_up_to_date(tool: str) -> None:
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / "tests" / "tools" / tool), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("inventory", ["local_postgresql", "celery_redis"])
@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_the_tables_of_secrets_are_true(version: str, inventory: str) -> None:
    head = f"n {version[0]}.x with {EXPECTED[inventory][1]}:"
    rows = OPERATIONS.read_text(encoding="utf-8").split(head)[1].strip().split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    told = {cell[0].strip("`"): {daemon for daemon, word in zip(DAEMONS, cell[1:]) if word == "yes"} for cell in cells}
    content = listed(CHECKOUT / "inventories" / inventory)
    content["airflow"].setdefault("children", []).append("airflow_dag_processor")
    content["airflow_dag_processor"] = {"hosts": members(content, "airflow_scheduler")}
    topology, (host,) = compiled(content, airflow_version=version)
    true: dict[str, set[str]] = {}
    for daemon in topology.plan(host)["daemons"]:
        for name, value in daemon["environment"].items():
            if value.endswith("://"):
                # An address without a place is no secret.
                continue
            _airflow, section, option = name.split("__")
            true.setdefault(f"[{section.lower()}] {option.lower()}", set()).add(daemon["name"])
    assert told == true


def test_an_execution_environment_has_what_the_collection_needs() -> None:
    definition = yaml.safe_load((CHECKOUT / "meta" / "execution-environment.yml").read_text(encoding="utf-8"))
    needed = yaml.safe_load((CHECKOUT / "meta" / definition["dependencies"]["galaxy"]).read_text(encoding="utf-8"))["collections"]
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
    runtime = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert {entry["name"]: entry["version"] for entry in needed} == galaxy["dependencies"]
    assert definition["dependencies"]["ansible_core"]["package_pip"] == f"ansible-core{runtime['requires_ansible']}"
