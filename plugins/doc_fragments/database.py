# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option `database` of the modules that read one; each says itself what for."""

    DOCUMENTATION = r"""
options:
  database:
    type: dict
    suboptions:
      engine:
        description: Kind of database.
        type: str
        choices: [sqlite, postgresql, mysql]
        required: true
      path:
        description: File of an SQLite database.
        type: path
      host:
        description: The server's address.
        type: str
      port:
        description: The server's port.
        type: int
      name:
        description: Name of the database.
        type: str
      user:
        description: Role to log in as.
        type: str
      password:
        description: The role's password.
        type: str
      ssl_mode:
        description: How TLS is used, in the words of libpq's C(sslmode), for MySQL too.
        type: str
      ssl_root_cert:
        description: File of the authorities that may have signed the server's certificate, for the modes that verify it.
        type: path
"""
