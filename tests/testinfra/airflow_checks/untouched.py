# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host and its installation at one moment, and what is different at another: nothing, after a run that was refused."""

from __future__ import annotations

from dataclasses import dataclass

from . import digests, hosts
from .fixtures import Installation

SERVICES = "airflow-* postgresql* mysql* redis* valkey* rabbitmq*"
DATABASES = "$(psql -Atc 'SELECT datname FROM pg_database ORDER BY 1')"
# pg_dump begins and ends with a random word.
SCHEMA = f"for name in {DATABASES}; do pg_dump --schema-only --create $name | grep -v restrict; done"
PARTS = {
    "units and when they started": f"systemctl show --property=Id,ActiveState,ActiveEnterTimestampMonotonic,MainPID,NRestarts {SERVICES}",
    "settings": "find /etc -type f ! -path '/etc/ssl/*' -exec sha256sum {} + | sort -k 2",
    "owners and permissions": "find /etc /opt/airflow -maxdepth 2 -printf '%p %u %g %m %l\\n' | sort",
    "packages": "dpkg-query --show --showformat '${Package} ${Version} ${Status}\\n'",
    "environments": "ls -l /opt/airflow/venvs /opt/airflow/current /usr/local/bin",
    "users": "getent passwd; getent group",
    "the databases' schema": f'if command -v pg_dump >/dev/null; then cd / && runuser -u postgres -- sh -c "{SCHEMA}"; fi',
}
# Of a host that only has what somebody made by hand. Airflow's own daemons write below its folder.
BEFORE = {
    # Those of the system start and end by themselves.
    "units": "systemctl list-unit-files --no-legend --no-pager",
    "settings": PARTS["settings"],
    "files": "(find /etc /opt /usr/local -printf '%p %y %u %g %m %l\\n'; ls -d /home/jane/* /var/lib/*) | sort",
    "packages": PARTS["packages"],
    "users": PARTS["users"],
    "the old daemons": 'for file in /home/*/*/airflow-*.pid; do echo "$file: $(ps -o pid=,lstart= -p "$(cat "$file")")"; done',
}
# Heartbeats and the like are written into rows that exist.
RUNNING = digests.Allowed(volatile=True)


@dataclass(frozen=True)
class State:
    """What there is at one moment."""

    parts: dict[str, list[str]]
    rows: digests.Digests
    secrets: dict[str, str]


def take(installation: Installation) -> State:
    """Look at the host, its databases, and the folder of secrets on the controller."""
    return _take(installation, PARTS, installation.database_setting().replace("+psycopg2", ""))


def take_before(installation: Installation) -> State:
    """Look at a host that was not lifted yet, at the database of what somebody made by hand, and at the folder of secrets."""
    return _take(installation, BEFORE, f"{installation.adopted_home}/airflow.db")


def _take(installation: Installation, commands: dict[str, str], database: str) -> State:
    parts = {what: hosts.run(installation.host, "sh", "-c", command).splitlines() for what, command in commands.items()}
    rows = digests.Digests.from_json(installation.on_host("airflow_checks.digests", database))
    folder = installation.inventory_dir / "credentials"
    secrets = {str(place.relative_to(folder)): place.read_text(encoding="utf-8") for place in folder.rglob("*") if place.is_file()}
    return State(parts, rows, secrets)


def changes(before: State, after: State, allowed: digests.Allowed = RUNNING) -> list[str]:
    """Return what differs, a line each. No line holds a secret."""
    found = [f"{what}: {line}" for what, lines in before.parts.items() for line in sorted(set(lines) ^ set(after.parts[what]))]
    names = sorted(before.secrets.keys() | after.secrets.keys())
    found += [f"secret: {name}" for name in names if before.secrets.get(name) != after.secrets.get(name)]
    return found + digests.compare(before.rows, after.rows, allowed)
