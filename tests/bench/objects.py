# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""120 objects through the modules, as a playbook writes them, against a loop over Airflow's own command.

The command is run for a few connections only; its time for 120 is that of one, times 120.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from api_server import ADMIN, ADMIN_PASSWORD, AirflowServer

CHECKOUT = Path(__file__).resolve().parents[2]
COMMANDS = 3
VERSIONS = {2: "2.11.2", 3: "3.3.2"}
ITEMS: dict[str, list[dict[str, Any]]] = {
    "connections": [
        {"conn_id": f"c{number}", "conn_type": "postgres", "host": "db", "port": 5432, "login": "me", "password": f"pw {number}"}
        for number in range(40)
    ],
    "variables": [{"key": f"v{number}", "value": {"number": number}, "description": "of the benchmark"} for number in range(40)],
    "pools": [{"name": f"p{number}", "slots": number + 1} for number in range(20)],
    "users": [{"username": f"u{number}", "password": f"pw {number}", "roles": ["Viewer"]} for number in range(20)],
}
OBJECTS = sum(len(items) for items in ITEMS.values())


def playbook(server: AirflowServer) -> list[dict[str, Any]]:
    """One task for each kind."""
    digests = {"digests_file": "digests.txt"}
    tasks = [{f"updraft.airflow.airflow_{kind}": {kind: items, **({} if kind == "pools" else digests)}} for kind, items in ITEMS.items()]
    login = {"url": server.url, "username": ADMIN, "password": ADMIN_PASSWORD}
    return [{"hosts": "localhost", "gather_facts": False, "module_defaults": {"group/updraft.airflow.api": login}, "tasks": tasks}]


def play(folder: Path, *expected: str) -> float:
    """How long the playbook takes, the start of Ansible included."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder), "ANSIBLE_HOME": str(folder / "home"), "ANSIBLE_NOCOLOR": "1"}
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", str(folder / "play.json")]
    begin = time.monotonic()
    done = subprocess.run(
        [*command, "-e", f"ansible_python_interpreter={sys.executable}"], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - begin
    if done.returncode or not all(word in done.stdout for word in expected):
        raise SystemExit(done.stdout + done.stderr)
    return seconds


def command_seconds(server: AirflowServer) -> float:
    """How long `airflow connections add` takes for one."""
    begin = time.monotonic()
    for number in range(COMMANDS):
        command = [str(server.venv / "bin/airflow"), "connections", "add", f"by_command_{number}", "--conn-type", "http"]
        subprocess.run(command, env=server.environment, capture_output=True, check=True)
    return (time.monotonic() - begin) / COMMANDS


def measure(line: int, folder: Path) -> None:
    """Both sides, one after the other, on one server."""
    server = AirflowServer(line, folder / "airflow home")
    server.home.mkdir()
    (folder / "play.json").write_text(json.dumps(playbook(server)))
    namespace = folder / "ansible_collections" / "updraft"
    namespace.mkdir(parents=True)
    (namespace / "airflow").symlink_to(CHECKOUT)
    try:
        server.start()
        load = os.getloadavg()[0]
        each = command_seconds(server)
        created = play(folder, "changed=4")
        unchanged = play(folder, "changed=0")
    finally:
        server.stop()
    version = VERSIONS[line]
    print(f"Airflow {version}: load {load:.1f} at the start; the command took {each:.1f} s for each of {COMMANDS} connections")
    print(f"RESULT objects_create_seconds_{version} {created:.1f} s")
    print(f"RESULT objects_unchanged_seconds_{version} {unchanged:.1f} s")
    print(f"RESULT objects_command_seconds_extrapolated_{version} {each * OBJECTS:.0f} s")
    print(f"RESULT objects_command_ratio_{version} {each * OBJECTS / created:.1f} times", flush=True)


def main() -> None:
    """Both lines."""
    for line in (2, 3):
        with tempfile.TemporaryDirectory() as folder:
            measure(line, Path(folder))


if __name__ == "__main__":
    main()
