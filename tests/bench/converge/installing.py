# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection does for the install against pip: the same packages from the same locks into a fresh environment, compiled."""

from __future__ import annotations

import json
import os
import subprocess
import time

from demo.machine import CA_BUNDLE, DemoError

from . import hosts, inventory
from .figures import Figure, ratio
from .hosts import LOCK_NAMES, LOCKS, ON_HOST, VERSION, Host
from .runs import SETTINGS

MOST_OF_PIP = 0.2
PLACE = f"{ON_HOST}/by_module"
REQUIREMENTS = " ".join(f"-r {name}" for name in LOCK_NAMES)
# Fetches everything and installs nothing: pip keeps what it was answered.
WARM_PIP = f"""
cd {ON_HOST}
python3 -m venv pip
pip/bin/pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest wheels {REQUIREMENTS}
rm -rf wheels pip
"""
WITH_PIP = f"""
cd {ON_HOST}
python3 -m venv by_pip
by_pip/bin/pip install --quiet --disable-pip-version-check --require-hashes {REQUIREMENTS}
"""


def with_pip(host: Host) -> float:
    """The seconds that pip takes, with all downloads in its cache."""
    host.run(WARM_PIP)
    print("pip ...", flush=True)
    return host.run(WITH_PIP)


def with_module(host: Host) -> float:
    """The seconds that the module takes, called by Ansible; it installs uv first, and looks whether Airflow can be imported."""
    place = inventory.write("install", inventory.reached({host.name: inventory.by_docker(host)}))
    arguments = {
        "environments": [
            {
                "path": PLACE,
                "python": "/usr/bin/python3",
                "version": VERSION,
                "purpose": "run",
                "locks": [str(LOCKS / name) for name in LOCK_NAMES],
            }
        ],
        "uv_home": f"{ON_HOST}/uv_of_module",
        "uv_lock": str(LOCKS / "uv.txt"),
        **({"ca_bundle": str(CA_BUNDLE)} if CA_BUNDLE.exists() else {}),
    }
    print("airflow_venv ...", flush=True)
    started = time.monotonic()
    done = subprocess.run(
        ["ansible", "--inventory", str(place), host.name, "--module-name", "updraft.airflow.airflow_venv", "--args", json.dumps(arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **SETTINGS},
    )
    seconds = time.monotonic() - started
    if done.returncode != 0:
        raise DemoError(f"The module airflow_venv failed: {(done.stdout + done.stderr).strip()[-2000:]}")
    return seconds


def measure() -> list[Figure]:
    """Both, on one host."""
    host = hosts.start(3)
    host.bring_locks()
    theirs, ours = with_pip(host), with_module(host)
    hosts.remove(host)
    return [
        Figure("install_by_pip", theirs, "s"),
        Figure("install_by_collection", ours, "s"),
        ratio("install_vs_pip", ours, theirs, MOST_OF_PIP),
    ]
