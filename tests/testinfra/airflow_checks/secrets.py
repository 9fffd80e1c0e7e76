# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for secrets in an output, however they are spelled there. No message of this module holds one."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Mapping
from urllib.parse import quote, quote_plus, unquote, urlsplit

SECRET_NAMES = re.compile(r"(CONN|CONN_ASYNC|KEY|SECRET|PASSWORD|TOKEN|BROKER_URL|RESULT_BACKEND|BASIC_AUTH)$")
# Shorter ones stand in any text.
SHORTEST = 6
SPECIAL_IN_ENVIRONMENT_FILES = re.compile(r'(["\\`$])')


def spellings(secret: str) -> dict[str, str]:
    """Return the ways in which a secret may be written, by what they are called."""
    as_json = json.dumps(secret)[1:-1]
    return {
        "as it is": secret,
        "in a URL": quote(secret, safe=""),
        "in a path": quote(secret),
        "in a form": quote_plus(secret),
        "in JSON": as_json,
        "in JSON with its own letters": json.dumps(secret, ensure_ascii=False)[1:-1],
        "in JSON in JSON": json.dumps(as_json)[1:-1],
        "in Python": repr(secret)[1:-1],
        "in YAML": secret.replace("'", "''"),
        "in a shell": shlex.quote(secret),
        "in an environment file": SPECIAL_IN_ENVIRONMENT_FILES.sub(r"\\\1", secret),
        "in an INI file": secret.replace("%", "%%"),
        "in base64": base64.b64encode(secret.encode()).decode(),
        **{f"in base64 after {before} bytes": _inside_base64(secret, before) for before in range(3)},
    }


def _inside_base64(secret: str, before: int) -> str:
    """What of a secret in a longer text can be known again in its base64, which depends on how many bytes, by three, go before it."""
    encoded = base64.b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
    # The first characters have bits of what goes before, the last ones of what follows.
    return encoded[(0, 2, 3)[before] : len(encoded) - 1]


def of_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets among the variables of daemons; of a URL also its password alone."""
    found = {}
    for name, value in variables.items():
        if not SECRET_NAMES.search(name):
            continue
        if "://" not in value:
            found[name] = value
        elif password := urlsplit(value).password:
            found[name] = value
            found[f"the password in {name}"] = unquote(password)
    return found


def told(output: str, secrets: Mapping[str, str]) -> list[str]:
    """Return which secrets an output holds, each with the first line it is in."""
    found = []
    for name, secret in secrets.items():
        if len(secret) < SHORTEST:
            continue
        for how, spelled in spellings(secret).items():
            if (place := output.find(spelled)) >= 0:
                found.append(f"{name} ({how}) in line {output.count(chr(10), 0, place) + 1}")
                break
    return found
