# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting daemons again as they were started by hand. What that needs is kept in a file that only root reads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from contextlib import suppress
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import API_SERVER_TITLE, Daemon, find_daemons
from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import Process, output_file, umask, working_folder
from ansible_collections.updraft.airflow.plugins.module_utils.host_stopping import ORDER

START_TIMEOUT = 120
RESTART_FILE = os.path.join("backups", "restart.json")
"""Where the file is, below `airflow_home`."""


class StartError(Exception):
    """A daemon could not be started again; the text is for the user."""


class RestartFileError(Exception):
    """What an earlier run remembered cannot be read; the text is for the user."""


def remember(daemons: list[Daemon], path: str, home: str) -> None:
    """Write how to start the daemons again; what an interrupted run wrote is kept for those that it ended."""
    ended = _not_running(recall(path, home), daemons)
    _write(path, {"home": home, "daemons": ended + [_recipe(daemon) for daemon in daemons]})


def recall(path: str, home: str) -> list[dict[str, Any]]:
    """How to start what was stopped of an AIRFLOW_HOME, or nothing. Raises RestartFileError."""
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise RestartFileError(f"{path}, which says how the old daemons are started again, is damaged ({error}): remove it.") from None
    return list(content["daemons"]) if content["home"] == home else []


def stopped_daemons(path: str, home: str, running: list[Daemon]) -> list[Daemon]:
    """The daemons that an interrupted run ended, as they were; those that run again are left out."""
    return [_as_it_was(entry) for entry in _not_running(recall(path, home), running)]


def _not_running(entries: list[dict[str, Any]], running: list[Daemon]) -> list[dict[str, Any]]:
    """The entries whose daemon does not run. `airflow standalone` and its parts, started one by one, stand for each other."""
    kinds = {daemon.kind for daemon in running}
    return [
        entry
        for entry in entries
        if entry["kind"] not in kinds and "standalone" not in kinds and not (entry["kind"] == "standalone" and "scheduler" in kinds)
    ]


def _as_it_was(entry: dict[str, Any]) -> Daemon:
    process = Process(0, 0, entry["uid"], entry["gid"], 0, "X", tuple(entry["argv"]))
    children = [Daemon(child["kind"], process, child["argv"], environment=child["environment"]) for child in entry["children"]]
    return Daemon(entry["kind"], process, entry["argv"], environment=entry["environment"], children=children)


def _write(path: str, content: dict[str, Any]) -> None:
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".updraft-")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def _recipe(daemon: Daemon) -> dict[str, Any]:
    process = daemon.process
    return {
        "kind": daemon.kind,
        "argv": command_of(daemon),
        "environment": daemon.environment or {},
        "children": [{"kind": each.kind, "argv": each.argv, "environment": each.environment} for each in daemon.children],
        "cwd": working_folder(process) or "/",
        "uid": process.uid,
        "gid": process.gid,
        "user": process.user,
        "umask": umask(process),
        "output": [output_file(process, 1), output_file(process, 2)],
    }


def command_of(daemon: Daemon) -> list[str]:
    """The command line that starts the daemon; one that set its own title is started by the `airflow` on its search path."""
    if os.path.isabs(daemon.argv[0]):
        return daemon.argv
    command = [_airflow_on(daemon.environment or {}), *re.sub(r"^celery-", "celery ", daemon.kind).split()]
    told = API_SERVER_TITLE.match(" ".join(daemon.process.arguments))
    return [*command, "--host", told.group("host"), "--port", told.group("port")] if told else command


def _airflow_on(environment: dict[str, str]) -> str:
    candidates = [os.path.join(folder, "airflow") for folder in environment.get("PATH", "").split(os.pathsep) if folder]
    return next((path for path in candidates if os.access(path, os.X_OK)), "airflow")


def start_again(path: str, home: str) -> list[str]:
    """Start what is remembered and does not run; returns the kinds. The webserver comes first, the scheduler last."""
    missing = _not_running(recall(path, home), find_daemons(home))
    missing.sort(key=lambda entry: -ORDER.index(entry["kind"]))
    for entry in missing:
        _start(entry)
        _wait_for(entry["kind"], home)
    return [entry["kind"] for entry in missing]


def _start(entry: dict[str, Any]) -> None:
    def become() -> None:
        os.umask(entry["umask"])
        if os.geteuid() == 0:
            os.initgroups(entry["user"], entry["gid"])
            os.setgid(entry["gid"])
            os.setuid(entry["uid"])
        # Opened only now, as the user who owns the files.
        for descriptor, path in zip((1, 2), entry["output"]):
            os.dup2(_open_output(path), descriptor)

    process = subprocess.Popen(
        entry["argv"],
        env=entry["environment"],
        cwd=entry["cwd"] if os.path.isdir(entry["cwd"]) else "/",
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=become,
    )
    if {"-D", "--daemon"} & set(entry["argv"]):
        # The command ends when the daemon is on its own.
        try:
            failed = process.wait(START_TIMEOUT) != 0
        except subprocess.TimeoutExpired:
            failed = True
        if failed:
            raise StartError(f"The {entry['kind']} did not start again; as {entry['user']}, run: {' '.join(entry['argv'])}")


def _open_output(path: str | None) -> int:
    """What the daemon wrote its output to. A file that a shell of somebody else opened for it cannot be had again."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    if path:
        with suppress(OSError):
            return os.open(path, flags, 0o666)
    return os.open(os.devnull, os.O_WRONLY)


def _wait_for(kind: str, home: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while kind not in {daemon.kind for daemon in find_daemons(home)}:
        if time.monotonic() > deadline:
            raise StartError(f"The {kind} did not start again; look at its log in {home}.")
        time.sleep(0.5)
