# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the canary is called in Airflow; its DAG file says the same."""

from __future__ import annotations

DAG_ID = "updraft_canary"
POOL = "updraft_canary"
BUNDLE = "updraft_canary"
