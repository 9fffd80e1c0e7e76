# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a running cluster, while requests and tasks go on: nothing of either is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from airflow_checks import api, faults, hosts, traffic
from airflow_checks.fixtures import Installation, play

pytestmark = pytest.mark.long
Group = Callable[[str], dict[str, Any]]
REQUESTS = 2000
PER_SECOND = 16
FURTHER_UNITS = ("airflow-database-proxy.service",)
"""What no new setting of Airflow's is for."""

SERVERS = ("airflow-*.service", "patroni.service", "etcd.service", "rabbitmq-server.service", "nginx.service")
OTHERS = ("airflow_webserver", "airflow_metadata_db", "airflow_broker", "airflow_load_balancer")
HANDLING = "cluster_partition_handling"
PARTITIONS = "/etc/rabbitmq/conf.d/52-airflow-partitions.conf"
CHANGED = {"airflow_config": {"core": {"max_consecutive_failed_dag_runs_per_dag": 7}}}
"""An option that every daemon reads."""


@contextmanager
def under_load(installation: Installation) -> Iterator[traffic.Traffic]:
    """Requests and tasks while the block runs; afterwards, that none of them was lost."""
    client = installation.client()
    client.wait_for_dag("pairs")
    client.pause("pairs", False)
    runs: list[str] = []
    with traffic.traffic(client, PER_SECOND) as sent:
        runs.append(client.trigger("pairs"))
        yield sent
        runs.append(client.trigger("pairs"))
        api.wait_until(f"{REQUESTS} requests", lambda: len(sent.requests) >= REQUESTS or None, 600)
    print(f"RESULT requests {len(sent.requests)}, slowest {max(one.seconds for one in sent.requests):.1f} seconds")
    assert sent.failures() == []
    assert sent.kept() == sent.written() >= REQUESTS // 10
    sent.clean()
    for run_id in runs:
        faults.ends_well(installation, run_id)


def start_times(group: Group, name: str) -> dict[str, dict[str, tuple[int, int]]]:
    """When each of Airflow's own daemons was started on a group's hosts."""
    found = {host_name: hosts.start_times(host) for host_name, host in group(name).items()}
    return {host: {unit: times for unit, times in units.items() if unit not in FURTHER_UNITS} for host, units in found.items()}


def servers_start_times(host: Any) -> dict[str, tuple[int, int]]:
    """When everything of a host that this collection looks after was started."""
    return {unit: times for pattern in SERVERS for unit, times in hosts.start_times(host, pattern).items()}


def needs(node: Any) -> list[str]:
    """Of which others a running node of RabbitMQ has to see one to serve."""
    said = hosts.run(node, "rabbitmqctl", "--quiet", "--formatter", "json", "eval", f"application:get_env(rabbit, {HANDLING}, no).")
    found = json.loads(said)["value"]
    return sorted(found[1]) if found[::2] == ["pause_if_all_down", "autoheal"] else []


def test_a_node_that_runs_is_told_whom_it_needs(group: Group) -> None:
    node = next(iter(group("airflow_broker").values()))
    wanted, started = needs(node), hosts.start_times(node, "rabbitmq-server.service")
    assert len(wanted) == len(group("airflow_broker")) - 1
    hosts.run(node, "sed", "-i", "/pause_if_all_down/d", PARTITIONS)
    hosts.run(node, "rabbitmqctl", "--quiet", "eval", f"application:set_env(rabbit, {HANDLING}, pause_minority).")
    assert needs(node) == []
    run = play("site")
    assert run.status == 0, run.output[-3000:]
    assert needs(node) == wanted
    assert hosts.start_times(node, "rabbitmq-server.service") == started


def test_site_restarts_running_hosts_one_by_one(installation: Installation, group: Group) -> None:
    before = start_times(group, "airflow_webserver")
    with under_load(installation):
        run = play("site", "--extra-vars", json.dumps(CHANGED))
    assert run.status == 0, run.output[-3000:]
    after = start_times(group, "airflow_webserver")
    assert all(after[host][unit] != started for host, units in before.items() for unit, started in units.items())
    starts = sorted([started for started, _pid in units.values()] for units in after.values())
    for earlier, later in zip(starts, starts[1:]):
        assert max(earlier) < min(later)


def test_a_rolling_restart_loses_nothing(installation: Installation, group: Group) -> None:
    before = start_times(group, "airflow_worker")
    with under_load(installation):
        run = play("rolling_restart")
    assert run.status == 0, run.output[-3000:]
    after = start_times(group, "airflow_worker")
    assert all(after[host][unit] != started for host, units in before.items() for unit, started in units.items())


def test_a_worker_is_taken_out_and_added_again_and_nothing_else_restarts(installation: Installation, group: Group) -> None:
    *staying, leaving = group("airflow_worker")
    before = {name: servers_start_times(host) for part in OTHERS for name, host in group(part).items()}
    client = installation.client()
    run_id = faults.begin(installation)
    out = play("scale_in", "--limit", leaving, host=leaving)
    assert out.status == 0, out.output[-3000:]
    faults.ends_well(installation, run_id)
    assert not group("airflow_worker")[leaving].file("/etc/systemd/system/airflow-worker.service").exists
    assert not group("airflow_worker")[leaving].file("/etc/airflow/worker.env").exists
    run_id = client.trigger("pairs")
    faults.ends_well(installation, run_id)
    ran = installation.query(f"SELECT DISTINCT hostname FROM task_instance WHERE run_id = '{run_id}'")
    assert len(ran) == len(staying)
    added = play("scale_out", "--limit", leaving, host=leaving)
    assert added.status == 0, added.output[-3000:]
    ran_before = set(map(str, ran))

    def new_worker_runs() -> bool | None:
        again = client.trigger("pairs")
        faults.ends_well(installation, again)
        found = installation.query(f"SELECT DISTINCT hostname FROM task_instance WHERE run_id = '{again}'")
        return True if set(map(str, found)) - ran_before else None

    api.wait_until("the new worker to run a task", new_worker_runs, 300)
    assert {name: servers_start_times(host) for part in OTHERS for name, host in group(part).items()} == before


@pytest.mark.parametrize(("name", "host"), [("scale_in", "updraft-cluster-w1"), ("scale_out", "updraft-cluster-lb")])
def test_without_a_limit_they_say_what_they_need(name: str, host: str) -> None:
    run = play(name, host=host)
    assert run.status != 0
    assert "--limit" in run.output
    assert run.changed == 0
