# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading certificates, also as a library does that cannot verify who has signed one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.plugin_utils.pem_certificates import is_signed_by, load_all
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority")])
KEYS = {
    "ECC": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}
READ = ("issuer", "subject", "signature", "tbs_certificate_bytes", "signature_hash_algorithm", "public_key")


class Old:
    """A certificate as releases before 40 have it."""

    def __init__(self, certificate: x509.Certificate) -> None:
        for name in READ:
            setattr(self, name, getattr(certificate, name))


def made(signer: Any) -> x509.Certificate:
    """A certificate in the one name that all of them have."""
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(signer.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + timedelta(days=9))
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("seen", [Old, lambda certificate: certificate], ids=["old library", "this one"])
def test_an_authority_and_its_successor_of_the_same_name_are_told_apart(kind: str, seen: Any) -> None:
    first, second = (made(KEYS[kind]()) for _ in range(2))
    assert is_signed_by(seen(first), seen(first))
    assert not is_signed_by(seen(first), seen(second))


def test_another_kind_of_key_has_not_signed_it() -> None:
    assert not is_signed_by(Old(made(KEYS["ECC"]())), Old(made(KEYS["RSA"]())))


def test_all_certificates_of_a_file_are_read_whatever_is_between_them() -> None:
    both = [made(KEYS["ECC"]()) for _ in range(2)]
    content = b"# first\n".join(each.public_bytes(serialization.Encoding.PEM) for each in both)
    assert [each.serial_number for each in load_all(content)] == [each.serial_number for each in both]
    with pytest.raises(ValueError, match="no certificate"):
        load_all(b"nothing\n")
