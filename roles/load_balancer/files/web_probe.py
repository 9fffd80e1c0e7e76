# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells nginx which of Airflow's webservers answer.

nginx without a subscription notices a server that refuses connections, and no server that hangs: the kernel still accepts for it. So each
one is asked for a page twice a second, and what does not answer is taken out of the file that nginx reads, until it answers again.

    web_probe.py watch          ask for ever
    web_probe.py prepare        write the file where there is none that fits
    web_probe.py reset          the same, and put back whoever was taken out
    web_probe.py drain NAME     send NAME no new request; returns when nginx does so
    web_probe.py restore NAME   send it requests again; returns when it answers and nginx does so
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SETTINGS = Path("/etc/airflow-load-balancer/servers.json")
STATE = Path("/var/lib/airflow-load-balancer")
NGINX_PID = Path("/run/nginx.pid")
PAUSE_SECONDS = 0.5
ANSWER_SECONDS = 1.75
"""A healthy webserver answers this page in some ten milliseconds, a loaded one in hundreds."""

FAILURES_UNTIL_OUT = 2
"""One slow answer is no reason. With the pause before each, a server that hangs is out after 4.5 seconds at the latest."""

PATIENCE_SECONDS = 60.0
MOST_AT_ONCE = 16


@dataclass(frozen=True)
class Server:
    """A webserver."""

    name: str
    address: str
    port: int

    def answers(self, path: str, authority: str = "") -> bool:
        """Whether it gives the page in time, whatever is on it; with a file of authorities, by TLS."""
        try:
            connection = self.connection(authority)
        except OSError:
            return False
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def connection(self, authority: str) -> http.client.HTTPConnection:
        """A way to ask it. The file is read each time, for it may change."""
        if not authority:
            return http.client.HTTPConnection(self.address, self.port, timeout=ANSWER_SECONDS)
        context = ssl.create_default_context(cafile=authority)
        return http.client.HTTPSConnection(self.address, self.port, timeout=ANSWER_SECONDS, context=context)


@dataclass
class Nginx:
    """nginx as far as it is dealt with here: a file of servers, and a signal."""

    state: Path = STATE
    pid_file: Path = NGINX_PID

    @property
    def file(self) -> Path:
        """What nginx includes."""
        return self.state / "upstream.conf"

    @property
    def drained(self) -> Path:
        """A folder with a file for each server that is to get no new request."""
        return self.state / "drained"

    def drained_names(self) -> set[str]:
        """Servers that somebody took out."""
        return {path.name for path in self.drained.iterdir()} if self.drained.is_dir() else set()

    def write(self, servers: Iterable[Server], failed: set[str]) -> bool:
        """Write who gets requests. Returns whether that is news."""
        text = upstream(list(servers), failed, self.drained_names())
        with suppress(FileNotFoundError):
            if self.file.read_text(encoding="utf-8") == text:
                return False
        self.state.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self.state, prefix=".upstream.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), 0o644)
        os.replace(name, self.file)
        return True

    def reload(self) -> None:
        """Have the file read again, if nginx runs."""
        master = self.master()
        if master is not None:
            with suppress(ProcessLookupError):
                os.kill(master, signal.SIGHUP)

    def master(self) -> int | None:
        """The process that starts the others. The file of a nginx that was killed may name a process of somebody else by now."""
        with suppress(OSError, ValueError):
            number = int(self.pid_file.read_text(encoding="ascii"))
            return number if b"nginx: master" in title(number) else None
        return None

    def serving(self) -> set[int]:
        """The processes that take new connections: those that are not ending."""
        children = {int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if parent(path) == self.master()}
        return {child for child in children if b"worker process" in title(child) and b"shutting down" not in title(child)}


def parent(stat: Path) -> int | None:
    """Who started a process, None when it is gone."""
    with suppress(OSError):
        return int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    return None


def title(process: int) -> bytes:
    """What a process calls itself, nothing when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def upstream(servers: list[Server], failed: set[str], drained: set[str]) -> str:
    """nginx's list of servers: those that failed and those that somebody took out get nothing.

    Where that is everybody, those that answer get the requests all the same. Where nobody answers, those stay in that nobody took out: they
    can do no worse than nobody, and who takes one out to repair it is not kept from that by the others. Else all stay.
    """
    choices = (failed | drained, failed, drained, set[str]())
    out = next((each for each in choices if any(server.name not in each for server in servers)), set())
    lines = [
        # nginx's own count of failures would leave nobody, for a while, when two fail for a moment.
        f"    server {bracketed(server.address)}:{server.port} max_fails=0{' down' if server.name in out else ''};  # {server.name}"
        for server in servers
    ]
    return "\n".join(["upstream airflow_webserver {", *lines, "}", ""])


def bracketed(address: str) -> str:
    """An address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


