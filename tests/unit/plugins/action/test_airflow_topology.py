# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action that gathers hosts and variables for the topology compiler."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.updraft.airflow.plugins.action.airflow_topology import ActionModule, known_names
from ansible_collections.updraft.airflow.plugins.module_utils._topology_model import GivenCertificate

FACTS = {"distribution": "Debian", "distribution_major_version": "13", "os_family": "Debian", "processor_vcpus": 2, "memtotal_mb": 4096}
INFO = {
    "hostname": "h",
    "pythons": [{"path": "/usr/bin/python3.13", "version": "3.13.5"}],
    "systemd": True,
    "installation": None,
    "adopted": None,
}
ALL = ("airflow", "airflow_webserver", "airflow_scheduler", "airflow_metadata_db")


class Play:
    """Hosts, groups and variables as a running play has them."""

    def __init__(self, inventory_dir: Path, hosts: Mapping[str, Mapping[str, Any]], groups: Mapping[str, list[str]]) -> None:
        self.groups = dict(groups)
        self.hostvars: dict[str, dict[str, Any]] = {
            name: {
                "inventory_dir": str(inventory_dir),
                "ansible_facts": {**FACTS, "default_ipv4": {"address": f"198.18.0.{number}"}},
                "__airflow_host": {"airflow_host": INFO},
                **variables,
            }
            for number, (name, variables) in enumerate(hosts.items(), start=2)
        }

    def run(
        self,
        host: str,
        check_mode: bool = False,
        survey: bool = False,
        hold_secrets: bool = False,
        goes_back: bool = False,
        **play_variables: Any,
    ) -> dict[str, Any]:
        """The action's result on one host."""
        loader = DataLoader()
        given = {"survey": survey, "hold_secrets": hold_secrets, "goes_back": goes_back}
        arguments = {name: True for name, wanted in given.items() if wanted}
        task = MagicMock(args=arguments, check_mode=check_mode, async_val=0, delegate_to=None, diff=False)
        task_vars = {**self.hostvars[host], **play_variables, "inventory_hostname": host, "groups": self.groups, "hostvars": self.hostvars}
        action = ActionModule(
            task=task,
            connection=MagicMock(),
            play_context=MagicMock(check_mode=check_mode),
            loader=loader,
            templar=Templar(loader=loader, variables=task_vars),
            shared_loader_obj=None,
        )
        return dict(action.run(task_vars=task_vars))


@pytest.fixture
def single(tmp_path: Path) -> Play:
    """One host with everything."""
    return Play(tmp_path, {"h1": {}}, {group: ["h1"] for group in ALL})


def test_a_plan_comes_without_findings(single: Play) -> None:
    result = single.run("h1")
    assert (result["findings"], result["changed"]) == ([], True)
    assert result["plan"]["executor"] == "LocalExecutor"
    assert result["plan"]["database"]["managed"] is True


def test_secrets_are_written_once(single: Play, tmp_path: Path) -> None:
    first = single.run("h1")
    folder = tmp_path / "credentials" / "airflow"
    assert sorted(os.listdir(folder)) == [
        f"{name}.txt" for name in ("admin_password", "api_password", "fernet_key", "jwt_secret", "metadata_db_password", "secret_key")
    ]
    assert all(stat.S_IMODE(entry.stat().st_mode) == 0o600 for entry in folder.iterdir())
    assert first["plan"]["database"]["password"] == (folder / "metadata_db_password.txt").read_text().strip()
    second = single.run("h1")
    assert (second["changed"], second["plan"]) == (False, first["plan"])


def test_secrets_are_held_back_while_a_database_is_looked_at(single: Play, tmp_path: Path) -> None:
    external: dict[str, Any] = {
        "airflow_metadata_db_host": "db.example.org",
        "airflow_metadata_db_managed": False,
        "airflow_metadata_db_password": "x",
    }
    held = single.run("h1", hold_secrets=True, **external)
    assert (held["changed"], held["holds_secrets"], held["findings"]) == (False, True, [])
    assert held["plan"]["database"]["check"]["host"] == "db.example.org"
    assert os.listdir(tmp_path) == []
    kept = single.run("h1", **external)
    assert (kept["changed"], kept["holds_secrets"]) == (True, False)
    again = single.run("h1", hold_secrets=True, **external)
    assert (again["holds_secrets"], again["plan"]) == (False, kept["plan"])


def test_secrets_are_held_back_until_the_hosts_are_held(single: Play, tmp_path: Path) -> None:
    held = single.run("h1", hold_secrets=True)
    assert (held["changed"], held["holds_secrets"]) == (False, True)
    assert os.listdir(tmp_path) == []
    kept = single.run("h1")
    assert (kept["changed"], kept["holds_secrets"]) == (True, False)
    assert os.listdir(tmp_path) == ["credentials"]


def test_check_mode_writes_nothing(single: Play, tmp_path: Path) -> None:
    result = single.run("h1", check_mode=True)
    assert (result["changed"], result["findings"]) == (True, [])
    assert os.listdir(tmp_path) == []


