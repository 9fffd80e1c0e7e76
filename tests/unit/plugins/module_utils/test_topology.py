# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the topology compiler derives for installations without a past."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.filter.database_settings import database_settings
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host
from topology_inventory import (
    OLD_HOME,
    PYTHON_311,
    PYTHON_312,
    PYTHON_313,
    MemoryStore,
    adopted,
    cluster,
    compiled,
    daemon,
    facts,
    findings,
    info,
    installation,
    inventory,
    plan,
    server,
    single,
)

THREE_HOSTS = {"web": "webserver", "sched": "scheduler", "db": "metadata_db"}


def test_nothing_said_means_the_newest_version_on_sqlite() -> None:
    result = plan(single())
    assert (result["version"], result["line"], result["executor"], result["engine"]) == ("3.3.2", 3, "LocalExecutor", "sqlite")
    assert result["database"] is None
    assert result["sqlite"] == {
        "path": "/opt/airflow/metadata/airflow.db",
        "url": "sqlite:////opt/airflow/metadata/airflow.db",
        "async_url": "sqlite+aiosqlite:////opt/airflow/metadata/airflow.db",
    }


def test_2_on_sqlite_runs_one_task_at_a_time() -> None:
    result = plan(single(airflow_version="2.11.2"))
    assert result["executor"] == "SequentialExecutor"
    assert result["sqlite"]["async_url"] is None
    assert "parallelism" not in result["settings"]["core"]
    assert result["settings"]["scheduler"]["parsing_processes"] == "1"


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_a_database_host_means_postgresql_and_parallel_tasks(version: str) -> None:
    result = plan(server(airflow_version=version))
    assert (result["executor"], result["engine"]) == ("LocalExecutor", "postgresql")
    assert result["sqlite"] is None
    assert result["move"] is None


def test_daemons_of_3_in_the_order_they_start() -> None:
    result = plan(server())
    assert [(entry["name"], entry["unit"], entry["arguments"]) for entry in result["daemons"]] == [
        ("webserver", "airflow-webserver", ["api-server", "--port", "8080"]),
        ("scheduler", "airflow-scheduler", ["scheduler"]),
        ("dag_processor", "airflow-dag-processor", ["dag-processor"]),
        ("triggerer", "airflow-triggerer", ["triggerer"]),
    ]


def test_daemons_of_2_have_no_dag_processor_of_their_own() -> None:
    result = plan(server(airflow_version="2.11.2"))
    assert [entry["arguments"] for entry in result["daemons"]] == [
        ["webserver", "--port", "8080", "--pid", "/run/airflow-webserver/webserver.pid"],
        ["scheduler"],
        ["triggerer"],
    ]


def test_2_gets_a_dag_processor_when_its_group_has_a_host() -> None:
    result = plan(single("metadata_db dag_processor", airflow_version="2.11.2"))
    assert daemon(result, "dag_processor")["arguments"] == ["dag-processor"]
    assert result["settings"]["scheduler"]["standalone_dag_processor"] == "True"


def test_the_scheduler_stops_before_the_webserver_and_that_before_the_database() -> None:
    result = plan(server())
    assert "airflow-webserver.service" in daemon(result, "scheduler")["after"]
    assert all("postgresql.service" in entry["after"] for entry in result["daemons"])


def test_an_external_server_is_no_unit_of_the_host() -> None:
    result = plan(single(airflow_metadata_db_host="db.example.org", airflow_metadata_db_password="x"))
    assert all("postgresql.service" not in entry["after"] for entry in result["daemons"])
    assert (result["database"]["managed"], result["database"]["on_this_host"]) == (False, False)
    assert result["database"]["hba"] == []
    assert result["database"]["settings"] == {}


EXTERNAL = {"airflow_metadata_db_host": "db.example.org", "airflow_metadata_db_password": "x"}


