# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that were planted through every variable are in no output, log, command line, temporary file, or file that others read.

The playbook is run in check mode, for real, once more, and so that it fails in one place after the other, always with -vvv and --diff.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow_checks import hosts, playbook, secrets
from airflow_checks.fixtures import CHECKOUT, inventory_dir

LOGS = CHECKOUT / ".cache" / "site" / "planted_secrets"
FEWEST_SECRETS = 25
WATCH = "/run/planted-secrets"
WATCH_UNIT = "planted-secrets-watch"
NOTES = f"{WATCH}.argv"
SINCE = f"{WATCH}.since"
# Nobody listens at port 9 of a container or of this machine.
NOBODY = "127.0.0.1:9"


@dataclass(frozen=True)
class Failure:
    """A way to let the playbook fail: what is done on the host before and after, its variables, and what it then says."""

    name: str
    says: str
    variables: dict[str, Any] = field(default_factory=dict)
    before: str = "true"
    after: str = "true"


BEFORE_THE_INSTALLATION = (
    Failure(
        "bucket",
        "airflow_dags",
        {
            "airflow_dags": {
                "source": "s3",
                "bucket": "dags",
                "endpoint": f"http://{NOBODY}",
                "access_key": "{{ planted.dags_access_key }}",
                "secret_key": "{{ planted.dags_secret_key }}",
            }
        },
    ),
    Failure(
        "repository",
        "airflow_dags",
        {"airflow_dags": {"source": "git", "repository": f"https://jane:{{{{ planted.dags_url }}}}@{NOBODY}/dags.git", "ref": "v1"}},
    ),
    Failure(
        "deploy-key",
        "airflow_dags",
        {
            "airflow_dags": {
                "source": "git",
                "repository": f"ssh://git@{NOBODY}/dags.git",
                "ref": "v1",
                "deploy_key": "{{ planted.dags_deploy_key }}",
                "known_hosts": "[127.0.0.1]:9 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            }
        },
    ),
    Failure("index", NOBODY, {"airflow_package_index_url": f"http://planted:{{{{ planted.index_password }}}}@{NOBODY}/simple"}),
)
AFTER_THE_INSTALLATION = (
    Failure(
        "file",
        "/etc/airflow/flower.env",
        before="mv /etc/airflow/flower.env /run/planted-secrets.kept && mkdir /etc/airflow/flower.env",
        after="rmdir /etc/airflow/flower.env && mv /run/planted-secrets.kept /etc/airflow/flower.env",
    ),
    Failure("password", "differ", {"airflow_metadata_db_password": "{{ planted.metadata_db_password }}?"}),
    Failure(
        "user",
        "Nobody",
        {
            "airflow_users": [
                {"username": "joe", "email": "joe@example.org", "roles": ["Nobody"], "password": "{{ planted.user_password }}"}
            ]
        },
    ),
    Failure(
        "broker",
        "masked",
        before="systemctl mask --now redis-server",
        after="systemctl unmask redis-server && systemctl start redis-server",
    ),
    Failure(
        "daemons",
        "does_not_exist",
        {"airflow_config": {"logging": {"logging_config_class": "does_not_exist.CONFIG"}}, "airflow_health_timeout": 20},
    ),
)


RUNS = (
    ("check", Failure("check", ""), ("--check",), {}),
    *((f"before-{failure.name}", failure, (), {}) for failure in BEFORE_THE_INSTALLATION),
    ("install", Failure("install", ""), (), {}),
    # Modules come as files then, not over the connection.
    ("again", Failure("again", ""), (), {"ANSIBLE_PIPELINING": "false"}),
    *((f"after-{failure.name}", failure, (), {}) for failure in AFTER_THE_INSTALLATION),
    ("repair", Failure("repair", ""), (), {}),
)


@dataclass(frozen=True)
class Told:
    """What all runs told, and every command line that was seen meanwhile."""

    runs: dict[str, playbook.PlayRun]
    argv: str
    left_on_controller: list[Path]


def planted() -> dict[str, str]:
    """The secrets by name; of one with several lines, those with its content."""
    content = yaml.safe_load((inventory_dir() / "hosts").read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for name, value in content["airflow"]["vars"]["planted"].items():
        found |= {f"{name} {number}": line for number, line in enumerate(value.splitlines(), 1) if not line.startswith("-----")}
    return found


@contextmanager
def command_lines(host: Any) -> Iterator[None]:
    """Note every command line of the host while the block runs."""
    script = base64.b64encode((hosts.ON_HOST / "argv_watch.py").read_bytes()).decode()
    hosts.run(host, "sh", "-c", f"touch {SINCE}; echo {script} | base64 -d > {WATCH}.py")
    hosts.run(host, "systemd-run", f"--unit={WATCH_UNIT}", "/usr/bin/python3", f"{WATCH}.py", NOTES)
    try:
        yield
    finally:
        hosts.run(host, "systemctl", "stop", WATCH_UNIT)


def play(host: Any, name: str, failure: Failure, words: tuple[str, ...], settings: dict[str, str]) -> playbook.PlayRun:
    """Run the playbook once, with what lets it fail."""
    extra = ["--extra-vars", json.dumps(failure.variables)] if failure.variables else []
    words = ("--inventory", str(inventory_dir()), "-vvv", "--diff", *words, *extra, "updraft.airflow.site")
    hosts.run(host, "sh", "-c", failure.before)
    try:
        return playbook.run(list(words), host.backend.get_hostname(), LOGS / f"{name}.log", **settings)
    finally:
        hosts.run(host, "sh", "-c", failure.after)


def readable(folder: Path, since: float) -> Iterator[Path]:
    """Files in a folder of the controller that others can read and that are not older."""
    # Others make and remove theirs meanwhile.
    for parent, _folders, names in os.walk(folder):
        for place in (Path(parent, name) for name in names):
            with suppress(OSError):
                found = place.lstat()
                if stat.S_ISREG(found.st_mode) and found.st_mtime >= since and found.st_mode & stat.S_IROTH:
                    yield place


@pytest.fixture(scope="module")
def told(host: Any) -> Told:
    """Run everything."""
    since = time.time()
    with command_lines(host):
        runs = {name: play(host, name, failure, words, settings) for name, failure, words, settings in RUNS}
    folders = (Path(tempfile.gettempdir()), Path.home() / ".ansible")
    left = [place for folder in folders for place in readable(folder, since)]
    return Told(runs, hosts.run(host, "cat", NOTES), left)


def contents(host: Any, command: str) -> str:
    """The contents of the files that `find` finds on the host."""
    name = host.backend.get_hostname()
    words = ["docker", "exec", name, "sh", "-c", f"find {command} -print0 | xargs -0 -r cat"]
    return subprocess.run(words, capture_output=True, check=True).stdout.decode(errors="replace")


def readable_on(host: Any, pid: int | None = None) -> str:
    """The contents of new files of the host that others can read, or that a process can."""
    script = base64.b64encode((hosts.ON_HOST / "readable.py").read_bytes()).decode()
    hosts.run(host, "sh", "-c", f"echo {script} | base64 -d > {WATCH}.readable.py")
    words = ["/usr/bin/python3", f"{WATCH}.readable.py", SINCE, *([str(pid)] if pid else [])]
    done = subprocess.run(["docker", "exec", host.backend.get_hostname(), *words], capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def test_there_are_enough_secrets() -> None:
    found = planted()
    assert len(set(found.values())) >= FEWEST_SECRETS and len(set(found.values())) == len(found)


def test_the_runs_ended_as_they_should(told: Told) -> None:
    for name, failure, *_ in RUNS:
        run = told.runs[name]
        if failure.says:
            told_by = [json.dumps(result.fields.get("msg", "")) for result in run.results if result.status == "failed"]
            assert run.status != 0 and failure.says in " ".join(told_by), f"{name}: {told_by} {run.output[-1500:]}"
        else:
            assert (run.status, run.failed) == (0, 0), f"{name}: {run.in_words()}"
    assert told.runs["again"].changed == 0, told.runs["again"].in_words()


def test_every_secret_got_where_it_belongs(host: Any) -> None:
    # Else nothing would be proved by not finding them.
    found = contents(host, "/etc/airflow -type f") + hosts.run(host, "airflow", "connections", "export", "-", "--file-format", "json")
    names = ("atlas_password", "broker_password", "connection_extra", "connection_password", "connection_uri", "fernet_key", "jwt_secret")
    assert [name for name in names if not secrets.told(found, {name: planted()[f"{name} 1"]})] == []


@pytest.mark.parametrize("name", [name for name, *_ in RUNS])
def test_no_output_tells_a_secret(name: str, told: Told) -> None:
    assert secrets.told(told.runs[name].output, planted()) == []


def test_no_command_line_holds_a_secret(told: Told) -> None:
    assert "airflow celery worker" in told.argv
    assert secrets.told(told.argv, planted()) == []


def test_no_log_holds_a_secret(host: Any, told: Told) -> None:
    journal = hosts.run(host, "journalctl", "--no-pager", "--output=export")
    assert "airflow-scheduler.service" in journal
    assert secrets.told(journal, planted()) == []
    assert secrets.told(contents(host, f"/var/log /opt/airflow/logs -type f ! -path '/var/log/journal/*' -newer {SINCE}"), planted()) == []


def test_no_temporary_file_holds_a_secret(host: Any, told: Told) -> None:
    assert secrets.told(contents(host, "/tmp /var/tmp /dev/shm /root/.ansible /home -type f"), planted()) == []


def test_nothing_that_others_read_holds_a_secret(host: Any, told: Told) -> None:
    found = readable_on(host)
    assert "/etc/systemd/system/airflow-worker.service" in found
    assert secrets.told(found, planted()) == []
    left = {str(place): place.read_text(encoding="utf-8", errors="replace") for place in told.left_on_controller if place.exists()}
    assert {place: secrets.told(text, planted()) for place, text in left.items() if secrets.told(text, planted())} == {}


def test_no_daemon_can_read_a_secret_from_a_file(host: Any, told: Told) -> None:
    for unit, found in hosts.units(host).items():
        text = readable_on(host, found.main_pid)
        assert "/etc/airflow/airflow.cfg" in text, unit
        assert (unit, secrets.told(text, planted())) == (unit, [])
