# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metadata database of a plan, as the modules that read one want it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

SERVER_KEYS = ("engine", "host", "port", "name", "user", "password", "ssl_mode", "ssl_root_cert")


def database_settings(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The `database` option for airflow_health, airflow_db_migrate and their like."""
    if plan["database"] is None:
        return {"engine": "sqlite", "path": plan["sqlite"]["path"]}
    return {key: plan["database"][key] for key in SERVER_KEYS}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"database_settings": database_settings}
