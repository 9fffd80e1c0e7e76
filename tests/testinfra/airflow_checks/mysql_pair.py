# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source of MySQL and its replica say of themselves, asked with MySQL's own client on their hosts."""

from __future__ import annotations

from collections.abc import Iterable

from .breaking import inside

FOLLOWS = (
    "SELECT COUNT(*) FROM performance_schema.replication_connection_status c JOIN performance_schema.replication_applier_status a "
    "USING (channel_name) WHERE c.service_state = 'ON' AND a.service_state = 'ON'"
)
CONFIRMS = "SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Rpl_semi_sync_source_status'"


def ask(name: str, statement: str) -> str:
    """The value that a statement returns, one to a line."""
    return inside(name, "mysql", "--batch", "--skip-column-names", "--execute", statement).strip()


def is_source(name: str) -> bool:
    """Whether a host's server takes writes."""
    return ask(name, "SELECT @@GLOBAL.read_only") == "0"


def follows(name: str) -> bool:
    """Whether a host's server receives and applies what another one writes."""
    return ask(name, FOLLOWS) == "1"


def is_whole(names: Iterable[str]) -> bool:
    """Whether one of two takes writes, each of which waits for the other one."""
    names = sorted(names)
    sources = [name for name in names if is_source(name)]
    replicas = [name for name in names if name not in sources]
    return len(sources) == len(replicas) == 1 and follows(replicas[0]) and ask(sources[0], CONFIRMS) == "ON"
