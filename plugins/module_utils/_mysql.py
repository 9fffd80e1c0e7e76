# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting to a MySQL server with PyMySQL, encrypted as the modes of libpq say it."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any

DEFAULT_PORT = 3306
CHARSET = "utf8mb4"
ENCRYPTED = ("require", "verify-ca", "verify-full")
VALUE = re.compile(r"(entry|value:?) '.*' for (key|column)", re.DOTALL)


def connect(settings: Mapping[str, Any], **arguments: Any) -> Any:
    """A connection to the database that host, port, name, user, password, ssl_mode and ssl_root_cert name. Raises ImportError.

    The passwords of caching_sha2_password are sent encrypted in any case; where TLS is demanded, nothing is sent without.
    """
    import pymysql.connections
    from pymysql.constants import CLIENT

    mode = settings["ssl_mode"] or "prefer"
    base: Any = pymysql.connections.Connection

    class Connection(base):
        """Releases of PyMySQL differ in what they do where the server offers no TLS; this one goes by the mode."""

        def _request_authentication(self) -> None:
            if not self.server_capabilities & CLIENT.SSL:
                if mode in ENCRYPTED:
                    raise pymysql.OperationalError(2026, "the server offers no TLS")
                self.ssl = False
                self.client_flag &= ~CLIENT.SSL
            super()._request_authentication()

    return Connection(
        host=settings["host"],
        port=settings["port"] or DEFAULT_PORT,
        database=settings["name"],
        user=settings["user"],
        # A text would be sent as Latin-1.
        password=(settings["password"] or "").encode(),
        charset=CHARSET,
        client_flag=CLIENT.FOUND_ROWS,
        ssl=None if mode == "disable" else _context(mode, settings.get("ssl_root_cert")),
        ssl_disabled=mode == "disable",
        **arguments,
    )


def _context(mode: str, root_cert: str | None) -> ssl.SSLContext:
    verifies = mode.startswith("verify-")
    context = ssl.create_default_context(cafile=root_cert if verifies else None)
    # The certificates that MySQL makes for itself lack what Python 3.13 wants of each.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    context.check_hostname = mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
    return context


def reason(error: Exception) -> str:
    """What a driver's error says, without the values in it."""
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    return " ".join(VALUE.sub(r"\1 for \2", text).split())
