# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that changes nothing on more and more hosts: one has everything, each further one is a Celery worker."""

from __future__ import annotations

from collections.abc import Iterable

from . import hosts, inventory, runs
from .figures import Figure, growth
from .hosts import Host


def measure(counts: Iterable[int]) -> list[Figure]:
    """The installation grows from the fewest hosts to the most; after each step nothing is to change."""
    present: list[Host] = []
    seconds = {}
    for count in sorted(counts):
        present += [hosts.start(number) for number in range(len(present) + 1, count + 1)]
        names = [host.name for host in present]
        places = [
            inventory.write(f"grown_{count}", inventory.grown(names)),
            inventory.write(f"reached_{count}", inventory.reached({host.name: inventory.by_docker(host) for host in present})),
        ]
        runs.site(places, f"grown_to_{count}")
        seconds[count] = runs.nothing(places, f"noop_hosts_{count}").seconds
    hosts.remove(*present)
    return growth(seconds)
