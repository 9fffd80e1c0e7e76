# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects from an inventory to Airflow: the topology's plan and the role's own tasks, on servers with their lines' own ways to log in."""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server import AirflowServer, decrypted

CHECKOUT = Path(__file__).resolve().parents[2]
VERSIONS = {2: "2.11.2", 3: "3.3.2"}
SECRETS = {"secret": "first-s3cret", "token": "t0ken-of-the-vault"}
API_PASSWORD = "p@ss:w/rd of the playbooks"
NEW_SECRET = "second-s3cret"
KINDS = ("pools", "variables", "connections", "users")
HOST = {
    "hostname": "h1",
    "pythons": [{"path": sys.executable, "version": "3.11.2"}],
    "systemd": True,
    "free_mb": {"home": 20000},
    "installation": None,
    "adopted": None,
}
OBJECTS: dict[str, Any] = {
    "airflow_pools": [{"name": "reports", "slots": 2, "description": "of the {{ team }}"}, {"name": "default_pool", "slots": 64}],
    "airflow_variables": [{"key": "since", "value": "SINCE"}, {"key": "api_secret", "value": {"a": ["{{ secret }}"]}}],
    "airflow_connections": [
        {"conn_id": "c", "conn_type": "http", "password": "{{ secret }}", "extra": {"token": "TOKEN"}},
        {"conn_id": "by_uri", "uri": "postgres://me:{{ secret }}@db:5432/x"},
        {"conn_id": "leaver", "state": "absent"},
    ],
    "airflow_users": [{"username": "jane", "password": "{{ secret }}", "roles": ["Op"]}],
}
# The plan of a host that is not this one, but for what the tests made themselves.
HERE = {
    "user": {"name": pwd.getpwuid(os.getuid()).pw_name},
    "environments": "{{ [__airflow.plan.environments[0] | combine({'path': venv})] }}",
    "cli_environment": "{{ environment_of_the_server }}",
}
PLAY = [
    {
        "hosts": "airflow",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.setup": {"gather_subset": ["!all", "!min", "distribution", "hardware"]}},
            {"updraft.airflow.airflow_topology": {}, "register": "__airflow", "no_log": True},
            {"ansible.builtin.assert": {"that": "__airflow.findings == []", "fail_msg": "{{ __airflow.findings }}"}},
            {
                "ansible.builtin.set_fact": {"__airflow": "{{ __airflow | combine({'plan': here}, recursive=true) }}"},
                "vars": {"here": HERE},
                "no_log": True,
            },
            {"ansible.builtin.import_role": {"name": "updraft.airflow.common", "tasks_from": "objects"}},
        ],
    }
]


class Site:
    """An inventory and a play in a folder of their own."""

    def __init__(self, folder: Path, server: AirflowServer) -> None:
        namespace = folder / "ansible_collections" / "updraft"
        namespace.mkdir(parents=True)
        (namespace / "airflow").symlink_to(CHECKOUT)
        self.folder = folder
        self.variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "team": "accountants",
            "airflow_version": VERSIONS[server.line],
            "airflow_home": str(server.home),
            "airflow_webserver_port": server.port,
            "airflow_api_password": API_PASSWORD,
            "venv": str(server.venv),
            "environment_of_the_server": {**server.environment, **server.database_environment},
            "__airflow_host": {"airflow_host": HOST},
        }
        (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
        (folder / "vault.txt").write_text("of the vault")
        self.environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(folder),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(folder / "vault.txt"),
        }
        self.output = ""

    def write(self, objects: dict[str, Any], **changed: Any) -> None:
        """The inventory. What YAML has and JSON has not is put in at the end: secrets in a vault, and a date."""
        groups = ("airflow_webserver", "airflow_scheduler")
        variables = {**self.variables, **objects, "secret": "SECRET", **changed}
        text = yaml.safe_dump(
            {"airflow": {"children": {group: {"hosts": {"h1": {}}} for group in groups}, "vars": variables}}, default_flow_style=False
        )
        for name, value in SECRETS.items():
            text = text.replace(f": {name.upper()}\n", f": !vault {json.dumps(self._sealed(value))}\n")
        (self.folder / "hosts.yml").write_text(text.replace("SINCE", "2026-01-02"))

    def _sealed(self, value: str) -> str:
        command = [sys.executable, "-m", "ansible", "vault", "encrypt", "--output", "-"]
        return subprocess.run(command, env=self.environment, input=value, capture_output=True, text=True, check=True).stdout

    def run(self, *options: str) -> dict[str, dict[str, Any]]:
        """What the role's tasks say, the last word of each."""
        command = [sys.executable, "-m", "ansible", "playbook", "--inventory", "hosts.yml", "play.yml", *options]
        done = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False)
        self.output = done.stdout + done.stderr
        assert done.returncode == 0, self.output[-3000:]
        (play,) = json.loads(done.stdout[done.stdout.index("{\n") :])["plays"]
        return {task["task"]["name"].removeprefix("updraft.airflow.common : "): task["hosts"]["h1"] for task in play["tasks"]}


