# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_dag_serialize
short_description: Parse the DAGs into the metadata database of Airflow 3
version_added: 0.1.0
description:
  - Runs C(airflow dags reserialize), which the DAG processor does too once it runs, so that a scheduler that starts next knows every DAG.
  - A DAG that does not parse is passed over, as Airflow does it.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Nothing is parsed.
  diff_mode:
    support: none
    description: The parsed DAGs are Airflow's own data.
options:
  venv:
    description: The virtual environment with Airflow 3.
    type: path
    required: true
  user:
    description: The system user to run as.
    type: str
    required: true
  environment:
    description: Environment variables of Airflow, with the database URL.
    type: dict
    required: true
  settings:
    description: Environment variables that hold no secret, such as the settings of C(airflow.cfg) that DAGs may read. O(environment) wins.
    type: dict
    default: {}
  timeout:
    description: How many seconds it may take.
    type: int
    default: 1800
"""

EXAMPLES = r"""
- name: Parse the DAGs into the new database
  updraft.airflow.airflow_dag_serialize:
    venv: /opt/airflow/current
    user: airflow
    environment:
      AIRFLOW_HOME: /opt/airflow
      AIRFLOW_CONFIG: /etc/airflow/airflow.cfg
      AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: "{{ database_url }}"
"""

RETURN = r"""
seconds:
  description: How long it took.
  returned: when DAGs were parsed
  type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._command import CommandError, run_airflow


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "venv": {"type": "path", "required": True},
            "user": {"type": "str", "required": True},
            # Each value that is a secret is hidden on its own; names of variables are no secret.
            "environment": {"type": "dict", "required": True, "no_log": True},
            "settings": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    if module.check_mode:
        module.exit_json(changed=True)
    environment = {"PYTHONDONTWRITEBYTECODE": "1", **parameters["settings"], **parameters["environment"]}
    started = time.monotonic()
    try:
        run_airflow(parameters["venv"], parameters["user"], ["dags", "reserialize"], environment, parameters["timeout"])
    except CommandError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, seconds=round(time.monotonic() - started, 1))


if __name__ == "__main__":
    main()
