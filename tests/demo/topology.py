# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo of a topology: its inventory as the README shows it, its daemons, tasks, the log of one, and Flower."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import testinfra
import yaml
from airflow_checks import api, hosts

from . import machine
from .machine import CHECKOUT, FOLDER, NAME, WEB_PORT, DemoError, shown
from .progress import Progress, run
from .report import EightTasks, bars, scale
from .starting import start_container

# The folders of `inventories` that can be shown, each with the release of Debian that its host has.
RELEASES = {
    "sqlite": "bookworm",
    "local_postgresql": "bookworm",
    # Which has MySQL, so that no further repository is needed.
    "local_mysql": "unstable",
    "celery_redis": "bookworm",
    "celery_rabbitmq": "bookworm",
}
HOST = "airflow.example.org"
DAG = "eight_naps"
DAG_FILE = CHECKOUT / "tests" / "fixtures" / "dags" / f"{DAG}.py"
CONTAINER = FOLDER / "container.yml"
CREDENTIALS = FOLDER / "credentials"
FLOWER_PORT = 5555
DEFAULT_QUEUES = ["default"]
SERVICES = (
    *("airflow-*", "postgresql@*", "mysql*", "redis-server*", "valkey-server*", "rabbitmq-server*"),
    *("nginx*", "keepalived*", "patroni*", "etcd*"),
)
SECONDS_FOR_TASKS = 600
SECONDS_FOR_FLOWER = 60
LINES_OF_LOG = 12


@dataclass(frozen=True)
class Topology:
    """One of the README's inventories."""

    name: str
    text: str
    content: dict[str, Any]

    @classmethod
    def of(cls, name: str) -> Topology:
        """Read it."""
        text = (CHECKOUT / "inventories" / name / "hosts.yml").read_text(encoding="utf-8")
        return cls(name, text, yaml.safe_load(text)["airflow"])

    @property
    def has_flower(self) -> bool:
        """Whether Flower is part of it."""
        return "airflow_flower" in self.content["children"]

    @property
    def queues(self) -> list[str]:
        """The queues that somebody serves."""
        instances = self.content.get("vars", {}).get("airflow_worker_instances", {})
        return DEFAULT_QUEUES + sorted(queue for instance in instances.values() for queue in instance["queues"])

    @property
    def ports(self) -> list[int]:
        """What of the host is to be seen on this machine."""
        return [WEB_PORT, FLOWER_PORT] if self.has_flower else [WEB_PORT]


def container_text(dags: Path, bundle: Path | None, containers: Mapping[str, str]) -> str:
    """The inventory that says how each host is reached, by its container, and what else is of this machine only."""
    reached = {host: _variables(container, dags, bundle) for host, container in containers.items()}
    return "---\n" + yaml.safe_dump({"all": {"hosts": reached}}, sort_keys=False)


def _variables(container: str, dags: Path, bundle: Path | None) -> dict[str, Any]:
    """Of the host, because the inventory's own are its groups', which those of all hosts would not replace."""
    variables: dict[str, Any] = {
        "ansible_connection": "community.docker.docker",
        "ansible_host": container,
        "airflow_credentials_dir": str(CREDENTIALS),
        "airflow_dags": {"source": "folder", "path": str(dags)},
        # Only the container's own network and the published port reach it.
        "airflow_flower_address": "0.0.0.0",
        "airflow_metadata_db_mysql_repository": None,
    }
    if bundle:
        # A proxy that looks into TLS is trusted in the container as it is on this machine.
        variables["airflow_ca_bundle"] = str(bundle)
    return variables


def prepare_folder(topology: Topology, containers: Mapping[str, str]) -> None:
    """Write what belongs to this machine, and the DAG."""
    dags = FOLDER / "dags"
    dags.mkdir(parents=True)
    shutil.copy(DAG_FILE, dags)
    (dags / "demo_queues.py").write_text(f"QUEUES = {topology.queues!r}\n", encoding="utf-8")
    CONTAINER.write_text(container_text(dags, machine.CA_BUNDLE if machine.CA_BUNDLE.exists() else None, containers), encoding="utf-8")


