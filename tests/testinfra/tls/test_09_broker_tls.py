# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis and Flower serve by TLS only, and are verified."""

from __future__ import annotations

from airflow_checks import hosts
from airflow_checks.fixtures import Installation

AUTHORITY = "/etc/airflow-tls/ca.crt"
STRANGERS = "/etc/ssl/certs/ca-certificates.crt"


def ping(installation: Installation, *further: str) -> str:
    """What the client says."""
    return str(installation.host.run(" ".join(["timeout 10 redis-cli -h 127.0.0.1", *further, "ping 2>&1"])).stdout)


def test_the_broker_serves_by_tls_only_and_is_verified(installation: Installation) -> None:
    assert "NOAUTH" in ping(installation, "--tls", "--cacert", AUTHORITY)
    assert "certificate verify failed" in ping(installation, "--tls", "--cacert", STRANGERS)
    plain = ping(installation)
    assert "NOAUTH" not in plain and "PONG" not in plain


def test_flower_serves_by_tls_only(installation: Installation) -> None:
    page = "import ssl, sys; from urllib.request import urlopen; "
    page += "print(urlopen(sys.argv[1], context=ssl.create_default_context(cafile=sys.argv[2])).read())"
    command = ["python3", "-c", page, "https://127.0.0.1:5555/healthcheck"]
    assert "OK" in hosts.run(installation.host, *command, AUTHORITY)
    assert "CERTIFICATE_VERIFY_FAILED" in installation.host.run("python3 -c %s %s %s", page, command[-1], STRANGERS).stderr
