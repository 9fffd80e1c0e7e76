# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that changes nothing on one node: by Docker's connection, over SSH with pipelining, and over SSH under Mitogen."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import inventory, runs
from .figures import Figure, ratio
from .hosts import Host
from .inventory import FOLDER

MOST_SECONDS = 20
MOST_TASKS = 40
# The newest that was tried with the locked ansible-core. Nothing of the collection needs it, so no lock has it.
MITOGEN = "mitogen==0.3.54"
SERVER = """
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
apt-get install -y -qq openssh-server >/dev/null 2>&1 || { apt-get update -qq; apt-get install -y -qq openssh-server >/dev/null; }
install -d -m 0700 /root/.ssh
echo "$KEY" > /root/.ssh/authorized_keys
systemctl enable --quiet --now ssh
"""


def open_ssh(host: Host) -> Path:
    """Run a server of SSH on the host; return the key that it lets in, which is made for this run."""
    folder = FOLDER / "ssh"
    folder.mkdir(mode=0o700, parents=True)
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    host.run(SERVER, {"KEY": key.with_suffix(".pub").read_text(encoding="utf-8").strip()})
    return key


def mitogen() -> dict[str, str]:
    """Install Mitogen into a folder of its own; return the settings by which Ansible uses it."""
    folder = FOLDER / "mitogen"
    subprocess.run(["uv", "pip", "install", "--quiet", "--target", str(folder), MITOGEN], check=True)
    # Ansible says with every run that strategies of others may go away in a later release.
    plugins = str(folder / "ansible_mitogen" / "plugins" / "strategy")
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": plugins, "ANSIBLE_DEPRECATION_WARNINGS": "false"}


def measure(host: Host) -> list[Figure]:
    """All three, on the host that `site` has installed."""
    by_docker = inventory.write("docker", inventory.reached({inventory.ONE_NODE_HOST: inventory.by_docker(host)}))
    docker = runs.nothing([inventory.ONE_NODE, by_docker], "noop_docker")
    by_ssh = inventory.write("ssh", inventory.reached({inventory.ONE_NODE_HOST: inventory.by_ssh(host, open_ssh(host))}))
    ssh = runs.nothing([inventory.ONE_NODE, by_ssh], "noop_ssh")
    faster = runs.nothing([inventory.ONE_NODE, by_ssh], "noop_mitogen", **mitogen())
    return [
        Figure("noop_seconds", docker.seconds, "s", MOST_SECONDS),
        Figure("noop_tasks", docker.tasks, "tasks", MOST_TASKS),
        Figure("noop_ssh_seconds", ssh.seconds, "s", MOST_SECONDS),
        Figure("noop_ssh_tasks", ssh.tasks, "tasks", MOST_TASKS),
        Figure("noop_mitogen_seconds", faster.seconds, "s", MOST_SECONDS),
        ratio("noop_mitogen_of_ssh", faster.seconds, ssh.seconds),
    ]
