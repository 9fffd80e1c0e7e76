# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of the modules on Airflow's REST API."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - Where Airflow answers, with the path below which it was installed, if any. V(http://localhost:8080), V(https://example.org/airflow).
      - No proxy is used.
    type: str
    required: true
  username:
    description: User to call the API with. Airflow 2 must have FAB's C(basic_auth) or C(session) among its C([api] auth_backends), the
      second of which it has unless somebody set it.
    type: str
  password:
    description: The user's password.
    type: str
  token:
    description: A token to call the API with, instead of O(username) and O(password).
    type: str
  api_version:
    description:
      - Generation of the API. V(v1) is Airflow 2, V(v2) Airflow 3.
      - V(auto) asks the server.
    type: str
    choices: [auto, v1, v2]
    default: auto
  validate_certs:
    description: Whether the server's certificate is verified.
    type: bool
    default: true
  ca_path:
    description: File or folder of the authorities that may have signed the server's certificate; those of the host unless given.
    type: path
  timeout:
    description:
      - Seconds to wait for each answer.
      - An API that does not accept connections yet, or answers 502 or 503, is asked again for that long; not in check mode.
    type: int
    default: 60
"""

    SECRETS = r"""
options:
  update_secrets:
    description:
      - When a secret is written that the API does not show. What it does show is always compared and put right.
      - V(on_change) writes it when it differs from the one written last, and when somebody else changed what can be seen of the object.
        That needs a memory, O(digests_file). Without one such secrets are written to new objects only, and a warning names the others.
      - V(always) writes it at every run.
      - V(on_create) writes it to new objects only.
    type: str
    choices: [always, on_change, on_create]
    default: on_change
  digests_file:
    description:
      - A file on the controller that remembers, for each object, a keyed digest (HMAC-SHA256) of the secrets that were written. A relative
        path begins at the playbook's folder. The file is made, readable by its owner only.
      - The key is beside it, in a file with C(_key.txt) at the end, and may be encrypted with Ansible Vault.
      - One file serves all kinds of objects of one Airflow. Inside an inventory folder its name must end in C(.txt).
      - When it has no digest for an object that exists, the object's secrets are written once.
    type: path
  digest_key:
    description: The key of the digests. Comes from O(digests_file).
    type: str
  digests:
    description: The digests of objects by name. Come from O(digests_file).
    type: dict
"""

    REFUSAL = r"""
options:
  refusal_is_a_result:
    description:
      - Whether a login that is refused is told by RV(login_refused) in place of a failure.
      - In check mode, whatever keeps the API from answering is then a warning.
    type: bool
    default: false
"""