@pytest.fixture(scope="module", params=[2, 3], ids=["airflow2", "airflow3"])
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    """A server as its line is without settings: 2.x lets nobody in by a password alone."""
    server = AirflowServer(request.param, tmp_path_factory.mktemp(f"airflow{request.param}"), backends=["session"])
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def site(fresh: AirflowServer, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """What a person has who manages that server. The tests of a line come in this order."""
    return Site(tmp_path_factory.mktemp("site"), fresh)


def changes(told: dict[str, dict[str, Any]]) -> dict[str, tuple[list[str], list[str], list[str]]]:
    """What was created, updated and removed of each kind."""
    results = {kind: told[f"Write the {kind}"] for kind in KINDS}
    return {kind: (result["created"], result["updated"], result["removed"]) for kind, result in results.items()}


def passwords(server: AirflowServer) -> dict[str, str]:
    """The hashes of the users' passwords."""
    return dict(server.query("SELECT username, password FROM ab_user"))


def test_objects_of_an_inventory(fresh: AirflowServer, site: Site) -> None:
    fresh.query("INSERT INTO connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) VALUES ('leaver', 'http', false, false)")
    fresh.query("INSERT INTO variable (key, val, is_encrypted) VALUES ('somebodys', 'own', false)")
    before = fresh.stored()
    site.write(OBJECTS)
    told = site.run("--check")
    assert fresh.stored() == before
    assert changes(told)["users"] == (["jane"], [], [])
    assert "Make the account that the playbooks call the API with" not in told

    told = site.run("--diff", "-vvv")
    assert [secret for secret in (*SECRETS.values(), API_PASSWORD) if secret in site.output] == []
    assert "accountants" in site.output
    assert told["Make the account that the playbooks call the API with"]["created"] == ["updraft"]
    assert changes(told) == {
        "pools": (["reports"], ["default_pool"], []),
        "variables": (["since", "api_secret"], [], []),
        "connections": (["c", "by_uri"], [], ["leaver"]),
        "users": (["jane"], [], []),
    }
    assert fresh.query("SELECT pool, slots, description FROM slot_pool WHERE pool = 'reports'") == [("reports", 2, "of the accountants")]
    stored = {
        name: decrypted(value) if encrypted else value
        for name, value, encrypted in fresh.query("SELECT key, val, is_encrypted FROM variable")
    }
    assert (stored["since"], json.loads(stored["api_secret"]), stored["somebodys"]) == ("2026-01-02", {"a": [SECRETS["secret"]]}, "own")
    ((password, extra),) = fresh.query("SELECT password, extra FROM connection WHERE conn_id = 'c'")
    assert (decrypted(password), json.loads(str(decrypted(extra)))) == (SECRETS["secret"], {"token": SECRETS["token"]})
    kept = sorted(path.name for path in (site.folder / "credentials" / "airflow").iterdir() if "digest" in path.name)
    assert kept == ["object_digests.txt", "object_digests_key.txt"]
    digests = json.loads((site.folder / "credentials" / "airflow" / kept[0]).read_text())
    assert {kind: sorted(names) for kind, names in digests.items()} == {
        "connections": ["by_uri", "c"],
        "users": ["jane"],
        "variables": ["api_secret", "since"],
    }

    again = site.run()
    assert changes(again) == {kind: ([], [], []) for kind in KINDS}
    assert [name for name, result in again.items() if result.get("changed")] == []
    assert not [result for result in again.values() if result.get("warnings")]


def test_what_changes_is_written_and_nothing_else(fresh: AirflowServer, site: Site) -> None:
    hashes = passwords(fresh)
    site.write({**OBJECTS, "airflow_pools": [{"name": "reports", "state": "absent"}]}, secret=NEW_SECRET)
    assert changes(site.run("--diff", "-vvv")) == {
        "pools": ([], [], ["reports"]),
        "variables": ([], ["api_secret"], []),
        "connections": ([], ["c", "by_uri"], []),
        "users": ([], ["jane"], []),
    }
    assert {name for name, value in passwords(fresh).items() if hashes[name] != value} == {"jane"}
    assert NEW_SECRET not in site.output


def test_where_nothing_answers(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = {"airflow_webserver_port": taken.getsockname()[1]}
        site.write(OBJECTS, **nowhere)
        told = site.run("--check")
        assert changes(told)["connections"] == (["c", "by_uri"], [], [])
        assert "none of these pools" in json.dumps(told["Write the pools"]["warnings"])
        # Without objects nobody asks.
        site.write({}, **nowhere)
        assert site.run()["Write pools, variables, connections and users"]["skipped"] is True
