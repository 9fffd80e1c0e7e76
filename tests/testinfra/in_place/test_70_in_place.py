# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation made by hand on PostgreSQL is taken over where it is: its database is neither copied nor changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_checks import digests, hosts, pages, secrets
from airflow_checks.fixtures import Installation

# The server is no part of the inventory.
INVENTORY = """\
---
airflow:
  hosts:
    updraft-default:
      ansible_connection: community.docker.docker
  children:
    airflow_webserver: {hosts: {updraft-default: }}
    airflow_scheduler: {hosts: {updraft-default: }}
  vars:
    airflow_adopt_home: /home/jane/airflow
    airflow_ca_bundle: /etc/ssl/certs/ca-certificates.crt
"""
URL = "postgresql://jane:jane%3A%20p%40ss%2Fw%25rd@localhost:5432/jane_airflow"
OF_SERVER = "sha256sum /etc/postgresql/*/main/*.conf /etc/postgresql/*/main/conf.d/*; runuser -u postgres -- psql -Atc '{}'"
DATABASES = "SELECT oid, datname, datdba FROM pg_database ORDER BY oid"


def taken(installation: Installation) -> digests.Digests:
    """The digests of the database."""
    return digests.Digests.from_json(installation.on_host("airflow_checks.digests", URL))


def server(installation: Installation) -> str:
    """The settings and the databases of the server."""
    return str(hosts.run(installation.host, "sh", "-c", OF_SERVER.format(DATABASES)))


def test_an_installation_on_postgresql_is_taken_over_in_place(
    installation: Installation, run_site: Any, look: pages.Browser, tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY, encoding="utf-8")
    server_before, before = server(installation), taken(installation)
    assert sum(before.counts().values()) > 100

    over = run_site("-vvv", "--diff", inventory=inventory)
    assert over.failed == 0, over.in_words()
    assert secrets.told(over.output, installation.secrets()) == []

    assert installation.database_setting().replace("+psycopg2", "").split("?")[0] == URL
    assert server(installation) == server_before
    assert "\n".join(digests.compare(before, taken(installation), digests.RUNNING)) == ""
    assert {process.prefix.startswith("/opt/airflow/venvs/") for process in hosts.processes(installation.host)} == {True}
    started = hosts.start_times(installation.host)
    assert set(started) == {"airflow-webserver.service", "airflow-scheduler.service", "airflow-triggerer.service"}
    look.log_in(installation.base_url, *installation.admin)
    assert look.warnings() == []
    look.picture("home-in-place")

    again = run_site(inventory=inventory)
    assert (again.failed, again.changed) == (0, 0), again.in_words()
    assert hosts.start_times(installation.host) == started
