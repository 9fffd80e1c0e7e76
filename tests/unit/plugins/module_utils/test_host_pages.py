# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon that listens on the loopback address with a certificate for the name of its host."""

from __future__ import annotations

import ssl
import threading
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_pages import verifying
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "h1.example.org"


class Page(BaseHTTPRequestHandler):
    """Answers everything."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers["Host"].encode())

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for the name, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]), datetime.now(timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1)).add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
    pem = serialization.Encoding.PEM
    made = builder.sign(key, hashes.SHA256()).public_bytes(pem)
    path = tmp_path / "server.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made)
    return path


@pytest.fixture
def port(certificate: Path) -> Iterator[int]:
    """A server on the loopback address."""
    server = HTTPServer(("127.0.0.1", 0), Page)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def ask(port: int, authorities: Path, name: str | None) -> str:
    """What the page says."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *verifying(str(authorities), name))
    with opener.open(f"https://127.0.0.1:{port}/", timeout=10) as answer:
        return str(answer.read().decode())


def test_it_is_verified_by_its_name_and_asked_at_its_address(port: int, certificate: Path) -> None:
    assert ask(port, certificate, NAME) == f"127.0.0.1:{port}"


@pytest.mark.parametrize("name", [None, "h2.example.org"])
def test_another_name_is_refused(name: str | None, port: int, certificate: Path) -> None:
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        ask(port, certificate, name)


def test_without_authorities_nothing_is_added() -> None:
    assert verifying(None, NAME) == []
