# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MySQL as Airflow needs it: its settings, its accounts, the encryption of every connection."""

from __future__ import annotations

from airflow_checks import hosts
from airflow_checks.fixtures import Installation

CONNECTIONS = """
SELECT connection_type, count(*) FROM performance_schema.threads
WHERE processlist_user = 'airflow' AND connection_type IS NOT NULL GROUP BY connection_type
"""


def test_the_server_has_the_settings_that_airflow_needs(installation: Installation) -> None:
    collation = "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = 'airflow'"
    assert installation.query(collation) == [["utf8mb4_0900_bin"]]
    key = "SELECT character_set_name FROM information_schema.columns WHERE table_name = 'dag_run' AND column_name = 'run_id'"
    assert installation.query(f"{key} AND table_schema = 'airflow'") == [["utf8mb3"]]
    said = installation.query("SELECT @@transaction_isolation, @@global.time_zone, @@max_allowed_packet, @@explicit_defaults_for_timestamp")
    assert said == [["READ-COMMITTED", "+00:00", 256 * 1024 * 1024, 1]]
    accounts = "SELECT DISTINCT plugin FROM mysql.user WHERE user LIKE 'airflow%'"
    assert hosts.run(installation.host, "mysql", "-Ne", accounts).split() == ["caching_sha2_password"]
    assert hosts.listens_on(installation.host, 3306) == {"127.0.0.1"}


def test_both_drivers_use_tls_where_it_is_demanded(installation: Installation) -> None:
    kinds = [line.split() for line in hosts.run(installation.host, "mysql", "-Ne", CONNECTIONS).splitlines()]
    assert [kind for kind, _number in kinds] == ["SSL/TLS"], kinds
    # The asynchronous one connects when the API is asked for a log or a page of it.
    assert "ssl" in hosts.run(installation.host, "cat", "/opt/airflow/config/airflow_mysql_tls.py")
