# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_sqlite_backup
short_description: Make a consistent copy of an SQLite database
version_added: 0.1.0
description:
  - Copies the database with SQLite's own online backup, so that what is still in its write-ahead log comes along and the copy is whole,
    and checks the copy.
  - The source is opened for reading only.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells that a copy would be made.
  diff_mode:
    support: none
    description: The content is a database.
options:
  src:
    description: The database.
    type: path
    required: true
  dest:
    description: Where the copy goes. It is replaced only when the new copy is whole.
    type: path
    required: true
  owner:
    description: Owner of the copy.
    type: str
  group:
    description: Group of the copy.
    type: str
  mode:
    description: Octal permissions of the copy.
    type: str
    default: "0600"
"""

EXAMPLES = r"""
- name: Keep a copy of the metadata database
  updraft.airflow.airflow_sqlite_backup:
    src: /home/jane/airflow/airflow.db
    dest: /opt/airflow/backups/before-the-move.db
"""

RETURN = r"""
dest:
  description: The copy.
  returned: always
  type: str
bytes:
  description: Its size.
  returned: success
  type: int
"""

import os
import sqlite3

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils.sqlite_backup import copy_failure, replace


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "str", "default": "0600"},
        },
        supports_check_mode=True,
    )
    src, dest = module.params["src"], module.params["dest"]
    if not os.path.isfile(src):
        module.fail_json(msg=f"There is no database at {src}.")
    if module.check_mode:
        module.exit_json(changed=True, dest=dest, bytes=os.path.getsize(src))
    try:
        replace(src, dest)
    except (sqlite3.Error, OSError) as error:
        module.fail_json(msg=copy_failure(src, dest, error))
    arguments = module.load_file_common_arguments({key: module.params[key] for key in ("owner", "group", "mode")}, path=dest)
    module.set_fs_attributes_if_different(arguments, True)
    module.exit_json(changed=True, dest=dest, bytes=os.path.getsize(dest))


if __name__ == "__main__":
    main()
