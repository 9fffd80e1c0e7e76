# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_old_daemons
short_description: Stop daemons of Airflow that were started by hand, without losing a task
version_added: 0.1.0
description:
  - Ends the daemons of a hand-made installation, or starts them again as they were.
  - First the scheduler is kept from starting tasks. Its main process is stopped with SIGSTOP, at a moment when it has no lock on its
    SQLite database, or when no transaction stays open on its PostgreSQL server. Then the module waits until the tasks that run have
    ended, and only then it ends the daemons, the scheduler first.
  - When a task still runs after O(drain_timeout), the scheduler goes on, everything runs as before, and the module fails with the names
    of the tasks.
  - The module undoes that too when it is ended by a signal. After SIGKILL, and when a controller ends after V(drained), the scheduler stays
    frozen. The next run goes on with it, and C(kill -CONT) with its pid lets it go on by hand.
  - The daemons are found by their pid files, command lines and environment. A process gets a signal only when its start time still is the
    one that was seen, and a process group never gets one.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells what would be stopped, and what runs now.
  diff_mode:
    support: none
    description: Processes have no diff.
extends_documentation_fragment:
  - updraft.airflow.database
options:
  home:
    description: The C(AIRFLOW_HOME) of the installation.
    type: path
    required: true
  state:
    description:
      - With V(drained) the scheduler is frozen and no task runs. V(stopped) ends everything.
      - V(started) lets a frozen scheduler go on, and starts what O(restart_file) remembers and does not run.
    type: str
    choices: [drained, stopped, started]
    default: stopped
  executor:
    description: The executor of the installation. The scheduler of SequentialExecutor is killed once no task runs, because on a TERM it
      runs tasks again.
    type: str
  metadata_path:
    description: Its SQLite database, which is only read. Without it, running tasks are known by their processes alone.
    type: path
  database:
    description:
      - Its metadata database when that is on a PostgreSQL server, which is asked for open transactions of this role while the scheduler
        is stopped. Without it, a scheduler can be frozen with locks that running tasks wait for.
      - A transaction that stays open for 30 seconds while the scheduler goes on again and again is taken for somebody else's.
  drain_timeout:
    description: How many seconds running tasks may take to end.
    type: int
    default: 600
  stop_timeout:
    description: How many seconds a daemon may take to end before it is killed. No task runs then.
    type: int
    default: 60
  restart_file:
    description:
      - Where V(stopped) writes, before its first signal, how to start the daemons again. It holds their environment, so only root can
        read it. V(started) removes it.
      - Required when O(state) is V(stopped) or V(started).
    type: path
  keep_restart_file:
    description: Whether V(started) leaves O(restart_file), so that the same daemons can be started by it once more.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Stop the daemons that were started by hand
  updraft.airflow.airflow_old_daemons:
    home: /home/jane/airflow
    state: stopped
    executor: SequentialExecutor
    metadata_path: /home/jane/airflow/airflow.db
    drain_timeout: 600
    restart_file: /opt/airflow/backups/restart.json
"""

RETURN = r"""
stopped:
  description: The daemons that were, or in check mode would be, stopped.
  returned: success
  type: list
  elements: dict
  sample: [{kind: scheduler, pid: 4711}]
started:
  description: Kinds of the daemons that were, or in check mode would be, started again.
  returned: success
  type: list
  elements: str
waited_for:
  description: Tasks that ran when the module started, or while it kept the scheduler from starting more.
  returned: success
  type: list
  elements: dict
  sample: [{dag_id: report, task_id: load, run_id: manual__2026-01-01, map_index: -1}]
abandoned:
  description: Tasks that the database calls running, and that have no process and gave no sign of life for a minute.
  returned: success
  type: list
  elements: dict
drained:
  description: After how many seconds no task ran any more, and the daemons were ended.
  returned: when daemons were stopped
  type: float
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import contextlib
import fcntl
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._database import ARGUMENTS, Database, DatabaseError
from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import Daemon, find_daemons
from ansible_collections.updraft.airflow.plugins.module_utils.host_restart import (
    RestartFileError,
    StartError,
    recall,
    remember,
    start_again,
    stopped_daemons,
)
from ansible_collections.updraft.airflow.plugins.module_utils.host_stopping import (
    StopError,
    components,
    end,
    freeze,
    is_same,
    schedulers,
    thaw,
)
from ansible_collections.updraft.airflow.plugins.module_utils.host_tasks import KEYS, Tasks, is_silent, names, told_by, without_time

PAUSE = 0.5


