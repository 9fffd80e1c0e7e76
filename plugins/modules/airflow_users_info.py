# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_users_info
short_description: Read users of Airflow
version_added: 0.1.0
description:
  - Reads users through Airflow's REST API.
  - Shows when they logged in last, too.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
extends_documentation_fragment:
  - updraft.airflow.api
options:
  names:
    description: Which users; all unless given. One that does not exist is not an error.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Read the users
  updraft.airflow.airflow_users_info:
    url: http://localhost:8080
    username: admin
    password: "{{ airflow_admin_password }}"
  register: found
"""

RETURN = r"""
users:
  description: The users, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    username:
      description: Name to log in with.
      type: str
    email:
      description: Mail address.
      type: str
    first_name:
      description: First name.
      type: str
    last_name:
      description: Last name.
      type: str
    roles:
      description: Names of the roles.
      type: list
      elements: str
    active:
      description: Whether the user may log in.
      type: bool
    last_login:
      description: When the user logged in last.
      type: str
    login_count:
      description: How often that was.
      type: int
    fail_login_count:
      description: How often it failed since.
      type: int
    created_on:
      description: When the user was created.
      type: str
    changed_on:
      description: When the user was changed last.
      type: str
airflow_version:
  description: Version of the Airflow that answered.
  returned: success
  type: str
"""

from ansible_collections.updraft.airflow.plugins.module_utils._objects_module import run_info
from ansible_collections.updraft.airflow.plugins.module_utils._objects_users import Users


def main() -> None:
    """Entry point."""
    run_info(Users())


if __name__ == "__main__":
    main()
