# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Breaks hosts that are containers, and mends them: processes from inside, the host and its network from outside."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress

from . import api, hosts

Action = Callable[[str], None]
DATA = "/var/lib/postgresql"
FILLING = f"{DATA}/filling"
DELAY_PORT = 15999
DELAY_UNIT = "updraft-delay"
DELAY_SCRIPT = "/var/tmp/updraft-delay.py"
DELAY_SECONDS = 0.2
PROXY_UNIT = "airflow-database-proxy"
DATABASE_PROXY_PORT = 15432
ASK_FOR_TLS = """
import socket, sys, time
began = time.monotonic()
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) as asking:
    asking.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))
    asking.recv(1)
print(time.monotonic() - began)
"""


def inside(name: str, *words: str) -> str:
    """Run a command on a host, by its container."""
    return subprocess.run(["docker", "exec", name, *words], capture_output=True, text=True, check=True).stdout


def docker(*words: str) -> str:
    """Do something to a host from outside."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()


def nothing(_name: str) -> None:
    """What failed comes back by itself."""


def send(unit: str, signal: str = "KILL", whom: str = "all") -> Action:
    """Send a signal to all processes of a unit, or only to its `main` one."""
    return lambda name: _systemctl(name, "kill", f"--kill-whom={whom}", f"--signal={signal}", unit)


def kill_server_process(name: str) -> None:
    """Kill PostgreSQL's first process, as the kernel does when memory is short; Patroni itself goes on."""
    inside(name, "sh", "-c", f'kill -KILL "$(head -n 1 {DATA}/*/*/postmaster.pid)"')


def lose(name: str) -> None:
    """The host loses its power."""
    docker("kill", name)


def boot(name: str) -> None:
    """It has power again."""
    docker("start", name)


def freeze(name: str) -> None:
    """Everything on the host stands still, as a virtual machine that is moved does for a while."""
    docker("pause", name)


def thaw(name: str) -> None:
    """It goes on."""
    docker("unpause", name)


def cut(name: str) -> None:
    """Nothing reaches the host or leaves it; nobody is told so."""
    for chain, interface in (("INPUT", "-i"), ("OUTPUT", "-o")):
        _iptables(name, "-I", chain, "!", interface, "lo", "-j", "DROP")


def join(name: str) -> None:
    """Undo the cut."""
    for chain, interface in (("INPUT", "-i"), ("OUTPUT", "-o")):
        _iptables(name, "-D", chain, "!", interface, "lo", "-j", "DROP")


def fill(name: str) -> None:
    """Fill the file system of the database's data. Refused where it is not one of its own, for that would fill this machine's."""
    if inside(name, "stat", "--file-system", "--format=%T", DATA).strip() != "tmpfs":
        raise AssertionError(f"{DATA} of {name} is no file system of its own: run `make test-faults`.")
    inside(name, "sh", "-c", f"dd if=/dev/zero of={FILLING} bs=1M 2>/dev/null || true")


def free(name: str) -> None:
    """Somebody makes room."""
    inside(name, "rm", "-f", FILLING)


def lead_through_delay(name: str) -> None:
    """Lead the connections from this host to the database's leader through a proxy that can wait, and does not yet.

    The kernel's own way, netem, is missing from many machines that run containers.
    """
    source = (hosts.ON_HOST / "delay.py").read_text(encoding="utf-8")
    inside(name, "python3", "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])", DELAY_SCRIPT, source)
    milliseconds = str(round(DELAY_SECONDS * 1000))
    inside(name, "systemd-run", f"--unit={DELAY_UNIT}", "/usr/bin/python3", DELAY_SCRIPT, str(DELAY_PORT), milliseconds)
    api.wait_until("the proxy that can wait to listen", lambda: f":{DELAY_PORT} " in inside(name, "ss", "-Hltn"), 30)
    _iptables(name, "-t", "nat", "-A", "OUTPUT", *_to_the_database())
    # Connections that exist would go on as they are. Those who have one lose it, before anything is measured.
    _systemctl(name, "restart", PROXY_UNIT)


def delay(name: str) -> None:
    """Every answer comes later from now on."""
    _systemctl(name, "kill", "--signal=USR1", DELAY_UNIT)
    api.wait_until("the database to answer later", lambda: seconds_to_an_answer(name) >= DELAY_SECONDS, 30)


def hurry(name: str) -> None:
    """It does so no more."""
    _systemctl(name, "kill", "--signal=USR2", DELAY_UNIT)
    api.wait_until("the database to answer at once", lambda: seconds_to_an_answer(name) < DELAY_SECONDS, 30)


def seconds_to_an_answer(name: str) -> float:
    """How long the database takes to say whether it speaks TLS, asked by the way of the host's daemons."""
    return float(inside(name, "python3", "-c", ASK_FOR_TLS, str(DATABASE_PROXY_PORT)))


def lead_past_delay(name: str) -> None:
    """Undo it, as far as it was done."""
    with suppress(subprocess.CalledProcessError):
        _iptables(name, "-t", "nat", "-D", "OUTPUT", *_to_the_database())
    with suppress(subprocess.CalledProcessError):
        _systemctl(name, "stop", DELAY_UNIT)
    _systemctl(name, "restart", PROXY_UNIT)


def _to_the_database() -> list[str]:
    # The proxy that waits runs as root, and is the only one that goes there directly.
    return f"-p tcp --dport 5432 -m owner ! --uid-owner 0 -j REDIRECT --to-ports {DELAY_PORT}".split()


def _systemctl(name: str, *words: str) -> None:
    inside(name, "systemctl", *words)


def _iptables(name: str, *words: str) -> None:
    """In the network of a container, by this machine's own program: the hosts have none."""
    pid = docker("inspect", "--format", "{{.State.Pid}}", name)
    subprocess.run(["nsenter", "--target", pid, "--net", "iptables", "--wait", *words], capture_output=True, check=True)
