# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on as it is while a host of a cluster is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[3]


def read(path: str) -> Any:
    return yaml.safe_load((CHECKOUT / path).read_text(encoding="utf-8"))


def test_no_node_of_rabbitmq_starts_again_for_another_one() -> None:
    """Who the others are is in no file that a node starts again for."""
    variables = read("roles/broker/vars/main.yml")
    nodes, partitions = "/etc/rabbitmq/conf.d/51-airflow-nodes.conf", "/etc/rabbitmq/conf.d/52-airflow-partitions.conf"
    assert variables["__airflow_broker_rabbitmq_nodes"]["path"] == nodes
    write = next(task for task in read("roles/broker/tasks/rabbitmq.yml")[1]["block"] if task["name"] == "Write RabbitMQ's settings")
    arguments = write["updraft.airflow.airflow_files"]
    assert arguments["entries"] == "{{ __airflow_broker_rabbitmq_entries }}"
    assert "__airflow_broker_rabbitmq_files " in arguments["units"]
    paths = [entry["path"] for entry in variables["__airflow_broker_rabbitmq_settings"]]
    assert variables["__airflow_broker_rabbitmq_partitions"]["path"] == partitions
    assert arguments["reloads"] == {"rabbitmq-server.service": ["{{ __airflow_broker_rabbitmq_partitions.path }}"]}
    assert (
        nodes not in paths
        and partitions not in paths
        and "__airflow_broker_rabbitmq_nodes" not in variables["__airflow_broker_rabbitmq_files"]
    )
    for name in ("rabbitmq.conf.j2", "rabbitmq-env.conf.j2", "advanced.config.j2"):
        assert "cluster.values" not in (CHECKOUT / "roles/broker/templates" / name).read_text(encoding="utf-8")


def test_the_ways_to_the_database_know_a_new_member_before_it_can_lead() -> None:
    plays = read("playbooks/site.yml")
    names = [play["name"] for play in plays]
    ways = names.index("Let the ways to the database know its new members")
    assert names.index("Install Airflow beside what runs, and hand over") < ways < names.index("Provide the metadata database")
    (task,) = plays[ways]["tasks"]
    assert task["ansible.builtin.include_role"]["tasks_from"] == "proxy"
    assert task["vars"] == {
        "__airflow_metadata_db_proxy_members": "{{ __airflow.plan.database.proxy.members + __airflow.plan.database.proxy.former }}"
    }
    template = (CHECKOUT / "roles/metadata_db/templates/proxy.cfg.j2").read_text(encoding="utf-8")
    assert "for member in __airflow_metadata_db_proxy_members" in template
