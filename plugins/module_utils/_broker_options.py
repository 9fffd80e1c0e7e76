# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What whoever connects to a broker has to be told beside its address."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

MASTER_NAME = "airflow"
"""What sentinels call the servers that they look after."""

SENTINEL_SECONDS = 1
"""How long a sentinel may take to let somebody in, or to answer, before the next one is asked."""


def transport_options(url: str) -> dict[str, Any]:
    """Celery's `broker_transport_options` for an address. Sentinels know Airflow's user by the same password as Redis."""
    if not url.startswith("sentinel://"):
        return {}
    first = urlsplit(url.partition(";")[0])
    login = {"username": unquote(first.username or ""), "password": unquote(first.password or "")}
    waits = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
    return {"master_name": MASTER_NAME, "sentinel_kwargs": {**{name: text for name, text in login.items() if text}, **waits}}
