# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of one host, put together from a topology without findings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import _topology_sizing as sizing
from . import _topology_urls as urls
from . import _topology_versions as versions
from ._topology_locks import environment_digest, lock_files, locked_names, package_name
from ._topology_model import DAEMONS, Draft, Host
from ._topology_rules_values import scheduler_health_port
from ._topology_rules_versions import find_python, move_host, moves, source_environment_version, source_python
from ._topology_secrets import derived_secrets, needs_admin, readers
from ._topology_settings import CONFIG_DIR, base_path, folders
from ._topology_stages import candidate_clusters, number_setting, setting, source_version
from .airflow_options import environment_name

JOB_TYPES = {"scheduler": "SchedulerJob", "dag_processor": "DagProcessorJob", "triggerer": "TriggererJob"}
DESCRIPTIONS = {
    "webserver": "Airflow's web pages and API",
    "scheduler": "Airflow's scheduler",
    "dag_processor": "Airflow's DAG processor",
    "triggerer": "Airflow's triggerer",
}
QUICK_STOP_SECONDS = 60
SIMPLE_ROLES = {"viewer": "Viewer", "user": "User", "op": "Op", "admin": "Admin"}
DATABASE_UNIT = "postgresql.service"
CA_BUNDLES = {"RedHat": "/etc/pki/tls/certs/ca-bundle.crt"}
DEFAULT_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
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
UNLOCKED_DRIVERS = {"postgresql": ("apache-airflow-providers-postgres", "psycopg2-binary", "asyncpg")}


@dataclass(frozen=True)
class Connections:
    """The two URLs of the metadata database; 2.x has no asynchronous one."""

    url: str
    async_url: str


def ssl_root_cert(draft: Draft, host: Host) -> str | None:
    """The file with the authorities that may have signed the server's certificate, None when nothing is verified."""
    database = draft.database
    if database is None:
        return None
    written = host.variables.get("airflow_metadata_db_ssl_root_cert") or database.ssl_root_cert
    if written or not database.ssl_mode.startswith("verify-"):
        return written or None
    family = str(host.facts.get("os_family"))
    return host.variables.get("airflow_ca_bundle") or CA_BUNDLES.get(family, DEFAULT_CA_BUNDLE)


def connections(draft: Draft, host: Host) -> Connections:
    """How the daemons of a host reach the metadata."""
    database = draft.database
    if database is None:
        return Connections(urls.sqlite_url(draft.sqlite_path or ""), urls.sqlite_async_url(draft.sqlite_path or ""))
    place = (database.user, database.password, database.host, database.port, database.name)
    parts = (*place, database.ssl_mode, ssl_root_cert(draft, host))
    return Connections(urls.postgresql_url(*parts, database.options), database.async_url or urls.postgresql_async_url(*parts))


def unit_name(daemon: str) -> str:
    """The systemd unit of a daemon, the same in 2.x and 3.x."""
    return "airflow-" + daemon.replace("_", "-")


def build_plan(draft: Draft, name: str, credentials_dir: str, admin_password_file: str | None) -> dict[str, Any]:
    """Everything that is to be true on one host."""
    host = draft.hosts[name]
    daemons = _daemons(draft, host)
    carried = carried_packages(draft)
    return {
        "installation": draft.values["airflow_installation"],
        "version": draft.version,
        "line": draft.line,
        "executor": draft.executor,
        "engine": draft.engine,
        "hostname": (host.info or {}).get("hostname") or name,
        "peers": _peers(draft, name),
        "user": _user(draft),
        "paths": _paths(draft),
        "environments": _environments(draft, host, carried) if daemons else [],
        "daemons": daemons,
        "cli_environment": {key: value for daemon in daemons for key, value in daemon["environment"].items()},
        "settings": draft.settings if daemons else {},
        "parse_environment": _parse_environment(draft) if daemons else {},
        "webserver": {"port": draft.port, "base_url": draft.base_url},
        "webserver_config": (draft.adopted or {}).get("webserver_config_content"),
        "database": _database(draft, name),
        "sqlite": _sqlite(draft, host),
        "move": _move(draft, name),
        "old_units": _old_units(draft, name),
        "move_is_unmarked": _move_is_unmarked(draft, name),
        "users": _users(draft),
        "adopted": _adopted(draft, name, carried),
        "credentials": {"dir": credentials_dir, "admin_password_file": admin_password_file},
        "installation_record": _record(draft, name),
        "report": _report(draft, name, admin_password_file),
        "warnings": draft.warnings,
        "notes": draft.notes,
    }


def _peers(draft: Draft, name: str) -> list[dict[str, str | None]]:
    others = [draft.hosts[other] for other in draft.used_hosts if other != name]
    return [{"name": other.name, "hostname": (other.info or {}).get("hostname"), "address": other.address} for other in others]


