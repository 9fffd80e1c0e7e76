# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_sqlite_upgrade
short_description: Bring a copy of an older SQLite database to the newest schema of its line
version_added: 0.2.0
description:
  - Copies a metadata database of Airflow 2.7 to 2.10.2 or 3.0 to 3.2, and brings the copy to the schema of 2.11 or 3.3 by C(airflow db
    migrate) of an installed version. The database itself is only read, in one state of it, and may be in use.
  - Airflow's migrations delete rows on SQLite, for they rebuild tables while foreign keys are on. Here they are off, and the columns of
    the table of connections have the order that the migration to 2.9.2 expects. Otherwise it mixes up their values.
  - Every table is compared with what it was, by the number and a digest of its rows and of all columns that stay. What Airflow drops or
    changes on purpose is known and told. Any other difference is an error, and there is no copy then.
  - C(airflow db migrate) adds a row to the table C(log), and may add one to C(log_template).
author:
  - the updraft.airflow contributors (@updraft-airflow)
requirements:
  - cryptography for the Python that runs the module. The Airflow environment has it.
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
    description: Where the copy goes, for nobody but root. It is replaced only when the new one is whole and compared.
    type: path
    required: true
  folder:
    description: A folder that O(user) can enter and nobody else can write to. The work is done in a temporary one inside.
    type: path
    required: true
  venv:
    description: The virtual environment of Airflow 2.11 or 3.3, after the line of the database.
    type: path
    required: true
  user:
    description: The user to run Airflow as.
    type: str
    required: true
  environment:
    description:
      - Environment variables for Airflow. The database's address, and whatever else is said of databases, is replaced.
      - E(AIRFLOW__CORE__FERNET_KEY) has to be the key of the database. Migrations encrypt with it.
    type: dict
    required: true
  timeout:
    description: Seconds after which the migration is given up.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Bring a copy of the old database to the schema of 2.11
  updraft.airflow.airflow_sqlite_upgrade:
    src: /opt/airflow/backups/before-the-move.db
    dest: /opt/airflow/backups/upgraded.db
    folder: /opt/airflow
    venv: /opt/airflow/venvs/2.11.2
    user: airflow
    environment:
      AIRFLOW_HOME: /opt/airflow
      AIRFLOW__CORE__FERNET_KEY: "{{ fernet_key }}"
  vars:
    ansible_python_interpreter: /opt/airflow/venvs/2.11.2/bin/python
"""

RETURN = r"""
dest:
  description: The copy.
  returned: always
  type: str
before:
  description: The revision of the schema before.
  returned: success
  type: str
revision:
  description: The revision of the schema of the copy.
  returned: success
  type: str
tables:
  description: The tables that stay. C(name), the name C(now), and the rows C(before) and C(after).
  returned: success
  type: list
  elements: dict
losses:
  description:
    - What Airflow's migrations dropped on purpose. C(table), which may be a column, C(rows), C(revision), C(reason) and C(kept_as).
    - Nothing is lost in O(src), so that is where it is kept.
  returned: success
  type: list
  elements: dict
seconds:
  description: Seconds per step.
  returned: success
  type: dict
"""

import contextlib
import fcntl
import glob
import os
import pwd
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._command import CommandError, run_airflow
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_losses import STEPS, later_steps
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from ansible_collections.updraft.airflow.plugins.module_utils.sqlite_backup import copy_failure, replace
from ansible_collections.updraft.airflow.plugins.module_utils.sqlite_upgrade import (
    CONNECTION_CLASS,
    CONNECTION_MODULE,
    Comparison,
    prepare,
    revision_of,
    without_log,
)

PREFIX = "sqlite-upgrade-"
OF_DATABASES = ("AIRFLOW__DATABASE__", "AIRFLOW__CELERY__", "AIRFLOW__CORE__EXECUTOR")


def environment_for(given: dict[str, Any], folder: str, database: str, line: int) -> dict[str, Any]:
    """What Airflow is told: the copy and nothing else of databases."""
    kept = {name: value for name, value in given.items() if not name.startswith(OF_DATABASES)}
    own = {
        "PYTHONPATH": folder,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": f"{CONNECTION_MODULE}.arguments",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
    }
    if line >= 3:
        own["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] = f"sqlite+aiosqlite:///{database}"
    return {**kept, **own}


@contextlib.contextmanager
def held(folder: str) -> Iterator[None]:
    """Let others see that the folder is in use. Raises BlockingIOError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def remove_left(folder: str) -> None:
    """Remove what a run left that was killed. Another one may be at work."""
    for left in glob.glob(os.path.join(glob.escape(folder), f"{PREFIX}*")):
        with contextlib.suppress(BlockingIOError), held(left):
            shutil.rmtree(left)


