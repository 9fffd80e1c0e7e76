# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a host's Redis and its sentinel start again at once, and which wait for their turn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_sentinel import Place
from ansible_collections.updraft.airflow.plugins.modules import airflow_sentinel

UNITS = ["redis-server.service", "redis-sentinel.service"]


@pytest.mark.parametrize(
    ("server", "sentinel", "at_once", "in_turn"),
    [
        pytest.param(True, True, [], UNITS, id="both are a part of the cluster"),
        pytest.param(False, False, UNITS, [], id="neither is yet"),
        pytest.param(True, False, UNITS[1:], UNITS[:1], id="only the sentinel is down"),
        pytest.param(False, True, UNITS[:1], UNITS[1:], id="only the server is down"),
    ],
)
def test_what_takes_part_waits_for_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: bool, sentinel: bool, at_once: list[str], in_turn: list[str]
) -> None:
    monkeypatch.setattr(Place, "server_runs", lambda _self: server)
    monkeypatch.setattr(Place, "sentinel_runs", lambda _self: sentinel)
    monkeypatch.setattr(airflow_sentinel, "master_told", lambda _place: {"ip": "192.0.2.12"})
    kept = {name: str(tmp_path / name) for name in ("server_file", "sentinel_file")}
    for path in kept.values():
        Path(path).touch()
    module = SimpleNamespace(params={**kept, "units": UNITS, "stale_units": UNITS, "first_master": "192.0.2.11"}, check_mode=False)
    place = Place("192.0.2.11", ["192.0.2.12", "192.0.2.13"], 1, 1, "airflow", "sentinel", "watched")
    found = airflow_sentinel.begin(module, place)
    assert found == {"changed": False, "start_units": at_once, "turn_units": in_turn, "master": "192.0.2.12"}
