# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a certificate that the user gives, looked at on the controller before any host is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.updraft.airflow.plugins.module_utils._topology_model import GivenCertificate
from ansible_collections.updraft.airflow.plugins.module_utils._topology_tls import GIVEN_VARIABLES
from ansible_collections.updraft.airflow.plugins.plugin_utils.pem_certificates import is_signed_by, load_all, moment

CERTIFICATE, KEY, AUTHORITY = (GIVEN_VARIABLES[part] for part in ("certificate", "key", "authority"))
SOON = timedelta(days=30)
"""With less time left than this, somebody has to be told."""


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
        CERTIFICATE: load_all,
        AUTHORITY: load_all,
        KEY: lambda content: serialization.load_pem_private_key(content, None),
    }
    contents: dict[str, str] = {}
    found: dict[str, Any] = {}
    for variable, path in files.items():
        try:
            contents[variable] = _read(variable, path, read_text)
            found[variable] = _parse(variable, path, contents[variable], parsers[variable])
        except GivenError as error:
            problems.append(str(error))
    problems += _disagreements(serialization, files, found)
    names = tuple(_names(x509, found[CERTIFICATE][0])) if CERTIFICATE in found else ()
    ends = moment(found[CERTIFICATE][0], "not_valid_after") if CERTIFICATE in found else None
    soon = f"{ends:%Y-%m-%d}" if ends is not None and ends - datetime.now(timezone.utc) < SOON else ""
    return GivenCertificate(names, tuple(problems), contents, soon)


def _read(variable: str, path: str, read_text: Callable[[str], str]) -> str:
    try:
        return read_text(path)
    except (AnsibleError, OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not there, or may not be read"
        raise GivenError(f"{variable} is {path}, which the controller cannot read ({reason}): name a file of its own") from None


def _parse(variable: str, path: str, content: str, parse: Callable[[bytes], Any]) -> Any:
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
    start, end = (moment(leaf, name) for name in ("not_valid_before", "not_valid_after"))
    if end <= now:
        yield f"{CERTIFICATE} is {path}, which ended on {end:%Y-%m-%d}: have it renewed"
    elif start > now:
        yield f"{CERTIFICATE} is {path}, which is valid from {start:%Y-%m-%d} on only: use one that is valid now"
    if KEY in found and _public(serialization, found[KEY].public_key()) != _public(serialization, leaf.public_key()):
        yield f"{KEY} is {files[KEY]}, which does not fit the certificate {path}: give the key that it was made for"
    if AUTHORITY in found and not _is_trusted(chain, found[AUTHORITY]):
        yield f"{AUTHORITY} is {files[AUTHORITY]}, and nobody in it has signed the certificate {path}: add who has"


def _public(serialization: Any, key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.DER, form))


def _is_trusted(chain: list[Any], authorities: list[Any]) -> bool:
    """Whether the chain that the server sends leads to one of the authorities."""
    current, rest = chain[0], list(chain[1:])
    for _step in range(len(chain)):
        if any(is_signed_by(current, authority) or current == authority for authority in authorities):
            return True
        current = next((each for each in rest if is_signed_by(current, each)), None)
        if current is None:
            return False
        rest.remove(current)
    return False


def _names(x509: Any, certificate: Any) -> Iterator[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    yield from names.get_values_for_type(x509.DNSName)
    yield from (str(address) for address in names.get_values_for_type(x509.IPAddress))