def test_who_goes_back_is_told_where_there_is_nothing_to_go_back_to(single: Play, tmp_path: Path) -> None:
    result = single.run("h1", goes_back=True)
    assert result["plan"] is None
    assert result["findings"] == [
        "This collection has installed Airflow on none of the hosts, so there is nothing to go back from: run updraft.airflow.site."
    ]
    assert os.listdir(tmp_path) == []


def test_findings_are_no_failure_and_write_nothing(single: Play, tmp_path: Path) -> None:
    result = single.run("h1", airflow_user="root")
    assert result["plan"] is None
    assert not result.get("failed")
    assert result["findings"] == ["airflow_user is root, as which tasks could do anything to the host: name another user."]
    assert os.listdir(tmp_path) == []


def test_the_folder_follows_the_variables(single: Play, tmp_path: Path) -> None:
    single.run("h1", airflow_installation="blue")
    assert (tmp_path / "credentials" / "blue" / "fernet_key.txt").is_file()
    single.run("h1", airflow_credentials_dir="secrets")
    assert (tmp_path / "secrets" / "fernet_key.txt").is_file()
    elsewhere = tmp_path / "elsewhere"
    result = single.run("h1", airflow_credentials_dir=str(elsewhere))
    assert result["plan"]["credentials"] == {"dir": str(elsewhere), "admin_password_file": str(elsewhere / "admin_password.txt")}


def test_hosts_agree_on_secrets_whichever_is_first(tmp_path: Path) -> None:
    play = Play(
        tmp_path,
        {"web": {}, "sched": {}, "db": {}},
        {"airflow": ["web", "sched", "db"], "airflow_webserver": ["web"], "airflow_scheduler": ["sched"], "airflow_metadata_db": ["db"]},
    )
    plans = {name: play.run(name)["plan"] for name in ("sched", "web", "db")}
    keys = {plans[name]["daemons"][0]["environment"]["AIRFLOW__API__SECRET_KEY"] for name in ("sched", "web")}
    assert len(keys) == 1
    assert plans["db"]["database"]["password"] in plans["web"]["database"]["url"]


def test_variables_of_the_play_hold_for_every_host(tmp_path: Path) -> None:
    groups = {group: ["h1"] for group in ALL} | {"airflow": ["h1", "h2"], "airflow_triggerer": ["h2"]}
    play = Play(tmp_path, {"h1": {}, "h2": {}}, groups)
    assert play.run("h2", airflow_drain_timeout=5)["findings"] == []
    same = Play(tmp_path, {"h1": {"airflow_drain_timeout": 7}, "h2": {"airflow_drain_timeout": 7}}, groups)
    assert same.run("h2", airflow_drain_timeout=5)["findings"] == []
    other = Play(tmp_path, {"h1": {"airflow_drain_timeout": 7}, "h2": {}}, groups)
    assert other.run("h2")["findings"] == ["airflow_drain_timeout differs between h1 and h2 (7 and 600): set it once, for the whole group."]


def test_a_host_outside_the_groups_is_told(single: Play) -> None:
    single.hostvars["h9"] = dict(single.hostvars["h1"])
    result = single.run("h9")
    assert result["findings"] == ["h9 is in none of the installation's groups: put it into the group it is to serve."]


def test_the_parent_group_is_not_needed(single: Play) -> None:
    del single.groups["airflow"]
    assert single.run("h1")["findings"] == []


def test_the_parent_group_may_have_another_name(single: Play) -> None:
    single.groups["blue"] = single.groups.pop("airflow")
    single.groups["airflow"] = ["h2"]
    assert single.run("h1", airflow_group="blue")["findings"] == []


def test_a_host_that_was_not_read_is_told(tmp_path: Path) -> None:
    play = Play(tmp_path, {"h1": {}, "h2": {}}, {group: ["h1"] for group in ALL} | {"airflow": ["h1", "h2"], "airflow_triggerer": ["h2"]})
    del play.hostvars["h2"]["__airflow_host"]
    assert "h2 was not read in this run" in play.run("h1")["findings"][0]


def test_why_a_host_was_not_read_is_told(single: Play) -> None:
    single.hostvars["h1"]["__airflow_host"] = {"failed": True, "msg": "The record of the installation in /etc/airflow cannot be read (x)"}
    assert single.run("h1")["findings"] == ["h1 could not be looked at: The record of the installation in /etc/airflow cannot be read (x)."]


def test_an_unforeseen_error_is_told_without_the_value_it_quotes(single: Play) -> None:
    single.hostvars["h1"]["__airflow_host"] = {"airflow_host": {**INFO, "pythons": [{"path": "/x", "version": {"s3cret": 1}}]}}
    result = single.run("h1")
    assert (result["plan"], result.get("failed")) == (None, None)
    (finding,) = result["findings"]
    assert finding.startswith("The topology could not be derived: TypeError in ")
    assert finding.endswith("; this is a mistake of the collection, please report it.")
    assert "s3cret" not in finding


