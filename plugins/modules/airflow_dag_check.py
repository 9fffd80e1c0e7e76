# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_dag_check
short_description: Parse a folder of DAGs with another installation of Airflow
version_added: 0.1.0
description:
  - Parses DAGs with the Airflow of a virtual environment, and fails when a file that parsed before does not parse there.
  - It runs as the given user, with an C(AIRFLOW_HOME) of its own that is removed afterwards, so nothing of the host is touched; not even
    bytecode is written.
  - Variables and connections that DAGs read while they are parsed come from O(metadata_path), decrypted inside the child process. When
    source and target are of one line (2 or 3), DAGs also see a copy of that database.
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: partial
    description: Parses as always, for nothing is changed.
    details: Where O(interpreter) does not exist yet, nothing can be said, and the module tells so in RV(skipped).
  diff_mode:
    support: none
    description: Nothing is changed.
extends_documentation_fragment:
  - updraft.airflow.database
options:
  interpreter:
    description: The Python interpreter of the virtual environment to parse with.
    type: path
    required: true
  version:
    description: The version of Airflow in it.
    type: str
    required: true
  dags_folder:
    description: The folder to parse.
    type: path
    required: true
  plugins_folder:
    description: The folder of plugins that goes with it.
    type: path
  user:
    description: The user to parse as.
    type: str
    required: true
  environment:
    description:
      - Further environment variables. C(AIRFLOW__CORE__FERNET_KEY) is needed to decrypt.
      - DAGs see its C(AIRFLOW_HOME), if there is one; Airflow itself does not.
    type: dict
    default: {}
  settings:
    description: Environment variables that hold no secret, such as the settings of C(airflow.cfg) that DAGs may read. O(environment) wins.
    type: dict
    default: {}
  metadata_path:
    description: The SQLite database of the source, which is only read.
    type: path
  database:
    description:
      - The server database of the source, which is only read.
      - Without O(metadata_path), variables, connections and the files that did not parse before are read from there.
  known_import_errors:
    description: Files that did not parse before, as the C(import_error) table of the source names them.
    type: list
    elements: str
    default: []
  known_dags_folder:
    description: The folder that O(known_import_errors) lie in, when it is not O(dags_folder).
    type: path
  timeout:
    description: How many seconds the parsing of all files may take.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Parse the DAGs with the new version
  updraft.airflow.airflow_dag_check:
    interpreter: /opt/airflow/current/bin/python
    version: 3.3.2
    dags_folder: /home/jane/airflow/dags
    user: jane
    environment:
      AIRFLOW__CORE__FERNET_KEY: "{{ fernet_key }}"
    metadata_path: /home/jane/airflow/airflow.db
    known_import_errors: "{{ host_info.airflow_host.metadata.import_errors }}"
"""

RETURN = r"""
dags:
  description: The DAGs that were found.
  returned: when the folder was parsed
  type: list
  elements: dict
  sample: [{dag_id: report, file: report.py}]
import_errors:
  description: Files that do not parse, as paths below O(dags_folder).
  returned: when the folder was parsed
  type: list
  elements: dict
  sample: [{file: old.py, error: "ModuleNotFoundError: No module named 'pendulum'"}]
skipped:
  description: Whether nothing was parsed, because this is check mode and the interpreter is not installed yet.
  returned: success
  type: bool
"""

import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils import child_dag_check
from ansible_collections.updraft.airflow.plugins.module_utils._database import ARGUMENTS, Database, DatabaseError
from ansible_collections.updraft.airflow.plugins.module_utils.host_child import ChildError, base_environment, run_child
from ansible_collections.updraft.airflow.plugins.module_utils.host_sqlite import read_only, table_names

MOST_NAMED = 10
VARIABLE = ("key", "val", "is_encrypted")
CONNECTION = (
    *("conn_id", "conn_type", "description", "host", "login", "schema", "port"),
    *("password", "extra", "is_encrypted", "is_extra_encrypted"),
)


class Check:
    """One check of a folder in a temporary AIRFLOW_HOME."""

    def __init__(self, parameters: dict[str, Any], home: str) -> None:
        self.parameters = parameters
        self.home = home
        self.database = os.path.join(home, "airflow.db")

    def run(self) -> dict[str, Any]:
        """Parse, with paths below the folder."""
        folder = os.path.realpath(self.parameters["dags_folder"])
        variables, connections = self._secrets()
        environment = self._environment(folder)
        request = {
            "dags_folder": folder,
            "airflow_home": self.parameters["environment"].get("AIRFLOW_HOME"),
            "fernet_key": environment.get("AIRFLOW__CORE__FERNET_KEY", ""),
            "variables": variables,
            "connections": connections,
        }
        found = run_child(
            self.parameters["interpreter"],
            child_dag_check,
            request,
            environment,
            user=self.parameters["user"],
            cwd=self.home,
            timeout=self.parameters["timeout"],
        )
        for entry in found["dags"] + found["import_errors"]:
            entry["file"] = below(entry["file"], folder)
        return found

    def _environment(self, folder: str) -> dict[str, str]:
        user_home = pwd.getpwnam(self.parameters["user"]).pw_dir
        given = {**self.parameters["settings"], **self.parameters["environment"]}
        given = {name: str(value) for name, value in given.items()}
        own = {
            "AIRFLOW_HOME": self.home,
            "AIRFLOW_CONFIG": os.path.join(self.home, "airflow.cfg"),
            "AIRFLOW__CORE__DAGS_FOLDER": folder,
            "AIRFLOW__CORE__PLUGINS_FOLDER": self.parameters["plugins_folder"] or os.path.join(self.home, "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.database}",
            # The oldest name of the option would win over the default of the newer one.
            "AIRFLOW__CORE__SQL_ALCHEMY_CONN": f"sqlite:///{self.database}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": os.path.join(self.home, "logs"),
        }
        return {**base_environment(user_home), **given, **own}

    def _secrets(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        path = self.parameters["metadata_path"]
        if path is None:
            return self._secrets_of_server()
        with read_only(path) as connection:
            # Airflow 3 knows bundles of DAGs, Airflow 2 does not.
            source_line = "3" if "dag_bundle" in table_names(connection) else "2"
            rows = _rows(connection, "variable"), _rows(connection, "connection")
            if source_line == self.parameters["version"].split(".")[0]:
                with closing(sqlite3.connect(self.database)) as copy:
                    connection.backup(copy)
                self.hand_over(self.database)
        return rows

    def _secrets_of_server(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        if not self.parameters["database"]:
            return [], []
        database = Database(self.parameters["database"])
        variables = [dict(zip(VARIABLE, row)) for row in database.query(f"SELECT {_quoted(VARIABLE)} FROM variable")]
        connections = [dict(zip(CONNECTION, row)) for row in database.query(f"SELECT {_quoted(CONNECTION)} FROM connection")]
        return variables, connections

    def hand_over(self, path: str) -> None:
        """Give a file of this check to the user it runs as."""
        owner = pwd.getpwnam(self.parameters["user"])
        os.chmod(path, 0o700 if os.path.isdir(path) else 0o600)
        if os.geteuid() == 0:
            os.chown(path, owner.pw_uid, owner.pw_gid)


def _quoted(names: Iterable[str]) -> str:
    """Columns as SQL; some of their names are words of MySQL's."""
    return ", ".join(f'"{name}"' for name in names)


