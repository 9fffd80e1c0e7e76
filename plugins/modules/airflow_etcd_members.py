# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_etcd_members
short_description: Let etcd forget the members that are gone, and know one that is new
version_added: 0.1.0
description:
  - Removes the members that are not in O(members), and adds the one that is O(joining). Run it on the host of a member that takes part.
  - Nothing is removed or added unless a majority of the members is healthy, and no member is removed that still takes part.
author:
  - the updraft.airflow contributors (@updraft-airflow)
extends_documentation_fragment:
  - updraft.airflow.etcd
attributes:
  check_mode:
    support: full
    description: Tells what would be removed and added.
  diff_mode:
    support: none
    description: RV(removed) and RV(added) tell it.
options:
  endpoint:
    description: The address of the member to ask.
    type: str
    required: true
  members:
    description: All members that there are to be, each with its C(name) and the C(peer_url) by which others reach it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      peer_url:
        description: Where others reach it.
        type: str
        required: true
  joining:
    description:
      - The name of one of O(members) that has no data of etcd's and is about to start.
      - Where etcd knows it from before, as when its host was replaced by an empty one, it is removed first.
    type: str
"""

EXAMPLES = r"""
- name: Add the member to etcd
  updraft.airflow.airflow_etcd_members:
    endpoint: https://198.18.0.3:2379
    authority: /etc/etcd/tls/ca.crt
    certificate: /etc/etcd/tls/server.crt
    key: /etc/etcd/tls/server.key
    members:
      - {name: db1, peer_url: "https://198.18.0.3:2380"}
      - {name: db2, peer_url: "https://198.18.0.4:2380"}
      - {name: db4, peer_url: "https://198.18.0.6:2380"}
    joining: db4
  delegate_to: db1
"""

RETURN = r"""
removed:
  description: The members that were removed, by their names or addresses.
  returned: success
  type: list
  elements: str
  sample: [db3]
added:
  description: The member that was added.
  returned: success
  type: list
  elements: str
  sample: [db4]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.module_utils.etcd_members import ARGUMENTS, Etcd, EtcdError, bring_up_to_date, commands_of


def main() -> None:
    """Run the module."""
    member = {"name": {"type": "str", "required": True}, "peer_url": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "endpoint": {"type": "str", "required": True},
            **ARGUMENTS,
            "members": {"type": "list", "elements": "dict", "required": True, "options": member},
            "joining": {"type": "str"},
        },
        supports_check_mode=True,
    )
    parameters: dict[str, Any] = module.params

    try:
        etcd = Etcd(parameters, commands_of(module))
        removed, added = bring_up_to_date(etcd, parameters["members"], parameters["joining"], module.check_mode)
    except EtcdError as error:
        module.fail_json(msg=str(error))
    except Exception as error:
        module.fail_json(msg=unforeseen(error))
    module.exit_json(changed=bool(removed or added), removed=removed, added=added)


if __name__ == "__main__":
    main()
