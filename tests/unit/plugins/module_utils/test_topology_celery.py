# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the topology compiler derives for CeleryExecutor."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import (
    AWKWARD_PASSWORD,
    OLD_HOME,
    MemoryStore,
    adopted,
    compiled,
    daemon,
    facts,
    findings,
    info,
    installation,
    inventory,
    plan,
    single,
)

QUOTED = "p%40ss%3Aw%2Frd%20%2525%23%26%27%22%5C"
ONE_HOST = "metadata_db broker worker"


def celery(components: str = ONE_HOST, **keywords: Any) -> Inputs:
    """One host with everything that CeleryExecutor needs."""
    inputs: Inputs = single(components, **{"system": facts(nodename="h1"), **keywords})
    return inputs


def environment(inputs: Inputs, name: str, **keywords: Any) -> dict[str, str]:
    found: dict[str, str] = daemon(plan(inputs, **keywords), name)["environment"]
    return found


def test_workers_in_the_inventory_mean_celery() -> None:
    result = plan(celery())
    assert result["executor"] == "CeleryExecutor"
    assert result["settings"]["core"]["executor"] == "CeleryExecutor"
    assert [entry["name"] for entry in result["daemons"]] == ["webserver", "scheduler", "dag_processor", "triggerer", "worker"]


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "redis://:{password}@127.0.0.1:6379/0"),
        ({"airflow_broker_user": "tasks", "airflow_broker_vhost": "3"}, "redis://tasks:{password}@127.0.0.1:6379/3"),
        ({"airflow_broker_engine": "rabbitmq"}, "amqp://airflow:{password}@127.0.0.1:5672/airflow"),
        ({"airflow_broker_engine": "rabbitmq", "airflow_broker_port": 5673}, "amqp://airflow:{password}@127.0.0.1:5673/airflow"),
    ],
)
def test_the_brokers_address_takes_any_password(variables: dict[str, Any], url: str) -> None:
    found = environment(celery(airflow_broker_password=AWKWARD_PASSWORD, **variables), "scheduler")
    assert found["AIRFLOW__CELERY__BROKER_URL"] == url.format(password=QUOTED)


def test_results_have_a_database_and_a_role_of_their_own() -> None:
    result = plan(celery(airflow_results_db_password=AWKWARD_PASSWORD, airflow_metadata_db_name="meta"))
    assert [(entry["name"], entry["user"]) for entry in result["database"]["databases"]] == [
        ("meta", "airflow"),
        ("meta_results", "airflow_results"),
    ]
    url = daemon(result, "worker")["environment"]["AIRFLOW__CELERY__RESULT_BACKEND"]
    assert url == f"db+postgresql+psycopg2://airflow_results:{QUOTED}@127.0.0.1:5432/meta_results?sslmode=disable"
    assert {(rule["databases"], rule["users"]) for rule in result["database"]["hba"]} == {
        ("meta", "airflow"),
        ("meta_results", "airflow_results"),
    }


def test_results_may_go_to_redis() -> None:
    result = plan(celery(airflow_result_backend="redis", airflow_broker_password="secret"))
    assert daemon(result, "worker")["environment"]["AIRFLOW__CELERY__RESULT_BACKEND"] == "redis://:secret@127.0.0.1:6379/1"
    assert [entry["name"] for entry in result["database"]["databases"]] == ["airflow"]


def test_a_worker_of_3_holds_neither_the_database_nor_the_key_of_tokens() -> None:
    found = environment(celery(), "worker")
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "sqlite://"
    assert set(found) == {
        "AIRFLOW__API__SECRET_KEY",
        "AIRFLOW__CELERY__BROKER_URL",
        "AIRFLOW__CELERY__RESULT_BACKEND",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    }


