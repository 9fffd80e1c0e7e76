# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public variables: their types, and the check of what the inventory says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ._topology_model import COMPONENTS, Host, listed

TRUE_WORDS = ("true", "yes", "on", "1")
FALSE_WORDS = ("false", "no", "off", "0")
CLOSE_ENOUGH = 0.85


@dataclass(frozen=True)
class Variable:
    """A public variable. One that is not `per_host` says something about the whole installation."""

    name: str
    kind: str = "str"
    per_host: bool = False
    secret: bool = False


VARIABLES = {
    variable.name: variable
    for variable in (
        *(Variable(f"airflow_{component}_group") for component in COMPONENTS),
        Variable("airflow_group"),
        Variable("airflow_adopt_dags", per_host=True),
        Variable("airflow_adopt_home", "path", per_host=True),
        Variable("airflow_admin_password", secret=True),
        Variable("airflow_admin_username"),
        Variable("airflow_advertised_address", per_host=True),
        Variable("airflow_api_password", secret=True),
        Variable("airflow_api_username"),
        Variable("airflow_base_url"),
        Variable("airflow_broker_cookie", secret=True),
        Variable("airflow_broker_engine"),
        Variable("airflow_broker_host"),
        Variable("airflow_broker_managed", "bool"),
        Variable("airflow_broker_management", "bool"),
        Variable("airflow_broker_password", secret=True),
        Variable("airflow_broker_port", "int"),
        Variable("airflow_broker_tls", "bool"),
        Variable("airflow_broker_user"),
        Variable("airflow_broker_vhost"),
        Variable("airflow_ca_bundle", "path", per_host=True),
        Variable("airflow_canary_enabled"),
        Variable("airflow_config", "dict", secret=True),
        Variable("airflow_config_extra_sections", "list"),
        Variable("airflow_connections", "items", secret=True),
        Variable("airflow_credentials_dir"),
        Variable("airflow_dags", "dict", secret=True),
        Variable("airflow_drain_timeout", "int"),
        Variable("airflow_executor"),
        Variable("airflow_fernet_key", secret=True),
        Variable("airflow_flower_address", per_host=True),
        Variable("airflow_flower_password", secret=True),
        Variable("airflow_flower_port", "int"),
        Variable("airflow_flower_username"),
        Variable("airflow_health_timeout", "int"),
        Variable("airflow_home", "path"),
        Variable("airflow_installation"),
        Variable("airflow_jwt_secret", secret=True),
        Variable("airflow_lease_seconds", "int"),
        Variable("airflow_load_balancer_address"),
        Variable("airflow_load_balancer_engine"),
        Variable("airflow_load_balancer_port", "int"),
        Variable("airflow_longest_task_seconds", "int"),
        Variable("airflow_metadata_db_clone_anew"),
        Variable("airflow_metadata_db_engine"),
        Variable("airflow_metadata_db_host"),
        Variable("airflow_metadata_db_managed", "bool"),
        Variable("airflow_metadata_db_mysql_repository", "dict"),
        Variable("airflow_metadata_db_name"),
        Variable("airflow_metadata_db_password", secret=True),
        Variable("airflow_metadata_db_pgbouncer", "bool"),
        Variable("airflow_metadata_db_pgbouncer_port", "int"),
        Variable("airflow_metadata_db_port", "int"),
        Variable("airflow_metadata_db_proxy_port", "int"),
        Variable("airflow_metadata_db_ssl_mode"),
        Variable("airflow_metadata_db_ssl_root_cert", "path", per_host=True),
        Variable("airflow_metadata_db_user"),
        Variable("airflow_move_replace_characters", "bool"),
        Variable("airflow_objects_update_secrets"),
        Variable("airflow_package_index_url", per_host=True, secret=True),
        Variable("airflow_pools", "items"),
        Variable("airflow_proxy_environment", "dict", per_host=True, secret=True),
        Variable("airflow_python", per_host=True),
        Variable("airflow_requirements", "list"),
        Variable("airflow_result_backend"),
        Variable("airflow_results_db_password", secret=True),
        Variable("airflow_rollback_discard", "bool"),
        Variable("airflow_rollback_forward", "bool"),
        Variable("airflow_rotate_authority", "bool"),
        Variable("airflow_sandbox", "bool", per_host=True),
        Variable("airflow_secret_key", secret=True),
        Variable("airflow_size", per_host=True),
        Variable("airflow_status_fail", "bool"),
        Variable("airflow_status_folder"),
        Variable("airflow_status_timeout", "int"),
        Variable("airflow_task_permissions", "list", per_host=True),
        Variable("airflow_task_writable_paths", "list", per_host=True),
        Variable("airflow_tls", "word"),
        Variable("airflow_tls_ca", "path", per_host=True),
        Variable("airflow_tls_certificate", "path", per_host=True),
        Variable("airflow_tls_key", "path", per_host=True),
        Variable("airflow_user"),
        Variable("airflow_users", "items", secret=True),
        Variable("airflow_variables", "items", secret=True),
        Variable("airflow_version"),
        Variable("airflow_webserver_port", "int"),
        Variable("airflow_wheelhouse", "path", per_host=True),
        Variable("airflow_worker_autoscale", per_host=True),
        Variable("airflow_worker_concurrency", "int", per_host=True),
        Variable("airflow_worker_instances", "dict", per_host=True),
        Variable("airflow_worker_queues", "list", per_host=True),
        Variable("airflow_worker_user", per_host=True),
        Variable("airflow_writable_paths", "list", per_host=True),
    )
}

