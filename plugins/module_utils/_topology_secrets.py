# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: where each one comes from, and which daemon gets it."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ._broker_options import transport_options
from ._topology_api import uses_api
from ._topology_celery import broker_url, redis_results_url
from ._topology_database import own_mysql, own_patroni
from ._topology_model import Draft, Host
from ._topology_mysql_pair import SECRET, SETTINGS_FILE
from ._topology_patroni import CONFIGURATION, SECRET_NAMES, cluster_secrets
from ._topology_sentinel import SECRET_NAMES as SENTINEL_SECRET_NAMES
from ._topology_urls import parse_broker_url, parse_server_url

CONTROL = ("webserver", "scheduler", "dag_processor", "triggerer")
ALL = (*CONTROL, "worker")
WEB_AND_SCHEDULER = ("webserver", "scheduler")
LOG_READERS = ("webserver", "scheduler", "triggerer", "worker")
DAG_RUNNERS = ("scheduler", "dag_processor", "triggerer", "worker")
LOG_WRITERS = ("scheduler", "triggerer", "worker")
BROKER_USERS = ("scheduler", "worker", "flower")
RESULT_USERS = ("scheduler", "worker")

FLOWER_BASIC_AUTH = "AIRFLOW__CELERY__FLOWER_BASIC_AUTH"
PLACEHOLDER_KEYS = ("temporary_key", "{SECRET_KEY}", "{FERNET_KEY}", "{JWT_SECRET_KEY}")
"""What an unfilled template leaves in airflow.cfg: no secret."""


class SecretStore(Protocol):
    """The credentials folder on the controller."""

    @property
    def directory(self) -> str:
        """The folder itself."""

    def read(self, name: str) -> str | None:
        """The secret of that name, None when there is no file."""

    def path(self, name: str) -> str:
        """The file of a secret, for messages."""


def fernet_key() -> str:
    """A new Fernet key."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def password() -> str:
    """A new password for a server, which no person types."""
    return secrets.token_urlsafe(32)


def replication_password() -> str:
    """One of 32 characters, which is what MySQL takes at most of a replica."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Secret:
    """A secret of the installation: its variable, how one is made, and where a host keeps it.

    One without a variable is nobody's but the servers' own.
    """

    name: str
    variable: str
    generate: Callable[[], str]
    environment: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    in_url: str = ""
    """The environment variable whose URL holds the password."""


SECRETS = {
    secret.name: secret
    for secret in (
        Secret("fernet_key", "airflow_fernet_key", fernet_key, ("AIRFLOW__CORE__FERNET_KEY",), (("core", "fernet_key"),)),
        Secret(
            "secret_key",
            "airflow_secret_key",
            lambda: secrets.token_urlsafe(48),
            ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__WEBSERVER__SECRET_KEY"),
            (("api", "secret_key"), ("webserver", "secret_key")),
        ),
        # 64 bytes: the tokens are signed with HS512.
        Secret(
            "jwt_secret",
            "airflow_jwt_secret",
            lambda: secrets.token_urlsafe(64),
            ("AIRFLOW__API_AUTH__JWT_SECRET",),
            (("api_auth", "jwt_secret"),),
        ),
        Secret("metadata_db_password", "airflow_metadata_db_password", password, in_url="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"),
        Secret("results_db_password", "airflow_results_db_password", password, in_url="AIRFLOW__CELERY__RESULT_BACKEND"),
        Secret("broker_password", "airflow_broker_password", password, in_url="AIRFLOW__CELERY__BROKER_URL"),
        Secret("broker_cookie", "airflow_broker_cookie", password),
        Secret("flower_password", "airflow_flower_password", lambda: secrets.token_urlsafe(18)),
        Secret("api_password", "airflow_api_password", password),
        Secret("admin_password", "airflow_admin_password", lambda: secrets.token_urlsafe(18)),
        *(Secret(name, "", replication_password if name == SECRET else password) for name in (*SECRET_NAMES, *SENTINEL_SECRET_NAMES)),
    )
}


def needs_admin(draft: Draft) -> bool:
    """Whether there is no user to keep: nothing was made by hand, or its users were all administrators without a name."""
    if draft.adopted is None:
        return True
    simple = draft.adopted.get("simple_auth")
    return bool(simple is not None and not any((simple.get("passwords") or {}).values()))


def needed_secrets(draft: Draft) -> Iterator[Secret]:
    """The secrets this topology needs."""
    yield SECRETS["fernet_key"]
    yield SECRETS["secret_key"]
    if draft.line >= 3:
        yield SECRETS["jwt_secret"]
    if draft.database is not None:
        yield SECRETS["metadata_db_password"]
    for name in cluster_secrets(draft):
        yield SECRETS[name]
    if needs_admin(draft):
        yield SECRETS["admin_password"]
    if uses_api(draft):
        yield SECRETS["api_password"]
    if draft.results is not None:
        yield SECRETS["results_db_password"]
    if draft.broker is not None:
        yield SECRETS["broker_password"]
        if draft.broker.has_quorum_queues:
            yield SECRETS["broker_cookie"]
        if draft.broker.has_sentinels:
            yield from (SECRETS[name] for name in SENTINEL_SECRET_NAMES)
    if draft.placement.get("flower"):
        yield SECRETS["flower_password"]


