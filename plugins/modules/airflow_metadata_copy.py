# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_metadata_copy
short_description: Move an Airflow metadata database to PostgreSQL or MySQL
version_added: 0.1.0
description:
  - Copies every table of a metadata database, in SQLite or on a PostgreSQL or MySQL server, into a database on a PostgreSQL or MySQL server
    whose schema was made by C(airflow db migrate) of the source's own version, in one transaction, and verifies the count and the content
    of every table from both sides.
  - Raw column values are copied; no model of Airflow's is involved, so encrypted, pickled and unknown values come out as they went in.
  - The source is only read, in one state of it. A run that was killed at any point is repaired by the phase V(reset) and running again.
  - Across Airflow 2.11 to 3, the phases V(keep) and V(verify) stand around Airflow's own migration on the server. They keep what it drops
    and refuse any loss that is not documented.
  - The digest of a table is the same on every engine, unless a note tells what an engine could not hold as it was.
  - While V(copy), V(keep) and V(verify) run, it is told how far they are and about how long they still take. They run in the background
    on the host for that. With a strategy that runs modules in its own way, such as Mitogen's, they do not, and nothing is told.
  - Where the controller was killed meanwhile, such a phase goes on. The next run that connects to a target, and is not in check mode, ends
    it first. One that another controller still waits for is left alone.
notes:
  - Run Airflow's migration between V(keep) and V(verify) with C(PGTZ=UTC) in its environment. It turns a timestamp without a time zone
    into one with, and reads it in the zone of the session; where the database's zone is another than UTC, V(verify) notices the shift.
  - Run V(verify) before any daemon of Airflow is started.
  - MySQL has no schemas inside a database. There the tables of the schema C(airflow_kept) are beside Airflow's own, with names that begin
    with C(airflow_kept__).
  - MySQL ends a transaction at every statement that makes or changes a table. What a kill leaves there is known by the move's marker, which
    is made first, and V(reset) clears it.
author:
  - the updraft.airflow contributors (@updraft-airflow)
requirements:
  - psycopg2 or PyMySQL for the Python that runs the module, after the engines of source and target. The Airflow environment has them.
    Reading an SQLite file alone needs neither.
attributes:
  check_mode:
    support: full
    description: >-
      V(inspect), V(state) and V(written) work wholly, for they only read the databases; the others tell what they would do without
      connecting.
  diff_mode:
    support: none
    description: There is no text to compare.
