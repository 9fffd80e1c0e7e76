# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first run of `site` on a fresh host, against a shell script that does the same."""

from __future__ import annotations

from pathlib import Path

from . import hosts, inventory, runs
from .figures import Figure, ratio
from .hosts import Host

MOST_OF_BY_HAND = 1.5
SCRIPT = Path(__file__).parent / "by_hand.sh"


def by_hand() -> float:
    """The seconds that the script takes on a host of its own."""
    host = hosts.start(2)
    host.bring_locks()
    host.bring(SCRIPT)
    print(f"{SCRIPT.name} ...", flush=True)
    seconds = host.run(f"bash {hosts.ON_HOST}/{SCRIPT.name} {hosts.ON_HOST}")
    # Its daemons would take time from the other side.
    hosts.remove(host)
    return seconds


def install(host: Host) -> runs.Run:
    """The first run of `site`."""
    place = inventory.write("docker", inventory.reached({inventory.ONE_NODE_HOST: inventory.by_docker(host)}))
    return runs.site([inventory.ONE_NODE, place], "first_run")


def measure(host: Host) -> list[Figure]:
    """Both."""
    theirs = by_hand()
    ours = install(host).seconds
    return [
        Figure("first_run_by_hand", theirs, "s"),
        Figure("first_run", ours, "s"),
        ratio("first_run_ratio", ours, theirs, MOST_OF_BY_HAND),
    ]
