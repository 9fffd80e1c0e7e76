# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that repairs what was broken by hand, and the next one, which changes nothing."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from airflow_checks import hosts, secrets
from airflow_checks.fixtures import CHECKS_ON_HOST, Installation, ship_checks
from airflow_checks.playbook import PlayRun

VERBOSE = ("-vvv", "--diff")
ANSIBLES_MODULE = re.compile(r"^/bin/sh -c \S+/bin/python && sleep 0$")
CONFIGURE = "Write the configuration and switch to Airflow"
UNITS = "Write the units and secrets of the daemons"


@dataclass(frozen=True)
class Breakage:
    """Something done by hand, a command that succeeds only where it was repaired, and who repairs it."""

    what: str
    damage: str
    check: str
    # How the name of the task begins that must report the repair, and which path it must name where it looks after several.
    task: str
    path: str = ""

    def is_told(self, run: PlayRun) -> bool:
        """Whether the run says that it repaired this."""
        return any(
            result.status == "changed"
            and result.task.startswith(self.task)
            and (not self.path or self.path in result.fields["changed_paths"])
            for result in run.results
        )


BREAKAGES = [
    Breakage(
        "a setting",
        "sed -i '/^load_examples/d' /etc/airflow/airflow.cfg",
        "grep -q '^load_examples = ' /etc/airflow/airflow.cfg",
        CONFIGURE,
        "/etc/airflow/airflow.cfg",
    ),
    Breakage(
        "a setting of the login page",
        "echo '# by hand' >> /etc/airflow/webserver_config.py",
        "! grep -q 'by hand' /etc/airflow/webserver_config.py",
        CONFIGURE,
        "/etc/airflow/webserver_config.py",
    ),
    Breakage(
        "a secret of the command line",
        "echo 'BY_HAND=1' >> /etc/airflow/cli.env",
        "! grep -q BY_HAND /etc/airflow/cli.env",
        CONFIGURE,
        "/etc/airflow/cli.env",
    ),
    Breakage(
        "the record of the installation",
        "echo >> /etc/airflow/installation.json",
        'test -n "$(tail -n 1 /etc/airflow/installation.json)"',
        CONFIGURE,
        "/etc/airflow/installation.json",
    ),
    Breakage(
        "the command line's wrapper", "rm /usr/local/bin/airflow", "test -x /usr/local/bin/airflow", CONFIGURE, "/usr/local/bin/airflow"
    ),
    Breakage(
        "the link to the version",
        "ln -sfn /nowhere /opt/airflow/current",
        "test -x /opt/airflow/current/bin/airflow",
        CONFIGURE,
        "/opt/airflow/current",
    ),
    Breakage(
        "a secret of a daemon",
        "sed -i /FERNET_KEY/d /etc/airflow/webserver.env",
        "grep -q FERNET_KEY /etc/airflow/webserver.env",
        UNITS,
        "/etc/airflow/webserver.env",
    ),
    Breakage(
        "the permissions of a file with secrets",
        "chmod 0644 /etc/airflow/scheduler.env",
        'test "$(stat -c %a /etc/airflow/scheduler.env)" = 600',
        UNITS,
        "/etc/airflow/scheduler.env",
    ),
    Breakage(
        "a unit",
        "sed -i s/KillMode=mixed/KillMode=process/ /etc/systemd/system/airflow-webserver.service",
        "systemctl show -p KillMode airflow-webserver | grep -q mixed",
        UNITS,
        "/etc/systemd/system/airflow-webserver.service",
    ),
    Breakage(
        "the owner of a folder",
        "chown nobody /opt/airflow/logs",
        'test "$(stat -c %U /opt/airflow/logs)" != nobody',
        "Create Airflow's folders",
        "/opt/airflow/logs",
    ),
    Breakage(
        "a daemon",
        "systemctl disable --quiet --now airflow-triggerer.service",
        "systemctl is-active -q airflow-triggerer && systemctl is-enabled -q airflow-triggerer",
        "Start the triggerer",
    ),
    Breakage(
        "a package",
        "rm -r /opt/airflow/venvs/*/lib/python3*/site-packages/slugify",
        "test -e /opt/airflow/current/lib/python3*/site-packages/slugify/__init__.py",
        "Install Airflow",
    ),
]
POSTGRESQL_BREAKAGES = [
    Breakage(
        "the server's settings",
        "sed -i /max_connections/d /etc/postgresql/*/main/conf.d/airflow.conf",
        "grep -q max_connections /etc/postgresql/*/main/conf.d/airflow.conf",
        "Write the server's settings",
    ),
    Breakage(
        "who may connect",
        "sed -i '/airflow.*scram-sha-256$/d' /etc/postgresql/*/main/pg_hba.conf",
        "grep -q '^host.*airflow' /etc/postgresql/*/main/pg_hba.conf",
        "Admit Airflow's hosts",
    ),
    Breakage(
        "the server's start at boot", "systemctl disable --quiet postgresql", "systemctl is-enabled -q postgresql", "Start PostgreSQL"
    ),
    Breakage(
        "the role's password",
        "runuser -u postgres -- psql -qc \"ALTER ROLE airflow PASSWORD 'other'\"",
        ". /etc/airflow/cli.env; psql -qc 'SELECT 1' \"$(echo $AIRFLOW__DATABASE__SQL_ALCHEMY_CONN | sed s/+psycopg2//)\"",
        "Create the database role",
    ),
    Breakage(
        "the owner of the database",
        "runuser -u postgres -- psql -qc 'ALTER DATABASE airflow OWNER TO postgres'",
        "runuser -u postgres -- psql -Atc \"SELECT datdba::regrole FROM pg_database WHERE datname = 'airflow'\" | grep -qx airflow",
        "Create the database",
    ),
]
MYSQL_LOGIN = f"PYTHONPATH={CHECKS_ON_HOST} python3 -m airflow_checks.query \"$AIRFLOW__DATABASE__SQL_ALCHEMY_CONN\" 'SELECT 1'"
MYSQL_BREAKAGES = [
    Breakage(
        "the server's settings",
        "sed -i /max_connections/d /etc/mysql/mysql.conf.d/zz-airflow.cnf",
        "grep -q max_connections /etc/mysql/mysql.conf.d/zz-airflow.cnf",
        "Write the server's settings",
    ),
    Breakage("the server's start at boot", "systemctl disable --quiet mysql", "systemctl is-enabled -q mysql", "Start MySQL"),
    Breakage(
        "the role's password",
        "mysql -e \"ALTER USER airflow@'127.0.0.1' IDENTIFIED BY 'other'\"",
        f". /etc/airflow/cli.env; {MYSQL_LOGIN}",
        "Create the database roles",
    ),
    Breakage(
        "the role's rights",
        'mysql -e "REVOKE ALL ON \\`airflow\\`.* FROM airflow@localhost"',
        "mysql -Ne 'SHOW GRANTS FOR airflow@localhost' | grep -q 'ALL PRIVILEGES ON .airflow'",
        "Create the database roles",
    ),
]
SERVER_BREAKAGES = {"postgresql": POSTGRESQL_BREAKAGES, "mysql": MYSQL_BREAKAGES, "sqlite": []}
METADATA = "runuser -u postgres -- psql airflow -Atqc "
OBJECT_BREAKAGES = [
    Breakage(
        "a pool",
        f"{METADATA} \"UPDATE slot_pool SET slots = 99 WHERE pool = 'reporting'\"",
        f"{METADATA} \"SELECT slots FROM slot_pool WHERE pool = 'reporting'\" | grep -qx 3",
        "Write the pools",
    ),
    Breakage(
        "a variable",
        f"{METADATA} \"DELETE FROM variable WHERE key = 'environment'\"",
        f"{METADATA} \"SELECT 1 FROM variable WHERE key = 'environment'\" | grep -qx 1",
        "Write the variables",
    ),
    Breakage(
        "a connection, with its password",
        f"{METADATA} \"UPDATE connection SET host = 'elsewhere', password = NULL WHERE conn_id = 'warehouse'\"",
        f"{METADATA} \"SELECT host FROM connection WHERE conn_id = 'warehouse' AND password IS NOT NULL\" | grep -qx db.example.org",
        "Write the connections",
    ),
    Breakage(
        "a user",
        f"{METADATA} \"UPDATE ab_user SET email = 'other@example.org' WHERE username = 'jane'\"",
        f"{METADATA} \"SELECT email FROM ab_user WHERE username = 'jane'\" | grep -qx jane@example.org",
        "Write the users",
    ),
]
OBJECTS = ("airflow_pools", "airflow_variables", "airflow_connections", "airflow_users")


