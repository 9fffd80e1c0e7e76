# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_db_migrate
short_description: Bring the schema of a metadata database to an Airflow version
version_added: 0.1.0
description:
  - Runs C(airflow db migrate) of one installed version, only when the schema is not at that version's revision yet.
  - The revision is read by SQL and the version's own from its installed files, so that a database that is up to date starts no Airflow.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells whether the schema would be changed.
  diff_mode:
    support: full
    description: Shows the revision before and after.
extends_documentation_fragment:
  - updraft.airflow.database
options:
  venv:
    description: The version's virtual environment.
    type: path
    required: true
  user:
    description: The user to run Airflow as.
    type: str
    required: true
  environment:
    description: Environment variables for Airflow, the address of the database among them.
    type: dict
    required: true
  database:
    description: The metadata database, for reading its revision.
    required: true
  timeout:
    description: Seconds after which the migration is given up.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Bring the schema to the version
  updraft.airflow.airflow_db_migrate:
    venv: /opt/airflow/current
    user: airflow
    environment: "{{ environment }}"
    database: "{{ database }}"
"""

RETURN = r"""
revision:
  description: The schema's revision at the end.
  returned: success
  type: str
before:
  description: The schema's revision at the start; empty for an empty database.
  returned: success
  type: str
"""

import ast
import glob
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._command import CommandError, run_airflow
from ansible_collections.updraft.airflow.plugins.module_utils._database import ARGUMENTS, Database, DatabaseError
from ansible_collections.updraft.airflow.plugins.module_utils._venv import site_packages


def head_of(venv: str) -> str | None:
    """The schema revision of the Airflow in the environment, read from its table of heads without running it."""
    packages = site_packages(venv)
    if packages is None:
        return None
    with open(os.path.join(packages, "airflow", "utils", "db.py"), encoding="utf-8") as handle:
        tree = ast.parse(handle.read())
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == "_REVISION_HEADS_MAP" for target in targets):
            heads: dict[str, str] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
            return list(heads.values())[-1]
    return None


def has_fab(venv: str) -> bool:
    """Whether `airflow db migrate` of the environment also migrates FAB's tables: from 3.0 on, which came with apache-airflow-core."""
    packages = site_packages(venv) or venv
    core = glob.glob(os.path.join(packages, "apache_airflow_core-*.dist-info"))
    return bool(core and glob.glob(os.path.join(packages, "airflow", "providers", "fab", "migrations", "versions", "*.py")))


def is_current(database: Database, venv: str) -> tuple[str | None, bool]:
    """The schema's revision, and whether nothing is left to migrate."""
    revision = database.revision()
    current = revision is not None and revision == head_of(venv)
    if current and has_fab(venv):
        current = database.revision("alembic_version_fab") is not None
    return revision, current


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "venv": {"type": "path", "required": True},
            "user": {"type": "str", "required": True},
            # Each value that is a secret is hidden on its own; names of variables are no secret.
            "environment": {"type": "dict", "required": True, "no_log": True},
            "database": ARGUMENTS,
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    database = Database(parameters["database"])
    if module.check_mode and not os.path.exists(os.path.join(parameters["venv"], "bin", "airflow")):
        module.exit_json(changed=True, before="", revision="")
    try:
        before, current = (None, False)
        if database.engine != "sqlite" or os.path.exists(parameters["database"]["path"]):
            before, current = is_current(database, parameters["venv"])
    except DatabaseError as error:
        if module.check_mode:
            module.exit_json(changed=True, before="", revision="", msg=str(error))
        module.fail_json(msg=str(error))
    head = head_of(parameters["venv"]) or ""
    result: dict[str, Any] = {"before": before or "", "revision": head}
    if current:
        module.exit_json(changed=False, **result)
    result["diff"] = {"before": f"{before or 'no schema'}\n", "after": f"{head}\n"}
    if not module.check_mode:
        try:
            run_airflow(parameters["venv"], parameters["user"], ["db", "migrate"], parameters["environment"], parameters["timeout"])
        except CommandError as error:
            module.fail_json(msg=str(error))
        after, current = is_current(database, parameters["venv"])
        if not current:
            module.fail_json(msg=f"airflow db migrate ended, but the schema of {database.place} is at {after} and not at {head}.")
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
