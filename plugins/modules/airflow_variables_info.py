# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_variables_info
short_description: Read variables of Airflow
version_added: 0.1.0
description:
  - Reads variables through Airflow's REST API.
  - Values of variables whose names look like secrets are shown as V(***), on Airflow 2 too.
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
    description: Which variables; all unless given. One that does not exist is not an error.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Read the variables
  updraft.airflow.airflow_variables_info:
    url: http://localhost:8080
    username: admin
    password: "{{ airflow_admin_password }}"
  register: found
"""

RETURN = r"""
variables:
  description: The variables, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: Name.
      type: str
    value:
      description: The value as text, without secrets.
      type: str
    description:
      description: A text about it.
      type: str
airflow_version:
  description: Version of the Airflow that answered.
  returned: success
  type: str
"""

from ansible_collections.updraft.airflow.plugins.module_utils._objects_module import run_info
from ansible_collections.updraft.airflow.plugins.module_utils._objects_others import Variables


def main() -> None:
    """Entry point."""
    run_info(Variables())


if __name__ == "__main__":
    main()
