# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and their authority are replaced, and TLS goes and comes back, while a task runs: it ends in success and ran once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow_checks import api, hosts, playbook
from airflow_checks.fixtures import Installation, inventory_dir, published_url

DAG = "eight_sleeps"
TASKS = 8


def serials(installation: Installation) -> dict[str, str]:
    """The number of each certificate that a server answers with."""
    found = {}
    for port, starttls in ((5432, "-starttls postgres"), (6379, ""), (8080, "")):
        command = f"openssl s_client -connect 127.0.0.1:{port} {starttls} </dev/null 2>/dev/null | openssl x509 -noout -serial"
        found[str(port)] = hosts.run(installation.host, "sh", "-c", command).strip()
    return found


def authority(installation: Installation) -> str:
    """What the hosts trust."""
    return str(hosts.run(installation.host, "cat", "/etc/airflow-tls/ca.crt"))


def rotate(*arguments: str) -> str:
    """Run the playbook, and return what it told."""
    command = ["ansible-playbook", "--inventory", str(inventory_dir()), *arguments, "updraft.airflow.rotate_certificates"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **playbook.ENVIRONMENT})
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def starts(installation: Installation, unit: str) -> int:
    """How often a unit was started."""
    return len(hosts.run(installation.host, "journalctl", "-o", "cat", "-u", unit, "--grep", "^Started ").splitlines())


def with_tasks(installation: Installation, change: Callable[[], Any], after: Installation | None = None) -> None:
    """Do something while tasks run; each of them ends in success and has run once. `after` is how the page is reached then."""
    client = installation.client()
    client.wait_for_dag(DAG)
    client.pause(DAG, False)
    run_id = client.trigger(DAG)
    client.wait_for_run(DAG, run_id, ("running",))
    api.wait_until("a task that runs", lambda: installation.executions(run_id) or None, 120)
    change()
    assert (after or installation).client().wait_for_run(DAG, run_id)["state"] == "success"
    assert hosts.executed_once(installation.executions(run_id), run_id, TASKS) == []


def test_certificates_are_renewed(installation: Installation) -> None:
    before, trusted = serials(installation), authority(installation)
    with_tasks(installation, rotate)
    after = serials(installation)
    assert all(after[port] != before[port] for port in before), (before, after)
    assert authority(installation) == trusted


def test_check_mode_tells_each_step_and_takes_none(installation: Installation) -> None:
    before, trusted = serials(installation), authority(installation)
    told = rotate("--check", "--extra-vars", "airflow_rotate_authority=true")
    steps = [
        "An authority that comes next would be made",
        "The next authority would take the place",
        "No host would trust the former authority",
    ]
    places = [told.find(step) for step in steps]
    assert places == sorted(places) and places[0] >= 0, told
    assert told.count("Certificates of updraft-tls that would be issued") == len(before)
    assert (serials(installation), authority(installation)) == (before, trusted)


def test_the_authority_is_replaced(installation: Installation) -> None:
    before, trusted = serials(installation), authority(installation)
    units = {"airflow-scheduler": 2, "airflow-worker": 2, "airflow-webserver": 3}
    started = {unit: starts(installation, unit) for unit in units}
    with_tasks(installation, lambda: rotate("--extra-vars", "airflow_rotate_authority=true"))
    # When the next one signs, the same two are trusted as before: only who has a certificate reads it.
    assert {unit: starts(installation, unit) - count for unit, count in started.items()} == units
    after = serials(installation)
    assert all(after[port] != before[port] for port in before), (before, after)
    now = authority(installation)
    assert now.count("BEGIN CERTIFICATE") == 1
    assert now != trusted


def bring_unread(installation: Installation, name: str, place: str) -> None:
    """A new certificate comes to the host, and nobody tells the server: as when a run is cut off in between."""
    folder = inventory_dir() / "credentials" / "airflow" / "tls"
    base, request = folder / f"{installation.name}-{name}", folder / "request"
    same = ["-copy_extensions", "copyall"]
    asked = ["openssl", "x509", "-x509toreq", "-in", f"{base}.crt.txt", "-signkey", f"{base}.key.txt", *same, "-out", str(request)]
    signer = ["-CA", str(folder / "ca.crt.txt"), "-CAkey", str(folder / "ca.key.txt"), "-set_serial", "0x2a"]
    signed = ["openssl", "x509", "-req", "-in", str(request), *signer, "-days", "1000", *same, "-out", f"{base}.crt.txt"]
    for command in (asked, signed):
        subprocess.run(command, check=True, capture_output=True)
    request.unlink()
    new = Path(f"{base}.crt.txt").read_text(encoding="utf-8")
    hosts.run(installation.host, "sh", "-c", 'printf %s "$1" > "$2"', "sh", new, place)


def test_a_certificate_that_a_run_brought_and_nobody_read_is_read_by_the_next_one(installation: Installation, run_site: Any) -> None:
    before = serials(installation)
    bring_unread(installation, "database", "/etc/airflow-tls/postgresql/server.crt")
    bring_unread(installation, "broker", "/etc/airflow-tls/redis/server.crt")
    assert serials(installation) == before
    assert run_site().failed == 0
    after = serials(installation)
    assert (after["5432"], after["6379"], after["8080"]) == ("serial=2A", "serial=2A", before["8080"])


def test_tls_goes_and_comes_back(installation: Installation, run_site: Any) -> None:
    plain = replace(installation, base_url=published_url(installation.name))

    def change(*arguments: str) -> None:
        assert run_site(*arguments).failed == 0

    with_tasks(installation, lambda: change("--extra-vars", "airflow_tls=false"), after=plain)
    assert plain.client().version() == installation.variables["test_version"]
    with_tasks(plain, change, after=installation)
    assert all(serials(installation).values())


def test_site_changes_nothing_after_that(run_site: Any) -> None:
    assert run_site().changed == 0