options:
  phase:
    description:
      - V(inspect) reads the source, and lists its tables and every value that would stop the copy or the migration after it. With
        O(against_target) it knows the target's own columns.
      - V(state) tells what the target holds, and what its server lacks for Airflow.
      - V(reset) empties the target again when it holds an unfinished move of the same source or a schema without data.
      - V(copy) copies and verifies.
      - V(keep) copies what Airflow's migration to 3.x drops to the schema C(airflow_kept) and records all tables.
      - V(verify) compares all tables with the record after the migration.
      - V(resume) lets unfinished runs go on. It ends the jobs of the old schedulers, so that the next takes up at once what they queued,
        and on 3.x gives tasks of unfinished runs the version of their DAG, without which they are never started. It belongs after all
        verification, and across 2.x to 3.x after the DAGs were parsed into the target.
      - V(switched) marks the move as the one in service, so that nothing resets it any more.
      - V(written) tells what was written in the target since the copy, by comparing it with O(source), the copy that was kept of the
        move. It writes nothing and tells no value.
    type: str
    required: true
    choices: [inspect, state, reset, copy, keep, verify, resume, switched, written]
  source:
    description:
      - The SQLite file that is the source. For V(inspect) and V(copy), which need either this or O(source_server).
      - For V(written) the copy of it that was kept.
    type: path
  written_file:
    description: An SQLite database that V(written) compares with O(source) in the place of the target, such as the one that was copied.
    type: path
  own:
    description:
      - Names that the collection itself may have written since, which V(written) does not count. Lists of C(connections), C(variables),
        C(pools) and C(users), and of the C(dags) whose runs are meant.
    type: dict
    default: {}
  source_server:
    description: The database on a server that is the source. For V(inspect) and V(copy).
    type: dict
    suboptions:
      engine:
        description: Kind of server.
        type: str
        choices: [postgresql, mysql]
        required: true
      host:
        description: Its address.
        type: str
        required: true
      port:
        description: Its port; 5432 for PostgreSQL and 3306 for MySQL unless given.
        type: int
      name:
        description: Name of the database.
        type: str
        required: true
      user:
        description: Role to log in as.
        type: str
        required: true
      password:
        description: The role's password.
        type: str
      ssl_mode:
        description: How TLS is used, as O(ssl_mode).
        type: str
      ssl_root_cert:
        description: File of the authorities that may have signed the server's certificate, for the modes that verify it.
        type: path
  source_name:
    description:
      - What names the installation that is moved, for example its host and path. A target that is marked with another name is never reset.
      - Required for V(reset) and V(copy), and for V(written) without O(written_file).
    type: str
  line:
    description:
      - The line of Airflow that is wanted in the end. With V(3) and a source of 2.11, V(inspect) also checks for what would stop the
        migration.
    type: int
    choices: [2, 3]
  against_target:
    description:
      - Whether V(inspect) connects to the target, which has its schema already, and looks at what its columns can hold and its server
        allows.
        Without it, they are expected to be as Airflow makes them.
    type: bool
    default: false
  replace_characters:
    description:
      - Whether U+FFFD, the replacement character, stands in for what the target cannot hold as text, instead of a refusal. That is the NUL
        character on PostgreSQL, and on both engines bytes that are not UTF-8 and halves of surrogate pairs in JSON documents.
      - How many values it is for is told by V(inspect) and V(copy), by table and column. The digests are of what is written.
    type: bool
    default: false
  fernet_key:
    description:
      - The key that comes along, or several that are separated by commas. With it, V(inspect) refuses passwords and extras of connections,
        and variables, that it does not open.
    type: str
  engine:
    description: Kind of the target's server.
    type: str
    choices: [postgresql, mysql]
    default: postgresql
  host:
    description: Host of the target's server. For every phase but V(inspect), like the options below.
    type: str
  port:
    description: Its port; 5432 for PostgreSQL and 3306 for MySQL unless given.
    type: int
  database:
    description: The database.
    type: str
  user:
    description: The role, which owns the database or may create a schema in it.
    type: str
  password:
    description: Its password.
    type: str
  ssl_mode:
    description: How TLS is used, in the words of libpq, for MySQL too.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  ssl_root_cert:
    description: File of the authorities that may have signed the server's certificate, for the modes that verify it.
    type: path
  progress_file:
    description:
      - A file in which V(copy), V(keep) and V(verify) say how far they are. Only its owner can read it.
      - With it, the file that Ansible made of the module and its arguments is removed as soon as the module runs, unless Ansible is told to
        keep such files.
      - The action of the same name gives one, and shows what is in it every few seconds with the time that remains.
    type: path
    version_added: 0.2.0
"""

EXAMPLES = r"""
- name: Look at the source
  updraft.airflow.airflow_metadata_copy:
    phase: inspect
    source: /home/jane/airflow/airflow.db
    line: 3

- name: Copy it
  updraft.airflow.airflow_metadata_copy:
    phase: copy
    source: /opt/airflow/backups/airflow.db
    source_name: jane-laptop:/home/jane/airflow/airflow.db
    host: 127.0.0.1
    database: airflow
    user: airflow
    password: "{{ password }}"
  vars:
    ansible_python_interpreter: /opt/airflow/venvs/2.11.2/bin/python

- name: Copy it from a server to another
  updraft.airflow.airflow_metadata_copy:
    phase: copy
    source_server:
      engine: postgresql
      host: 192.0.2.10
      name: airflow
      user: airflow
      password: "{{ old_password }}"
    source_name: postgresql://192.0.2.10/airflow
    engine: mysql
    host: 192.0.2.20
    database: airflow
    user: airflow
    password: "{{ password }}"
  vars:
    ansible_python_interpreter: /opt/airflow/venvs/3.3.2/bin/python
