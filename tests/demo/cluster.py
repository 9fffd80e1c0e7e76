# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo of the cluster: nine hosts, of which two things are taken away while DAGs run, and the DAGs go on."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
import testinfra
from airflow_checks import api

from . import machine
from .machine import FOLDER, NAME, DemoError, docker, shown
from .progress import Progress, run
from .topology import CONTAINER, DAG, Topology, password, prepare_folder, services, show_tasks

TOPOLOGY = "cluster"
RELEASE = "bookworm"
HTTP_PORT = 80
SECONDS_TO_BOOT = 180
SECONDS_BETWEEN_RUNS = 5
SECONDS_TO_GO_ON = 180
SECONDS_TO_COME_BACK = 180
SECONDS_TO_END = 600
SCHEDULER = "airflow-scheduler"
FOLLOWING = ("running", "streaming")
"""Older releases of Patroni call one that follows running, too."""


def containers(topology: Topology) -> dict[str, str]:
    """The container of each host of the inventory."""
    names = {host for group in topology.content["children"].values() for host in group["hosts"]}
    return {host: f"{NAME}-{host.partition('.')[0]}" for host in sorted(names)}


def shared_address(topology: Topology) -> str:
    """The address that the load balancers share."""
    return str(topology.content["vars"]["airflow_load_balancer_address"])


def start_containers(names: Iterable[str]) -> str:
    """Start a container for each host; return the address on this machine at which the first load balancer answers."""
    run(f"Making the image of a host with Debian {RELEASE}", ["tests/images/build", RELEASE], FOLDER / "image.log")
    addresses: list[str] = []
    with Progress("Starting nine containers") as progress:
        machine.make_network()
        for name in names:
            progress.detail = name
            ports = [HTTP_PORT] if name == f"{NAME}-lb1" else []
            addresses += machine.start(RELEASE, ports, name).values()
        for name in names:
            api.wait_until(f"systemd in the container {name}", lambda name=name: machine.booted(name), SECONDS_TO_BOOT)
    (address,) = addresses
    return address


@dataclass
class Runs:
    """Runs that are asked for all the time."""

    client: api.Client
    ids: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def keep_asking(self) -> None:
        """Ask until somebody says stop; whoever is not answered asks again."""
        while not self.stopped.wait(SECONDS_BETWEEN_RUNS):
            try:
                self.ids.append(self.client.trigger(DAG))
            except (requests.RequestException, AssertionError):
                continue

    def tasks(self) -> list[api.Answer]:
        """All tasks of the runs that were answered."""
        return [task for run_id in list(self.ids) for task in self.client.tasks(DAG, run_id)]

    def wait_for_a_start(self, moment: float) -> float:
        """Wait until a task begins that did not before a moment; return how many seconds later that was."""

        def look() -> float | None:
            try:
                return seconds_until_a_start(self.tasks(), moment)
            except (requests.RequestException, AssertionError):
                return None

        seconds: float = api.wait_until("a task to begin", look, SECONDS_TO_GO_ON)
        return seconds

    def end(self) -> None:
        """Wait for the end of all."""
        for run_id in self.ids:
            self.client.wait_for_run(DAG, run_id, seconds=SECONDS_TO_END)


def seconds_until_a_start(tasks: Iterable[api.Answer], moment: float) -> float | None:
    """How long after a moment the first task began that began later; None where none did yet."""
    starts = [api.instant(task["start_date"]).timestamp() for task in tasks if task["start_date"]]
    return min((start - moment for start in starts if start > moment), default=None)


@contextmanager
def running(client: api.Client) -> Iterator[Runs]:
    """Ask for runs while the block runs."""
    client.pause(DAG, False)
    runs = Runs(client)
    asking = threading.Thread(target=runs.keep_asking)
    asking.start()
    try:
        yield runs
    finally:
        runs.stopped.set()
        asking.join()


