# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names, defaults and translations of Airflow's options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import airflow_options
from ansible_collections.updraft.airflow.plugins.module_utils.airflow_options import (
    DERIVED_OPTIONS,
    OptionSet,
    adopted_differences,
    changed_defaults,
    environment_name,
    load_options,
    nearest_options,
    normalise,
    parse_environment,
    split_secrets,
    without_defaults,
)

FILES = str(Path(__file__).parents[4] / "roles" / "common" / "files" / "options")
HOME = "/home/ada/my airflow"


def options(version: str) -> OptionSet:
    found = load_options(FILES, version)
    assert found is not None
    return found


@pytest.fixture
def old() -> OptionSet:
    return options("2.11.2")


@pytest.fixture
def new() -> OptionSet:
    return options("3.3.2")


@pytest.fixture(scope="module")
def moves() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(FILES) / "moves.json").read_text(encoding="utf-8"))
    return content


def generated(version: str, *, missing_providers: bool = False) -> dict[str, dict[str, str]]:
    """What a first `airflow` command writes to airflow.cfg: every default, with keys of its own."""
    keys = {"{FERNET_KEY}": "f3rn3t=", "{SECRET_KEY}": "s3cr3t==", "{JWT_SECRET_KEY}": "jwt=="}
    result: dict[str, dict[str, str]] = {}
    for (section, name), option in options(version).options.items():
        value = option.fallback if missing_providers and option.fallback else option.default
        if value is not None:
            result.setdefault(section, {})[name] = keys.get(value, value.replace("{AIRFLOW_HOME}", HOME))
    return result


def refused(config: dict[str, Any], version: str, extra: tuple[str, ...] = ()) -> list[str]:
    return normalise(config, options(version), extra, "airflow_config")[1]


def accepted(config: dict[str, Any], version: str, extra: tuple[str, ...] = ()) -> dict[str, dict[str, str]]:
    settings, findings = normalise(config, options(version), extra, "airflow_config")
    assert findings == []
    return settings


# The data


def test_the_files_of_the_collection_are_the_default() -> None:
    assert Path(airflow_options.DEFAULT_FILES_DIR).resolve() == Path(FILES).resolve()


def test_no_option_of_2_11_2_is_left_undecided(old: OptionSet, new: OptionSet) -> None:
    undecided = [name for name in old.options if not new.find(*name) and not new.removed(*name)]
    assert undecided == []


def test_every_changed_default_is_decided(old: OptionSet, new: OptionSet, moves: dict[str, Any]) -> None:
    changed = set()
    for name, option in old.options.items():
        found = new.find(*name)
        if found and found.default != option.default:
            changed.add(".".join(found.name))
    assert changed == set(moves["defaults"])


def test_decisions_name_options_that_exist(old: OptionSet, new: OptionSet, moves: dict[str, Any]) -> None:
    known = {".".join(name) for name in (*old.options, *new.options)}
    named = {*moves["values"], *moves["review"], *moves["defaults"], *moves["joined_by"], *moves["renamed"]}
    assert named - known == set()
    assert set(moves["removed"]) & {".".join(name) for name in new.options} == set()
    assert set(moves["value_advice"]) == {name for name, new in moves["values"].items() if None in new.values()}


def test_derived_options_exist(old: OptionSet, new: OptionSet) -> None:
    # [core] airflow_home is read by every version, and declared by none.
    assert DERIVED_OPTIONS - {*old.options, *new.options} == {("core", "airflow_home")}


def test_derived_options_are_derived_in_both_spellings(old: OptionSet, new: OptionSet) -> None:
    for name in DERIVED_OPTIONS:
        for found in (old.find(*name), new.find(*name)):
            assert found is None or found.name in DERIVED_OPTIONS


# Finding options


