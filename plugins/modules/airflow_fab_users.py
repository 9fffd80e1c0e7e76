# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_fab_users
short_description: Create users of Airflow's FAB auth manager
version_added: 0.1.0
description:
  - Creates users in the metadata database through FAB's own security manager, all in one process.
  - A user that exists is left alone, with its password and roles, and reported.
  - No password gets into a command line.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells which users would be created. Without the interpreter that is all of them.
  diff_mode:
    support: none
    description: Only names are told.
options:
  interpreter:
    description: The Python interpreter of the Airflow installation.
    type: path
    required: true
  user:
    description: The system user to run as.
    type: str
  environment:
    description: Environment variables of Airflow, with C(AIRFLOW_HOME), C(AIRFLOW_CONFIG) and the database URL. No others are passed on.
    type: dict
    required: true
  users:
    description: The users.
    type: list
    elements: dict
    required: true
    suboptions:
      username:
        description: Name to log in with.
        type: str
        required: true
      password:
        description: The password. Either this or O(users[].password_hash) is needed.
        type: str
      password_hash:
        description: A hash as FAB stores it.
        type: str
      role:
        description: Name of a role that exists.
        type: str
        default: Viewer
      email:
        description: Mail address; the user name at C(localhost.localdomain) unless given. FAB wants one, and no two users share it.
        type: str
      first_name:
        description: First name; the user name unless given.
        type: str
      last_name:
        description: Last name.
        type: str
        default: User
  timeout:
    description: How many seconds it may take.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Create the administrator
  updraft.airflow.airflow_fab_users:
    interpreter: /opt/airflow/current/bin/python
    user: airflow
    environment:
      AIRFLOW_HOME: /opt/airflow
      AIRFLOW_CONFIG: /etc/airflow/airflow.cfg
      AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: "{{ database_url }}"
    users:
      - username: admin
        password: "{{ admin_password }}"
        role: Admin
"""

RETURN = r"""
created:
  description: Names of the users that were, or in check mode would be, created.
  returned: success
  type: list
  elements: str
existing:
  description: Names of the users that were there.
  returned: success
  type: list
  elements: str
"""

import os
import pwd
import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils import child_fab_users
from ansible_collections.updraft.airflow.plugins.module_utils.host_child import ChildError, base_environment, run_child


def complete(user: dict[str, Any]) -> dict[str, Any]:
    """The user with everything that FAB requires."""
    return {
        **user,
        "email": user["email"] or f"{user['username']}@localhost.localdomain",
        "first_name": user["first_name"] or user["username"],
    }


def create(module: AnsibleModule) -> dict[str, Any]:
    """Ask the child program, and say what it refused in one sentence."""
    parameters = module.params
    try:
        home = pwd.getpwnam(parameters["user"]).pw_dir if parameters["user"] else "/"
    except KeyError:
        module.fail_json(msg=f"There is no system user {parameters['user']}; create it before the users of Airflow.")
    given = {name: str(value) for name, value in parameters["environment"].items()}
    found = run_child(
        parameters["interpreter"],
        child_fab_users,
        {"check_mode": module.check_mode, "users": [complete(user) for user in parameters["users"]]},
        {**base_environment(home), **given},
        user=parameters["user"],
        timeout=parameters["timeout"],
    )
    if found.get("unknown_roles"):
        module.fail_json(
            msg=f"No users were created: there is no role {', '.join(found['unknown_roles'])}; "
            f"use one of {', '.join(found['known_roles'])}."
        )
    return {"changed": bool(found["created"]), "created": found["created"], "existing": found["existing"]}


def main() -> None:
    """Entry point."""
    user_options = {
        "username": {"type": "str", "required": True},
        "password": {"type": "str", "no_log": True},
        "password_hash": {"type": "str", "no_log": True},
        "role": {"type": "str", "default": "Viewer"},
        "email": {"type": "str"},
        "first_name": {"type": "str"},
        "last_name": {"type": "str", "default": "User"},
    }
    module = AnsibleModule(
        argument_spec={
            "interpreter": {"type": "path", "required": True},
            "user": {"type": "str"},
            "environment": {"type": "dict", "required": True, "no_log": True},
            "users": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": user_options,
                "required_one_of": [("password", "password_hash")],
                "mutually_exclusive": [("password", "password_hash")],
            },
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    interpreter = module.params["interpreter"]
    if not os.path.exists(interpreter):
        if module.check_mode:
            module.exit_json(changed=True, created=sorted(user["username"] for user in module.params["users"]), existing=[])
        module.fail_json(msg=f"There is no {interpreter}; install Airflow before its users are created.")
    try:
        module.exit_json(**create(module))
    except subprocess.TimeoutExpired:
        module.fail_json(msg=f"The users were not created within {module.params['timeout']} seconds; check that the database answers.")
    except ChildError as error:
        module.fail_json(msg=f"The users could not be created: {error}")


if __name__ == "__main__":
    main()