"""

RETURN = r"""
msg:
  description: What was done, or would be done in check mode.
  returned: always
  type: str
tables:
  description:
    - The tables. C(name) and C(rows), with C(known) for V(inspect) and C(digest) for V(copy).
    - For V(verify) C(name), the name C(now), and the rows C(before) and C(after).
  returned: for inspect, copy, keep and verify
  type: list
  elements: dict
rows:
  description: How many rows there are in all tables.
  returned: for inspect and copy
  type: int
rows_per_second:
  description: The speed of the whole copy, verification included.
  returned: for copy
  type: int
seconds:
  description: Seconds per step.
  returned: for copy
  type: dict
revision:
  description: The revision of the schema.
  returned: for inspect, state and verify
  type: str
fab_revision:
  description: The revision of FAB's tables, when they have one of their own.
  returned: for inspect and state
  type: str
refusals:
  description:
    - One sentence for everything that makes the move impossible, with table, column and row.
    - For V(state) what the target's server lacks for Airflow.
    - For V(written) why the target cannot be compared. Nothing else is told then.
  returned: for inspect, state and written, and when the copy is refused
  type: list
  elements: str
notes:
  description: One sentence for everything worth knowing.
  returned: for inspect and copy
  type: list
  elements: str
kept:
  description: The tables in the schema C(airflow_kept), with their rows.
  returned: for copy, keep and verify
  type: list
  elements: dict
sequences:
  description: The sequences with the number they were set to.
  returned: for copy
  type: list
  elements: dict
fingerprint:
  description: A digest of the digests of all tables.
  returned: for copy
  type: str
losses:
  description: What Airflow's migration dropped on purpose. C(table), C(rows), C(revision), C(reason) and where it is kept, C(kept_as).
  returned: for verify
  type: list
  elements: dict
unfinished_runs:
  description: How many DAG runs are under way.
  returned: for verify
  type: int
jobs:
  description: How many jobs of schedulers were ended.
  returned: for resume
  type: int
tasks:
  description: How many tasks got the version of their DAG.
  returned: for resume
  type: int
dags_without_version:
  description: DAGs with an unfinished run that were not parsed, by their id. Their runs go on when they are.
  returned: for resume
  type: list
  elements: str
state:
  description:
    - V(empty), V(fresh) (a schema without data), V(unfinished) (a move that was not switched to), V(switched) or V(foreign) (another
      installation); V(unknown) in check mode when the target cannot be asked yet.
  returned: for state
  type: str
sentence:
  description: The state in words.
  returned: for state
  type: str
move:
  description: The marker of the move in the target.
  returned: for state
  type: dict
written:
  description:
    - What was written since. C(runs) is a list with C(dag_id) and how many runs C(began), C(went_on) and were C(removed).
    - C(connections), C(variables), C(pools) and C(users) have the names of those C(added), C(changed) and C(removed). C(paused) are the
      DAGs that were paused or unpaused.
  returned: for written
  type: dict
writes:
  description: How many of all these there are.
  returned: for written
  type: int
left_out:
  description: The names of O(own) that differ, by kind.
  returned: for written
  type: dict
running:
  description: The tasks that run now. C(dag_id), C(task_id), C(run_id) and C(map_index).
  returned: for written
  type: list
  elements: dict
told:
  description: What was written, a line for each kind.
  returned: for written
  type: list
  elements: str
  sample: ["2 DAG runs (hello: 1 began and 1 went on)", "1 connection (warehouse)"]
told_left_out:
  description: The names of O(own) that differ, in one line, none where there are none.
  returned: for written
  type: list
  elements: str
told_running:
  description: The tasks that run now, in one line, none where none runs.
  returned: for written
  type: list
  elements: str
dropped:
  description: The tables that were dropped.
  returned: for reset
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils.background_jobs import end_orphans, remove_own_file
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_copy import Copy
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_engines import NAMES, open_source, open_target
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_inspect import Inspection
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_progress import Progress
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_runs import resume
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import (
    TargetState,
    require_fresh,
    reset,
    set_switched,
)
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Target
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError, RefusedValue, Source
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_upgrade import Upgrade
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_written import refusals, written

