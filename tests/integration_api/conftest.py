# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of each line, and a way to call the modules on it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args
from api_server import ADMIN, ADMIN_PASSWORD, AirflowServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Call = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, AirflowServer]]:
    """Both lines."""
    try:
        found = {line: AirflowServer(line, tmp_path_factory.mktemp(f"airflow{line} home")) for line in (2, 3)}
    except LookupError as error:
        pytest.fail(str(error))
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(AirflowServer.start, found.values()))
        yield found
    finally:
        for server in found.values():
            server.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost and its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return path


@pytest.fixture(params=[2, 3], ids=["airflow2", "airflow3"])
def server(request: pytest.FixtureRequest, servers: dict[int, AirflowServer]) -> AirflowServer:
    """One line after the other, without objects of another test."""
    chosen = servers[request.param]
    chosen.clean()
    return chosen


@pytest.fixture
def call(server: AirflowServer, capsys: pytest.CaptureFixture[str]) -> Call:
    """A function that calls a module on the server and returns its result."""

    def run(name: str, check_mode: bool = False, fails: bool = False, **arguments: Any) -> dict[str, Any]:
        # They pile up as long as the process lives, which is one call of a module elsewhere.
        warnings._global_warnings.clear()
        module = importlib.import_module(f"ansible_collections.updraft.airflow.plugins.modules.airflow_{name}")
        given = {"url": server.url, "username": ADMIN, "password": ADMIN_PASSWORD, **arguments}
        with patch_module_args({**given, "_ansible_check_mode": check_mode, "_ansible_diff": True}), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
        result["warnings"] = [warning["event"]["msg"] for warning in result.get("warnings", [])]
        assert result.get("failed", False) is fails, result
        return result

    return run
