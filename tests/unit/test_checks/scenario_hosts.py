# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of scenarios as the topology compiler sees them, so that a table of mistakes is proved without a host.

A host that was set up before has what the compiler itself wrote there. What it told of one that somebody made by hand is written down here.
"""

from __future__ import annotations

import copy
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_checks.bad_inputs import BadInput, copying
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.updraft.airflow.plugins.action.airflow_topology import ROLES, known_names
from ansible_collections.updraft.airflow.plugins.module_utils._dag_options import BUNDLES, problems_of
from ansible_collections.updraft.airflow.plugins.module_utils._dag_sources import SourceError
from ansible_collections.updraft.airflow.plugins.module_utils.host_adopted import describe
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_driverless import look
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_engines import open_source as open_source_database
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_inspect import Inspection
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from ansible_collections.updraft.airflow.plugins.module_utils.postgresql_client import Login
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs, TopologyError, compile_topology
from ansible_collections.updraft.airflow.plugins.modules.airflow_host_info import read_database, sqlite_path
from ansible_collections.updraft.airflow.plugins.plugin_utils.dag_source import open_source
from cryptography.fernet import Fernet

CHECKOUT = Path(__file__).resolve().parents[3]
PREFIX = "airflow_"
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
BROKER = {"engine": "redis", "title": "Redis", "config": "/etc/redis/redis.conf", "own": True, "used": ""}
CLUSTER = {
    "name": "15/main",
    "config_dir": "/etc/postgresql/15/main",
    "data_dir": "/var/lib/postgresql/15/main",
    "own": True,
    "disabled": False,
    "databases": 2,
}
FACTS = {
    "distribution": "Debian",
    "distribution_major_version": "12",
    "os_family": "Debian",
    "processor_vcpus": 2,
    "memtotal_mb": 8192,
    "default_ipv4": {"address": "172.18.0.2", "interface": "eth0", "netmask": "255.255.0.0"},
    "all_ipv4_addresses": ["172.18.0.2"],
}
FOUND = {
    "pythons": [{"path": "/usr/bin/python3.11", "version": "3.11.2"}],
    "systemd": True,
    "users": {},
    "units": [],
    "free_mb": {"home": 20000, "config_dir": 20000},
    "installation": None,
    "adopted": None,
    "metadata": None,
    "postgresql_clusters": [],
    "patroni": None,
    "etcd": None,
    "mysql_server": {},
    "brokers": [],
    "load_balancers": [],
}


@dataclass
class Folder:
    """A credentials folder without a disk."""

    secrets: dict[str, str] = field(default_factory=dict)
    directory: str = "/inventory/credentials/airflow"

    def path(self, name: str) -> str:
        """The file a secret would be in."""
        return f"{self.directory}/{name}.txt"

    def read(self, name: str) -> str | None:
        """The secret of that name."""
        return self.secrets.get(name)


@dataclass(frozen=True)
class ScenarioHost:
    """The one host of a scenario: its variables, what is on it, and the secrets of its installation."""

    name: str
    variables: Mapping[str, Any]
    groups: Mapping[str, list[str]]
    info: Mapping[str, Any]
    folder: Folder

    def told(self, entry: BadInput) -> list[str]:
        """What the compiler says against an entry of a table."""
        try:
            compile_topology(self._inputs(entry), self.folder)
        except TopologyError as error:
            return error.findings
        return []

    def _inputs(self, entry: BadInput) -> Inputs:
        further = entry.inventory(self.name)
        groups = copy.deepcopy(dict(self.groups))
        hosts = {self.name: self._host(self.name, {**self.variables, **entry.variables})}
        for parent, described in further.items():
            for group, content in described["children"].items():
                for name, variables in content["hosts"].items():
                    groups.setdefault(group, []).append(name)
                    members = groups.setdefault(parent, [])
                    members += [name] if name not in members else []
                    own = {key: value for key, value in variables.items() if key.startswith(PREFIX)}
                    hosts[name] = self._host(name, {**self.variables, **own, **entry.variables}, variables["ansible_host"] == self.name)
        hosts = {name: hosts[name] for name in groups[str(entry.variables.get("airflow_group", "airflow"))]}
        limited = [self.name] if "--limit" in entry.arguments else None
        return Inputs(hosts, groups, f"{ROLES}/common/files", known_names(), _dags(entry.variables.get("airflow_dags")), limited)

    def _host(self, name: str, variables: Mapping[str, Any], is_there: bool = True) -> Host:
        if not is_there:
            return Host(name, variables, failure="nobody answers")
        return Host(name, variables, FACTS, {"hostname": name, **self.info})


def _dags(options: Any) -> dict[str, Any] | None:
    if not isinstance(options, Mapping) or problems_of(options) or options["source"] == BUNDLES:
        return None
    try:
        open_source(options, "/inventory", DataLoader()).resolve()
    except SourceError as error:
        return {"findings": error.findings}
    raise AssertionError(f"The source {options} is there.")


def read_inventory(scenario: str) -> tuple[str, dict[str, Any], dict[str, list[str]]]:
    """The host of a scenario with its variables, and the groups with their hosts."""
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(CHECKOUT / "molecule" / scenario / "inventory.yml")])
    (host,) = inventory.get_hosts()
    variables = VariableManager(loader=loader, inventory=inventory).get_vars(host=host)
    templar = Templar(loader, variables=variables)
    own = {name: templar.template(value) for name, value in variables.items() if name.startswith(PREFIX)}
    groups = {str(name): [str(each) for each in hosts] for name, hosts in inventory.get_groups_dict().items()}
    return str(host.name), own, groups


def installed(scenario: str) -> ScenarioHost:
    """The host after its run of site."""
    name, variables, groups = read_inventory(scenario)
    folder = Folder()
    fresh = {**FOUND, "hostname": name}
    topology = compile_topology(Inputs({name: Host(name, variables, FACTS, fresh)}, groups, f"{ROLES}/common/files", known_names()), folder)
    folder.secrets.update(topology.new_secrets)
    plan = topology.plan(name)
    environment = {daemon["name"]: daemon["environment"] for daemon in plan["daemons"]}
    record = {**plan["installation_record"], "environment": {**environment, "cli": plan["cli_environment"]}}
    server = {**CLUSTER, "settings": {**plan["database"]["settings"], "port": str(plan["database"]["port"])}}
    info = {**FOUND, "installation": record, "postgresql_clusters": [server], "brokers": [BROKER]}
    return ScenarioHost(name, variables, groups, info, folder)


@dataclass(frozen=True)
class AdoptedHost:
    """The host of a scenario with an installation made by hand, whose files are of a test's own."""

    name: str
    variables: Mapping[str, Any]
    groups: Mapping[str, list[str]]
    old: Path

    def told(self, entry: BadInput, home: Path) -> list[str]:
        """What site says of the entry's copy in a folder, up to where it would change something."""
        script = copying(entry)
        subprocess.run(["sh", "-c", script], env={**os.environ, "old": str(self.old), "home": str(home)}, check=True)
        with _held(entry.holder, home):
            variables = {**self.variables, **entry.filled(str(home), "")}
            adopted = describe(str(variables["airflow_adopt_home"]), [], "/nowhere/restart.json")
            metadata = read_database(sqlite_path(None, adopted), adopted)
        info = {**FOUND, "hostname": self.name, "adopted": adopted, "metadata": metadata}
        inputs = Inputs({self.name: Host(self.name, variables, FACTS, info)}, self.groups, f"{ROLES}/common/files", known_names())
        try:
            plan = compile_topology(inputs, Folder()).plan(self.name)
        except TopologyError as error:
            return error.findings
        return _read_source(plan) + (_look_at_server(plan["database"]["check"]) if plan["database"]["check"] else [])


