# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All eight modules from a playbook, with one login for the group, behind TLS and a path, with digests kept in a file."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from api_server import ADMIN, ADMIN_PASSWORD, AirflowServer, decrypted
from conftest import Call
from front import Front

CHECKOUT = Path(__file__).resolve().parents[2]
SECRET, NEW_SECRET, KINDS = "first-s3cret", "second-s3cret", ("connections", "variables", "pools", "users")
PLAY: list[dict[str, Any]] = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": {
            "group/updraft.airflow.api": {
                "url": "{{ url }}",
                "username": ADMIN,
                "password": "{{ admin_password }}",
                "ca_path": "{{ ca_path }}",
            }
        },
        "tasks": [
            {
                "updraft.airflow.airflow_connections": {
                    "connections": [{"conn_id": "c", "conn_type": "http", "password": "{{ secret }}", "extra": {"token": "{{ secret }}"}}],
                    "digests_file": "keep/digests.txt",
                }
            },
            {
                "updraft.airflow.airflow_variables": {
                    "variables": [{"key": "v_secret", "value": {"password": "{{ secret }}"}}],
                    "digests_file": "keep/digests.txt",
                }
            },
            {"updraft.airflow.airflow_pools": {"pools": [{"name": "p", "slots": 1}]}},
            {
                "updraft.airflow.airflow_users": {
                    "users": [{"username": "jane", "password": "{{ secret }}"}],
                    "digests_file": "keep/digests.txt",
                }
            },
            *({f"updraft.airflow.airflow_{kind}_info": {}, "tags": "info"} for kind in KINDS),
        ],
    }
]


class Playbook:
    """The playbook in a folder of its own."""

    def __init__(self, folder: Path, url: str, ca_path: Path) -> None:
        namespace = folder / "ansible_collections" / "updraft"
        namespace.mkdir(parents=True)
        (namespace / "airflow").symlink_to(CHECKOUT)
        self.path = folder / "play.yml"
        self.path.write_text(yaml.safe_dump(PLAY))
        self.variables = {
            "url": url,
            "ca_path": str(ca_path),
            "admin_password": ADMIN_PASSWORD,
            "ansible_python_interpreter": sys.executable,
        }
        self.environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(folder),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        }
        self.output = ""

    def run(self, secret: str, *options: str) -> dict[str, Any]:
        """Its results by module."""
        (self.path.parent / "variables.json").write_text(json.dumps({**self.variables, "secret": secret}))
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", "--diff", str(self.path)]
        done = subprocess.run(
            [*command, "-e", "@variables.json", *options],
            env=self.environment,
            cwd=self.path.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        self.output = done.stdout + done.stderr
        assert done.returncode == 0, self.output[-3000:]
        (play,) = json.loads(done.stdout[done.stdout.index("{\n") :])["plays"]
        results = [task["hosts"]["localhost"] for task in play["tasks"]]
        return dict(zip([*KINDS, *(f"{kind}_info" for kind in KINDS)], results))


def test_a_playbook(server: AirflowServer, certificate: Path, tmp_path: Path) -> None:
    with Front(server, "/airflow", certificate) as front:
        playbook = Playbook(tmp_path, front.url, certificate)
        told = playbook.run(SECRET, "--check")
        assert [told[kind]["changed"] for kind in KINDS] == [True] * 4
        assert [told[f"{kind}_info"]["changed"] for kind in KINDS] == [False] * 4
        assert [user["username"] for user in told["users_info"]["users"]] == [ADMIN]
        assert not (tmp_path / "keep").exists() and server.query("SELECT * FROM connection") == []
        first = playbook.run(SECRET, "--skip-tags", "info", "-vvv")
        output = playbook.output
        assert [first[kind]["created"] for kind in KINDS] == [["c"], ["v_secret"], ["p"], ["jane"]]
        kept = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keep").iterdir()}
        assert kept == {"digests.txt": 0o600, "digests_key.txt": 0o600}
        assert stat.S_IMODE((tmp_path / "keep").stat().st_mode) == 0o700
        again = playbook.run(SECRET, "--skip-tags", "info")
        assert [again[kind]["changed"] for kind in KINDS] == [False] * 4
        rotated = playbook.run(NEW_SECRET, "--skip-tags", "info")
        assert [rotated[kind]["changed"] for kind in KINDS] == [True, True, False, True]
        output += playbook.output
    assert server.logs_in("jane", NEW_SECRET)
    assert decrypted(server.query("SELECT password FROM connection")[0][0]) == NEW_SECRET
    for secret in (SECRET, NEW_SECRET, ADMIN_PASSWORD, (tmp_path / "keep" / "digests_key.txt").read_text().strip()):
        assert secret not in output and json.dumps(secret)[1:-1] not in output
    assert SECRET not in (tmp_path / "keep" / "digests.txt").read_text()


def test_certificates(server: AirflowServer, call: Call, certificate: Path) -> None:
    with Front(server, certificate=certificate) as front:
        refused = call("pools_info", url=front.url, fails=True)
        assert "its certificate is not accepted (self" in refused["msg"] and "set ca_path" in refused["msg"]
        other_name = call("pools_info", url=front.url.replace("localhost", "127.0.0.1"), ca_path=str(certificate), fails=True)
        assert "IP address mismatch" in other_name["msg"]
        for settings in ({"ca_path": str(certificate)}, {"validate_certs": False}):
            assert call("pools_info", url=front.url, **settings)["pools"][0]["name"] == "default_pool"
