# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_broker_check
short_description: Check a broker that somebody else looks after
version_added: 0.1.0
description:
  - Connects to Redis or RabbitMQ with Airflow's login, and makes and removes a queue of its own there.
  - Refuses a Redis Cluster and a replica. Warns of a Redis that may lose tasks.
  - Runs on the Python of Airflow's virtual environment, which has kombu.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Does the same in check mode, as nothing is left behind.
  diff_mode:
    support: none
    description: Nothing is changed.
options:
  url:
    description: The address of the broker, with its password.
    type: str
    required: true
  ssl:
    description:
      - How the broker is verified, as Celery's C(broker_use_ssl). Needed where the address begins with V(rediss) or V(amqps).
    type: dict
  name:
    description: The broker's place, for messages.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Look at the broker
  updraft.airflow.airflow_broker_check:
    url: "{{ broker_url }}"
    name: broker.example.org:6379
  vars:
    ansible_python_interpreter: /opt/airflow/current/bin/python
"""

RETURN = r"""
warnings_told:
  description: What may go wrong with this broker.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._broker_check import BrokerError, check_broker


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True, "no_log": True},
            "ssl": {"type": "dict"},
            "name": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        warnings = check_broker(module.params["url"], module.params["name"], module.params["ssl"])
    except BrokerError as error:
        module.fail_json(msg=f"{error}.")
    for warning in warnings:
        module.warn(warning)
    module.exit_json(changed=False, warnings_told=warnings)


if __name__ == "__main__":
    main()
