# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the topology compiler makes of an installation that is there already."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host
from topology_inventory import (
    AWKWARD_PASSWORD,
    FERNET_KEY,
    OLD_HOME,
    PYTHON_311,
    PYTHON_313,
    MemoryStore,
    adopted,
    compiled,
    daemon,
    facts,
    findings,
    info,
    installation,
    inventory,
    on_server,
    plan,
    single,
)


def take_over(
    version: str = "2.11.2", components: str = "metadata_db", wanted: dict[str, Any] | None = None, **changed: Any
) -> dict[str, Any]:
    """The plan of a host that takes over an installation made by hand."""
    found = info(
        adopted=adopted(version, **changed), metadata={"size_mb": 10, "revision": "5f2621c13b39" if version[0] == "2" else "d2f4e1b3c5a7"}
    )
    result: dict[str, Any] = plan(single(components, found=found, airflow_adopt_home=OLD_HOME, **(wanted or {})))
    return result


STORE_OF_DATABASE = MemoryStore(metadata_db_password="old")


def test_the_line_stays() -> None:
    assert take_over("2.10.4")["version"] == "2.11.2"
    assert take_over("3.3.0")["version"] == "3.3.2"


def test_a_move_at_one_schema_needs_one_environment() -> None:
    result = take_over("2.10.4")
    assert result["move"] == {
        "source": {
            "kind": "adopted",
            "path": f"{OLD_HOME}/airflow.db",
            "revision": "5f2621c13b39",
            "version": "2.10.4",
            "home": OLD_HOME,
        },
        "brought_to": None,
        "target_version": "2.11.2",
        "on_this_host": True,
    }
    assert [environment["purpose"] for environment in result["environments"]] == ["run"]
    assert result["executor"] == "LocalExecutor"


def test_a_move_across_schemas_needs_the_sources_version_beside() -> None:
    result = take_over("2.10.4", wanted={"airflow_version": "3.3.2"})
    assert [(entry["purpose"], entry["version"]) for entry in result["environments"]] == [("run", "3.3.2"), ("source", "2.11.2")]
    assert [lock.rpartition("/")[2] for lock in result["environments"][1]["locks"]] == ["2.11.2.txt", "2.11.2-postgresql.txt"]
    assert result["move"]["target_version"] == "3.3.2"


@pytest.mark.parametrize(
    ("version", "wanted", "brought_to", "environments"),
    [
        ("2.7.0", "2.11.2", "2.11.2", [("run", "2.11.2")]),
        ("2.10.2", "3.3.2", "2.11.2", [("run", "3.3.2"), ("source", "2.11.2")]),
        ("2.10.3", "3.3.2", None, [("run", "3.3.2"), ("source", "2.11.2")]),
        ("3.0.0", "3.3.2", "3.3.2", [("run", "3.3.2")]),
        ("3.2.1", "3.3.0", "3.3.2", [("run", "3.3.0")]),
        ("3.3.0", "3.3.2", None, [("run", "3.3.2")]),
    ],
)
def test_older_rows_are_brought_to_the_newest_schema_of_their_line(
    version: str, wanted: str, brought_to: str | None, environments: list[tuple[str, str]]
) -> None:
    found = info(adopted=adopted(version), metadata={"size_mb": 10})
    result = plan(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME, airflow_version=wanted))
    assert result["move"]["brought_to"] == brought_to
    assert [(entry["purpose"], entry["version"]) for entry in result["environments"]] == environments


def test_the_source_may_be_made_with_the_python_it_has() -> None:
    found = info(adopted=adopted(python=PYTHON_311), pythons=[PYTHON_313], metadata={"size_mb": 1})
    result = plan(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME, airflow_version="3.3.2"))
    assert [entry["python"] for entry in result["environments"]] == [PYTHON_313["path"], PYTHON_311["path"]]


def test_the_fernet_key_is_carried_over_and_kept() -> None:
    found = info(adopted=adopted(), metadata={"size_mb": 1})
    topology = compiled(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME))
    assert daemon(topology.plan("h1"), "scheduler")["environment"]["AIRFLOW__CORE__FERNET_KEY"] == FERNET_KEY
    assert topology.new_secrets["fernet_key"] == FERNET_KEY
    assert "admin_password" not in topology.new_secrets


