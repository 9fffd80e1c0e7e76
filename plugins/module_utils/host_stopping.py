# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending daemons that somebody started by hand, so that no task is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

from ansible_collections.updraft.airflow.plugins.module_utils._database import Database
from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import Daemon
from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import (
    Process,
    descendants,
    list_processes,
    read_process,
)
from ansible_collections.updraft.airflow.plugins.module_utils.host_transactions import Transactions

# The scheduler first, so that nothing new starts; what a task of 3.x talks to last; a parent after its children.
ORDER = (
    "scheduler",
    "celery-worker",
    "celery-flower",
    "triggerer",
    "dag-processor",
    "webserver",
    "api-server",
    "standalone",
)
PAUSE = 0.25
# SQLite locks bytes of the database file from here on: pending, reserved, then the range that readers share.
FILE_LOCKS = range(0x40000000, 0x40000000 + 512)
# And of the -shm file, when there is a write-ahead log: writer, checkpointer and recovery, then readers and a mark of who has it open.
LOG_WRITERS = range(120, 123)
LOG_LOCKS = range(120, 129)
FREEZE_TIMEOUT = 60


class StopError(Exception):
    """A daemon could not be stopped; the text is for the user."""


def components(daemons: list[Daemon]) -> list[Daemon]:
    """All daemons in the order in which they are stopped; `airflow standalone` counts with the four it started."""
    found = []
    for daemon in daemons:
        found += [daemon, *daemon.children] if daemon.kind == "standalone" else [daemon]
    return sorted(found, key=lambda daemon: ORDER.index(daemon.kind))


def schedulers(daemons: list[Daemon]) -> list[Daemon]:
    """The schedulers among them."""
    return [daemon for daemon in components(daemons) if daemon.kind == "scheduler"]


def is_same(process: Process) -> bool:
    """Whether the pid still is this process; only then may it get a signal."""
    now = read_process(process.pid)
    return now is not None and now.started == process.started


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal to this process alone, never to its group, and only if the pid still is this process."""
    if is_same(process):
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def freeze(scheduler: Process, database: Database | None = None) -> None:
    """Keep a scheduler from starting tasks; what runs goes on.

    A process that is stopped within a transaction keeps its locks, and no task could write its state. So it is let go and caught again
    until it holds none. Of SQLite the system knows the locks; a PostgreSQL server is asked for open transactions, which raises
    DatabaseError when it does not answer.
    """
    transactions = Transactions(database) if database and database.engine == "postgresql" else None
    deadline = time.monotonic() + FREEZE_TIMEOUT
    while is_same(scheduler):
        send(scheduler, signal.SIGSTOP)
        _wait_until_stopped(scheduler)
        if not holds_sqlite_lock(scheduler.pid) and not (transactions and transactions.stay_open()):
            return
        send(scheduler, signal.SIGCONT)
        if time.monotonic() > deadline:
            raise StopError(
                f"The scheduler (process {scheduler.pid}) held its database locked for {FREEZE_TIMEOUT} seconds; "
                "look at its log, and run again when it is idle."
            )
        # Looking at a server takes longer, and a scheduler that is stopped most of the time would not get to the end of a transaction.
        time.sleep(0.5 if transactions else 0.05)


def _wait_until_stopped(process: Process) -> None:
    for _attempt in range(200):
        now = read_process(process.pid)
        if now is None or now.state in "Tt":
            return
        time.sleep(0.01)


def thaw(scheduler: Process) -> None:
    """Let a frozen scheduler go on."""
    send(scheduler, signal.SIGCONT)


def holds_sqlite_lock(pid: int) -> bool:
    """Whether a process has a lock that keeps others from writing to an SQLite database."""
    with open("/proc/locks", encoding="ascii") as handle:
        # 1: POSIX  ADVISORY  WRITE 4711 08:01:131 1073741825 1073741825
        lines = [line.split() for line in handle]
    locks = [(fields[3], int(fields[6])) for fields in lines if fields[1] == "POSIX" and fields[4] == str(pid)]
    # With a write-ahead log every connection is a reader of the database file all its life, and keeps nobody from writing.
    has_log = any(first in LOG_LOCKS for _kind, first in locks)
    return any(first in (LOG_WRITERS if has_log else FILE_LOCKS) and (kind == "WRITE" or not has_log) for kind, first in locks)


def end(daemon: Daemon, timeout: float, kill: bool = False) -> None:
    """End a daemon with everything it started: TERM to its main process, and KILL for what is left after the timeout.

    With `kill` a frozen scheduler never goes on. Otherwise a frozen process takes the TERM before it does anything else.
    """
    family = _family(daemon)
    if kill:
        send(daemon.process, signal.SIGKILL)
    else:
        send(daemon.process, signal.SIGTERM)
        send(daemon.process, signal.SIGCONT)
        _wait([daemon.process], timeout)
    # A log server or a DAG processor can outlive its parent; a moment is enough for those that end by themselves.
    left = _wait(family, 0 if kill else 5)
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 10)):
        for process in left:
            send(process, number)
        left = _wait(left, patience)
    if left:
        raise StopError(f"The {daemon.kind} (process {left[0].pid}) cannot be ended; look at what it waits for, and run again.")


def _family(daemon: Daemon) -> list[Process]:
    everything = list_processes()
    family = {daemon.process.pid: daemon.process}
    # The components of `airflow standalone` were ended before it, each with its own family.
    for member in (daemon, *daemon.children):
        family[member.process.pid] = member.process
        family.update({process.pid: process for process in descendants(member.process.pid, everything)})
    return list(family.values())


def _wait(processes: Iterable[Process], timeout: float) -> list[Process]:
    """Wait until the processes are gone; the ones that are not are returned."""
    deadline = time.monotonic() + timeout
    left = [process for process in processes if is_same(process)]
    while left and time.monotonic() < deadline:
        time.sleep(PAUSE)
        left = [process for process in left if is_same(process)]
    return left
