# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of `site`: whole ones, and those that are killed at a moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_checks import playbook
from demo.machine import CA_BUNDLE, CHECKOUT, DemoError, shown

from .containers import HOME, NAME, kill_process
from .points import ALL, MIGRATE, MODULE, Moment, Step

SETTINGS = {
    "ANSIBLE_PIPELINING": "true",
    "ANSIBLE_INJECT_FACT_VARS": "false",
    "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
    "ANSIBLE_INVENTORY_IGNORE_PATTERNS": "^credentials$",
    "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callbacks"),
    "ANSIBLE_CALLBACKS_ENABLED": "steps",
}
INVENTORY = f"""\
---
airflow:
  children:
    airflow_webserver: {{{{hosts: {{{{{NAME}: }}}}}}}}
    airflow_scheduler: {{{{hosts: {{{{{NAME}: }}}}}}}}
    airflow_metadata_db: {{{{hosts: {{{{{NAME}: }}}}}}}}
  vars:
    ansible_connection: community.docker.docker
    airflow_adopt_home: {HOME}
    airflow_version: {{version}}
    airflow_health_timeout: 300
    # Each of these runs would fly another one.
    airflow_canary_enabled: never
"""
SECONDS_TO_RUN = 1800
# Words in the command line of what is killed on the host, and of what only waits for it.
PROCESSES = {MODULE: ("AnsiballZ_airflow_metadata_copy", "--", "async_wrapper"), MIGRATE: ("airflow", "db migrate", "--", "AnsiballZ")}


@dataclass(frozen=True)
class Ended:
    """A run that came to its end."""

    status: int
    changed: int
    failed: int
    seconds: float
    output: str
    log: Path

    def in_words(self) -> str:
        """What it said last."""
        return f"site ended with {self.status}, see {shown(self.log)}: {self.output[-1500:]}"


@dataclass(frozen=True)
class Cut:
    """A run that was killed: what it was at, and which process it was."""

    task: str
    pid: int
    status: int


def write_inventory(folder: Path, version: str) -> Path:
    """The inventory of a lift."""
    place = folder / "hosts.yml"
    text = INVENTORY.format(version=version)
    if CA_BUNDLE.exists():
        text += f"    airflow_ca_bundle: {CA_BUNDLE}\n"
    place.write_text(text, encoding="utf-8")
    return place


def command(inventory: Path, *words: str) -> list[str]:
    """How `site` is called."""
    return ["ansible-playbook", "--inventory", str(inventory), *words, "updraft.airflow.site"]


def environment(folder: Path, name: str) -> dict[str, str]:
    """What it is called with; what a killed one leaves is in the folder."""
    own = {"UPDRAFT_STEPS": str(folder / f"{name}.steps"), "ANSIBLE_LOCAL_TEMP": str(folder / "ansible-tmp")}
    return {**os.environ, **playbook.ENVIRONMENT, **SETTINGS, **own}


def start(folder: Path, name: str, inventory: Path, *words: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start a run, in a session of its own."""
    (folder / f"{name}.steps").unlink(missing_ok=True)
    log = (folder / f"{name}.log").open("w", encoding="utf-8")
    with log:
        return subprocess.Popen(
            [*before, *command(inventory, *words)],
            cwd=CHECKOUT,
            env=environment(folder, name),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def finish(process: subprocess.Popen[str], folder: Path, name: str, began: float) -> Ended:
    """Wait for a run to end."""
    status = process.wait(SECONDS_TO_RUN)
    log = folder / f"{name}.log"
    output = log.read_text(encoding="utf-8")
    counts = [[int(number) for number in numbers] for _name, *numbers in playbook.RECAP.findall(output)]
    _ok, changed, failed = [sum(column) for column in zip(*counts)] or [0, 0, 0]
    return Ended(status, changed, failed, time.monotonic() - began, output, log)


def site(folder: Path, name: str, inventory: Path, *words: str, before: Sequence[str] = ()) -> Ended:
    """Run `site` to its end."""
    began = time.monotonic()
    return finish(start(folder, name, inventory, *words, before=before), folder, name, began)


def begun(folder: Path, name: str) -> list[tuple[str, int, float]]:
    """The tasks of a run that have begun, and when; the last one has no name once the run has ended."""
    place = folder / f"{name}.steps"
    # The last line may be half there.
    lines = place.read_text(encoding="utf-8").split("\n")[:-1] if place.exists() else []
    return [(said["name"], said["occurrence"], said["at"]) for said in map(json.loads, lines)]


def steps(folder: Path, name: str) -> list[Step]:
    """The tasks of a run with the time that each took, up to the one that it was killed in."""
    found = begun(folder, name)
    return [Step(task, occurrence, after[2] - at) for (task, occurrence, at), after in zip(found, found[1:])]


def descendants(pid: int) -> list[int]:
    """The processes below one."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                text = Path(f"/proc/{name}/stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            below.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(name))
    found, parents = [], [pid]
    while parents:
        children = [child for parent in parents for child in below.get(parent, [])]
        found += children
        parents = children
    return found


def kill_controller(process: subprocess.Popen[str], what: str) -> None:
    """Kill it as a shell's `kill -9 %1` does, or as a loss of its machine."""
    children = descendants(process.pid) if what == ALL else []
    os.killpg(process.pid, signal.SIGKILL)
    for child in children:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue


def wait_for(process: subprocess.Popen[str], seen: Callable[[], bool], what: str) -> None:
    """Wait until a run has come so far. Raises DemoError when it has ended before."""
    deadline = time.monotonic() + SECONDS_TO_RUN
    while not seen():
        if process.poll() is not None:
            raise DemoError(f"The run ended with {process.returncode} before {what}.")
        if time.monotonic() > deadline:
            kill_controller(process, ALL)
            raise DemoError(f"The run did not come to {what} within {SECONDS_TO_RUN} seconds.")
        time.sleep(0.01)


def cut_off(folder: Path, name: str, inventory: Path, moment: Moment, what: str) -> Cut:
    """Run `site`, and kill it at a moment. Raises DemoError when nothing was killed."""
    process = start(folder, name, inventory)

    def has_begun() -> bool:
        return any((task, occurrence) == (moment.task, moment.occurrence) for task, occurrence, _at in begun(folder, name))

    wait_for(process, has_begun, f"the task {moment.task}")
    if what in PROCESSES:
        killed = kill_process(60, moment.delay, *PROCESSES[what])
        status = process.wait(SECONDS_TO_RUN)
        if not killed:
            raise DemoError(f"No process of {what} was there to be killed in the task {moment.task}.")
        return Cut(moment.task, process.pid, status)
    time.sleep(moment.delay)
    if process.poll() is not None:
        raise DemoError(f"The run ended with {process.returncode} before it was killed.")
    kill_controller(process, what)
    status = process.wait(60)
    at = begun(folder, name)[-1][0]
    return Cut(at or "the end", process.pid, status)
