# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which load balancers of this collection's a host has, by its settings. No server is asked."""

from __future__ import annotations

import os

from .host_files import read_text

SETTINGS = {"nginx": "etc/nginx/conf.d/airflow.conf", "haproxy": "etc/haproxy/haproxy.cfg"}
OWN = "updraft.airflow"


def find_load_balancers(root: str = "/") -> list[str]:
    """Their engines."""
    return [engine for engine, path in SETTINGS.items() if OWN in read_text(os.path.join(root, path)).partition("\n")[0]]
