# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_rabbitmq_nodes
short_description: Let RabbitMQ know which nodes there are to be
version_added: 0.1.0
description:
  - With O(nodes), forgets the nodes of the cluster that are not among them, and gives those that run a copy of each quorum queue.
    Nothing is forgotten unless a majority of the nodes runs, and no node is forgotten that runs.
  - With O(needed), tells the node of this host, while it runs, which others it does not serve without.
  - Run it on the host of a node that runs.
author:
  - the updraft.airflow contributors (@updraft-airflow)
requirements:
  - rabbitmqctl
  - rabbitmq-queues
attributes:
  check_mode:
    support: full
    description: Tells what would be forgotten, copied and told.
  diff_mode:
    support: none
    description: RV(forgotten), RV(grown) and RV(told) tell it.
options:
  nodes:
    description: The names of all nodes that there are to be.
    type: list
    elements: str
  vhost:
    description: The virtual host of the queues. It goes with O(nodes).
    type: str
  needed:
    description:
      - The names of nodes, of which this host's has to see one at least to serve. Nodes that went on apart from each other come together by
        themselves (C(pause_if_all_down) with C(autoheal)).
      - What is told is gone when the node starts again, and then its file of settings counts.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Let the others forget the nodes that are gone
  updraft.airflow.airflow_rabbitmq_nodes:
    nodes: [rabbit@198.18.0.3, rabbit@198.18.0.4, rabbit@198.18.0.6]
    vhost: airflow-quorum

- name: Tell a node that runs whom it does not serve without
  updraft.airflow.airflow_rabbitmq_nodes:
    needed: [rabbit@198.18.0.4, rabbit@198.18.0.6]
"""

RETURN = r"""
forgotten:
  description: The nodes that were forgotten.
  returned: with O(nodes)
  type: list
  elements: str
  sample: [rabbit@198.18.0.5]
grown:
  description: The nodes that got a copy of one queue at least.
  returned: with O(nodes)
  type: list
  elements: str
  sample: [rabbit@198.18.0.6]
told:
  description: Whether the node had to be told whom it needs.
  returned: with O(needed)
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.module_utils.rabbitmq_nodes import Nodes, NodesError, bring_up_to_date, tell_needed


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "list", "elements": "str"},
            "vhost": {"type": "str"},
            "needed": {"type": "list", "elements": "str"},
        },
        required_one_of=[("nodes", "needed")],
        required_together=[("nodes", "vhost")],
        supports_check_mode=True,
    )
    parameters: dict[str, Any] = module.params

    def run(words: list[str]) -> tuple[int, str, str]:
        code, output, error = module.run_command(words)
        return int(code), str(output), str(error)

    result: dict[str, Any] = {}
    try:
        nodes = Nodes(parameters["vhost"], run)
        if parameters["nodes"]:
            forgotten, grown = bring_up_to_date(nodes, parameters["nodes"], module.check_mode)
            result = {"forgotten": forgotten, "grown": grown}
        if parameters["needed"]:
            result["told"] = tell_needed(nodes, parameters["needed"], module.check_mode)
    except NodesError as error:
        module.fail_json(msg=str(error))
    except Exception as error:
        module.fail_json(msg=unforeseen(error))
    module.exit_json(changed=any(result.values()), **result)


if __name__ == "__main__":
    main()
