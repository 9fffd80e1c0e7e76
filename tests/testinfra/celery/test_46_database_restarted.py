# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database server is restarted while tasks run: no task is lost, none runs twice, and the workers go on by themselves."""

from __future__ import annotations

import pytest
from airflow_checks import api, faults, hosts
from airflow_checks.fixtures import Installation

pytestmark = pytest.mark.long
SERVERS = {"postgresql": "postgresql.service", "mysql": "mysql.service"}


def results(installation: Installation) -> set[str]:
    """Celery's ids of the tasks that it knows to have ended well."""
    found = installation.query("SELECT task_id FROM celery_taskmeta WHERE status = 'SUCCESS'", installation.results_setting())
    return {row[0] for row in found}


def test_the_database_is_restarted(installation: Installation) -> None:
    run_id = faults.begin(installation)
    workers = faults.main_pids(installation)
    server = SERVERS[installation.engine]
    hosts.run(installation.host, "systemctl", "stop", server)
    # One that ends while nobody can be told.
    api.wait_until("the end of a task", lambda: any(one.ended for one in installation.executions(run_id)) or None, 60)
    hosts.run(installation.host, "systemctl", "start", server)
    api.wait_healthy(installation.base_url, installation.line)
    faults.ends_well(installation, run_id)
    assert faults.main_pids(installation) == workers
    # A slot whose task's result nobody wrote down would stay taken until the scheduler's next start.
    sent = {row[0] for row in installation.query(f"SELECT external_executor_id FROM task_instance WHERE run_id = '{run_id}'")}
    assert len(sent) == faults.TASKS
    api.wait_until("the results of all tasks", lambda: sent <= results(installation) or None, 30)
