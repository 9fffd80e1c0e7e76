# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates on the controller: which are due, and what a host gets."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.updraft.airflow.plugins.filter.certificates import (
    authorities,
    certificate_files,
    certificate_keys,
    due_certificates,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

USAGES = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}
WANTED: dict[str, Any] = {
    "name": "etcd",
    "key": "/etc/etcd/tls/server.key",
    "certificate": "/etc/etcd/tls/server.crt",
    "authority": "/etc/etcd/tls/ca.crt",
    "owner": "etcd",
    "group": "etcd",
    "mode": "0600",
    "common_name": "db1",
    "subject_alt_names": ["IP:198.18.0.3", "DNS:db1", "IP:::1"],
    "usages": ["serverAuth", "clientAuth"],
}


class Authority:
    """One that signs, with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority")])
        self._write("ca.crt.txt", self._certificate(self.name, self.key, 7300, []))

    def issue(self, days: int = 1825, names: tuple[str, ...] = ("db1",), usages: tuple[str, ...] = ("serverAuth", "clientAuth")) -> None:
        """A certificate for etcd on db1."""
        key = ec.generate_private_key(ec.SECP256R1())
        addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("198.18.0.3", "::1")]
        extensions: list[Any] = [
            x509.SubjectAlternativeName([*(x509.DNSName(name) for name in names), *addresses]),
            x509.ExtendedKeyUsage([USAGES[usage] for usage in usages]),
        ]
        self._write("db1-etcd.crt.txt", self._certificate(x509.Name([]), key, days, extensions))
        (self.folder / "db1-etcd.key.txt").write_text("key\n")

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int, extensions: list[Any]) -> x509.Certificate:
        now = datetime.now(timezone.utc)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        builder = builder.not_valid_after(now + timedelta(days=days))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate) -> None:
        (self.folder / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def due(folder: Path, **changed: Any) -> bool:
    """Whether the certificate has to be issued."""
    return bool(due_certificates([{**WANTED, **changed}], str(folder), "db1"))


def test_without_files_all_are_due(tmp_path: Path) -> None:
    assert due_certificates([WANTED], str(tmp_path), "db1") == [WANTED]
    assert due_certificates([], str(tmp_path), "db1") == []


def test_a_good_one_stays(tmp_path: Path) -> None:
    Authority(tmp_path).issue()
    assert not due(tmp_path)


def test_one_without_its_key_is_due(tmp_path: Path) -> None:
    Authority(tmp_path).issue()
    (tmp_path / "db1-etcd.key.txt").unlink()
    assert due(tmp_path)


@pytest.mark.parametrize(("days", "is_due"), [(29, True), (32, False)])
def test_thirty_days_before_its_end_one_is_due(tmp_path: Path, days: int, is_due: bool) -> None:
    Authority(tmp_path).issue(days)
    assert due(tmp_path) is is_due


def test_one_for_other_names_or_uses_is_due(tmp_path: Path) -> None:
    Authority(tmp_path).issue()
    assert due(tmp_path, subject_alt_names=["DNS:db1"])
    assert due(tmp_path, usages=["serverAuth"])


def test_one_of_another_authority_is_due(tmp_path: Path) -> None:
    Authority(tmp_path).issue()
    Authority(tmp_path)
    assert due(tmp_path)


def test_what_is_no_certificate_is_due(tmp_path: Path) -> None:
    Authority(tmp_path).issue()
    (tmp_path / "db1-etcd.crt.txt").write_text("spoiled\n")
    assert due(tmp_path)


def test_a_host_gets_folders_authority_certificate_and_key(tmp_path: Path) -> None:
    Authority(tmp_path).issue()
    entries = certificate_files([WANTED], str(tmp_path), "db1")
    assert [(entry["path"], entry["owner"], entry["mode"]) for entry in entries] == [
        ("/etc/etcd", "root", "0755"),
        ("/etc/etcd/tls", "root", "0755"),
        ("/etc/etcd/tls/ca.crt", "root", "0644"),
        ("/etc/etcd/tls/server.crt", "root", "0644"),
        ("/etc/etcd/tls/server.key", "etcd", "0600"),
    ]
    assert entries[3]["content"] == (tmp_path / "db1-etcd.crt.txt").read_text()
    assert "content" not in entries[4]


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError, match=r"ca\.crt\.txt cannot be read"):
        certificate_files([WANTED], str(tmp_path), "db1")


def test_all_are_renewed_when_that_is_wanted(tmp_path: Path) -> None:
    Authority(tmp_path).issue()
    assert due_certificates([WANTED], str(tmp_path), "db1", renew=True) == [WANTED]


def test_who_only_trusts_needs_nothing_but_the_authority(tmp_path: Path) -> None:
    trusted = {**WANTED, "key": None, "certificate": None}
    assert due_certificates([trusted], str(tmp_path), "db1", renew=True) == [trusted]
    Authority(tmp_path)
    assert due_certificates([trusted], str(tmp_path), "db1", renew=True) == []
    assert [entry["path"] for entry in certificate_files([trusted], str(tmp_path), "db1")] == ["/etc/etcd/tls", "/etc/etcd/tls/ca.crt"]
    assert certificate_keys([trusted], str(tmp_path), "db1") == {}


def test_a_key_without_an_owner_gets_the_roles(tmp_path: Path) -> None:
    Authority(tmp_path).issue()
    entries = certificate_files([{**WANTED, "owner": "", "group": ""}], str(tmp_path), "db1", "valkey")
    assert (entries[-1]["owner"], entries[-1]["group"], entries[-1]["mode"]) == ("valkey", "valkey", "0600")


def test_what_the_user_gives_is_brought_and_never_issued(tmp_path: Path) -> None:
    wanted = {**WANTED, "given": {name: f"{name}\n" for name in ("certificate", "key", "authority")}}
    assert due_certificates([wanted], str(tmp_path / "none"), "db1", renew=True) == []
    entries = certificate_files([wanted], str(tmp_path / "none"), "db1")
    assert [entry["content"] for entry in entries[2:4]] == ["authority\n", "certificate\n"]
    assert certificate_keys([wanted], str(tmp_path), "db1") == {}


def test_while_the_authority_changes_both_are_trusted(tmp_path: Path) -> None:
    for old, new in (("a\n", "b\n"), ("b\n", "a\n")):
        (tmp_path / "ca.crt.txt").write_text(old)
        assert authorities(str(tmp_path)) == old
        (tmp_path / "ca-next.crt.txt").write_text(new)
        # Also while it takes the other's place, and when a run was cut off in between: nobody has to read another file for that.
        assert authorities(str(tmp_path)) == "a\nb\n"
        (tmp_path / "ca-former.crt.txt").write_text(old)
        assert authorities(str(tmp_path)) == "a\nb\n"
        (tmp_path / "ca-next.crt.txt").rename(tmp_path / "ca.crt.txt")
        assert authorities(str(tmp_path)) == "a\nb\n"
        (tmp_path / "ca-former.crt.txt").unlink()
        assert authorities(str(tmp_path)) == new


def test_the_authority_has_a_folder_too(tmp_path: Path) -> None:
    Authority(tmp_path).issue()
    entries = certificate_files([{**WANTED, "authority": "/etc/airflow-tls/ca.crt"}], str(tmp_path), "db1")
    assert [entry["path"] for entry in entries if entry.get("state") == "directory"] == ["/etc/etcd", "/etc/etcd/tls", "/etc/airflow-tls"]