def test_what_was_broken_by_hand_is_repaired_and_no_secret_is_told(installation: Installation, run_site: Any) -> None:
    hidden = installation.secrets()
    ship_checks(installation.host, installation.name)
    breakages = BREAKAGES + SERVER_BREAKAGES[installation.engine]
    breakages += OBJECT_BREAKAGES if "airflow_pools" in installation.variables else []
    for breakage in breakages:
        hosts.run(installation.host, "sh", "-c", breakage.damage)
    assert [breakage.what for breakage in breakages if installation.host.run(breakage.check).rc == 0] == []
    # What was taken over has the most secrets, and one check mode is enough.
    modes = [("--check",), ()] if "airflow_adopt_home" in installation.variables else [()]
    for mode in modes:
        run = run_site(*mode, *VERBOSE)
        assert secrets.told(run.output, hidden) == []
        assert run.failed == 0, run.in_words()
        assert [breakage.what for breakage in breakages if not breakage.is_told(run)] == [], run.in_words()
        # A setting that is no secret is told, so there was something to find.
        assert "+load_examples" in run.output
    assert [breakage.what for breakage in breakages if installation.host.run(breakage.check).rc != 0] == []


def test_the_next_run_changes_nothing_and_starts_nothing(installation: Installation, run_site: Any) -> None:
    before = hosts.start_times(installation.host)
    with hosts.exec_audit(installation.host, "/opt/airflow/venvs") as audit:
        started = time.monotonic()
        again = run_site()
        print(f"RESULT quiet_site {time.monotonic() - started:.1f} seconds, {again.ok} tasks")
    assert (again.failed, again.changed) == (0, 0), again.in_words()
    # Each task costs whoever runs it half a second per host. A unit takes one, its health, and for workers the loop. Each kind of objects
    # takes one, and the way there another.
    objects = sum(name in installation.variables for name in OBJECTS)
    # Ansible counts that it includes the roles of workers and of Flower, which it does not even read elsewhere. The two tasks of the lease
    # are among the forty where neither these nor certificates have their own.
    roles = 2 if "test_workers" in installation.variables else 0
    lease = 2 if roles or installation.variables.get("airflow_tls", "off") != "off" else 0
    assert again.ok <= 40 + max(0, len(before) - 4) + roles + lease + objects + (1 if objects else 0), again.in_words()
    # A worker is asked by a module of Ansible, which needs its environment's Python for Celery's protocol, and no Airflow.
    asked = [event for event in audit.events if ANSIBLES_MODULE.search(event["parent"])]
    assert audit.environments and [line for line, event in zip(audit.in_words(), audit.events) if event not in asked] == []
    assert len(asked) <= 2 * len(installation.variables.get("test_workers", {})), audit.in_words()
    assert hosts.start_times(installation.host) == before
