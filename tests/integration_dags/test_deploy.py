# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's own tasks bring DAGs to hosts, run by ansible-playbook on folders that stand for two hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from git_servers import Repository, SshServer
from object_store import ACCESS_KEY, REGION, SECRET_KEY, ObjectStore

HOSTS = ("a", "b")
PLAN = {
    "revision": "{{ __airflow_dag_source.dags.revision }}",
    "description": "{{ __airflow_dag_source.dags.description }}",
    "folder": "{{ root }}/dag_revisions",
    "link": "{{ root }}/dags",
    "owner": "{{ lookup('ansible.builtin.env', 'DAGS_OWNER') }}",
    "keep": 3,
    "keep_seconds": 86400,
}


class Site:
    """An inventory with two hosts, and the playbook that is run on them."""

    def __init__(self, folder: Path, user: str) -> None:
        self.folder = folder
        self.user = user
        self.installed = True
        self.variables: dict[str, Any] = {}
        self.play: dict[str, Any] = {}
        for host in HOSTS:
            (folder / host).mkdir(parents=True)

    def run(self, *arguments: str, fails: bool = False) -> dict[str, Any]:
        """The result of every task by its name and host."""
        done = self._ansible(*arguments, callback="ansible.posix.json")
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        found: dict[str, Any] = {}
        for play in json.loads(done.stdout[done.stdout.index("{") :])["plays"]:
            for task in play["tasks"]:
                found.setdefault(task["task"]["name"].rpartition(" : ")[2], {}).update(task["hosts"])
        return found

    def output(self, *arguments: str) -> str:
        """Everything that a person sees."""
        done = self._ansible(*arguments, callback="ansible.builtin.default")
        return done.stdout + done.stderr

    def _ansible(self, *arguments: str, callback: str) -> subprocess.CompletedProcess[str]:
        hosts = {host: {"root": str(self.folder / host)} for host in HOSTS}
        common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **self.variables}
        self._write("hosts.yml", {"airflow": {"hosts": hosts, "vars": common}})
        record = {"format": 1} if self.installed else None
        tasks = [
            {
                "name": "Ask",
                "updraft.airflow.airflow_dag_source": None,
                "register": "__airflow_dag_source",
                "run_once": True,
            },
            {"name": "Plan", "ansible.builtin.set_fact": {"__airflow": {"plan": {"dags": PLAN, "adopted": None}}}},
            {
                "name": "Bring",
                "ansible.builtin.import_role": {"name": "updraft.airflow.common", "tasks_from": "dags", "rolespec_validate": False},
            },
            {"name": "Be healthy", "ansible.builtin.command": "{{ daemon | default('true') }}", "changed_when": False},
        ]
        head = {"name": "Deploy", "hosts": "airflow", "gather_facts": False, "any_errors_fatal": True}
        facts = {"__airflow_host": {"airflow_host": {"installation": record}}}
        self._write("site.yml", [{**head, "vars": facts, "tasks": tasks, **self.play}])
        environment = {
            **os.environ,
            "ANSIBLE_STDOUT_CALLBACK": callback,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "false",
            "DAGS_OWNER": self.user,
        }
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "site.yml", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def _write(self, name: str, content: Any) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content, sort_keys=False))

    def revisions(self) -> dict[str, str | None]:
        """Where each host's link leads to."""
        links = {host: self.folder / host / "dags" for host in HOSTS}
        return {host: os.path.basename(os.readlink(link)) if link.is_symlink() else None for host, link in links.items()}

    def content(self) -> set[str]:
        """What the hosts have as a.py."""
        return {(self.folder / host / "dags" / "a.py").read_text() for host in HOSTS}


def changed(results: dict[str, Any], task: str) -> dict[str, bool]:
    """Which hosts a task changed."""
    return {host: bool(result.get("changed")) for host, result in results.get(task, {}).items() if not result.get("skipped")}


