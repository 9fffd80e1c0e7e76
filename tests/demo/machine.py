# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's containers, network, volume and folder. Needs nothing but Python, so that `make demo-clean` works without the tools."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / ".cache" / "demo"
IMAGES = "updraft-host"
# The container, its network and the volume with downloaded packages; where there are several containers, all names begin so.
NAME = "updraft-demo"
# Of the range that is reserved for tests of networks, so nobody else's. The inventory of the cluster has an address in its lower half.
SUBNET = "198.18.255.0/24"
CONTAINERS = "198.18.255.128/25"
ADDRESS = "127.0.0.1"
WEB_PORT = 8080
# How many ports after the usual one are tried when that is taken.
PORTS = 100
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CONTAINER_OPTIONS = (
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--cgroupns=private",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
)


class DemoError(Exception):
    """Something the demo cannot do, in a sentence."""


def docker(*arguments: str) -> str:
    """Run a docker command that must succeed; return what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"docker {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def shown(place: Path) -> str:
    """Return a path as somebody in the checkout's folder writes it."""
    return str(place.relative_to(CHECKOUT))


def write_private(place: Path, text: str) -> None:
    """Write a file that only its owner reads."""
    place.touch(mode=0o600)
    place.write_text(text, encoding="utf-8")


def free_port(first: int) -> int:
    """Return the first port from this one up that nobody listens on."""
    for port in range(first, first + PORTS):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((ADDRESS, port))
            except OSError:
                continue
            return port
    raise DemoError(f"All ports of {ADDRESS} from {first} to {first + PORTS - 1} are taken: free one of them.")


def make_network() -> None:
    """Make the network that the containers are in."""
    docker("network", "create", f"--subnet={SUBNET}", f"--ip-range={CONTAINERS}", NAME)


def start(release: str, ports: Sequence[int], name: str = NAME) -> dict[int, str]:
    """Start a container with systemd in it; return for each of its ports the address that it has on this machine."""
    published = {port: free_port(port) for port in ports}
    mounts = [f"--volume={NAME}:/root/.cache/uv"]
    if CA_BUNDLE.exists():
        mounts.append(f"--volume={CA_BUNDLE}:{CA_BUNDLE}:ro")
    where = [f"--name={name}", f"--hostname={name}", f"--network={NAME}", f"--label={NAME}"]
    where += [f"--publish={ADDRESS}:{outside}:{inside}" for inside, outside in published.items()]
    docker("run", "--detach", *where, *CONTAINER_OPTIONS, *mounts, f"{IMAGES}:{release}")
    return {inside: f"http://{ADDRESS}:{outside}" for inside, outside in published.items()}


def booted(name: str = NAME) -> bool:
    """Return whether systemd has started everything; whether all of it is well does not matter here."""
    words = ["docker", "exec", name, "systemctl", "is-system-running"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return said in ("running", "degraded")


def _exists(kind: str) -> bool:
    return subprocess.run(["docker", kind, "inspect", NAME], capture_output=True, check=False).returncode == 0


def remove(volume: bool) -> None:
    """Remove what an earlier demo left; the volume with downloaded packages only if asked."""
    if shutil.which("docker"):
        if containers := docker("ps", "--all", "--quiet", f"--filter=label={NAME}").split():
            docker("rm", "--force", "--volumes", *containers)
        if _exists("network"):
            docker("network", "rm", NAME)
        if volume and _exists("volume"):
            docker("volume", "rm", NAME)
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
