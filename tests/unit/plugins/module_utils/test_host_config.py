# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings as Airflow would read them."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_config import Settings, absolute, environment_name, read_options


def test_percent_signs_are_unescaped(tmp_path: Path) -> None:
    path = tmp_path / "airflow.cfg"
    path.write_text("# a comment\n[core]\nDags_Folder = /dags\nkey = 50%% off\nbroken = 50% off\nempty =\n[a.b]\nlong = one\n  two\n")
    assert read_options(str(path)) == {
        "core": {"dags_folder": "/dags", "key": "50% off", "broken": "50% off", "empty": ""},
        "a.b": {"long": "one\ntwo"},
    }


def test_an_option_that_is_there_twice_is_an_error_as_for_airflow(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("[core]\nx = 1\nx = 2\n")
    with pytest.raises(configparser.Error):
        read_options(str(tmp_path / "airflow.cfg"))


def test_environment_wins_over_the_file_and_the_newer_name_over_the_older() -> None:
    names = (("database", "sql_alchemy_conn"), ("core", "sql_alchemy_conn"))
    options = {"core": {"sql_alchemy_conn": "old"}}
    assert Settings(options, {}, "/h").get(*names) == "old"
    assert Settings(options | {"database": {"sql_alchemy_conn": "new"}}, {}, "/h").get(*names) == "new"
    assert Settings(options, {"AIRFLOW__CORE__SQL_ALCHEMY_CONN": "set"}, "/h").get(*names) == "set"
    assert Settings({}, {}, "/h").get(*names, default="none") == "none"


def test_home_and_variables_are_expanded() -> None:
    settings = Settings({}, {"AIRFLOW_HOME": "~/my air", "A": "$B", "B": "b"}, "/home/jane")
    assert settings.expand("$AIRFLOW_HOME/dags") == "/home/jane/my air/dags"
    assert settings.expand("~") == "/home/jane"
    assert settings.expand("${A}-$UNKNOWN") == "b-$UNKNOWN"
    assert settings.expand("a~/b") == "a~/b"


def test_a_value_that_comes_from_a_command_is_noticed() -> None:
    name = ("core", "fernet_key")
    assert Settings({"core": {"fernet_key_cmd": "cat /key"}}, {}, "/h").is_computed(name)
    assert Settings({}, {"AIRFLOW__CORE__FERNET_KEY_SECRET": "key"}, "/h").is_computed(name)
    assert not Settings({"core": {"fernet_key": "x", "fernet_key_cmd": ""}}, {}, "/h").is_computed(name)


def test_names_and_paths() -> None:
    assert environment_name("common.io", "option") == "AIRFLOW__COMMON_IO__OPTION"
    assert absolute("dags/../x", "/home/my air") == "/home/my air/x"
    assert absolute("/dags/", "/home") == "/dags"
