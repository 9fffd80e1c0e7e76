# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Airflow shows of values, and what is shown of Airflow's."""

from __future__ import annotations

import json

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._objects_connections import Connections
from ansible_collections.updraft.airflow.plugins.module_utils._objects_others import Variables
from ansible_collections.updraft.airflow.plugins.module_utils._objects_shown import masked, text_agrees


@pytest.mark.parametrize(
    ("wanted", "shown", "same"),
    [
        ("text", "text", True),
        ("text", "***", None),
        ("text", None, False),
        ("x://secret@h", "x://***@h", None),
        ("x://secret@other", "x://***@h", False),
        ('{"a":1}', '{"a": 1}', True),
        ('{"a":1}', '{"a": 1.0}', False),
        ("1", "true", False),
        ('{"a": "x", "token": "y"}', '{"a": "x", "token": "***"}', None),
        ('{"a": "z", "token": "y"}', '{"a": "x", "token": "***"}', False),
        ("two\nlines", "two***", None),
        ("", "", True),
    ],
)
def test_the_value_of_a_variable(wanted: str, shown: str | None, same: bool | None) -> None:
    assert text_agrees(wanted, shown) is same


def test_what_is_hidden_by_name() -> None:
    extra = {"host": "h", "API_KEY": "x", "nothing_secret": None, "password": {"deep": [1, "x"]}, "list": [{"my_token": "x", "n": 1}]}
    assert masked(extra) == {
        "host": "h",
        "API_KEY": "***",
        "nothing_secret": None,
        "password": {"deep": ["***", "***"]},
        "list": [{"my_token": "***", "n": 1}],
    }


def test_what_is_told_of_a_connection() -> None:
    raw = {
        "connection_id": "c",
        "conn_type": "http",
        "host": "",
        "password": "shown by mistake",
        "extra": json.dumps({"token": "x", "a": 1}),
    }
    told = Connections().describe(raw)
    assert (told["conn_id"], told["host"], told["password"], told["extra"]) == ("c", None, "***", {"token": "***", "a": 1})
    assert "extra" not in Connections().describe({"connection_id": "c", "conn_type": "http"})
    assert Connections().describe({**raw, "extra": "not JSON: x"})["extra"] == "***"


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("plain", "x", "x"),
        ("plain", None, None),
        ("my_secret", "x", "***"),
        ("plain", '{"password": "x", "a":  1}', '{"password": "***", "a": 1}'),
        ("plain", '{"a":  1}', '{"a":  1}'),
        ("my_secret", '{"a": 1}', '{"a": "***"}'),
    ],
)
def test_what_is_told_of_a_variable(key: str, value: str | None, shown: str | None) -> None:
    assert Variables().describe({"key": key, "value": value, "description": ""}) == {"key": key, "value": shown, "description": None}
