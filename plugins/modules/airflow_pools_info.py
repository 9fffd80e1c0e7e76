# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_pools_info
short_description: Read pools of Airflow
version_added: 0.1.0
description:
  - Reads pools through Airflow's REST API.
  - Shows how the slots are used, too.
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
    description: Which pools; all unless given. One that does not exist is not an error.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Read the pools
  updraft.airflow.airflow_pools_info:
    url: http://localhost:8080
    username: admin
    password: "{{ airflow_admin_password }}"
  register: found
"""

RETURN = r"""
pools:
  description: The pools, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name.
      type: str
    slots:
      description: Slots; V(-1) is any number.
      type: int
    description:
      description: A text about it.
      type: str
    include_deferred:
      description: Whether deferred tasks take up slots.
      type: bool
    occupied_slots:
      description: Slots taken by running and queued tasks.
      type: int
    running_slots:
      description: Slots of running tasks.
      type: int
    queued_slots:
      description: Slots of queued tasks.
      type: int
    scheduled_slots:
      description: Slots of scheduled tasks.
      type: int
    deferred_slots:
      description: Slots of deferred tasks.
      type: int
    open_slots:
      description: Free slots.
      type: int
airflow_version:
  description: Version of the Airflow that answered.
  returned: success
  type: str
"""

from ansible_collections.updraft.airflow.plugins.module_utils._objects_module import run_info
from ansible_collections.updraft.airflow.plugins.module_utils._objects_others import Pools


def main() -> None:
    """Entry point."""
    run_info(Pools())


if __name__ == "__main__":
    main()