def _user(draft: Draft) -> dict[str, Any]:
    owner = (draft.adopted or {}).get("owner") or {}
    wanted = draft.values["airflow_user"]
    if owner and owner.get("user") != "root" and wanted in (None, owner.get("user")):
        return {"name": owner["user"], "group": owner.get("group") or owner["user"], "create": False}
    name = wanted or "airflow"
    return {"name": name, "group": name, "create": True}


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
    for version in (versions.TESTED[line], versions.TESTED[draft.line]):
        known |= locked_names(lock_files(draft.inputs.files_dir, version, "postgresql"))
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
    locks = lock_files(draft.inputs.files_dir, version, draft.engine)
    url = None if locks else versions.CONSTRAINT_URL.format(version=version, python=minor)
    packages = [] if locks else _unlocked(version, draft.engine)
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


def _unlocked(version: str, engine: str) -> list[str]:
    packages = UNLOCKED_PACKAGES[2 if version.startswith("2.") else 3]
    return [text.format(version=version) for text in (*packages, *UNLOCKED_DRIVERS.get(engine, ()))]


def _daemons(draft: Draft, host: Host) -> list[dict[str, Any]]:
    return [_daemon(draft, host, daemon) for daemon in DAEMONS if host.name in draft.placement[daemon]]


def _daemon(draft: Draft, host: Host, daemon: str) -> dict[str, Any]:
    runs_tasks = daemon == "scheduler"
    return {
        "name": daemon,
        "unit": unit_name(daemon),
        "description": DESCRIPTIONS[daemon],
        "arguments": _arguments(draft, daemon),
        "environment": _environment_of(draft, host, daemon),
        "runs_tasks": runs_tasks,
        "stop_timeout": draft.values["airflow_drain_timeout"] if runs_tasks else QUICK_STOP_SECONDS,
        "after": _after(draft, host, daemon),
        "before": [],
        "health": _health(draft, daemon),
    }


def _arguments(draft: Draft, daemon: str) -> list[str]:
    if daemon == "webserver" and draft.line >= 3:
        return ["api-server", "--port", str(draft.port)]
    if daemon == "webserver":
        # Without --pid it writes into AIRFLOW_HOME, which is not its user's.
        return ["webserver", "--port", str(draft.port), "--pid", f"/run/{unit_name(daemon)}/webserver.pid"]
    return [daemon.replace("_", "-")]


def _after(draft: Draft, host: Host, daemon: str) -> list[str]:
    """Units are stopped in the opposite order: the scheduler first, then the webserver its tasks report to, then the database."""
    units = ["network-online.target"]
    if draft.database is not None and draft.database.managed and host.name in draft.groups["metadata_db"]:
        units.append(DATABASE_UNIT)
    if daemon == "scheduler" and host.name in draft.placement["webserver"]:
        units.append(unit_name("webserver") + ".service")
    return units


def _health(draft: Draft, daemon: str) -> dict[str, Any]:
    health: dict[str, Any] = {"kind": "job", "port": None, "path": None, "url": None, "job_type": JOB_TYPES.get(daemon)}
    if daemon == "webserver":
        page = "/api/v2/monitor/health" if draft.line >= 3 else "/health"
        health.update(kind="http", port=draft.port, path=base_path(draft) + page)
    elif daemon == "scheduler" and setting(draft.settings, "scheduler", "enable_health_check", "False").lower() in ("true", "t", "1"):
        health.update(kind="http", port=scheduler_health_port(draft), path="/health")
    if health["port"]:
        health["url"] = urls.web_url(urls.LOOPBACK[0], health["port"]) + health["path"]
    return health


def _environment_of(draft: Draft, host: Host, daemon: str) -> dict[str, str]:
    """The secrets of one daemon, and the connections and variables that the old daemons had in their environment."""
    found = connections(draft, host)
    environment = {
        environment_name(section, option): value
        for (section, option), (value, wanted) in derived_secrets(draft, (found.url, found.async_url)).items()
        if daemon in wanted
    }
    for section, options in draft.secret_settings.items():
        for option, value in options.items():
            if daemon in readers(draft.line, section, option):
                environment[environment_name(section, option)] = value
    for key, value in ((draft.adopted or {}).get("environment") or {}).items():
        if key.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_")):
            environment[key] = value
    return dict(sorted(environment.items()))


def _sqlite(draft: Draft, host: Host) -> dict[str, Any] | None:
    if draft.database is not None:
        return None
    found = connections(draft, host)
    return {"path": draft.sqlite_path, "url": found.url, "async_url": found.async_url if draft.line >= 3 else None}


def _database(draft: Draft, name: str) -> dict[str, Any] | None:
    database = draft.database
    if database is None:
        return None
    found = connections(draft, draft.hosts[name])
    limit = _max_connections(draft)
    group = draft.groups["metadata_db"]
    alone = _is_alone(draft)
    server = draft.hosts[group[0]] if group else draft.hosts[name]
    machine = sizing.Machine.of(server.facts)
    return {
        "engine": database.engine,
        "managed": database.managed,
        "version": database.version,
        "host": database.host,
        "port": database.port,
        "name": database.name,
        "user": database.user,
        "password": database.password,
        "ssl_mode": database.ssl_mode,
        "ssl_root_cert": ssl_root_cert(draft, draft.hosts[name]),
        "url": found.url,
        "async_url": found.async_url if draft.line >= 3 else None,
        "on_this_host": name in group,
        "max_connections": limit,
        "settings": sizing.postgresql_settings(machine, server.name in draft.airflow_hosts, limit) if database.managed else {},
        "hba": _hba(draft) if database.managed else [],
        "listen_addresses": _listen_addresses(server, alone) if database.managed else "",
        "config_dir": next((cluster["config_dir"] for cluster in candidate_clusters(draft) if database.managed), None),
    }


