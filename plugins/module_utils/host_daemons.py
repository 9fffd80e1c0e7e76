# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons of Airflow that somebody started by hand: which processes they are, and which AIRFLOW_HOME they belong to."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, field

from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import (
    Process,
    environment,
    in_container,
    list_processes,
    open_files,
    working_folder,
)

COMMANDS = ("webserver", "scheduler", "triggerer", "dag-processor", "api-server", "standalone")
CELERY_COMMANDS = ("worker", "flower")
# Titles that daemons give themselves, in place of their command line.
TITLES = (
    (re.compile(r"airflow api_server -- "), "api-server"),
    (re.compile(r"gunicorn: master \[airflow-webserver\]"), "webserver"),
    (re.compile(r"\[celeryd: .*:MainProcess\]"), "celery-worker"),
)
API_SERVER_TITLE = re.compile(r"airflow api_server -- host:(?P<host>\S+) port:(?P<port>\d+)")
CARRIED = re.compile(r"AIRFLOW__\w+|AIRFLOW_CONN_\w+|AIRFLOW_VAR_\w+|AIRFLOW_HOME|AIRFLOW_CONFIG")


@dataclass
class Daemon:
    """The main process of a daemon."""

    kind: str
    process: Process
    argv: list[str]
    pid_file: str | None = None
    environment: dict[str, str] | None = None
    children: list[Daemon] = field(default_factory=list)


def kind_of(arguments: tuple[str, ...]) -> str | None:
    """Which daemon of Airflow a command line is, or None."""
    title = " ".join(arguments)
    for pattern, kind in TITLES:
        if pattern.match(title):
            return kind
    return _kind_of_command(words_of(arguments))


def words_of(arguments: tuple[str, ...]) -> list[str]:
    """The command line as words. A title in one piece is split at its spaces."""
    return arguments[0].split() if len(arguments) == 1 else list(arguments)


def _kind_of_command(words: list[str]) -> str | None:
    if not words or not os.path.basename(words[0]).startswith("python"):
        return None
    if words[1:3] == ["-m", "airflow"]:
        command = words[3:5]
    elif len(words) > 1 and os.path.basename(words[1]) == "airflow":
        command = words[2:4]
    else:
        return None
    if command and command[0] in COMMANDS:
        return command[0]
    if len(command) == 2 and command[0] == "celery" and command[1] in CELERY_COMMANDS:
        return "celery-" + command[1]
    return None


def find_daemons(home: str) -> list[Daemon]:
    """The main process of each daemon of an AIRFLOW_HOME, in the order of their start."""
    processes = list_processes()
    pid_files = read_pid_files(home)
    candidates = {}
    for process in processes.values():
        kind = kind_of(process.arguments)
        if kind and not in_container(process):
            values = environment(process)
            if process.pid in pid_files or belongs_to(process, values, home):
                argv = words_of(process.arguments)
                candidates[process.pid] = Daemon(kind, process, argv, pid_files.get(process.pid), values)
    main = [daemon for daemon in candidates.values() if _nest(daemon, candidates, processes)]
    return sorted(_without_masters(main), key=lambda daemon: (daemon.process.started, daemon.process.pid))


def read_pid_files(home: str) -> dict[int, str]:
    """Pid files in a folder by the pid they hold."""
    found = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(home), "airflow-*.pid"))):
        try:
            with open(path, encoding="ascii") as handle:
                found[int(handle.read().strip())] = path
        except (OSError, ValueError):
            continue
    return found


def belongs_to(process: Process, values: dict[str, str] | None, home: str) -> bool:
    """Whether a process works for an AIRFLOW_HOME, by its environment, or by its open files where that cannot be read."""
    if values is None:
        return any(path.startswith(home + os.sep) for path in open_files(process))
    user_home = values.get("HOME", os.path.expanduser("~" + process.user))
    given = values.get("AIRFLOW_HOME") or "~/airflow"
    if given == "~" or given.startswith("~/"):
        given = user_home + given[1:]
    given = os.path.join(working_folder(process) or "/", given)
    return os.path.realpath(given) == os.path.realpath(home)


def _nest(daemon: Daemon, candidates: dict[int, Daemon], processes: dict[int, Process]) -> bool:
    """Hand a daemon that was started by another one to that one; True when nobody of them started it."""
    parent = daemon.process.parent
    while parent in processes:
        if parent in candidates:
            candidates[parent].children.append(daemon)
            return False
        parent = processes[parent].parent
    return True


def _without_masters(daemons: list[Daemon]) -> list[Daemon]:
    """Hand gunicorn's master to the webserver that watches over it: started with -D it is no child of that."""
    webservers = [daemon for daemon in daemons if daemon.kind == "webserver" and not _is_master(daemon)]
    if not webservers:
        return daemons
    masters = [daemon for daemon in daemons if _is_master(daemon)]
    webservers[0].children += masters
    return [daemon for daemon in daemons if daemon not in masters]


def _is_master(daemon: Daemon) -> bool:
    return " ".join(daemon.process.arguments).startswith("gunicorn:")


def carried_environment(daemons: list[Daemon]) -> tuple[dict[str, str], list[str], list[str]]:
    """Airflow's variables of all daemons, names on whose value they differ, and kinds whose environment cannot be read.

    A variable that only some daemons have is no conflict: it was meant for those.
    """
    values: dict[str, str] = {}
    conflicts = set()
    unreadable = []
    for daemon in daemons:
        for each in (daemon, *daemon.children):
            if each.environment is None:
                unreadable.append(each.kind)
                continue
            for name, value in each.environment.items():
                if CARRIED.fullmatch(name) and values.setdefault(name, value) != value:
                    conflicts.add(name)
    return values, sorted(conflicts), unreadable


def listening_port(daemons: list[Daemon]) -> int | None:
    """The port that a running webserver was given on its command line or tells in its title."""
    for daemon in daemons:
        for each in (daemon, *daemon.children):
            if each.kind in ("webserver", "api-server"):
                port = _port_of(each.argv, " ".join(each.process.arguments))
                if port:
                    return port
    return None


def _port_of(argv: list[str], title: str) -> int | None:
    match = API_SERVER_TITLE.match(title)
    if match:
        return int(match.group("port"))
    for word, following in zip(argv, [*argv[1:], ""]):
        if word in ("-p", "--port") and following.isdigit():
            return int(following)
        attached = re.fullmatch(r"(?:--port=|-p)(\d+)", word)
        if attached:
            return int(attached.group(1))
    return None
