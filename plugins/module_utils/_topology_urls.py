# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection URLs, built in one place so that any user, password and host comes out as it went in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

# libpq's own default waits two hours before it notices that a server is gone.
KEEPALIVES = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
SERVER_URL = re.compile(
    r"[\w+]+://(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?:\[(?P<v6>[^/?]+)\]|(?P<host>[^/:?]*))(?::(?P<port>\d*))?(?:/(?P<name>[^?]*))?(?:\?(?P<query>.*))?"
)
WEB_PORT = 80
SECURE_WEB_PORT = 443
LOOPBACK = ("127.0.0.1", "::1", "localhost")
URL_SEPARATOR = ";"
"""Between the addresses of a broker's nodes, as kombu reads them. It stands in none of them, as user and password are encoded."""


def is_ipv4(text: str) -> bool:
    """Whether a host is named by an address of four numbers."""
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdigit() and int(part) <= 255 for part in parts)


def bracketed(host: str) -> str:
    """A host as it stands in a URL: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def server_url(driver: str, user: str, password: str, host: str, port: int, name: str, query: Mapping[str, str] | None = None) -> str:
    """A SQLAlchemy URL. SQLAlchemy 1.4 does not decode the database's name, so that one holds no special character."""
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    options = f"?{urlencode(query, quote_via=quote)}" if query else ""
    return f"{driver}://{credentials}@{bracketed(host)}:{port}/{name}{options}"


def postgresql_url(
    user: str,
    password: str,
    host: str,
    port: int,
    name: str,
    ssl_mode: str,
    ssl_root_cert: str | None = None,
    further: Mapping[str, str] | None = None,
    driver: str = "psycopg2",
) -> str:
    """The URL for psycopg2 or psycopg; `further` are options of libpq."""
    tls = {"sslmode": ssl_mode, **({"sslrootcert": ssl_root_cert} if ssl_root_cert else {})}
    keepalives = {} if host in LOOPBACK else KEEPALIVES
    return server_url(f"postgresql+{driver}", user, password, host, port, name, {**tls, **keepalives, **(further or {})})


def postgresql_async_url(user: str, password: str, host: str, port: int, name: str, ssl_mode: str, ssl_root_cert: str | None = None) -> str:
    """The URL for asyncpg, which knows neither `sslmode` nor libpq's keepalives.

    Its root certificate is no argument of its own, but an option within its argument `dsn`. The variable PGSSLROOTCERT would say it
    too, and also to every task that connects to a server of its own.
    """
    query = {"ssl": ssl_mode}
    if ssl_root_cert:
        query["dsn"] = "postgresql://?" + urlencode({"sslrootcert": ssl_root_cert}, quote_via=quote)
    return server_url("postgresql+asyncpg", user, password, host, port, name, query)


def sqlite_url(path: str) -> str:
    """The URL of an SQLite file."""
    return f"sqlite:///{path}"


def sqlite_async_url(path: str) -> str:
    """The URL of an SQLite file for aiosqlite."""
    return f"sqlite+aiosqlite:///{path}"


def redis_url(user: str, password: str, host: str, port: int, number: str, tls: bool = False) -> str:
    """The URL of one of Redis's numbered databases. Without a user the password is the default user's."""
    return f"redis{'s' if tls else ''}://{_credentials(user, password)}{bracketed(host)}:{port}/{number}"


def sentinel_url(user: str, password: str, host: str, port: int, number: str) -> str:
    """One of Redis's numbered databases, at the server that this sentinel calls the master. User and password are those of Redis."""
    return f"sentinel://{_credentials(user, password)}{bracketed(host)}:{port}/{number}"


def amqp_url(user: str, password: str, host: str, port: int, vhost: str, tls: bool = False) -> str:
    """The URL of a virtual host of RabbitMQ, whose name may hold any character."""
    return f"amqp{'s' if tls else ''}://{_credentials(user, password)}{bracketed(host)}:{port}/{quote(vhost, safe='')}"


def _credentials(user: str, password: str) -> str:
    return f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""


@dataclass(frozen=True)
class ServerAddress:
    """The parts of a server's URL, decoded; a part that is not there is empty."""

    host: str = ""
    port: int | None = None
    name: str = ""
    user: str = ""
    password: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def ssl_mode(self) -> str:
        """The TLS mode, whatever the driver calls it."""
        return self.options.get("sslmode") or self.options.get("ssl") or ""

    @property
    def further_options(self) -> dict[str, str]:
        """The options besides those of TLS that have a place of their own."""
        return {name: value for name, value in self.options.items() if name not in ("sslmode", "ssl", "sslrootcert")}


def parse_server_url(url: str) -> ServerAddress:
    """The parts of a URL as SQLAlchemy reads it, which takes a password with `/`, `#` or `?` that was not encoded."""
    match = SERVER_URL.fullmatch(url)
    if match is None:
        return ServerAddress()
    options = dict(parse_qsl(match["query"] or ""))
    return ServerAddress(
        host=match["v6"] or match["host"] or options.pop("host", ""),
        port=int(match["port"]) if match["port"] else None,
        name=unquote(match["name"] or ""),
        user=unquote(match["user"] or ""),
        password=unquote(match["password"] or ""),
        options=options,
    )


def parse_broker_url(url: str) -> list[ServerAddress]:
    """The addresses of a broker's nodes."""
    return [parse_server_url(part) for part in url.split(URL_SEPARATOR)]


def split_web_url(url: str) -> SplitResult | None:
    """The parts of a web page's address, None for what is no address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def web_url(host: str, port: int, tls: bool = False) -> str:
    """The address of a web page."""
    scheme, usual = ("https", SECURE_WEB_PORT) if tls else ("http", WEB_PORT)
    return f"{scheme}://{bracketed(host)}" + ("" if port == usual else f":{port}")


def alternative_name(name: str) -> str:
    """A host's name or address as a certificate has it."""
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"