def test_an_external_database_is_looked_at_before_its_first_use_by_one_host() -> None:
    inputs = inventory({"h1": "webserver", "h2": "scheduler"}, **EXTERNAL)
    assert plan(inputs, "h1")["database"]["check"] is None
    assert plan(inputs, "h2")["database"]["check"] == {
        "name": "airflow",
        "must_be_empty": False,
        "is_first_use": True,
        "host": "db.example.org",
        "port": 5432,
        "user": "airflow",
        "password": "x",
        "ssl_mode": "prefer",
        "ssl_root_cert": None,
        "options": "",
        "oldest": 14,
    }
    url = "postgresql+psycopg2://airflow:x@db.example.org:5432/airflow"
    record = installation(database={"host": "db.example.org", "port": 5432, "name": "airflow"})
    record["environment"]["scheduler"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = url
    assert plan(single(found=info(installation=record), **EXTERNAL))["database"]["check"] is None


def test_a_cluster_that_is_there_is_looked_at_by_its_socket() -> None:
    there = {**cluster("15/main"), "port": 5433}
    found = info(adopted=adopted(), metadata={"size_mb": 1}, postgresql_clusters=[there])
    assert plan(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME))["database"]["check"] == {
        "name": "airflow",
        "must_be_empty": True,
        "is_first_use": False,
        "host": "/var/run/postgresql",
        "port": 5433,
        "user": "postgres",
        "place": "the database airflow on h1",
        "owner": "airflow",
    }
    assert plan(server())["database"]["check"] is None


def test_running_tasks_get_the_drain_timeout() -> None:
    result = plan(server(airflow_drain_timeout=1800))
    assert [(entry["runs_tasks"], entry["stop_timeout"]) for entry in result["daemons"][:2]] == [(False, 60), (True, 1800)]


def test_health_is_asked_where_the_daemon_answers() -> None:
    result = plan(server(airflow_webserver_port=9090, airflow_base_url="https://example.org/airflow/"))
    assert daemon(result, "webserver")["health"]["url"] == "http://127.0.0.1:9090/airflow/api/v2/monitor/health"
    assert daemon(result, "webserver")["health"]["first_url"] == "http://127.0.0.1:9090/airflow/execution/health"
    assert daemon(result, "scheduler")["health"]["url"] == "http://127.0.0.1:8974/health"
    assert daemon(result, "scheduler")["health"]["first_url"] is None
    triggerer = daemon(result, "triggerer")["health"]
    assert (triggerer["kind"], triggerer["url"], triggerer["job_type"], triggerer["node"]) == ("job", None, "TriggererJob", None)


def test_health_follows_the_users_settings() -> None:
    moved = plan(server(airflow_config={"scheduler": {"scheduler_health_check_server_port": 9974}}))
    assert daemon(moved, "scheduler")["health"]["url"] == "http://127.0.0.1:9974/health"
    off = plan(server(airflow_config={"scheduler": {"enable_health_check": False}}))
    assert daemon(off, "scheduler")["health"]["kind"] == "job"


def test_the_schedulers_page_of_2_is_left_off() -> None:
    # Its server keeps the connections that it had when it was forked from the scheduler.
    result = plan(server(airflow_version="2.11.2"))
    assert "enable_health_check" not in result["settings"].get("scheduler", {})
    assert (daemon(result, "scheduler")["health"]["kind"], daemon(result, "scheduler")["health"]["url"]) == ("job", None)
    assert daemon(result, "webserver")["health"]["first_url"] is None
    assert result["warnings"] == []
    wanted = plan(server(airflow_version="2.11.2", airflow_config={"scheduler": {"enable_health_check": True}}))
    assert daemon(wanted, "scheduler")["health"]["kind"] == "job"
    assert wanted["warnings"][0].startswith(
        "[scheduler] enable_health_check is on, and in Airflow 2.11.2 that page shares the scheduler's "
    )


def test_health_of_2_is_another_page() -> None:
    assert daemon(plan(server(airflow_version="2.11.2")), "webserver")["health"]["path"] == "/health"


def test_everything_about_a_local_database() -> None:
    database = plan(server())["database"]
    assert (database["host"], database["port"], database["ssl_mode"], database["listen_addresses"]) == (
        "127.0.0.1",
        5432,
        "disable",
        "localhost",
    )
    assert [(rule["source"], rule["databases"], rule["users"], rule["method"]) for rule in database["hba"]] == [
        ("127.0.0.1/32", "airflow", "airflow", "scram-sha-256"),
        ("::1/128", "airflow", "airflow", "scram-sha-256"),
    ]


