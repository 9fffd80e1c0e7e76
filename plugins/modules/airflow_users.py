# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_users
short_description: Manage users of Airflow
version_added: 0.1.0
description:
  - Creates, changes and removes users of FAB's auth manager through Airflow's REST API, all that are listed in one call.
    Others are left alone.
  - Of a user that exists, keys that are not given stay as they are.
  - The API never shows a password. See O(update_secrets).
  - Everything wrong with the input is found before anything is changed, and told at once.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells what would be done. Where nothing answers yet, that is everything, and a warning says so.
  diff_mode:
    support: full
    description: Of O(users[].password) only whether it changes.
extends_documentation_fragment:
  - updraft.airflow.api
  - updraft.airflow.api.refusal
  - updraft.airflow.api.secrets
notes:
  - A password that somebody changed on the page, and nothing else with it, is not noticed. O(update_secrets=always) puts it right.
    Logging in with it would tell, but Airflow counts logins and failed logins, and whoever watches those would see them at every run.
  - On Airflow 3 a new password ends the user's sessions.
  - Whether a user is active can be read, by M(updraft.airflow.airflow_users_info), but not set through the API.
options:
  users:
    description: The users, each with its name.
    type: list
    elements: dict
    required: true
    suboptions:
      username:
        description: Name to log in with.
        type: str
        required: true
      state:
        description: Whether there is to be one.
        type: str
        choices: [present, absent]
        default: present
      email:
        description: Mail address; for a new user the name at C(localhost.localdomain). No two users share one.
        type: str
      first_name:
        description: First name; for a new user the user name.
        type: str
      last_name:
        description: Last name; for a new user V(User).
        type: str
      roles:
        description: Names of all roles of the user; for a new user V([Viewer]).
        type: list
        elements: str
      password:
        description: Password. A new user needs one.
        type: str
"""

EXAMPLES = r"""
- name: Describe the users
  updraft.airflow.airflow_users:
    url: http://localhost:8080
    username: admin
    password: "{{ airflow_admin_password }}"
    digests_file: credentials/airflow/object_digests.txt
    users:
      - username: jane
        email: jane@example.org
        first_name: Jane
        last_name: Doe
        roles: [Op]
        password: "{{ jane_password }}"
      - username: leaver
        state: absent
"""

RETURN = r"""
created:
  description: Names of the users that were, or in check mode would be, created.
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
  description: Names of the users that were not dealt with, as the API refused something.
  returned: when the API refused something
  type: list
  elements: str
maybe_done:
  description: Names of the users whose request got no answer.
  returned: when the API refused something
  type: list
  elements: str
digests:
  description: New digests by name, null for those to be forgotten. Not returned with O(digests_file).
  returned: with O(digest_key), outside check mode
  type: dict
"""

from ansible_collections.updraft.airflow.plugins.module_utils._objects_module import ObjectsModule
from ansible_collections.updraft.airflow.plugins.module_utils._objects_users import Users


def main() -> None:
    """Entry point."""
    ObjectsModule(Users()).run()


if __name__ == "__main__":
    main()
