# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patroni is started by, on classes with the methods of Patroni 3.0.2 that matter; the real ones are in `make test-faults`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "roles" / "metadata_db" / "files" / "airflow_patroni.py"
LOCK, OTHER = "/updraft/airflow/leader", "/updraft/airflow/status"


@pytest.fixture
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("airflow_patroni", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Etcd:
    """Keys with their values."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}

    def txn(self, compare: dict[str, Any], success: dict[str, Any], _retry: Any = None) -> bool:
        present = self.keys.get(compare["key"])
        holds = present is None if compare["target"] == "CREATE" else present == compare["value"]
        if holds:
            self.keys[success["request_put"]["key"]] = success["request_put"]["value"]
        return holds

    def put(
        self, key: str, value: str, lease: Any = None, create_revision: Any = None, mod_revision: Any = None, retry: Any = None
    ) -> bool:
        self.keys[key] = value
        return True


@pytest.fixture
def member(program: ModuleType) -> Any:
    """A member named `old`, which has a new lease."""

    class Client(Etcd):
        pass

    class Dcs:
        _LEADER = "leader"

        def __init__(self) -> None:
            self._client = Client()

        def _update_leader(self) -> bool:
            self._client.put(LOCK, "old", "lease", retry=None)
            return True

    program.guard(Dcs, Client, lambda text: text)
    return Dcs()


def test_the_lock_of_another_one_is_left_alone(member: Any) -> None:
    member._client.keys[LOCK] = "new"
    assert member._update_leader() is False
    assert member._client.keys[LOCK] == "new"


@pytest.mark.parametrize("present", [{}, {LOCK: "old"}])
def test_the_own_lock_and_one_of_nobody_are_written(member: Any, present: dict[str, str]) -> None:
    member._client.keys.update(present)
    assert member._update_leader() is True
    assert member._client.keys[LOCK] == "old"


def test_after_a_refusal_the_next_one_may_succeed(member: Any) -> None:
    member._client.keys[LOCK] = "new"
    assert member._update_leader() is False
    del member._client.keys[LOCK]
    assert member._update_leader() is True


def test_other_keys_are_written_as_ever(member: Any) -> None:
    member._client.keys[OTHER] = "before"
    assert member._client.put(OTHER, "after") is True
    assert member._client.keys[OTHER] == "after"


@pytest.mark.parametrize(
    ("version", "expected"), [("2.1.4", True), ("3.0.2", True), ("3.0.3", False), ("3.1.0", False), ("4.0.6", False), ("4.1.0b1", False)]
)
def test_releases_that_look_themselves_are_run_as_they_are(program: ModuleType, version: str, expected: bool) -> None:
    assert program.needs_guard(version) is expected
