# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_venv
short_description: Install Airflow from hash locks into a virtual environment of its own
version_added: 0.1.0
description:
  - Makes one virtual environment per entry with C(uv), from locks that hold a hash for every package.
  - A complete environment is recognised by reading it. Every file that an installed package records must be there with its size, so an
    environment that was damaged is repaired, and one that is whole starts no program.
  - The locks travel to the host only when something is to be installed.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells which environments would be installed or repaired.
  diff_mode:
    support: none
    description: An environment has thousands of files.
options:
  environments:
    description: The environments of this host.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Folder of the environment.
        type: path
        required: true
      python:
        description: The Python interpreter it is made from.
        type: path
        required: true
      version:
        description: Airflow's version in it.
        type: str
        required: true
      purpose:
        description: What the environment is for, as a word for the reader.
        type: str
      locks:
        description: Lock files with hashes, on the controller.
        type: list
        elements: path
        default: []
      constraint_url:
        description: Upstream's constraint file, for a version that has no lock.
        type: str
      packages:
        description: What to install with O(environments[].constraint_url), for a version that has no lock.
        type: list
        elements: str
        default: []
      requirements:
        description: Further requirements, installed in a second step with the first step's packages as constraints.
        type: list
        elements: str
        default: []
      carried:
        description:
          - Packages of an installation made by hand.
          - One that is not to be had, does not go together with the others or cannot be built is left out and reported. An index that does
            not answer is a failure.
        type: list
        elements: str
        default: []
  uv_home:
    description: Folder of the environment that holds C(uv) itself.
    type: path
    required: true
  uv_lock:
    description: Lock file of C(uv), on the controller.
    type: path
    required: true
  variables:
    description: Environment variables for the installation, such as those of a proxy.
    type: dict
    default: {}
  index_url:
    description:
      - Address of a package index to use in place of the public one.
      - It may hold a user and a password, which no program gets as an argument and no message shows.
    type: str
  wheelhouse:
    description: A folder on the host with all wheels, for a host without network.
    type: path
  ca_bundle:
    description: A file on the host with the certificates that the index is trusted by.
    type: path
  inspect_only:
    description: Only tell what is incomplete. The action plugin uses it to send the locks only when they are needed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Install Airflow
  updraft.airflow.airflow_venv:
    uv_home: /opt/airflow/uv
    uv_lock: "{{ role_path }}/files/locks/uv.txt"
    environments:
      - path: /opt/airflow/venvs/3.3.2-0123456789ab
        python: /usr/bin/python3.11
        version: 3.3.2
        locks: ["{{ role_path }}/files/locks/3.3.2.txt"]
"""

RETURN = r"""
incomplete:
  description: What was found missing, by environment.
  returned: always
  type: dict
left_out:
  description: Carried packages that could not be installed, with the reason, by environment.
  returned: when something was installed
  type: dict
seconds:
  description: How long each installation took, by environment.
  returned: when something was installed
  type: dict
"""

import os
import shutil
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._venv import (
    MARKER,
    Installer,
    InstallError,
    find_damage,
    login_of,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "environments": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "python": {"type": "path", "required": True},
                    "version": {"type": "str", "required": True},
                    "locks": {"type": "list", "elements": "path", "default": []},
                    "constraint_url": {"type": "str"},
                    "packages": {"type": "list", "elements": "str", "default": []},
                    "requirements": {"type": "list", "elements": "str", "default": []},
                    "carried": {"type": "list", "elements": "str", "default": []},
                    "purpose": {"type": "str"},
                },
            },
            "uv_home": {"type": "path", "required": True},
            "uv_lock": {"type": "path", "required": True},
            "variables": {"type": "dict", "default": {}},
            "index_url": {"type": "str"},
            "wheelhouse": {"type": "path"},
            "ca_bundle": {"type": "path"},
            "inspect_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    hide_logins(module)
    damage: dict[str, str] = {}
    for environment in parameters["environments"]:
        reason = find_damage(environment["path"])
        if reason:
            damage[environment["path"]] = reason
    if parameters["inspect_only"] or module.check_mode or not damage:
        module.exit_json(changed=bool(damage), incomplete=damage)

    installer = Installer(
        uv_home=parameters["uv_home"],
        uv_lock=parameters["uv_lock"],
        variables={key: str(value) for key, value in parameters["variables"].items()},
        index_url=parameters["index_url"],
        wheelhouse=parameters["wheelhouse"],
        ca_bundle=parameters["ca_bundle"],
    )
    seconds: dict[str, float] = {}
    left_out: dict[str, dict[str, str]] = {}
    for environment in parameters["environments"]:
        path = environment["path"]
        if path not in damage:
            continue
        started = time.monotonic()
        try:
            left_out[path] = _install(installer, environment)
        except InstallError as error:
            module.fail_json(msg=str(error), incomplete=damage)
        seconds[path] = round(time.monotonic() - started, 1)
    module.exit_json(changed=True, incomplete=damage, seconds=seconds, left_out=left_out)


def hide_logins(module: AnsibleModule) -> None:
    """Addresses are shown among the arguments of a verbose run; what logs in there is not."""
    for address in (module.params["index_url"], *module.params["variables"].values()):
        login = login_of(str(address or ""))
        if login:
            module.no_log_values.add(login)


def _install(installer: Installer, environment: dict[str, Any]) -> dict[str, str]:
    path = environment["path"]
    marker = os.path.join(path, MARKER)
    if os.path.exists(path) and not os.path.exists(marker):
        # Left by a run that was cut off: it never served, so it is made anew.
        shutil.rmtree(path)
    elif os.path.exists(marker):
        os.unlink(marker)
    return installer.install(environment)


if __name__ == "__main__":
    main()