class Stopper:
    """Drains and ends the daemons of one AIRFLOW_HOME."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.database = Database(parameters["database"]) if parameters["database"] else None
        self.daemons = find_daemons(parameters["home"])
        self.tasks = Tasks(parameters["home"], parameters["metadata_path"])
        self.waited_for = [task for task in self.tasks.recorded() if not is_silent(task)] if self.daemons else []
        self.abandoned: list[dict[str, Any]] = []

    def drain(self) -> bool:
        """Freeze the scheduler and wait for the tasks; True when something was frozen. Undone when that fails in any way."""
        to_freeze = [daemon.process for daemon in schedulers(self.daemons) if daemon.process.state not in "Tt"]
        try:
            for process in to_freeze:
                freeze(process, self.database)
            self._wait_for_tasks()
        except BaseException:
            for daemon in schedulers(self.daemons):
                thaw(daemon.process)
            raise
        return bool(to_freeze)

    def _wait_for_tasks(self) -> None:
        """Return when no task runs: it has no process, and the database does not know it as alive."""
        seen = {tuple(task[key] for key in KEYS): task for task in self.waited_for}
        timeout = self.parameters["drain_timeout"]
        deadline = time.monotonic() + timeout
        while True:
            processes = self.tasks.processes(self.daemons)
            recorded = self.tasks.recorded()
            running = recorded or told_by(processes) if processes else [task for task in recorded if not is_silent(task)]
            seen.update({tuple(task[key] for key in KEYS): task for task in running})
            self.waited_for = list(seen.values())
            if not processes and not running:
                self.abandoned = recorded
                return
            if time.monotonic() > deadline:
                raise StopError(
                    f"Still running after {timeout} seconds: {names(running, processes)}; nothing was stopped: let it end, "
                    "or raise airflow_drain_timeout."
                )
            time.sleep(PAUSE)

    def stop(self) -> None:
        """End every daemon; the scheduler is frozen and no task runs."""
        remember(self.daemons, self.parameters["restart_file"], self.parameters["home"])
        for daemon in components(self.daemons):
            if is_same(daemon.process):
                end(daemon, self.parameters["stop_timeout"], kill=self._must_not_go_on(daemon))

    def _must_not_go_on(self, daemon: Daemon) -> bool:
        """Whether a TERM could make the scheduler start tasks.

        SequentialExecutor keeps the commands of a round in a list that it empties at the end of the round, and on TERM it runs that list
        once more before it ends. KILL loses nothing here: the process is frozen, holds no lock and so is in no transaction, no task runs,
        and what is queued is in the database, from where the next scheduler takes it.
        """
        return daemon.kind == "scheduler" and "SequentialExecutor" in (self.parameters["executor"] or "")


def stop(module: AnsibleModule) -> dict[str, Any]:
    """Bring the daemons to drained or stopped."""
    stopper = Stopper(module.params)
    draining = module.params["state"] == "drained"
    changed = bool(stopper.daemons)
    told = {}
    if module.check_mode:
        if draining:
            changed = any(daemon.process.state not in "Tt" for daemon in schedulers(stopper.daemons))
    elif stopper.daemons:
        started = time.monotonic()
        frozen = stopper.drain()
        if draining:
            changed = frozen
        else:
            told = {"drained": round(time.monotonic() - started, 1)}
            stopper.stop()
    stopped = [] if draining else [{"kind": each.kind, "pid": each.process.pid} for each in components(stopper.daemons)]
    return {
        "changed": changed,
        "stopped": stopped,
        "started": [],
        **told,
        "waited_for": without_time(stopper.waited_for),
        "abandoned": without_time(stopper.abandoned),
    }


def start(module: AnsibleModule) -> dict[str, Any]:
    """Let everything run as before."""
    home, path = module.params["home"], module.params["restart_file"]
    daemons = find_daemons(home)
    frozen = [daemon for daemon in schedulers(daemons) if daemon.process.state in "Tt"]
    remembered = recall(path, home)
    started = [daemon.kind for daemon in stopped_daemons(path, home, daemons)]
    if not module.check_mode:
        for daemon in frozen:
            thaw(daemon.process)
        started = start_again(path, home)
        if remembered and not module.params["keep_restart_file"]:
            os.unlink(path)
    return {"changed": bool(frozen or started), "stopped": [], "started": started, "waited_for": [], "abandoned": []}


@contextlib.contextmanager
def alone(module: AnsibleModule) -> Iterator[None]:
    """Wait until nobody else does something to the daemons of this home.

    A run that was killed leaves its module at work, which would let go on what this one has frozen.
    """
    home = module.params["home"]
    if module.check_mode or not os.path.isdir(home):
        yield
        return
    handle = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def leave(_number: int, _frame: object) -> None:
    """Make a signal an exception, so that a frozen scheduler goes on when the connection breaks."""
    raise SystemExit(1)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["drained", "stopped", "started"], "default": "stopped"},
            "executor": {"type": "str"},
            "metadata_path": {"type": "path"},
            "database": {**ARGUMENTS, "required": False},
            "drain_timeout": {"type": "int", "default": 600},
            "stop_timeout": {"type": "int", "default": 60},
            "restart_file": {"type": "path"},
            "keep_restart_file": {"type": "bool", "default": False},
        },
        required_if=[("state", "stopped", ["restart_file"]), ("state", "started", ["restart_file"])],
        supports_check_mode=True,
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    started = time.monotonic()
    try:
        with alone(module):
            result = start(module) if module.params["state"] == "started" else stop(module)
    except (StopError, StartError, RestartFileError) as error:
        module.fail_json(msg=str(error))
    except (sqlite3.Error, OSError, DatabaseError) as error:
        module.fail_json(msg=f"The daemons of {module.params['home']} could not be handled: {error}")
    module.exit_json(seconds=round(time.monotonic() - started, 1), **result)


if __name__ == "__main__":
    main()
