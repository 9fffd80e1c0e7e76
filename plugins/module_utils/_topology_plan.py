# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of one host, put together from a topology without findings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from . import _topology_urls as urls
from . import _topology_versions as versions
from ._topology_broker import broker_plan
from ._topology_canary import api_plan, canary_plan
from ._topology_celery import queues_only_on, worker_user
from ._topology_certificates import certificates
from ._topology_connections import connections
from ._topology_daemons import cli_environment, daemons_of, service_user, task_group, unit_name, worker_bundle_storage
from ._topology_dags import (
    bundle_programs,
    bundle_storage,
    comes_as_revision,
    compared_dags,
    dag_options,
    dag_plan,
    present_dags,
)
from ._topology_database import ENGINE_TITLES, SERVER_ENGINES
from ._topology_database_plan import database_plan
from ._topology_handover import handover_plan
from ._topology_load_balancer import PROBE_UNIT, has_probe, load_balancer_plan
from ._topology_locks import environment_digest, lock_files, locked_names, package_name
from ._topology_model import CONTROL_DAEMONS, TLS_OFF, Draft, Host
from ._topology_mysql_pair import OPEN_UNIT, ROLE_UNIT
from ._topology_objects import objects_plan
from ._topology_patroni import PROXY_UNIT
from ._topology_pgbouncer import POOL_UNIT
from ._topology_python_modules import python_modules
from ._topology_rollback import executor_of, rollback_plan, rollback_record
from ._topology_rollout import is_rolled
from ._topology_rotation import rotation_refusals
from ._topology_rules_versions import find_python, move_host, moves, source_environment_version, source_python
from ._topology_secrets import needs_admin
from ._topology_settings import CONFIG_DIR, base_path, folders
from ._topology_stages import lock_parts, source_version
from .airflow_options import environment_name

SIMPLE_ROLES = {"viewer": "Viewer", "user": "User", "op": "Op", "admin": "Admin"}
INSTALLERS = ("pip", "setuptools", "uv", "wheel")
UNLOCKED_PACKAGES = {
    2: ("apache-airflow=={version}",),
    3: (
        "apache-airflow[fab]=={version}",
        "apache-airflow-providers-ftp",
        "apache-airflow-providers-http",
        "apache-airflow-providers-imap",
        "apache-airflow-providers-sqlite",
    ),
}
UNLOCKED_PARTS = {
    "postgresql": ("apache-airflow-providers-postgres", "psycopg2-binary", "asyncpg"),
    "mysql": ("apache-airflow-providers-mysql", "mysqlclient", "aiomysql", "pymysql"),
    "celery": ("apache-airflow-providers-celery", "celery<5.7"),
}


def build_plan(draft: Draft, name: str, credentials_dir: str, admin_password_file: str | None) -> dict[str, Any]:
    """Everything that is to be true on one host."""
    host = draft.hosts[name]
    daemons = daemons_of(draft, host)
    carried = carried_packages(draft)
    database = database_plan(draft, name)
    units = [f"{daemon['unit']}.service" for daemon in daemons]
    handover = handover_plan(draft, name, [*units, *_further_units(draft, name, database)], bool(database and database["restarts"]))
    return {
        "installation": draft.values["airflow_installation"],
        "version": draft.version,
        "line": draft.line,
        "executor": draft.executor,
        "engine": draft.engine,
        "hostname": (host.info or {}).get("hostname") or name,
        "peers": _peers(draft, name),
        "user": service_user(draft),
        "task_group": task_group(draft, host),
        "accounts": _accounts(draft, host) if daemons else [],
        "paths": _paths(draft),
        "dags": dag_plan(draft, name, folders(draft)["dags"], service_user(draft)["name"]),
        "dag_bundle_storage": bundle_storage(draft),
        "worker_bundle_storage": worker_bundle_storage(draft, host),
        "programs": bundle_programs(draft, name),
        "environments": _environments(draft, host, carried) if daemons else [],
        "daemons": daemons,
        "cli_environment": cli_environment(draft, host, daemons),
        "settings": draft.settings if daemons else {},
        "python_modules": python_modules(draft, host) if daemons else [],
        "parse_environment": _parse_environment(draft) if daemons else {},
        "webserver": {"port": draft.port, "base_url": draft.base_url},
        "load_balancer": load_balancer_plan(draft, name, base_path(draft)),
        "is_main": name == draft.main_host,
        "airflow_hosts": draft.airflow_hosts,
        "queues_only_here": queues_only_on(draft, draft.inputs.limited or draft.airflow_hosts),
        "is_limited": draft.inputs.limited is not None,
        "present_dags": present_dags(draft, name, folders(draft)["dags"]),
        "compared_dags": compared_dags(draft, name, folders(draft)["dags"]),
        "webserver_config": (draft.adopted or {}).get("webserver_config_content"),
        "database": database,
        "broker": broker_plan(draft, name),
        "sqlite": _sqlite(draft, host),
        "move": _move(draft, name),
        "old_units": _old_units(draft, name),
        "handover": handover,
        "is_rolled": bool(daemons) and not (handover or {}).get("pauses") and is_rolled(draft, name),
        "move_is_unmarked": _move_is_unmarked(draft, name),
        "users": _users(draft),
        "api": api_plan(draft, name),
        "objects": objects_plan(draft, name, credentials_dir),
        "canary": canary_plan(draft, name, units),
        "adopted": _adopted(draft, name, carried),
        "rollback": rollback_plan(draft, name, daemons, [user["username"] for user in _users(draft)]),
        "rollback_record": rollback_record(draft, name),
        "certificates": certificates(draft, name),
        "rotation_refusals": rotation_refusals(draft, name, handover),
        "credentials": {"dir": credentials_dir, "admin_password_file": admin_password_file},
        "installation_record": _record(draft, name),
        "report": _report(draft, name, credentials_dir, admin_password_file),
        "warnings": draft.warnings,
        "notes": draft.notes,
    }