FETCH, SWITCH = "Bring the DAGs' revision to the host", "Switch to the new DAGs"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two hosts whose DAGs are in a folder beside the inventory."""
    made = Site(tmp_path / "site", subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip())
    (made.folder / "my dags").mkdir()
    (made.folder / "my dags" / "a.py").write_text("1")
    made.variables["airflow_dags"] = {"source": "folder", "path": "my dags"}
    return made


def test_a_revision_comes_to_all_hosts_at_once(site: Site) -> None:
    assert changed(site.run("--check"), FETCH) == {"a": True, "b": True}
    assert site.revisions() == {"a": None, "b": None}
    first = site.run()
    assert changed(first, FETCH) == changed(first, SWITCH) == {"a": True, "b": True}
    revisions = site.revisions()
    assert revisions["a"] == revisions["b"] is not None
    again = site.run()
    assert (changed(again, FETCH), changed(again, SWITCH)) == ({"a": False, "b": False}, {})
    (site.folder / "my dags" / "a.py").write_text("2")
    site.run()
    assert site.content() == {"2"}
    assert site.revisions()["a"] != revisions["a"]


def test_a_host_without_daemons_switches_at_once(site: Site) -> None:
    site.installed = False
    results = site.run()
    assert changed(results, "Switch to the DAGs where no daemon reads them yet") == {"a": True, "b": True}
    assert changed(results, SWITCH) == {"a": False, "b": False}


@pytest.mark.parametrize("daemon", ["true", "test -e {{ root }}/healthy"])
def test_a_host_that_fails_leaves_all_at_the_old_revision(site: Site, daemon: str) -> None:
    site.run()
    before = site.revisions()
    (site.folder / "my dags" / "a.py").write_text("2")
    site.variables["daemon"] = daemon
    broken = site.folder / "b" / "dag_revisions"
    (site.folder / "a" / "healthy").touch()
    if daemon == "true":
        broken.rename(site.folder / "aside")
        broken.write_text("no folder")
    site.run(fails=True)
    assert site.revisions() == before
    if daemon == "true":
        broken.unlink()
        (site.folder / "aside").rename(broken)
    (site.folder / "b" / "healthy").touch()
    assert changed(site.run(), SWITCH) == {"a": True, "b": True}
    assert site.content() == {"2"}


def test_going_back_sends_nothing(site: Site) -> None:
    for text in ("1", "2"):
        (site.folder / "my dags" / "a.py").write_text(text)
        site.run()
    stored = (site.folder / "a" / "dag_revisions").stat().st_mtime_ns
    (site.folder / "my dags" / "a.py").write_text("1")
    results = site.run()
    assert (changed(results, SWITCH), site.content()) == ({"a": True, "b": True}, {"1"})
    assert (site.folder / "a" / "dag_revisions").stat().st_mtime_ns == stored


def test_files_in_the_way_are_told_and_kept(site: Site) -> None:
    mine = site.folder / "b" / "dags"
    mine.mkdir()
    (mine / "mine.py").write_text("x")
    sentence = (
        f"{mine} is a folder with files that {{}} (mine.py): the folder will be kept beside it as dags.before-{{}}, and Airflow will read "
        "the revision only."
    )
    told = site.run("--check")["Tell what is in the way"]
    source = site.run("--check")["Ask"]["a"]["dags"]["revision"]
    assert told["b"]["msg"] == [sentence.format("may not be in the revision", source)]
    told = site.run()["Tell what is in the way"]
    assert told["b"]["msg"] == [sentence.format("the revision does not have, or has otherwise", source)]
    assert told["a"].get("skipped")
    assert (site.folder / "b" / f"dags.before-{source}" / "mine.py").read_text() == "x"


@pytest.mark.parametrize("place", ["file", "variable"])
def test_git_with_a_key_of_the_vault(site: Site, ssh_server: SshServer, repository: Repository, place: str) -> None:
    key = ssh_server.key.read_text()
    (site.folder / "secret").write_text("vault")
    vault = [sys.executable, "-m", "ansible", "vault"]
    options = {"repository": ssh_server.address("dags"), "ref": "v2", "known_hosts": ssh_server.known_hosts, "subdirectory": "dags"}
    words = ["encrypt", "--output", "deploy_key"] if place == "file" else ["encrypt_string", "--stdin-name", "  deploy_key"]
    command = [*vault, *words, "--vault-password-file", "secret"]
    done = subprocess.run(command, input=key, cwd=site.folder, text=True, check=True, capture_output=True)
    site.variables["airflow_dags"] = {"source": "git", "deploy_key": "deploy_key", **options}
    if place == "variable":
        written = yaml.safe_dump({"airflow_dags": {"source": "git", **options}}) + done.stdout
        (site.folder / "group_vars").mkdir()
        (site.folder / "group_vars" / "airflow.yml").write_text(written)
        del site.variables["airflow_dags"]
    shown = site.output("-vvv", "--diff", "--vault-password-file", "secret")
    assert "failed=0" in shown, shown
    assert not [line for line in key.splitlines()[1:-1] if line in shown]
    assert site.content() == {"2"}
    commit = repository.git("rev-parse", "v2")
    assert {revision and revision.split("-")[1] for revision in site.revisions().values()} == {commit[:12]}


def test_batches_of_hosts_get_one_revision(site: Site, tmp_path: Path) -> None:
    moving = Repository(tmp_path / "moving")
    moving.commit({"a.py": "1"})
    site.variables["airflow_dags"] = {"source": "git", "repository": str(moving.path), "ref": "main"}
    site.play["serial"] = 1
    site.variables["daemon"] = f"git -C {moving.path} -c user.name=J -c user.email=j@example.org commit --quiet --allow-empty --message=x"
    site.run()
    first = site.revisions()
    assert first["a"] == first["b"]
    assert moving.git("rev-list", "--count", "main") == "3"
    del site.variables["daemon"], site.play["serial"]
    site.run()
    assert site.revisions()["a"] == site.revisions()["b"] != first["a"]


def test_a_bucket(site: Site, object_store: ObjectStore, bucket: Any) -> None:
    for name in ("dags/a.py", "dags/lib/b.py"):
        bucket.put_object(Bucket="data", Key=f"site/{name}", Body=b"s3")
    options = {"endpoint_url": object_store.url, "region": REGION, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    site.variables["airflow_dags"] = {"source": "s3", "bucket": "data", "prefix": "site/dags", **options}
    shown = site.output("-vvv", "--diff")
    assert "failed=0" in shown and SECRET_KEY not in shown
    assert site.content() == {"s3"}
    assert (site.folder / "b" / "dags" / "lib" / "b.py").read_text() == "s3"


def test_what_is_wrong_is_told_by_the_topology(site: Site) -> None:
    site.variables["airflow_dags"]["path"] = "none"
    role = {"name": "updraft.airflow.common", "tasks_from": "topology", "rolespec_validate": False}
    site.play["tasks"] = [{"name": "Derive", "ansible.builtin.import_role": role}]
    results = site.run(fails=True)
    told = results["Refuse what cannot work"]
    assert all(
        f"There is no folder {site.folder}/none on the controller: correct airflow_dags.path." in told[host]["msg"] for host in HOSTS
    )
    assert set(results["Look at where the DAGs come from"]) == {"a"}
