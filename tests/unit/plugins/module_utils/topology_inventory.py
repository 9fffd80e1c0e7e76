# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories for the tests of the topology compiler."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs, Topology, TopologyError, compile_topology

FILES = str(Path(__file__).parents[4] / "roles" / "common" / "files")
OLD_HOME = "/home/jane/airflow"
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
OTHER_FERNET_KEY = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
PYTHON_311 = {"path": "/usr/bin/python3.11", "version": "3.11.2"}
PYTHON_312 = {"path": "/usr/local/bin/python3.12", "version": "3.12.4"}
PYTHON_313 = {"path": "/usr/bin/python3.13", "version": "3.13.5"}
AWKWARD_PASSWORD = "p@ss:w/rd %25#&'\"\\"


class MemoryStore:
    """A credentials folder without a disk."""

    directory = "/inventory/credentials/airflow"

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets

    def path(self, name: str) -> str:
        """The file a secret would be in."""
        return f"{self.directory}/{name}"

    def read(self, name: str) -> str | None:
        """The secret of that name."""
        return self.secrets.get(name)


def facts(address: str | None = "198.18.0.2", release: str = "12", **changed: Any) -> dict[str, Any]:
    """Facts of a Debian host with 2 cores and 4 GB."""
    return {
        "distribution": "Debian",
        "distribution_major_version": release,
        "os_family": "Debian",
        "processor_vcpus": 2,
        "memtotal_mb": 4096,
        "default_ipv4": {"address": address} if address else {},
        **changed,
    }


def info(**changed: Any) -> dict[str, Any]:
    """What the host information module finds on a fresh host."""
    return {
        "hostname": "h1.example.org",
        "pythons": [PYTHON_312, PYTHON_311],
        "systemd": True,
        "free_mb": {"home": 20000, "config_dir": 20000},
        "installation": None,
        "adopted": None,
        "metadata": None,
        **changed,
    }


def cluster(name: str, own: bool = False, databases: int = 0) -> dict[str, Any]:
    """A PostgreSQL cluster on a host."""
    return {"name": name, "config_dir": f"/etc/postgresql/{name}", "own": own, "databases": databases}


def adopted(version: str = "2.11.2", **changed: Any) -> dict[str, Any]:
    """An installation that somebody made with a tutorial."""
    return {
        "home": OLD_HOME,
        "owner": {"user": "jane", "uid": 1000, "group": "jane", "gid": 1000, "home": "/home/jane"},
        "version": version,
        "python": PYTHON_311,
        "prefix": "/home/jane/venv",
        "packages": [{"name": "apache-airflow", "version": version, "url": None}],
        "config_file": f"{OLD_HOME}/airflow.cfg",
        "config": {"core": {"fernet_key": FERNET_KEY}},
        "environment": {},
        "environment_conflicts": [],
        "environment_unreadable": [],
        "daemons": [],
        "dags_folder": f"{OLD_HOME}/dags",
        "plugins_folder": f"{OLD_HOME}/plugins",
        "base_log_folder": f"{OLD_HOME}/logs",
        "webserver_config": None,
        "webserver_port": 8080,
        "metadata": {"engine": "sqlite", "url": f"sqlite:///{OLD_HOME}/airflow.db", "path": f"{OLD_HOME}/airflow.db"},
        "simple_auth": None,
        "problems": [],
        **changed,
    }


def on_server(url: str, version: str = "2.11.2", **changed: Any) -> dict[str, Any]:
    """An installation made by hand on a database server."""
    engine = url.partition(":")[0].partition("+")[0]
    return adopted(version, metadata={"engine": engine, "url": url, "path": None}, **changed)


def installation(version: str = "3.3.2", engine: str = "postgresql", **changed: Any) -> dict[str, Any]:
    """What this collection installed before."""
    line = 3 if version.startswith("3.") else 2
    secret_key = "AIRFLOW__API__SECRET_KEY" if line == 3 else "AIRFLOW__WEBSERVER__SECRET_KEY"
    url = "postgresql+psycopg2://airflow:old@127.0.0.1:5432/airflow" if engine != "sqlite" else "sqlite:////opt/airflow/metadata/airflow.db"
    environment = {"AIRFLOW__CORE__FERNET_KEY": FERNET_KEY, secret_key: "s" * 32, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}
    if line == 3:
        environment["AIRFLOW__API_AUTH__JWT_SECRET"] = "j" * 64
    place = {"host": "127.0.0.1", "port": 5432, "name": "airflow"} if engine != "sqlite" else {"path": "/opt/airflow/metadata/airflow.db"}
    return {
        "format": 1,
        "version": version,
        "engine": engine,
        "executor": "LocalExecutor",
        "database": place,
        "adopted": None,
        "moved": None,
        "environment": {"scheduler": environment},
        **changed,
    }


def inventory(hosts: Mapping[str, str], *, details: Mapping[str, Host] | None = None, **variables: Any) -> Inputs:
    """Hosts by name with the components of each, as in {"h1": "webserver scheduler"}; `details` replaces single hosts."""
    groups: dict[str, list[str]] = {"airflow": list(hosts)}
    for name, components in hosts.items():
        for component in components.split():
            groups.setdefault(f"airflow_{component}", []).append(name)
    described = {
        name: (details or {}).get(name) or Host(name, variables, facts(f"198.18.0.{number}"), info(hostname=f"{name}.example.org"))
        for number, name in enumerate(hosts, start=2)
    }
    return Inputs(described, groups, FILES)


def single(
    components: str = "", *, found: Mapping[str, Any] | None = None, system: Mapping[str, Any] | None = None, **variables: Any
) -> Inputs:
    """One host `h1` with the web page, the scheduler and what else is named."""
    host = Host("h1", variables, facts() if system is None else system, info() if found is None else found)
    return inventory({"h1": f"webserver scheduler {components}"}, details={"h1": host})


def server(**keywords: Any) -> Inputs:
    """One host with everything, PostgreSQL too."""
    return single("metadata_db", **keywords)


def compiled(inputs: Inputs, store: MemoryStore | None = None) -> Topology:
    """The topology of an inventory without findings."""
    return compile_topology(inputs, store or MemoryStore())


def plan(inputs: Inputs, host: str = "h1", store: MemoryStore | None = None) -> dict[str, Any]:
    """The plan of one host."""
    return compiled(inputs, store).plan(host)


def findings(inputs: Inputs, store: MemoryStore | None = None) -> list[str]:
    """What the compiler says against an inventory."""
    try:
        compile_topology(inputs, store or MemoryStore())
    except TopologyError as error:
        return error.findings
    return []


def daemon(plan_of_host: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One daemon of a plan."""
    return next(dict(entry) for entry in plan_of_host["daemons"] if entry["name"] == name)