def _further_units(draft: Draft, name: str, database: Mapping[str, Any] | None) -> list[str]:
    """Units of this collection that are no daemons of Airflow."""
    probe = [PROBE_UNIT] if has_probe(draft, name) else []
    pair = [ROLE_UNIT, OPEN_UNIT] if database and database["pair"] else []
    # One that leaves is stopped when the daemons have started again without it.
    pool = [POOL_UNIT] if database and (database["pool"] or database["pool_leaves"]) else []
    return [*([PROXY_UNIT] if database and database["proxy"] else []), *pool, *pair, *probe]


def _peers(draft: Draft, name: str) -> list[dict[str, str | None]]:
    others = [draft.hosts[other] for other in draft.used_hosts if other != name]
    return [{"name": other.name, "hostname": (other.info or {}).get("hostname"), "address": other.address} for other in others]


def _accounts(draft: Draft, host: Host) -> list[str]:
    """The users of the operating system that are created; others' are used as they are."""
    user = service_user(draft)
    names = [user["name"]] if user["create"] else []
    worker = worker_user(draft, host)
    return [*names, worker] if worker and worker not in (user["name"], "root") else names


def _paths(draft: Draft) -> dict[str, str]:
    base = draft.home
    return {
        "home": base,
        "config_dir": CONFIG_DIR,
        "config_file": f"{CONFIG_DIR}/airflow.cfg",
        "current": f"{base}/current",
        "venvs": f"{base}/venvs",
        **folders(draft),
        "backups": f"{base}/backups",
        # SQLite writes files beside the database: its folder belongs to Airflow's user.
        "metadata": f"{base}/metadata",
    }


def carried_packages(draft: Draft) -> list[str]:
    """Packages of the installation made by hand that Airflow's own locks do not bring, pinned when the line stays."""
    adopted = draft.adopted
    if adopted is None:
        return []
    source = str(adopted.get("version") or "")
    line = 2 if source.startswith("2.") else 3
    known = set(INSTALLERS) | {package_name(text) for text in draft.values["airflow_requirements"]}
    parts = [*SERVER_ENGINES, *(["celery"] if draft.uses_celery else [])]
    for version in (versions.TESTED[line], versions.TESTED[draft.line]):
        known |= locked_names(lock_files(draft.inputs.files_dir, version, parts))
    # What came from a folder or a repository cannot be had from an index: `packages_are_left` tells it.
    further = [
        package for package in adopted.get("packages") or [] if package_name(package["name"]) not in known and not package.get("url")
    ]
    pinned = line == draft.line
    return sorted(f"{package['name']}=={package['version']}" if pinned else package["name"] for package in further)


def _environments(draft: Draft, host: Host, carried: list[str]) -> list[dict[str, Any]]:
    requirements = list(draft.values["airflow_requirements"])
    environments = [_environment(draft, "run", draft.version, find_python(host, draft.version), requirements, carried)]
    source = source_environment_version(draft)
    if source is not None and move_host(draft) == host.name:
        environments.append(_environment(draft, "source", source, source_python(draft, host, source), [], []))
    return environments