def test_the_environment_of_the_old_daemons_wins_over_their_file() -> None:
    key = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="
    result = take_over(environment={"AIRFLOW__CORE__FERNET_KEY": key, "AIRFLOW__CORE__PARALLELISM": "7"})
    assert daemon(result, "scheduler")["environment"]["AIRFLOW__CORE__FERNET_KEY"] == key
    assert result["settings"]["core"]["parallelism"] == "7"


def test_settings_that_differ_are_carried_over_in_the_names_of_the_version() -> None:
    config = {"core": {"fernet_key": FERNET_KEY, "parallelism": "32"}, "webserver": {"expose_config": "True", "web_server_port": "8090"}}
    result = take_over(config=config, webserver_port=8090, wanted={"airflow_version": "3.3.2"})
    assert result["settings"]["api"] == {"port": "8090", "expose_config": "True"}
    # 32 was the default, not a choice: the size of the host decides.
    assert result["settings"]["core"]["parallelism"] == "7"


def test_the_users_config_wins_over_what_is_carried_over() -> None:
    config = {"core": {"fernet_key": FERNET_KEY, "parallelism": "12"}}
    assert take_over(config=config)["settings"]["core"]["parallelism"] == "12"
    wanted = {"airflow_config": {"core": {"parallelism": 5}}}
    assert take_over(config=config, wanted=wanted)["settings"]["core"]["parallelism"] == "5"


def test_defaults_that_changed_are_pinned_across_the_line() -> None:
    crossing = take_over(wanted={"airflow_version": "3.3.2"})
    assert crossing["settings"]["scheduler"]["create_cron_data_intervals"] == "True"
    assert "create_cron_data_intervals" not in take_over()["settings"]["scheduler"]


def test_what_is_pinned_gives_way_to_what_was_chosen() -> None:
    config = {"core": {"fernet_key": FERNET_KEY}, "scheduler": {"catchup_by_default": "False"}}
    crossing = take_over(config=config, wanted={"airflow_version": "3.3.2"})
    assert "catchup_by_default" not in crossing["settings"]["scheduler"]


def test_examples_stay_where_they_were() -> None:
    assert "load_examples" not in take_over()["settings"]["core"]
    without = take_over(config={"core": {"fernet_key": FERNET_KEY, "load_examples": "False"}})
    assert without["settings"]["core"]["load_examples"] == "False"


def test_options_for_another_database_engine_are_left_behind() -> None:
    config = {"core": {"fernet_key": FERNET_KEY}, "database": {"sql_alchemy_connect_args": "my.module.ARGS", "sql_alchemy_pool_size": "9"}}
    assert take_over(config=config)["settings"]["database"] == {"sql_alchemy_pool_size": "9"}


def test_secrets_of_the_old_file_go_to_the_daemons_that_need_them() -> None:
    result = take_over(config={"core": {"fernet_key": FERNET_KEY}, "smtp": {"smtp_user": "jane", "smtp_password": "hush"}})
    assert "hush" not in str(result["settings"])
    assert daemon(result, "scheduler")["environment"]["AIRFLOW__SMTP__SMTP_PASSWORD"] == "hush"
    assert "AIRFLOW__SMTP__SMTP_PASSWORD" not in daemon(result, "webserver")["environment"]


def test_connections_and_variables_of_the_old_environment_stay() -> None:
    result = take_over(environment={"AIRFLOW_CONN_DWH": "postgresql://x", "AIRFLOW_VAR_TEAM": "blue", "AIRFLOW_HOME": OLD_HOME})
    environment = daemon(result, "scheduler")["environment"]
    assert (environment["AIRFLOW_CONN_DWH"], environment["AIRFLOW_VAR_TEAM"]) == ("postgresql://x", "blue")
    assert "AIRFLOW_HOME" not in environment
    assert result["cli_environment"]["AIRFLOW_CONN_DWH"] == "postgresql://x"


def test_tasks_keep_their_user_unless_it_is_root() -> None:
    assert take_over()["user"] == {"name": "jane", "group": "jane", "create": False}
    assert take_over(owner={"user": "root", "group": "root"})["user"] == {"name": "airflow", "group": "airflow", "create": True}
    assert take_over(wanted={"airflow_user": "etl"})["user"] == {"name": "etl", "group": "etl", "create": True}