def _is_alone(draft: Draft) -> bool:
    return set(draft.airflow_hosts) <= set(draft.groups["metadata_db"][:1])


def _max_connections(draft: Draft) -> int:
    pool = number_setting(draft.settings, "database", "sql_alchemy_pool_size", 5)
    pool += number_setting(draft.settings, "database", "sql_alchemy_max_overflow", 10)
    daemons = {daemon: len(hosts) for daemon, hosts in draft.placement.items()}
    section = "webserver" if draft.line < 3 else "api"
    workers = number_setting(draft.settings, section, "workers", 4 if draft.line < 3 else 1)
    parsers = number_setting(draft.settings, "scheduler", "parsing_processes", 2)
    return sizing.max_connections(sizing.needed_connections(draft.line, daemons, pool, draft.slots, workers, parsers))


def _hba(draft: Draft) -> list[dict[str, str]]:
    """Rules for pg_hba.conf, as community.postgresql names their parts.

    They admit the hosts that run a daemon, and the server's own loopback for people who look.
    """
    database = draft.database
    if database is None:
        return []
    addresses = ["127.0.0.1/32", "::1/128"]
    if not _is_alone(draft):
        addresses += [_network(draft.hosts[name].address or name) for name in draft.airflow_hosts]
    rule = {"contype": "host", "databases": database.name, "users": database.user, "method": "scram-sha-256"}
    return [{"source": address, **rule} for address in addresses]


def _network(address: str) -> str:
    if ":" in address:
        return f"{address}/128"
    return f"{address}/32" if address.replace(".", "").isdigit() else address


def _listen_addresses(server: Host, alone: bool) -> str:
    if alone:
        return "localhost"
    # An advertised address may be another host's that forwards to this one: only the own one can be listened on.
    return f"localhost,{server.address}" if server.address == server.default_address else "*"


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


def _move(draft: Draft, name: str) -> dict[str, Any] | None:
    if not moves(draft):
        return None
    return {"source": _source(draft), "target_version": draft.version, "on_this_host": move_host(draft) == name}


def _old_units(draft: Draft, name: str) -> list[str]:
    """The units of the collection's own installation on SQLite that are stopped while it moves, in the order of their start."""
    if not moves(draft) or draft.taking_over or move_host(draft) != name:
        return []
    # Airflow 2 parses DAGs in its scheduler: there is no such unit yet where the move crosses to 3.
    crosses = draft.line >= 3 and str(source_version(draft)).startswith("2.")
    return [unit_name(daemon) for daemon in DAEMONS if name in draft.placement[daemon] and not (crosses and daemon == "dag_processor")]


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
    return not scheduler.get(environment_name("database", "sql_alchemy_conn"), "sqlite:").startswith("postgresql")


def _users(draft: Draft) -> list[dict[str, Any]]:
    """Who must be able to log in when FAB knows nobody yet."""
    if not needs_admin(draft):
        return _simple_users(draft)
    password = draft.secrets.get("admin_password")
    if not password:
        return []
    name = draft.values["airflow_admin_username"]
    return [{"username": name, "password": password, "role": "Admin", "source": "generated"}]


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
            if source and os.path.normpath(source) != os.path.normpath(places[kind])
        ],
        "packages": carried,
        "executor": _adopted_executor(adopted),
    }


def _adopted_executor(adopted: Mapping[str, Any]) -> str:
    """The executor that the old daemons run with: from their environment, their file, or the default of their line."""
    settings = (adopted.get("config") or {}).get("core", {})
    default = "SequentialExecutor" if str(adopted.get("version") or "").startswith("2.") else "LocalExecutor"
    return (adopted.get("environment") or {}).get("AIRFLOW__CORE__EXECUTOR") or settings.get("executor") or default


def _report(draft: Draft, name: str, admin_password_file: str | None) -> list[str]:
    """What to tell at the end, once for the installation."""
    if name not in draft.placement["webserver"]:
        return []
    engine = "SQLite" if draft.database is None else "PostgreSQL"
    lines = [f"Airflow {draft.version} runs at {draft.base_url} ({draft.executor} on {engine})."]
    if not needs_admin(draft):
        lines.append("Users log in with the names and passwords they had.")
    elif draft.secrets.get("admin_password"):
        place = "given by airflow_admin_password" if draft.values["airflow_admin_password"] else f"in {admin_password_file}"
        lines.append(f"Log in as {draft.values['airflow_admin_username']}; the first password is {place}.")
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
        "database": place,
        "adopted": draft.adopted if draft.adopted_on == name else None,
        "moved": moved,
    }
