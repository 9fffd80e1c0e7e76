# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to the installation that was lifted, and forward again: nothing is lost unasked, and never do both run."""

from __future__ import annotations

from typing import Any

import pytest
from airflow_checks import api, digests, hosts, secrets
from airflow_checks.fixtures import GROUPS, Installation, play
from airflow_checks.playbook import PlayRun

pytestmark = pytest.mark.long

RECORD = "/opt/airflow/backups/rolled-back.json"
OLD_VENV = "/home/jane/airflow-venv"
CONNECTION, PASSWORD = "written_since", "hush-written-since"
DISCARD = "--extra-vars=airflow_rollback_discard=true"
FORWARD = "--extra-vars=airflow_rollback_forward=true"


def go_back(installation: Installation, *words: str) -> PlayRun:
    """Run the playbook."""
    groups = [f"--extra-vars={name}={installation.variables[name]}" for name in GROUPS if name in installation.variables]
    return play("rollback", *groups, *words, host=installation.name)


def new_database(installation: Installation) -> digests.Digests:
    """The content of the database on the server."""
    url = installation.database_setting().replace("+psycopg2", "")
    return digests.Digests.from_json(installation.on_host("airflow_checks.digests", url))


def runs(installation: Installation, is_old: bool) -> set[str]:
    """The runs of the DAG `hello` in the old or the new database."""
    url = f"sqlite:///{installation.adopted_home}/airflow.db" if is_old else ""
    return {str(row[0]) for row in installation.query("SELECT run_id FROM dag_run WHERE dag_id = 'hello'", url)}


def who_runs(installation: Installation) -> set[str]:
    """Whose daemons run, old or new."""
    processes = hosts.processes(installation.host)
    return {"old" if process.prefix.startswith("/home/") else "new" for process in processes if process.prefix}


def run_hello(installation: Installation) -> str:
    """Have the installation that is in service run a task; the run's id."""
    client = installation.client()
    client.wait_for_dag("hello")
    client.pause("hello", False)
    run_id: str = client.trigger("hello")
    assert client.wait_for_run("hello", run_id)["state"] == "success", client.what_failed("hello", run_id)
    return run_id


def assert_new_is_in_service(installation: Installation) -> None:
    """All units run and start with the host, and nothing of the old installation does."""
    states = {(unit.active, unit.enabled) for unit in hosts.units(installation.host).values()}
    assert states == {("active", "enabled")}
    assert who_runs(installation) == {"new"}
    assert not installation.host.file(RECORD).exists


def assert_old_is_in_service(installation: Installation) -> None:
    """The units are stopped and do not start with the host."""
    states = {(unit.active, unit.enabled) for unit in hosts.units(installation.host).values()}
    assert states <= {("inactive", "disabled"), ("failed", "disabled")}
    assert who_runs(installation) == {"old"}
    assert installation.host.file(RECORD).exists


def test_what_was_written_since_is_not_lost_unasked(installation: Installation) -> None:
    run_id = run_hello(installation)
    uri = f"postgres://loader:{PASSWORD}@db.example.org/dwh"
    hosts.run(installation.host, "airflow", "connections", "add", CONNECTION, "--conn-uri", uri)
    before, new = hosts.start_times(installation.host), runs(installation, False) - runs(installation, True)
    assert run_id in new
    for words in ((), ("--check", DISCARD), ("--check",)):
        told = go_back(installation, *words)
        assert told.failed == (0 if words else 1), told.in_words()
        assert f"hello: {len(new)} began" in told.output
        assert CONNECTION in told.output
        assert secrets.told(told.output, {"the connection's password": PASSWORD, **installation.secrets()}) == []
        # The collection's own account is nobody's write.
        assert "1 user " not in told.output
        assert ("airflow_rollback_discard" in told.output) is (DISCARD not in words)
        assert hosts.start_times(installation.host) == before
    assert_new_is_in_service(installation)


def test_an_old_installation_that_does_not_start_leaves_the_new_one_in_service(installation: Installation) -> None:
    hosts.run(installation.host, "mv", OLD_VENV, f"{OLD_VENV}-away")
    try:
        failed = go_back(installation, DISCARD)
    finally:
        hosts.run(installation.host, "mv", f"{OLD_VENV}-away", OLD_VENV)
    assert failed.failed == 1
    assert "could not be put into service, and the new daemons were started again." in failed.output
    assert_new_is_in_service(installation)
    run_hello(installation)


def test_back_and_forward_again(installation: Installation, run_site: Any) -> None:
    before = new_database(installation)
    gone = go_back(installation, DISCARD)
    assert gone.failed == 0, gone.in_words()
    assert_old_is_in_service(installation)
    left = new_database(installation)
    assert "\n".join(digests.compare(before, left, digests.RUNNING)) == ""

    # It serves and runs tasks, and the new database has nothing of it.
    assert CONNECTION not in installation.client().connections()
    run_id = run_hello(installation)
    assert run_id in runs(installation, True)
    again = go_back(installation)
    assert (again.failed, again.changed) == (0, 0), again.in_words()
    assert "since an earlier run" in again.output
    assert digests.compare(left, new_database(installation)) == []

    # Nothing starts the new one beside it, and nothing it wrote is lost unasked.
    refused = run_site()
    assert refused.failed == 1
    assert "airflow_rollback_forward" in refused.output
    refused = run_site(FORWARD)
    assert refused.failed == 1
    assert "hello: 1 began" in refused.output
    assert_old_is_in_service(installation)
    assert digests.compare(left, new_database(installation)) == []

    forward = run_site(FORWARD, DISCARD)
    assert forward.failed == 0, forward.in_words()
    assert_new_is_in_service(installation)
    assert "\n".join(digests.compare(left, new_database(installation), digests.RUNNING)) == ""
    assert CONNECTION in installation.client().connections()
    assert run_id not in runs(installation, False)
    run_hello(installation)
    quiet = run_site()
    assert (quiet.failed, quiet.changed) == (0, 0), quiet.in_words()


def test_lifted_anew_it_brings_what_was_written_meanwhile(installation: Installation, run_site: Any) -> None:
    first = installation.database_setting()
    assert go_back(installation, DISCARD).failed == 0
    run_id = run_hello(installation)
    lifted = run_site("--extra-vars=airflow_metadata_db_name=second")
    assert lifted.failed == 0, lifted.in_words()
    assert_new_is_in_service(installation)
    assert installation.database_setting() != first
    assert run_id in runs(installation, False)
    client = installation.client()
    assert CONNECTION not in client.connections()
    api.wait_healthy(installation.base_url, installation.line)
    # The first one is kept, and not used.
    assert installation.query("SELECT count(*) FROM connection WHERE conn_id = 'written_since'", first) == [[1]]
    run_hello(installation)
