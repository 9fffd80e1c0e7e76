# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host gives up, as files that go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

UNIT_FOLDER = "/etc/systemd/system"


def left_files(plan: Mapping[str, Any]) -> list[dict[str, str]]:
    """Entries for airflow_files: the units of daemons that leave the host, and the files that no other one reads."""
    handover, folder = plan["handover"], plan["paths"]["config_dir"]
    paths = [f"{UNIT_FOLDER}/{unit}" for unit in handover["leave"]]
    paths += [f"{folder}/{component}.env" for component in handover["leave_environments"]]
    paths += [f"{folder}/{name}" for name in handover["leave_files"]]
    return [{"path": path, "state": "absent"} for path in paths]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"left_files": left_files}
