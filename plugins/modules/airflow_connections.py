# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_connections
short_description: Manage connections of Airflow
version_added: 0.1.0
description:
  - Creates, changes and removes connections through Airflow's REST API, all that are listed in one call. Others are left alone.
  - Of a connection that exists, keys that are not given stay as they are.
  - The API never shows a password. Airflow 2 does not list the extra either; Airflow 3 shows it without what it takes for secret.
    See O(update_secrets).
  - Everything wrong with the input is found before anything is changed, and told at once.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: Tells what would be done. Where nothing answers yet, that is everything, and a warning says so.
  diff_mode:
    support: full
    description: Of O(connections[].password) and O(connections[].extra) only whether they change.
extends_documentation_fragment:
  - updraft.airflow.api
  - updraft.airflow.api.refusal
  - updraft.airflow.api.secrets
notes:
  - What the API does not show it cannot compare. A password that somebody changed on the page, and nothing else with it, is not noticed; on
    Airflow 2 neither is an extra. O(update_secrets=always) puts them right.
  - The API takes no password away from a connection; that is refused.
options:
  connections:
    description: The connections, each with its name.
    type: list
    elements: dict
    required: true
    suboptions:
      conn_id:
        description: Name of the connection.
        type: str
        required: true
      state:
        description: Whether there is to be one.
        type: str
        choices: [present, absent]
        default: present
      conn_type:
        description: Its type, such as V(postgres). A new connection needs it.
        type: str
      description:
        description: A text about it. V("") takes it away, here and of the other texts.
        type: str
      host:
        description: Host name or address.
        type: str
      login:
        description: User name.
        type: str
      password:
        description: Password.
        type: str
      schema:
        description: Schema or database.
        type: str
      port:
        description: Port. V(0) takes it away.
        type: int
      extra:
        description: Whatever else the type knows, a mapping or a JSON object as text. V({}) takes it away.
        type: raw
      uri:
        description:
          - All parts at once, as C(TYPE://LOGIN:PASSWORD@HOST:PORT/SCHEMA?KEY=VALUE), with special characters quoted. Values after the
            question mark that are JSON become what they say.
          - A password it does not name stays as it is; other parts are taken away.
        type: str
"""

EXAMPLES = r"""
- name: Describe the connections
  updraft.airflow.airflow_connections:
    url: http://localhost:8080
    username: admin
    password: "{{ airflow_admin_password }}"
    digests_file: credentials/airflow/object_digests.txt
    connections:
      - conn_id: warehouse
        conn_type: postgres
        host: db.example.org
        port: 5432
        login: loader
        password: "{{ warehouse_password }}"
        extra:
          sslmode: verify-full
      - conn_id: partner
        uri: "https://partner.example.org/v1?timeout=10"
      - conn_id: old
        state: absent
"""

RETURN = r"""
created:
  description: Names of the connections that were, or in check mode would be, created.
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
  description: Names of the connections that were not dealt with, as the API refused something.
  returned: when the API refused something
  type: list
  elements: str
maybe_done:
  description: Names of the connections whose request got no answer.
  returned: when the API refused something
  type: list
  elements: str
digests:
  description: New digests by name, null for those to be forgotten. Not returned with O(digests_file).
  returned: with O(digest_key), outside check mode
  type: dict
"""

from ansible_collections.updraft.airflow.plugins.module_utils._objects_connections import Connections
from ansible_collections.updraft.airflow.plugins.module_utils._objects_module import ObjectsModule


def main() -> None:
    """Entry point."""
    ObjectsModule(Connections()).run()


if __name__ == "__main__":
    main()
