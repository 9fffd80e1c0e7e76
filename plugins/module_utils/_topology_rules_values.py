# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about single values: ports, keys, passwords, names, folders."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from ._topology_celery import SENTINEL_PORT
from ._topology_database import is_cluster, is_pair
from ._topology_model import Draft
from ._topology_mysql_pair import PORTS as PAIR_PORTS
from ._topology_patroni import PORTS as CLUSTER_PORTS
from ._topology_pgbouncer import has_pool
from ._topology_settings import folders
from ._topology_stages import number_setting, setting
from ._topology_urls import split_web_url

USER_NAMES = ("airflow_admin_username", "airflow_api_username")
SHORTEST_KEY = 16
LONGEST_PORT = 65535
USER_NAME = r"[a-z_][a-z0-9_-]{0,31}"
PLAIN_PATH = r"/[A-Za-z0-9._/-]+"
SYSTEM_FOLDERS = ("", "/etc", "/home", "/opt", "/root", "/usr", "/usr/local", "/var")
INSTALLATION_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
FREE_TEXTS = (
    "airflow_admin_password",
    "airflow_api_password",
    "airflow_broker_password",
    "airflow_fernet_key",
    "airflow_flower_password",
    "airflow_jwt_secret",
    "airflow_metadata_db_password",
    "airflow_results_db_password",
    "airflow_secret_key",
)


def drain_timeout_is_positive(draft: Draft) -> Iterator[str]:
    """systemd reads 0 as: at once."""
    timeout = draft.values["airflow_drain_timeout"]
    if timeout is not None and timeout < 1:
        yield f"airflow_drain_timeout is {timeout}: it must be 1 second or more."


def lease_outlasts_the_drain(draft: Draft) -> Iterator[str]:
    """What waits for tasks to end renews no lease, and a host must not be another controller's before that has ended."""
    lease, drain = draft.values["airflow_lease_seconds"], draft.values["airflow_drain_timeout"]
    if lease is not None and drain is not None and lease <= drain:
        yield (
            f"airflow_lease_seconds is {lease}: it must be more than airflow_drain_timeout ({drain}), during which no lease is renewed; "
            "raise it."
        )


def ports_are_ports(draft: Draft) -> Iterator[str]:
    """1 to 65535."""
    ports = {"airflow_webserver_port": draft.port}
    if draft.database:
        ports["airflow_metadata_db_port"] = draft.database.server_port or draft.database.port
        ports["airflow_metadata_db_pgbouncer_port"] = draft.values["airflow_metadata_db_pgbouncer_port"]
        ports["airflow_metadata_db_proxy_port"] = draft.values["airflow_metadata_db_proxy_port"]
    if draft.broker and draft.broker.port:
        ports["airflow_broker_port"] = draft.broker.port
    if draft.placement["flower"]:
        ports["airflow_flower_port"] = draft.values["airflow_flower_port"]
    if draft.load_balancer:
        ports["airflow_load_balancer_port"] = draft.load_balancer.port
    for name, port in ports.items():
        if not 1 <= port <= LONGEST_PORT:
            yield f"{name} is {port}: a port is between 1 and {LONGEST_PORT}."


def ports_do_not_collide(draft: Draft) -> Iterator[str]:
    """Two listeners on one host need two ports."""
    told = set()
    for host in draft.used_hosts:
        owners: dict[int, str] = {}
        for port, owner in _listeners(draft, host):
            first = owners.setdefault(port, owner)
            if first != owner and (first, owner) not in told:
                told.add((first, owner))
                yield f"{first} is {port}, which {owner} has on the same host: choose another one."


