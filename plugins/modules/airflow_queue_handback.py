# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_queue_handback
short_description: Hand tasks that wait in Celery's queues back to Airflow's scheduler
version_added: 0.1.0
description:
  - For the time between two executors, or two brokers, when no scheduler and no worker runs. A task that was sent to a queue and was not
    started yet is set back to C(scheduled) in the metadata database, and its message is taken from the queue, so that the next executor
    starts it and nobody starts it a second time.
  - Messages of tasks that the database does not have as C(queued) stay where they are.
  - The database is changed before a message is taken. A run that is killed between the two leaves a message whose task is no longer queued,
    which a worker refuses.
  - Where the broker does not answer, every task that the database has as C(queued) is set back, and a warning says so. Nothing else would
    start them, as the broker is being left.
  - Runs on the Python of Airflow's virtual environment, which has kombu and SQLAlchemy.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Says nothing of single tasks in check mode, as they may be started until the scheduler is stopped.
  diff_mode:
    support: none
    description: The tasks are returned.
options:
  broker_url:
    description: The address of the broker.
    type: str
    required: true
  broker_ssl:
    description:
      - How the broker is verified, as Celery's C(broker_use_ssl). Needed where the address begins with V(rediss) or V(amqps).
    type: dict
  database_url:
    description: The SQLAlchemy address of the metadata database.
    type: str
    required: true
  queues:
    description: Queues to look into, besides those of the tasks that are C(queued) in the database.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Hand waiting tasks back to the scheduler
  updraft.airflow.airflow_queue_handback:
    broker_url: "{{ broker_url }}"
    database_url: "{{ database_url }}"
  vars:
    ansible_python_interpreter: /opt/airflow/current/bin/python
"""

RETURN = r"""
tasks:
  description: The tasks that were handed back.
  returned: success
  type: list
  elements: str
  sample: [my_dag/manual__2026-11-21/extract]
left:
  description: How many messages stayed in the queues, as their tasks are not queued.
  returned: success
  type: int
broker_answered:
  description: Whether the broker could be asked. Where it could not, all queued tasks were handed back.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._queue_handback import HandbackError, hand_back


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "broker_url": {"type": "str", "required": True, "no_log": True},
            "broker_ssl": {"type": "dict"},
            "database_url": {"type": "str", "required": True, "no_log": True},
            "queues": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, tasks=[], left=0, broker_answered=True)
    try:
        done = hand_back(module.params["broker_url"], module.params["database_url"], module.params["queues"], module.params["broker_ssl"])
    except HandbackError as error:
        module.fail_json(msg=str(error))
    if done.broker_error:
        module.warn(
            f"The broker that is left does not answer ({done.broker_error}), so every task that waited was handed back to the scheduler "
            "without it: should it come back, no worker may read its old queues."
        )
    module.exit_json(changed=bool(done.tasks), tasks=done.tasks, left=done.left, broker_answered=not done.broker_error)


if __name__ == "__main__":
    main()
