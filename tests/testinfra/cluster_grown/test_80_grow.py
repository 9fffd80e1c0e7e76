# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host becomes a cluster by an edit of the inventory: its data stay, each task runs once, and how long it was away is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import testinfra
from airflow_checks import api, asking, hosts, playbook, writes
from airflow_checks.fixtures import Installation, inventory_dir

DAG = "twenty_sleeps"
TWENTY = 20
NODES = [f"updraft-grown-n{number}" for number in (1, 2, 3)]
FRONT = "updraft-grown-lb"
FRONT_URL = "http://198.18.0.210"
GROUPS = {
    "airflow_load_balancer": [FRONT],
    "airflow_webserver": NODES,
    "airflow_scheduler": NODES,
    "airflow_metadata_db": NODES,
    "airflow_broker": NODES,
    "airflow_worker": NODES,
}
EDITED = "grown.yml"
KEPT = ("dag_run", "task_instance", "log", "variable", "connection", "ab_user")
MOST_SECONDS_WITHOUT_WRITES = 60
MOST_SECONDS_WITHOUT_PAGES = 240


def edit() -> None:
    """Write the part of the inventory that changes."""
    lines = ["---", "airflow:", "  children:"]
    lines += [f"    {group}: {{hosts: {{{', '.join(f'{name}: ' for name in names)}}}}}" for group, names in GROUPS.items()]
    variables = {"airflow_broker_engine": "rabbitmq", "airflow_load_balancer_engine": "haproxy", "test_base_url": FRONT_URL}
    lines += ["  vars:", *(f"    {name}: {value}" for name, value in variables.items())]
    (inventory_dir() / EDITED).write_text("\n".join(lines) + "\n", encoding="utf-8")


def counted(installation: Installation) -> dict[str, int]:
    """How many rows tables have."""
    return {table: int(installation.query(f"SELECT count(*) FROM {table}")[0][0]) for table in KEPT}


def leaders() -> list[str]:
    """Which hosts' databases take writes."""
    said = {}
    for name in NODES:
        host = testinfra.get_host(f"docker://{name}")
        said[name] = hosts.run(host, "runuser", "-u", "postgres", "--", "psql", "-Atc", "SELECT pg_is_in_recovery()").strip()
    return [name for name, recovers in said.items() if recovers == "f"]


def test_a_host_with_other_dags_is_refused_before_anything_changes(installation: Installation, run_site: Any) -> None:
    new = testinfra.get_host(f"docker://{NODES[1]}")
    before = (hosts.start_times(installation.host), hosts.run(new, "ls", "/etc", "/opt"))
    hosts.run(new, "mv", "/opt/airflow/dags", "/opt/airflow/elsewhere")
    edit()
    refused = run_site()
    hosts.run(new, "mv", "/opt/airflow/elsewhere", "/opt/airflow/dags")
    (inventory_dir() / EDITED).unlink()
    said = {line for result in playbook.results(refused.output) if result.status == "failed" for line in result.fields["msg"]}
    advice = "nothing was changed: make the folders equal, or set airflow_dags, which does."
    assert said == {f"{NODES[1]} has other DAGs than {NODES[0]}, and {advice}"}, refused.output[-4000:]
    assert (hosts.start_times(installation.host), hosts.run(new, "ls", "/etc", "/opt")) == before


def test_a_host_grows_into_a_cluster(installation: Installation, run_site: Any) -> None:
    client = installation.client()
    client.wait_for_dag(DAG)
    client.pause(DAG, False)
    client.request("POST", "/variables", json={"key": "kept", "value": "kept too"})
    run_id = client.trigger(DAG, {"seconds": 8})
    api.wait_until("a task that sleeps", lambda: installation.executions(run_id) or None, 120)
    before = counted(installation)
    edit()
    with writes.writes(installation) as written, asking.asking(installation) as asked:
        grown_at = written.since()
        grown = run_site()
        no_write, no_page = written.longest_gap(grown_at), asked.longest_gap(grown_at)
        lost = written.lost()
    print(f"RESULT grown: {grown.in_words()}; no write for {no_write:.1f} s, no page for {no_page:.1f} s")
    assert grown.failed == 0, grown.output[-4000:]
    assert lost == []
    assert no_write <= MOST_SECONDS_WITHOUT_WRITES
    assert no_page <= MOST_SECONDS_WITHOUT_PAGES

    cluster = replace(installation, base_url=FRONT_URL)
    client = cluster.client()
    assert client.variable("kept") == "kept too"
    assert client.wait_for_run(DAG, run_id)["state"] == "success"
    assert hosts.executed_once(cluster.executions(run_id), run_id, TWENTY) == []
    after = counted(cluster)
    assert {table: rows for table, rows in before.items() if after[table] < rows} == {}
    assert len(leaders()) == 1
    again = run_site()
    assert (again.failed, again.changed) == (0, 0), again.in_words()

    run_id = client.trigger(DAG, {"seconds": 8})
    assert client.wait_for_run(DAG, run_id)["state"] == "success"
    assert hosts.executed_once(cluster.executions(run_id), run_id, TWENTY) == []
    ran = cluster.query(f"SELECT DISTINCT hostname FROM task_instance WHERE run_id = '{run_id}'")
    assert len(ran) == len(NODES), ran