SOURCES = ["source", "source_server"]
TARGET_OPTIONS = ["host", "database", "user", "password"]
WOULD = {
    "reset": "Would empty the target if it holds an unfinished move or a schema without data.",
    "copy": "Would copy every table in one transaction and verify counts and digests.",
    "keep": "Would copy aside what Airflow's migration drops, and record all tables.",
    "verify": "Would compare all tables with the record.",
    "resume": "Would let unfinished runs go on.",
    "switched": "Would mark the move as the one in service.",
}


def run_inspect(module: AnsibleModule, target: Target | None = None) -> dict[str, Any]:
    """Read the source."""
    parameters = module.params
    replaces = parameters["replace_characters"]
    source = open_source(parameters["source"], parameters["source_server"], lenient=replaces)
    try:
        result = Inspection(source, parameters["line"], NAMES[parameters["engine"]], target, replaces, parameters["fernet_key"]).run()
    finally:
        source.close()
    result["msg"] = f"{result['rows']} rows in {len(result['tables'])} tables, {len(result['refusals'])} refusals."
    return {"changed": False, **result}


def run_copy(module: AnsibleModule, target: Target, progress: Progress) -> dict[str, Any]:
    """Copy and verify."""
    require_fresh(TargetState(target))
    replaces = module.params["replace_characters"]
    source = open_source(module.params["source"], module.params["source_server"], lenient=replaces)
    try:
        copying = Copy(source, target, Marker(target), module.params["source_name"], replaces=replaces, progress=progress)
        result = copying.run()
    except source.error as error:
        raise MoveError(f"The copy was undone, run the phase inspect. {source.unreadable(error)}") from None
    finally:
        source.close()
    if result.get("refusals"):
        module.fail_json(msg="The copy is refused: " + " ".join(result["refusals"]), refusals=result["refusals"])
    msg = f"Copied and verified {result['rows']} rows in {len(result['tables'])} tables."
    return {"changed": True, "msg": msg, **result}


def run_written(module: AnsibleModule) -> dict[str, Any]:
    """Compare what is there now with the copy that was kept."""
    parameters = module.params
    copy = open_source(parameters["source"], None)
    try:
        if parameters["written_file"]:
            return _compare(copy, open_source(parameters["written_file"], None), parameters["own"])
        place = {**parameters, "name": parameters["database"]}
        target = open_target(parameters["engine"], place)
        try:
            refused = refusals(target, copy, parameters["source_name"])
        except target.error as error:
            raise MoveError(f"The phase written failed in {target.place}: {target.failure(error)}.") from None
        finally:
            target.close()
        if refused:
            return {"changed": False, "msg": " ".join(refused), "refusals": refused}
        return _compare(copy, open_source(None, {**place, "engine": parameters["engine"]}), parameters["own"])
    except copy.error as error:
        raise copy.unreadable(error) from None
    finally:
        copy.close()


def _compare(copy: Source, now: Source, own: dict[str, list[str]]) -> dict[str, Any]:
    try:
        result = written(copy, now, own)
    except RefusedValue as error:
        raise MoveError(f"{copy.place} or {now.place} holds {error} in the table dag_run: compare them by hand.") from None
    except now.error as error:
        raise now.unreadable(error) from None
    finally:
        now.close()
    msg = "Since the copy was made, there were written: " + "; ".join(result["told"]) + "." if result["told"] else "Nothing was written."
    return {"changed": False, "msg": msg, "refusals": [], **result}


