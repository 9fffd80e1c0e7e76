# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the topology compiler knows of MySQL: addresses, accounts, and what is refused. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ._topology_urls import server_url

ENGINE = "mysql"
DEFAULT_PORT = 3306
CHARSET = "utf8mb4"
COLLATION = "utf8mb4_0900_bin"
"""Tells all texts apart that differ, case and blanks at the end too, as SQLite and PostgreSQL do."""

OLDEST = (8, 0)
"""Upstream's floor, for both lines."""
TESTED: Mapping[int, tuple[str, ...]] = {2: ("8.0",), 3: ("8.0", "8.4")}
"""Versions that upstream names, by line; 3.x is also tested with what it calls Innovation."""
SYSTEM_VERSIONS: Mapping[tuple[str, str], tuple[int, int]] = {
    ("Ubuntu", "22"): (8, 0),
    ("Ubuntu", "24"): (8, 0),
    ("RedHat", "8"): (8, 0),
    ("RedHat", "9"): (8, 0),
    ("RedHat", "10"): (8, 4),
}
"""The MySQL of a distribution's release."""
WITHOUT_SERVER = (("Debian", "11"), ("Debian", "12"), ("Debian", "13"))
"""Releases that have MariaDB only, whatever its package is called."""
INNOVATION = 3
"""The line that upstream tests with Innovation releases."""

SSL_MODES = {
    "disable": "DISABLED",
    "allow": "PREFERRED",
    "prefer": "PREFERRED",
    "require": "REQUIRED",
    "verify-ca": "VERIFY_CA",
    "verify-full": "VERIFY_IDENTITY",
}
"""MySQL's words for the modes that all engines are given by libpq's."""
DEFAULT_SSL_MODE = "prefer"
"""On loopback too: MySQL's own client library logs in with caching_sha2_password only where there is TLS, or the server's key."""

ENCRYPTED_MODES = ("REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")

IDENTIFIER = r"[a-z_][a-z0-9_]{0,63}"
LONGEST_USER = 32
LONGEST_NAME = 64
RESERVED_USERS = ("root", "mysql", "event_scheduler")
RESERVED_DATABASES = ("mysql", "sys", "information_schema", "performance_schema")

ASYNC_OPTIONS = ("connect_timeout",)
"""Options of an address that both drivers know."""

ASYNC_ARGUMENTS_MODULE = "airflow_mysql_tls"
"""A Python module of AIRFLOW_HOME/config, which Airflow looks into: its own name, so that it stands in nobody's way."""

LOOPBACK_ACCOUNTS = ("localhost", "127.0.0.1", "::1")
"""Where the server's own host connects from: its socket, and both loopbacks."""
ADDRESS = re.compile(r"[0-9.]+|[0-9a-f:]*:[0-9a-f:.]*", re.IGNORECASE | re.ASCII)

MARIADB = (
    "airflow_metadata_db_engine mariadb: Airflow does not support MariaDB, whose row locks differ from MySQL's; use postgresql or mysql."
)


def mysql_url(
    user: str,
    password: str,
    host: str,
    port: int,
    name: str,
    ssl_mode: str,
    ssl_root_cert: str | None = None,
    further: Mapping[str, str] | None = None,
) -> str:
    """The URL for mysqlclient, which goes on in plain text unless it is told otherwise; `further` are options of its own.

    The host must not be `localhost`, which its library takes for a socket: see `host_findings`.
    """
    query = {"charset": CHARSET, "ssl_mode": SSL_MODES.get(ssl_mode, ssl_mode)}
    if ssl_root_cert:
        query["ssl_ca"] = ssl_root_cert
    return server_url("mysql+mysqldb", user, password, host, port, name, {**query, **(further or {})})


def mysql_async_url(user: str, password: str, host: str, port: int, name: str, further: Mapping[str, str] | None = None) -> str:
    """The URL for aiomysql. It cannot say how TLS is used: see `async_connect_args`."""
    return server_url("mysql+aiomysql", user, password, host, port, name, {"charset": CHARSET, **(further or {})})