@dataclass
class Watch:
    """Asks the servers, and remembers how often one has failed."""

    servers: list[Server]
    path: str
    authority: str = ""
    failures: dict[str, int] = field(default_factory=dict)

    def ask(self, pool: ThreadPoolExecutor) -> set[str]:
        """The names of those that are out."""
        for server, answers in zip(self.servers, pool.map(lambda one: one.answers(self.path, self.authority), self.servers)):
            self.failures[server.name] = 0 if answers else self.failures.get(server.name, 0) + 1
        return {server.name for server in self.servers if self.failures[server.name] >= FAILURES_UNTIL_OUT}


def read_settings(path: Path = SETTINGS) -> tuple[list[Server], str, str]:
    """The servers, the page to ask for, and the file of authorities that signed their certificates."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return [Server(**entry) for entry in found["servers"]], found["path"], found.get("authority", "")


def watch(nginx: Nginx) -> None:
    """Ask for ever. The settings are read each time, for servers may be added."""
    watcher = Watch(*read_settings())
    with ThreadPoolExecutor(max_workers=MOST_AT_ONCE) as pool:
        before: set[str] = set()
        while True:
            watcher.servers, watcher.path, watcher.authority = read_settings()
            out = watcher.ask(pool)
            for name in sorted(out ^ before):
                print(f"{name} {'does not answer: it gets no requests' if name in out else 'answers'}", flush=True)
            before = out
            if nginx.write(watcher.servers, out):
                nginx.reload()
            time.sleep(PAUSE_SECONDS)


def prepare(nginx: Nginx) -> None:
    """A file for nginx to start with, which names the servers that there are now."""
    servers, *_further = read_settings()
    with suppress(FileNotFoundError):
        text = nginx.file.read_text(encoding="utf-8")
        if text in (upstream(servers, out, set()) for out in subsets([server.name for server in servers])):
            print("unchanged")
            return
    nginx.write(servers, set())
    nginx.reload()
    print("changed")


def subsets(names: list[str]) -> Iterable[set[str]]:
    """Every choice of them."""
    for number in range(2 ** len(names)):
        yield {name for place, name in enumerate(names) if number >> place & 1}


def drain(nginx: Nginx, name: str) -> None:
    """Take one out. The last one that answers stays: a request that waits for its return is better than none."""
    servers, *_further = read_settings()
    nginx.drained.mkdir(mode=0o755, parents=True, exist_ok=True)
    others = [server.name for server in servers if server.name != name]

    def is_out_or_last() -> bool:
        return not gets_requests(nginx, name) or not any(gets_requests(nginx, other) for other in others)

    if is_out_or_last():
        return
    before = nginx.serving()
    (nginx.drained / name).touch()
    await_condition(is_out_or_last, f"the probe did not take {name} out: is airflow-web-probe running?")
    await_condition(lambda: not before & nginx.serving(), "nginx did not read its file again")


def restore(nginx: Nginx, name: str) -> None:
    """Put one back."""
    (nginx.drained / name).unlink(missing_ok=True)
    await_condition(lambda: gets_requests(nginx, name), f"{name} does not answer, so it gets no requests")


def gets_requests(nginx: Nginx, name: str) -> bool:
    """Whether nginx's file sends requests to a server."""
    lines = nginx.file.read_text(encoding="utf-8").splitlines()
    return any(line.endswith(f"# {name}") and " down;" not in line for line in lines)


def await_condition(condition: Callable[[], bool], problem: str) -> None:
    """Wait for something; after a minute that is an error."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(problem)
        time.sleep(0.05)


def reset(nginx: Nginx) -> None:
    """Put everybody back, and prepare."""
    for mark in nginx.drained.glob("*"):
        mark.unlink()
    prepare(nginx)


COMMANDS: dict[str, Callable[..., None]] = {"watch": watch, "prepare": prepare, "reset": reset, "drain": drain, "restore": restore}


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    command = COMMANDS.get(arguments[0]) if arguments else None
    if command is None or len(arguments) != (2 if command in (drain, restore) else 1):
        sys.exit(__doc__)
    command(Nginx(), *arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