def run_phase(module: AnsibleModule, target: Target, progress: Progress) -> dict[str, Any]:
    """Run a phase that looks at the target or changes it."""
    phase = module.params["phase"]
    if phase == "inspect":
        return run_inspect(module, target)
    if phase == "copy":
        return run_copy(module, target, progress)
    if phase == "keep":
        return {"msg": "Kept aside what Airflow's migration drops, and recorded all tables.", **Upgrade(target, progress).keep()}
    if phase == "verify":
        return {"msg": "All that must survive Airflow's migration is there.", **Upgrade(target, progress).verify()}
    if phase == "resume":
        return {"msg": "Unfinished runs can go on.", **resume(target)}
    state = TargetState(target)
    if phase == "state":
        return {"changed": False, "msg": state.as_dict()["sentence"], **state.as_dict(), "refusals": target.obstacles(migrates=False)}
    if phase == "reset":
        return {"msg": f"The target was {state.name}.", **reset(target, state, module.params["source_name"])}
    return {"msg": "The move is marked as the one in service.", **set_switched(target, state)}


def run_on_target(module: AnsibleModule) -> dict[str, Any]:
    """Connect, run the phase, and leave the target alone again."""
    parameters = module.params
    progress = Progress(parameters["progress_file"])
    if parameters["progress_file"] and not module._keep_remote_files:
        remove_own_file()
    if not module.check_mode:
        # It would hold locks in the target.
        end_orphans(parameters["progress_file"] and os.path.dirname(parameters["progress_file"]))
    target = open_target(parameters["engine"], {**parameters, "name": parameters["database"]})
    try:
        return run_phase(module, target, progress)
    except target.error as error:
        raise MoveError(f"The phase {parameters['phase']} failed in {target.place}: {target.failure(error)}.") from None
    finally:
        target.close()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "phase": {
                "type": "str",
                "required": True,
                "choices": ["inspect", "state", "reset", "copy", "keep", "verify", "resume", "switched", "written"],
            },
            "source": {"type": "path"},
            "written_file": {"type": "path"},
            "own": {"type": "dict", "default": {}},
            "source_server": {
                "type": "dict",
                "options": {
                    "engine": {"type": "str", "required": True, "choices": ["postgresql", "mysql"]},
                    "host": {"type": "str", "required": True},
                    "port": {"type": "int"},
                    "name": {"type": "str", "required": True},
                    "user": {"type": "str", "required": True},
                    "password": {"type": "str", "no_log": True},
                    "ssl_mode": {"type": "str"},
                    "ssl_root_cert": {"type": "path"},
                },
            },
            "source_name": {"type": "str"},
            "line": {"type": "int", "choices": [2, 3]},
            "against_target": {"type": "bool", "default": False},
            "replace_characters": {"type": "bool", "default": False},
            "fernet_key": {"type": "str", "no_log": True},
            "engine": {"type": "str", "default": "postgresql", "choices": ["postgresql", "mysql"]},
            "host": {"type": "str"},
            "port": {"type": "int"},
            "database": {"type": "str"},
            "user": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "ssl_mode": {
                "type": "str",
                "default": "prefer",
                "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
            },
            "ssl_root_cert": {"type": "path"},
            "progress_file": {"type": "path"},
        },
        required_if=[
            ("phase", "inspect", SOURCES, True),
            ("phase", "copy", SOURCES, True),
            ("phase", "copy", ["source_name", *TARGET_OPTIONS]),
            ("against_target", True, TARGET_OPTIONS),
            ("phase", "reset", ["source_name", *TARGET_OPTIONS]),
            *(("phase", phase, TARGET_OPTIONS) for phase in ("state", "keep", "verify", "resume", "switched")),
            ("phase", "written", ["source"]),
            ("phase", "written", ["written_file", "source_name"], True),
            ("phase", "written", ["written_file", "host"], True),
        ],
        mutually_exclusive=[SOURCES],
        supports_check_mode=True,
    )
    phase = module.params["phase"]
    try:
        if phase == "inspect" and not module.params["against_target"]:
            result = run_inspect(module)
        elif phase == "written":
            result = run_written(module)
        elif module.check_mode and phase not in ("inspect", "state"):
            result = {"changed": True, "msg": WOULD[phase]}
        else:
            result = run_on_target(module)
    except MoveError as error:
        if not (module.check_mode and phase == "state"):
            module.fail_json(msg=str(error))
        result = {"changed": False, "state": "unknown", "sentence": str(error), "msg": str(error), "move": None, "refusals": []}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
