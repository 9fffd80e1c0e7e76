# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Fernet key opens what was encrypted. The signature tells it, so nothing is decrypted, and no library is needed."""

from __future__ import annotations

import base64
import hashlib
import hmac

SIGNING_BYTES = 16
"""The first half of a key signs, the second one encrypts."""
SIGNATURE_BYTES = 32


def opens(keys: str, token: str) -> bool:
    """Whether any of the keys, which are separated by commas, belongs to a token."""
    try:
        content = base64.urlsafe_b64decode(token.encode("ascii"))
    except ValueError:
        return False
    return any(_signs(key.strip(), content) for key in keys.split(",") if key.strip())


def _signs(key: str, content: bytes) -> bool:
    try:
        secret = base64.urlsafe_b64decode(key.encode("ascii"))[:SIGNING_BYTES]
    except ValueError:
        return False
    expected = hmac.new(secret, content[:-SIGNATURE_BYTES], hashlib.sha256).digest()
    return hmac.compare_digest(expected, content[-SIGNATURE_BYTES:])