def test_several_hosts_share_one_topology() -> None:
    topology = compiled(inventory(THREE_HOSTS))
    web, scheduler, database = (topology.plan(name) for name in THREE_HOSTS)
    assert [entry["name"] for entry in web["daemons"]] == ["webserver"]
    assert [entry["name"] for entry in scheduler["daemons"]] == ["scheduler", "dag_processor", "triggerer"]
    assert (database["daemons"], database["environments"], database["settings"]) == ([], [], {})
    assert database["database"]["on_this_host"] is True
    assert [rule["source"] for rule in database["database"]["hba"]] == ["127.0.0.1/32", "::1/128", "198.18.0.2/32", "198.18.0.3/32"]
    assert database["database"]["listen_addresses"] == "localhost,198.18.0.4"
    assert web["database"]["host"] == scheduler["database"]["host"] == "198.18.0.4"
    assert web["database"]["ssl_mode"] == "prefer"
    assert scheduler["settings"]["core"]["execution_api_server_url"] == "http://198.18.0.2:8080/execution/"
    for variable in ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"):
        assert daemon(web, "webserver")["environment"][variable] == daemon(scheduler, "scheduler")["environment"][variable]
    assert [peer["address"] for peer in web["peers"]] == ["198.18.0.3", "198.18.0.4"]


def test_an_advertised_address_is_used_everywhere() -> None:
    details = {
        "web": Host("web", {"airflow_advertised_address": "2001:db8::2"}, facts("198.18.0.2"), info()),
        "db": Host("db", {"airflow_advertised_address": "db.example.org"}, facts("198.18.0.4"), info()),
    }
    scheduler = compiled(inventory(THREE_HOSTS, details=details)).plan("sched")
    assert scheduler["database"]["host"] == "db.example.org"
    assert "@db.example.org:5432/" in scheduler["database"]["url"]
    assert scheduler["settings"]["core"]["execution_api_server_url"] == "http://[2001:db8::2]:8080/execution/"
    assert "2001:db8::2/128" in [rule["source"] for rule in scheduler["database"]["hba"]]
    # The name may lead to another machine that forwards: nothing tells which interface that reaches.
    assert scheduler["database"]["listen_addresses"] == "*"


def test_the_execution_api_is_asked_on_the_own_host() -> None:
    result = plan(server(airflow_base_url="https://example.org/airflow", airflow_webserver_port=8081))
    assert result["settings"]["core"]["execution_api_server_url"] == "http://127.0.0.1:8081/airflow/execution/"
    assert result["settings"]["api"] == {"port": "8081", "base_url": "https://example.org/airflow"}


def test_3_keeps_people_at_the_address_they_came_by() -> None:
    result = plan(server())
    assert "base_url" not in result["settings"].get("api", {})
    assert result["webserver"] == {"port": 8080, "base_url": "http://198.18.0.2:8080"}


def test_2_links_to_the_webserver() -> None:
    assert plan(server(airflow_version="2.11.2"))["settings"]["webserver"]["base_url"] == "http://198.18.0.2:8080"


def test_groups_may_have_other_names() -> None:
    inputs = server(airflow_webserver_group="front", airflow_scheduler_group="back", airflow_metadata_db_group="data")
    renamed = {"airflow": ["h1"], "front": ["h1"], "back": ["h1"], "data": ["h1"]}
    result = plan(inputs.__class__(inputs.hosts, renamed, inputs.files_dir))
    assert [entry["name"] for entry in result["daemons"]] == ["webserver", "scheduler", "dag_processor", "triggerer"]
    assert result["engine"] == "postgresql"


