# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that the user gives, as files on the controller."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.plugin_utils.given_certificates import read_given
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
NOW = datetime.now(timezone.utc)


class Signer:
    """Somebody with a key and a certificate, which may sign those of others."""

    def __init__(self, name: str, signer: Signer | None = None, start: int = -1, end: int = 90) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = signer or self
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("198.18.0.2"))])
        builder = x509.CertificateBuilder().subject_name(self.name).issuer_name(issuer.name).public_key(self.key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).add_extension(names, critical=False)
        builder = builder.not_valid_before(NOW + timedelta(days=start)).not_valid_after(NOW + timedelta(days=end))
        self.certificate = builder.sign(issuer.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(PEM).decode()

    @property
    def private(self) -> str:
        """The key."""
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


ROOT = Signer("root")
BETWEEN = Signer("between", ROOT)
LEAF = Signer("h1.example.org", BETWEEN)


def given(folder: Path, certificate: str = LEAF.pem + BETWEEN.pem, key: str = LEAF.private, authority: str = ROOT.pem) -> Any:
    """What is found in three files."""
    files = {}
    for name, content in (("certificate", certificate), ("key", key), ("ca", authority)):
        path = folder / f"{name}.pem"
        path.write_text(content)
        files[f"airflow_tls_{name}"] = str(path)
    return read_given(files, lambda path: Path(path).read_text())


def test_a_chain_that_leads_to_the_authority_is_good(tmp_path: Path) -> None:
    found = given(tmp_path)
    assert (found.names, found.problems) == (("h1.example.org", "198.18.0.2"), ())


def test_what_is_not_named_is_a_rules_affair() -> None:
    assert read_given({}, lambda path: path).problems == ()


PROBLEMS: dict[str, tuple[dict[str, str], str]] = {
    "no certificate": (
        {"certificate": "x"},
        "airflow_tls_certificate is {folder}/certificate.pem, which holds no certificate in the form PEM: convert it",
    ),
    "no key": (
        {"key": "x"},
        "airflow_tls_key is {folder}/key.pem, which holds no private key without a passphrase in the form PEM: convert it",
    ),
    "another key": (
        {"key": ROOT.private},
        "airflow_tls_key is {folder}/key.pem, which does not fit the certificate {folder}/certificate.pem: give the key that it was "
        "made for",
    ),
    "another authority": (
        {"authority": Signer("root").pem},
        "airflow_tls_ca is {folder}/ca.pem, and nobody in it has signed the certificate {folder}/certificate.pem: add who has",
    ),
    "a link is missing": (
        {"certificate": LEAF.pem},
        "airflow_tls_ca is {folder}/ca.pem, and nobody in it has signed the certificate {folder}/certificate.pem: add who has",
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_problem_is_one_sentence(case: str, tmp_path: Path) -> None:
    changed, sentence = PROBLEMS[case]
    assert given(tmp_path, **changed).problems == (sentence.format(folder=tmp_path),)


@pytest.mark.parametrize(("start", "end", "says"), [(-10, -2, "ended on"), (2, 10, "is valid from")])
def test_one_that_is_not_valid_now(start: int, end: int, says: str, tmp_path: Path) -> None:
    leaf = Signer("h1", ROOT, start, end)
    (problem,) = given(tmp_path, leaf.pem, leaf.private).problems
    assert says in problem


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (problem,) = read_given({"airflow_tls_key": str(tmp_path / "none")}, lambda path: Path(path).read_text()).problems
    assert problem == (
        f"airflow_tls_key is {tmp_path}/none, which the controller cannot read (No such file or directory): name a file of its own"
    )


@pytest.mark.parametrize(("days", "told"), [(29, True), (31, False)])
def test_one_that_ends_soon_is_told(days: int, told: bool, tmp_path: Path) -> None:
    leaf = Signer("h1", ROOT, end=days)
    found = given(tmp_path, leaf.pem, leaf.private)
    assert found.problems == ()
    assert found.ends_soon == (f"{NOW + timedelta(days=days):%Y-%m-%d}" if told else "")


def test_what_was_read_is_what_is_brought(tmp_path: Path) -> None:
    assert dict(given(tmp_path).contents) == {
        "airflow_tls_certificate": LEAF.pem + BETWEEN.pem,
        "airflow_tls_key": LEAF.private,
        "airflow_tls_ca": ROOT.pem,
    }
    assert LEAF.private not in repr(given(tmp_path))
