# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are under way when a database is moved.

Tasks that an old scheduler had queued are taken up by the next one as soon as the old one's job has ended. A scheduler that was killed left
its job running, and then the next one waits for `scheduler_health_check_threshold` and `orphaned_tasks_check_interval`, five minutes.

Across 2.x to 3.x there is more. Airflow 3 hands a task instance to its executor only when that has the version of its DAG, and those of 2.x
have none. The scheduler gives the version to instances in some states, not to those without a state, and LocalExecutor never gives back
what it was not handed: such tasks stay queued for ever (`_verify_integrity_if_dag_changed`, `_enqueue_task_instances_with_queued_state` and
`_handle_tasks_stuck_in_queued` in 3.3.2's scheduler_job_runner.py). So every unfinished instance of an unfinished run gets the latest
version of its DAG before the scheduler starts.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Target

_UNFINISHED_RUN = "r.state IN ('queued', 'running')"
_UNFINISHED_TASK = "(t.state IS NULL OR t.state NOT IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed'))"


def count_unfinished(target: Target) -> int:
    """How many DAG runs are under way."""
    return int(target.value(f"SELECT count(*) FROM {target.full('dag_run')} r WHERE {_UNFINISHED_RUN}"))


def resume(target: Target) -> dict[str, Any]:
    """End the jobs of schedulers, none of which runs, and give the tasks that are still to run the version of their DAG."""
    ended = target.run(
        f"UPDATE {target.full('job')} SET state = 'failed', end_date = coalesce(end_date, latest_heartbeat)"
        " WHERE job_type = 'SchedulerJob' AND state = 'running'"
    )
    given, without = _give_versions(target) if "dag_version" in target.tables() else (0, [])
    target.commit()
    return {"changed": bool(ended or given), "jobs": ended, "tasks": given, "dags_without_version": without}


def _give_versions(target: Target) -> tuple[int, list[str]]:
    """How many tasks got one, and the DAGs that have none."""
    runs, tasks, versions = (target.full(name) for name in ("dag_run", "task_instance", "dag_version"))
    waiting = (
        f"t.dag_version_id IS NULL AND {_UNFINISHED_TASK}"
        f" AND EXISTS (SELECT 1 FROM {runs} r WHERE r.dag_id = t.dag_id AND r.run_id = t.run_id AND {_UNFINISHED_RUN})"
    )
    latest = f"SELECT v.id FROM {versions} v WHERE v.dag_id = t.dag_id ORDER BY v.version_number DESC LIMIT 1"
    has_version = f"EXISTS (SELECT 1 FROM {versions} v WHERE v.dag_id = t.dag_id)"
    given = target.run(f"UPDATE {tasks} t SET dag_version_id = ({latest}) WHERE {waiting} AND {has_version}")
    without = target.rows(f"SELECT DISTINCT t.dag_id FROM {tasks} t WHERE {waiting} ORDER BY 1")
    return given, [str(row[0]) for row in without]
