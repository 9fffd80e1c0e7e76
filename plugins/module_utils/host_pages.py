# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking pages of a host's own daemons, whose certificates an authority of the installation's own may have signed."""

from __future__ import annotations

import ssl
import urllib.request


def verifying(authorities: str | None) -> list[urllib.request.BaseHandler]:
    """What an opener of urllib needs to trust a file of authorities; nothing without one."""
    if not authorities:
        return []
    return [urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authorities))]
