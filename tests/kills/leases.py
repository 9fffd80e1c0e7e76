# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a host, with real runs: of two at once one is refused, one that was killed is followed, another controller is waited for."""

from __future__ import annotations

import json
import time
from pathlib import Path

from airflow_checks import hosts
from airflow_checks.fixtures import Installation

from . import checks, runs
from .points import ALL

HELD = "Hold the host, so that no other run changes it"
REFUSED = "Refuse hosts that another run holds"
# The same machine under another name is another controller.
ELSEWHERE = ("unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh")
REFUSALS = {
    "two at once": "runs on this controller: wait until it has ended, or end it",
    "another": "unless it is renewed: wait until that run",
}


def two_at_once(installation: Installation, folder: Path, inventory: Path) -> list[str]:
    """Of two runs that begin at the same moment one is refused, and the other one comes to its end."""
    names = ("first", "second")
    began = time.monotonic()
    both = [runs.start(folder, name, inventory) for name in names]
    ended = [runs.finish(process, folder, name, began) for process, name in zip(both, names)]
    done, refused = sorted(ended, key=lambda each: each.status != 0)
    found = [] if done.status == 0 and done.changed == 0 else [done.in_words()]
    if refused.status == 0 or REFUSALS["two at once"] not in " ".join(refused.output.split()):
        found.append(f"None of two was refused: {refused.in_words()}")
    return found + checks.left_behind(installation)


def killed_elsewhere(installation: Installation, folder: Path, inventory: Path) -> list[str]:
    """A run that another controller began, and that was killed, is waited for until its time is over."""
    process = runs.start(folder, "elsewhere", inventory, before=ELSEWHERE)
    runs.wait_for(process, lambda: checks.lease(installation) is not None, "the lease")
    runs.kill_controller(process, ALL)
    process.wait(60)
    held = checks.lease(installation)
    if held is None or not str(held["controller"]).endswith("@elsewhere"):
        return [f"The lease does not name the other controller: {held}"]
    refused = runs.site(folder, "here", inventory)
    found = []
    if refused.status == 0 or REFUSALS["another"] not in " ".join(refused.output.split()):
        found.append(f"A run here was not refused: {refused.in_words()}")
    if checks.lease(installation) != held:
        found.append("The refused run changed the lease.")
    # How long a run takes to come so far depends on the machine: the hour is over when the test says so.
    over = json.dumps({**held, "expires": time.time()})
    hosts.run(installation.host, "sh", "-c", 'echo "$1" > "$2"', "sh", over, checks.LEASE)
    later = runs.site(folder, "later", inventory)
    if later.status or later.changed or "is taken over, as nobody renewed that" not in " ".join(later.output.split()):
        found.append(f"A run here did not take over: {later.in_words()}")
    return found + checks.left_behind(installation)


def killed_here(installation: Installation, folder: Path, inventory: Path) -> list[str]:
    """A run of this controller that was killed keeps nobody here waiting."""
    process = runs.start(folder, "killed", inventory)
    runs.wait_for(process, lambda: checks.lease(installation) is not None, "the lease")
    runs.kill_controller(process, ALL)
    process.wait(60)
    held = checks.lease(installation)
    found = (
        [] if held is not None and f":{process.pid}:" in str(held["run"]) else [f"The lease does not name the run that was killed: {held}"]
    )
    at_once = runs.site(folder, "at_once", inventory)
    found += [] if (at_once.status, at_once.changed) == (0, 0) else [at_once.in_words()]
    return found + checks.left_behind(installation)


CASES = {
    "two runs at once: one is refused, the other one comes to its end": two_at_once,
    "a run that was killed: the next one of this controller takes over at once": killed_here,
    "a run of another controller that was killed: refused until its lease is over, then taken over": killed_elsewhere,
}