def test_dags_plugins_and_logs_are_copied() -> None:
    result = take_over()
    assert result["adopted"]["copies"] == [
        {"from": f"{OLD_HOME}/dags", "to": "/opt/airflow/dags", "what": "dags"},
        {"from": f"{OLD_HOME}/plugins", "to": "/opt/airflow/plugins", "what": "plugins"},
        {"from": f"{OLD_HOME}/logs", "to": "/opt/airflow/logs", "what": "logs"},
    ]
    assert result["paths"]["dags"] == "/opt/airflow/dags"


def test_dags_may_stay_in_place() -> None:
    result = take_over(wanted={"airflow_adopt_dags": "in_place"})
    assert [copy["what"] for copy in result["adopted"]["copies"]] == ["plugins", "logs"]
    assert result["paths"]["dags"] == f"{OLD_HOME}/dags"
    assert result["settings"]["core"]["dags_folder"] == f"{OLD_HOME}/dags"


PACKAGES = [
    {"name": "apache-airflow", "version": "2.11.2", "url": None},
    {"name": "Flask_AppBuilder", "version": "4.5.0", "url": None},
    {"name": "pip", "version": "25.0", "url": None},
    {"name": "boto3", "version": "1.40.0", "url": None},
    {"name": "jane_tools", "version": "0.1", "url": "file:///home/jane/tools"},
]


def test_packages_beyond_airflows_own_are_carried_over() -> None:
    result = take_over(packages=PACKAGES)
    assert result["adopted"]["packages"] == result["environments"][0]["carried"] == ["boto3==1.40.0"]
    assert (
        "Packages that did not come from an index are not carried over: jane_tools (file:///home/jane/tools); name them in "
        "airflow_requirements." in result["notes"]
    )


def test_packages_are_not_pinned_across_the_line() -> None:
    assert take_over(packages=PACKAGES, wanted={"airflow_version": "3.3.2"})["adopted"]["packages"] == ["boto3"]


def test_a_requirement_of_the_user_replaces_a_carried_package() -> None:
    result = take_over(packages=PACKAGES, wanted={"airflow_requirements": ["boto3>=1.41"]})
    assert result["environments"][0]["carried"] == []
    assert result["environments"][0]["requirements"] == ["boto3>=1.41"]


def test_users_of_fab_are_kept() -> None:
    result = take_over()
    assert result["users"] == []
    assert result["report"][1] == "Users log in with the names and passwords they had."


SIMPLE = {
    "users": [{"username": "ada", "role": "admin"}, {"username": "bob", "role": "viewer"}, {"username": "eve", "role": "op"}],
    "passwords_file": f"{OLD_HOME}/simple_auth_manager_passwords.json.generated",
    "passwords": {"ada": "pass-ada", "bob": "pass-bob"},
}


def test_users_of_the_simple_auth_manager_come_with_password_and_role() -> None:
    result = take_over("3.3.2", simple_auth=SIMPLE)
    assert [user for user in result["users"] if user["source"] != "api"] == [
        {"username": "ada", "password": "pass-ada", "role": "Admin", "source": "simple_auth"},
        {"username": "bob", "password": "pass-bob", "role": "Viewer", "source": "simple_auth"},
    ]
    assert f"Users without a password in {SIMPLE['passwords_file']} are not carried over: eve." in result["notes"]
    assert "fab_auth_manager" in result["settings"]["core"]["auth_manager"]


@pytest.mark.parametrize(("role", "expected"), [("viewer", "Viewer"), ("user", "User"), ("op", "Op"), ("admin", "Admin"), ("", "Public")])
def test_every_simple_role_has_its_counterpart(role: str, expected: str) -> None:
    simple = {**SIMPLE, "users": [{"username": "ada", "role": role}]}
    assert [user["role"] for user in take_over("3.3.2", simple_auth=simple)["users"]] == [expected, "Admin"]


def test_without_a_user_to_keep_there_is_an_administrator() -> None:
    result = take_over("3.3.2", simple_auth={**SIMPLE, "passwords": {}})
    assert [(user["username"], user["role"]) for user in result["users"]] == [("admin", "Admin"), ("updraft", "Admin")]


