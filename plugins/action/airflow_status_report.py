# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a status of what was found on all hosts, shows it, and writes it on the controller."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_page import page
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_report import Look, make_report
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_text import lines_of

FACTS = "__airflow_facts"
HOST = "__airflow_host"
PLAN = "__airflow"
FOUND = "__airflow_status"
HIDDEN_FOLDER = ".status"
"""Beside the inventory. Ansible takes every file in an inventory's folder for an inventory, but for what is hidden."""


class ActionModule(ActionBase):
    """Show the status of the installation, and keep it as JSON and as a page."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS: frozenset[str] = frozenset({"folder"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Nothing of a host changes, so nothing is reported as changed."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        try:
            report = report_of(variables)
            text = "\n".join(lines_of(report))
            Display().display(f"\n{text}\n")
            folder = self._folder(variables, report["installation"]["name"])
            paths = {} if self._task.check_mode else write(folder, report)
        except (AnsibleError, OSError) as error:
            return {"failed": True, "msg": f"The status could not be told: {str(error).strip().rstrip('.')}."}
        except Exception as error:
            return {"failed": True, "msg": f"The status could not be told: {unforeseen(error)}."}
        told = [problem["text"] for problem in report["problems"] if problem["level"] != "notice"]
        return {"changed": False, "verdict": report["verdict"], "summary": report["summary"], "problems": told, **paths}

    def _folder(self, task_vars: Mapping[str, Any], installation: str) -> str:
        """As everywhere in this collection, a relative path starts at the inventory."""
        base = str(task_vars.get("inventory_dir") or self._loader.get_basedir())
        wanted = str(self._task.args.get("folder") or "") or os.path.join(HIDDEN_FOLDER, installation)
        return os.path.normpath(os.path.join(base, os.path.expanduser(wanted)))


def report_of(task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """The report about what the play's hosts registered. Raises AnsibleError."""
    hostvars = task_vars["hostvars"]
    asked = {name: hostvars[name].get(PLAN) or {} for name in task_vars["ansible_play_hosts_all"]}
    survey = next((found for found in asked.values() if found.get("status")), None)
    if survey is None:
        findings = list(dict.fromkeys(finding for found in asked.values() for finding in found.get("findings") or ()))
        raise AnsibleError(" ".join(findings[:3]) or "no host of the play has a part in the installation")
    installation = {**survey["status"]["installation"], "is_planned": survey["plan"] is not None}
    looks = [look_of(name, parts, hostvars, asked) for name, parts in installation["hosts"].items() if parts]
    report: dict[str, Any] = plain(make_report(installation, looks, time.time(), notes_of(survey)))
    return report


def look_of(name: str, parts: list[str], hostvars: Mapping[str, Any], asked: Mapping[str, Any]) -> Look:
    """What is known of one host."""
    outline = (asked.get(name) or {}).get("status")
    variables = hostvars[name] if name in asked else {}
    results = [variables.get(key) or {} for key in (FACTS, HOST, FOUND)]
    lost = next((result for result in results if result.get("unreachable")), None)
    failed = next((result for result in results if result.get("msg") and not result.get("unreachable")), None)
    found = (variables.get(FOUND) or {}).get("status")
    reason = " ".join(str((lost or failed or {}).get("msg") or "").removeprefix("Task failed: ").split()).rstrip(".")
    return Look(
        name, parts, outline["host"] if outline else None, None if lost else found, reason if found is None or lost else "", lost is None
    )


def notes_of(survey: Mapping[str, Any]) -> list[str]:
    """Why the hosts could not be compared with the inventory, where that is so."""
    unread = [name for name, reason in survey["unread"].items() if not reason]
    failed = [f"{name} could not be read ({reason.rstrip('.')})" for name, reason in survey["unread"].items() if reason]
    notes = [f"Not compared with the inventory, as nothing is known of {', '.join(unread)}"] if unread else []
    notes += [f"Not compared with the inventory: {sentence}" for sentence in failed]
    return notes + [f"Not compared with the inventory, which site would refuse: {finding}" for finding in survey["findings"]]


def plain(value: Any) -> Any:
    """A value without Ansible's own types, as JSON has it."""
    return json.loads(json.dumps(value, default=str))


def write(folder: str, report: Mapping[str, Any]) -> dict[str, str]:
    """Write both files, each at once, and return where they are. They name hosts and versions: only their owner reads them."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    paths = {}
    for name, text in (("json", json.dumps(report, indent=2, ensure_ascii=False) + "\n"), ("html", page(report))):
        path = os.path.join(folder, f"status.{name}")
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".status.{name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(temporary, path)
        paths[name] = path
    return paths
