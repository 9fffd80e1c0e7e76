# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host that is lifted: one container at a time, made anew from an image for each kill."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
import testinfra
from airflow_checks import api, hosts
from airflow_checks.fixtures import Installation, ship_checks
from demo.machine import ADDRESS, CA_BUNDLE, CHECKOUT, CONTAINER_OPTIONS, IMAGES, docker, free_port

FOLDER = CHECKOUT / ".cache" / "kills"
NAME = "updraft-kills-host"
NETWORK = "updraft-kills"
# Of the range that is reserved for tests of networks, so nobody else's.
SUBNET = "198.18.200.0/24"
# What the scenarios have downloaded.
VOLUME = "updraft-uv-cache"
WEB_PORT = 8080
HOME = "/home/jane/airflow"
OLD_DATABASE = f"{HOME}/airflow.db"
BACKUP = "/opt/airflow/backups/before-the-move.db"
TWO_SCHEDULERS = "/var/tmp/two-schedulers"
SECONDS_TO_BOOT = 120
SECONDS_TO_START = 300
ON_HOST = Path(__file__).parent / "on_host"
# The shell that the daemons were started from, see tests/fixtures/tutorial.
SHELL = {
    "HOME": "/home/jane",
    "USER": "jane",
    "LOGNAME": "jane",
    "LANG": "C.UTF-8",
    "VIRTUAL_ENV": "/home/jane/airflow-venv",
    "PATH": "/home/jane/airflow-venv/bin:/usr/local/bin:/usr/bin:/bin",
    "AIRFLOW_HOME": HOME,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW_VAR_FROM_THE_SHELL": "exported before the daemons were started",
}
DAEMONS = ("webserver", "scheduler", "triggerer")


def exists(kind: str, name: str) -> bool:
    """Whether there is such an image, network or container."""
    return subprocess.run(["docker", kind, "inspect", name], capture_output=True, check=False).returncode == 0


def remove() -> None:
    """Remove the container."""
    if exists("container", NAME):
        docker("rm", "--force", "--volumes", NAME)


def booted() -> bool:
    """Whether systemd has started everything; whether all of it is well does not matter here."""
    words = ["docker", "exec", NAME, "systemctl", "is-system-running"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() in ("running", "degraded")


def start(image: str = f"{IMAGES}:bookworm") -> Installation:
    """Start the container from an image, in place of the one before."""
    remove()
    if not exists("network", NETWORK):
        docker("network", "create", f"--subnet={SUBNET}", NETWORK)
    port = free_port(WEB_PORT + 20)
    where = [f"--name={NAME}", f"--hostname={NAME}", f"--network={NETWORK}", f"--publish={ADDRESS}:{port}:{WEB_PORT}"]
    mounts = [f"--volume={VOLUME}:/root/.cache/uv", *([f"--volume={CA_BUNDLE}:{CA_BUNDLE}:ro"] if CA_BUNDLE.exists() else [])]
    docker("run", "--detach", *where, *CONTAINER_OPTIONS, *mounts, image)
    api.wait_until(f"systemd in the container {NAME}", booted, SECONDS_TO_BOOT)
    host = testinfra.get_host(f"docker://{NAME}")
    return Installation(host, NAME, {}, f"http://{ADDRESS}:{port}", FOLDER)


def keep(image: str) -> None:
    """Stop the container as its host is shut down, and keep its disk as an image."""
    docker("stop", "--time=60", NAME)
    docker("commit", NAME, image)
    remove()


def start_old_daemons(installation: Installation) -> None:
    """Start the old daemons, each with -D, and watch from now on that no two schedulers run."""
    hosts.run(installation.host, "sh", "-c", f"rm -f {HOME}/airflow-*.pid")
    environment = [word for pair in SHELL.items() for word in ("--env", "=".join(pair))]

    def run(daemon: str) -> None:
        docker("exec", "--workdir=/home/jane", *environment, NAME, "/usr/sbin/runuser", "-u", "jane", "--", "airflow", daemon, "-D")

    with ThreadPoolExecutor() as pool:
        list(pool.map(run, DAEMONS))
    api.wait_until("the old daemons", lambda: healthy_2(installation.base_url), SECONDS_TO_START)
    ship_checks(installation.host, NAME)
    for script in ("watch_schedulers.py", "kill_process.py"):
        docker("cp", "-q", str(ON_HOST / script), f"{NAME}:/var/tmp/{script}")
    docker("exec", "--detach", NAME, "/usr/bin/python3", "/var/tmp/watch_schedulers.py", TWO_SCHEDULERS)


def healthy_2(base_url: str) -> bool:
    """Whether the page of Airflow 2 says that a scheduler is well."""
    try:
        found = requests.get(f"{base_url}/health", timeout=10)
        return bool(found.ok and found.json()["scheduler"]["status"] == "healthy")
    except (requests.RequestException, KeyError, ValueError):
        return False


def kill_process(seconds: float, delay: float, *words: str) -> str:
    """Kill a process on the host as soon as it has been there for so long; return its command line, nothing when it was not there."""
    command = ["docker", "exec", NAME, "/usr/bin/python3", "/var/tmp/kill_process.py", str(seconds), f"{delay:.3f}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def fresh_folder(name: str) -> Path:
    """An empty folder of the controller's."""
    place: Path = FOLDER / name
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    return place
