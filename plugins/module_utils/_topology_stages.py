# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages that derive the topology. None of them fails; the rules look at what they made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from . import _topology_versions as versions
from ._topology_assumed import assume_members
from ._topology_dags import take_dag_source
from ._topology_database import choose_database, database_memory_mb
from ._topology_load_balancer import choose_load_balancer, front_url
from ._topology_model import COMPONENTS, DAEMONS, Draft
from ._topology_sizing import NAMED_SIZES, Machine, auto_slots
from ._topology_variables import VARIABLES, convert
from .airflow_options import adopted_differences, load_options, nearest_options, normalise

CONFIG_OF_VARIABLE: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "airflow_executor": {2: ("core", "executor"), 3: ("core", "executor")},
    "airflow_fernet_key": {2: ("core", "fernet_key"), 3: ("core", "fernet_key")},
    "airflow_secret_key": {2: ("webserver", "secret_key"), 3: ("api", "secret_key")},
    "airflow_jwt_secret": {3: ("api_auth", "jwt_secret")},
    "airflow_webserver_port": {2: ("webserver", "web_server_port"), 3: ("api", "port")},
    "airflow_base_url": {2: ("webserver", "base_url"), 3: ("api", "base_url")},
}
"""Options that have a variable of their own: to the user both are one setting."""

CONNECTION_OPTIONS = (("database", "sql_alchemy_conn"), ("database", "sql_alchemy_conn_async"))


def options_dir(draft: Draft) -> str:
    """Folder with the option data of the tested versions."""
    return os.path.join(draft.inputs.files_dir, "options")


def place_daemons(draft: Draft) -> None:
    """Groups by component, and the hosts of each daemon: an empty DAG processor or triggerer group means the scheduler's."""
    everywhere = next(iter(draft.hosts.values()))
    for component in COMPONENTS:
        name = everywhere.variables[f"airflow_{component}_group"]
        draft.group_names[component] = name
        draft.groups[component] = [host for host in draft.hosts if host in draft.inputs.groups.get(name, ())]
    draft.placement = {daemon: list(draft.groups[daemon]) for daemon in DAEMONS}
    for daemon in ("dag_processor", "triggerer"):
        draft.placement[daemon] = draft.placement[daemon] or list(draft.groups["scheduler"])
    main = draft.main_host or everywhere.name
    draft.values = {name: draft.hosts[main].variables.get(name) for name in VARIABLES}


def drop_unneeded_dag_processor(draft: Draft) -> None:
    """The scheduler of 2.x reads DAGs itself, unless the inventory asks for a DAG processor."""
    if draft.line < 3:
        draft.placement["dag_processor"] = list(draft.groups["dag_processor"])


def find_existing(draft: Draft) -> None:
    """What this collection installed before, and what was made by hand (taken over now, or recorded when it was)."""
    names = sorted(draft.hosts, key=lambda name: name != draft.main_host)
    draft.installation = next((draft.hosts[name].installation for name in names if draft.hosts[name].installation), None)
    for name in names:
        host = draft.hosts[name]
        adopted = host.adopted or (host.installation or {}).get("adopted")
        if adopted:
            draft.adopted_on, draft.adopted = name, adopted
            return


def source_version(draft: Draft) -> str | None:
    """The version that runs now."""
    if draft.taking_over:
        return str((draft.adopted or {}).get("version") or "") or None
    return str(draft.installation["version"]) if draft.installation else None


def choose_version(draft: Draft) -> None:
    """What is written out, else the tested version of the line that runs now, else the newest tested one."""
    wanted = versions.parse_version(draft.values["airflow_version"] or "")
    running = versions.parse_version(source_version(draft) or "")
    if wanted:
        draft.version = draft.values["airflow_version"]
    elif running and running[0] in versions.TESTED:
        tested = versions.TESTED[running[0]]
        newer = running > (versions.parse_version(tested) or running)
        draft.version = str(source_version(draft)) if newer else tested
    else:
        draft.version = versions.DEFAULT_VERSION
    draft.line = 2 if draft.version.startswith("2.") else 3


def read_config(draft: Draft) -> None:
    """The user's `airflow_config` in the names of the version; what has a variable of its own becomes that variable."""
    config = draft.values["airflow_config"]
    options = load_options(options_dir(draft), draft.version)
    if options is not None:
        extra = draft.values["airflow_config_extra_sections"]
        draft.config, problems = normalise(config, options, extra, "airflow_config")
        draft.findings.extend(problems)
    elif config:
        draft.config = {
            section: {name: str(value) for name, value in items.items()} for section, items in config.items() if isinstance(items, Mapping)
        }
        draft.warnings.append(
            f"The options of Airflow {draft.version} are not known to this collection: airflow_config is written as it stands."
        )
    _take_variables_from_config(draft)