@pytest.mark.parametrize(
    ("version", "given", "expected"),
    [
        ("3.3.2", ("core", "parallelism"), ("core", "parallelism")),
        ("3.3.2", ("webserver", "base_url"), ("api", "base_url")),
        ("2.11.2", ("api", "base_url"), ("webserver", "base_url")),
        ("3.3.2", ("webserver", "cookie_secure"), ("fab", "cookie_secure")),
        ("2.11.2", ("fab", "cookie_secure"), ("webserver", "cookie_secure")),
        ("3.3.2", ("api", "auth_backend"), ("fab", "auth_backends")),
        ("2.11.2", ("fab", "auth_backends"), ("api", "auth_backends")),
        ("3.3.2", ("scheduler", "max_threads"), ("dag_processor", "parsing_processes")),
        ("2.11.2", ("scheduler", "max_threads"), ("scheduler", "parsing_processes")),
        ("2.11.2", ("dag_processor", "refresh_interval"), ("scheduler", "dag_dir_list_interval")),
        ("3.3.2", ("webserver", "page_size"), ("api", "fallback_page_limit")),
        ("2.11.2", ("api", "fallback_page_limit"), ("api", "fallback_page_limit")),
        ("3.3.2", ("celery", "stalled_task_timeout"), ("scheduler", "task_queued_timeout")),
        ("3.3.2", ("kubernetes", "namespace"), ("kubernetes_executor", "namespace")),
        ("3.3.2", ("common_io", "xcom_objectstorage_path"), ("common.io", "xcom_objectstorage_path")),
        ("3.3.2", ("Core", "Parallelism"), ("core", "parallelism")),
        ("3.3.2", ("core", "sql_alchemy_conn_cmd"), ("database", "sql_alchemy_conn_cmd")),
        ("3.3.2", ("webserver", "secret_key_secret"), ("api", "secret_key_secret")),
    ],
)
def test_a_name_of_any_version_is_found(version: str, given: tuple[str, str], expected: tuple[str, str]) -> None:
    found = options(version).find(*given)
    assert found is not None and found.name == expected


@pytest.mark.parametrize(
    ("version", "given"),
    [
        ("3.3.2", ("core", "task_runner")),
        # Upstream renames it to an option that takes another kind of file.
        ("3.3.2", ("webserver", "access_logfile")),
        ("2.11.2", ("api", "log_config")),
        ("2.11.2", ("api", "dag_cache_size")),
        # Only sensitive options may be given as a command.
        ("3.3.2", ("core", "parallelism_cmd")),
    ],
)
def test_a_name_without_a_counterpart_is_not_found(version: str, given: tuple[str, str]) -> None:
    assert options(version).find(*given) is None


def test_names_survive_the_way_to_the_other_line_and_back(old: OptionSet, new: OptionSet) -> None:
    lost = set()
    for name in old.options:
        found = new.find(*name)
        back = old.find(*found.name) if found else None
        if found and (back is None or back.name != name):
            lost.add(name)
    # On 3.x one option is both, and it has the name of the other one.
    assert lost == {("webserver", "page_size")}


def test_facts_of_an_option(new: OptionSet) -> None:
    key = new.find("core", "fernet_key")
    folder = new.find("core", "dags_folder")
    capacity = new.find("triggerer", "capacity")
    assert key and folder and capacity
    assert key.sensitive and not folder.sensitive
    assert (folder.default, capacity.default, capacity.type) == ("{AIRFLOW_HOME}/dags", "1000", "integer")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.9.3", "2.11.2"), ("2.11.2", "2.11.2"), ("2.12.0", "2.11.2"), ("3.1.0", "3.3.2"), ("3.4.0rc1", "3.3.2")],
)
def test_the_nearest_version_of_the_line(version: str, expected: str) -> None:
    found = nearest_options(FILES, version)
    assert found is not None and found.version == expected


def test_there_is_no_data_for_other_versions() -> None:
    assert load_options(FILES, "2.9.3") is None
    assert nearest_options(FILES, "1.10.15") is None


# Settings of the user


def test_settings_become_text() -> None:
    given = {
        "core": {"load_examples": False, "parallelism": 12, "sensitive_var_conn_names": ["pin", "iban"]},
        "scheduler": {"pool_metrics_interval": 2.5},
        "dag_processor": {"dag_bundle_config_list": [{"name": "x", "kwargs": {}}]},
        "logging": {"remote_task_handler_kwargs": {"level": 10}},
        "api": {"instance_name": ""},
    }
    assert accepted(given, "3.3.2") == {
        "core": {"load_examples": "False", "parallelism": "12", "sensitive_var_conn_names": "pin,iban"},
        "scheduler": {"pool_metrics_interval": "2.5"},
        "dag_processor": {"dag_bundle_config_list": '[{"name": "x", "kwargs": {}}]'},
        "logging": {"remote_task_handler_kwargs": '{"level": 10}'},
        "api": {"instance_name": ""},
    }


