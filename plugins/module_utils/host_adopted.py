# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hand-made installation of Airflow, described from its AIRFLOW_HOME and its running daemons. Nothing of it is run."""

from __future__ import annotations

import ast
import configparser
import grp
import json
import os
import pwd
from contextlib import suppress
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.host_config import Settings, absolute, read_options
from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import (
    Daemon,
    carried_environment,
    find_daemons,
    listening_port,
)
from ansible_collections.updraft.airflow.plugins.module_utils.host_processes import (
    descendants,
    in_container,
    list_processes,
    open_files,
    user_name,
)
from ansible_collections.updraft.airflow.plugins.module_utils.host_restart import stopped_daemons
from ansible_collections.updraft.airflow.plugins.module_utils.host_source import (
    Source,
    airflow_version,
    find_source,
    read_packages,
)

URL = (("database", "sql_alchemy_conn"), ("core", "sql_alchemy_conn"))
FERNET_KEY = (("core", "fernet_key"),)
WEBSERVER_CONFIG = (("fab", "config_file"), ("webserver", "config_file"))
WEBSERVER_PORT = (("api", "port"), ("webserver", "web_server_port"))
DEFAULT_WEBSERVER_CONFIG = ("airflow", "config_templates", "default_webserver_config.py")
DEFAULT_IMPORTS = ("__future__", "os", "flask_appbuilder.const", "flask_appbuilder.security.manager", "airflow.www.fab_security.manager")
SIMPLE_AUTH_MANAGER = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"


def describe(home: str, pythons: list[dict[str, str]], restart_file: str) -> dict[str, Any]:
    """Everything a take-over needs to know, and in `problems` what makes it impossible.

    Daemons that an interrupted run of this collection ended count as if they ran: `restart_file` remembers them.
    """
    if not os.path.isdir(home):
        return {"home": home, "problems": [f"There is no folder {home}; set airflow_adopt_home to the AIRFLOW_HOME to take over."]}
    running = find_daemons(home)
    daemons = running + stopped_daemons(restart_file, home, running)
    owner = _owner(home, daemons)
    environment, conflicts, unreadable = carried_environment(daemons)
    config_file = _config_file(home, environment)
    options, problems = _options(config_file)
    settings = Settings(options, environment, owner["home"])
    source = find_source(home, owner["home"], daemons)
    version = airflow_version(source.site) if source else None
    if version is None:
        problems.append(
            f"No Airflow was found for {home}: no daemon runs, and there is none in a virtual environment in or beside {home} or below "
            f"{owner['home']}, nor in the packages of user {owner['user']} or of the system; start its daemons, which show the place."
        )
    problems += _computed_settings(settings, config_file)
    metadata = _metadata(settings, home)
    return {
        "home": home,
        "owner": owner,
        "version": version,
        **_packages(source, pythons),
        "config_file": config_file,
        "config": options,
        "environment": environment,
        "environment_conflicts": conflicts,
        "environment_unreadable": unreadable,
        "daemons": [_daemon(daemon) for daemon in running],
        "dags_folder": _folder(settings, home, "dags", ("core", "dags_folder")),
        "plugins_folder": _folder(settings, home, "plugins", ("core", "plugins_folder")),
        "base_log_folder": _folder(settings, home, "logs", ("logging", "base_log_folder"), ("core", "base_log_folder")),
        **_webserver_config(settings, home, source),
        "webserver_port": listening_port(daemons) or _port(settings),
        "metadata": metadata,
        "strangers": _strangers(metadata["path"], running) if metadata["path"] else [],
        "simple_auth": _simple_auth(settings, home) if version and _line(version) >= 3 else None,
        "problems": problems,
    }


def _line(version: str) -> int:
    return int(version.split(".")[0])


def _owner(home: str, daemons: list[Daemon]) -> dict[str, Any]:
    """The user that the daemons run as, else the owner of the folder."""
    status = os.stat(home)
    uid, gid = (daemons[0].process.uid, daemons[0].process.gid) if daemons else (status.st_uid, status.st_gid)
    user_home = os.path.dirname(home)
    with suppress(KeyError):
        user_home = pwd.getpwuid(uid).pw_dir
    group = str(gid)
    with suppress(KeyError):
        group = grp.getgrgid(gid).gr_name
    return {"user": user_name(uid), "uid": uid, "group": group, "gid": gid, "home": user_home}


def _config_file(home: str, environment: dict[str, str]) -> str:
    return absolute(environment.get("AIRFLOW_CONFIG") or "airflow.cfg", home)


def _options(path: str) -> tuple[dict[str, dict[str, str]], list[str]]:
    try:
        return read_options(path), []
    except FileNotFoundError:
        return {}, [f"There is no {path}; set airflow_adopt_home to the AIRFLOW_HOME that holds the airflow.cfg to take over."]
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        return {}, [f"{path} cannot be read ({str(error).splitlines()[0]}); repair it so that Airflow itself can read it."]


