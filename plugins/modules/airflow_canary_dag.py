# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_canary_dag
short_description: Bring the canary's DAG into the metadata database
version_added: 0.1.0
description:
  - With Airflow 3, asks the DAG processor to parse the file before all others.
  - Airflow 2 has one folder of DAGs, and the canary is not in it. There the DAG is stored as if another DAG processor had read it, so that
    nobody takes it for one whose file is gone.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Does nothing in check mode.
  diff_mode:
    support: none
    description: The parsed DAG is Airflow's own data.
options:
  interpreter:
    description: The Python interpreter of the Airflow installation.
    type: path
    required: true
  user:
    description: The system user to run as.
    type: str
  environment:
    description: Environment variables of Airflow, with C(AIRFLOW_HOME), C(AIRFLOW_CONFIG) and the database URL. No others are passed on.
    type: dict
    required: true
  file:
    description: The file with the DAG.
    type: path
    required: true
  timeout:
    description: How many seconds it may take.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Parse the canary's DAG
  updraft.airflow.airflow_canary_dag:
    interpreter: /opt/airflow/current/bin/python
    user: airflow
    environment:
      AIRFLOW_HOME: /opt/airflow
      AIRFLOW_CONFIG: /etc/airflow/airflow.cfg
      AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: "{{ database_url }}"
    file: /opt/airflow/canary/canary.py
"""

RETURN = r"""
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import pwd
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils import child_canary
from ansible_collections.updraft.airflow.plugins.module_utils._canary_log import ending
from ansible_collections.updraft.airflow.plugins.module_utils._canary_names import BUNDLE
from ansible_collections.updraft.airflow.plugins.module_utils.host_child import ChildError, base_environment, run_child


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "interpreter": {"type": "path", "required": True},
            "user": {"type": "str"},
            "environment": {"type": "dict", "required": True, "no_log": True},
            "file": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    if module.check_mode:
        module.exit_json(changed=False, seconds=0.0)
    started = time.monotonic()
    home = pwd.getpwnam(parameters["user"]).pw_dir if parameters["user"] else "/"
    try:
        answer = run_child(
            parameters["interpreter"],
            child_canary,
            {"file": parameters["file"], "bundle": BUNDLE},
            {**base_environment(home), **{name: str(value) for name, value in parameters["environment"].items()}},
            user=parameters["user"],
            timeout=parameters["timeout"],
        )
    except subprocess.TimeoutExpired:
        module.fail_json(msg=f"The canary's DAG was not stored within {parameters['timeout']} seconds; check that the database answers.")
    except ChildError as error:
        module.fail_json(msg=f"The canary's DAG could not be stored: {error}")
    if answer["errors"]:
        module.fail_json(msg=f"The canary's DAG does not parse: {ending(' '.join(answer['errors']))}")
    module.exit_json(changed=False, seconds=round(time.monotonic() - started, 1))


if __name__ == "__main__":
    main()
