# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_variables
short_description: Manage variables of Airflow
version_added: 0.1.0
description:
  - Creates, changes and removes variables through Airflow's REST API, all that are listed in one call. Others are left alone.
  - Of a variable that exists, keys that are not given stay as they are.
  - Airflow 3 hides the values of variables whose names look like secrets, and known secrets inside of others. See O(update_secrets).
  - Everything wrong with the input is found before anything is changed, and told at once.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells what would be done. Where nothing answers yet, that is everything, and a warning says so.
  diff_mode:
    support: full
    description: Of O(variables[].value) only whether it changes.
extends_documentation_fragment:
  - updraft.airflow.api
  - updraft.airflow.api.refusal
  - updraft.airflow.api.secrets
notes:
  - A hidden value that somebody changed on the page, and nothing else with it, is not noticed. O(update_secrets=always) puts it right.
options:
  variables:
    description: The variables, each with its name.
    type: list
    elements: dict
    required: true
    suboptions:
      key:
        description: Name of the variable.
        type: str
        required: true
      state:
        description: Whether there is to be one.
        type: str
        choices: [present, absent]
        default: present
      value:
        description: Its value. A text is kept as it is, anything else as JSON. A new variable needs it.
        type: raw
      description:
        description: A text about it. V("") takes it away.
        type: str
"""

EXAMPLES = r"""
- name: Describe the variables
  updraft.airflow.airflow_variables:
    url: http://localhost:8080
    username: admin
    password: "{{ airflow_admin_password }}"
    digests_file: credentials/airflow/object_digests.txt
    variables:
      - key: environment
        value: production
      - key: limits
        value:
          rows: 100000
          tables: [orders, customers]
        description: How much one run may load.
      - key: old
        state: absent
"""

RETURN = r"""
created:
  description: Names of the variables that were, or in check mode would be, created.
  returned: unless the input or the login is refused
  type: list
  elements: str
updated:
  description: Names of those that were changed.
  returned: unless the input or the login is refused
  type: list
  elements: str
removed:
  description: Names of those that were removed.
  returned: unless the input or the login is refused
  type: list
  elements: str
login_refused:
  description: Whether the user was not let in, and nothing was looked at or changed.
  returned: unless the input is refused
  type: bool
airflow_version:
  description: Version of the Airflow that answered.
  returned: unless the input or the login is refused
  type: str
findings:
  description: Everything that is wrong with the input, a sentence each. Nothing was changed.
  returned: when there is something
  type: list
  elements: str
not_done:
  description: Names of the variables that were not dealt with, as the API refused something.
  returned: when the API refused something
  type: list
  elements: str
maybe_done:
  description: Names of the variables whose request got no answer.
  returned: when the API refused something
  type: list
  elements: str
digests:
  description: New digests by name, null for those to be forgotten. Not returned with O(digests_file).
  returned: with O(digest_key), outside check mode
  type: dict
"""

from ansible_collections.updraft.airflow.plugins.module_utils._objects_module import ObjectsModule
from ansible_collections.updraft.airflow.plugins.module_utils._objects_others import Variables


def main() -> None:
    """Entry point."""
    ObjectsModule(Variables()).run()


if __name__ == "__main__":
    main()