def password(name: str) -> Path:
    """The file with a generated password."""
    return CREDENTIALS / f"{name}_password.txt"


def services(host: Any) -> list[str]:
    """A line for each service of the installation: its name, its state, what it is."""
    words = ["systemctl", "list-units", "--type=service", "--plain", "--no-legend", "--no-pager", *SERVICES]
    lines = [line.split(None, 4) for line in hosts.run(host, *words).splitlines()]
    width = max(len(line[0]) for line in lines)
    return [f"  {unit:{width}}  {active:8}  {description}" for unit, _loaded, active, _sub, description in lines]


def run_tasks(client: api.Client) -> tuple[str, EightTasks]:
    """Run the DAG; return the run's id and its tasks."""
    with Progress(f"Running the DAG {DAG}, eight tasks of 5 seconds"):
        client.wait_for_dag(DAG)
        client.pause(DAG, False)
        run_id = client.trigger(DAG)
        state = client.wait_for_run(DAG, run_id, seconds=SECONDS_FOR_TASKS)["state"]
    if state != "success":
        raise DemoError(f"The run {run_id} of {DAG} ended as {state}: see its log on {client.base_url}.")
    return run_id, EightTasks(client.tasks(DAG, run_id))


def workers(address: str) -> list[str]:
    """What Flower tells of the workers."""

    def look() -> list[str]:
        login = ("admin", password("flower").read_text(encoding="utf-8").strip())
        answer = requests.get(f"{address}/workers?json=1", auth=login, timeout=api.SECONDS_PER_REQUEST)
        answer.raise_for_status()
        told = answer.json()["data"]
        return [f"  {worker['hostname']}  tasks taken: {worker.get('task-received', 0)}" for worker in told if worker["status"]]

    found: list[str] = api.wait_until(f"the workers in Flower at {address}", look, SECONDS_FOR_FLOWER)
    return found


def show_tasks(client: api.Client) -> None:
    """Run tasks; print when each ran, and the log of the last."""
    run_id, eight = run_tasks(client)
    print(f"\nEight tasks: {eight.seconds:.0f} s, {eight.most_at_once} at once at most\n")
    print(*bars(eight, scale(eight)), sep="\n")
    task_id = max(str(task["task_id"]) for task in eight.tasks)
    # Marks by which the web page folds parts away are none of a reader's business.
    lines = [line for line in client.log(DAG, run_id, task_id).splitlines() if line.strip() and not line.startswith("::")]
    print(f"\nThe end of the log of {task_id}, from the API:\n")
    print(*(f"  {line}" for line in lines[-LINES_OF_LOG:]), "", sep="\n")


def tell(name: str) -> None:
    """Build the topology and show it."""
    topology = Topology.of(name)
    machine.remove(volume=False)
    prepare_folder(topology, {HOST: NAME})
    addresses = start_container(RELEASES[name], topology.ports)

    print(f"\nThe topology, inventories/{name}/hosts.yml:\n\n{topology.text}")
    command = ["ansible-playbook", "--inventory", f"inventories/{name}", "--inventory", shown(CONTAINER), "updraft.airflow.site"]
    print(f"$ {' '.join(command)}")
    run("Installing", command, FOLDER / "site.log")

    print(f"\nWhat runs on {HOST}:\n", *services(testinfra.get_host(f"docker://{NAME}")), "", sep="\n")
    client = api.connect(addresses[WEB_PORT], "admin", password("admin").read_text(encoding="utf-8").strip())
    show_tasks(client)
    if topology.has_flower:
        print("Flower tells of these workers:\n", *workers(addresses[FLOWER_PORT]), "", sep="\n")
    show_end(topology, addresses)


def show_end(topology: Topology, addresses: dict[int, str]) -> None:
    """Print what can be done now."""
    print(f"Look at it: {addresses[WEB_PORT]}, as admin; the password is in {shown(password('admin'))}")
    if topology.has_flower:
        print(f"Flower:     {addresses[FLOWER_PORT]}, as admin; the password is in {shown(password('flower'))}")
    print(f"Look in:    docker exec -it {NAME} bash")
    print("Remove all: make demo-clean")