def _environment(
    draft: Draft, purpose: str, version: str, python: Mapping[str, Any] | None, requirements: list[str], carried: list[str]
) -> dict[str, Any]:
    minor = versions.spell(versions.python_minor((python or {})["version"]) or (0, 0))
    # A source is only there to make its schema.
    parts = [part for part in lock_parts(draft) if purpose == "run" or part != "celery"]
    locks = lock_files(draft.inputs.files_dir, version, parts)
    url = None if locks else versions.CONSTRAINT_URL.format(version=version, python=minor)
    packages = [] if locks else _unlocked(version, parts)
    digest = environment_digest(locks, [minor, version, url or "", *packages, *requirements, "", *carried])
    return {
        "purpose": purpose,
        "version": version,
        "python": (python or {})["path"],
        "path": f"{draft.home}/venvs/{version}-{digest}",
        "locks": locks,
        "constraint_url": url,
        "packages": packages,
        "requirements": requirements,
        "carried": carried,
    }


def _unlocked(version: str, parts: Sequence[str]) -> list[str]:
    packages = UNLOCKED_PACKAGES[2 if version.startswith("2.") else 3]
    further = [package for part in parts for package in UNLOCKED_PARTS.get(part, ())]
    return [text.format(version=version) for text in (*packages, *further)]


def _sqlite(draft: Draft, host: Host) -> dict[str, Any] | None:
    if draft.database is not None:
        return None
    found = connections(draft, host)
    return {"path": draft.sqlite_path, "url": found.url, "async_url": found.async_url if draft.line >= 3 else None}


def _source(draft: Draft) -> dict[str, Any]:
    place = move_host(draft) or ""
    metadata = (draft.hosts[place].info or {}).get("metadata") or {}
    version = source_version(draft)
    if draft.taking_over:
        adopted = draft.adopted or {}
        kind, path, base = "adopted", adopted["metadata"]["path"], adopted["home"]
    else:
        record = draft.hosts[place].installation or {}
        kind, path, base = "own", (record.get("database") or {}).get("path"), draft.home
    revision = metadata.get("revision") or versions.schema_head(version)
    return {"kind": kind, "path": path, "revision": revision, "version": version, "home": base}


def _brought_to(draft: Draft) -> str | None:
    """The version to whose schema a copy of the rows is brought before they are moved."""
    version = source_version(draft)
    return versions.copied_by(version) if versions.is_brought_up(version) else None


def _move(draft: Draft, name: str) -> dict[str, Any] | None:
    if not moves(draft):
        return None
    return {
        "source": _source(draft),
        "brought_to": _brought_to(draft),
        "target_version": draft.version,
        "on_this_host": move_host(draft) == name,
    }


def _old_units(draft: Draft, name: str) -> list[str]:
    """The units of the collection's own installation on SQLite that are stopped while it moves, in the order of their start."""
    if not moves(draft) or draft.taking_over or move_host(draft) != name:
        return []
    # Airflow 2 parses DAGs in its scheduler: there is no such unit yet where the move crosses to 3.
    crosses = draft.line >= 3 and str(source_version(draft)).startswith("2.")
    return [
        unit_name(daemon) for daemon in CONTROL_DAEMONS if name in draft.placement[daemon] and not (crosses and daemon == "dag_processor")
    ]


def _parse_environment(draft: Draft) -> dict[str, str]:
    """The settings as environment variables, for what parses DAGs before airflow.cfg is there: a DAG may read any of them."""
    return {
        environment_name(section, option): value
        for section, options in draft.settings.items()
        for option, value in options.items()
        # Where it parses, and what it writes to, is the parser's own affair.
        if section not in ("database", "logging") and (section, option) != ("core", "executor")
    }


def _move_is_unmarked(draft: Draft, name: str) -> bool:
    """Whether a run ended right after its switch, before it marked the database and gave the daemons their new environment."""
    installation = (draft.hosts[name].info or {}).get("installation") or {}
    if draft.database is None or not installation.get("moved") or moves(draft):
        return False
    scheduler = (installation.get("environment") or {}).get("scheduler") or {}
    return not scheduler.get(environment_name("database", "sql_alchemy_conn"), "sqlite:").startswith(SERVER_ENGINES)


