# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sides: Airflow as it is out of the box, and as the topology compiler sets it up for this machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from installations.airflow import DAEMONS, KEY, Airflow, find_venv
from installations.processes import Process, free_port, until
from installations.servers import Servers
from topology_inventory import MemoryStore, facts, info, plan, single

CHECKOUT = Path(__file__).resolve().parents[3]
TEMPLATES = CHECKOUT / "roles" / "common" / "templates"
CONFIG_DIR = "/etc/airflow"
BROKER_PASSWORD = "benchmark"
SECRETS = {name: KEY for name in ("fernet_key", "secret_key", "admin_password", "api_password", "metadata_db_password")}
CELERY, LOCAL = "CeleryExecutor", "LocalExecutor"
DEFAULT_SLOTS = {LOCAL: 32, CELERY: 16}
"""`parallelism`, and `worker_concurrency` of one worker."""


def memory_total_mb() -> int:
    """Memory of this machine, as Ansible's facts say it."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2


def plan_of_this_machine(
    line: int, version: str, executor: str, config: Mapping[str, Mapping[str, str]], **variables: Any
) -> dict[str, Any]:
    """What the topology compiler says about a fresh host with everything that is like this machine."""
    venv = find_venv(line)
    python = {"path": f"{venv}/bin/python", "version": next((venv / "lib").glob("python3*")).name.removeprefix("python")}
    system = facts("127.0.0.1", processor_vcpus=os.cpu_count(), memtotal_mb=memory_total_mb())
    components = "metadata_db broker worker" if executor == CELERY else "metadata_db"
    store = MemoryStore(**SECRETS, jwt_secret=KEY * 2, broker_password=BROKER_PASSWORD, results_db_password=KEY)
    found = info(pythons=[python])
    wanted = {"airflow_version": version, "airflow_size": "auto", "airflow_config": dict(config), **variables}
    planned: dict[str, Any] = plan(single(components, system=system, found=found, **wanted), store=store)
    return planned


class Side(Airflow):
    """One of both, with one database through all rounds."""

    name = ""

    def __init__(self, line: int, version: str, executor: str, folder: Path, servers: Servers) -> None:
        home = folder / self.name
        super().__init__(line, home, servers, f"{self.name}_{line}_{executor.lower()}")
        self.version, self.executor = version, executor
        self.slots = DEFAULT_SLOTS[executor]
        (home / "dags").mkdir(parents=True)
        self.lines = home / "lines"
        self.lines.touch()
        self.environment = {
            "PATH": f"{self.venv}/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "AIRFLOW_HOME": str(home),
            # Others may run on this machine with the usual ports.
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self.log_port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(free_port()),
        }

    def prepare(self) -> None:
        """The database with its schema."""
        self.make_database()

    def start(self) -> None:
        """Every daemon, until the scheduler and what runs tasks are at work."""
        self.start_webserver()
        self.start_others()
        alive = "SELECT 1 FROM job WHERE job_type = 'SchedulerJob' AND state = 'running' AND latest_heartbeat > now() - interval '10 s'"
        until("the scheduler is not at work", lambda: self.query(alive))
        if self.executor == CELERY:
            until("the worker is not ready", lambda: " ready." in self.daemons["worker"].log.read_text(errors="replace"))

    def start_others(self) -> None:
        """What runs beside the webserver."""
        raise NotImplementedError

    @property
    def sessions(self) -> list[int]:
        """Of its daemons."""
        return [process.session for process in self.daemons.values()]


class Default(Side):
    """Airflow's own defaults: only addresses, keys and the executor are set, and no examples are loaded."""

    name = "default"

    def __init__(self, line: int, version: str, executor: str, folder: Path, servers: Servers) -> None:
        super().__init__(line, version, executor, folder, servers)
        metadata = f"postgresql+psycopg2://airflow@127.0.0.1:{servers.postgresql_port}/{self.database}"
        self.environment |= {
            "AIRFLOW__API_AUTH__JWT_SECRET": KEY * 2,
            "AIRFLOW__API__SECRET_KEY": KEY,
            "AIRFLOW__CELERY__BROKER_URL": f"redis://:{BROKER_PASSWORD}@127.0.0.1:{servers.redis_port}/0",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql://airflow@127.0.0.1:{servers.postgresql_port}/{self.database}",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": executor,
            "AIRFLOW__CORE__FERNET_KEY": KEY,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
            "AIRFLOW__WEBSERVER__SECRET_KEY": KEY,
        }

    def start_others(self) -> None:
        for name in DAEMONS[self.line]:
            self.run(name, name)
        if self.executor == CELERY:
            self.run("worker", "celery", "worker", "--pid", str(self.home / "worker.pid"))


