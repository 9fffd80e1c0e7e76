# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a certificate that the user gives, looked at on the controller before any host is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.updraft.airflow.plugins.module_utils._topology_model import GivenCertificate
from ansible_collections.updraft.airflow.plugins.module_utils._topology_tls import GIVEN_VARIABLES

CERTIFICATE, KEY, AUTHORITY = (GIVEN_VARIABLES[part] for part in ("certificate", "key", "authority"))


class GivenError(Exception):
    """A file that cannot be used; the text is a sentence without its end."""


def read_given(files: Mapping[str, str], read_text: Callable[[str], str]) -> GivenCertificate:
    """What the files say, by the names of their variables; those that are not named are a rule's affair. `read_text` reads one."""
    try:
        # ansible-core needs it too, so the controller has it.
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        return GivenCertificate(problems=("The controller's Python has no cryptography, with which certificates are read: install it",))
    problems: list[str] = []
    parsers: Mapping[str, Callable[[bytes], Any]] = {
        CERTIFICATE: x509.load_pem_x509_certificates,
        AUTHORITY: x509.load_pem_x509_certificates,
        KEY: lambda content: serialization.load_pem_private_key(content, None),
    }
    found: dict[str, Any] = {}
    for variable, path in files.items():
        try:
            found[variable] = _parse(variable, path, read_text, parsers[variable])
        except GivenError as error:
            problems.append(str(error))
    problems += _disagreements(serialization, files, found)
    return GivenCertificate(tuple(_names(x509, found[CERTIFICATE][0])) if CERTIFICATE in found else (), tuple(problems))


def _parse(variable: str, path: str, read_text: Callable[[str], str], parse: Callable[[bytes], Any]) -> Any:
    try:
        content = read_text(path)
    except (AnsibleError, OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not there, or may not be read"
        raise GivenError(f"{variable} is {path}, which the controller cannot read ({reason}): name a file of its own") from None
    try:
        return parse(content.encode())
    except Exception:
        what = "private key without a passphrase" if variable == KEY else "certificate"
        raise GivenError(f"{variable} is {path}, which holds no {what} in the form PEM: convert it") from None


def _disagreements(serialization: Any, files: Mapping[str, str], found: Mapping[str, Any]) -> Iterator[str]:
    if CERTIFICATE not in found:
        return
    path, chain = files[CERTIFICATE], found[CERTIFICATE]
    now, leaf = datetime.now(timezone.utc), chain[0]
    start, end = (_moment(leaf, name) for name in ("not_valid_before", "not_valid_after"))
    if end <= now:
        yield f"{CERTIFICATE} is {path}, which ended on {end:%Y-%m-%d}: have it renewed"
    elif start > now:
        yield f"{CERTIFICATE} is {path}, which is valid from {start:%Y-%m-%d} on only: use one that is valid now"
    if KEY in found and _public(serialization, found[KEY].public_key()) != _public(serialization, leaf.public_key()):
        yield f"{KEY} is {files[KEY]}, which does not fit the certificate {path}: give the key that it was made for"
    if AUTHORITY in found and not _is_trusted(chain, found[AUTHORITY]):
        yield f"{AUTHORITY} is {files[AUTHORITY]}, and nobody in it has signed the certificate {path}: add who has"


def _moment(certificate: Any, name: str) -> datetime:
    # Older releases of the library tell it without a zone only.
    moment: datetime = getattr(certificate, name + "_utc", None) or getattr(certificate, name).replace(tzinfo=timezone.utc)
    return moment


def _public(serialization: Any, key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.DER, form))


def _is_trusted(chain: list[Any], authorities: list[Any]) -> bool:
    """Whether the chain that the server sends leads to one of the authorities."""
    current, rest = chain[0], list(chain[1:])
    for _step in range(len(chain)):
        if any(_signed(current, authority) or current == authority for authority in authorities):
            return True
        current = next((each for each in rest if _signed(current, each)), None)
        if current is None:
            return False
        rest.remove(current)
    return False


def _signed(certificate: Any, issuer: Any) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    if not hasattr(certificate, "verify_directly_issued_by"):
        return True
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:
        return False
    return True


def _names(x509: Any, certificate: Any) -> Iterator[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    yield from names.get_values_for_type(x509.DNSName)
    yield from (str(address) for address in names.get_values_for_type(x509.IPAddress))