def test_workers_with_a_user_of_their_own_keep_copies_of_bundles_of_their_own() -> None:
    bundles = {"source": "bundles", "bundles": [{"name": "main", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle"}]}
    result = plan(celery(airflow_dags=bundles))
    storage = result["dag_bundle_storage"]
    worker = daemon(result, "worker")["environment"]["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"]
    assert worker == result["worker_bundle_storage"] == f"{storage}-worker"
    assert plan(celery())["worker_bundle_storage"] is None


def test_a_worker_of_2_writes_to_the_database() -> None:
    found = environment(celery(airflow_version="2.11.2"), "worker")
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("postgresql+psycopg2://airflow:")
    assert "AIRFLOW__WEBSERVER__SECRET_KEY" in found


def test_tasks_have_the_group_that_their_user_has() -> None:
    found = daemon(plan(celery(airflow_worker_user="jane", found=info(users={"jane": "staff"}))), "worker")
    assert (found["user"], found["group"]) == ("jane", "staff")
    assert plan(celery(airflow_worker_user="jane", found=info(users={"jane": "staff"})))["task_group"] == "staff"
    assert daemon(plan(celery(airflow_worker_user="jane")), "worker")["group"] == "jane"


def test_flower_knows_the_broker_and_its_own_login_only() -> None:
    found = environment(celery(f"{ONE_HOST} flower", airflow_flower_password="bloom"), "flower")
    assert found["AIRFLOW__CELERY__FLOWER_BASIC_AUTH"] == "admin:bloom"
    assert set(found) == {"AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CELERY__FLOWER_BASIC_AUTH", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}


def test_flower_of_2_has_a_driver_and_no_address() -> None:
    found = environment(celery(f"{ONE_HOST} flower", airflow_version="2.11.2"), "flower")
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "postgresql+psycopg2://"


def test_flower_asks_for_a_login_on_loopback() -> None:
    result = plan(celery(f"{ONE_HOST} flower"))
    assert daemon(result, "flower")["arguments"] == ["celery", "flower", "--hostname", "127.0.0.1", "--port", "5555"]
    assert daemon(result, "flower")["health"]["url"] == "http://127.0.0.1:5555/healthcheck"
    assert daemon(result, "flower")["environment"]["AIRFLOW__CELERY__FLOWER_BASIC_AUTH"].partition(":")[2]
    assert any(line.startswith("Flower answers on h1 only (http://127.0.0.1:5555)") for line in result["report"])


@pytest.mark.parametrize("daemon_name", ["webserver", "dag_processor", "triggerer"])
def test_daemons_that_send_no_task_do_not_know_the_broker(daemon_name: str) -> None:
    assert not any("CELERY" in name for name in environment(celery(), daemon_name))


def test_the_command_line_has_what_the_most_privileged_daemon_has() -> None:
    result = plan(celery(f"{ONE_HOST} flower"))
    assert result["cli_environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("postgresql+psycopg2://airflow:")


def test_beside_other_daemons_tasks_of_3_have_a_user_of_their_own() -> None:
    result = plan(celery())
    assert (daemon(result, "worker")["user"], daemon(result, "worker")["group"]) == ("airflow-worker", "airflow-worker")
    assert daemon(result, "worker")["supplementary_groups"] == []
    assert daemon(result, "webserver")["user"] == "airflow"
    assert daemon(result, "webserver")["supplementary_groups"] == ["airflow-worker"]
    assert result["accounts"] == ["airflow", "airflow-worker"]
    assert result["task_group"] == "airflow-worker"


@pytest.mark.parametrize(
    "inputs",
    [
        celery(airflow_version="2.11.2"),
        celery(airflow_worker_user="airflow"),
    ],
)
def test_where_nothing_is_hidden_from_tasks_they_run_as_the_daemons_do(inputs: Inputs) -> None:
    result = plan(inputs)
    assert daemon(result, "worker")["user"] == "airflow"
    assert daemon(result, "webserver")["supplementary_groups"] == []
    assert result["accounts"] == ["airflow"]


def test_on_a_host_of_workers_alone_tasks_run_as_airflow() -> None:
    inputs = inventory({"h1": "webserver scheduler metadata_db broker", "h2": "worker"})
    assert daemon(plan(inputs, "h2"), "worker")["user"] == "airflow"
    assert plan(inputs, "h2")["cli_environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "sqlite://"


def test_a_worker_stops_when_its_tasks_have_ended() -> None:
    worker = daemon(plan(celery(airflow_drain_timeout=900)), "worker")
    assert worker["runs_tasks"] is True
    assert worker["stop_timeout"] == 900
    assert {"airflow-webserver.service", "postgresql.service", "redis-server.service"} <= set(worker["after"])


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_what_begins_tasks_waits_for_the_webserver(version: str) -> None:
    daemons = plan(celery(airflow_version=version))["daemons"]
    together = {entry["component"]: entry["starts_at_once"] for entry in daemons}
    assert together["scheduler"] is together["worker"] is False
    assert together["webserver"] is together["triggerer"] is True


def test_a_scheduler_that_sends_tasks_away_runs_none() -> None:
    scheduler = daemon(plan(celery()), "scheduler")
    assert scheduler["runs_tasks"] is False
    assert scheduler["stop_timeout"] == 60


def test_several_workers_of_a_host_share_its_slots_and_one_serves_logs() -> None:
    instances = {"reports": {"queues": ["reports", "mail"]}, "big": {"queues": ["big"], "autoscale": " 4, 1"}}
    result = plan(celery(airflow_worker_instances=instances, airflow_size="large", airflow_worker_queues=["default", "small"]))
    names = ["worker", "worker@big", "worker@reports"]
    assert [entry["name"] for entry in result["daemons"] if entry["component"] == "worker"] == names
    first, big, reports = (daemon(result, name) for name in names)
    assert [entry["unit"] for entry in (first, big, reports)] == ["airflow-worker", "airflow-worker@big", "airflow-worker@reports"]
    assert first["arguments"][:6] == ["celery", "worker", "--queues", "default,small", "--concurrency", "6"]
    assert "--skip-serve-logs" not in first["arguments"]
    assert "--skip-serve-logs" in big["arguments"]
    assert "--skip-serve-logs" in reports["arguments"]
    assert big["arguments"][big["arguments"].index("--autoscale") + 1] == "4,1"
    assert reports["arguments"][reports["arguments"].index("--celery-hostname") + 1] == "reports@%%h"
    assert (first["health"]["node"], reports["health"]["node"]) == ("celery@h1", "reports@h1")
    assert reports["health"]["queues"] == ["reports", "mail"]
    assert result["settings"]["core"]["parallelism"] == str(6 + 4 + 6)


def test_a_worker_of_one_host_may_have_another_number() -> None:
    hosts = {"h1": "webserver scheduler metadata_db broker", "h2": "worker", "h3": "worker"}
    details = {"h3": Host("h3", {"airflow_worker_concurrency": 3}, facts("198.18.0.4"), info())}
    result = plan(inventory(hosts, details=details, airflow_size="small"), "h1")
    assert result["settings"]["core"]["parallelism"] == "8"


def test_queues_follow_the_default_queue() -> None:
    worker = daemon(plan(celery(airflow_config={"operators": {"default_queue": "main"}})), "worker")
    assert worker["health"]["queues"] == ["main"]


@pytest.mark.parametrize(("engine", "options"), [("redis", {"visibility_timeout": "7200"}), ("rabbitmq", {"confirm_publish": "True"})])
def test_what_the_broker_is_told_of_long_tasks(engine: str, options: dict[str, str]) -> None:
    result = plan(celery(airflow_broker_engine=engine, airflow_longest_task_seconds=7200))
    assert result["settings"]["celery_broker_transport_options"] == options
    assert result["broker"]["consumer_timeout_ms"] == 7_200_000


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_tasks_and_results_wait_while_the_broker_or_the_database_is_away(version: str) -> None:
    settings = plan(celery(airflow_version=version))["settings"]["celery"]
    assert settings["task_publish_max_retries"] == "600"
    extra = json.loads(settings["extra_celery_config"])
    # Longer than the second that Airflow gives an attempt: what is refused must run out of time, or Airflow fails the task.
    policy = extra["task_publish_retry_policy"]
    waits = [
        min(policy["interval_start"] + number * policy["interval_step"], policy["interval_max"]) for number in range(policy["max_retries"])
    ]
    assert sum(waits) > 5
    assert extra["result_backend_always_retry"] is True
    assert json.loads(settings["result_backend_sqlalchemy_engine_options"]) == {"pool_pre_ping": True}


def test_results_in_redis_need_no_options_of_a_database() -> None:
    settings = plan(celery(airflow_result_backend="redis"))["settings"]["celery"]
    assert "result_backend_sqlalchemy_engine_options" not in settings
    assert "extra_celery_config" in settings


@pytest.mark.parametrize(
    ("version", "option"), [("2.11.2", "scheduler_zombie_task_threshold"), ("3.3.2", "task_instance_heartbeat_timeout")]
)
def test_a_lost_worker_is_noticed_after_a_minute(version: str, option: str) -> None:
    assert plan(celery(airflow_version=version))["settings"]["scheduler"][option] == "60"


@pytest.mark.parametrize("groups", ["", "metadata_db", "metadata_db broker worker"])
@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_what_a_scheduler_left_is_taken_up_after_a_minute(groups: str, version: str) -> None:
    inputs = inventory({"h1": f"webserver scheduler {groups}"}, airflow_version=version)
    assert plan(inputs)["settings"]["scheduler"]["orphaned_tasks_check_interval"] == "60"


def test_a_broker_on_its_own_host_listens_where_it_is_reached() -> None:
    inputs = inventory({"h1": "webserver scheduler metadata_db worker", "h2": "broker"})
    result = plan(inputs, "h2")
    assert result["broker"]["listen_addresses"] == ["127.0.0.1", "198.18.0.3"]
    assert result["broker"]["on_this_host"] is True
    assert "@198.18.0.3:6379" in daemon(plan(inputs, "h1"), "worker")["environment"]["AIRFLOW__CELERY__BROKER_URL"]
    assert plan(celery())["broker"]["listen_addresses"] == ["127.0.0.1"]


def test_a_broker_of_others_is_not_managed() -> None:
    inputs = celery("metadata_db worker", airflow_broker_host="queues.example.org", airflow_broker_password="theirs")
    result = plan(inputs)
    assert result["broker"]["managed"] is False
    assert result["broker"]["url"] == "redis://:theirs@queues.example.org:6379/0"
    assert compiled(inputs).draft.warnings == []


def test_a_broker_without_a_password_is_worth_a_warning() -> None:
    warnings = compiled(celery("metadata_db worker", airflow_broker_host="queues.example.org")).draft.warnings
    assert warnings == [
        "The broker at queues.example.org is used without a password: whoever reaches it can run code on the workers; set "
        "airflow_broker_password."
    ]


@pytest.mark.parametrize(
    ("values", "place", "prefix"),
    [
        ({"airflow_worker_autoscale": "6, 2"}, "airflow_worker_autoscale of h1", "airflow_worker_"),
        (
            {"airflow_worker_instances": {"big": {"queues": ["big"], "autoscale": "6,2"}}},
            "airflow_worker_instances.big.autoscale of h1",
            "airflow_worker_instances.big.",
        ),
        ({"airflow_config": {"celery": {"worker_autoscale": "6,2"}}}, "[celery] worker_autoscale in airflow_config", "airflow_worker_"),
    ],
)
def test_a_worker_that_scales_is_worth_a_warning(values: dict[str, Any], place: str, prefix: str) -> None:
    assert compiled(celery(**values)).draft.warnings == [
        f"{place} is 6,2: when the worker gets smaller, Celery now and then ends a process that was just given a task, "
        f"which fails unless it has retries; {prefix}concurrency sets a fixed size in its place."
    ]


def test_a_worker_that_never_gets_smaller_loses_nothing() -> None:
    assert compiled(celery(airflow_worker_autoscale="6,6")).draft.warnings == []


@pytest.mark.parametrize(
    ("inputs", "warning"),
    [
        (
            celery(airflow_broker_management=True),
            ["airflow_broker_management is true and the broker is redis: only RabbitMQ has that plugin, and nothing is done."],
        ),
        (
            celery(
                "metadata_db worker",
                airflow_broker_engine="rabbitmq",
                airflow_broker_host="queues.example.org",
                airflow_broker_password="theirs",
                airflow_broker_management=True,
            ),
            [
                "airflow_broker_management is true and the RabbitMQ at queues.example.org is not managed here: its plugins are left as "
                "they are."
            ],
        ),
        (celery(airflow_broker_engine="rabbitmq", airflow_broker_management=True), []),
    ],
)
def test_a_management_plugin_without_a_server_is_worth_a_warning(inputs: Inputs, warning: list[str]) -> None:
    assert compiled(inputs).draft.warnings == warning


def test_a_broker_that_nobody_needs_is_left_alone() -> None:
    inputs = single("metadata_db broker")
    assert plan(inputs)["broker"] is None
    assert compiled(inputs).draft.warnings == [
        "Group airflow_broker has hosts (h1), and LocalExecutor needs no broker: what runs there is left as it is."
    ]


def test_redis_knows_the_digest_of_the_password() -> None:
    digest = hashlib.sha256(AWKWARD_PASSWORD.encode()).hexdigest()
    (line,) = plan(celery(airflow_broker_password=AWKWARD_PASSWORD))["broker"]["redis_users"]
    assert line.startswith(f"user default on #{digest} ")
    named, default = plan(celery(airflow_broker_password=AWKWARD_PASSWORD, airflow_broker_user="tasks"))["broker"]["redis_users"]
    assert named.startswith(f"user tasks on #{digest} ")
    assert default == "user default off"


def test_rabbitmq_knows_a_salted_digest_of_the_password() -> None:
    found = plan(celery(airflow_broker_engine="rabbitmq", airflow_broker_password=AWKWARD_PASSWORD))["broker"]["definitions"]
    (user,) = found["users"]
    stored = base64.b64decode(user["password_hash"])
    assert stored[4:] == hashlib.sha256(stored[:4] + AWKWARD_PASSWORD.encode()).digest()
    assert (user["name"], user["tags"]) == ("airflow", [])
    assert found["vhosts"] == [{"name": "airflow"}]
    assert found["permissions"] == [{"user": "airflow", "vhost": "airflow", "configure": ".*", "write": ".*", "read": ".*"}]


def test_passwords_are_found_on_hosts_again() -> None:
    known = {
        "AIRFLOW__CELERY__BROKER_URL": f"redis://:{QUOTED}@127.0.0.1:6379/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql+psycopg2://airflow_results:old@127.0.0.1:5432/airflow_results",
    }
    record = installation(executor="CeleryExecutor")
    record["environment"]["worker"] = known
    record["environment"]["flower"] = {"AIRFLOW__CELERY__FLOWER_BASIC_AUTH": "admin:bl:oom"}
    topology = compiled(celery(f"{ONE_HOST} flower", found=info(installation=record)), MemoryStore(metadata_db_password="old"))
    assert topology.draft.secrets["broker_password"] == AWKWARD_PASSWORD
    assert topology.draft.secrets["results_db_password"] == "old"
    assert topology.draft.secrets["flower_password"] == "bl:oom"


def test_celery_is_installed_where_it_is_used() -> None:
    (run,) = plan(celery())["environments"]
    assert [path.rpartition("/")[2] for path in run["locks"]] == ["3.3.2.txt", "3.3.2-postgresql.txt", "3.3.2-celery.txt"]
    (local,) = plan(single("metadata_db"))["environments"]
    assert run["path"] != local["path"]


def test_connections_are_counted_with_those_of_workers() -> None:
    few = plan(celery(airflow_version="2.11.2", airflow_worker_concurrency=4))["database"]["max_connections"]
    many = plan(celery(airflow_version="2.11.2", airflow_worker_concurrency=64))["database"]["max_connections"]
    assert many - few >= 2 * 3 * 60 - 10


def test_a_lifted_user_is_told_that_tasks_become_another() -> None:
    found = info(adopted=adopted("3.3.2"), metadata={"size_mb": 10, "revision": None})
    notes = compiled(celery(found=found, airflow_adopt_home=OLD_HOME)).draft.notes
    assert (
        "Tasks on h1 will run as airflow-worker and no longer as jane, whose files they may not read: set airflow_worker_user to jane if "
        "they need those."
    ) in notes


OTHERS_REDIS = {"engine": "redis", "title": "Redis", "config": "/etc/redis/redis.conf", "own": False, "used": ""}


@pytest.mark.parametrize(
    ("changed", "engine"), [({}, "redis"), ({"used": "it holds data", "own": True}, "redis"), ({"used": "it holds data"}, "rabbitmq")]
)
def test_a_broker_that_nobody_else_uses_is_taken(changed: dict[str, Any], engine: str) -> None:
    assert findings(celery(found=info(brokers=[{**OTHERS_REDIS, **changed}]), airflow_broker_engine=engine)) == []


CASES: dict[str, tuple[Inputs, str]] = {
    "no workers": (
        single("metadata_db broker", airflow_executor="CeleryExecutor"),
        "airflow_executor is CeleryExecutor and no worker would run its tasks: put a host into airflow_worker.",
    ),
    "workers and another executor": (
        celery(airflow_executor="LocalExecutor"),
        "Group airflow_worker has hosts (h1) and airflow_executor is LocalExecutor, which has no workers: remove one of them.",
    ),
    "no database server": (
        celery("broker worker"),
        "CeleryExecutor needs a database server, and the inventory names none: put a host into airflow_metadata_db or set "
        "airflow_metadata_db_host.",
    ),
    "no broker": (
        celery("metadata_db worker"),
        "CeleryExecutor needs a broker for its queues and no broker is named: set airflow_broker_host, or put a host into airflow_broker.",
    ),
    "a broker of others without a place": (
        celery("metadata_db worker", airflow_broker_managed=False),
        "airflow_broker_managed is false and no broker is named: set airflow_broker_host, or put a host into airflow_broker.",
    ),
    "a managed broker without a host": (
        celery("metadata_db worker", airflow_broker_managed=True, airflow_broker_host="queues.example.org"),
        "airflow_broker_managed is true and group airflow_broker has no host: put one into it.",
    ),
    "a broker of the inventory at another address": (
        celery(airflow_broker_managed=True, airflow_broker_host="10.0.0.5"),
        "airflow_broker_host is 10.0.0.5, and the broker that airflow_broker_managed (true) provides is reached at 127.0.0.1: remove "
        "airflow_broker_host; airflow_advertised_address of h1 is for another address.",
    ),
    "two brokers": (
        inventory({"h1": f"webserver scheduler {ONE_HOST}", "h2": "broker"}),
        "Group airflow_broker has 2 hosts (h1, h2): of two brokers neither has a majority when they lose each other; keep one.",
    ),
    "a Redis that somebody uses": (
        celery(found=info(brokers=[{**OTHERS_REDIS, "used": "it holds data in /var/lib/redis"}])),
        "h1 has a Redis server that is not Airflow's (it holds data in /var/lib/redis), and it would get Airflow's password and settings: "
        "put another host into airflow_broker, or use it as it is by airflow_broker_managed (false), airflow_broker_host and "
        "airflow_broker_password.",
    ),
    "a broker named twice": (
        celery(airflow_broker_host="queues.example.org"),
        "airflow_broker_host is queues.example.org and group airflow_broker has hosts (h1): remove one of them, or say which it is by "
        "airflow_broker_managed.",
    ),
    "unknown broker": (celery(airflow_broker_engine="kafka"), "airflow_broker_engine is 'kafka': use redis or rabbitmq."),
    "valkey": (
        celery(airflow_broker_engine="valkey"),
        "airflow_broker_engine is valkey: write redis, which is Valkey where the distribution has it.",
    ),
    "a URL for a host": (
        celery("metadata_db worker", airflow_broker_host="redis://queues"),
        "airflow_broker_host is 'redis://queues': write an address or a name, without scheme, port or brackets.",
    ),
    "a broker on every host's own loopback": (
        inventory({"h1": "webserver scheduler metadata_db", "h2": "worker"}, airflow_broker_host="localhost", airflow_broker_password="x"),
        "The broker is at localhost, and several hosts use it (h1, h2): use an address all of them reach.",
    ),
    "a named database of Redis": (
        celery(airflow_broker_vhost="airflow"),
        "airflow_broker_vhost is 'airflow': Redis numbers its databases, use 0 to 15.",
    ),
    "no database left for results": (
        celery(airflow_broker_vhost="15", airflow_result_backend="redis"),
        "airflow_broker_vhost is '15': Redis numbers its databases, use 0 to 14.",
    ),
    "a virtual host with blanks": (
        celery(airflow_broker_engine="rabbitmq", airflow_broker_vhost="air flow"),
        "airflow_broker_vhost is 'air flow': use letters, digits and . _ - only.",
    ),
    "RabbitMQ's guest": (
        celery(airflow_broker_engine="rabbitmq", airflow_broker_user="guest"),
        "airflow_broker_user is guest, which the broker comes with: choose another name.",
    ),
    "Redis's default user": (
        celery(airflow_broker_user="default"),
        "airflow_broker_user is default, which the broker comes with: choose another name.",
    ),
    "a user with a colon": (celery(airflow_broker_user="a:b"), "airflow_broker_user is 'a:b': use letters, digits and . _ - only."),
    "RabbitMQ of others without a password": (
        celery("metadata_db worker", airflow_broker_engine="rabbitmq", airflow_broker_host="queues.example.org"),
        "airflow_broker_password is not set, and a broker that is not managed here needs it.",
    ),
    "results on a server of others": (
        celery("broker worker", airflow_metadata_db_host="db.example.org", airflow_metadata_db_password="x"),
        "airflow_results_db_password is not set, and Celery's results need a database airflow_results owned by a role airflow_results on "
        "the server that is not managed here: make both and set it, or set airflow_result_backend to redis.",
    ),
    "unknown result backend": (celery(airflow_result_backend="rpc"), "airflow_result_backend is 'rpc': use database or redis."),
    "results in a Redis that is none": (
        celery(airflow_broker_engine="rabbitmq", airflow_result_backend="redis"),
        "airflow_result_backend is redis and the broker is rabbitmq: use database.",
    ),
    "tasks of no length": (celery(airflow_longest_task_seconds=0), "airflow_longest_task_seconds is 0: it must be 1 or more."),
    "a queue with a comma": (
        celery(airflow_worker_queues=["default", "a,b"]),
        "airflow_worker_queues of h1 holds 'a,b': the name of a queue has letters, digits and . _ - only.",
    ),
    "nobody serves the default queue": (
        celery(airflow_worker_queues=["reports"]),
        "No worker serves the queue default, where tasks go that name none: add it to airflow_worker_queues of a host in airflow_worker, "
        "or set [operators] default_queue in airflow_config.",
    ),
    "queues as a text": (celery(airflow_worker_queues="default"), "airflow_worker_queues must be a list of texts, not 'default' (h1)."),
    "an instance with a blank": (
        celery(airflow_worker_instances={"my reports": {"queues": ["reports"]}}),
        "airflow_worker_instances of h1: 'my reports' stands in a unit's name: use letters, digits, _ and - only.",
    ),
    "an instance that is a list": (
        celery(airflow_worker_instances={"reports": ["reports"]}),
        "airflow_worker_instances of h1: reports must be a mapping with queues, and concurrency or autoscale if wanted.",
    ),
    "an instance without queues": (
        celery(airflow_worker_instances={"reports": {"concurrency": 2}}),
        "airflow_worker_instances of h1: reports names no queues: give it a list, as in queues: [reports].",
    ),
    "an unknown option of an instance": (
        celery(airflow_worker_instances={"reports": {"queues": ["r"], "concurency": 2}}),
        "airflow_worker_instances of h1: reports has concurency, which is not an option: concurrency is; rename it.",
    ),
    "no tasks at once": (
        celery(airflow_worker_concurrency=0),
        "airflow_worker_concurrency of h1 is 0: it must be a whole number, 1 or more.",
    ),
    "an instance with no tasks at once": (
        celery(airflow_worker_instances={"reports": {"queues": ["r"], "concurrency": "many"}}),
        "airflow_worker_instances.reports.concurrency of h1 is many: it must be a whole number, 1 or more.",
    ),
    "a range upside down": (
        celery(airflow_worker_autoscale="2,8"),
        "airflow_worker_autoscale of h1 is '2,8': write the most and the fewest tasks at once, as in 16,4.",
    ),
    "root for tasks": (
        celery(airflow_worker_user="root"),
        "airflow_worker_user of h1 is root, as which tasks could do anything to the host: name another user.",
    ),
    "Flower without workers": (
        single("metadata_db flower"),
        "Group airflow_flower has hosts (h1), and Flower shows Celery's workers, of which there are none: remove them, or put a host into "
        "airflow_worker.",
    ),
    "a comma in Flower's password": (
        celery(f"{ONE_HOST} flower", airflow_flower_password="a,b"),
        "airflow_flower_password holds a comma or a $, which Flower and Airflow read in a way of their own: choose another one.",
    ),
    "Flower on the webserver's port": (
        celery(f"{ONE_HOST} flower", airflow_flower_port=8080),
        "airflow_webserver_port is 8080, which airflow_flower_port has on the same host: choose another one.",
    ),
    "a broker on the database's port": (
        celery(airflow_broker_port=5432),
        "airflow_broker_port is 5432, which airflow_metadata_db_port has on the same host: choose another one.",
    ),
    "an unknown size of a worker": (
        celery(airflow_size="huge"),
        "airflow_size of h1 is 'huge': use one of auto, small, medium, large.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusal_is_one_clear_sentence(name: str) -> None:
    inputs, sentence = CASES[name]
    found = findings(inputs)
    assert found == [sentence]