def test_paths_follow_the_home_and_the_users_settings() -> None:
    paths = plan(server(airflow_home="/srv/airflow", airflow_config={"core": {"dags_folder": "/data/dags"}}))["paths"]
    assert (paths["home"], paths["dags"], paths["logs"], paths["current"]) == (
        "/srv/airflow",
        "/data/dags",
        "/srv/airflow/logs",
        "/srv/airflow/current",
    )
    assert (paths["config_dir"], paths["config_file"]) == ("/etc/airflow", "/etc/airflow/airflow.cfg")


def test_settings_hold_what_differs_from_the_defaults() -> None:
    settings = plan(server())["settings"]
    assert settings["core"]["load_examples"] == "False"
    assert settings["core"]["auth_manager"] == "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    assert settings["scheduler"]["enable_health_check"] == "True"
    assert "executor" not in settings["core"]
    assert "dags_folder" not in settings["core"]


def test_the_user_wins_over_everything_derived() -> None:
    settings = plan(server(airflow_config={"core": {"parallelism": 3, "load_examples": True, "auth_manager": "x.Y"}}))["settings"]
    assert settings["core"]["parallelism"] == "3"
    assert "load_examples" not in settings["core"]
    assert settings["core"]["auth_manager"] == "x.Y"


@pytest.mark.parametrize("spelling", ["webserver", "api"])
@pytest.mark.parametrize(("version", "section"), [("2.11.2", "webserver"), ("3.3.2", "api")])
def test_both_spellings_of_a_setting_are_one(version: str, section: str, spelling: str) -> None:
    result = plan(server(airflow_version=version, airflow_config={spelling: {"expose_config": True}}))
    assert result["settings"][section]["expose_config"] == "True"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"api": {"port": 8181}}, 8181),
        ({"webserver": {"web_server_port": 8181}}, 8181),
    ],
)
def test_an_option_with_a_variable_of_its_own_is_that_variable(config: dict[str, Any], expected: int) -> None:
    result = plan(server(airflow_config=config))
    assert result["webserver"]["port"] == expected
    assert daemon(result, "webserver")["arguments"] == ["api-server", "--port", str(expected)]


def test_the_executor_may_come_from_airflow_config() -> None:
    result = plan(server(airflow_version="2.11.2", airflow_config={"core": {"executor": "SequentialExecutor"}}))
    assert result["executor"] == "SequentialExecutor"


def test_the_newest_python_in_range_is_taken() -> None:
    found = info(pythons=[PYTHON_313, PYTHON_312, PYTHON_311])
    assert plan(server(found=found))["environments"][0]["python"] == PYTHON_313["path"]
    assert plan(server(found=found, airflow_version="2.11.2"))["environments"][0]["python"] == PYTHON_312["path"]


@pytest.mark.parametrize("wanted", ["3.11", "/usr/bin/python3.11"])
def test_a_python_may_be_asked_for(wanted: str) -> None:
    assert plan(server(airflow_python=wanted))["environments"][0]["python"] == "/usr/bin/python3.11"


def test_a_python_elsewhere_may_be_named_by_its_path() -> None:
    assert plan(server(airflow_python="/opt/py/bin/python3.12"))["environments"][0]["python"] == "/opt/py/bin/python3.12"


def test_a_tested_version_is_installed_from_its_locks() -> None:
    (environment,) = plan(server())["environments"]
    assert [lock.rpartition("/")[2] for lock in environment["locks"]] == ["3.3.2.txt", "3.3.2-postgresql.txt"]
    assert (environment["purpose"], environment["constraint_url"], environment["packages"]) == ("run", None, [])
    assert [lock.rpartition("/")[2] for lock in plan(single())["environments"][0]["locks"]] == ["3.3.2.txt"]


def test_the_environments_folder_changes_with_what_is_in_it() -> None:
    paths = {
        plan(inputs)["environments"][0]["path"]
        for inputs in (
            server(),
            single(),
            server(airflow_requirements=["boto3"]),
            server(airflow_python="3.11"),
            server(airflow_version="2.11.2"),
        )
    }
    assert len(paths) == 5
    assert all(path.startswith("/opt/airflow/venvs/") for path in paths)
    assert plan(server())["environments"][0]["path"] == plan(server())["environments"][0]["path"]


