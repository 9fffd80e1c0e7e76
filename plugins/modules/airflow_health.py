# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_health
short_description: Wait until an Airflow daemon of this host reports itself healthy
version_added: 0.1.0
description:
  - Asks the daemon itself, not the installation. Airflow's own health page looks at the newest job of each kind only, so one dead
    scheduler of two goes unseen there.
  - A daemon counts as healthy when its unit is active, its page answers (where it has one), and its row in the table C(job) was started
    by this unit's process and has a recent heartbeat (where it has one).
  - A Celery worker is asked over its broker, which needs the package celery. Run the module with the Python of Airflow's virtual
    environment then.
  - Starts no Airflow process.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Does nothing in check mode, as the daemon may not be there yet.
  diff_mode:
    support: none
    description: Changes nothing.
extends_documentation_fragment:
  - updraft.airflow.database
options:
  unit:
    description: The daemon's systemd unit.
    type: str
    required: true
  url:
    description: A page that answers 200 when the daemon is well.
    type: str
  first_url:
    description:
      - A page that is asked once O(url) answers, so that what the daemon makes for its first request is made. It answers 200, too.
      - An API server of Airflow 3 makes its API for tasks when somebody asks for it first, and answers nobody meanwhile. Tasks that begin
        then would give up on a busy host, where this took 20 and 36 seconds.
    type: str
  job_type:
    description: The C(job_type) of the daemon's row in the table C(job).
    type: str
    choices: [SchedulerJob, TriggererJob, DagProcessorJob]
  database:
    description: The metadata database. Needed with O(job_type).
  node:
    description: The name of a Celery worker, as in V(celery@host).
    type: str
  queues:
    description: The queues that the worker of O(node) must consume from, no more and no fewer.
    type: list
    elements: str
    default: []
  broker_url:
    description: The address of the broker. Needed with O(node).
    type: str
  broker_ssl:
    description:
      - How the broker is verified, as Celery's C(broker_use_ssl). Needed where the address begins with V(rediss) or V(amqps).
    type: dict
  ca_path:
    description: The file of the authorities that may have signed the certificate of O(url); those of the host unless given.
    type: path
  server_name:
    description: The name or address that the certificate of O(url) has to be for, where it is not the one in O(url).
    type: str
  timeout:
    description: Seconds to wait.
    type: int
    default: 120
  heartbeat_age:
    description: Seconds after which a heartbeat is too old. Airflow's own threshold for schedulers is 30.
    type: int
    default: 30
  journal_lines:
    description: How many of the journal's last lines are shown when the daemon does not get healthy.
    type: int
    default: 20
"""

EXAMPLES = r"""
- name: Wait until the scheduler is healthy
  updraft.airflow.airflow_health:
    unit: airflow-scheduler
    url: http://127.0.0.1:8974/health
    job_type: SchedulerJob
    database: "{{ database }}"
"""

RETURN = r"""
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import http.client
import socket
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._celery_worker import worker_problem
from ansible_collections.updraft.airflow.plugins.module_utils._database import ARGUMENTS, Database, DatabaseError
from ansible_collections.updraft.airflow.plugins.module_utils.host_pages import verifying

PAUSE_SECONDS = 0.5
PAGE_SECONDS = 5


