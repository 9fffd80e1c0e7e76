# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes: task slots, the database server's memory and its connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ._topology_mysql import CHARSET, COLLATION

NAMED_SIZES = {"small": 5, "medium": 10, "large": 20}
"""Task slots per host; the same steps as Amazon's managed Airflow uses for 1, 2 and 4 vCPU."""

SLOTS_PER_CPU = 5
"""Measured by `make bench-throughput` with Airflow 3.3.2: starting and ending a task takes 0.2 to 0.3 s of CPU, so a few slots keep a core
busy with short tasks, further ones are for tasks that wait. Each slot in use takes 50 MB and more before the task itself needs any: on
2 vCPU, 16 slots took 0.7 of the memory that Airflow's 32 take, 10 took 0.58, and 8 took 0.54, but ran short tasks more slowly than 32 do.
"""

DAEMONS_MEMORY_MB = 1500
"""The operating system and four daemons: measured 240 MB for the API server and 170 to 200 MB for each other one."""

WORKER_MEMORY_MB = 130
"""A LocalExecutor process, measured 120 to 140 MB."""

TASK_MEMORY_MB = 150
"""What a task of its own is expected to need."""

FEWEST_SLOTS = 2
IDLE_SLEEP_SECONDS = "0.25"
"""How long a scheduler that found nothing to do waits, in place of a second: a task that follows another one starts only after it. Measured
by `make bench-throughput` with Airflow 3.3.2: a chain of 40 takes 0.4 of the time (median of six rounds). Looking four times as
often costs an idle scheduler 0.04 of a core; ten times as often, 0.1 of a core for no shorter chain.
"""

UNKNOWN_CPUS = 2
UNKNOWN_MEMORY_MB = 2048

SHARED_FRACTION = 8
DEDICATED_FRACTION = 4
MOST_SHARED_BUFFERS_MB = 8192
DEDICATED_POOL_FRACTION = 2
MOST_BUFFER_POOL_MB = 65536
CONNECTION_HEADROOM = 2
RESERVED_CONNECTIONS = 20
"""Command line, health checks, the data's move, and the three that PostgreSQL keeps for its administrator."""

FEWEST_CONNECTIONS = 100

POOL_SHARE = 3
"""PgBouncer has one connection to the server for so many that daemons may open.

Of the fifteen that an engine of Airflow's may open ten are its overflow, and of the two of a task of 2.x hardly one is ever in a
transaction.
"""

FEWEST_POOLED = 5


@dataclass(frozen=True)
class Machine:
    """What a host offers."""

    cpus: int
    memory_mb: int

    @classmethod
    def of(cls, facts: Mapping[str, object]) -> Machine:
        """The machine that Ansible's facts describe, a small one where they do not."""
        return cls(int(str(facts.get("processor_vcpus") or UNKNOWN_CPUS)), int(str(facts.get("memtotal_mb") or UNKNOWN_MEMORY_MB)))


def auto_slots(machine: Machine, database_memory_mb: int = 0) -> int:
    """min(5 x vCPU, (memory - database - 1500 MB) / (130 + 150 MB)), at least 2."""
    room = machine.memory_mb - database_memory_mb - DAEMONS_MEMORY_MB
    return max(FEWEST_SLOTS, min(SLOTS_PER_CPU * machine.cpus, room // (WORKER_MEMORY_MB + TASK_MEMORY_MB)))


def shared_buffers_mb(machine: Machine, shared: bool) -> int:
    """A quarter of a host of its own, an eighth where Airflow runs beside it."""
    share = machine.memory_mb // (SHARED_FRACTION if shared else DEDICATED_FRACTION)
    return max(64, min(MOST_SHARED_BUFFERS_MB, share // 16 * 16))


def postgresql_settings(machine: Machine, shared: bool, max_connections: int) -> dict[str, str]:
    """Settings of a PostgreSQL server for its host."""
    buffers = shared_buffers_mb(machine, shared)
    return {
        "max_connections": str(max_connections),
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{buffers * (2 if shared else 3)}MB",
        "maintenance_work_mem": f"{max(32, min(1024, buffers // 4))}MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
    }


def buffer_pool_mb(machine: Machine, shared: bool) -> int:
    """MySQL's cache: half of a host of its own, for the system's cache does not help it, and an eighth where Airflow runs beside it."""
    share = machine.memory_mb // (SHARED_FRACTION if shared else DEDICATED_POOL_FRACTION)
    return max(128, min(MOST_BUFFER_POOL_MB, share // 128 * 128))


def mysql_settings(machine: Machine, shared: bool, max_connections: int, in_pair: bool = False) -> dict[str, str]:
    """Settings of a MySQL server for its host, and those that Airflow wants of every one. A name without a value is a switch.

    What not every version knows is marked as `loose`. Without a replica there is no binary log, which would grow without end.
    """
    pool = buffer_pool_mb(machine, shared)
    return {
        "max_connections": str(max_connections),
        "innodb_buffer_pool_size": f"{pool}M",
        "loose_innodb_redo_log_capacity": f"{max(128, min(2048, pool))}M",
        "max_allowed_packet": "256M",
        "character_set_server": CHARSET,
        "collation_server": COLLATION,
        "explicit_defaults_for_timestamp": "ON",
        "default_time_zone": "+00:00",
        "transaction_isolation": "READ-COMMITTED",
        **({} if in_pair else {"skip_log_bin": ""}),
        "loose_mysqlx": "OFF",
    }


def needed_connections(line: int, daemons: Mapping[str, int], pool: int, slots: int, web_workers: int, parsers: int) -> int:
    """Connections that the daemons may open at once; `daemons` says how many of each there are.

    Each process has a pool. On 3.x the API server, the DAG processor and the triggerer have a second, asynchronous one, and tasks
    have none: they ask the API. On 2.x each task has two processes with a connection each, and each parser one.
    """
    count = {name: daemons.get(name, 0) for name in ("webserver", "scheduler", "dag_processor", "triggerer")}
    if line >= 3:
        processes = 2 * count["webserver"] * web_workers + count["scheduler"]
        return pool * (processes + 2 * count["dag_processor"] + 2 * count["triggerer"])
    processes = count["webserver"] * web_workers + count["scheduler"] + count["dag_processor"] + count["triggerer"]
    return pool * processes + count["scheduler"] * (2 * slots + parsers)


def pooled(clients: int) -> dict[str, int]:
    """The connections to the server that PgBouncer shares among clients.

    The reserve is for who has waited a second: a process that is within one transaction and begins another one does not give the first
    one back.
    """
    size = max(FEWEST_POOLED, -(-clients // POOL_SHARE))
    return {"size": size, "reserve": -(-size // 2)}


def most_pooled(clients: int) -> int:
    """What `pooled` may open in all."""
    return sum(pooled(clients).values())


def max_connections(needed: int, present: int = 0) -> int:
    """Twice what is needed, since a restarted daemon's old connections may linger, and some for people; in tens.

    What a server has `present` stays when it is enough: the number changes by a restart only, which a task that ends meanwhile may not
    outlive.
    """
    if present >= needed + RESERVED_CONNECTIONS:
        return present
    return max(FEWEST_CONNECTIONS, -(-(CONNECTION_HEADROOM * needed + RESERVED_CONNECTIONS) // 10) * 10)
