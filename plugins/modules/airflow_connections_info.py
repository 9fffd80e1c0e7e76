# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_connections_info
short_description: Read connections of Airflow
version_added: 0.1.0
description:
  - Reads connections through Airflow's REST API.
  - Passwords are shown as V(***), and so are values in the extra whose keys look like secrets. Airflow 2 does not list them at all.
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
    description: Which connections; all unless given. One that does not exist is not an error.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Read the connections
  updraft.airflow.airflow_connections_info:
    url: http://localhost:8080
    username: admin
    password: "{{ airflow_admin_password }}"
  register: found
"""

RETURN = r"""
connections:
  description: The connections, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    conn_id:
      description: Name.
      type: str
    conn_type:
      description: Type.
      type: str
    description:
      description: A text about it.
      type: str
    host:
      description: Host.
      type: str
    login:
      description: User name.
      type: str
    schema:
      description: Schema.
      type: str
    port:
      description: Port.
      type: int
    password:
      description: V(***), or null where there is none. Airflow 3 only.
      type: str
    extra:
      description: The extra without secrets. Airflow 3 only.
      type: dict
airflow_version:
  description: Version of the Airflow that answered.
  returned: success
  type: str
"""

from ansible_collections.updraft.airflow.plugins.module_utils._objects_connections import Connections
from ansible_collections.updraft.airflow.plugins.module_utils._objects_module import run_info


def main() -> None:
    """Entry point."""
    run_info(Connections())


if __name__ == "__main__":
    main()