def _listeners(draft: Draft, host: str) -> Iterator[tuple[int, str]]:
    """The ports of one host with who has them; the ones that are easiest to change come first."""
    runs_local_tasks = host in draft.placement["scheduler"] and not draft.uses_celery
    if host in draft.placement["webserver"]:
        yield draft.port, "airflow_webserver_port"
    if draft.load_balancer and host in draft.groups["load_balancer"]:
        yield draft.load_balancer.port, "airflow_load_balancer_port"
        if draft.load_balancer.redirect_port:
            yield draft.load_balancer.redirect_port, "the redirect to TLS"
    if host in draft.placement["flower"]:
        yield draft.values["airflow_flower_port"], "airflow_flower_port"
    if draft.broker and draft.broker.managed and host in draft.groups["broker"]:
        yield draft.broker.port, "airflow_broker_port"
        if draft.broker.has_sentinels:
            yield SENTINEL_PORT, "Redis's sentinel"
    if has_pool(draft, host):
        yield draft.values["airflow_metadata_db_pgbouncer_port"], "airflow_metadata_db_pgbouncer_port"
    if is_cluster(draft) and host in draft.airflow_hosts:
        yield draft.values["airflow_metadata_db_proxy_port"], "airflow_metadata_db_proxy_port"
    if draft.database and draft.database.managed and host in draft.groups["metadata_db"]:
        yield draft.database.server_port or draft.database.port, "airflow_metadata_db_port"
    if host in draft.workers or runs_local_tasks:
        yield number_setting(draft.settings, "logging", "worker_log_server_port", 8793), "[logging] worker_log_server_port"
    if host in draft.placement["scheduler"] and has_scheduler_page(draft):
        yield scheduler_health_port(draft), "[scheduler] scheduler_health_check_server_port"
    if host in draft.placement["triggerer"]:
        yield number_setting(draft.settings, "logging", "trigger_log_server_port", 8794), "[logging] trigger_log_server_port"
    if is_cluster(draft) and host in draft.groups["metadata_db"]:
        yield from (PAIR_PORTS if is_pair(draft) else CLUSTER_PORTS).items()


def has_scheduler_page(draft: Draft) -> bool:
    """Whether the scheduler answers about itself."""
    return setting(draft.settings, "scheduler", "enable_health_check", "False").lower() in ("true", "t", "1")


def scheduler_health_port(draft: Draft) -> int:
    """Where the scheduler answers about itself."""
    return number_setting(draft.settings, "scheduler", "scheduler_health_check_server_port", 8974)


def fernet_key_is_valid(draft: Draft) -> Iterator[str]:
    """32 bytes in URL-safe base64; several keys are separated by commas, for a rotation."""
    for key in draft.secrets.get("fernet_key", "").split(","):
        if key and not _is_fernet_key(key):
            yield "The Fernet key is not 32 bytes in URL-safe base64: check airflow_fernet_key, or the file fernet_key."


def _is_fernet_key(key: str) -> bool:
    try:
        return re.fullmatch(r"[A-Za-z0-9_-]+=*", key) is not None and len(base64.urlsafe_b64decode(key)) == 32
    except ValueError:
        return False


def keys_are_long_enough(draft: Draft) -> Iterator[str]:
    """Short keys can be guessed from one signature."""
    for name in ("airflow_secret_key", "airflow_jwt_secret"):
        value = draft.values[name]
        if value and len(value) < SHORTEST_KEY:
            yield f"{name} has {len(value)} characters: it must have {SHORTEST_KEY} or more."


def keys_are_not_expanded(draft: Draft) -> Iterator[str]:
    """Airflow replaces $NAME and a leading ~ in what it reads from the environment."""
    for name in ("airflow_secret_key", "airflow_jwt_secret"):
        value = draft.values[name] or ""
        if "$" in value or value.startswith("~"):
            yield f"{name} holds a $ or starts with ~, which Airflow would expand: choose another value."


def secrets_are_printable(draft: Draft) -> Iterator[str]:
    """A line break ends an environment file's line."""
    for name in FREE_TEXTS:
        if draft.values[name] and not draft.values[name].isprintable():
            yield f"{name} holds a control character or a line break: use printable characters."


def user_is_safe(draft: Draft) -> Iterator[str]:
    """Airflow runs tasks of anybody who writes DAGs: never as root."""
    user = draft.values["airflow_user"]
    if user == "root":
        yield "airflow_user is root, as which tasks could do anything to the host: name another user."
    elif user and not re.fullmatch(USER_NAME, user):
        yield f"airflow_user is {user!r}: a user's name has small letters, digits, _ and - only."