def members(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The members of the database's cluster by their hosts, as the first of these containers that answers tells them."""
    for name in names:
        words = ["docker", "exec", name, "patronictl", "-c", "/etc/patroni/config.yml", "list", "--format", "json"]
        said = subprocess.run(words, capture_output=True, text=True, check=False)
        if said.returncode == 0:
            return {member["Member"]: member for member in json.loads(said.stdout)}
    raise DemoError("No host of the database tells who leads it.")


def leading_host(names: Iterable[str]) -> str:
    """The host of the database's leader."""
    return next(host for host, member in members(names).items() if member["Role"] == "Leader")


def lose_the_leader(runs: Runs, database: dict[str, str]) -> None:
    """Take the database's leader away, and give it back."""
    host = leading_host(database.values())
    print(f"\n{host} leads the database. It loses its power: docker kill {database[host]}")
    moment = time.time()
    docker("kill", database[host])
    others = [name for other, name in database.items() if other != host]
    with Progress("Waiting for the next task to begin"):
        seconds = runs.wait_for_a_start(moment)
    print(f"After {seconds:.0f} s a task began; {leading_host(others)} leads the database now. {host} gets its power back.")
    docker("start", database[host])
    with Progress(f"Waiting until {host} follows"):
        api.wait_until(f"{host} to follow", lambda: members(others).get(host, {}).get("State") in FOLLOWING or None, SECONDS_TO_COME_BACK)


def kill_a_scheduler(runs: Runs, host: str, container: str) -> None:
    """Kill a scheduler; systemd starts it again."""
    print(f"\nThe scheduler of {host} is killed: systemctl kill --signal=KILL {SCHEDULER}")
    moment = time.time()
    docker("exec", container, "systemctl", "kill", "--signal=KILL", SCHEDULER)
    with Progress("Waiting for the next task to begin"):
        seconds = runs.wait_for_a_start(moment)
    print(f"After {seconds:.0f} s a task began.")


def show_runs(runs: Runs) -> None:
    """Print what became of all runs."""
    states = [str(runs.client.run(DAG, run_id)["state"]) for run_id in runs.ids]
    tasks = runs.tasks()
    again = len([task for task in tasks if task["try_number"] > 1])
    print(f"\n{len(states)} runs with {len(tasks)} tasks were asked for meanwhile: {states.count('success')} runs ended in success,")
    print(f"{again} tasks had to be tried again.")
    if set(states) != {"success"}:
        raise DemoError(f"The runs of {DAG} ended as {', '.join(sorted(set(states)))}: see {runs.client.base_url}.")


def tell() -> None:
    """Build the cluster, break it, and show that it goes on."""
    topology = Topology.of(TOPOLOGY)
    reached = containers(topology)
    machine.remove(volume=False)
    prepare_folder(topology, reached)
    address = start_containers(reached.values())

    print(f"\nThe topology, inventories/{TOPOLOGY}/hosts.yml:\n\n{topology.text}")
    command = ["ansible-playbook", "--inventory", f"inventories/{TOPOLOGY}", "--inventory", shown(CONTAINER), "updraft.airflow.site"]
    print(f"$ {' '.join(command)}")
    run("Installing", command, FOLDER / "site.log")
    for host, container in reached.items():
        print(f"\n{host}:", *services(testinfra.get_host(f"docker://{container}")), sep="\n")

    client = api.connect(address, "admin", password("admin").read_text(encoding="utf-8").strip())
    show_tasks(client)
    database = {host: reached[host] for host in topology.content["children"]["airflow_metadata_db"]["hosts"]}
    scheduler = next(iter(topology.content["children"]["airflow_scheduler"]["hosts"]))
    print(f"Now a run of {DAG} is asked for every {SECONDS_BETWEEN_RUNS} seconds.")
    with running(client) as runs:
        runs.wait_for_a_start(time.time())
        lose_the_leader(runs, database)
        kill_a_scheduler(runs, scheduler, reached[scheduler])
        runs.stopped.set()
        with Progress("Waiting for the end of all runs"):
            runs.end()
        show_runs(runs)

    print(f"\nLook at it: {address}, as admin; the password is in {shown(password('admin'))}")
    print(f"            and, where this machine reaches its containers, http://{shared_address(topology)}")
    print(f"Look in:    docker exec -it {reached[scheduler]} bash")
    print("Remove all: make demo-clean")
