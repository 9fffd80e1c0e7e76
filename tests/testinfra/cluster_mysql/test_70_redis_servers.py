# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three Redis servers become one and three again by edits of the inventory, while tasks run and wait: each runs once."""

from __future__ import annotations

from airflow_checks import api, hosts
from airflow_checks.breaking import inside
from airflow_checks.failing import Group
from airflow_checks.fixtures import Installation, edit_inventory, play

DAG = "twenty_sleeps"
TWENTY = 20
THREE = "airflow_broker: {hosts: {updraft-cm-m1: {}, updraft-cm-m2: {}, updraft-cm-w1: {}}}"
ONE = "airflow_broker: {hosts: {updraft-cm-m2: {}}}"
SENTINEL = "redis-sentinel.service"


def runs_sentinel(name: str) -> bool:
    """Whether a host has a sentinel."""
    said: str = inside(name, "sh", "-c", f"systemctl is-active {SENTINEL} || true")
    return said.strip() == "active"


def test_tasks_that_wait_move_with_the_broker(installation: Installation, group: Group) -> None:
    client = installation.client()
    client.wait_for_dag(DAG)
    client.pause(DAG, False)
    for old, new in ((THREE, ONE), (ONE, THREE)):
        run_id = client.trigger(DAG, {"seconds": 8})
        api.wait_until("a task that sleeps", lambda run=run_id: installation.executions(run) or None, 120)
        edit_inventory(old, new)
        moved = play("site")
        ended = len([one for one in installation.executions(run_id) if one.ended])
        assert moved.status == 0, moved.output[-4000:]
        assert client.wait_for_run(DAG, run_id)["state"] == "success"
        assert hosts.executed_once(installation.executions(run_id), run_id, TWENTY) == []
        print(f"RESULT {new}: {ended} of {TWENTY} tasks had ended when the run of site was over")
        now = set(group("airflow_broker"))
        # Servers that are out of the group are left to whoever owns their hosts.
        assert {name for name in now if runs_sentinel(name)} == (now if len(now) > 1 else set())
        again = play("site")
        assert (again.status, again.changed) == (0, 0), again.in_words()
