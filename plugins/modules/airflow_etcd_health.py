# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_etcd_health
short_description: Wait until a member of etcd takes part, or until the others can do without it
version_added: 0.1.0
description:
  - Asks the members of etcd by its own command, and changes nothing.
author:
  - the updraft.airflow contributors (@updraft-airflow)
extends_documentation_fragment:
  - updraft.airflow.etcd
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: none
    description: It changes nothing.
options:
  name:
    description: The name of the member.
    type: str
    required: true
  members:
    description: All members, each with its C(name) and the C(endpoint) where clients reach it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      endpoint:
        description: Where clients reach it.
        type: str
        required: true
  wait_for:
    description:
      - V(member) waits until the member takes part.
      - V(others) waits until the others have a majority without it, so that it can restart. One that takes no part is not waited for.
    type: str
    choices: [member, others]
    default: member
  timeout:
    description: How many seconds to wait before this fails.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Wait until the member takes part
  updraft.airflow.airflow_etcd_health:
    name: db1
    members:
      - {name: db1, endpoint: "https://198.18.0.3:2379"}
      - {name: db2, endpoint: "https://198.18.0.4:2379"}
      - {name: db3, endpoint: "https://198.18.0.5:2379"}
    authority: /etc/etcd/tls/ca.crt
    certificate: /etc/etcd/tls/server.crt
    key: /etc/etcd/tls/server.key
"""

RETURN = r"""
suffice:
  description: Whether the other members have a majority without this one.
  returned: when O(wait_for) is V(others)
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.module_utils.etcd_members import (
    ARGUMENTS,
    Etcd,
    EtcdError,
    Member,
    await_others,
    await_part,
    commands_of,
)


def main() -> None:
    """Run the module."""
    member = {"name": {"type": "str", "required": True}, "endpoint": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "members": {"type": "list", "elements": "dict", "required": True, "options": member},
            **ARGUMENTS,
            "wait_for": {"type": "str", "choices": ["member", "others"], "default": "member"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    parameters: dict[str, Any] = module.params
    name, seconds = parameters["name"], parameters["timeout"]
    members = [Member(0, each["name"], (), (each["endpoint"],)) for each in parameters["members"]]

    told = {}
    try:
        etcd = Etcd(
            {**parameters, "endpoint": next(each["endpoint"] for each in parameters["members"] if each["name"] == name)},
            commands_of(module),
        )
        if parameters["wait_for"] == "others":
            told["suffice"] = await_others(etcd, members, name, seconds)
        else:
            await_part(etcd, members, name, seconds)
    except EtcdError as error:
        module.fail_json(msg=str(error))
    except Exception as error:
        module.fail_json(msg=unforeseen(error))
    module.exit_json(changed=False, **told)


if __name__ == "__main__":
    main()
