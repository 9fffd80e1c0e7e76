# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against a database of PostgreSQL, found out before anything is installed: without a driver, and only by reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._database import about_certificate
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_postgresql import PostgresqlTarget
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_state import TargetState
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Connection
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import MoveError
from ansible_collections.updraft.airflow.plugins.module_utils.postgresql_client import NO_SUCH_DATABASE, Client, ClientError, Login

MAKES_TABLES = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
OWNER = "SELECT rolname FROM pg_roles JOIN pg_database ON pg_roles.oid = datdba WHERE datname = current_database()"


class DriverlessTarget(PostgresqlTarget):
    """A database that is only looked at, by a client of our own."""

    def __init__(self, login: Login, place: str) -> None:
        # The base class opens a connection of its driver's.
        self.place = place
        self.error = ClientError
        self._client = Client(login)
        try:
            self._prepare()
        except MoveError:
            self._client.close()
            raise

    def rows(self, sql: str, parameters: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """See Server."""
        return self._client.rows(sql if parameters is None else sql % tuple(map(literal, parameters)))

    def run(self, sql: str, parameters: tuple[Any, ...] | None = None) -> int:
        """See Server."""
        return len(self.rows(sql, parameters))

    def commit(self) -> None:
        """See Server; every statement is a transaction of its own."""

    def close(self) -> None:
        """See Server."""
        self._client.close()


def literal(value: Any) -> str:
    """A value in a statement; texts are read with standard_conforming_strings."""
    if isinstance(value, (list, tuple)):
        return f"ARRAY[{', '.join(map(literal, value))}]::text[]"
    if isinstance(value, (bool, int)):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def look(
    login: Login, *, place: str = "", owner: str = "", must_be_empty: bool = False, is_first_use: bool = False, oldest: int = 0
) -> list[str]:
    """What speaks against using a database, a sentence each.

    `owner` is the role that has to own it; `oldest` the oldest major version of the server. By the socket of a server on this host, what
    cannot be reached is no finding: it only has to be right if it is there.
    """
    place = place or Connection(login.host, login.port, login.database, login.user, "").place()
    try:
        target = DriverlessTarget(login, place)
    except ClientError as error:
        if login.host.startswith("/"):
            return []
        reason = str(error).rstrip(".")
        settings = {"ssl_root_cert": login.ssl_root_cert}
        return [f"{_capital(place)} cannot be used: {reason}{about_certificate(reason, settings)}; check {_to_check(error)}."]
    except MoveError as error:
        return [_capital(str(error))]
    try:
        return list(_findings(target, owner, must_be_empty, is_first_use, oldest))
    except ClientError as error:
        return [f"{_capital(place)} cannot be looked at: {error}."]
    finally:
        target.close()


def _findings(target: DriverlessTarget, owner: str, must_be_empty: bool, is_first_use: bool, oldest: int) -> Sequence[str]:
    found = []
    place = _capital(target.place)
    version = int(target.value("SHOW server_version_num")) // 10000
    if version < oldest:
        found.append(f"{place} is on PostgreSQL {version}, and Airflow needs {oldest} or newer: name a newer server.")
    is_owned_by = str(target.value(OWNER))
    if owner and is_owned_by != owner:
        found.append(
            f"{place} belongs to {is_owned_by}, and airflow_metadata_db_user is {owner}: choose another airflow_metadata_db_name, or let "
            f"it belong to {owner}."
        )
    elif not owner and (must_be_empty or is_first_use) and not target.value(MAKES_TABLES):
        found.append(f"{place} lets the role make no tables: grant it CREATE on the schema {target.schema}, or make it the owner.")
    state = TargetState(target)
    is_strange = bool(state.tables) and state.revision is None and state.name == "foreign"
    if (must_be_empty and state.name in ("switched", "foreign")) or (is_first_use and is_strange):
        found.append(f"{_capital(state.sentence)}: name another one by airflow_metadata_db_name, or empty it yourself.")
    return found


def _to_check(error: ClientError) -> str:
    if error.code.startswith("28"):
        return "airflow_metadata_db_user and airflow_metadata_db_password, and that the server lets this host in"
    if error.code == NO_SUCH_DATABASE:
        return "airflow_metadata_db_name"
    return "that it runs, and airflow_metadata_db_host and airflow_metadata_db_port"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
