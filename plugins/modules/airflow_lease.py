# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_lease
short_description: Hold a host, so that no other run changes it meanwhile
version_added: 0.2.0
description:
  - Takes, renews or gives back the lease of a host. It is a file that names the controller and the run, which is one process of
    C(ansible-playbook), and says until when it holds.
  - A lease that this run holds already is renewed. One of a run of this controller, by the same user, that has ended without giving it
    back, for it failed or was killed, is taken over at once. One of another controller is taken over once it has expired.
  - Fails where the host is held by a run of this controller that still lives, or by another controller's lease that has not expired.
    The message names controller, playbook and times, and what to do.
  - Of two runs that take it at the same moment, one gets it.
  - The file, C(/run/updraft-airflow.lease), is root's alone. It is gone when the host starts again, as is every run's work there.
  - Never reports a change. Who holds a host is nothing that a playbook brings about.
notes:
  - The playbooks of this collection that change hosts do this themselves. In a playbook of your own that calls roles, take the lease in
    C(pre_tasks), and give it back in C(post_tasks).
  - The lease of a run that fails is kept, as a run that failed may have left a host half done.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Takes and gives back none. Where another run holds the host, that is a warning, for check mode changes nothing either.
  diff_mode:
    support: none
    description: Nothing is reported as changed.
options:
  state:
    description:
      - Whether this run is to hold the host, or to give it back. One that another run holds is never given back.
      - With V(renewed) it has to hold the host already, and does so again for as many seconds as it took it for. Where it does no longer,
        as the lease was over and another run has taken it, this fails, as what was read of the host may be old.
    type: str
    choices: [held, renewed, released]
    default: held
  seconds:
    description:
      - After how many seconds without renewal another controller may take the host over.
      - It has to be longer than whatever a playbook waits for without renewing it.
    type: int
    default: 3600
  controller:
    description: Name of the controller and of its user, for people. The action sets it.
    type: str
  controller_id:
    description: What tells a user of a controller from all others. The action sets it.
    type: str
  run:
    description: What tells a run from all others. The action sets it.
    type: str
  playbook:
    description: The playbook that is run, for people. The action sets it.
    type: str
  over:
    description: A run that is known to have ended, whose lease may be taken over. The action sets it.
    type: str
"""

EXAMPLES = r"""
- name: Configure the schedulers by a playbook of one's own
  hosts: airflow_scheduler
  any_errors_fatal: true
  pre_tasks:
    - name: Hold the hosts
      updraft.airflow.airflow_lease:
  roles:
    - updraft.airflow.scheduler
  post_tasks:
    - name: Give the hosts back
      updraft.airflow.airflow_lease:
        state: released
"""

RETURN = r"""
held:
  description: Whether this run holds the host now.
  returned: success
  type: bool
holder:
  description: Who holds it, or held it before it was taken over, with the times in seconds since 1970 by the host's clock.
  returned: when that is another run
  type: dict
  sample:
    controller: alice@ops1
    controller_id: 0f5c1b9d2f1e4f6a8c7b3d5e9a1c2b4d
    run: 6f1c2e3d-4b5a-4c6d-8e7f-9a0b1c2d3e4f:4026531836:4711:123456
    playbook: updraft.airflow.site
    seconds: 3600
    since: 1796148000.0
    expires: 1796151600.0
    expired: false
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils import host_lease
from ansible_collections.updraft.airflow.plugins.module_utils.host_lease import Lease, LeaseError


def other(found: Lease | None, run: str) -> dict[str, Any]:
    """A lease of another run, in the result."""
    return {} if found is None or found.run == run else {"holder": {**asdict(found), "expired": found.expired}}


def carry_out(parameters: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do what is asked. Raises LeaseError and OSError."""
    run, place = parameters["run"], host_lease.PLACE
    if parameters["state"] == "released":
        if not check_mode:
            host_lease.release(run, place)
        return {"held": False}
    if check_mode:
        return {"held": False, **other(host_lease.holder(place), run)}
    if parameters["state"] == "renewed":
        return {"held": host_lease.renew(run, place), **other(host_lease.holder(place), run)}
    wanted = Lease(parameters["controller"], parameters["controller_id"], run, parameters["playbook"], parameters["seconds"])
    held, found = host_lease.take(wanted, parameters["over"], place)
    return {"held": held, **other(found, run)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["held", "renewed", "released"], "default": "held"},
            "seconds": {"type": "int", "default": 3600},
            "controller": {"type": "str"},
            "controller_id": {"type": "str"},
            "run": {"type": "str"},
            "playbook": {"type": "str"},
            "over": {"type": "str"},
        },
        supports_check_mode=True,
    )
    if module.params["run"] is None:
        module.fail_json(msg="Whose lease it is, the action of the same name tells: call it as updraft.airflow.airflow_lease.")
    if module.params["seconds"] < 1:
        module.fail_json(msg=f"seconds is {module.params['seconds']}: a lease holds for 1 second or more.")
    try:
        module.exit_json(changed=False, **carry_out(module.params, module.check_mode))
    except LeaseError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg=f"The lease {host_lease.PLACE} cannot be read or written: {error.strerror}. It takes root's rights (become: true)."
        )


if __name__ == "__main__":
    main()
