# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load balancers that are found on a host."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_load_balancer import SETTINGS, find_load_balancers

OWN = "# Managed by Ansible (updraft.airflow): changes made here are overwritten.\n"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, []),
        ({"haproxy": "global\n    # of the package, not updraft.airflow\n"}, []),
        ({"haproxy": OWN + "global\n"}, ["haproxy"]),
        ({"haproxy": OWN, "nginx": OWN}, ["nginx", "haproxy"]),
    ],
)
def test_only_our_own_are_found(tmp_path: Path, texts: dict[str, str], expected: list[str]) -> None:
    for engine, text in texts.items():
        place = tmp_path / SETTINGS[engine]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    assert find_load_balancers(str(tmp_path)) == expected
