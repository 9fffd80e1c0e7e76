# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that changes nothing, and one that repairs what was broken by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from airflow_checks import hosts
from airflow_checks.fixtures import Installation


@dataclass(frozen=True)
class Breakage:
    """Something done by hand, and a command that succeeds only where it was repaired."""

    what: str
    damage: str
    check: str


BREAKAGES = [
    Breakage("a setting", "sed -i '/^load_examples/d' /etc/airflow/airflow.cfg", "grep -q '^load_examples = ' /etc/airflow/airflow.cfg"),
    Breakage(
        "the permissions of a file with secrets",
        "chmod 0644 /etc/airflow/scheduler.env",
        'test "$(stat -c %a /etc/airflow/scheduler.env)" = 600',
    ),
    Breakage(
        "a unit",
        "sed -i s/KillMode=mixed/KillMode=process/ /etc/systemd/system/airflow-webserver.service",
        "systemctl show -p KillMode airflow-webserver | grep -q mixed",
    ),
    Breakage("the command line's wrapper", "rm /usr/local/bin/airflow", "test -x /usr/local/bin/airflow"),
    Breakage("the link to the version", "ln -sfn /nowhere /opt/airflow/current", "test -x /opt/airflow/current/bin/airflow"),
    Breakage("the owner of a folder", "chown nobody /opt/airflow/logs", 'test "$(stat -c %U /opt/airflow/logs)" != nobody'),
    Breakage(
        "a daemon",
        "systemctl disable --quiet --now airflow-triggerer.service",
        "systemctl is-active -q airflow-triggerer && systemctl is-enabled -q airflow-triggerer",
    ),
    Breakage(
        "a package",
        "rm -r /opt/airflow/venvs/*/lib/python3*/site-packages/slugify",
        "test -e /opt/airflow/current/lib/python3*/site-packages/slugify/__init__.py",
    ),
]
SERVER_BREAKAGES = [
    Breakage(
        "the server's settings",
        "sed -i /max_connections/d /etc/postgresql/*/main/conf.d/airflow.conf",
        "grep -q max_connections /etc/postgresql/*/main/conf.d/airflow.conf",
    ),
    Breakage(
        "who may connect",
        "sed -i '/scram-sha-256$/d' /etc/postgresql/*/main/pg_hba.conf",
        "grep -q '^host.*airflow' /etc/postgresql/*/main/pg_hba.conf",
    ),
    Breakage(
        "the role's password",
        "runuser -u postgres -- psql -qc \"ALTER ROLE airflow PASSWORD 'other'\"",
        ". /etc/airflow/cli.env; psql -qc 'SELECT 1' \"$(echo $AIRFLOW__DATABASE__SQL_ALCHEMY_CONN | sed s/+psycopg2//)\"",
    ),
]


def test_a_run_that_changes_nothing_starts_nothing(installation: Installation, run_site: Any) -> None:
    before = hosts.start_times(installation.host)
    with hosts.exec_audit(installation.host, "/opt/airflow/venvs") as audit:
        started = time.monotonic()
        again = run_site()
        print(f"RESULT quiet_site {time.monotonic() - started:.1f} seconds, {again.ok} tasks")
    assert again.failed == 0 and again.changed == 0, again.output
    assert audit.environments and audit.in_words() == []
    assert hosts.start_times(installation.host) == before


def test_what_was_broken_by_hand_is_repaired(installation: Installation, run_site: Any) -> None:
    breakages = BREAKAGES + (SERVER_BREAKAGES if installation.variables.get("test_server", True) else [])
    for breakage in breakages:
        hosts.run(installation.host, "sh", "-c", breakage.damage)
    assert [breakage.what for breakage in breakages if installation.host.run(breakage.check).rc == 0] == []
    repaired = run_site()
    assert repaired.failed == 0 and repaired.changed > 0, repaired.output
    assert [breakage.what for breakage in breakages if installation.host.run(breakage.check).rc != 0] == []
    before = hosts.start_times(installation.host)
    again = run_site()
    assert again.failed == 0 and again.changed == 0, again.output
    assert hosts.start_times(installation.host) == before