def test_settings_get_the_names_of_the_version() -> None:
    given = {"webserver": {"workers": 2, "cookie_secure": True}, "dag_processor": {"refresh_interval": 20}}
    assert accepted(given, "3.3.2") == {
        "api": {"workers": "2"},
        "fab": {"cookie_secure": "True"},
        "dag_processor": {"refresh_interval": "20"},
    }
    assert accepted(given, "2.11.2") == {
        "webserver": {"workers": "2", "cookie_secure": "True"},
        "scheduler": {"dag_dir_list_interval": "20"},
    }


def test_values_are_put_in_terms_of_3_x_only_there() -> None:
    given = {"api": {"auth_backends": "airflow.api.auth.backend.basic_auth, my.backend"}}
    assert accepted(given, "3.3.2") == {
        "fab": {"auth_backends": "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth,my.backend"}
    }
    assert accepted(given, "2.11.2") == given


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_days_become_minutes(version: str) -> None:
    settings = accepted({"webserver": {"session_lifetime_days": 2}}, version)
    assert list(settings.values()) == [{"session_lifetime_minutes": "2880"}]


def test_one_setting_in_both_spellings() -> None:
    assert accepted({"webserver": {"workers": 2}, "api": {"workers": "2"}}, "3.3.2") == {"api": {"workers": "2"}}
    assert refused({"webserver": {"workers": 2}, "api": {"workers": 3}}, "3.3.2") == [
        "airflow_config: [webserver] workers and [api] workers are one setting but have different values: remove one."
    ]


def test_sections_that_are_not_known_as_a_whole_take_any_option() -> None:
    given = {"celery_broker_transport_options": {"my_option": 1}, "elasticsearch": {"new_option": "x"}}
    assert accepted(given, "3.3.2") == {
        "celery_broker_transport_options": {"my_option": "1"},
        "elasticsearch": {"new_option": "x"},
    }


def test_extra_sections_are_passed_on() -> None:
    given = {"my_plugin": {"Threshold": 3, "map": {"a": 1}}}
    assert accepted(given, "3.3.2", ("my_plugin",)) == {"my_plugin": {"Threshold": "3", "map": '{"a": 1}'}}


@pytest.mark.parametrize(
    ("config", "version", "sentence"),
    [
        (
            {"core": {"paralelism": 3}},
            "3.3.2",
            "airflow_config: [core] paralelism is not an option of Airflow 3.3.2; did you mean parallelism?",
        ),
        (
            {"core": {"sql_alchemy_pool_sise": 3}},
            "3.3.2",
            "airflow_config: [core] sql_alchemy_pool_sise is not an option of Airflow 3.3.2; "
            "did you mean [database] sql_alchemy_pool_size?",
        ),
        (
            {"core": {"quux": 3}},
            "2.11.2",
            "airflow_config: [core] quux is not an option of Airflow 2.11.2: remove it.",
        ),
        (
            {"databse": {"max_db_retries": 3}},
            "3.3.2",
            "airflow_config: [databse] is not a section of Airflow 3.3.2; did you mean [database]? "
            "If a provider or plugin reads it, add databse to airflow_config_extra_sections.",
        ),
        (
            {"quux": {"a": 3}},
            "3.3.2",
            "airflow_config: [quux] is not a section of Airflow 3.3.2; "
            "if a provider or plugin reads it, add quux to airflow_config_extra_sections.",
        ),
        (
            {"core": {"enable_xcom_pickling": True}},
            "3.3.2",
            "airflow_config: [core] enable_xcom_pickling does not exist in Airflow 3.3.2: remove it; return JSON "
            "values from tasks, or set [core] xcom_backend to a class that stores others.",
        ),
        (
            {"core": {"colored_log_format": "x"}},
            "3.3.2",
            "airflow_config: [core] colored_log_format does not exist in Airflow 3.3.2: remove it; "
            "log lines are coloured by [logging] colored_console_log alone.",
        ),
        (
            {"api": {"dag_cache_size": 3}},
            "2.11.2",
            "airflow_config: [api] dag_cache_size is an option of Airflow 3.3.2, Airflow 2.11.2 has nothing like it: remove it.",
        ),
        (
            {"core": {"parallelism": None}},
            "3.3.2",
            "airflow_config: [core] parallelism has no value; write '' for an empty one, or remove it.",
        ),
        (
            {"core": {"parallelism": "many"}},
            "3.3.2",
            "airflow_config: [core] parallelism takes a whole number.",
        ),
        (
            {"core": {"parallelism": 0}},
            "3.3.2",
            "airflow_config: [core] parallelism has a value Airflow 3.3.2 does not know: "
            "0 no longer means without a limit, give a number of tasks.",
        ),
        (
            {"scheduler": {"catchup_by_default": "maybe"}},
            "2.11.2",
            "airflow_config: [scheduler] catchup_by_default takes true or false.",
        ),
        (
            {"core": ["parallelism"]},
            "3.3.2",
            "airflow_config: [core] must hold options and their values, as in airflow_config: {core: {option: value}}.",
        ),
    ],
)
def test_a_mistake_is_told_in_one_sentence(config: dict[str, Any], version: str, sentence: str) -> None:
    assert refused(config, version) == [sentence]


