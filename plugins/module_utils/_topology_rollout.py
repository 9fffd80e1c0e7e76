# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are treated one after the other."""

from __future__ import annotations

from ._topology_model import Draft
from ._topology_rules_versions import moves


def is_rolled(draft: Draft, name: str) -> bool:
    """Whether a host waits for its turn when its daemons have to start again: it runs, and another one runs that goes on meanwhile."""
    running = [other for other in draft.airflow_hosts if draft.hosts[other].installation is not None]
    return name in running and len(running) > 1 and not moves(draft)