def test_another_auth_manager_is_told() -> None:
    config = {"core": {"fernet_key": FERNET_KEY, "auth_manager": "keycloak.Manager"}}
    assert (
        "[core] auth_manager keycloak.Manager is not carried over: set it in airflow_config to keep it."
        in take_over("3.3.2", config=config)["notes"]
    )


@pytest.mark.parametrize("target", ["2.11.2", "3.3.2"])
def test_the_run_after_a_take_over_says_the_same_and_moves_nothing(target: str) -> None:
    changed: dict[str, Any] = {
        "config": {"core": {"fernet_key": FERNET_KEY, "parallelism": "12", "dag_concurrency": "3"}, "smtp": {"smtp_password": "hush"}},
        "environment": {"AIRFLOW_VAR_TEAM": "blue"},
        "packages": PACKAGES,
        "webserver_port": 8090,
    }
    wanted: dict[str, Any] = {"airflow_version": target}
    first = take_over(wanted=wanted, **changed)
    record = first["installation_record"]
    assert record["adopted"]["home"] == OLD_HOME
    assert record["moved"]["version"] == "2.11.2"
    environment = {entry["name"]: entry["environment"] for entry in first["daemons"]}
    found = info(installation={**record, "environment": environment})
    topology = compiled(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME, **wanted))
    second = topology.plan("h1")
    assert (second["move"], second["adopted"], second["notes"]) == (None, None, [])
    for part in ("settings", "daemons", "paths", "user", "users", "webserver", "installation_record", "version", "cli_environment"):
        assert second[part] == first[part], part
    assert second["environments"] == first["environments"][:1]


def test_the_own_installation_moves_off_sqlite_too() -> None:
    record = installation("2.11.2", "sqlite", executor="SequentialExecutor")
    result = plan(single("metadata_db", found=info(installation=record, metadata={"revision": "5f2621c13b39", "size_mb": 1})))
    assert result["move"]["source"] == {
        "kind": "own",
        "path": "/opt/airflow/metadata/airflow.db",
        "revision": "5f2621c13b39",
        "version": "2.11.2",
        "home": "/opt/airflow",
    }
    assert (result["version"], result["executor"]) == ("2.11.2", "LocalExecutor")
    assert result["old_units"] == ["airflow-webserver", "airflow-scheduler", "airflow-triggerer"]


def test_units_that_the_old_line_has_not_are_not_stopped() -> None:
    record = installation("2.11.2", "sqlite", executor="SequentialExecutor")
    found = info(installation=record, metadata={"revision": "5f2621c13b39", "size_mb": 1})
    crossing = plan(single("metadata_db", found=found, airflow_version="3.3.2"))
    assert "airflow-dag-processor" in [daemon["unit"] for daemon in crossing["daemons"]]
    assert crossing["old_units"] == ["airflow-webserver", "airflow-scheduler", "airflow-triggerer"]
    assert take_over()["old_units"] == []


