# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_unit_starts
short_description: Tell which systemd units were started since somebody wrote it down
version_added: 0.1.0
description:
  - systemd gives every start of a unit an identifier. This module compares those of some units with the ones in a file.
  - The file is written by whoever calls this module, from RV(starts), once what it stands for is done.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
    description: Changes nothing.
options:
  units:
    description: The units, with their suffixes.
    type: list
    elements: str
    required: true
  record:
    description: A JSON file with what RV(starts) was. One that is not there or cannot be read is empty.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Look which daemons were started since the last check
  updraft.airflow.airflow_unit_starts:
    units: [airflow-scheduler.service]
    record: /opt/airflow/canary/proven.json
"""

RETURN = r"""
starts:
  description: The identifier of each unit's last start, empty for one that does not run.
  returned: success
  type: dict
  sample: {"airflow-scheduler.service": "0b1f5a3c0c7e4f7e9f3a5d1c2b4a6978"}
started:
  description: The units that the file does not know by this start.
  returned: success
  type: list
  elements: str
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule


def recorded(path: str) -> dict[str, Any]:
    """What the file says."""
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def starts_of(output: str) -> dict[str, str]:
    """Units and their invocations from what systemctl show says: a block of properties for each unit."""
    found = {}
    for block in output.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("Id"):
            found[values["Id"]] = values.get("InvocationID", "")
    return found


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "str", "required": True},
            "record": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    units, before = module.params["units"], recorded(module.params["record"])
    starts = {}
    if units:
        _code, output, _error = module.run_command(["systemctl", "show", "--property=Id,InvocationID", *units])
        found = starts_of(output)
        starts = {unit: found.get(unit, "") for unit in units}
    started = [unit for unit, start in starts.items() if not start or before.get(unit) != start]
    module.exit_json(changed=False, starts=starts, started=started)


if __name__ == "__main__":
    main()
