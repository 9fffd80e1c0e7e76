# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stops, and what leaves a host, when its executor, its broker or its daemons change."""

from __future__ import annotations

from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import MemoryStore, facts, info, installation, inventory, plan, single

CONTROL = ["airflow-dag-processor.service", "airflow-scheduler.service", "airflow-triggerer.service", "airflow-webserver.service"]
WORKERS = ["airflow-worker.service", "airflow-worker@reports.service"]
OLD_BROKER = "redis://:secret@127.0.0.1:6379/0"
STORE = MemoryStore(metadata_db_password="old", broker_password="secret", results_db_password="results")


def running(executor: str, units: list[str], components: str = "metadata_db", broker: str = "", **variables: Any) -> Inputs:
    """A host with an installation and its units."""
    record = installation(executor=executor)
    if broker:
        record["environment"]["scheduler"]["AIRFLOW__CELERY__BROKER_URL"] = broker
    inputs: Inputs = single(components, found=info(installation=record, units=units), system=facts(nodename="h1"), **variables)
    return inputs


def handover(inputs: Inputs, host: str = "h1") -> dict[str, Any] | None:
    found: dict[str, Any] | None = plan(inputs, host, STORE)["handover"]
    return found


def test_nothing_stops_where_nothing_changes() -> None:
    assert handover(running("LocalExecutor", CONTROL)) is None
    celery = running("CeleryExecutor", [*CONTROL, "airflow-worker.service"], "metadata_db broker worker", OLD_BROKER)
    assert handover(celery) is None


def test_from_local_to_celery_the_scheduler_ends_its_tasks_first() -> None:
    found = handover(running("LocalExecutor", CONTROL, "metadata_db broker worker"))
    assert found is not None
    assert (found["stop"], found["drain"], found["leave"]) == (["airflow-scheduler.service"], [], [])
    assert found["broker_url"] is None
    assert found["changes_executor"] is True


def test_from_celery_to_local_workers_drain_and_waiting_tasks_are_handed_back() -> None:
    found = handover(running("CeleryExecutor", [*CONTROL, *WORKERS, "airflow-flower.service"], broker=OLD_BROKER))
    assert found is not None
    assert found["stop"] == ["airflow-scheduler.service"]
    assert found["drain"] == WORKERS
    assert found["leave"] == [*WORKERS, "airflow-flower.service"]
    assert found["leave_environments"] == ["flower", "worker"]
    assert found["broker_url"] == OLD_BROKER


def test_a_change_that_was_interrupted_after_the_switch_hands_nothing_back_again() -> None:
    units = [*CONTROL, "airflow-worker.service"]
    found = handover(running("LocalExecutor", units, broker=OLD_BROKER))
    assert found is not None
    assert found["leave"] == ["airflow-worker.service"]
    assert found["broker_url"] is None
    assert handover(running("LocalExecutor", CONTROL, broker=OLD_BROKER)) is None


def test_another_broker_hands_back_what_waits_in_the_old_one() -> None:
    inputs = running(
        "CeleryExecutor", [*CONTROL, "airflow-worker.service"], "metadata_db broker worker", OLD_BROKER, airflow_broker_engine="rabbitmq"
    )
    found = handover(inputs)
    assert found is not None
    assert (found["stop"], found["drain"], found["leave"]) == (["airflow-scheduler.service"], ["airflow-worker.service"], [])
    assert found["broker_url"] == OLD_BROKER
    assert found["queues"] == ["default"]


def test_waiting_tasks_are_handed_back_in_the_database_that_is_in_use() -> None:
    """The way to the new one is a proxy that comes with the daemons, when database and broker change in one edit."""
    record = installation(executor="CeleryExecutor")
    in_use = record["environment"]["scheduler"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    record["environment"]["scheduler"]["AIRFLOW__CELERY__BROKER_URL"] = OLD_BROKER
    grown = {"h1": "webserver scheduler metadata_db", "h2": "metadata_db broker", "h3": "metadata_db broker", "h4": "worker broker"}
    server = {"name": "15/main", "config_dir": "/etc/postgresql/15/main", "data_dir": "/srv/data", "own": True, "disabled": False}
    clusters = [{**server, "settings": {}, "databases": 1}]
    there = Host("h1", {}, facts("198.18.0.2"), info(installation=record, units=CONTROL, postgresql_clusters=clusters))
    found = plan(inventory(grown, details={"h1": there}), "h1", STORE)
    assert ":15432/" in found["database"]["url"]
    assert (found["handover"]["broker_url"], found["handover"]["database_url"]) == (OLD_BROKER, in_use)


def test_a_worker_that_leaves_its_host_drains_and_the_scheduler_goes_on() -> None:
    units = [*CONTROL, *WORKERS]
    found = handover(running("CeleryExecutor", units, "metadata_db broker worker", OLD_BROKER))
    assert found is not None
    assert (found["stop"], found["drain"], found["leave"]) == ([], ["airflow-worker@reports.service"], ["airflow-worker@reports.service"])
    # The other worker of the host still reads them.
    assert found["leave_environments"] == []
    assert found["broker_url"] is None


def test_a_daemon_that_moves_to_another_host_leaves_its_old_one() -> None:
    old = Host("h1", {}, facts(), info(installation=installation(), units=CONTROL))
    inputs = inventory({"h1": "webserver scheduler metadata_db", "h2": "triggerer"}, details={"h1": old})
    found = handover(inputs)
    assert found is not None
    assert found["leave"] == ["airflow-triggerer.service"]
    assert found["stop"] == []
    assert handover(inputs, "h2") is None


def test_a_move_of_the_data_stops_the_daemons_itself() -> None:
    record = installation(engine="sqlite", executor="LocalExecutor")
    found = info(installation=record, units=CONTROL, metadata={"size_mb": 1, "revision": None})
    assert handover(single("metadata_db broker worker", found=found, system=facts(nodename="h1"))) is None


def clusters(**settings: str) -> list[dict[str, Any]]:
    """The collection's own cluster, as it was set before."""
    first = plan(single("metadata_db"), store=STORE)["database"]
    present = {**first["settings"], "port": "5432", "listen_addresses": "localhost", **settings}
    return [{"name": "15/main", "config_dir": "/etc/postgresql/15/main", "own": True, "databases": 1, "settings": present}]


def on_server(**settings: str) -> Inputs:
    """A host whose PostgreSQL has these settings."""
    found = info(installation=installation(), units=CONTROL, postgresql_clusters=clusters(**settings))
    inputs: Inputs = single("metadata_db", found=found)
    return inputs


def test_a_server_with_connections_to_spare_is_left_as_it_is() -> None:
    result = plan(on_server(max_connections="900"), store=STORE)
    assert (result["database"]["max_connections"], result["database"]["restarts"]) == (900, False)
    assert result["handover"] is None


def test_a_server_that_starts_again_waits_for_the_tasks() -> None:
    result = plan(on_server(max_connections="20"), store=STORE)
    assert result["database"]["restarts"] is True
    assert result["database"]["max_connections"] > 100
    assert result["handover"]["stop"] == ["airflow-scheduler.service"]
    assert result["handover"]["leave"] == []
    assert result["handover"]["changes_executor"] is False