def async_connect_args(ssl_mode: str, ssl_root_cert: str | None = None) -> str | None:
    """A Python file whose `connect_args` gives aiomysql its TLS, None where none is demanded.

    aiomysql takes a context, which no URL can hold. Airflow takes the name of a dictionary that it imports, from
    `[database] sql_alchemy_connect_args_async`; AIRFLOW_HOME/config is where it looks.
    """
    mode = SSL_MODES.get(ssl_mode, ssl_mode)
    if mode not in ENCRYPTED_MODES:
        return None
    verifies = mode != "REQUIRED"
    lines = [
        "import ssl",
        "",
        f"context = ssl.create_default_context(cafile={ssl_root_cert if verifies else None!r})",
        f"context.check_hostname = {mode == 'VERIFY_IDENTITY'}",
        f"context.verify_mode = ssl.{'CERT_REQUIRED' if verifies else 'CERT_NONE'}",
        # MySQL's own certificates lack what Python 3.13 wants of each.
        'context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)',
        'connect_args = {"ssl": context}',
    ]
    return "\n".join(lines) + "\n"


def accounts(addresses: Iterable[str], alone: bool) -> list[str]:
    """The hosts that the role is admitted from: the server's own, and those that run a daemon unless that is the only one."""
    return list(dict.fromkeys([*LOOPBACK_ACCOUNTS, *([] if alone else addresses)]))


def resolves_no_names(admitted: Iterable[str]) -> bool:
    """Whether the server need not look up the names of those who connect: every account is an address."""
    return all(name == LOOPBACK_ACCOUNTS[0] or ADDRESS.fullmatch(name) for name in admitted)


def bind_address(address: str | None, alone: bool) -> str:
    """Where the server listens: on its loopback, and on its own address for the others; everywhere where that is not known."""
    if alone:
        return "127.0.0.1"
    return f"127.0.0.1,{address}" if address else "*"


def parse_version(text: str) -> tuple[int, int] | None:
    """`8.4.3-0ubuntu1` or `1:9.7.0-2` as (8, 4) or (9, 7)."""
    match = re.match(r"(?:\d+:)?(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def version_findings(version: tuple[int, ...] | None, airflow: str, where: str) -> Iterator[str]:
    """A server that is too old; `where` says which it is, as in `the MySQL of db1`."""
    if version is not None and version < OLDEST:
        yield f"Airflow {airflow} needs MySQL {OLDEST[0]}.{OLDEST[1]} or newer, and {where} is {version[0]}.{version[1]}: use a newer one."


def version_warnings(version: tuple[int, ...] | None, airflow: str, line: int, where: str) -> Iterator[str]:
    """A server that is above upstream's tested list."""
    if version is None or version < OLDEST:
        return
    text = f"{version[0]}.{version[1]}"
    if text not in TESTED[line]:
        listed = ", ".join(TESTED[line]) + (" and Innovation releases" if line == INNOVATION else "")
        yield f"{where} is MySQL {text}, which is above what upstream tests Airflow {airflow} with ({listed})."


def name_findings(variable: str, value: str) -> Iterator[str]:
    """A name of the database or of the role that cannot be made on a managed server."""
    is_user = variable.endswith("_user")
    longest = LONGEST_USER if is_user else LONGEST_NAME
    if not re.fullmatch(IDENTIFIER, value) or len(value) > longest:
        yield f"{variable} is {value!r}: it must start with a letter and hold small letters, digits and _ only ({longest} at most)."
    elif value in (RESERVED_USERS if is_user else RESERVED_DATABASES):
        yield f"{variable} is {value!r}, which MySQL keeps for itself: choose another name."


def results_findings(name: str, user: str) -> Iterator[str]:
    """Names of Celery's results, which follow from the others and are longer."""
    for variable, value, longest in (("airflow_metadata_db_name", name, LONGEST_NAME), ("airflow_metadata_db_user", user, LONGEST_USER)):
        if len(value) > longest:
            yield f"{variable} is too long for {value}, which Celery's results are kept under: MySQL takes {longest} characters at most."


def host_findings(host: str) -> Iterator[str]:
    """A host that would not be connected to by TCP."""
    if host == "localhost":
        yield "airflow_metadata_db_host is localhost, which MySQL's client library takes for a socket: write 127.0.0.1."
