# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run tells its user at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def report(plan: Mapping[str, Any]) -> list[str]:
    """Where Airflow is, what it runs on, and where the password is."""
    database = plan["database"]
    place = f"PostgreSQL {database['name']} on {database['host']}:{database['port']}" if database else f"SQLite {plan['sqlite']['path']}"
    lines = [f"Airflow {plan['version']} with {plan['executor']} on {place}: {plan['webserver']['base_url']}"]
    password_file = plan["credentials"]["admin_password_file"]
    if password_file:
        lines.append(f"The password of the first user is in {password_file} on the controller.")
    if plan["move"]:
        lines.append(f"The old installation in {plan['move']['source']['home']} was left as it is; remove it when you are sure.")
    return lines


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"report": report}
