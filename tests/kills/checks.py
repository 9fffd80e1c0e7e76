# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is true after a run that repaired what a killed one had left."""

from __future__ import annotations

import json
from dataclasses import dataclass

from airflow_checks import digests, hosts
from airflow_checks.fixtures import TUTORIAL_FILES, Installation

from .containers import BACKUP, OLD_DATABASE, TWO_SCHEDULERS

LEASE = "/run/updraft-airflow.lease"
FAB_TABLES = ("ab_", "alembic_version_fab", "session")


@dataclass(frozen=True)
class Rows:
    """The old database as it was before anything ran: whole, and what has to survive the way to 3.x."""

    whole: str
    surviving: str


def taken(installation: Installation, place: str, surviving: bool = False) -> str:
    """The digests of a database, as text."""
    return str(installation.on_host("airflow_checks.digests", place, *(["--surviving"] if surviving else [])))


def rows_before(installation: Installation) -> Rows:
    """What there is before the first daemon was started."""
    return Rows(taken(installation, OLD_DATABASE), taken(installation, OLD_DATABASE, True))


def wrong(installation: Installation, before: Rows, version: str) -> list[str]:
    """What is not as it has to be, a sentence each."""
    return [
        *wrong_rows(installation, before, version),
        *wrong_daemons(installation),
        *wrong_connections(installation),
        *left_behind(installation),
    ]


def wrong_rows(installation: Installation, before: Rows, version: str) -> list[str]:
    """Every row of the old database is where it was, in the copy that is kept, and in the new database."""
    crosses = version.startswith("3")
    read = digests.Digests.from_json
    old, kept = read(taken(installation, OLD_DATABASE)), read(taken(installation, BACKUP))
    url = installation.database_setting().replace("postgresql+psycopg2://", "postgresql://")
    new = read(taken(installation, url, crosses))
    moved = read(taken(installation, OLD_DATABASE, True)) if crosses else old
    started = read(before.surviving if crosses else before.whole)
    found = [f"Old database: {said}" for said in digests.compare(read(before.whole), old, digests.RUNNING)]
    # Nobody has written to it since it was copied.
    found += [f"Copy that is kept: {said}" for said in digests.compare(old, kept)]
    found += [f"New database: {said}" for said in digests.compare(moved, new, digests.RUNNING)]
    found += [f"New database, since the beginning: {said}" for said in digests.compare(started, new, digests.RUNNING)]
    running = installation.query("SELECT count(*) FROM job WHERE job_type = 'SchedulerJob' AND state = 'running'")
    return found + ([f"{running[0][0]} schedulers are running by the table job."] if running != [[1]] else [])


def wrong_daemons(installation: Installation) -> list[str]:
    """The new daemons run and start with the host, the old ones are gone, and no two schedulers ran at any moment."""
    host = installation.host
    units = hosts.units(host)
    found = [
        f"{unit.name} is {unit.active} and {unit.enabled}."
        for unit in units.values()
        if (unit.active, unit.enabled) != ("active", "enabled")
    ]
    found += [] if len(units) >= 3 else [f"Only {', '.join(units) or 'none'} of the units are there."]
    processes = hosts.processes(host)
    found += [f"Process {process.pid} of the old installation runs." for process in processes if process.prefix.startswith("/home/")]
    main = {unit.main_pid for unit in units.values()}
    schedulers = [process.pid for process in processes if process.pid in main and "scheduler" in " ".join(process.argv)]
    found += [] if len(schedulers) == 1 else [f"{len(schedulers)} schedulers run."]
    page = "/health" if installation.line == 2 else "/api/v2/monitor/health"
    status = hosts.http_status(host, f"http://127.0.0.1:8080{page}")
    found += [] if status == 200 else [f"The web page answers {status}."]
    return found + [f"Two schedulers: {line}" for line in hosts.run(host, "cat", TWO_SCHEDULERS).splitlines()]


def wrong_connections(installation: Installation) -> list[str]:
    """Connections open with the key that was carried over."""
    hosts.run(installation.host, "airflow", "connections", "export", "/tmp/exported.json", "--format", "json")
    exported = json.loads(hosts.run(installation.host, "cat", "/tmp/exported.json"))
    wanted = json.loads((TUTORIAL_FILES / "connections.json").read_text(encoding="utf-8"))
    return [
        f"The connection {name} does not have its password."
        for name, entry in wanted.items()
        if exported.get(name, {}).get("password") != entry.get("password")
    ]


def left_behind(installation: Installation) -> list[str]:
    """Nobody holds the host, and nothing of Ansible's runs on it."""
    found = [f"{LEASE} is there."] if installation.host.file(LEASE).exists else []
    folders = str(installation.host.run("ls -d /tmp/updraft-copy.*").stdout).split()
    found += [f"{folder} is there." for folder in folders]
    listed = hosts.run(installation.host, "ps", "-eo", "pid=,args=").splitlines()
    return found + [f"Still runs: {line.strip()}" for line in listed if "AnsiballZ" in line]


def lease(installation: Installation) -> dict[str, object] | None:
    """Who holds the host."""
    if not installation.host.file(LEASE).exists:
        return None
    found: dict[str, object] = json.loads(hosts.run(installation.host, "head", "-n", "1", LEASE))
    return found
