# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes: task slots, memory and connections."""

from __future__ import annotations

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._topology_sizing import (
    Machine,
    auto_slots,
    buffer_pool_mb,
    max_connections,
    mysql_settings,
    needed_connections,
    postgresql_settings,
)
from topology_inventory import facts, info, inventory, plan, server, single

ONE_EACH = {"webserver": 1, "scheduler": 1, "dag_processor": 1, "triggerer": 1}


@pytest.mark.parametrize(
    ("cpus", "memory_mb", "slots"),
    [
        (2, 24000, 10),
        (2, 4096, 9),
        (4, 8192, 20),
        (1, 2048, 2),
        (1, 512, 2),
        (64, 262144, 320),
    ],
)
def test_slots_from_cores_and_memory(cpus: int, memory_mb: int, slots: int) -> None:
    assert auto_slots(Machine(cpus, memory_mb)) == slots


def test_a_database_on_the_same_host_takes_its_share() -> None:
    assert auto_slots(Machine(2, 4096), 512) == 7


@pytest.mark.parametrize(("size", "slots"), [("small", "5"), ("medium", "10"), ("large", "20")])
def test_named_sizes(size: str, slots: str) -> None:
    settings = plan(server(airflow_size=size))["settings"]
    assert settings["core"]["parallelism"] == slots


def test_a_query_asks_for_no_more_tasks_than_may_run() -> None:
    assert plan(server(airflow_size="small"))["settings"]["scheduler"]["max_tis_per_query"] == "5"
    assert "max_tis_per_query" not in plan(server(airflow_size="large"))["settings"]["scheduler"]


def test_a_scheduler_waits_less_where_a_server_answers_it() -> None:
    assert plan(server())["settings"]["scheduler"]["scheduler_idle_sleep_time"] == "0.25"
    assert "scheduler_idle_sleep_time" not in plan(single())["settings"]["scheduler"]
    wanted = {"scheduler": {"scheduler_idle_sleep_time": 2}}
    assert plan(server(airflow_config=wanted))["settings"]["scheduler"]["scheduler_idle_sleep_time"] == "2"


def test_the_schedulers_host_counts() -> None:
    inputs = inventory({"web": "webserver", "h1": "scheduler", "db": "metadata_db"})
    assert plan(inputs)["settings"]["core"]["parallelism"] == str(auto_slots(Machine(2, 4096)))
    assert plan(server())["settings"]["core"]["parallelism"] == str(auto_slots(Machine(2, 4096), 512))


def test_a_host_without_facts_about_its_size_is_small() -> None:
    assert Machine.of({}) == Machine(2, 2048)


def test_a_shared_server_takes_an_eighth_and_its_own_host_a_quarter() -> None:
    shared = postgresql_settings(Machine(2, 8192), shared=True, max_connections=100)
    alone = postgresql_settings(Machine(2, 8192), shared=False, max_connections=100)
    assert (shared["shared_buffers"], shared["effective_cache_size"]) == ("1024MB", "2048MB")
    assert (alone["shared_buffers"], alone["effective_cache_size"]) == ("2048MB", "6144MB")


def test_the_servers_memory_is_bounded() -> None:
    assert postgresql_settings(Machine(2, 262144), shared=False, max_connections=100)["shared_buffers"] == "8192MB"
    assert postgresql_settings(Machine(1, 256), shared=True, max_connections=100)["shared_buffers"] == "64MB"


def test_connections_of_3() -> None:
    # API server, DAG processor and triggerer with two pools of 15 each, the scheduler with one.
    assert needed_connections(3, ONE_EACH, pool=15, slots=50, web_workers=1, parsers=2) == 15 * 7
    assert needed_connections(3, {**ONE_EACH, "triggerer": 2}, pool=15, slots=50, web_workers=2, parsers=2) == 15 * 11


def test_connections_of_2() -> None:
    # Two web workers, the scheduler, the triggerer; two connections for each of 10 tasks; 3 parsers.
    daemons = {"webserver": 1, "scheduler": 1, "triggerer": 1}
    assert needed_connections(2, daemons, pool=15, slots=10, web_workers=2, parsers=3) == 15 * 4 + 20 + 3


@pytest.mark.parametrize(("needed", "limit"), [(10, 100), (40, 100), (41, 110), (105, 230)])
def test_twice_the_need_in_tens(needed: int, limit: int) -> None:
    assert max_connections(needed) == limit


def test_the_limit_follows_the_pool_the_user_sets() -> None:
    database = plan(server(airflow_config={"database": {"sql_alchemy_pool_size": 20, "sql_alchemy_max_overflow": 20}}))["database"]
    assert database["max_connections"] == 2 * 7 * 40 + 20
    assert database["settings"]["max_connections"] == "580"


def test_2_starts_as_many_web_workers_as_there_are_cores_up_to_four() -> None:
    few = plan(server(airflow_version="2.11.2"))
    assert few["settings"]["webserver"]["workers"] == "2"
    many = plan(server(airflow_version="2.11.2", system=facts(processor_vcpus=32)))
    assert "workers" not in many["settings"]["webserver"]


def test_a_dedicated_database_host_is_sized_by_itself() -> None:
    result = plan(inventory({"h1": "webserver scheduler", "db": "metadata_db"}))
    assert result["database"]["settings"]["shared_buffers"] == "1024MB"
    assert plan(single(found=info()))["database"] is None


@pytest.mark.parametrize(
    ("memory_mb", "shared", "pool"),
    [(2048, True, 256), (512, True, 128), (16384, True, 2048), (16384, False, 8192), (262144, False, 65536)],
)
def test_mysqls_cache_is_sized_to_its_host(memory_mb: int, shared: bool, pool: int) -> None:
    assert buffer_pool_mb(Machine(2, memory_mb), shared) == pool


def test_mysqls_settings() -> None:
    settings = mysql_settings(Machine(2, 4096), True, 150)
    assert (settings["max_connections"], settings["innodb_buffer_pool_size"]) == ("150", "512M")
    assert settings["transaction_isolation"] == "READ-COMMITTED"
    assert settings["skip_log_bin"] == ""
