# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_patroni
short_description: Wait for a member of a Patroni cluster, and bring the cluster's settings to the wanted ones
version_added: 0.1.0
description:
  - Waits until the member leads or follows the leader, by Patroni's REST API.
  - On the leader, changes the settings of the cluster that differ, in one request. On other members O(settings) does nothing.
  - With O(restart), starts PostgreSQL again where a setting waits for that. Run it on one host at a time, on all of them with V(replica)
    first and with V(leader) then.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells whether settings would change. Where nobody answers yet, it does not wait.
  diff_mode:
    support: none
    description: RV(changed_settings) names what changed.
options:
  name:
    description: The member's name.
    type: str
    required: true
  url:
    description: The address of its REST API.
    type: str
    required: true
  authority:
    description: A file on the host with the certificate of the authority that signed the API's.
    type: path
    required: true
  username:
    description: Who may change something.
    type: str
    required: true
  password:
    description: The password of O(username).
    type: str
    required: true
  settings:
    description: Settings of the cluster as Patroni keeps them, such as C(ttl) and C(postgresql). What is not named stays.
    type: dict
    default: {}
  members_of_run:
    description:
      - The members that the run takes part in, in a run that is limited to some hosts. Where another one leads, O(settings) that differ are
        told as a warning, for nobody changes them.
    type: list
    elements: str
  restart:
    description:
      - V(replica) starts a member again that follows. V(leader) lets another member lead first, and then starts the one that led.
      - V(never) only tells whether that is due.
    type: str
    choices: [never, replica, leader]
    default: never
  hand_over:
    description: Let another member lead where this one leads, whether or not a setting waits for that.
    type: bool
    default: false
  timeout:
    description: Seconds that the member has to lead or follow. A copy of the data that is under way is waited for.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Wait for the member, and bring the cluster's settings up to date
  updraft.airflow.airflow_patroni:
    name: db1
    url: https://198.18.0.3:8008
    authority: /etc/patroni/tls/ca.crt
    username: patroni
    password: "{{ password }}"
    settings:
      ttl: 20
"""

RETURN = r"""
leads:
  description: Whether the member leads now.
  returned: success
  type: bool
pending_restart:
  description: Whether a setting waits for a restart of PostgreSQL.
  returned: success
  type: bool
changed_settings:
  description: The names of the settings that differed.
  returned: success
  type: list
  elements: str
  sample: [postgresql.parameters.max_connections]
"""

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.module_utils.patroni_member import Member, PatroniError

NOTHING = {"changed": False, "leads": False, "pending_restart": False, "changed_settings": []}


def carry_out(member: Member, settings: dict[str, Any], restart: str, check_mode: bool, hand_over: bool = False) -> dict[str, Any]:
    """What the module returns. Raises PatroniError."""
    if check_mode:
        try:
            found = member.look()
        except PatroniError:
            return dict(NOTHING)
    else:
        found = member.wait()
    changed = member.apply(settings, check_mode) if found["leads"] else []
    restarted = False
    if not check_mode and restart == "replica" and not found["leads"]:
        restarted = member.restart()
    elif not check_mode and restart == "leader" and member.hand_over():
        restarted = True
        # The switchover started it with its new settings, unless it had to be copied anew.
        member.restart()
    elif not check_mode and hand_over:
        restarted = member.hand_over(only_pending=False)
    if restarted:
        found = member.look()
    return {
        "changed": bool(changed) or restarted,
        "leads": found["leads"],
        "pending_restart": found["pending_restart"],
        "changed_settings": changed,
    }


def left(member: Member, settings: dict[str, Any], members_of_run: Sequence[str] | None) -> str | None:
    """Which settings nobody changes in this run, in a sentence. Raises PatroniError."""
    if members_of_run is None or not settings:
        return None
    leader = member.look()["leader"]
    if leader is None or leader in members_of_run:
        return None
    differing = member.apply(settings, check_mode=True)
    if not differing:
        return None
    return (
        f"These settings of the database cluster are not those of the inventory, and stay as they are, for {leader} leads and this run is "
        f"limited to others: {', '.join(differing)}. Run the playbook without --limit."
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "authority": {"type": "path", "required": True},
            "username": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "settings": {"type": "dict", "default": {}},
            "members_of_run": {"type": "list", "elements": "str"},
            "restart": {"choices": ["never", "replica", "leader"], "default": "never"},
            "hand_over": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    member = Member(module.params)
    try:
        result = carry_out(member, module.params["settings"], module.params["restart"], module.check_mode, module.params["hand_over"])
        warning = None if module.check_mode else left(member, module.params["settings"], module.params["members_of_run"])
        if warning:
            module.warn(warning)
    except PatroniError as error:
        module.fail_json(msg=str(error))
    except Exception as error:
        module.fail_json(msg=unforeseen(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
