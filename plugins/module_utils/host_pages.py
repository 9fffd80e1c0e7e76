# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking pages of a host's own daemons, whose certificates an authority of the installation's own may have signed."""

from __future__ import annotations

import http.client
import ssl
import urllib.request
from typing import Any


def verifying(authorities: str | None, name: str | None = None) -> list[urllib.request.BaseHandler]:
    """What an opener of urllib needs to trust a file of authorities; nothing without one.

    With a name the certificate has to be for that, and not for the address that is asked.
    """
    if not authorities:
        return []
    context = ssl.create_default_context(cafile=authorities)
    return [_NamedHandler(context, name) if name else urllib.request.HTTPSHandler(context=context)]


class _NamedHandler(urllib.request.HTTPSHandler):
    """Verifies a server by another name than that of its address."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        super().__init__(context=context)
        self.tls, self.name = context, name

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Called by urllib."""
        return self.do_open(self._connection, req)

    def _connection(self, host: str, **further: Any) -> http.client.HTTPConnection:
        return _NamedConnection(host, self.tls, self.name, **further)


class _NamedConnection(http.client.HTTPConnection):
    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, context: ssl.SSLContext, name: str, **further: Any) -> None:
        super().__init__(host, **further)
        self.tls, self.name = context, name

    def connect(self) -> None:
        super().connect()
        self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.name)