def _secret_on_hosts(draft: Draft, secret: Secret) -> Iterator[tuple[str, str]]:
    """(place, value) for each host that has the secret."""
    for host in draft.hosts.values():
        for place, found in ((CONFIGURATION, own_patroni(host) or {}), (SETTINGS_FILE, own_mysql(host))):
            kept = (found.get("passwords") or {}).get(secret.name)
            if kept:
                yield f"{place} on {host.name}", kept
        for daemon, environment in ((host.installation or {}).get("environment") or {}).items():
            value = _from_environment(environment, secret)
            if value:
                yield f"{daemon}.env on {host.name}", value
        yield from _kept_by_broker(host, secret.name)
        if host.installation is None and host.adopted is not None:
            value = _from_adopted(host.adopted, secret)
            if value:
                yield f"{host.adopted.get('config_file')} on {host.name}", value


def _kept_by_broker(host: Host, name: str) -> Iterator[tuple[str, str]]:
    for server in (host.info or {}).get("brokers") or []:
        if name == "broker_cookie" and server.get("cookie"):
            yield f"/var/lib/rabbitmq/.erlang.cookie on {host.name}", server["cookie"]
        for place, value in ((server.get("passwords") or {}).get(name) or {}).items():
            yield f"{place} on {host.name}", value


def _from_environment(environment: Mapping[str, str], secret: Secret) -> str | None:
    if secret.name == "broker_password":
        # Nodes of a cluster have one password.
        return parse_broker_url(environment.get(secret.in_url, ""))[0].password or None
    if secret.in_url:
        return parse_server_url(environment.get(secret.in_url, "")).password or None
    if secret.name == "flower_password":
        return environment.get(FLOWER_BASIC_AUTH, "").partition(":")[2] or None
    return next((environment[name] for name in secret.environment if environment.get(name)), None)


def _from_adopted(adopted: Mapping[str, object], secret: Secret) -> str | None:
    environment, config = adopted.get("environment"), adopted.get("config")
    value = _from_environment(environment, secret) if isinstance(environment, Mapping) and secret.environment else None
    if value is None and isinstance(config, Mapping):
        value = next((config[part][name] for part, name in secret.options if (config.get(part) or {}).get(name)), None)
    return None if value in PLACEHOLDER_KEYS else value


def resolve_secrets(draft: Draft, store: SecretStore) -> dict[str, str]:
    """Fill in the draft's secrets. Returns those that belong into the store and are not there."""
    to_store: dict[str, str] = {}
    for secret in needed_secrets(draft):
        _resolve(draft, store, secret, to_store)
    for server, name in (
        (draft.database, "metadata_db_password"),
        (draft.results, "results_db_password"),
        (draft.broker, "broker_password"),
    ):
        if server is not None:
            server.password = draft.secrets.get(name, "")
    if draft.broker is not None:
        draft.broker.cookie = draft.secrets.get("broker_cookie", "")
        draft.broker.replication_password, draft.broker.sentinel_password = (draft.secrets.get(name, "") for name in SENTINEL_SECRET_NAMES)
    return to_store


def _resolve(draft: Draft, store: SecretStore, secret: Secret, to_store: dict[str, str]) -> None:
    owned = _is_ours(draft, secret)
    if secret.name == "metadata_db_password" and not owned and draft.database is not None and draft.database.password:
        # The server was there before: its password is part of the address that was taken over.
        draft.secrets[secret.name] = draft.values[secret.variable] or draft.database.password
        return
    given, filed = draft.values.get(secret.variable), store.read(secret.name)
    # The password of a server that others own may change without us.
    found = list(_secret_on_hosts(draft, secret)) if owned or not given else []
    sources = [("variable " + secret.variable, given), (store.path(secret.name), filed), *found]
    if filed and not filed.isprintable():
        draft.findings.append(
            f"{store.path(secret.name)} holds a control character or a second line: write one line of printable characters."
        )
    known = [(place, value) for place, value in sources if value]
    for place, value in known[1:]:
        if value != known[0][1]:
            draft.findings.append(
                f"The {secret.name} in {known[0][0]} and the one in {place} differ: make them equal, or remove the wrong one."
            )
            break
    if known:
        draft.secrets[secret.name] = known[0][1]
        if not given and not filed and owned:
            to_store[secret.name] = known[0][1]
    elif not owned:
        draft.findings += _missing(draft, secret)
    elif _was_there(draft, secret):
        draft.findings.append(
            f"The {secret.name} of the existing installation was not found on any host nor in {store.path(secret.name)}, and a new one "
            f"would not fit its data: put it into that file, or set {secret.variable}."
        )
    elif secret.name != "admin_password" or draft.installation is None:
        draft.secrets[secret.name] = to_store[secret.name] = secret.generate()


