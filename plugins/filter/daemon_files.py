# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a host's daemons: a unit each, and an environment with secrets for each component."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.updraft.airflow.plugins.filter.environment_file import environment_file

UNIT_FOLDER = "/etc/systemd/system"
SEPARATOR = "\x1e"
"""Between the units of the template that makes all of them."""


def unit_path(daemon: Mapping[str, Any]) -> str:
    """The file of a daemon's unit."""
    return f"{UNIT_FOLDER}/{daemon['unit']}.service"


def environment_path(plan: Mapping[str, Any], daemon: Mapping[str, Any]) -> str:
    """The file with the secrets of a component, which several workers of a host share."""
    return f"{plan['paths']['config_dir']}/{daemon['component']}.env"


def daemon_files(plan: Mapping[str, Any], units: str) -> list[dict[str, str]]:
    """Entries for airflow_files; `units` are the texts of all units in the daemons' order, parted by record separators."""
    daemons, texts = plan["daemons"], [text.strip("\n") for text in units.split(SEPARATOR) if text.strip("\n")]
    if len(texts) != len(daemons):
        raise AnsibleFilterError(f"There are {len(texts)} units for {len(daemons)} daemons.")
    owner = {"owner": "root", "group": "root"}
    environments = dict.fromkeys(environment_path(plan, daemon) for daemon in daemons)
    entries = [{"path": path, "mode": "0600", **owner} for path in environments]
    pairs: Iterable[tuple[Mapping[str, Any], str]] = zip(daemons, texts)
    return entries + [{"path": unit_path(daemon), "content": text + "\n", "mode": "0644", **owner} for daemon, text in pairs]


def daemon_secrets(plan: Mapping[str, Any]) -> dict[str, str]:
    """The environments by path, as the text of files."""
    return {environment_path(plan, daemon): environment_file(daemon["environment"]) for daemon in plan["daemons"]}


def daemon_reads(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """The paths that each unit alone reads."""
    return {
        f"{daemon['unit']}.service": [unit_path(daemon), environment_path(plan, daemon), *daemon["reads"]] for daemon in plan["daemons"]
    }


def component_files(plan: Mapping[str, Any], component: str) -> list[dict[str, str]]:
    """Entries for airflow_files that remove what a component has on a host; with the last one everything that holds a secret goes."""
    leaving = [daemon for daemon in plan["daemons"] if daemon["component"] == component]
    paths = [unit_path(daemon) for daemon in leaving] + [environment_path(plan, daemon) for daemon in leaving[:1]]
    if len(leaving) == len(plan["daemons"]):
        paths += [f"{plan['paths']['config_dir']}/{name}" for name in ("cli.env", "webserver_config.py", "installation.json")]
    return [{"path": path, "state": "absent"} for path in paths]


def expected_files(entries: Iterable[Mapping[str, Any]], secrets: Mapping[str, str], without: Sequence[str]) -> dict[str, dict[str, str]]:
    """What entries for airflow_files make, by path: the digest of a file, the target of a link. The contents themselves are not told."""
    found = {}
    for entry in entries:
        path, state = entry["path"], entry.get("state", "file")
        if path in without:
            continue
        if state == "link":
            found[path] = {"target": entry["target"]}
        elif state == "file":
            content = secrets.get(path, entry.get("content") or "")
            found[path] = {"sha256": hashlib.sha256(content.encode()).hexdigest()}
    return found


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "daemon_files": daemon_files,
            "daemon_secrets": daemon_secrets,
            "daemon_reads": daemon_reads,
            "component_files": component_files,
            "expected_files": expected_files,
        }
