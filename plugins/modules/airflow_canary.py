# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_canary
short_description: Run a task on every queue of an Airflow installation and read its log through the API
version_added: 0.1.0
description:
  - Triggers one run of the DAG C(updraft_canary), which has a task for each queue, waits until every task has ended, and looks in each
    task's log for what only this run could have written.
  - The DAG must be on its way into the database, see M(updraft.airflow.airflow_canary_dag).
  - Whatever comes of it, the run, its pool and the DAG are removed at the end; what an earlier canary left is removed at the start.
  - A queue whose slots are all taken by other tasks is a warning and no failure.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Does nothing in check mode.
  diff_mode:
    support: none
    description: Leaves nothing that could differ.
extends_documentation_fragment:
  - updraft.airflow.api
options:
  state:
    description: Whether a canary is to be run, or only what may be left of one removed.
    type: str
    choices: [present, absent]
    default: present
  queues:
    description: The queues, in the order in which the DAG has them. Needed with O(state=present).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the queue.
        type: str
        required: true
      servers:
        description: Who takes tasks from it, for messages.
        type: list
        elements: str
        required: true
      slots:
        description: How many tasks they run at once; V(0) is any number.
        type: int
        required: true
      siblings:
        description: All queues whose tasks take these slots. Without one, those of every task.
        type: list
        elements: str
        default: []
  schedulers:
    description: Who sends tasks to the queues, for messages.
    type: list
    elements: str
    default: []
  parsers:
    description: Who reads DAG files, for messages.
    type: list
    elements: str
    default: []
  slots:
    description: How many tasks the schedulers let run at once, V(0) for any number. Needed with O(state=present).
    type: int
  wait:
    description: Seconds that the DAG may take to be there, and then each task to end.
    type: int
    default: 120
  refusal_is_a_result:
    description: Whether a login that is refused is told by RV(login_refused) in place of a failure.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Run a task on both queues
  updraft.airflow.airflow_canary:
    url: http://localhost:8080
    username: updraft
    password: "{{ airflow_api_password }}"
    slots: 16
    queues:
      - name: default
        servers: [airflow-worker on worker1, airflow-worker on worker2]
        slots: 16
        siblings: [default]
      - name: reports
        servers: [airflow-worker@reports on worker1]
        slots: 2
        siblings: [reports]
"""

RETURN = r"""
login_refused:
  description: Whether the user was not let in, and nothing was run.
  returned: success
  type: bool
proven:
  description: Whether every queue ran its task and every log could be read.
  returned: success
  type: bool
queues:
  description: The queues that ran their task, with the host that did and the seconds it took.
  returned: success
  type: list
  elements: dict
  sample: [{"queue": "default", "host": "worker1", "seconds": 0.3}]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._api_client import (
    ARGUMENTS,
    DENIED,
    ONE_OF,
    TOGETHER,
    WORTH_A_SESSION,
    ApiClient,
    server_of,
)
from ansible_collections.updraft.airflow.plugins.module_utils._api_http import ApiError
from ansible_collections.updraft.airflow.plugins.module_utils._canary import Canary, Flight, Queue, Site
from ansible_collections.updraft.airflow.plugins.module_utils._canary_api import CanaryApi


def site_of(parameters: dict[str, Any]) -> Site:
    """What the arguments say of the installation."""
    queues = [
        Queue(queue["name"], tuple(queue["servers"]), queue["slots"], tuple(queue["siblings"])) for queue in parameters["queues"] or []
    ]
    return Site(queues, tuple(parameters["schedulers"]), tuple(parameters["parsers"]), parameters["slots"] or 0)


def visit(client: ApiClient, parameters: dict[str, Any]) -> Flight | None:
    """Do what is wanted; None when nobody was let in and that is no failure."""
    api = CanaryApi(client)
    canary = Canary(api, site_of(parameters), parameters["wait"])
    try:
        client.open()
        # Airflow 2 lets passwords in by its login page only, unless somebody allowed it otherwise.
        client.expect(WORTH_A_SESSION)
        api.knock()
    except ApiError as error:
        if parameters["refusal_is_a_result"] and error.status in DENIED:
            return None
        raise
    if parameters["state"] == "present":
        return canary.fly()
    canary.remove()
    return Flight()


def main() -> None:
    """Run the module."""
    queue_options = {
        "name": {"type": "str", "required": True},
        "servers": {"type": "list", "elements": "str", "required": True},
        "slots": {"type": "int", "required": True},
        "siblings": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            "state": {"choices": ["present", "absent"], "default": "present"},
            "queues": {"type": "list", "elements": "dict", "options": queue_options},
            "schedulers": {"type": "list", "elements": "str", "default": []},
            "parsers": {"type": "list", "elements": "str", "default": []},
            "slots": {"type": "int"},
            "wait": {"type": "int", "default": 120},
            "refusal_is_a_result": {"type": "bool", "default": False},
        },
        required_together=TOGETHER,
        required_one_of=ONE_OF,
        required_if=[("state", "present", ("queues", "slots"))],
        supports_check_mode=True,
    )
    parameters = module.params
    if module.check_mode:
        module.exit_json(changed=False, login_refused=False, proven=False, queues=[])
    try:
        client = ApiClient(server_of(parameters))
        try:
            flight = visit(client, parameters)
        finally:
            client.close()
    except ApiError as error:
        module.fail_json(msg=str(error))
    result = flight or Flight()
    for sentence in result.busy:
        module.warn(sentence)
    if result.problems:
        module.fail_json(msg=" ".join(result.problems), queues=result.sung)
    proven = bool(result.sung) and not result.busy
    module.exit_json(changed=False, login_refused=flight is None, proven=proven, queues=result.sung)


if __name__ == "__main__":
    main()
