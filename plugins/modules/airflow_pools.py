# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_pools
short_description: Manage pools of Airflow
version_added: 0.1.0
description:
  - Creates, changes and removes pools through Airflow's REST API, all that are listed in one call. Others are left alone.
  - Of a pool that exists, keys that are not given stay as they are.
  - Everything wrong with the input is found before anything is changed, and told at once.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells what would be done. Where nothing answers yet, that is everything, and a warning says so.
  diff_mode:
    support: full
    description: Shows what changes.
extends_documentation_fragment:
  - updraft.airflow.api
  - updraft.airflow.api.refusal
options:
  pools:
    description: The pools, each with its name.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the pool.
        type: str
        required: true
      state:
        description: Whether there is to be one.
        type: str
        choices: [present, absent]
        default: present
      slots:
        description: How many tasks it lets run at once; V(-1) is any number. A new pool needs it.
        type: int
      description:
        description: A text about it. V("") takes it away.
        type: str
      include_deferred:
        description: Whether deferred tasks take up slots. V(false) for a new pool.
        type: bool
"""

EXAMPLES = r"""
- name: Describe the pools
  updraft.airflow.airflow_pools:
    url: http://localhost:8080
    username: admin
    password: "{{ airflow_admin_password }}"
    pools:
      - name: default_pool
        slots: 64
      - name: warehouse
        slots: 4
        description: What the warehouse can bear.
        include_deferred: true

- name: Describe everything with one login
  module_defaults:
    group/updraft.airflow.api:
      url: http://localhost:8080
      username: admin
      password: "{{ airflow_admin_password }}"
  block:
    - name: Describe the pools
      updraft.airflow.airflow_pools:
        pools: "{{ pools }}"

    - name: Describe the variables
      updraft.airflow.airflow_variables:
        variables: "{{ variables }}"
        digests_file: credentials/airflow/object_digests.txt
"""

RETURN = r"""
created:
  description: Names of the pools that were, or in check mode would be, created.
  returned: unless the input or the login is refused
  type: list
  elements: str
updated:
  description: Names of those that were changed.
  returned: unless the input or the login is refused
  type: list
  elements: str
removed:
  description: Names of those that were removed.
  returned: unless the input or the login is refused
  type: list
  elements: str
login_refused:
  description: Whether the user was not let in, and nothing was looked at or changed.
  returned: unless the input is refused
  type: bool
airflow_version:
  description: Version of the Airflow that answered.
  returned: unless the input or the login is refused
  type: str
findings:
  description: Everything that is wrong with the input, a sentence each. Nothing was changed.
  returned: when there is something
  type: list
  elements: str
not_done:
  description: Names of the pools that were not dealt with, as the API refused something.
  returned: when the API refused something
  type: list
  elements: str
maybe_done:
  description: Names of the pools whose request got no answer.
  returned: when the API refused something
  type: list
  elements: str
"""

from ansible_collections.updraft.airflow.plugins.module_utils._objects_module import ObjectsModule
from ansible_collections.updraft.airflow.plugins.module_utils._objects_others import Pools


def main() -> None:
    """Entry point."""
    ObjectsModule(Pools()).run()


if __name__ == "__main__":
    main()
