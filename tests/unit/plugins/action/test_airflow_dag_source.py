# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action that asks the source of the DAGs, and the one that brings a revision to hosts."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.updraft.airflow.plugins.action.airflow_dag_revision import ActionModule as RevisionAction
from ansible_collections.updraft.airflow.plugins.action.airflow_dag_source import ActionModule as SourceAction


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, Any]:
    """What a task sees on a host whose inventory has a folder of DAGs."""
    (tmp_path / "dags").mkdir()
    # Archives are shared by name within a run, and this is one run.
    (tmp_path / "dags" / "a.py").write_text(str(tmp_path))
    (tmp_path / "dags" / "requirements.txt").write_text("rich\n")
    options = {"source": "folder", "path": trust_as_template("{{ 'da' ~ 'gs' }}")}
    return {"inventory_dir": str(tmp_path), "airflow_dags": options, "hostvars": {}}


def action(kind: type, variables: dict[str, Any], **arguments: Any) -> Any:
    """An action as a play would run it."""
    loader = DataLoader()
    return kind(
        task=MagicMock(args=arguments, check_mode=False, async_val=0, delegate_to=None, diff=False),
        connection=MagicMock(),
        play_context=MagicMock(check_mode=False),
        loader=loader,
        templar=Templar(loader=loader, variables=variables),
        shared_loader_obj=None,
    )


def ask(variables: dict[str, Any]) -> Any:
    """What the source says."""
    result = action(SourceAction, variables).run(task_vars=variables)
    assert result["changed"] is False
    return result["dags"]


def test_a_relative_path_starts_at_the_inventory(variables: dict[str, Any]) -> None:
    found = ask(variables)
    assert found["revision"].startswith("folder-")
    assert (found["requirements"], found["base_dir"]) == (["rich"], variables["inventory_dir"])


def test_what_another_batch_of_hosts_got_counts(variables: dict[str, Any], tmp_path: Path) -> None:
    first = ask(variables)
    (tmp_path / "dags" / "a.py").write_text("2")
    assert ask(variables) != first
    variables |= {"ansible_play_hosts_all": ["h1", "h2"], "hostvars": {"h1": {"__airflow_dag_source": {"dags": first}}, "h2": {}}}
    assert ask(variables) == first


@pytest.mark.parametrize("options", ["dags", {"source": "folder"}, {"source": "bundles", "bundles": [{"name": "a", "classpath": "b.C"}]}])
def test_what_the_topology_tells_is_not_asked_for(variables: dict[str, Any], options: Any) -> None:
    assert ask({**variables, "airflow_dags": options}) is None


def test_findings_are_no_failure(variables: dict[str, Any], tmp_path: Path) -> None:
    found = ask({**variables, "airflow_dags": {"source": "folder", "path": "none"}})
    assert found == {"findings": [f"There is no folder {tmp_path}/none on the controller: correct airflow_dags.path."]}
    undefined = ask({**variables, "airflow_dags": trust_as_template("{{ nobody_said }}")})
    assert undefined == {"findings": ["The source of the DAGs could not be read: 'nobody_said' is undefined."]}


class Host(RevisionAction):
    """A host that remembers what it was sent."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.has_it = False
        self.sent: list[set[str]] = []
        self.calls: list[dict[str, Any]] = []

    def _execute_module(self, _name: str = "", module_args: Any = None, **_keywords: Any) -> dict[str, Any]:
        self.calls.append(module_args)
        self.has_it = self.has_it or "archive" in module_args
        return {"changed": "archive" in module_args, "missing": not self.has_it or "archive" in module_args}

    def _transfer_file(self, local_path: str, _remote_path: str) -> None:
        with tarfile.open(local_path) as archive:
            self.sent.append(set(archive.getnames()))

    def _make_tmp_path(self, *_arguments: Any) -> str:
        return "/tmp/x"

    def _remove_tmp_path(self, *_arguments: Any, **_keywords: Any) -> None:
        pass


@pytest.fixture
def fetched(variables: dict[str, Any]) -> dict[str, Any]:
    """The variables after the source was asked."""
    return {**variables, "__airflow_dag_source": {"dags": ask(variables)}}


def test_an_archive_is_sent_once(fetched: dict[str, Any]) -> None:
    revision = fetched["__airflow_dag_source"]["dags"]["revision"]
    host = action(Host, fetched, phase="fetch", revision=revision)
    assert host.run(task_vars=fetched)["changed"] is True
    assert host.sent == [{"a.py", "requirements.txt"}]
    assert host.run(task_vars=fetched)["changed"] is False
    assert [("archive" in call) for call in host.calls] == [False, True, False]


def test_one_archive_serves_all_hosts(fetched: dict[str, Any], tmp_path: Path) -> None:
    revision = fetched["__airflow_dag_source"]["dags"]["revision"]
    action(Host, fetched, phase="fetch", revision=revision).run(task_vars=fetched)
    (tmp_path / "dags" / "a.py").unlink()
    second = action(Host, fetched, phase="fetch", revision=revision)
    second.run(task_vars=fetched)
    assert second.sent == [{"a.py", "requirements.txt"}]


def test_a_source_that_changed_is_told(fetched: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "dags" / "b.py").write_text("")
    host = action(Host, fetched, phase="fetch", revision=fetched["__airflow_dag_source"]["dags"]["revision"])
    result = host.run(task_vars=fetched)
    assert (result["failed"], host.sent) == (True, [])
    assert result["msg"] == f"{tmp_path}/dags on the controller changed during the run: run again."