def test_all_mistakes_are_told_together() -> None:
    findings = refused({"core": {"a_b": 1, "parallelism": "x"}, "quux": {}}, "3.3.2")
    assert len(findings) == 3


def test_findings_do_not_show_values() -> None:
    findings = refused({"smtp": {"smtp_password": "hunter2"}, "core": {"parallelism": "hunter2"}}, "3.3.2")
    assert len(findings) == 2
    assert "hunter2" not in " ".join(findings)


# A hand-made installation


@pytest.mark.parametrize(("source", "target"), [("2.11.2", "2.11.2"), ("2.11.2", "3.3.2"), ("3.3.2", "3.3.2"), ("2.10.5", "3.3.2")])
@pytest.mark.parametrize("missing_providers", [False, True])
def test_a_generated_file_holds_nothing_to_adopt(source: str, target: str, missing_providers: bool) -> None:
    near = nearest_options(FILES, source)
    assert near is not None
    config = generated(near.version, missing_providers=missing_providers)
    assert adopted_differences(config, {}, source, options(target), FILES, HOME) == ({}, [])


def adopt(
    config: dict[str, dict[str, str]],
    target: str = "3.3.2",
    *,
    environment: dict[str, str] | None = None,
    source: str = "2.11.2",
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Adopt a generated file with these lines edited."""
    base = generated(options(source).version)
    for section, content in config.items():
        base.setdefault(section, {}).update(content)
    return adopted_differences(base, environment or {}, source, options(target), FILES, HOME)


def test_exactly_the_edited_options_come_back() -> None:
    edited = {
        "core": {"parallelism": "7", "load_examples": "False"},
        "webserver": {"instance_name": "50% é", "cookie_samesite": "Strict"},
        "scheduler": {"dag_dir_list_interval": "20", "scheduler_zombie_task_threshold": "600"},
    }
    assert adopt(edited, "2.11.2") == (edited, [])
    assert adopt(edited, "3.3.2") == (
        {
            "core": {"load_examples": "False", "parallelism": "7"},
            "api": {"instance_name": "50% é"},
            "fab": {"cookie_samesite": "Strict"},
            "dag_processor": {"refresh_interval": "20"},
            "scheduler": {"task_instance_heartbeat_timeout": "600"},
        },
        [],
    )


def test_every_option_is_carried_over_or_told(old: OptionSet, new: OptionSet) -> None:
    def other(value: str | None) -> str:
        return {"True": "False", "False": "True"}.get(value or "", f"{value or ''}1")

    edited: dict[str, dict[str, str]] = {}
    for (section, name), option in old.options.items():
        edited.setdefault(section, {})[name] = other(option.default)
    settings, notes = adopt(edited)
    for given in set(old.options) - DERIVED_OPTIONS:
        found = new.find(*given)
        carried = found is not None and found.option in settings.get(found.section, {})
        assert carried or any(note.startswith(f"[{given[0]}] {given[1]} is not carried over") for note in notes), given


def test_what_the_collection_derives_is_left_out() -> None:
    edited: dict[str, dict[str, str]] = {}
    for section, option in DERIVED_OPTIONS:
        edited.setdefault(section, {})[option] = "/somewhere/else"
    for source, target in (("2.11.2", "2.11.2"), ("2.11.2", "3.3.2"), ("3.3.2", "3.3.2")):
        assert adopt(edited, target, source=source) == ({}, [])


def test_derived_options_in_old_spellings_are_left_out() -> None:
    edited = {"core": {"sql_alchemy_conn": "postgresql://u:p@h/d", "base_log_folder": "/logs"}}
    assert adopt(edited, environment={"AIRFLOW__CORE__SQL_ALCHEMY_CONN": "mysql://u:p@h/d"}) == ({}, [])


def test_a_key_that_comes_from_a_command_is_told() -> None:
    settings, notes = adopt({"core": {"fernet_key_cmd": "cat /key"}, "smtp": {"smtp_password_cmd": "cat /p"}}, "2.11.2")
    assert settings == {"smtp": {"smtp_password_cmd": "cat /p"}}
    assert notes == ["[core] fernet_key_cmd is not carried over: it stands for a value the collection sets itself."]


def test_the_environment_wins_over_the_file() -> None:
    environment = {
        "AIRFLOW__CORE__PARALLELISM": "9",
        "AIRFLOW__CORE__DAG_CONCURRENCY": "3",
        "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH": "file:///x",
        "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY": "16",
        "AIRFLOW_HOME": HOME,
        "PATH": "/bin",
    }
    edited = {"core": {"parallelism": "7"}, "scheduler": {"max_tis_per_query": "99"}}
    settings, notes = adopt(edited, environment=environment)
    assert notes == []
    assert settings == {
        "core": {"parallelism": "9", "max_active_tasks_per_dag": "3"},
        "common.io": {"xcom_objectstorage_path": "file:///x"},
    }


def test_an_old_name_in_the_environment_wins_over_the_exact_one_in_the_file() -> None:
    edited = {"core": {"max_active_tasks_per_dag": "5"}}
    expected = {"core": {"max_active_tasks_per_dag": "3"}}
    assert adopt(edited, environment={"AIRFLOW__CORE__DAG_CONCURRENCY": "3"}) == (expected, [])


def test_the_exact_name_wins_over_an_old_one() -> None:
    assert adopt({"core": {"dag_concurrency": "3", "max_active_tasks_per_dag": "5"}})[0] == {"core": {"max_active_tasks_per_dag": "5"}}


@pytest.mark.parametrize("page_size", ["25", "500"])
def test_two_settings_that_became_one(page_size: str) -> None:
    edited = {"webserver": {"page_size": page_size}, "api": {"fallback_page_limit": "77"}}
    assert adopt(edited) == (
        {"api": {"fallback_page_limit": "77"}},
        ["[webserver] page_size is not carried over: [api] fallback_page_limit is set too, and is the same setting."],
    )


def test_a_default_of_the_target_that_the_user_chose_is_kept() -> None:
    assert adopt({"scheduler": {"catchup_by_default": "False"}}) == (
        {"scheduler": {"catchup_by_default": "False"}},
        [],
    )


@pytest.mark.parametrize("value", ["true", "True ", " TRUE"])
def test_other_spellings_of_a_default_are_no_difference(value: str) -> None:
    assert adopt({"scheduler": {"catchup_by_default": value, "pool_metrics_interval": "5"}}) == ({}, [])


def test_class_paths_that_moved_are_translated() -> None:
    moved = "airflow.providers.fab.auth_manager.api.auth.backend"
    edited = {"api": {"auth_backends": "airflow.api.auth.backend.basic_auth,airflow.api.auth.backend.session"}}
    assert adopt(edited)[0] == {"fab": {"auth_backends": f"{moved}.basic_auth,{moved}.session"}}
    assert adopt(edited, "2.11.2")[0] == edited


def test_values_without_a_meaning_are_told() -> None:
    assert adopt({"core": {"parallelism": "0"}}) == (
        {},
        ["[core] parallelism is not carried over to Airflow 3.3.2: 0 no longer means without a limit, give a number of tasks."],
    )


def test_options_that_are_gone_are_told_without_their_values() -> None:
    settings, notes = adopt({"smtp": {"smtp_password": "hunter2"}, "core": {"check_slas": "False"}})
    assert settings == {}
    assert notes == [
        "[core] check_slas is not carried over, Airflow 3.3.2 does not have it: there are no SLAs in 3.x, use deadline alerts.",
        "[smtp] smtp_password is not carried over, Airflow 3.3.2 does not have it: "
        "keep it in the connection smtp_default ([email] email_conn_id).",
    ]


def test_custom_classes_and_paths_in_the_old_home_are_to_be_looked_at() -> None:
    edited = {"core": {"xcom_backend": "my.XCom"}, "webserver": {"web_server_ssl_cert": f"{HOME}/cert.pem"}}
    settings, notes = adopt(edited)
    assert settings == {"core": {"xcom_backend": "my.XCom"}, "api": {"ssl_cert": f"{HOME}/cert.pem"}}
    assert notes == [
        "[core] xcom_backend is carried over as it was, check it: the class must now be a subclass of airflow.sdk.bases.xcom.BaseXCom.",
        f"[webserver] web_server_ssl_cert is carried over and still points into {HOME}, which the collection does not manage.",
    ]


def test_options_nobody_knows_are_kept() -> None:
    settings, notes = adopt({"my_plugin": {"threshold": "3"}, "core": {"my_flag": "1"}})
    assert settings == {"my_plugin": {"threshold": "3"}, "core": {"my_flag": "1"}}
    assert [note.split(" is not an option ")[0] for note in notes] == ["[core] my_flag", "[my_plugin] threshold"]


def test_defaults_of_earlier_versions_count_for_earlier_versions_only() -> None:
    config = {"core": {"allowed_deserialization_classes": "airflow\\..*"}}
    assert adopted_differences(config, {}, "2.7.3", options("2.11.2"), FILES) == ({}, [])
    assert adopted_differences(config, {}, "2.11.2", options("2.11.2"), FILES)[0] == config


# Defaults, secrets, environment


def test_defaults_that_change_what_dags_do_are_pinned() -> None:
    assert changed_defaults(2, 3, FILES) == {
        "core": {"dag_ignore_file_syntax": "regexp"},
        "scheduler": {
            "catchup_by_default": "True",
            "create_cron_data_intervals": "True",
            "create_delta_data_intervals": "True",
        },
    }
    assert changed_defaults(2, 2, FILES) == changed_defaults(3, 3, FILES) == {}


def test_only_differences_are_written(new: OptionSet) -> None:
    settings = {
        "core": {"parallelism": "32", "dags_folder": "/opt/airflow/dags", "load_examples": "false"},
        "api": {"instance_name": "", "base_url": "http://x"},
        "my_plugin": {"a": ""},
    }
    assert without_defaults(settings, new) == {
        "core": {"load_examples": "false"},
        "api": {"base_url": "http://x"},
        "my_plugin": {"a": ""},
    }
    moved = without_defaults(settings, new, "/srv/airflow")
    assert moved["core"] == {"dags_folder": "/opt/airflow/dags", "load_examples": "false"}


def test_the_default_of_a_missing_provider_is_a_difference(new: OptionSet) -> None:
    settings = {"celery": {"celery_app_name": "airflow.executors.celery_executor"}}
    assert without_defaults(settings, new) == settings


def test_secrets_are_kept_apart(new: OptionSet) -> None:
    settings = {
        "core": {"parallelism": "3", "fernet_key": "k", "fernet_key_cmd": "cat k"},
        "celery": {"broker_url": "redis://"},
        "my_plugin": {"api_token": "t", "colour": "red", "endpoint": "https://u:p@host/"},
        "secrets": {"backend_kwarg__role_id": "r"},
        "logging": {"remote_base_log_folder": "https://u:p@host/"},
    }
    public, secret = split_secrets(settings, new)
    assert public == {"core": {"parallelism": "3", "fernet_key_cmd": "cat k"}, "my_plugin": {"colour": "red"}}
    assert secret == {
        "core": {"fernet_key": "k"},
        "celery": {"broker_url": "redis://"},
        "my_plugin": {"api_token": "t", "endpoint": "https://u:p@host/"},
        "secrets": {"backend_kwarg__role_id": "r"},
        "logging": {"remote_base_log_folder": "https://u:p@host/"},
    }


def test_environment_variables() -> None:
    assert environment_name("common.io", "xcom_objectstorage_path") == "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH"
    variables = {
        environment_name("core", "parallelism"): "3",
        "AIRFLOW__SECRETS__BACKEND_KWARG__ROLE_ID": "r",
        "AIRFLOW_CONN_X": "sqlite://",
        "AIRFLOW__CORE": "x",
        "XAIRFLOW__CORE__FERNET_KEY": "x",
    }
    assert parse_environment(variables) == {"core": {"parallelism": "3"}, "secrets": {"backend_kwarg__role_id": "r"}}