def _missing(draft: Draft, secret: Secret) -> Iterator[str]:
    """What is said about a password that others gave and that nobody told."""
    if secret.name == "results_db_password" and draft.results is not None:
        yield (
            f"airflow_results_db_password is not set, and Celery's results need a database {draft.results.name} owned by a role "
            f"{draft.results.user} on the server that is not managed here: make both and set it, or set airflow_result_backend to redis."
        )
    elif secret.name == "broker_password":
        # A Redis behind a wall of its own may have none, and a warning says so.
        if draft.broker is not None and draft.broker.engine != "redis":
            yield "airflow_broker_password is not set, and a broker that is not managed here needs it."
    else:
        yield f"{secret.variable} is not set, and a database server that is not managed here needs it."


def _is_ours(draft: Draft, secret: Secret) -> bool:
    if secret.name == "broker_password":
        return draft.broker is None or draft.broker.managed
    if secret.name in ("metadata_db_password", "results_db_password"):
        return draft.database is None or draft.database.managed
    return True


def _was_there(draft: Draft, secret: Secret) -> bool:
    """Whether the existing installation must have had this secret."""
    if draft.installation is not None:
        return (
            secret.name in ("fernet_key", "secret_key")
            or (secret.name == "jwt_secret" and str(draft.installation["version"]).startswith("3."))
            or (secret.name == "metadata_db_password" and draft.installation["engine"] != "sqlite")
        )
    if draft.adopted is None or draft.adopted.get("problems") or secret.name != "fernet_key":
        return False
    # An empty key was a choice: nothing is encrypted.
    return "fernet_key" not in ((draft.adopted.get("config") or {}).get("core") or {})


Entries = dict[tuple[str, str], tuple[str, tuple[str, ...]]]


def derived_secrets(draft: Draft, name: str, urls: tuple[str, str, str]) -> Entries:
    """(section, option) -> (value, daemons) for the secrets of a host that the compiler knows itself.

    `urls` are those of the metadata, the metadata for asynchronous drivers, and of Celery's results when a database holds them.
    """
    url, async_url, results_url = urls
    secret_key = draft.secrets.get("secret_key", "")
    # A worker of 3.x asks the API. The table of readers is upstream's security model.
    readers_of_metadata = CONTROL if draft.line >= 3 else ALL
    entries: Entries = {
        ("database", "sql_alchemy_conn"): (url, readers_of_metadata),
        ("core", "fernet_key"): (draft.secrets.get("fernet_key", ""), ALL),
    }
    if draft.line < 3:
        entries["webserver", "secret_key"] = (secret_key, LOG_READERS)
    else:
        entries["database", "sql_alchemy_conn_async"] = (async_url, CONTROL)
        entries["api", "secret_key"] = (secret_key, LOG_READERS)
        entries["api_auth", "jwt_secret"] = (draft.secrets.get("jwt_secret", ""), WEB_AND_SCHEDULER)
    return {**entries, **_celery_secrets(draft, name, results_url)}


def _celery_secrets(draft: Draft, name: str, results_url: str) -> Entries:
    if draft.broker is None:
        return {}
    login = f"{draft.values['airflow_flower_username']}:{draft.secrets.get('flower_password', '')}"
    url, results_in_redis = broker_url(draft, name), redis_results_url(draft, name)
    entries: Entries = {
        ("celery", "broker_url"): (url, BROKER_USERS),
        ("celery", "result_backend"): (results_in_redis or f"db+{results_url}", RESULT_USERS),
        ("celery", "flower_basic_auth"): (login, ("flower",)),
    }
    login_at_sentinels = transport_options(url).get("sentinel_kwargs")
    if login_at_sentinels:
        entries["celery_broker_transport_options", "sentinel_kwargs"] = (json.dumps(login_at_sentinels), BROKER_USERS)
    if login_at_sentinels and results_in_redis:
        entries["celery_result_backend_transport_options", "sentinel_kwargs"] = (json.dumps(login_at_sentinels), RESULT_USERS)
    return entries


SECTION_READERS: Mapping[str, tuple[str, ...]] = {
    "celery": BROKER_USERS,
    "email": DAG_RUNNERS,
    "smtp": DAG_RUNNERS,
    "workers": RESULT_USERS,
}
OPTION_READERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("dag_processor", "dag_bundle_config_list"): DAG_RUNNERS,
    ("logging", "remote_task_handler_kwargs"): LOG_WRITERS,
    ("secrets", "backend_kwargs"): DAG_RUNNERS,
    ("workers", "secrets_backend_kwargs"): ("scheduler", "worker"),
}


def readers(line: int, section: str, option: str) -> tuple[str, ...]:
    """The daemons that need a secret option of the user's; one that is not known here goes to all."""
    if line < 3 and section == "secrets":
        return ALL
    return OPTION_READERS.get((section, option)) or SECTION_READERS.get(section) or ALL