def names_of_users_are_plain(draft: Draft) -> Iterator[str]:
    """The names go into a form and a table."""
    for variable in USER_NAMES:
        name = draft.values[variable]
        if name and not re.fullmatch(r"[A-Za-z0-9._@+-]+", name):
            yield f"{variable} is {name!r}: use letters, digits and . _ @ + - only."


def home_is_plain(draft: Draft) -> Iterator[str]:
    """The home stands in units, scripts and URLs."""
    if not re.fullmatch(PLAIN_PATH, draft.home) or draft.home.rstrip("/") in SYSTEM_FOLDERS:
        yield f"airflow_home is {draft.home!r}: use a folder of its own, with letters, digits and . _ - in its path only."


def home_is_not_adopted(draft: Draft) -> Iterator[str]:
    """What is taken over is never written."""
    adopted = (draft.adopted or {}).get("home")
    if adopted and (_is_inside(adopted, draft.home) or _is_inside(draft.home, adopted)):
        yield (
            f"airflow_home {draft.home} and the installation to take over ({adopted}) are one inside the other, and what is taken over is "
            "never written: choose another airflow_home."
        )


def _is_inside(path: str, folder: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


def folders_are_absolute(draft: Draft) -> Iterator[str]:
    """Folders that airflow_config moves."""
    for name, path in folders(draft).items():
        if not path.startswith("/"):
            yield f"The folder for {name} in airflow_config is {path!r}: write an absolute path."


def base_url_is_a_url(draft: Draft) -> Iterator[str]:
    """Scheme and host."""
    parts = split_web_url(draft.base_url)
    if parts is None or parts.query or parts.fragment:
        yield f"airflow_base_url is {draft.base_url!r}: write it in full, as in https://airflow.example.org/airflow."


def installation_name_is_plain(draft: Draft) -> Iterator[str]:
    """The name becomes a folder."""
    name = draft.values["airflow_installation"]
    if name and not re.fullmatch(INSTALLATION_NAME, name):
        yield f"airflow_installation is {name!r}: use letters, digits and . _ - only."


def requirements_are_single(draft: Draft) -> Iterator[str]:
    """An option of pip in the list would change where packages come from."""
    for requirement in draft.values["airflow_requirements"]:
        if requirement.startswith("-") or not requirement.isprintable() or not requirement.strip():
            yield f"airflow_requirements holds {requirement!r}: write one requirement per entry, as in apache-airflow-providers-amazon."


def proxy_environment_is_text(draft: Draft) -> Iterator[str]:
    """Environment variables are texts."""
    for name, host in draft.hosts.items():
        for key, value in host.variables["airflow_proxy_environment"].items():
            if not isinstance(value, str):
                yield f"airflow_proxy_environment of {name}: {key} must be a text."


def scheduler_page_of_2_is_off(draft: Draft) -> Iterator[str]:
    """Warnings: a page that may stop what it tells of. 3.x gives a forked process connections of its own."""
    if draft.line < 3 and has_scheduler_page(draft):
        yield (
            f"[scheduler] enable_health_check is on, and in Airflow {draft.version} that page shares the scheduler's connections to the "
            "database: a request may stop the scheduler without a word; set it to False in airflow_config, the page of the webserver tells "
            "the scheduler's health too."
        )


RULES = (
    drain_timeout_is_positive,
    lease_outlasts_the_drain,
    ports_are_ports,
    ports_do_not_collide,
    fernet_key_is_valid,
    keys_are_long_enough,
    keys_are_not_expanded,
    secrets_are_printable,
    user_is_safe,
    names_of_users_are_plain,
    home_is_plain,
    home_is_not_adopted,
    folders_are_absolute,
    base_url_is_a_url,
    installation_name_is_plain,
    requirements_are_single,
    proxy_environment_is_text,
)
WARNINGS = (scheduler_page_of_2_is_off,)