@pytest.mark.parametrize(
    ("scheduler", "unmarked"),
    [
        ({}, True),
        ({"scheduler": {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////opt/airflow/metadata/airflow.db"}}, True),
        ({"scheduler": {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://airflow:old@127.0.0.1/airflow"}}, False),
    ],
)
def test_a_run_that_ended_right_after_its_switch_is_finished_by_the_next(scheduler: dict[str, Any], unmarked: bool) -> None:
    moved = {"kind": "own", "path": "/opt/airflow/metadata/airflow.db", "version": "2.11.2", "target_version": "2.11.2"}
    store = MemoryStore(metadata_db_password="old", fernet_key=FERNET_KEY, secret_key="kept-kept-kept-kept")
    record = {**installation("2.11.2"), "moved": moved, "environment": scheduler}
    assert plan(single("metadata_db", found=info(installation=record)), store=store)["move_is_unmarked"] is unmarked
    assert plan(single("metadata_db", found=info(installation={**record, "moved": None})), store=store)["move_is_unmarked"] is False


def test_an_installation_stays_at_its_line() -> None:
    store = MemoryStore(metadata_db_password="old")
    assert plan(single("metadata_db", found=info(installation=installation("2.11.2"))), store=store)["version"] == "2.11.2"
    assert plan(single("metadata_db", found=info(installation=installation("3.3.2"))), store=store)["version"] == "3.3.2"


def test_a_patch_of_the_same_schema_is_taken() -> None:
    store = MemoryStore(metadata_db_password="old")
    result = plan(single("metadata_db", found=info(installation=installation("2.10.5"))), store=store)
    assert (result["version"], result["move"]) == ("2.11.2", None)


SERVER_URL = "postgresql://jane:p%40ss@db.example.org:6432/airflow?sslmode=require&options=-csearch_path%3Daf"


def test_a_server_database_is_taken_over_where_it_is() -> None:
    found = info(adopted=on_server(SERVER_URL))
    result = plan(single(found=found, airflow_adopt_home=OLD_HOME))
    database = result["database"]
    assert (result["engine"], result["move"]) == ("postgresql", None)
    assert (database["managed"], database["host"], database["port"], database["name"]) == (False, "db.example.org", 6432, "airflow")
    assert (database["user"], database["password"], database["ssl_mode"]) == ("jane", "p@ss", "require")
    assert database["url"].startswith("postgresql+psycopg2://jane:p%40ss@db.example.org:6432/airflow?sslmode=require&")
    assert database["url"].endswith("&options=-csearch_path%3Daf")


def test_the_authorities_of_a_server_taken_over_are_kept() -> None:
    url = "postgresql://jane:x@db.example.org/airflow?sslmode=verify-full&sslrootcert=/home/jane/ca.pem"
    database = plan(single(found=info(adopted=on_server(url)), airflow_adopt_home=OLD_HOME))["database"]
    assert (database["ssl_mode"], database["ssl_root_cert"]) == ("verify-full", "/home/jane/ca.pem")
    assert "sslrootcert=%2Fhome%2Fjane%2Fca.pem" in database["url"]
    assert database["url"].count("sslrootcert") == 1


def test_a_server_database_taken_over_stays_in_the_next_run() -> None:
    old = on_server(SERVER_URL)
    first = plan(single(found=info(adopted=old), airflow_adopt_home=OLD_HOME))
    environment = {entry["name"]: entry["environment"] for entry in first["daemons"]}
    record = {**first["installation_record"], "environment": environment}
    second = plan(single(found=info(installation=record), airflow_adopt_home=OLD_HOME))
    assert second["database"] == {**first["database"], "check": None}
    assert second["daemons"] == first["daemons"]


def test_an_asynchronous_address_of_its_own_is_kept() -> None:
    own = "postgresql+psycopg://jane:x@db/airflow"
    old = on_server(SERVER_URL, "3.3.2", environment={"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": own})
    result = plan(single(found=info(adopted=old), airflow_adopt_home=OLD_HOME))
    assert result["database"]["async_url"] == own


@pytest.mark.parametrize("password", [AWKWARD_PASSWORD, "plain"])
def test_a_password_as_sqlalchemy_reads_it(password: str) -> None:
    raw = password.replace("%", "%25").replace("@", "%40")
    result = plan(single(found=info(adopted=on_server(f"postgresql+psycopg2://jane:{raw}@[::1]/airflow")), airflow_adopt_home=OLD_HOME))
    assert (result["database"]["password"], result["database"]["host"]) == (password, "::1")


def test_a_home_that_was_not_found_gives_one_finding() -> None:
    problems = ["There is no folder /x; set airflow_adopt_home to the AIRFLOW_HOME to take over."]
    found = findings(single("metadata_db", found=info(adopted={"home": "/x", "problems": problems}), airflow_adopt_home="/x"))
    assert found == ["airflow_adopt_home of h1 (/x): There is no folder /x; set airflow_adopt_home to the AIRFLOW_HOME to take over."]


@pytest.mark.parametrize("parts", [{"h1": "scheduler metadata_db", "h2": "webserver"}, {"h1": "metadata_db", "h2": "webserver scheduler"}])
def test_daemons_may_move_away_from_the_database(parts: dict[str, str]) -> None:
    first = Host("h1", {}, facts("198.18.0.2"), info(installation=installation()))
    result = plan(inventory(parts, details={"h1": first}), "h2", STORE_OF_DATABASE)
    assert "@198.18.0.2:5432/" in result["database"]["url"]
    assert daemon(result, "webserver")["environment"]["AIRFLOW__CORE__FERNET_KEY"] == FERNET_KEY
