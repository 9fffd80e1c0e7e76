# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hand-made installation with real processes, files and databases, but without Airflow in it."""

from __future__ import annotations

import importlib
import json
import os
import pwd
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

# What `bin/airflow` is here: a process that stays until it is told to go. TITLE makes it overwrite its command line and environment the way
# setproctitle does: the variables move to the heap. TASK gives it a child with the title of a running task, which ends once its parent is
# frozen, and says so in the database; STUBBORN one that ignores TERM.
SCRIPT = r'''
import ctypes, os, signal, subprocess, sys, threading

TASK = """
import signal, sqlite3, sys, time
print(flush=True)
parent, database = sys.argv[1:]
try:
    while open(f"/proc/{parent}/stat").read().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)
except OSError:
    signal.pause()
with sqlite3.connect(database) as connection:
    connection.execute("UPDATE task_instance SET state = 'success'")
"""

def set_title(title):
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.strdup.restype = ctypes.c_void_p
    environ = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "environ")
    count = 0
    while environ[count]:
        count += 1
    copy = ctypes.cast(libc.malloc(8 * (count + 1)), ctypes.POINTER(ctypes.c_void_p))
    for index in range(count):
        copy[index] = libc.strdup(ctypes.c_void_p(environ[index]))
    copy[count] = None
    ctypes.c_void_p.in_dll(libc, "environ").value = ctypes.cast(copy, ctypes.c_void_p).value
    fields = open("/proc/self/stat").read().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[48])
    # The last variable often stays where it was.
    last = len(ctypes.string_at(copy[count - 1])) + 1
    ctypes.memset(start, 0, end - start - last)
    ctypes.memmove(start, title.encode(), len(title))

def spawn(title, code, *arguments):
    return subprocess.Popen([title, "-c", code, *arguments], executable=sys.executable, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
if "TITLE" in os.environ:
    set_title(os.environ["TITLE"])
if "STANDALONE" in os.environ:
    environment = {name: value for name, value in os.environ.items() if name != "STANDALONE"}
    for kind in ("api-server", "scheduler"):
        child = subprocess.Popen([sys.executable, sys.argv[0], kind], env=environment, stdout=subprocess.PIPE)
        child.stdout.readline()
        # Collect children, as Airflow's standalone does with a thread for each.
        threading.Thread(target=child.wait, daemon=True).start()
if "TASK" in os.environ:
    child = spawn("airflow task runner: report load manual_0 1", TASK, str(os.getpid()), os.environ["TASK"])
    # A command line is empty for a moment after a process has begun.
    child.stdout.readline()
if "STUBBORN" in os.environ:
    child = spawn("airflow serve-logs", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()")
    child.stdout.readline()
print("ready", flush=True)
if "LOCK" in os.environ:
    import sqlite3
    connection = sqlite3.connect(os.environ["LOCK"], isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    sys.stdin.readline()
    connection.execute("ROLLBACK")
while True:
    signal.pause()
'''

CONFIG = """\
[core]
dags_folder = ~/dags with space
fernet_key = abc
[webserver]
web_server_port = 8099
instance_name = 50%% off
[logging]
log_format = [%%(asctime)s] %%(message)s
"""

TASK_INSTANCE = """\
CREATE TABLE task_instance (dag_id TEXT, task_id TEXT, run_id TEXT, map_index INTEGER, state TEXT, start_date TEXT, last_heartbeat_at TEXT)
"""


class OldAirflow:
    """A folder of a user, with an AIRFLOW_HOME and a virtual environment in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "my airflow"
        self.prefix = folder / "airflow-venv"
        self.script = self.prefix / "bin" / "airflow"
        self.database = self.home / "airflow.db"
        self.processes: list[subprocess.Popen[str]] = []
        self.home.mkdir()
        (self.home / "airflow.cfg").write_text(CONFIG)
        self._make_environment()

    def _make_environment(self) -> None:
        interpreter = Path(os.path.realpath(sys.executable))
        self.script.parent.mkdir(parents=True)
        (self.prefix / "bin" / "python").symlink_to(interpreter)
        version = ".".join(str(part) for part in sys.version_info[:3])
        (self.prefix / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\nversion = {version}\n")
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)
        self.site = self.prefix / "lib" / f"python{version.rpartition('.')[0]}" / "site-packages"
        self.add_package("apache-airflow", "2.11.2")

    def add_package(self, name: str, version: str, url: str | None = None) -> None:
        """What an installer records of a package."""
        folder = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nVersion: of the text\n")
        if url:
            (folder / "direct_url.json").write_text(f'{{"url": "{url}"}}')

    def make_database(self, *states: str, seen: str = "2000-01-01 00:00:00.000000") -> None:
        """A metadata database with one task instance for each state."""
        with sqlite3.connect(self.database) as connection:
            connection.execute(TASK_INSTANCE)
            rows = [("report", "load", f"manual_{number}", -1, state, seen, seen) for number, state in enumerate(states)]
            connection.executemany("INSERT INTO task_instance VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.close()

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a daemon and wait until it is up."""
        environment = {"HOME": str(self.folder), "PATH": f"{self.prefix}/bin:/usr/bin:/bin", "AIRFLOW_HOME": str(self.home), **variables}
        process = subprocess.Popen(
            [str(self.prefix / "bin" / "python"), str(self.script), *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process

    def end(self) -> None:
        """End what was started and what that started, by pid."""
        for process in self.processes:
            for pid in [*_below(process.pid), process.pid]:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                stream.close()


def _below(pid: int) -> list[int]:
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [found for child in children for found in (*_below(int(child)), int(child))]


@pytest.fixture
def old_airflow(tmp_path: Path) -> Iterator[OldAirflow]:
    """A hand-made installation; its processes are ended afterwards."""
    installation = OldAirflow(tmp_path)
    yield installation
    installation.end()


@pytest.fixture
def user() -> str:
    """The user these tests run as."""
    return pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def call_module(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """A function that calls a module of this collection within this process and returns its result."""

    def call(name: str, check_mode: bool = False, **arguments: Any) -> dict[str, Any]:
        module = importlib.import_module(f"ansible_collections.updraft.airflow.plugins.modules.{name}")
        with patch_module_args({**arguments, "_ansible_check_mode": check_mode}), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
        return result

    return call
