# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo of a lift: an installation that somebody made by hand, before and after."""

from __future__ import annotations

import json
import secrets

from . import machine
from .machine import FOLDER, NAME, WEB_PORT, DemoError, shown, write_private
from .progress import run
from .report import State, bars, scale, table
from .starting import start_container
from .state import HOME, USER, Demo

# Some hundred runs of made-up DAGs.
HISTORY_ROWS = 10_000
INVENTORY = FOLDER / "inventory"
PASSWORD = FOLDER / "password"
TUTORIAL = FOLDER / "tutorial.json"
INVENTORY_TEXT = f"""\
---
# What runs from {HOME} is lifted to PostgreSQL and LocalExecutor.
airflow:
  children:
    airflow_webserver: {{hosts: {{{NAME}: }}}}
    airflow_scheduler: {{hosts: {{{NAME}: }}}}
    airflow_metadata_db: {{hosts: {{{NAME}: }}}}
  vars:
    ansible_connection: community.docker.docker
    airflow_adopt_home: {HOME}
"""


def prepare_folder() -> str:
    """Write the inventory and the tutorial's variables; return the password of the tutorial's user."""
    FOLDER.mkdir(parents=True)
    password = secrets.token_urlsafe(12)
    write_private(PASSWORD, f"{password}\n")
    INVENTORY.write_text(INVENTORY_TEXT, encoding="utf-8")
    installing = {"UV_CACHE_DIR": "/root/.cache/uv"}
    if machine.CA_BUNDLE.exists():
        # A proxy that looks into TLS is trusted in the container as it is on this machine.
        bundle = str(machine.CA_BUNDLE)
        installing |= {"SSL_CERT_FILE": bundle, "PIP_CERT": bundle, "UV_SYSTEM_CERTS": "1"}
        (FOLDER / "group_vars").mkdir()
        (FOLDER / "group_vars" / "airflow.yml").write_text(f"---\nairflow_ca_bundle: {bundle}\n", encoding="utf-8")
    user = {"username": USER, "role": "Admin", "password": password, "email": f"{USER}@example.org"}
    variables = {"tutorial_environment": installing, "tutorial_history_rows": HISTORY_ROWS, "tutorial_users": [user]}
    write_private(TUTORIAL, json.dumps(variables, indent=2))
    return password


def show_eight(state: State, seconds_per_column: float) -> None:
    """Print when each of the eight tasks ran."""
    print(f"\n{len(state.eight.tasks)} tasks with {state.executor}: {state.eight.seconds:.0f} s\n")
    print(*bars(state.eight, seconds_per_column), "", sep="\n")


def show_end(before: State, after: State, differences: list[str], base_url: str) -> None:
    """Print the comparison and what can be done now."""
    print(*table(before, after), "", sep="\n")
    if differences:
        raise DemoError("Not everything is there as it was:\n" + "\n".join(differences))
    print(
        "Every row of the old database is in the new one; only what running daemons renew (heartbeats, sessions) may have other values.\n"
    )
    print(f"Look at it: {base_url}")
    print(f"Log in:     as {USER}; the password, the same as before the lift, is in {shown(PASSWORD)}")
    print(f"Look in:    docker exec -it {NAME} bash")
    print("Remove all: make demo-clean")


def tell() -> None:
    """Lift a tutorial's installation."""
    machine.remove(volume=False)
    password = prepare_folder()
    base_url = start_container("bookworm", [WEB_PORT])[WEB_PORT]
    with_inventory = ["ansible-playbook", "--inventory", shown(INVENTORY)]
    follow = [*with_inventory, "--extra-vars", f"@{shown(TUTORIAL)}", "tests/fixtures/tutorial.yml"]
    run("Following a tutorial: Airflow 2.11.2 by hand, some runs", follow, FOLDER / "tutorial.log")
    demo = Demo(base_url, password, FOLDER)

    before = demo.before()
    seconds_per_column = scale(before.eight)
    show_eight(before, seconds_per_column)

    print(f"The lift, with {shown(INVENTORY)}:\n\n{INVENTORY_TEXT}")
    command = [*with_inventory, "updraft.airflow.site"]
    print(f"$ {' '.join(command)}")
    run("Lifting", command, FOLDER / "site.log")

    after, differences = demo.after()
    show_eight(after, seconds_per_column)
    show_end(before, after, differences, base_url)