def hand_over(folder: str, user: str) -> None:
    """Give a folder and what is in it to a user."""
    entry = pwd.getpwnam(user)
    for name in os.listdir(folder):
        os.chown(os.path.join(folder, name), entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    os.chown(folder, entry.pw_uid, entry.pw_gid)


def take_back(folder: str, database: str) -> None:
    """Take the folder from whoever had it; the database in it must be a file of its own."""
    os.chown(folder, os.geteuid(), os.getegid())
    status = os.lstat(database)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise MoveError(f"{database} is no longer the file that was migrated.")
    os.chown(database, os.geteuid(), os.getegid())
    os.chmod(database, 0o600)


def decrypt_with(keys: str) -> Any:
    """What opens a value that is encrypted with any of the keys."""
    from cryptography.fernet import Fernet, MultiFernet

    if not keys:
        return lambda token: token
    fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
    return lambda token: fernet.decrypt(token.encode()).decode()


def upgrade(parameters: dict[str, Any], folder: str) -> dict[str, Any]:
    """Copy, migrate and compare in a folder of its own."""
    src, database = parameters["src"], os.path.join(folder, "airflow.db")
    seconds, last = {}, time.monotonic()

    def took(step: str) -> None:
        nonlocal last
        now = time.monotonic()
        seconds[step], last = round(now - last, 3), now

    try:
        replace(src, database)
    except (sqlite3.Error, OSError) as error:
        raise MoveError(copy_failure(src, database, error)) from None
    # What is migrated is compared with the state that was copied, which may not be that of the source any more.
    copied = os.path.join(folder, "copied.db")
    shutil.copyfile(database, copied)
    os.chmod(copied, 0o600)
    before = revision_of(database)
    if not later_steps(before):
        raise MoveError(f"{src} is at the revision {before}, which is none of Airflow 2.7 to 2.10.2 or 3.0 to 3.2.")
    line = next(line for line, steps in STEPS.items() if before in [step.head for step in steps])
    prepare(database)
    took("copy")
    _migrate(parameters, folder, database, line)
    took("migrate")
    after, head = revision_of(database), STEPS[line][-1].head
    if after != head:
        raise MoveError(f"airflow db migrate of {parameters['venv']} brought the copy of {src} to {after} and not to {head}.")
    comparison = Comparison(copied, database, decrypt_with(parameters["environment"].get("AIRFLOW__CORE__FERNET_KEY") or ""), src)
    comparison.run()
    if comparison.failures:
        raise MoveError(f"Airflow's migration of a copy of {src} lost data: " + "; ".join(comparison.failures) + ".")
    took("verify")
    os.replace(database, parameters["dest"])
    return {"before": before, "revision": after, "losses": comparison.losses, "tables": comparison.tables, "seconds": seconds}


def _migrate(parameters: dict[str, Any], folder: str, database: str, line: int) -> None:
    inside = os.path.join(folder, "migrated")
    os.mkdir(inside, 0o700)
    moved = os.path.join(inside, "airflow.db")
    os.replace(database, moved)
    with open(os.path.join(inside, f"{CONNECTION_MODULE}.py"), "w", encoding="utf-8") as handle:
        handle.write(CONNECTION_CLASS)
    # DAGs are parsed by the installation that they are for, not by this migration.
    arguments = ["db", "migrate", *(["--no-reserialize-dags"] if line < 3 else [])]
    hand_over(inside, parameters["user"])
    run_airflow(
        parameters["venv"],
        parameters["user"],
        arguments,
        environment_for(parameters["environment"], inside, moved, line),
        parameters["timeout"],
    )
    take_back(inside, moved)
    without_log(moved)
    os.replace(moved, database)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "folder": {"type": "path", "required": True},
            "venv": {"type": "path", "required": True},
            "user": {"type": "str", "required": True},
            "environment": {"type": "dict", "required": True, "no_log": True},
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    src, dest = parameters["src"], parameters["dest"]
    if not os.path.isfile(src):
        module.fail_json(msg=f"There is no database at {src}.")
    if module.check_mode:
        module.exit_json(changed=True, dest=dest)
    remove_left(parameters["folder"])
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=parameters["folder"])
    result: dict[str, Any] = {}
    failure = None
    try:
        with held(folder):
            # The user has to get to the folder inside, and sees nothing here.
            os.chmod(folder, 0o711)
            result = upgrade(parameters, folder)
    except MoveError as error:
        failure = str(error)
    except CommandError as error:
        failure = f"A copy of {src} could not be brought to another schema: {error}"
    except (sqlite3.Error, OSError) as error:
        failure = f"A copy of {src} could not be migrated with {parameters['venv']}: {error}."
    finally:
        shutil.rmtree(folder)
    if failure is not None:
        module.fail_json(msg=failure, dest=dest)
    module.exit_json(changed=True, dest=dest, **result)


if __name__ == "__main__":
    main()
