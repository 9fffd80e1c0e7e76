# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's container, network, volume and folder. Needs nothing but Python, so that `make demo-clean` works without the tools."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / ".cache" / "demo"
IMAGE = "updraft-host:bookworm"
# The container, its network and the volume with downloaded packages.
NAME = "updraft-demo"
# Of the range that is reserved for tests of networks, so nobody else's.
SUBNET = "198.18.10.0/24"
ADDRESS = "127.0.0.1"
FIRST_PORT = 8080
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


def free_port() -> int:
    """Return the first port from 8080 up that nobody listens on."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((ADDRESS, port))
            except OSError:
                continue
            return port
    raise DemoError(f"All ports of {ADDRESS} from {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are taken: free one of them.")


def start() -> str:
    """Start the container with systemd in it; return the address its web page will have."""
    port = free_port()
    mounts = [f"--volume={NAME}:/root/.cache/uv"]
    if CA_BUNDLE.exists():
        mounts.append(f"--volume={CA_BUNDLE}:{CA_BUNDLE}:ro")
    docker("network", "create", f"--subnet={SUBNET}", NAME)
    where = [f"--name={NAME}", f"--hostname={NAME}", f"--network={NAME}", f"--publish={ADDRESS}:{port}:8080"]
    docker("run", "--detach", *where, *CONTAINER_OPTIONS, *mounts, IMAGE)
    return f"http://{ADDRESS}:{port}"


def booted() -> bool:
    """Return whether systemd has started everything; whether all of it is well does not matter here."""
    words = ["docker", "exec", NAME, "systemctl", "is-system-running"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return said in ("running", "degraded")


def _exists(kind: str) -> bool:
    return subprocess.run(["docker", kind, "inspect", NAME], capture_output=True, check=False).returncode == 0


def remove(volume: bool) -> None:
    """Remove what an earlier demo left; the volume with downloaded packages only if asked."""
    if shutil.which("docker"):
        if _exists("container"):
            docker("rm", "--force", "--volumes", NAME)
        if _exists("network"):
            docker("network", "rm", NAME)
        if volume and _exists("volume"):
            docker("volume", "rm", NAME)
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
