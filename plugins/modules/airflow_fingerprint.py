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
    required: true
  config_file:
    description: The path of airflow.cfg.
    type: path
    required: true
  environment_files:
    description: The files with the daemons' secrets.
    type: list
    elements: path
    required: true
  dags_folder:
    description: A folder whose files have to be the same on all hosts. Not set where something else keeps them equal.
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
"""

RETURN = r"""
fingerprint:
  description: What has to be the same, by name. What a host does not have is left out.
  returned: always
  type: dict
  sample: {packages: 5b9f6c, configuration: 9a3e01, fernet_key: 77aa10, dags: 0c1d2e}
"""

import glob
import hashlib
import hmac
import os
import re

from ansible.module_utils.basic import AnsibleModule

PACKAGES = re.compile(r"(apache_airflow[a-z_]*|celery|kombu)-([^-]+)\.dist-info")
KEYS = {
    "AIRFLOW__CORE__FERNET_KEY": "fernet_key",
    "AIRFLOW__API__SECRET_KEY": "secret_key",
    "AIRFLOW__WEBSERVER__SECRET_KEY": "secret_key",
    "AIRFLOW__API_AUTH__JWT_SECRET": "jwt_secret",
}
LINE = re.compile(r'([A-Z_0-9]+)="(.*)"')


def packages(venv: str) -> str:
    """The versions that decide whether hosts understand each other. Others differ with the host's Python."""
    found = (PACKAGES.fullmatch(os.path.basename(path)) for path in glob.glob(f"{venv}/lib/python3*/site-packages/*.dist-info"))
    return digest("\n".join(sorted(f"{match[1]} {match[2]}" for match in found if match)).encode())


def keys(paths: list[str]) -> dict[str, str]:
    """A digest of each key. One with two values on a host is told with both."""
    values: dict[str, set[str]] = {}
    for path in paths:
        with open(path, encoding="utf-8") as stream:
            for name, value in LINE.findall(stream.read()):
                if name in KEYS:
                    values.setdefault(KEYS[name], set()).add(value)
    pepper = "\n".join(sorted(values.get("fernet_key", ()))).encode()
    return {name: hmac.new(pepper, "\n".join(sorted(found)).encode(), hashlib.sha256).hexdigest() for name, found in values.items()}


def folder(path: str) -> str:
    """All files below a folder by their names and contents, without what Python makes of them."""
    whole = hashlib.sha256()
    for place, names, files in os.walk(path, followlinks=True):
        names[:] = sorted(name for name in names if name != "__pycache__" and not name.startswith(".git"))
        for name in sorted(files):
            file = os.path.join(place, name)
            # What is no file, a dangling link among it, holds no DAG.
            if os.path.isfile(file):
                with open(file, "rb") as stream:
                    content = hashlib.sha256(stream.read()).digest()
                whole.update(os.path.relpath(file, path).encode() + b"\0" + content)
    return whole.hexdigest()


def digest(content: bytes) -> str:
    """A digest as text."""
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "venv": {"type": "path", "required": True},
            "config_file": {"type": "path", "required": True},
            "environment_files": {"type": "list", "elements": "path", "required": True},
            "dags_folder": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        with open(module.params["config_file"], "rb") as stream:
            configuration = digest(stream.read())
        found = {"packages": packages(module.params["venv"]), "configuration": configuration, **keys(module.params["environment_files"])}
        if module.params["dags_folder"]:
            found["dags"] = folder(os.path.realpath(module.params["dags_folder"]))
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be read: {error.strerror}.")
    module.exit_json(changed=False, fingerprint=found)


if __name__ == "__main__":
    main()