DEFAULTS: Mapping[str, Any] = {
    "airflow_admin_username": "admin",
    "airflow_adopt_dags": "copy",
    "airflow_api_username": "updraft",
    "airflow_canary_enabled": "on_change",
    "airflow_config": {},
    "airflow_config_extra_sections": [],
    "airflow_connections": [],
    "airflow_broker_engine": "redis",
    "airflow_broker_management": False,
    "airflow_drain_timeout": 600,
    "airflow_flower_address": "127.0.0.1",
    "airflow_flower_port": 5555,
    "airflow_flower_username": "admin",
    "airflow_group": "airflow",
    "airflow_home": "/opt/airflow",
    "airflow_installation": "airflow",
    "airflow_lease_seconds": 3600,
    "airflow_load_balancer_engine": "nginx",
    "airflow_longest_task_seconds": 86400,
    "airflow_metadata_db_name": "airflow",
    "airflow_metadata_db_pgbouncer": False,
    "airflow_metadata_db_pgbouncer_port": 16432,
    "airflow_metadata_db_proxy_port": 15432,
    "airflow_metadata_db_user": "airflow",
    "airflow_move_replace_characters": False,
    "airflow_objects_update_secrets": "on_change",
    "airflow_pools": [],
    "airflow_proxy_environment": {},
    "airflow_requirements": [],
    "airflow_result_backend": "database",
    "airflow_rollback_discard": False,
    "airflow_rollback_forward": False,
    "airflow_rotate_authority": False,
    "airflow_sandbox": True,
    "airflow_size": "auto",
    "airflow_status_fail": False,
    "airflow_status_timeout": 90,
    "airflow_task_permissions": [],
    "airflow_tls": "false",
    "airflow_users": [],
    "airflow_variables": [],
    "airflow_worker_instances": {},
    "airflow_writable_paths": [],
    **{f"airflow_{component}_group": f"airflow_{component}" for component in COMPONENTS},
}
"""The role's defaults again: a value that was emptied or refused still has to be something."""

KIND_NAMES = {
    "str": "a text",
    "word": "a word",
    "path": "an absolute path",
    "int": "a whole number",
    "bool": "true or false",
    "dict": "a mapping",
    "list": "a list of texts",
    "items": "a list of mappings",
}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return str(value)


def _word(value: Any) -> str:
    """A text; YAML takes some words for truth values."""
    return str(value).lower() if isinstance(value, bool) else _text(value)


def _path(value: Any) -> str:
    if not _text(value).startswith("/"):
        raise ValueError
    return str(value)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
        raise ValueError
    return int(value)


def _truth(value: Any) -> bool:
    word = str(value).lower()
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise ValueError
    return word in TRUE_WORDS


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError
    return {str(key): item for key, item in value.items()}


def _texts(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise ValueError
    return [_text(item) for item in value]


def _items(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, (list, tuple)):
        raise ValueError
    return [_mapping(_plain(item)) for item in value]


def _plain(value: Any) -> Any:
    """A value as JSON has it: what YAML knows besides, a date, is its text."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "word": _word,
    "path": _path,
    "int": _number,
    "bool": _truth,
    "dict": _mapping,
    "list": _texts,
    "items": _items,
}


def convert(variable: Variable, value: Any) -> Any:
    """A value of the variable's type. An empty text and null mean: not set. Raises ValueError with the sentence's end."""
    if value is None or value == "":
        return None
    try:
        return CONVERTERS[variable.kind](value)
    except ValueError:
        shown = "" if variable.secret else f", not {value!r}"
        hint = " (put it in quotes)" if variable.kind == "str" and isinstance(value, (int, float)) else ""
        raise ValueError(f"must be {KIND_NAMES[variable.kind]}{shown}{hint}") from None


def clean_hosts(hosts: Mapping[str, Host]) -> tuple[dict[str, Host], list[str]]:
    """The hosts with typed variables, and a sentence for each value of a wrong type."""
    wrong: dict[str, list[str]] = {}
    cleaned = {}
    for host in hosts.values():
        variables = dict(host.variables)
        for name, variable in VARIABLES.items():
            variables[name] = DEFAULTS.get(name)
            try:
                value = convert(variable, host.variables.get(name))
                variables[name] = variables[name] if value is None else value
            except ValueError as error:
                wrong.setdefault(f"{name} {error}", []).append(host.name)
        cleaned[host.name] = replace(host, variables=variables)
    return cleaned, [f"{problem} ({listed(names)})." for problem, names in wrong.items()]


def unknown_variables(hosts: Iterable[Host], further: frozenset[str]) -> Iterator[str]:
    """A name nearly like one of ours is a typing error; any other airflow_* variable is the user's own."""
    known = sorted({*VARIABLES, *further})
    names = {name for host in hosts for name in host.variables if name.startswith("airflow_")}
    for name in sorted(names - set(known)):
        near = difflib.get_close_matches(name, known, n=1, cutoff=CLOSE_ENOUGH)
        if near:
            yield f"{name} is not a variable of this collection: {near[0]} is; rename it."


def differing_variables(hosts: Mapping[str, Host]) -> Iterator[str]:
    """A variable about the whole installation has one value."""
    for name, variable in VARIABLES.items():
        if variable.per_host:
            continue
        first, *others = [(host.name, host.variables.get(name)) for host in hosts.values()] or [("", None)]
        for other, value in others:
            if value != first[1]:
                shown = "" if variable.secret else f" ({first[1]!r} and {value!r})"
                yield f"{name} differs between {first[0]} and {other}{shown}: set it once, for the whole group."
                break
