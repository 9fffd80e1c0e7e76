# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons share few connections to the database by a PgBouncer, and nothing is lost when it or the server is."""

from __future__ import annotations

import json
import re

from airflow_checks import api, hosts
from airflow_checks.fixtures import Installation

UNIT = "airflow-database-pool"
POOL_PORT = 16432
SERVER_PORT = 5432
CLIENTS = 30

# Who has done a transaction stays connected, and the next one gets the same connection to the server.
SHARING = """
import json, sys, psycopg2
clients, servers = [], set()
for number in range(int(sys.argv[2])):
    clients.append(psycopg2.connect(sys.argv[1].replace("+psycopg2", "")))
    cursor = clients[-1].cursor()
    cursor.execute("SELECT pg_backend_pid()")
    servers.add(cursor.fetchone()[0])
    clients[-1].rollback()
print(json.dumps(sorted(servers)))
"""

# As the webserver does, which asks by the asynchronous driver for logs. A driver prepares what it has sent a few times.
PREPARED = """
import asyncio, json
from airflow import settings
from sqlalchemy import text

async def ask(found):
    for _time in range(20):
        async with settings.async_engine.begin() as connection:
            rows = await connection.execute(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> :name"), {"name": ""})
            found.append(rows.scalar())

async def main():
    found = []
    await asyncio.gather(*(ask(found) for _client in range(10)))
    print(json.dumps([settings.async_engine.driver, len(found), max(found)]))
    await settings.async_engine.dispose()

asyncio.run(main())
"""
AS_WEBSERVER = (
    "set -a; . /etc/airflow/webserver.env; AIRFLOW_HOME=/opt/airflow; AIRFLOW_CONFIG=/etc/airflow/airflow.cfg; "
    'exec runuser -u airflow -- /opt/airflow/current/bin/python -c "$1"'
)


def daemons_address(installation: Installation) -> str:
    """The database's address that a daemon has; the command line has another one."""
    return str(hosts.run(installation.host, "sh", "-c", '. /etc/airflow/webserver.env; printf %s "$AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"'))


def connected(installation: Installation, port: int) -> set[str]:
    """The users whose programs are connected to a port of the host."""
    found = hosts.run(installation.host, "ss", "-Hnte", "state", "established", f"dport = :{port}")
    numbers = set(re.findall(r"uid:([0-9]+)", found))
    return {hosts.run(installation.host, "id", "-un", number).strip() for number in numbers}


def test_only_pgbouncer_is_connected_to_the_server(installation: Installation) -> None:
    api.wait_healthy(installation.base_url, installation.line)
    assert installation.query("SELECT 1", daemons_address(installation)) == [[1]]
    assert connected(installation, SERVER_PORT) == {"postgres"}
    assert connected(installation, POOL_PORT) == {"airflow"}
    assert hosts.listens_on(installation.host, POOL_PORT) == {"127.0.0.1"}
    # The one that the package brings is not wanted.
    assert installation.host.run("systemctl is-active pgbouncer").rc != 0


def test_clients_share_the_connections_to_the_server(installation: Installation) -> None:
    url = daemons_address(installation)
    assert f":{POOL_PORT}/" in url
    servers = json.loads(hosts.run(installation.host, "/usr/bin/python3", "-c", SHARING, url, str(CLIENTS)))
    assert 1 <= len(servers) < CLIENTS / 2, servers


def test_the_asynchronous_driver_prepares_nothing(installation: Installation) -> None:
    said = hosts.run(installation.host, "sh", "-c", AS_WEBSERVER, "sh", PREPARED)
    assert [json.loads(line) for line in said.splitlines() if line.startswith("[")] == [["psycopg", 200, 0]]


def test_the_command_line_goes_straight_to_the_server(installation: Installation) -> None:
    for name in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"):
        assert f"@127.0.0.1:{SERVER_PORT}/airflow" in installation.database_setting(name)


def test_tasks_outlast_the_loss_of_pgbouncer_and_of_the_server(installation: Installation) -> None:
    client = installation.client()
    client.wait_for_dag("eight_sleeps")
    client.pause("eight_sleeps", False)
    before = hosts.units(installation.host, f"{UNIT}.service")[f"{UNIT}.service"]
    run_id = client.trigger("eight_sleeps", {"seconds": 10})
    api.wait_until("a task that sleeps", lambda: installation.executions(run_id) or None, 120)
    hosts.run(installation.host, "systemctl", "kill", "--signal=KILL", UNIT)
    api.wait_until("PgBouncer", lambda: hosts.listens_on(installation.host, POOL_PORT) or None, 30)
    assert installation.query("SELECT 1", daemons_address(installation)) == [[1]]
    hosts.run(installation.host, "systemctl", "restart", "postgresql")
    assert client.wait_for_run("eight_sleeps", run_id)["state"] == "success"
    assert hosts.executed_once(installation.executions(run_id), run_id) == []
    after = hosts.units(installation.host, f"{UNIT}.service")[f"{UNIT}.service"]
    assert (after.active, after.restarts) == ("active", before.restarts + 1)
