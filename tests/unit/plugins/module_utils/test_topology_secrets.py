# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where secrets come from, and who gets which."""

from __future__ import annotations

import base64

import pytest
from topology_inventory import (
    FERNET_KEY,
    OLD_HOME,
    OTHER_FERNET_KEY,
    MemoryStore,
    adopted,
    compiled,
    daemon,
    findings,
    info,
    installation,
    inventory,
    plan,
    server,
    single,
)

DATABASE = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}
ASYNC = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"}
FERNET = {"AIRFLOW__CORE__FERNET_KEY"}
EXPECTED = {
    "2.11.2": {
        "webserver": DATABASE | FERNET | {"AIRFLOW__WEBSERVER__SECRET_KEY"},
        "scheduler": DATABASE | FERNET | {"AIRFLOW__WEBSERVER__SECRET_KEY"},
        "dag_processor": DATABASE | FERNET,
        "triggerer": DATABASE | FERNET | {"AIRFLOW__WEBSERVER__SECRET_KEY"},
    },
    "3.3.2": {
        "webserver": DATABASE | ASYNC | FERNET | {"AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"},
        "scheduler": DATABASE | ASYNC | FERNET | {"AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"},
        "dag_processor": DATABASE | ASYNC | FERNET,
        "triggerer": DATABASE | ASYNC | FERNET | {"AIRFLOW__API__SECRET_KEY"},
    },
}


@pytest.mark.parametrize("version", EXPECTED)
def test_each_daemon_has_just_its_secrets(version: str) -> None:
    result = plan(single("metadata_db dag_processor", airflow_version=version))
    assert {entry["name"]: set(entry["environment"]) for entry in result["daemons"]} == EXPECTED[version]


def test_the_command_line_has_what_any_daemon_of_the_host_has() -> None:
    topology = compiled(inventory({"web": "webserver", "sched": "scheduler metadata_db", "trig": "triggerer"}))
    assert set(topology.plan("web")["cli_environment"]) == EXPECTED["3.3.2"]["webserver"]
    assert set(topology.plan("trig")["cli_environment"]) == EXPECTED["3.3.2"]["triggerer"]
    assert "AIRFLOW__API_AUTH__JWT_SECRET" in topology.plan("sched")["cli_environment"]


@pytest.mark.parametrize("version", EXPECTED)
def test_no_secret_is_among_the_settings(version: str) -> None:
    config = {"sentry": {"sentry_dsn": "https://hush-hush@sentry"}, "secrets": {"backend_kwargs": '{"token": "hush-hush"}'}}
    topology = compiled(server(airflow_version=version, airflow_config=config))
    settings = str(topology.plan("h1")["settings"])
    assert "hush-hush" not in settings
    assert not any(value in settings for value in topology.new_secrets.values())


def test_secret_options_go_where_they_are_needed() -> None:
    config = {"secrets": {"backend_kwargs": "{}x"}, "sentry": {"sentry_dsn": "https://k@sentry"}, "smtp": {"smtp_password": "hush"}}
    result = plan(server(airflow_version="2.11.2", airflow_config=config))
    assert "AIRFLOW__SMTP__SMTP_PASSWORD" not in daemon(result, "webserver")["environment"]
    assert daemon(result, "scheduler")["environment"]["AIRFLOW__SMTP__SMTP_PASSWORD"] == "hush"
    assert daemon(result, "webserver")["environment"]["AIRFLOW__SECRETS__BACKEND_KWARGS"] == "{}x"
    of_3 = plan(server(airflow_config={"secrets": {"backend_kwargs": "{}x"}}))
    assert "AIRFLOW__SECRETS__BACKEND_KWARGS" not in daemon(of_3, "webserver")["environment"]


def test_a_fresh_installation_generates_what_it_needs_once() -> None:
    first = compiled(server())
    assert set(first.new_secrets) == {"fernet_key", "secret_key", "jwt_secret", "metadata_db_password", "admin_password", "api_password"}
    second = compiled(server(), MemoryStore(**first.new_secrets))
    assert second.new_secrets == {}
    assert second.plan("h1") == first.plan("h1")


def test_what_is_not_needed_is_not_generated() -> None:
    assert set(compiled(single(airflow_version="2.11.2")).new_secrets) == {"fernet_key", "secret_key", "admin_password", "api_password"}


def test_generated_keys_are_strong() -> None:
    secrets = compiled(server()).new_secrets
    assert len(base64.urlsafe_b64decode(secrets["fernet_key"])) == 32
    assert len(secrets["jwt_secret"]) >= 64
    assert len(secrets["secret_key"]) >= 43
    assert len(secrets["metadata_db_password"]) >= 32
    assert compiled(server()).new_secrets != secrets


def test_what_a_variable_gives_is_not_stored() -> None:
    topology = compiled(server(airflow_fernet_key=FERNET_KEY))
    assert "fernet_key" not in topology.new_secrets
    assert daemon(topology.plan("h1"), "triggerer")["environment"]["AIRFLOW__CORE__FERNET_KEY"] == FERNET_KEY


