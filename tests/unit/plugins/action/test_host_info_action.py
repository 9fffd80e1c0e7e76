# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action around airflow_host_info: how far the host's clock is from the controller's."""

from __future__ import annotations

import time
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible_collections.updraft.airflow.plugins.action.airflow_host_info import ActionModule


class Host(ActionModule):
    """A host whose clock is ahead, and that takes a while to answer."""

    ahead = 0.0
    result: dict[str, Any]

    def _execute_module(self, **_arguments: Any) -> dict[str, Any]:
        started = time.time()
        while time.time() < started + 0.02:
            pass
        return {"airflow_host": {"clock": time.time() + self.ahead, "systemd": True}} if self.ahead is not None else {"msg": "No."}


def looked_at(ahead: float | None) -> Any:
    """What the action returns."""
    task = MagicMock(args={}, check_mode=False, async_val=0, delegate_to=None, diff=False)
    action = Host(task, MagicMock(), MagicMock(check_mode=False), MagicMock(), MagicMock(), None)
    action.ahead = ahead  # type: ignore[assignment]
    return action.run(task_vars={})


@pytest.mark.parametrize("ahead", [0.0, 300.0, -300.0])
def test_the_difference_is_between_two_numbers(ahead: float) -> None:
    found = looked_at(ahead)["airflow_host"]
    assert found["systemd"] is True
    assert ahead - 0.5 < found["clock"]["least"] <= ahead <= found["clock"]["most"] < ahead + 0.5
    assert found["clock"]["most"] - found["clock"]["least"] >= 0.02


def test_a_failure_is_passed_on() -> None:
    assert looked_at(None) == {"msg": "No."}