class Daemon:
    """One unit and the ways to ask it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        parameters = module.params
        self.unit: str = parameters["unit"]
        self.url: str | None = parameters["url"]
        self.first_url: str | None = parameters["first_url"]
        self.job_type: str | None = parameters["job_type"]
        self.node: str | None = parameters["node"]
        self.deadline: float = time.monotonic() + parameters["timeout"]
        self.heartbeat_age = timedelta(seconds=parameters["heartbeat_age"])
        self.database = Database(parameters["database"]) if parameters["database"] else None
        # A proxy of the environment is no way to a daemon of this host.
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), *verifying(parameters["ca_path"], parameters["server_name"])
        )

    def unit_state(self) -> dict[str, str]:
        """What systemd says of the unit."""
        _code, out, _error = self.module.run_command(
            ["systemctl", "show", self.unit, "--timestamp=unix", "--property=ActiveState,SubState,Result,ExecMainStartTimestamp,NRestarts"]
        )
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def problem(self) -> str | None:
        """Why the daemon is not healthy now, or None."""
        state = self.unit_state()
        if state.get("ActiveState") != "active":
            return f"the unit is {state.get('ActiveState', 'unknown')} ({state.get('Result', '')})"
        started = float(state["ExecMainStartTimestamp"].lstrip("@") or 0)
        return (
            self._page_problem(self.url, PAGE_SECONDS)
            or self._page_problem(self.first_url, self._seconds_left())
            or self._job_problem(started)
            or self._worker_problem()
        )

    def _worker_problem(self) -> str | None:
        if not self.node:
            return None
        return worker_problem(self.module.params["broker_url"], self.node, self.module.params["queues"], self.module.params["broker_ssl"])

    def _seconds_left(self) -> float:
        return max(self.deadline - time.monotonic(), PAGE_SECONDS)

    def _page_problem(self, url: str | None, seconds: float) -> str | None:
        if not url:
            return None
        try:
            with self.opener.open(url, timeout=seconds) as answer:
                return None if answer.status == http.client.OK else f"{url} answers {answer.status}"
        except urllib.error.HTTPError as error:
            return f"{url} answers {error.code}"
        except (OSError, ValueError) as error:
            return f"{url} does not answer: {error}"

    def _job_problem(self, started: float) -> str | None:
        if not self.job_type or not self.database:
            return None
        try:
            rows = self.database.query(
                "SELECT state, start_date, latest_heartbeat FROM job WHERE job_type = %s AND hostname IN (%s, %s, %s) ORDER BY id DESC",
                [self.job_type, *host_names()],
            )
        except DatabaseError as error:
            return str(error)
        # systemd cuts its time to the second.
        since = datetime.fromtimestamp(started, timezone.utc) - timedelta(seconds=1)
        for state, start, beat in rows:
            if state == "running" and as_utc(start) >= since and as_utc(beat) >= datetime.now(timezone.utc) - self.heartbeat_age:
                return None
        return f"it has written no heartbeat as {self.job_type} since its start"

    def journal(self, lines: int) -> str:
        """The last lines the daemon wrote."""
        _code, out, _error = self.module.run_command(
            ["journalctl", "--unit", self.unit, "--lines", str(lines), "--no-pager", "--output", "cat"]
        )
        return str(out).strip()


def host_names() -> list[str]:
    """The names under which Airflow may have registered this host, by the ways it has of finding one."""
    names = [socket.getfqdn(), socket.gethostname()]
    try:
        names.append(socket.gethostbyname(names[0]))
    except OSError:
        names.append(names[0])
    return names


def as_utc(value: Any) -> datetime:
    """A timestamp of the database; SQLite has them as text in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "url": {"type": "str"},
            "first_url": {"type": "str"},
            "job_type": {"choices": ["SchedulerJob", "TriggererJob", "DagProcessorJob"]},
            "database": {**ARGUMENTS, "required": False},
            "node": {"type": "str"},
            "queues": {"type": "list", "elements": "str", "default": []},
            "broker_url": {"type": "str", "no_log": True},
            "broker_ssl": {"type": "dict"},
            "ca_path": {"type": "path"},
            "server_name": {"type": "str"},
            "timeout": {"type": "int", "default": 120},
            "heartbeat_age": {"type": "int", "default": 30},
            "journal_lines": {"type": "int", "default": 20},
        },
        required_by={"job_type": "database", "node": "broker_url"},
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, seconds=0.0)
    daemon = Daemon(module)
    started = time.monotonic()
    problem = daemon.problem()
    while problem and time.monotonic() < daemon.deadline:
        time.sleep(PAUSE_SECONDS)
        problem = daemon.problem()
    if problem:
        module.fail_json(
            msg=f"{daemon.unit} is not healthy after {module.params['timeout']} seconds: {problem}. The last lines of its journal:\n"
            + daemon.journal(module.params["journal_lines"])
        )
    module.exit_json(changed=False, seconds=round(time.monotonic() - started, 1))


if __name__ == "__main__":
    main()