def test_another_version_is_installed_by_upstreams_constraints_with_a_warning() -> None:
    result = plan(server(airflow_version="3.3.1"))
    (environment,) = result["environments"]
    assert environment["constraint_url"] == "https://raw.githubusercontent.com/apache/airflow/constraints-3.3.1/constraints-3.12.txt"
    assert environment["locks"] == []
    assert environment["packages"][0] == "apache-airflow[fab]==3.3.1"
    assert "asyncpg" in environment["packages"]
    assert [warning.partition(":")[0] for warning in result["warnings"]] == ["Airflow 3.3.1 has no hash lock in this collection"]


def test_options_of_an_untested_version_are_written_as_they_stand() -> None:
    result = plan(server(airflow_version="3.1.0", airflow_config={"core": {"brand_new": True}, "smtp": {"smtp_password": "hush"}}))
    assert result["settings"]["core"]["brand_new"] == "True"
    assert "The options of Airflow 3.1.0 are not known" in " ".join(result["warnings"])
    assert "smtp" not in result["settings"]


@pytest.mark.parametrize(
    ("system", "warned"),
    [
        (facts(release="12"), False),
        (facts(release="13"), False),
        (facts(distribution="Ubuntu", release="24"), True),
        (facts(distribution="Rocky", os_family="RedHat", release="9"), True),
    ],
)
def test_systems_that_were_not_tested_are_told(system: dict[str, Any], warned: bool) -> None:
    warnings = " ".join(plan(server(system=system))["warnings"])
    assert ("was not tested on" in warnings) is warned


def test_a_server_newer_than_upstream_tests_is_told() -> None:
    result = plan(server(system=facts(release="13"), airflow_version="2.11.2"))
    assert "h1 gets PostgreSQL 17; upstream tests Airflow 2.11.2 up to 16." in result["warnings"]
    assert plan(server(system=facts(release="13")))["warnings"] == []


def test_a_host_without_a_part_is_told() -> None:
    result = plan(inventory({"h1": "webserver scheduler metadata_db", "h2": ""}))
    assert result["warnings"] == ["h2 would do nothing: not in airflow_webserver, airflow_scheduler or another group of theirs."]


def test_a_fresh_installation_has_one_administrator_with_a_generated_password() -> None:
    topology = compiled(server(airflow_admin_username="boss"))
    user, _account = topology.plan("h1")["users"]
    assert (user["username"], user["role"]) == ("boss", "Admin")
    assert user["password"] == topology.new_secrets["admin_password"]
    assert len(user["password"]) >= 20


def test_the_report_tells_the_address_and_where_the_password_is() -> None:
    assert plan(server())["report"] == [
        "Airflow 3.3.2 runs at http://198.18.0.2:8080 (LocalExecutor on PostgreSQL).",
        "Log in as admin; the first password is in /inventory/credentials/airflow/admin_password.",
    ]
    given = plan(server(airflow_admin_password="opensesame"))["report"]
    assert given[1] == "Log in as admin; the first password is given by airflow_admin_password."
    assert compiled(inventory(THREE_HOSTS)).plan("db")["report"] == []


def test_the_record_is_what_the_next_run_needs() -> None:
    assert plan(server())["installation_record"] == {
        "format": 1,
        "version": "3.3.2",
        "engine": "postgresql",
        "executor": "LocalExecutor",
        "tls": "false",
        "database": {"host": "127.0.0.1", "port": 5432, "name": "airflow"},
        "adopted": None,
        "moved": None,
    }


def test_the_user_airflow_runs_as() -> None:
    assert plan(server())["user"] == {"name": "airflow", "group": "airflow", "create": True}
    assert plan(server(airflow_user="etl"))["user"] == {"name": "etl", "group": "etl", "create": True}