def _computed_settings(settings: Settings, config_file: str) -> list[str]:
    return [
        f"{option} of section {names[0][0]} comes from a command or a secrets backend; write its value into {config_file}."
        for names, option in ((URL, "sql_alchemy_conn"), (FERNET_KEY, "fernet_key"))
        if settings.is_computed(*names) and not settings.get(*names)
    ]


def _packages(source: Source | None, pythons: list[dict[str, str]]) -> dict[str, Any]:
    if source is None:
        return {"python": None, "prefix": None, "site_packages": None, "packages": []}
    path = source.python_path
    # An environment need not tell more than 3.11; the interpreters of the host were asked.
    known = {python["path"]: python["version"] for python in pythons}
    version = known.get(path or "", source.python_version)
    return {
        "python": {"path": path, "version": version},
        "prefix": source.prefix,
        "site_packages": source.site,
        "packages": read_packages(source.site),
    }


def _daemon(daemon: Daemon) -> dict[str, Any]:
    return {
        "kind": daemon.kind,
        "pid": daemon.process.pid,
        "started": daemon.process.started,
        "argv": daemon.argv,
        "user": daemon.process.user,
        "pid_file": daemon.pid_file,
    }


def _folder(settings: Settings, home: str, default: str, *names: tuple[str, str]) -> str:
    return absolute(settings.get(*names, default=default), home)


def _webserver_config(settings: Settings, home: str, source: Source | None) -> dict[str, str | None]:
    """Path and content of webserver_config.py; no content where it says no more than the one that Airflow writes."""
    path = absolute(settings.get(*WEBSERVER_CONFIG, default="webserver_config.py"), home)
    content = _text(path)
    if content is not None and source is not None:
        default = _text(os.path.join(source.site, *DEFAULT_WEBSERVER_CONFIG)) or ""
        content = None if _statements(content) <= _statements(default) else content
    return {"webserver_config": path if os.path.isfile(path) else None, "webserver_config_content": content}


def _statements(content: str) -> set[str]:
    """What a Python file says, without comments, texts and the imports of Airflow's own file, which differ between its versions."""
    try:
        return {ast.dump(node) for node in ast.parse(content).body if not _says_nothing(node)}
    except (SyntaxError, ValueError):
        return {content}


def _says_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return all(alias.name in DEFAULT_IMPORTS for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module in DEFAULT_IMPORTS
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except (OSError, UnicodeDecodeError):
        return None


def _port(settings: Settings) -> int:
    value = settings.get(*WEBSERVER_PORT, default="8080")
    return int(value) if value.isdigit() else 8080


def _metadata(settings: Settings, home: str) -> dict[str, Any]:
    url = settings.get(*URL) or f"sqlite:///{home}/airflow.db"
    scheme, _separator, rest = url.partition("://")
    engine = scheme.partition("+")[0]
    path = absolute(rest.partition("?")[0][1:], home) if engine == "sqlite" else None
    return {"engine": _engine(engine), "url": url, "path": path}


def _strangers(path: str, daemons: list[Daemon]) -> list[str]:
    """Processes that have the SQLite database open and are none of the daemons that a move stops, nor what these started."""
    processes = list_processes()
    own = {os.getpid()}
    for daemon in daemons:
        for each in (daemon, *daemon.children):
            own |= {each.process.pid, *(process.pid for process in descendants(each.process.pid, processes))}
    files = {os.path.realpath(path) + suffix for suffix in ("", "-wal", "-journal")}
    others = [process for process in processes.values() if process.pid not in own and not in_container(process)]
    return [
        f"{os.path.basename(process.arguments[0])} (process {process.pid} of {process.user})"
        for process in others
        if files & set(open_files(process))
    ]


def _engine(name: str) -> str:
    if name == "postgres":
        return "postgresql"
    return name if name in ("sqlite", "postgresql", "mysql") else "other"


def _simple_auth(settings: Settings, home: str) -> dict[str, Any] | None:
    """Users of SimpleAuthManager, which 3.x takes when nothing else is set."""
    if settings.get(("core", "auth_manager"), default=SIMPLE_AUTH_MANAGER) != SIMPLE_AUTH_MANAGER:
        return None
    users = settings.get(("core", "simple_auth_manager_users"), default="admin:admin")
    entries = [entry.strip().split(":") for entry in users.split(",") if ":" in entry]
    default = "simple_auth_manager_passwords.json.generated"
    path = absolute(settings.get(("core", "simple_auth_manager_passwords_file")) or default, home)
    return {
        "users": [{"username": entry[0], "role": entry[1]} for entry in entries],
        "all_admins": settings.get(("core", "simple_auth_manager_all_admins"), default="False").lower() in ("true", "t", "1"),
        "passwords_file": path,
        "passwords": _passwords(path),
    }


def _passwords(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as handle:
            return {str(name): str(password) for name, password in json.load(handle).items()}
    except (OSError, ValueError, AttributeError):
        return {}