def test_an_undefined_variable_is_told(single: Play) -> None:
    (finding,) = single.run("h1", airflow_user=trust_as_template("{{ nobody_said }}"))["findings"]
    assert finding == "The topology could not be derived: 'nobody_said' is undefined."


def test_a_credentials_folder_that_cannot_be_written_is_told(single: Play, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (finding,) = single.run("h1", airflow_credentials_dir=str(tmp_path / "file"))["findings"]
    assert finding == f"The topology could not be derived: [Errno 17] File exists: '{tmp_path}/file'."


def test_variables_of_all_roles_are_known() -> None:
    assert {"airflow_version", "airflow_service_name", "airflow_health_timeout"} <= known_names()


def survey(play: Play, host: str, **play_variables: Any) -> dict[str, Any]:
    """The action's result where it is only to say what there is to look at."""
    return play.run(host, survey=True, **play_variables)


def test_a_survey_writes_nothing_and_has_no_plan_without_secrets(single: Play, tmp_path: Path) -> None:
    result = survey(single, "h1")
    assert os.listdir(tmp_path) == []
    assert (result["changed"], result["plan"], result["unread"]) == (False, None, {})
    assert "would be generated" in result["findings"][0]
    assert result["status"]["host"]["name"] == "h1"


def test_a_survey_has_the_plan_once_the_secrets_are_there(single: Play) -> None:
    plan = single.run("h1")["plan"]
    result = survey(single, "h1")
    assert (result["plan"], result["findings"]) == (plan, [])


def test_a_survey_tells_which_hosts_are_not_known(tmp_path: Path) -> None:
    play = Play(tmp_path, {"h1": {}, "h2": {}}, {"airflow": ["h1", "h2"], **{name: ["h1"] for name in ALL[1:]}, "airflow_worker": ["h2"]})
    play.hostvars["h2"] = {"inventory_dir": str(tmp_path), "__airflow_host": {"skipped": True}}
    result = survey(play, "h2")
    assert (result["unread"], result["plan"], result["findings"]) == ({"h2": None}, None, [])
    assert result["status"]["host"]["parts"] == ["worker"]


def test_a_survey_of_what_cannot_be_built_says_why(single: Play) -> None:
    result = survey(single, "h1", airflow_user="root")
    assert result["plan"] is None
    assert result["findings"] == ["airflow_user is root, as which tasks could do anything to the host: name another user."]
    assert result["status"]["installation"]["version"]


def test_what_was_looked_at_of_given_certificates_is_what_the_host_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All three are read by Ansible, once: it decrypts what Ansible Vault encrypted."""
    original = DataLoader.get_text_file_contents

    def decrypted(loader: DataLoader, path: str, **keywords: Any) -> str:
        return f"plain {path}" if path.startswith("/pki/") else str(original(loader, path, **keywords))

    def looked_at(files: Mapping[str, str], read_text: Any) -> GivenCertificate:
        return GivenCertificate(("198.18.0.2",), (), {name: read_text(path) for name, path in files.items()})

    monkeypatch.setattr(DataLoader, "get_text_file_contents", decrypted)
    monkeypatch.setattr("ansible_collections.updraft.airflow.plugins.action.airflow_topology.read_given", looked_at)
    files = {"airflow_tls_certificate": "/pki/h1.pem", "airflow_tls_key": "/pki/h1.key", "airflow_tls_ca": "/pki/ca.pem"}
    play = Play(tmp_path, {"h1": {"airflow_tls": "given", **files}}, {group: ["h1"] for group in ALL})
    result = play.run("h1")
    assert result["findings"] == []
    web = next(each for each in result["plan"]["certificates"] if each["name"] == "web")
    assert web["given"] == {"certificate": "plain /pki/h1.pem", "key": "plain /pki/h1.key", "authority": "plain /pki/ca.pem"}


def test_an_authority_that_is_gone_is_told_with_its_files(tmp_path: Path) -> None:
    record = {"version": "3.3.2", "engine": "postgresql", "executor": "LocalExecutor", "tls": "own_ca", "environment": {}}
    known = {"__airflow_host": {"airflow_host": {**INFO, "installation": record}}, "airflow_tls": "own_ca"}
    play = Play(tmp_path, {"h1": known}, {group: ["h1"] for group in ALL})
    folder = tmp_path / "credentials" / "airflow" / "tls"
    folder.mkdir(parents=True)

    def lacks() -> list[str]:
        return [each for each in play.run("h1")["findings"] if "own authority" in each]

    assert all(str(folder / name) in lacks()[0] for name in ("ca.crt.txt", "ca.key.txt"))
    (folder / "ca.crt.txt").write_text("certificate")
    assert "ca.crt.txt" not in lacks()[0]
    (folder / "ca.key.txt").write_text("key")
    assert lacks() == []