def test_a_key_may_be_given_as_an_option() -> None:
    result = plan(server(airflow_config={"webserver": {"secret_key": "k" * 20}}))
    assert daemon(result, "webserver")["environment"]["AIRFLOW__API__SECRET_KEY"] == "k" * 20


def test_what_the_host_has_comes_into_the_folder() -> None:
    topology = compiled(server(found=info(installation=installation())))
    assert {name: value for name, value in topology.new_secrets.items() if name != "api_password"} == {
        "fernet_key": FERNET_KEY,
        "secret_key": "s" * 32,
        "jwt_secret": "j" * 64,
        "metadata_db_password": "old",
    }


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ("AIRFLOW__CORE__FERNET_KEY", "fernet_key"),
        ("AIRFLOW__API__SECRET_KEY", "secret_key"),
        ("AIRFLOW__API_AUTH__JWT_SECRET", "jwt_secret"),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "metadata_db_password"),
    ],
)
def test_nothing_is_generated_for_an_installation_that_had_it(missing: str, name: str) -> None:
    record = installation()
    del record["environment"]["scheduler"][missing]
    assert findings(server(found=info(installation=record))) == [
        f"The {name} of the existing installation was not found on any host nor in /inventory/credentials/airflow/{name}, and a new one "
        "would "
        f"not fit its data: put it into that file, or set airflow_{name}."
    ]
    assert findings(server(found=info(installation=record)), MemoryStore(**{name: FERNET_KEY})) == []


def test_what_an_installation_never_had_is_generated() -> None:
    record = installation("2.11.2", "sqlite")
    topology = compiled(server(found=info(installation=record), airflow_version="3.3.2"))
    assert {"jwt_secret", "metadata_db_password"} <= set(topology.new_secrets)
    assert "admin_password" not in topology.new_secrets
    assert topology.plan("h1")["users"] == []


def test_the_fernet_key_of_a_take_over_is_never_made_up() -> None:
    found = info(adopted=adopted(config={"core": {"parallelism": "4"}}), metadata={"size_mb": 1})
    (finding,) = findings(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME))
    assert finding.startswith("The fernet_key of the existing installation was not found")


def test_an_empty_fernet_key_was_a_choice() -> None:
    found = info(adopted=adopted(config={"core": {"fernet_key": ""}}), metadata={"size_mb": 1})
    assert "fernet_key" in compiled(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME)).new_secrets


def test_a_placeholder_is_no_key() -> None:
    config = {"core": {"fernet_key": FERNET_KEY}, "webserver": {"secret_key": "temporary_key"}}
    found = info(adopted=adopted(config=config), metadata={"size_mb": 1})
    topology = compiled(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME))
    assert topology.new_secrets["secret_key"] != "temporary_key"


def test_the_file_and_the_host_must_agree() -> None:
    found = findings(server(found=info(installation=installation())), MemoryStore(fernet_key=OTHER_FERNET_KEY))
    assert found == [
        "The fernet_key in /inventory/credentials/airflow/fernet_key and the one in scheduler.env on h1 differ: make them equal, or remove "
        "the wrong one."
    ]


def test_the_variable_and_an_old_installation_must_agree() -> None:
    found = info(adopted=adopted(), metadata={"size_mb": 1})
    wanted = findings(single("metadata_db", found=found, airflow_adopt_home=OLD_HOME, airflow_fernet_key=OTHER_FERNET_KEY))
    assert wanted == [
        f"The fernet_key in variable airflow_fernet_key and the one in {OLD_HOME}/airflow.cfg on h1 differ: make them equal, or remove "
        "the wrong "
        "one."
    ]


def test_daemons_of_one_host_must_agree() -> None:
    record = installation()
    record["environment"]["webserver"] = {"AIRFLOW__CORE__FERNET_KEY": OTHER_FERNET_KEY}
    (finding,) = findings(server(found=info(installation=record)))
    assert "scheduler.env on h1" in finding
    assert "webserver.env on h1" in finding


def test_the_password_of_anothers_server_may_change() -> None:
    record = installation(database={"host": "db.example.org", "port": 5432, "name": "airflow"})
    inputs = single(found=info(installation=record), airflow_metadata_db_host="db.example.org", airflow_metadata_db_password="new")
    topology = compiled(inputs)
    assert topology.plan("h1")["database"]["password"] == "new"
    assert "metadata_db_password" not in topology.new_secrets


def test_several_fernet_keys_are_one_secret() -> None:
    both = f"{OTHER_FERNET_KEY},{FERNET_KEY}"
    assert daemon(plan(server(airflow_fernet_key=both)), "scheduler")["environment"]["AIRFLOW__CORE__FERNET_KEY"] == both


def test_an_administrators_password_that_is_gone_is_no_problem_later() -> None:
    result = plan(server(found=info(installation=installation())))
    assert result["users"] == []
    assert len(result["report"]) == 1


def test_a_file_holds_one_line() -> None:
    assert findings(server(), MemoryStore(metadata_db_password="two\nlines")) == [
        "/inventory/credentials/airflow/metadata_db_password holds a control character or a second line: write one line of printable "
        "characters."
    ]
