# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenStack Swift with its S3 interface, on loopback: a server that is used in production, and that checks every signature."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCESS_KEY, SECRET_KEY = "acme:jane", "s3cr3t/+key"
REGION = "eu-test-1"
LISTED_AT_ONCE = 20
PARTS = ("account", "container", "object")
RINGS = """
import sys
from swift.common.ring import RingBuilder
folder, *places = sys.argv[1:]
for place in places:
    part, port = place.split(":")
    builder = RingBuilder(2, 1, 0)
    builder.add_dev(dict(region=1, zone=1, ip="127.0.0.1", port=int(port), device="disk", weight=1.0,
                         replication_ip="127.0.0.1", replication_port=int(port)))
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{part}.ring.gz")
"""
BACKEND = """[DEFAULT]
devices = {folder}/devices
mount_check = false
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
log_level = WARNING
[pipeline:main]
pipeline = {part}-server
[app:{part}-server]
use = egg:swift#{part}
"""
PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
log_level = WARNING
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
paste.filter_factory = swift_cache:filter_factory
[filter:s3api]
use = egg:swift#s3api
location = {region}
max_bucket_listing = {listed}
[filter:tempauth]
use = egg:swift#tempauth
user_{user_name} = {secret} .admin
[filter:slo]
use = egg:swift#slo
"""


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ObjectStore:
    """The four servers of Swift, with one replica of everything."""

    def __init__(self, venv: Path, folder: Path) -> None:
        self.binaries = venv / "bin"
        self.folder = folder
        self.port = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """The S3 endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Write the settings and the rings, start the servers, wait until they answer."""
        (self.folder / "devices" / "disk").mkdir(parents=True)
        (self.folder / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = test\n[storage-policy:0]\nname = only\ndefault = yes\n"
        )
        names = {"folder": self.folder, "user": getpass.getuser()}
        ports = {part: free_port() for part in PARTS}
        self._rings(ports)
        for part, port in ports.items():
            self._serve(part, BACKEND.format(part=part, port=port, **names))
        user_name = ACCESS_KEY.replace(":", "_")
        self._serve(
            "proxy", PROXY.format(port=self.port, region=REGION, listed=LISTED_AT_ONCE, user_name=user_name, secret=SECRET_KEY, **names)
        )
        self._wait()

    def stop(self) -> None:
        """End what was started."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)

    def _rings(self, ports: dict[str, int]) -> None:
        places = " ".join(f"{part}:{port}" for part, port in ports.items())
        subprocess.run([str(self.binaries / "python"), "-c", RINGS, str(self.folder), *places.split()], check=True, capture_output=True)

    def _serve(self, part: str, settings: str) -> None:
        path = self.folder / f"{part}-server.conf"
        path.write_text(settings)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "SWIFT_DIR": str(self.folder)}
        with open(self.folder / f"{part}.log", "wb") as log:
            command = [str(self.binaries / f"swift-{part}-server"), str(path), "-v"]
            self.processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.folder))

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/healthcheck", timeout=5):
                    return
            except (OSError, urllib.error.URLError):
                dead = [process.args for process in self.processes if process.poll() is not None]
                if dead or time.monotonic() > end:
                    logs = "".join(path.read_text() for path in self.folder.glob("*.log"))
                    raise RuntimeError(f"Swift does not start ({dead}): {logs}") from None
                time.sleep(0.2)