def _read_source(plan: Mapping[str, Any]) -> list[str]:
    key = plan["cli_environment"]["AIRFLOW__CORE__FERNET_KEY"]
    try:
        source = open_source_database(plan["move"]["source"]["path"], None)
        try:
            found: list[str] = Inspection(source, plan["line"], "PostgreSQL", fernet_key=key).run()["refusals"]
            return found
        finally:
            source.close()
    except MoveError as error:
        return [str(error)]


def _look_at_server(check: Mapping[str, Any]) -> list[str]:
    login = Login(check["host"], check["port"], check["name"], check["user"], check["password"], check["ssl_mode"])
    return look(login, must_be_empty=check["must_be_empty"], is_first_use=check["is_first_use"], oldest=check["oldest"])


@contextmanager
def _held(program: str, home: Path) -> Iterator[None]:
    if not program:
        yield
        return
    command = ["python3", "-c", program, str(home / "airflow.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield
        process.kill()


def made_by_hand(scenario: str, folder: Path, database: str) -> AdoptedHost:
    """The host before its run of site; the database is copied into a folder as one of 2.11.2, with a connection that is encrypted."""
    name, variables, groups = read_inventory(scenario)
    home, site = folder / "airflow", folder / "airflow-venv" / "lib" / "python3.11" / "site-packages"
    home.mkdir()
    metadata = site / "apache_airflow-2.11.2.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Name: apache-airflow\nVersion: 2.11.2\n\n")
    (folder / "airflow-venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
    (home / "airflow.cfg").write_text(f"[core]\nfernet_key = {FERNET_KEY}\n[database]\nsql_alchemy_conn = sqlite:///{home}/airflow.db\n")
    shutil.copy(database, home / "airflow.db")
    with closing(sqlite3.connect(home / "airflow.db")) as connection:
        password = Fernet(FERNET_KEY).encrypt(b"secret").decode()
        row = (1, "warehouse", "postgres", password, 1, 0)
        connection.execute(
            "INSERT INTO connection (id, conn_id, conn_type, password, is_encrypted, is_extra_encrypted) VALUES (?, ?, ?, ?, ?, ?)", row
        )
        connection.execute("INSERT INTO alembic_version SELECT '5f2621c13b39' WHERE NOT EXISTS (SELECT 1 FROM alembic_version)")
        connection.commit()
    return AdoptedHost(name, variables, groups, home)
