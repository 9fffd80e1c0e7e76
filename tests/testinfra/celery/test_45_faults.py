# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The broker or a worker fails while tasks run: none is lost, none runs twice unless it was killed, and workers go on by themselves."""

from __future__ import annotations

from collections import Counter

import pytest
from airflow_checks import faults, hosts
from airflow_checks.fixtures import Installation

pytestmark = pytest.mark.long
FROZEN_SECONDS = 15
RETRY_SECONDS = 75
KILLED = 2
WORKER = "airflow-worker@reports.service"
BROKERS = {"redis": "redis-server.service", "rabbitmq": "rabbitmq-server.service"}


def broker(installation: Installation) -> str:
    """The broker's unit."""
    return BROKERS[installation.variables.get("airflow_broker_engine", "redis")]


def test_the_broker_is_killed(installation: Installation) -> None:
    unit = broker(installation)
    run_id = faults.begin(installation)
    workers, restarts = faults.main_pids(installation), hosts.units(installation.host, unit)[unit].restarts
    hosts.run(installation.host, "systemctl", "kill", "--kill-whom=all", "--signal=KILL", unit)
    faults.ends_well(installation, run_id)
    assert hosts.units(installation.host, unit)[unit].restarts == restarts + 1
    assert faults.main_pids(installation) == workers


def test_the_broker_is_frozen(installation: Installation) -> None:
    run_id = faults.begin(installation)
    workers = faults.main_pids(installation)
    send = f"systemctl kill --kill-whom=all {broker(installation)} --signal"
    hosts.run(installation.host, "sh", "-c", f"{send}=STOP && sleep {FROZEN_SECONDS}; {send}=CONT")
    faults.ends_well(installation, run_id)
    assert faults.main_pids(installation) == workers


def test_a_worker_is_killed(installation: Installation) -> None:
    run_id = faults.begin(installation, "killed", KILLED)
    workers = faults.main_pids(installation)
    kill = f"systemctl kill --kill-whom=main --signal=KILL {WORKER} && date +%s.%N"
    killed = float(hosts.run(installation.host, "sh", "-c", kill))
    assert installation.client().wait_for_run("killed", run_id, seconds=RETRY_SECONDS + 30)["state"] == "success"
    found = installation.executions(run_id)
    assert Counter((execution.attempt, execution.ended is None) for execution in found) == {(1, True): KILLED, (2, False): KILLED}
    late = max(execution.started for execution in found) - killed
    print(f"RESULT retry_after_kill {late:.1f} seconds")
    assert late <= RETRY_SECONDS
    # systemd started that one again, and nobody the others.
    assert {name for name, pid in faults.main_pids(installation).items() if pid != workers[name]} == {WORKER}