def _users(draft: Draft) -> list[dict[str, Any]]:
    """Who must be able to log in when FAB knows nobody yet."""
    users = _admin(draft) if needs_admin(draft) else _simple_users(draft)
    # Where nobody is to be made, the account is made when the API is called: a move waits for no more than it must.
    return [*users, *(_api_user(draft) if users else [])]


def _admin(draft: Draft) -> list[dict[str, Any]]:
    password = draft.secrets.get("admin_password")
    return [_administrator(draft.values["airflow_admin_username"], password, "generated")] if password else []


def _api_user(draft: Draft) -> list[dict[str, Any]]:
    password = draft.secrets.get("api_password")
    return [_administrator(draft.values["airflow_api_username"], password, "api")] if password else []


def _administrator(name: str, password: str, source: str) -> dict[str, Any]:
    return {"username": name, "password": password, "role": "Admin", "source": source}


def _simple_users(draft: Draft) -> list[dict[str, Any]]:
    simple = (draft.adopted or {}).get("simple_auth") or {}
    passwords = simple.get("passwords") or {}
    return [
        {
            "username": user["username"],
            "password": passwords[user["username"]],
            "role": SIMPLE_ROLES.get(str(user.get("role") or "").lower(), "Public"),
            "source": "simple_auth",
        }
        for user in simple.get("users") or []
        if passwords.get(user["username"])
    ]


def _adopted(draft: Draft, name: str, carried: list[str]) -> dict[str, Any] | None:
    adopted = draft.adopted
    if adopted is None or not draft.taking_over or draft.adopted_on != name:
        return None
    places = folders(draft)
    logs = adopted.get("base_log_folder")
    return {
        **{key: adopted.get(key) for key in ("home", "owner", "version", "python", "prefix", "config_file", "webserver_config", "daemons")},
        "copies": [
            {"from": source, "to": places[kind], "what": kind}
            for kind, source in (("dags", adopted.get("dags_folder")), ("plugins", adopted.get("plugins_folder")), ("logs", logs))
            if source and os.path.normpath(source) != os.path.normpath(places[kind]) and not (kind == "dags" and dag_options(draft))
        ],
        "packages": carried,
        "executor": executor_of(adopted),
    }


def _report(draft: Draft, name: str, credentials_dir: str, admin_password_file: str | None) -> list[str]:
    """What to tell at the end, once for the installation."""
    if name not in draft.placement["webserver"][:1]:
        return []
    lines = [f"Airflow {draft.version} runs at {draft.base_url} ({draft.executor} on {ENGINE_TITLES[draft.engine]})."]
    if comes_as_revision(draft) and draft.inputs.dags:
        lines.append(f"Its DAGs are {draft.inputs.dags['description']}.")
    if not needs_admin(draft):
        lines.append("Users log in with the names and passwords they had.")
    elif draft.secrets.get("admin_password"):
        place = "given by airflow_admin_password" if draft.values["airflow_admin_password"] else f"in {admin_password_file}"
        lines.append(f"Log in as {draft.values['airflow_admin_username']}; the first password is {place}.")
    return [*lines, *_flower_report(draft, credentials_dir)]


def _flower_report(draft: Draft, credentials_dir: str) -> list[str]:
    lines = []
    for name in draft.placement["flower"]:
        address = draft.hosts[name].variables["airflow_flower_address"]
        page = urls.web_url(address, draft.values["airflow_flower_port"], bool(draft.tls))
        where = f"on {name} only ({page})" if address in urls.LOOPBACK else f"at {page}"
        given = draft.values["airflow_flower_password"]
        place = "given by airflow_flower_password" if given else f"in {credentials_dir}/flower_password.txt"
        lines.append(f"Flower answers {where}; log in as {draft.values['airflow_flower_username']}, the password is {place}.")
    return lines


def _record(draft: Draft, name: str) -> dict[str, Any]:
    """What installation.json is to say after the switch."""
    database = draft.database
    place = {"path": draft.sqlite_path} if database is None else {"host": database.host, "port": database.port, "name": database.name}
    moved = {**_source(draft), "target_version": draft.version} if moves(draft) else (draft.installation or {}).get("moved")
    return {
        "format": 1,
        "version": draft.version,
        "engine": draft.engine,
        "executor": draft.executor,
        "tls": draft.tls or TLS_OFF,
        "database": place,
        "adopted": draft.adopted if draft.adopted_on == name else None,
        "moved": moved,
    }