class Auto(Side):
    """What `airflow_size: auto` gives: the plan's airflow.cfg, and the arguments and the environment of the units."""

    name = "auto"

    def __init__(
        self, line: int, version: str, executor: str, folder: Path, servers: Servers, config: Mapping[str, Mapping[str, str]]
    ) -> None:
        super().__init__(line, version, executor, folder, servers)
        self.plan = plan_of_this_machine(
            line,
            version,
            executor,
            config,
            airflow_home=str(self.home),
            airflow_webserver_port=self.port,
            airflow_metadata_db_port=servers.postgresql_port,
            airflow_metadata_db_name=self.database,
            **({"airflow_broker_port": servers.redis_port, "airflow_broker_vhost": "1"} if executor == CELERY else {}),
        )
        self.etc = self.home / "etc"
        self._write_files()
        workers = [daemon["arguments"] for daemon in self.plan["daemons"] if daemon["component"] == "worker"]
        slots = workers[0][workers[0].index("--concurrency") + 1] if workers else self.plan["settings"]["core"].get("parallelism", "32")
        self.slots = int(slots)
        self._common = {**self.environment, "AIRFLOW_CONFIG": str(self.etc / "airflow.cfg")}
        self.environment = {**self._common, **self.plan["cli_environment"]}

    def _write_files(self) -> None:
        folders = [self.etc, self.home / "run", *(Path(self.plan["paths"][name]) for name in ("plugins", "logs"))]
        canary = self.plan["canary"]
        for folder in [*folders, *([Path(canary["folder"])] if canary else [])]:
            folder.mkdir(parents=True, exist_ok=True)
        for name in ("airflow.cfg", "webserver_config.py"):
            (self.etc / name).write_text(self._rendered(f"{name}.j2"))

    def _rendered(self, template: str, **variables: Any) -> str:
        """A template of the roles, with the folders of this benchmark in place of the system's."""
        engine = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, keep_trailing_newline=True)
        text = engine.get_template(template).render(__airflow={"plan": self.plan}, **variables)
        return text.replace(CONFIG_DIR, str(self.etc))

    def _unit_environment(self, daemon: Mapping[str, Any]) -> dict[str, str]:
        """What the unit itself sets, the way to Airflow's commands apart, which is another one here."""
        lines = self._rendered("daemon.service.j2", __airflow_daemon=daemon).splitlines()
        texts = [line.removeprefix("Environment=") for line in lines if line.startswith("Environment=")]
        pairs = [pair.partition("=") for text in texts for pair in shlex.split(text)]
        return {name: value for name, _, value in pairs if name != "PATH"}

    def prepare(self) -> None:
        for entry in self.plan["database"]["databases"]:
            if entry["name"] != self.database:
                roles = self.servers.query("postgres", "SELECT rolname FROM pg_roles")
                if entry["user"] not in roles:
                    self.servers.query("postgres", f"CREATE ROLE {entry['user']} LOGIN")
                self.servers.query("postgres", f"CREATE DATABASE {entry['name']} OWNER {entry['user']}")
        super().prepare()

    def start_webserver(self) -> None:
        self._start("webserver")
        until("the webserver does not answer", self.answers)

    def start_others(self) -> None:
        for daemon in self.plan["daemons"]:
            if daemon["name"] != "webserver":
                self._start(daemon["name"])

    def _start(self, name: str) -> None:
        daemon = next(entry for entry in self.plan["daemons"] if entry["name"] == name)
        folder = self.home / "run" / daemon["unit"]
        folder.mkdir(exist_ok=True)
        words = [word.replace(f"/run/{daemon['unit']}", str(folder)).replace("%%", "%") for word in daemon["arguments"]]
        environment = {**self._common, **self._unit_environment(daemon), **daemon["environment"]}
        self.daemons[name] = Process([f"{self.venv}/bin/airflow", *words], environment, self.home / f"{name}.log")
