# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: where each one comes from, and which daemon gets it."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ._topology_model import Draft
from ._topology_urls import parse_server_url

ALL = ("webserver", "scheduler", "dag_processor", "triggerer")
WEB_AND_SCHEDULER = ("webserver", "scheduler")
LOG_READERS = ("webserver", "scheduler", "triggerer")
DAG_RUNNERS = ("scheduler", "dag_processor", "triggerer")
LOG_WRITERS = ("scheduler", "triggerer")

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


@dataclass(frozen=True)
class Secret:
    """A secret of the installation: its variable, how one is made, and where a host keeps it."""

    name: str
    variable: str
    generate: Callable[[], str]
    environment: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


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
        Secret("metadata_db_password", "airflow_metadata_db_password", lambda: secrets.token_urlsafe(32)),
        Secret("admin_password", "airflow_admin_password", lambda: secrets.token_urlsafe(18)),
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
    if needs_admin(draft):
        yield SECRETS["admin_password"]


def _secret_on_hosts(draft: Draft, secret: Secret) -> Iterator[tuple[str, str]]:
    """(place, value) for each host that has the secret."""
    for host in draft.hosts.values():
        for daemon, environment in ((host.installation or {}).get("environment") or {}).items():
            value = _from_environment(environment, secret)
            if value:
                yield f"{daemon}.env on {host.name}", value
        if host.installation is None and host.adopted is not None:
            value = _from_adopted(host.adopted, secret)
            if value:
                yield f"{host.adopted.get('config_file')} on {host.name}", value


def _from_environment(environment: Mapping[str, str], secret: Secret) -> str | None:
    if secret.name == "metadata_db_password":
        url = environment.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "")
        return parse_server_url(url).password if url.startswith("postgresql") else None
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
    if draft.database is not None:
        draft.database.password = draft.secrets.get("metadata_db_password", "")
    return to_store


def _resolve(draft: Draft, store: SecretStore, secret: Secret, to_store: dict[str, str]) -> None:
    owned = _is_ours(draft, secret)
    if not owned and draft.database is not None and draft.database.password:
        # The server was there before: its password is part of the address that was taken over.
        draft.secrets[secret.name] = draft.values[secret.variable] or draft.database.password
        return
    given, filed = draft.values[secret.variable], store.read(secret.name)
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
        draft.findings.append("airflow_metadata_db_password is not set, and a database server that is not managed here needs it.")
    elif _was_there(draft, secret):
        draft.findings.append(
            f"The {secret.name} of the existing installation was not found on any host nor in {store.path(secret.name)}, and a new one "
            f"would not fit its data: put it into that file, or set {secret.variable}."
        )
    elif secret.name != "admin_password" or draft.installation is None:
        draft.secrets[secret.name] = to_store[secret.name] = secret.generate()


def _is_ours(draft: Draft, secret: Secret) -> bool:
    return secret.name != "metadata_db_password" or draft.database is None or draft.database.managed


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


def derived_secrets(draft: Draft, urls: tuple[str, str]) -> dict[tuple[str, str], tuple[str, tuple[str, ...]]]:
    """(section, option) -> (value, daemons) for the secrets that the compiler knows itself."""
    url, async_url = urls
    secret_key = draft.secrets.get("secret_key", "")
    entries: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
        ("database", "sql_alchemy_conn"): (url, ALL),
        ("core", "fernet_key"): (draft.secrets.get("fernet_key", ""), ALL),
    }
    if draft.line < 3:
        entries["webserver", "secret_key"] = (secret_key, LOG_READERS)
    else:
        entries["database", "sql_alchemy_conn_async"] = (async_url, ALL)
        entries["api", "secret_key"] = (secret_key, LOG_READERS)
        entries["api_auth", "jwt_secret"] = (draft.secrets.get("jwt_secret", ""), WEB_AND_SCHEDULER)
    return entries


SECTION_READERS: Mapping[str, tuple[str, ...]] = {
    "celery": ("scheduler",),
    "email": DAG_RUNNERS,
    "smtp": DAG_RUNNERS,
    "workers": ("scheduler",),
}
OPTION_READERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("logging", "remote_task_handler_kwargs"): LOG_WRITERS,
    ("secrets", "backend_kwargs"): DAG_RUNNERS,
}


def readers(line: int, section: str, option: str) -> tuple[str, ...]:
    """The daemons that need a secret option of the user's; one that is not known here goes to all."""
    if line < 3 and section == "secrets":
        return ALL
    return OPTION_READERS.get((section, option)) or SECTION_READERS.get(section) or ALL
