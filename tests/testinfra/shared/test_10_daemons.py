# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons are systemd units that run as the right user, with just their secrets."""

from __future__ import annotations

import pytest
from airflow_checks import api, hosts, secrets
from airflow_checks.fixtures import Installation

DAEMONS = {2: {"webserver", "scheduler", "triggerer"}, 3: {"webserver", "scheduler", "dag-processor", "triggerer"}}
# Who gets which secret; for 3.x as Airflow's security model says, for 2.x every daemon but Flower works on the database.
SECRETS_2 = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__WEBSERVER__SECRET_KEY"}
DATABASE_3 = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC", "AIRFLOW__CORE__FERNET_KEY"}
SECRETS_3 = {
    "webserver": DATABASE_3 | {"AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"},
    "scheduler": DATABASE_3 | {"AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"},
    "dag-processor": DATABASE_3,
    "triggerer": DATABASE_3 | {"AIRFLOW__API__SECRET_KEY"},
    # The address of its database is that of an empty one in memory.
    "worker": {"AIRFLOW__API__SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"},
}
CELERY = {"AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CELERY__RESULT_BACKEND"}
FLOWER = {"AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CELERY__FLOWER_BASIC_AUTH", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}


def daemons(installation: Installation) -> set[str]:
    """The names of the units without `airflow-` and `.service`."""
    workers = set(installation.variables.get("test_workers", {}))
    return DAEMONS[installation.line] | (workers | {"flower"} if workers else set())


def secrets_of(installation: Installation, name: str) -> set[str]:
    """The names of the secrets that a daemon is to have."""
    component = name.partition("@")[0]
    if component == "flower":
        return FLOWER
    own = SECRETS_2 if installation.line == 2 else SECRETS_3[component]
    sends_tasks = component in ("scheduler", "worker") and "test_workers" in installation.variables
    return own | (CELERY if sends_tasks else set())


def test_the_units_run_and_are_enabled(installation: Installation) -> None:
    found = hosts.units(installation.host)
    pool = {"database-pool"} if installation.variables.get("airflow_metadata_db_pgbouncer") else set()
    assert set(found) == {f"airflow-{name}.service" for name in daemons(installation) | pool}
    wrong = [unit for unit in found.values() if (unit.active, unit.enabled, unit.restarts) != ("active", "enabled", 0)]
    assert wrong == [], "\n".join(f"{unit}\n{hosts.journal(installation.host, unit.name, 400)}" for unit in wrong)


def test_every_part_reports_itself_healthy(installation: Installation) -> None:
    parts = (
        ("metadatabase", "scheduler", "triggerer")
        if installation.line == 2
        else ("metadatabase", "scheduler", "triggerer", "dag_processor")
    )
    api.wait_healthy(installation.base_url, installation.line, parts)


def test_every_process_runs_as_airflows_user_and_version(installation: Installation) -> None:
    found = [
        process for process in hosts.processes(installation.host) if process.cgroup.startswith("airflow-") or "airflow-" in process.cgroup
    ]
    assert found
    user = installation.variables.get("test_user", "airflow")
    # Beside daemons with more secrets, tasks of 3.x have a user of their own.
    tasks_user = installation.variables.get("airflow_worker_user", "airflow-worker" if installation.line == 3 else user)
    wrong = [
        process for process in found if process.user != (tasks_user if "airflow-worker" in process.cgroup.rpartition("/")[2] else user)
    ]
    assert wrong == []
    assert hosts.running_versions(installation.host) == {installation.variables["test_version"]}


def test_each_daemon_has_just_its_secrets(installation: Installation) -> None:
    for name in daemons(installation):
        wanted = secrets_of(installation, name)
        file = name.partition("@")[0].replace("-", "_")
        listed = hosts.run(installation.host, "sed", "-n", "s/=.*//p", f"/etc/airflow/{file}.env")
        assert {key for key in listed.split() if key.startswith("AIRFLOW__")} == wanted, name
        # Some daemons write their title over their environment, which is then empty here.
        seen = {key for key in hosts.daemon(installation.host, f"airflow-{name}.service").names if key.startswith("AIRFLOW__")}
        assert seen in (wanted, set()), name


def test_no_secret_is_in_a_command_line_or_a_file_that_others_read(installation: Installation) -> None:
    hidden = installation.secrets()
    assert len(hidden) > 3
    assert secrets.told(hosts.run(installation.host, "ps", "-eo", "args"), hidden) == []
    folders = "/etc/airflow /etc/systemd/system /usr/local/bin $(ls -d /etc/redis /etc/valkey /etc/rabbitmq /etc/airflow-tls 2>/dev/null)"
    readable = hosts.run(installation.host, "sh", "-c", f"find {folders} -type f -perm /o=r -exec cat {{}} +")
    assert secrets.told(readable, hidden) == []
    modes = hosts.run(installation.host, "sh", "-c", "stat -c '%U %a' /etc/airflow/*.env /etc/airflow/installation.json")
    assert set(modes.split("\n")[:-1]) == {"root 600"}


def test_the_command_line_has_the_installations_settings(installation: Installation) -> None:
    assert hosts.run(installation.host, "airflow", "version").strip().splitlines()[-1] == installation.variables["test_version"]
    # It loads webserver_config.py, which not everybody reads.
    assert installation.admin[0] in hosts.run(installation.host, "airflow", "users", "list")
    refused = installation.host.run("runuser -u nobody -- airflow version")
    assert refused.rc == 1
    assert refused.stderr == "Run this as root (sudo airflow ...): it reads secrets only root may read.\n"


@pytest.mark.parametrize("name", ["nothing", "airflow"])
def test_the_api_lets_nobody_in_with_a_wrong_password(installation: Installation, name: str) -> None:
    with pytest.raises(AssertionError):
        api.connect(installation.base_url, installation.admin[0], name)
