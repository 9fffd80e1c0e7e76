# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_sentinel
short_description: Give a host its part of a Redis that sentinels look after
version_added: 0.1.0
description:
  - Redis and its sentinels write into files of their own who is the master. They are made once, and left to them afterwards.
  - Who is the master is asked of the sentinels that run; only where none answers it is O(first_master).
  - Needs nothing but the standard library on the host.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Asks the sentinels, and changes nothing.
  diff_mode:
    support: none
    description: What the servers wrote is theirs.
options:
  state:
    description:
      - V(begun) makes the files of the server and its sentinel, where they are missing.
      - V(handed_over) makes another host the master when this one is. Whoever writes waits meanwhile, and no write is lost.
      - V(joined) waits until the server and its sentinel have their place, and makes the sentinel forget hosts that are gone for good.
    type: str
    choices: [begun, handed_over, joined]
    required: true
  place:
    description: The cluster as this host sees it, and how to log in at servers and sentinels.
    type: dict
    required: true
    suboptions:
      address:
        description: Where the others reach this host.
        type: str
        required: true
      others:
        description: Where the other hosts of the cluster are reached.
        type: list
        elements: str
        required: true
      port:
        description: The servers' port.
        type: int
        default: 6379
      sentinel_port:
        description: The sentinels' port.
        type: int
        default: 26379
      master_name:
        description: What the sentinels call the servers.
        type: str
        default: airflow
      user:
        description: As whom to log in.
        type: str
        required: true
      password:
        description: The password of O(place.user).
        type: str
        required: true
  first_master:
    description: The master where no sentinel answers.
    type: str
  quorum:
    description: How many sentinels have to find that the master is gone.
    type: int
    default: 2
  server_file:
    description: The file that the server keeps. Needed for V(begun).
    type: path
  server_settings:
    description: The distribution's settings, which O(server_file) begins with.
    type: path
  sentinel_file:
    description: The file that the sentinel keeps. Needed for V(begun).
    type: path
  units:
    description: The units of the server and of its sentinel, in this order. Needed for V(begun).
    type: list
    elements: str
  stale_units:
    description: Those of O(units) that run with settings of before.
    type: list
    elements: str
    default: []
  owner:
    description: The user that both run as.
    type: str
    default: redis
  timeout:
    description: Seconds that V(joined) waits.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Make another host the master
  updraft.airflow.airflow_sentinel:
    state: handed_over
    place:
      address: 192.0.2.11
      others: [192.0.2.12, 192.0.2.13]
      user: sentinel
      password: "{{ password }}"
"""

RETURN = r"""
master:
  description: The master's address as far as it is known.
  returned: success
  type: str
  sample: 192.0.2.12
start_units:
  description: Those of O(stale_units) that are no part of a cluster yet, and may start again at once.
  returned: when O(state=begun)
  type: list
  elements: str
turn_units:
  description: Those of O(stale_units) that are a part of the cluster, and start again when no other host's do.
  returned: when O(state=begun)
  type: list
  elements: str
forgot:
  description: Hosts that the sentinel was made to forget.
  returned: success
  type: list
  elements: str
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils.host_sentinel import (
    Joining,
    Place,
    SentinelError,
    hand_over,
    master_to_begin_with,
    master_told,
)

OWN_MODE = "0640"


def begin(module: AnsibleModule, place: Place) -> dict[str, object]:
    """Make the files that are missing."""
    wanted = module.params
    missing = [name for name in ("server_file", "sentinel_file") if not os.path.exists(wanted[name])]
    server, sentinel = wanted["units"]
    running = ([server] if place.server_runs() else []) + ([sentinel] if place.sentinel_runs() else [])
    units = {
        "start_units": [unit for unit in wanted["stale_units"] if unit not in running],
        "turn_units": [unit for unit in wanted["stale_units"] if unit in running],
    }
    if not missing:
        return {"changed": False, **units, "master": (master_told(place) or {}).get("ip") or wanted["first_master"]}
    master = master_to_begin_with(place, wanted["first_master"], "server_file" in missing and not module.check_mode)
    follows = [] if master == place.address else [f"replicaof {master} {place.port}"]
    lines = {
        "server_file": [f"include {wanted['server_settings']}", *follows],
        "sentinel_file": [f"sentinel monitor {place.master_name} {master} {place.port} {wanted['quorum']}"],
    }
    for name in () if module.check_mode else missing:
        write(module, wanted[name], "\n".join(lines[name]) + "\n")
    return {"changed": True, **units, "master": master}


def write(module: AnsibleModule, path: str, text: str) -> None:
    """Write a file of the server's."""
    handle, name = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    module.atomic_move(name, path)
    module.set_owner_if_different(path, module.params["owner"], False)
    module.set_group_if_different(path, module.params["owner"], False)
    module.set_mode_if_different(path, OWN_MODE, False)


def join(module: AnsibleModule, place: Place) -> dict[str, object]:
    """Wait for the host's place."""
    joining = Joining(place)
    master = joining.wait(module.params["timeout"])
    for stranger in joining.strangers:
        module.warn(f"{stranger} takes part in Redis's cluster and is no host of it by the inventory: stop Redis and its sentinel there.")
    return {"changed": bool(joining.forgot), "master": master, "forgot": list(joining.forgot)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["begun", "handed_over", "joined"], "required": True},
            "place": {
                "type": "dict",
                "required": True,
                "options": {
                    "address": {"type": "str", "required": True},
                    "others": {"type": "list", "elements": "str", "required": True},
                    "port": {"type": "int", "default": 6379},
                    "sentinel_port": {"type": "int", "default": 26379},
                    "master_name": {"type": "str", "default": "airflow"},
                    "user": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                },
            },
            "first_master": {"type": "str"},
            "quorum": {"type": "int", "default": 2},
            "server_file": {"type": "path"},
            "server_settings": {"type": "path"},
            "sentinel_file": {"type": "path"},
            "units": {"type": "list", "elements": "str"},
            "stale_units": {"type": "list", "elements": "str", "default": []},
            "owner": {"type": "str", "default": "redis"},
            "timeout": {"type": "int", "default": 60},
        },
        required_if=[("state", "begun", ["first_master", "server_file", "server_settings", "sentinel_file", "units"])],
        supports_check_mode=True,
    )
    wanted = module.params
    place = Place(**wanted["place"])
    try:
        if wanted["state"] == "begun":
            result = begin(module, place)
        elif module.check_mode:
            result = {"changed": False, "master": (master_told(place) or {}).get("ip")}
        elif wanted["state"] == "handed_over":
            master = hand_over(place)
            result = {"changed": master is not None, "master": master or (master_told(place) or {}).get("ip")}
        else:
            result = join(module, place)
    except SentinelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**{"forgot": [], **result})


if __name__ == "__main__":
    main()
