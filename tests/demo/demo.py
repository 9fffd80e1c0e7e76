# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo; `make demo` runs it after it has seen to the tools and to Docker."""

from __future__ import annotations

import subprocess
import sys
import time

import requests

from . import cluster, lift, topology
from .machine import DemoError

TOPOLOGIES = (*topology.RELEASES, cluster.TOPOLOGY)


def tell(name: str) -> None:
    """Show a topology, or without one a lift."""
    if name and name not in TOPOLOGIES:
        raise DemoError(f"There is no demo of {name}: use TOPOLOGY={', '.join(TOPOLOGIES)}, or none for the lift.")
    if name == cluster.TOPOLOGY:
        cluster.tell()
    elif name:
        topology.tell(name)
    else:
        lift.tell()


def main() -> int:
    """Run the demo; say in a sentence why it cannot go on."""
    started = time.monotonic()
    name = " ".join(sys.argv[1:])
    again = f"`make demo{f' TOPOLOGY={name}' if name in TOPOLOGIES else ''}` starts anew, `make demo-clean` removes what is there."
    try:
        tell(name)
    except (DemoError, AssertionError, TimeoutError, requests.RequestException, subprocess.CalledProcessError) as error:
        print(f"\n{error}\n\n{again}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nInterrupted. {again}", file=sys.stderr)
        return 130
    print(f"\nThe demo took {(time.monotonic() - started) / 60:.0f} minutes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
