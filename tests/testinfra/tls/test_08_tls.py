# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody is served in plain text, and nobody believes a server that somebody else vouches for."""

from __future__ import annotations

import ssl
from urllib.parse import unquote

import pytest
import requests
from airflow_checks import hosts
from airflow_checks.fixtures import Installation

AUTHORITY = "/etc/airflow-tls/ca.crt"
STRANGERS = "/etc/ssl/certs/ca-certificates.crt"
ASK_DATABASE = {
    "postgresql": "psql 'host=127.0.0.1 user=airflow dbname=airflow sslmode={mode} sslrootcert={authority}' -Atc 'SELECT 1'",
    "mysql": "mysql -h 127.0.0.1 -u airflow -Ne 'SELECT 1' --ssl-mode={mode} --ssl-ca={authority} airflow",
}
MODES = {"postgresql": ("disable", "verify-full"), "mysql": ("DISABLED", "VERIFY_IDENTITY")}
REFUSED = {"postgresql": "pg_hba.conf rejects", "mysql": "secure_transport|Access denied"}


def ask(installation: Installation, command: str) -> str:
    """What a command prints that has the database's password, also when it fails."""
    password = hosts.run(installation.host, "sed", "-n", r"s/.*SQL_ALCHEMY_CONN=.*airflow:\([^@]*\)@.*/\1/p", "/etc/airflow/scheduler.env")
    plain = unquote(password.strip())
    done = installation.host.run("env PGPASSWORD=%s MYSQL_PWD=%s sh -c %s", plain, plain, command + " 2>&1")
    return str(done.stdout)


def test_the_database_serves_by_tls_only_and_is_verified(installation: Installation) -> None:
    plain, verified = MODES[installation.engine]
    command = ASK_DATABASE[installation.engine]
    assert ask(installation, command.format(mode=verified, authority=AUTHORITY)).strip().endswith("1")
    assert "certificate verify failed" in ask(installation, command.format(mode=verified, authority=STRANGERS))
    refused = ask(installation, command.format(mode=plain, authority=AUTHORITY))
    assert any(word in refused for word in REFUSED[installation.engine].split("|")), refused


def test_the_page_serves_by_tls_only_and_is_verified(installation: Installation) -> None:
    assert installation.base_url.startswith("https://")
    assert installation.client().version() == installation.variables["test_version"]
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(installation.base_url, timeout=10, verify=STRANGERS)
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(installation.base_url.replace("https://", "http://"), timeout=10)


def test_cookies_are_sent_by_tls_only(installation: Installation) -> None:
    login = "/auth/login/" if installation.line == 3 else "/login/"
    answer = requests.get(installation.base_url + login, timeout=30)
    assert answer.cookies
    assert all(cookie.secure for cookie in answer.cookies)


def test_each_key_is_its_servers_alone(installation: Installation) -> None:
    places = "/etc/airflow-tls/*/server.key $(ls /etc/mysql/airflow-tls/server.key 2>/dev/null)"
    keys = hosts.run(installation.host, "sh", "-c", f"stat -c '%U:%G %a %n' {places}")
    found = {line.split()[2]: line.split()[:2] for line in keys.splitlines()}
    assert found.pop("/etc/airflow-tls/web/server.key") == ["root:airflow", "640"]
    assert found
    assert {mode for _owner, mode in found.values()} == {"600"}
    assert "root:root" not in {owner for owner, _mode in found.values()}


def test_certificates_are_valid_for_hosts_whose_clocks_are_behind(installation: Installation) -> None:
    for place in ("/etc/airflow-tls/ca.crt", "/etc/airflow-tls/web/server.crt"):
        start = hosts.run(installation.host, "openssl", "x509", "-noout", "-startdate", "-in", place).strip().partition("=")[2]
        made = float(hosts.run(installation.host, "stat", "-c", "%Y", place))
        assert ssl.cert_time_to_seconds(start) < made - 23 * 3600
