# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes before a lift: each is told in one sentence, host, database and secrets stay as they were, and the old daemons go on.

Each entry of the table has a copy of the installation of its own, so they run side by side. Those that spoil the host run alone.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from airflow_checks import api, bad_inputs, digests, hosts, playbook, untouched
from airflow_checks.fixtures import CHECKOUT, Installation, installation_on, inventory_dir

pytestmark = pytest.mark.long
TABLE = bad_inputs.table(bad_inputs.BEFORE)
LOGS = CHECKOUT / ".cache" / "site" / "bad_inputs_before"
COPIES = "/home/jane/mistakes"
SIDE = "updraft-elsewhere"
NETWORK = "updraft-molecule"
IMAGE = "updraft-host:bookworm"
HOLDER = "/var/tmp/updraft-holder"


@dataclass(frozen=True)
class Outcome:
    """What the runs told, and what was different when they were over."""

    host: str
    runs: dict[str, playbook.PlayRun]
    changes: list[str]


def docker(*words: str, given: str = "") -> str:
    """Run a command of Docker's that must succeed."""
    done = subprocess.run(["docker", *words], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def server_beside() -> Iterator[None]:
    """A PostgreSQL server on a machine of its own, with what the entries say is there."""
    docker("run", "--detach", "--rm", "--name", SIDE, "--hostname", SIDE, "--network", NETWORK, IMAGE, "sleep", "infinity")
    try:
        install = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql ssl-cert"
        docker("cp", "/etc/ssl/certs/ca-certificates.crt", f"{SIDE}:/etc/ssl/certs/ca-certificates.crt")
        docker("exec", SIDE, "sh", "-c", f"{install} || (apt-get update -qq && {install})")
        settings = "echo \"listen_addresses = '*'\" >> /etc/postgresql/15/main/postgresql.conf"
        admit = "echo 'host all all 0.0.0.0/0 scram-sha-256' >> /etc/postgresql/15/main/pg_hba.conf"
        docker("exec", SIDE, "sh", "-c", f"{settings} && {admit} && pg_ctlcluster 15 main restart")
        for entry in TABLE:
            if entry.server:
                statements = "\n".join(line if line.startswith("\\") else f"{line};" for line in entry.server)
                psql = ["runuser", "-u", "postgres", "--", "psql", "--quiet", "--set=ON_ERROR_STOP=1"]
                docker("exec", "--interactive", SIDE, *psql, given=statements)
        yield
    finally:
        docker("rm", "--force", SIDE)


def home_of(entry: bad_inputs.BadInput) -> str:
    """The AIRFLOW_HOME of an entry's own."""
    return f"{COPIES}/{entry.name}"


@contextmanager
def copies(installation: Installation) -> Iterator[None]:
    """A copy of the installation for every entry, which no daemon runs on, and what holds some of them open."""
    host = installation.host
    holders = []
    try:
        hosts.run(host, "install", "-d", "-o", "jane", "-g", "jane", COPIES)
        for entry in TABLE:
            words = ["env", f"old={installation.adopted_home}", f"home={home_of(entry)}", "sh", "-c", bad_inputs.copying(entry)]
            hosts.run(host, *words)
            if entry.holder:
                holders.append(hold(installation, entry))
        yield
    finally:
        for number in holders:
            hosts.run(host, "kill", number)
        hosts.run(host, "rm", "-rf", COPIES, HOLDER)


def hold(installation: Installation, entry: bad_inputs.BadInput) -> str:
    """Start a program that has an entry's copy open; return its process."""
    log = f"{HOLDER}/{entry.name}"
    command = f"setsid python3 -c {shlex.quote(entry.holder)} {home_of(entry)}/airflow.db > {log} 2>&1 & echo $!"
    number = str(hosts.run(installation.host, "sh", "-c", f"mkdir -p {HOLDER}; {command}")).strip()
    api.wait_until(f"{entry.name} to be held", lambda: "ready" in installation.host.file(log).content_string or None, 30)
    return number


@pytest.fixture(scope="module")
def outcome(host: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Run the whole table."""
    installation = installation_on(host)
    folder = tmp_path_factory.mktemp("inventories")
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path_factory.mktemp("facts"))}

    def run(entry: bad_inputs.BadInput) -> playbook.PlayRun:
        words = ["--inventory", str(inventory_dir()), *entry.words(installation.name, folder, home_of(entry), SIDE), "updraft.airflow.site"]
        return playbook.run(words, installation.name, LOGS / f"{entry.name}.log", **cache)

    def alone(entry: bad_inputs.BadInput) -> tuple[playbook.PlayRun, list[str]]:
        hosts.run(host, "sh", "-c", entry.host)
        try:
            before = untouched.take_before(installation)
            told = run(entry)
            return told, changed_since(before)
        finally:
            hosts.run(host, "sh", "-c", entry.undo)

    def changed_since(before: untouched.State) -> list[str]:
        return list(untouched.changes(before, untouched.take_before(installation), digests.RUNNING))

    started = time.monotonic()
    with server_beside(), copies(installation):
        before = untouched.take_before(installation)
        assert len(before.parts["the old daemons"]) >= 2 and all(": " in line for line in before.parts["the old daemons"])
        together = [entry for entry in TABLE if not entry.host]
        with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            runs = dict(zip((entry.name for entry in together), pool.map(run, together), strict=True))
        changes = changed_since(before)
        for entry in TABLE:
            if entry.host:
                runs[entry.name], changed = alone(entry)
                changes += [f"{entry.name}: {change}" for change in changed]
        yield Outcome(installation.name, runs, changes)
    print(f"RESULT bad_inputs_before {time.monotonic() - started:.0f} seconds, {len(TABLE)} runs")


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_a_mistake_is_told_in_one_sentence(entry: bad_inputs.BadInput, outcome: Outcome) -> None:
    run = outcome.runs[entry.name]
    told = {finding for result in playbook.results(run.output) if result.status == "failed" for finding in findings(result.fields["msg"])}
    assert entry.is_told(outcome.host, sorted(told), home_of(entry), SIDE), f"{entry.says}\n{told}\n{run.output[-1500:]}"
    assert run.status != 0
    assert (run.changed, run.failed) == (0, 1)


def findings(message: Any) -> list[str]:
    """What a failed task says: a list of sentences, or one."""
    return [str(each) for each in message] if isinstance(message, list) else [str(message)]


def test_host_database_and_secrets_are_as_before(outcome: Outcome) -> None:
    assert outcome.changes == []


def test_the_old_installation_goes_on(installation: Installation, outcome: Outcome) -> None:
    assert outcome.runs
    client = installation.client()
    run_id = client.trigger("hello", {})
    assert client.wait_for_run("hello", run_id)["state"] == "success"


def test_a_nul_character_is_replaced_where_that_is_wanted(installation: Installation, run_site: Any) -> None:
    """As far as a run without changes can tell it: what is to move is told, and nothing is refused."""
    entry = next(entry for entry in TABLE if entry.rule == "escape")
    with_copy = ["env", f"old={installation.adopted_home}", f"home={home_of(entry)}", "sh", "-c", bad_inputs.copying(entry)]
    hosts.run(installation.host, "install", "-d", "-o", "jane", "-g", "jane", COPIES)
    try:
        hosts.run(installation.host, *with_copy)
        wanted = {"airflow_adopt_home": home_of(entry), "airflow_move_replace_characters": True}
        run = run_site("--check", f"--extra-vars={json.dumps(wanted)}")
    finally:
        hosts.run(installation.host, "rm", "-rf", COPIES)
    assert run.failed == 0, run.in_words()
    assert "1 values of variable.val have characters that PostgreSQL cannot hold; U+FFFD stands in for each of these." in run.output


def test_a_network_that_is_lost_in_the_middle_leaves_the_old_installation_alone(installation: Installation, run_site: Any) -> None:
    """The last one, for it leaves an unfinished environment, from which the lift goes on."""
    before = untouched.take_before(installation)
    run = run_site(f"--extra-vars={json.dumps({'airflow_package_index_url': 'http://127.0.0.1:1/simple'})}")
    # Packages may take a second try, with new lists.
    failed = [result for result in run.results if result.status == "failed"][-1]
    assert run.failed == 1 and failed.task == "Install Airflow 2.11.2"
    assert failed.fields["msg"]
    after = untouched.take_before(installation)
    assert after.parts["the old daemons"] == before.parts["the old daemons"]
    assert after.parts["units"] == before.parts["units"]
    assert digests.compare(before.rows, after.rows, digests.RUNNING) == []
