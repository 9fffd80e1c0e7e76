# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary: a task on each queue, run to see that tasks run and that their logs can be read. It is here only while it flies."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:
    # Airflow 2.
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.dag import DAG

QUEUES = ["default"]


class Sing(BaseOperator):
    """Writes into the log what the run was given."""

    def execute(self, context: Any) -> None:
        """Say it once."""
        self.log.info("The canary sings %s", context["dag_run"].conf["song"])


with DAG(
    dag_id="updraft_canary",
    description="The last health check of the playbook that installs Airflow; it removes this DAG when it is done.",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    max_active_tasks=len(QUEUES),
    dagrun_timeout=timedelta(hours=1),
    tags=["updraft"],
):
    for number, queue in enumerate(QUEUES):
        Sing(
            task_id=f"queue_{number}",
            queue=queue,
            # Neither the tasks of a full pool nor those that wait longer come first.
            pool="updraft_canary",
            priority_weight=1_000_000,
            weight_rule="absolute",
            retries=0,
            email_on_failure=False,
            email_on_retry=False,
            execution_timeout=timedelta(minutes=5),
        )
