# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What certificates say, also with releases of the library `cryptography` that distributions have had for long."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def load_all(content: bytes) -> list[Any]:
    """Every certificate of a file, in its order. Raises ValueError where there is none, or one cannot be read."""
    from cryptography import x509

    found = [x509.load_pem_x509_certificate(block) for block in BLOCK.findall(content)]
    if not found:
        raise ValueError("no certificate")
    return found


def moment(certificate: Any, name: str) -> datetime:
    """`not_valid_before` or `not_valid_after` of a certificate, which older releases tell without a zone only."""
    found: datetime = getattr(certificate, name + "_utc", None) or getattr(certificate, name).replace(tzinfo=timezone.utc)
    return found


def is_signed_by(certificate: Any, issuer: Any) -> bool:
    """Whether the issuer's key has signed a certificate. Its name alone says nothing: an authority and its successor share one."""
    if certificate.issuer != issuer.subject:
        return False
    try:
        if hasattr(certificate, "verify_directly_issued_by"):
            certificate.verify_directly_issued_by(issuer)
        else:
            _verify(certificate, issuer.public_key())
    except Exception:
        # Whatever is wrong with a signature, it is none.
        return False
    return True


def _verify(certificate: Any, key: Any) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    signed = (certificate.signature, certificate.tbs_certificate_bytes)
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(*signed, ec.ECDSA(certificate.signature_hash_algorithm))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(*signed, padding.PKCS1v15(), certificate.signature_hash_algorithm)
    else:
        key.verify(*signed)
