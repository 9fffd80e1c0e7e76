# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database on a host of its own: who may log in there, and what is not there."""

from __future__ import annotations

import pytest
import testinfra
from airflow_checks import hosts
from airflow_checks.fixtures import Installation

ACCOUNTS = "SELECT DISTINCT host FROM mysql.user WHERE user LIKE 'airflow%' ORDER BY host"


@pytest.fixture
def server(installation: Installation) -> testinfra.host.Host:
    """The database's host."""
    return testinfra.get_host(f"docker://{installation.variables['test_database_host']}")


def test_airflows_host_and_nobody_else_may_log_in(installation: Installation, server: testinfra.host.Host) -> None:
    address = hosts.run(installation.host, "hostname", "-i").split()[0]
    admitted = hosts.run(server, "mysql", "-Ne", ACCOUNTS).split()
    assert admitted == sorted(["127.0.0.1", "::1", "localhost", address])
    own = hosts.run(server, "hostname", "-i").split()[0]
    assert hosts.listens_on(server, 3306) == {"127.0.0.1", own}


def test_nothing_of_airflow_is_on_the_databases_host(server: testinfra.host.Host) -> None:
    assert not [path for path in ("/etc/airflow", "/opt/airflow/venvs", "/usr/local/bin/airflow") if server.file(path).exists]
    assert not server.user("airflow").exists