def _rows(connection: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    cursor = connection.execute(f'SELECT * FROM "{table}"')
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


def below(path: str, *folders: str | None) -> str:
    """A path relative to the first of the folders that it lies in; a path that is relative already is left alone."""
    for folder in folders:
        for start in {folder, os.path.realpath(folder)} if folder else ():
            if path.startswith(start.rstrip("/") + "/"):
                return os.path.relpath(path, start)
    return path


def has_user(name: str) -> bool:
    """Whether the host knows a user."""
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def refuse(broken: list[Mapping[str, str]], version: str) -> str:
    """The sentence that names the files that parsed before."""
    lines = [f"{entry['file']} ({entry['error'].strip().splitlines()[-1]})" for entry in broken[:MOST_NAMED]]
    if len(broken) > MOST_NAMED:
        lines.append(f"and {len(broken) - MOST_NAMED} more")
    return (
        f"These files parsed before and do not parse with Airflow {version}: {'; '.join(lines)}. "
        "Correct them, add what they import to airflow_requirements, or take them out of the folder."
    )


def run(module: AnsibleModule) -> dict[str, Any]:
    """Check the folder in a temporary home that is removed in any case."""
    home = tempfile.mkdtemp(prefix="airflow-dag-check-")
    try:
        check = Check(module.params, home)
        check.hand_over(home)
        return check.run()
    except subprocess.TimeoutExpired:
        module.fail_json(msg=f"The DAGs in {module.params['dags_folder']} were not parsed within {module.params['timeout']} seconds.")
    except ChildError as error:
        module.fail_json(msg=f"Airflow {module.params['version']} could not parse {module.params['dags_folder']}: {error}")
    except (OSError, sqlite3.Error, DatabaseError) as error:
        module.fail_json(msg=f"The DAGs in {module.params['dags_folder']} could not be checked: {error}")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    raise AssertionError("fail_json does not return")


def errors_of_server(settings: dict[str, Any] | None) -> list[str]:
    """The files that do not parse today, as a server database names them."""
    return [str(row[0]) for row in Database(settings).query("SELECT filename FROM import_error") if row[0]] if settings else []


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "interpreter": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
            "dags_folder": {"type": "path", "required": True},
            "plugins_folder": {"type": "path"},
            "user": {"type": "str", "required": True},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "settings": {"type": "dict", "default": {}},
            "database": {**ARGUMENTS, "required": False},
            "metadata_path": {"type": "path"},
            "known_import_errors": {"type": "list", "elements": "str", "default": []},
            "known_dags_folder": {"type": "path"},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    if not os.path.exists(parameters["interpreter"]):
        if module.check_mode:
            module.exit_json(changed=False, skipped=True)
        module.fail_json(msg=f"There is no {parameters['interpreter']}; install Airflow {parameters['version']} before the check.")
    if not has_user(parameters["user"]):
        module.fail_json(msg=f"There is no user {parameters['user']} to parse the DAGs as; create the user first.")
    found = run(module)
    folders = (parameters["known_dags_folder"], parameters["dags_folder"])
    known = {below(path, *folders) for path in [*parameters["known_import_errors"], *errors_of_server(parameters["database"])]}
    broken = [entry for entry in found["import_errors"] if entry["file"] not in known]
    if broken:
        module.fail_json(msg=refuse(broken, parameters["version"]), **found)
    module.exit_json(changed=False, skipped=False, **found)


if __name__ == "__main__":
    main()