def test_certificates_are_checked_against_the_hosts_authorities() -> None:
    external: dict[str, Any] = {
        "airflow_metadata_db_host": "db.example.org",
        "airflow_metadata_db_password": "x",
        "airflow_metadata_db_ssl_mode": "verify-full",
    }
    assert plan(single(**external))["database"]["ssl_root_cert"] == "/etc/ssl/certs/ca-certificates.crt"
    trusting = single(airflow_ca_bundle="/etc/own.pem", **external)
    assert plan(trusting)["database"]["ssl_root_cert"] == "/etc/own.pem"
    named = plan(single(airflow_ca_bundle="/etc/own.pem", airflow_metadata_db_ssl_root_cert="/etc/db ca.pem", **external))
    database = named["database"]
    assert database["ssl_root_cert"] == database_settings(named)["ssl_root_cert"] == "/etc/db ca.pem"
    assert "?sslmode=verify-full&sslrootcert=%2Fetc%2Fdb%20ca.pem&" in database["url"]
    assert database["async_url"].endswith("?ssl=verify-full&dsn=postgresql%3A%2F%2F%3Fsslrootcert%3D%252Fetc%252Fdb%2520ca.pem")
    environment = daemon(named, "scheduler")["environment"]
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == database["url"]
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] == database["async_url"]
    # Tasks have servers of their own.
    assert "PGSSLROOTCERT" not in environment


def test_without_verification_no_certificate_is_named() -> None:
    database = plan(server())["database"]
    assert database["ssl_root_cert"] is None
    assert "sslrootcert" not in database["url"] + database["async_url"]


def test_a_cluster_of_others_is_used_with_a_warning() -> None:
    result = plan(server(found=info(postgresql_clusters=[cluster("15/main", databases=1)])))
    assert result["database"]["config_dir"] == "/etc/postgresql/15/main"
    assert result["warnings"] == [
        "h1 has a PostgreSQL cluster with databases of others (15/main): /etc/postgresql/15/main/conf.d/airflow.conf and rules in "
        "/etc/postgresql/15/main/pg_hba.conf are written there, its port becomes 5432, and it is restarted."
    ]


@pytest.mark.parametrize(
    "clusters",
    [
        [cluster("15/main")],
        [cluster("15/main", own=True, databases=3)],
        [cluster("15/main", own=True, databases=3), cluster("17/main", databases=1)],
    ],
    ids=["unused", "own", "own and another"],
)
def test_the_own_or_an_unused_cluster_is_used_without_a_word(clusters: list[dict[str, Any]]) -> None:
    result = plan(server(found=info(postgresql_clusters=clusters)))
    assert (result["database"]["config_dir"], result["warnings"]) == ("/etc/postgresql/15/main", [])


def test_clusters_beside_a_server_of_others_do_not_matter() -> None:
    named = {"airflow_metadata_db_host": "127.0.0.1", "airflow_metadata_db_password": "x", "airflow_metadata_db_managed": False}
    clusters = [cluster("15/main"), cluster("17/main", databases=2)]
    result = plan(server(found=info(postgresql_clusters=clusters), **named))
    assert (result["database"]["config_dir"], result["database"]["managed"], result["warnings"]) == (None, False, [])


def test_a_server_that_is_not_there_yet_has_no_folder() -> None:
    assert plan(server())["database"]["config_dir"] is None


def test_two_hosts_that_run_compile_the_same_topology() -> None:
    store = MemoryStore(**compiled(inventory(THREE_HOSTS)).new_secrets)
    first, second = (compiled(inventory(THREE_HOSTS), store).plan("web") for _ in range(2))
    assert first == second


def test_a_name_of_both_spellings_with_two_values_is_refused() -> None:
    found = findings(server(airflow_config={"webserver": {"expose_config": True}, "api": {"expose_config": False}}))
    assert len(found) == 1
    assert "are one setting" in found[0]


def test_what_parses_dags_knows_the_settings_but_its_own_place() -> None:
    given = {"email": {"from_email": "Jane <jane@example.org>"}, "core": {"parallelism": "7"}, "logging": {"logging_level": "DEBUG"}}
    found = plan(server(airflow_config=given))["parse_environment"]
    assert (found["AIRFLOW__EMAIL__FROM_EMAIL"], found["AIRFLOW__CORE__PARALLELISM"]) == ("Jane <jane@example.org>", "7")
    assert not [name for name in found if "__LOGGING__" in name or "__DATABASE__" in name or name == "AIRFLOW__CORE__EXECUTOR"]
