# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_dag_revision
short_description: Store a revision of the DAGs on a host, or switch to it
version_added: 0.1.0
description:
  - Revisions lie side by side in one folder, and a link that Airflow knows as its DAGs folder leads to one of them.
  - V(fetch) sends the files that a task with M(updraft.airflow.airflow_dag_source) found, only to a host that does not have them yet. The
    link stays as it is.
  - V(switch) changes the link in one step. Run it when V(fetch) is done on all hosts.
  - A revision that was changed by hand is stored anew; what was there is kept beside it.
  - A plain folder in the link's place is never lost. V(fetch) says which of its files the revision lacks, V(switch) renames it.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells what would be stored or switched.
  diff_mode:
    support: full
    description: Shows the revisions, not the files.
options:
  phase:
    description: What to do.
    type: str
    choices: [fetch, switch]
    required: true
  revision:
    description: The revision's name.
    type: str
    required: true
  description:
    description: What it is, for people who read the record beside it.
    type: str
    default: ""
  folder:
    description: The folder of all revisions.
    type: path
    required: true
  link:
    description: The DAGs folder that Airflow knows.
    type: path
    required: true
  owner:
    description: The user that may write compiled files beside the modules. Everything else is root's.
    type: str
    required: true
  keep:
    description: How many revisions stay, the one in use included.
    type: int
    default: 3
  keep_seconds:
    description: How long a revision stays in any case after it went out of use, because a task that runs may still read it.
    type: int
    default: 86400
  archive:
    description: The revision's files on the host. The action plugin sends them and fills this in.
    type: path
"""

EXAMPLES = r"""
- name: Bring the DAGs to all hosts
  updraft.airflow.airflow_dag_revision:
    phase: fetch
    revision: git-3f2a9c81b0de-5d41402a
    folder: /opt/airflow/dag_revisions
    link: /opt/airflow/dags
    owner: airflow

- name: Switch to them
  updraft.airflow.airflow_dag_revision:
    phase: switch
    revision: git-3f2a9c81b0de-5d41402a
    folder: /opt/airflow/dag_revisions
    link: /opt/airflow/dags
    owner: airflow
"""

RETURN = r"""
current:
  description: Whether the link leads to the revision.
  returned: always
  type: bool
missing:
  description: Whether the revision was, or in check mode is, to be stored.
  returned: when O(phase) is V(fetch)
  type: bool
sentences:
  description: What somebody should know about files that were in the way.
  returned: always
  type: list
  elements: str
pruned:
  description: Revisions that were removed.
  returned: when O(phase) is V(switch)
  type: list
  elements: str
"""

import os
import pwd
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils.host_dag_revisions import RevisionError, Revisions, some


def fetch(module: AnsibleModule, revisions: Revisions) -> dict[str, Any]:
    """Store the revision where it is not whole."""
    parameters = module.params
    revision = parameters["revision"]
    refuse_mount(parameters["link"])
    missing = not revisions.is_whole(revision)
    sentences = []
    if missing and parameters["archive"]:
        kept = revisions.store(revision, parameters["archive"], parameters["description"], parameters["owner"])
        if kept:
            sentences.append(f"{revisions.path(revision)} was changed by hand: it is written anew, and what was there is kept as {kept}.")
    sentences += in_the_way(revisions, revision)
    return {"changed": missing, "missing": missing, "current": revisions.current() == revision, "sentences": sentences}


def in_the_way(revisions: Revisions, revision: str) -> list[str]:
    """What will happen to a plain folder in the link's place."""
    others = revisions.in_the_way(revision)
    if not others:
        return []
    unlike = "the revision does not have, or has otherwise" if revisions.record(revision) else "may not be in the revision"
    return [
        f"{revisions.link} is a folder with files that {unlike} ({some(others)}): the folder will be kept beside it as "
        f"{os.path.basename(revisions.link)}.before-{revision}, and Airflow will read the revision only."
    ]


def switch(module: AnsibleModule, revisions: Revisions) -> dict[str, Any]:
    """Change the link, and remove what is old enough."""
    parameters = module.params
    revision, before = parameters["revision"], revisions.current()
    result: dict[str, Any] = {"changed": before != revision, "current": True, "pruned": [], "sentences": []}
    if before == revision:
        return result
    result["diff"] = {"before": f"{before or 'no revision'}\n", "after": f"{revision}\n"}
    if module.check_mode:
        return result
    kept = revisions.switch(revision)
    if kept:
        result["sentences"] = [f"What was in {parameters['link']} is kept as {kept}."]
    result["pruned"] = revisions.prune(parameters["keep"], parameters["keep_seconds"])
    return result


def refuse_mount(path: str) -> None:
    """What is mounted cannot be renamed."""
    if not os.path.islink(path) and os.path.ismount(path):
        raise RevisionError(f"{path} is mounted from elsewhere, so a link cannot take its place: unmount it, or remove airflow_dags.")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"choices": ["fetch", "switch"], "required": True},
            "revision": {"type": "str", "required": True},
            "description": {"type": "str", "default": ""},
            "folder": {"type": "path", "required": True},
            "link": {"type": "path", "required": True},
            "owner": {"type": "str", "required": True},
            "keep": {"type": "int", "default": 3},
            "keep_seconds": {"type": "int", "default": 86400},
            "archive": {"type": "path"},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    revisions = Revisions(parameters["folder"], parameters["link"])
    if parameters["phase"] == "fetch" and parameters["archive"]:
        try:
            pwd.getpwnam(parameters["owner"])
        except KeyError:
            module.fail_json(msg=f"There is no user {parameters['owner']}: create it before the DAGs are stored.")
    try:
        result = (fetch if parameters["phase"] == "fetch" else switch)(module, revisions)
    except RevisionError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The DAGs' revision {parameters['revision']} could not be put in place: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
