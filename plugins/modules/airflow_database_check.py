# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_database_check
short_description: Say what speaks against a database of PostgreSQL, before anything is installed
version_added: 0.1.0
description:
  - Logs in to a PostgreSQL server and looks at the database that Airflow is to use. It only reads.
  - Needs no driver, so that a server is asked before anything is changed on a host.
  - Findings are no failure, so that those of all hosts can be told together.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: The module only reads, so check mode makes no difference.
  diff_mode:
    support: none
    description: Nothing is changed.
options:
  host:
    description:
      - The server's address, or the folder of its socket. By a socket the session is of the user that the server runs as, and what cannot
        be reached is no finding, for the server or the database may not be there yet.
    type: str
    required: true
  port:
    description: Its port.
    type: int
    default: 5432
  name:
    description: The database.
    type: str
    required: true
  user:
    description: The role to log in as.
    type: str
    required: true
  password:
    description: Its password.
    type: str
    default: ""
  ssl_mode:
    description: How TLS is used, in the words of libpq.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  ssl_root_cert:
    description: File of the authorities that may have signed the server's certificate, for the modes that verify it.
    type: path
  options:
    description: What libpq calls options, as in V(-c search_path=af).
    type: str
    default: ""
  place:
    description: The database as messages name it.
    type: str
    default: ""
  owner:
    description: The role that has to own the database. Where it is empty, the role that logs in must be able to make tables.
    type: str
    default: ""
  must_be_empty:
    description: Whether data is going to be moved there. What a move left unfinished, and a schema without data, count as empty.
    type: bool
    default: false
  is_first_use:
    description: Whether a new installation is going to use it. Tables that are not Airflow's are told then.
    type: bool
    default: false
  oldest:
    description: The oldest major version of the server that does.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Look at the database
  updraft.airflow.airflow_database_check:
    host: db.example.org
    name: airflow
    user: airflow
    password: "{{ password }}"
    must_be_empty: true
    oldest: 14
  register: looked_at

- name: Refuse it
  ansible.builtin.fail:
    msg: "{{ looked_at.findings }}"
  when: looked_at.findings | length > 0
"""

RETURN = r"""
findings:
  description: What speaks against the database, a sentence each.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_driverless import look
from ansible_collections.updraft.airflow.plugins.module_utils.postgresql_client import Login


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "default": 5432},
            "name": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "no_log": True, "default": ""},
            "ssl_mode": {
                "type": "str",
                "default": "prefer",
                "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
            },
            "ssl_root_cert": {"type": "path"},
            "options": {"type": "str", "default": ""},
            "place": {"type": "str", "default": ""},
            "owner": {"type": "str", "default": ""},
            "must_be_empty": {"type": "bool", "default": False},
            "is_first_use": {"type": "bool", "default": False},
            "oldest": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    given = module.params
    login = Login(
        host=given["host"],
        port=given["port"],
        database=given["name"],
        user=given["user"],
        password=given["password"],
        ssl_mode=given["ssl_mode"],
        ssl_root_cert=given["ssl_root_cert"],
        options=given["options"],
    )
    try:
        findings = look(
            login,
            place=given["place"],
            owner=given["owner"],
            must_be_empty=given["must_be_empty"],
            is_first_use=given["is_first_use"],
            oldest=given["oldest"],
        )
    except Exception as error:
        module.fail_json(msg=unforeseen(error))
    module.exit_json(changed=False, findings=findings)


if __name__ == "__main__":
    main()