def _take_variables_from_config(draft: Draft) -> None:
    for variable, places in CONFIG_OF_VARIABLE.items():
        section, option = places.get(draft.line, ("", ""))
        text = draft.config.get(section, {}).pop(option, None)
        if text is None:
            continue
        try:
            value = convert(VARIABLES[variable], text)
        except ValueError as error:
            draft.findings.append(f"airflow_config: [{section}] {option} {error}.")
            continue
        if draft.values[variable] not in (None, value):
            draft.findings.append(f"airflow_config sets [{section}] {option} and {variable} says otherwise: set one of them.")
        draft.values[variable] = draft.values[variable] or value
    for section, option in CONNECTION_OPTIONS:
        if draft.config.get(section, {}).pop(option, None) is not None:
            draft.findings.append(
                f"airflow_config sets [{section}] {option}, which is built from airflow_metadata_db_host, _port, _name, _user and "
                "_password: set those."
            )
    draft.config = {section: options for section, options in draft.config.items() if options}


def read_adopted(draft: Draft) -> None:
    """What the installation made by hand sets differently from its version's defaults, in the names of the version."""
    options = nearest_options(options_dir(draft), draft.version)
    if draft.adopted is None or options is None or not draft.adopted.get("version"):
        return
    draft.adopted_settings, notes = adopted_differences(
        draft.adopted.get("config") or {},
        draft.adopted.get("environment") or {},
        str(draft.adopted["version"]),
        options,
        options_dir(draft),
        str(draft.adopted["home"]),
    )
    if draft.taking_over:
        draft.notes.extend(notes)


def choose_executor(draft: Draft) -> None:
    """What is written out, else Celery's where there are workers, else what fits the database: SQLite with 2.x runs one task at a time."""
    serial = draft.line < 3 and draft.engine == "sqlite"
    alone = "SequentialExecutor" if serial else "LocalExecutor"
    draft.executor = draft.values["airflow_executor"] or ("CeleryExecutor" if draft.placement["worker"] else alone)


def choose_web_address(draft: Draft) -> None:
    """Port and address of the web page."""
    draft.port = draft.values["airflow_webserver_port"] or (draft.adopted or {}).get("webserver_port") or 8080
    section, option = CONFIG_OF_VARIABLE["airflow_base_url"][draft.line]
    wanted = draft.values["airflow_base_url"] or draft.adopted_settings.get(section, {}).get(option)
    draft.base_url = (wanted or front_url(draft)).rstrip("/")
    draft.base_url_is_given = bool(wanted)


def choose_slots(draft: Draft) -> None:
    """How many tasks the scheduler's host runs at once; Celery's workers have their own."""
    if draft.uses_celery:
        return
    if draft.executor == "SequentialExecutor":
        draft.slots = 1
        return
    host = draft.main_host or ""
    size = draft.variable(host, "airflow_size")
    machine = Machine.of(draft.hosts[host].facts)
    draft.slots = NAMED_SIZES.get(size) or auto_slots(machine, database_memory_mb(draft, host))


STAGES = (
    place_daemons,
    assume_members,
    find_existing,
    choose_version,
    drop_unneeded_dag_processor,
    read_config,
    read_adopted,
    take_dag_source,
    choose_database,
    choose_executor,
    choose_load_balancer,
    choose_web_address,
    choose_slots,
)


def derive(draft: Draft) -> None:
    """All stages in order."""
    for stage in STAGES:
        stage(draft)


def lock_parts(draft: Draft) -> list[str]:
    """What is installed with Airflow itself: the drivers of the database engine, and Celery."""
    return [*([draft.engine] if draft.engine != "sqlite" else []), *(["celery"] if draft.uses_celery else [])]


def setting(settings: Mapping[str, Mapping[str, Any]], section: str, option: str, default: str) -> str:
    """One setting with a default."""
    return str(settings.get(section, {}).get(option, default))


def number_setting(settings: Mapping[str, Mapping[str, Any]], section: str, option: str, default: int) -> int:
    """One setting that is a number, with a default that also stands for what only Airflow itself can expand."""
    text = setting(settings, section, option, "").strip()
    return int(text) if text.isdigit() else default
