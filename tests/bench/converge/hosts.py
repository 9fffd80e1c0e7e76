# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts: containers with systemd, a network of their own, and the downloads that all of them share. None outlives the benchmark."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airflow_checks import api
from demo.machine import CA_BUNDLE, CHECKOUT, CONTAINER_OPTIONS, IMAGES, DemoError, booted, docker

NAME = "updraft-bench"
IMAGE = f"{IMAGES}:bookworm"
SUBNET = "198.18.254.0/24"
# The scenarios' own, which they keep: what they have downloaded need not be downloaded again.
UV_CACHE = "updraft-uv-cache"
LOCKS = CHECKOUT / "roles" / "common" / "files" / "locks"
VERSION = "3.3.2"
LOCK_NAMES = (f"{VERSION}.txt", f"{VERSION}-postgresql.txt")
ON_HOST = "/root/bench"
SECONDS_TO_BOOT = 180
# A proxy that looks into TLS is trusted in the container as it is on this machine.
TRUST = {"SSL_CERT_FILE": str(CA_BUNDLE), "PIP_CERT": str(CA_BUNDLE), "UV_SYSTEM_CERTS": "1"} if CA_BUNDLE.exists() else {}


@dataclass(frozen=True)
class Host:
    """A container."""

    name: str

    @property
    def address(self) -> str:
        """Where this machine reaches it."""
        return str(docker("inspect", "--format", f'{{{{ (index .NetworkSettings.Networks "{NAME}").IPAddress }}}}', self.name))

    def run(self, script: str, environment: Mapping[str, str] | None = None) -> float:
        """Run a script of the shell on it, which must succeed; return the seconds it took."""
        variables = [f"--env={name}={value}" for name, value in {**TRUST, **(environment or {})}.items()]
        started = time.monotonic()
        done = subprocess.run(
            ["docker", "exec", *variables, self.name, "bash", "-euo", "pipefail", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - started
        if done.returncode != 0:
            raise DemoError(f"On {self.name} a script ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
        return seconds

    def bring(self, *places: Path) -> None:
        """Copy files into the folder of the benchmark."""
        self.run(f"mkdir -p {ON_HOST}")
        for place in places:
            docker("cp", str(place), f"{self.name}:{ON_HOST}/{place.name}")

    def bring_locks(self) -> None:
        """Copy the locks of Airflow and of uv."""
        self.bring(*(LOCKS / name for name in (*LOCK_NAMES, "uv.txt")))


def start(number: int) -> Host:
    """Start one; return it when systemd has started everything."""
    name = f"{NAME}-{number}"
    mounts = [f"--volume={UV_CACHE}:/root/.cache/uv", *([f"--volume={CA_BUNDLE}:{CA_BUNDLE}:ro"] if CA_BUNDLE.exists() else [])]
    where = [f"--name={name}", f"--hostname={name}", f"--network={NAME}", f"--label={NAME}"]
    docker("run", "--detach", *where, *CONTAINER_OPTIONS, *mounts, IMAGE)
    api.wait_until(f"systemd in the container {name}", lambda: booted(name), SECONDS_TO_BOOT)
    return Host(name)


def remove(*hosts: Host) -> None:
    """Remove some."""
    docker("rm", "--force", "--volumes", *(host.name for host in hosts))


def remove_all() -> None:
    """Remove everything that has the benchmark's name."""
    if containers := docker("ps", "--all", "--quiet", f"--filter=label={NAME}").split():
        docker("rm", "--force", "--volumes", *containers)
    if docker("network", "ls", "--quiet", f"--filter=name=^{NAME}$"):
        docker("network", "rm", NAME)


@contextmanager
def network() -> Iterator[None]:
    """The network that the hosts are in; whatever happens, nothing is left."""
    remove_all()
    docker("network", "create", f"--subnet={SUBNET}", NAME)
    try:
        yield
    finally:
        remove_all()


def warm() -> None:
    """See to it that uv has every package at hand, so that nobody's first run waits for a download."""
    host = start(0)
    host.bring_locks()
    locks = " ".join(f"-r {name}" for name in LOCK_NAMES)
    host.run(
        f"cd {ON_HOST}; python3 -m venv uv; uv/bin/pip install --quiet --require-hashes -r uv.txt\n"
        f"uv/bin/uv venv --quiet --no-python-downloads --python /usr/bin/python3 venv\n"
        f"uv/bin/uv pip install --quiet --python venv/bin/python --require-hashes {locks}\n"
    )
    remove(host)
