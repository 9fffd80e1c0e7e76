# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_fingerprint
short_description: Tell what has to be the same on all hosts of an installation
version_added: 0.1.0
description:
  - Reads the version of Airflow and of its providers, airflow.cfg, the keys, and the DAGs of a host, and gives a digest of each.
  - No secret is told. The digests of the keys are made with the Fernet key, so nobody can try out values without it.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: It changes nothing.
options:
  venv:
    description: The virtual environment that the daemons run from.
    type: path
  config_file:
    description: The path of airflow.cfg. It goes with O(venv) and O(environment_files).
    type: path
  environment_files:
    description: The files with the daemons' secrets.
    type: list
    elements: path
  dags_folder:
    description: A folder whose files have to be the same on all hosts. Not set where something else keeps them equal. One that is missing
      counts as empty.
    type: path
"""

EXAMPLES = r"""
- name: Read what has to be the same everywhere
  updraft.airflow.airflow_fingerprint:
    venv: /opt/airflow/current
    config_file: /etc/airflow/airflow.cfg
    environment_files: [/etc/airflow/scheduler.env, /etc/airflow/webserver.env]
    dags_folder: /opt/airflow/dags
  register: fingerprint

- name: Read which DAGs a host has
  updraft.airflow.airflow_fingerprint:
    dags_folder: /opt/airflow/dags
"""

RETURN = r"""
fingerprint:
  description: What has to be the same, by name. What a host does not have is left out.
  returned: always
  type: dict
  sample: {packages: 5b9f6c, configuration: 9a3e01, fernet_key: 77aa10, dags: 0c1d2e}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils.host_fingerprint import fingerprint


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "venv": {"type": "path"},
            "config_file": {"type": "path"},
            "environment_files": {"type": "list", "elements": "path"},
            "dags_folder": {"type": "path"},
        },
        required_together=[("venv", "config_file", "environment_files")],
        required_one_of=[("venv", "dags_folder")],
        supports_check_mode=True,
    )
    try:
        found = fingerprint(**module.params)
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be read: {error.strerror}.")
    module.exit_json(changed=False, fingerprint=found)


if __name__ == "__main__":
    main()
