# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the DAGs come from: what follows from `airflow_dags` for settings, packages and hosts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._dag_options import BUNDLES, NAME, kept_revisions, problems_of
from ._topology_model import Draft
from .airflow_options import looks_secret

BUNDLE_LIST = ("dag_processor", "dag_bundle_config_list")
PARSERS = ("scheduler", "dag_processor", "triggerer", "worker")
"""Daemons that read DAG files; on 2.x the webserver does too."""

# Programs that a bundle class calls, as packages of the distribution.
PROGRAMS = {"airflow.providers.git.": "git"}


def dag_options(draft: Draft) -> Mapping[str, Any]:
    """`airflow_dags` when nothing is wrong with it, else nothing."""
    options = draft.values[NAME] or {}
    return options if options and not problems_of(options) else {}


def comes_as_revision(draft: Draft) -> bool:
    """Whether the controller fetches the DAGs and hosts get them as a revision."""
    return dag_options(draft).get("source") in ("folder", "git", "s3")


def bundles(draft: Draft) -> list[Mapping[str, Any]]:
    """The bundles that Airflow 3 fetches itself."""
    options = dag_options(draft)
    return list(options[BUNDLES]) if options.get("source") == BUNDLES else []


def take_dag_source(draft: Draft) -> None:
    """The stage: requirements beside the DAGs are the user's own, and what was taken over no longer says where DAGs are."""
    revision = draft.inputs.dags or {}
    requirements = draft.values["airflow_requirements"]
    draft.values["airflow_requirements"] = list(dict.fromkeys([*requirements, *(revision.get("requirements") or [])]))
    section, option = BUNDLE_LIST
    if draft.values[NAME] and draft.adopted_settings.get(section, {}).pop(option, None) is not None:
        draft.notes.append(f"[{section}] {option} is not taken over: {NAME} says where DAGs come from.")


def bundle_storage(draft: Draft) -> str | None:
    """The folder in which bundles keep what they fetched, None without bundles."""
    return f"{draft.home}/dag_bundles" if bundles(draft) else None


def bundle_settings(draft: Draft) -> dict[str, dict[str, str]]:
    """The bundles as settings for airflow.cfg, without what looks like a secret."""
    storage = bundle_storage(draft)
    if storage is None:
        return {}
    section, option = BUNDLE_LIST
    return {section: {option: _bundle_list(draft, secrets=False), "dag_bundle_storage_path": storage}}


def secret_bundle_settings(draft: Draft) -> dict[str, dict[str, str]]:
    """The bundles in full, where they hold a secret: for the environment of the daemons that fetch them."""
    section, option = BUNDLE_LIST
    return {section: {option: _bundle_list(draft, secrets=True)}} if any(map(secret_kwargs, bundles(draft))) else {}


def secret_kwargs(bundle: Mapping[str, Any]) -> list[str]:
    """The arguments of a bundle that look like a secret."""
    return [name for name, value in (bundle.get("kwargs") or {}).items() if looks_secret(str(name), str(value))]


def _bundle_list(draft: Draft, secrets: bool) -> str:
    entries = []
    for bundle in bundles(draft):
        hidden = [] if secrets else secret_kwargs(bundle)
        kwargs = {name: value for name, value in (bundle.get("kwargs") or {}).items() if name not in hidden}
        entries.append({"name": bundle["name"], "classpath": bundle["classpath"], "kwargs": kwargs})
    return json.dumps(entries)


def bundle_programs(draft: Draft, name: str) -> list[str]:
    """Packages of the distribution that the bundles need on a host."""
    if not needs_dags(draft, name):
        return []
    found = {PROGRAMS[start] for bundle in bundles(draft) for start in PROGRAMS if str(bundle["classpath"]).startswith(start)}
    return sorted(found)


def needs_dags(draft: Draft, name: str) -> bool:
    """Whether a host parses or runs DAGs."""
    readers = PARSERS if draft.line >= 3 else ("webserver", *PARSERS)
    return any(name in draft.placement.get(daemon, ()) for daemon in readers)


def compared_dags(draft: Draft, name: str, folder: str) -> str | None:
    """The folder of DAGs of a host, where others have one as well and nothing here keeps them equal; else None."""
    is_shared = needs_dags(draft, name) and sum(needs_dags(draft, host) for host in draft.airflow_hosts) > 1
    return folder if is_shared and not dag_options(draft) else None


def present_dags(draft: Draft, name: str, folder: str) -> dict[str, Any] | None:
    """What is compared before anything is changed: this host's folder, and another host's where the run leaves that one alone."""
    if draft.taking_over and draft.adopted_on == name:
        # It comes to its new place when the installation is taken over.
        own = compared_dags(draft, name, str((draft.adopted or {}).get("dags_folder") or folder))
    else:
        own = compared_dags(draft, name, folder)
    if own is None:
        return None
    limited = draft.inputs.limited
    others = [host for host in draft.airflow_hosts if limited is not None and host not in limited and needs_dags(draft, host)]
    return {"folder": own, "left_alone": others[0] if others else None, "its_folder": folder}


def dag_plan(draft: Draft, name: str, link: str, owner: str) -> dict[str, Any] | None:
    """The revision that is to be on a host, as the module airflow_dag_revision takes it; None where none is needed."""
    revision = draft.inputs.dags
    if revision is None or not comes_as_revision(draft) or not needs_dags(draft, name):
        return None
    return {
        "revision": revision["revision"],
        "description": revision["description"],
        "folder": f"{draft.home}/dag_revisions",
        "link": link,
        "owner": owner,
        "keep": kept_revisions(dag_options(draft)),
        "keep_seconds": draft.values["airflow_longest_task_seconds"],
    }
