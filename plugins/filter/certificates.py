# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a plan: which have to be issued, as far as the controller's files say, and what a host gets of them."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.updraft.airflow.plugins.plugin_utils.pem_certificates import is_signed_by, moment

# Ansible takes every file in an inventory folder for an inventory, but for those that end so.
SUFFIX = ".txt"
AUTHORITY = "ca.crt" + SUFFIX
NEXT_AUTHORITY = "ca-next.crt" + SUFFIX
FORMER_AUTHORITY = "ca-former.crt" + SUFFIX
"""While one authority takes another's place both are trusted, first the one that is to come and then the one that was."""

RENEWAL = timedelta(days=30)
"""A certificate is issued anew when it has less time left than this."""


def due_certificates(certificates: Sequence[Mapping[str, Any]], folder: str, host: str, renew: bool = False) -> list[dict[str, Any]]:
    """Those without a file, of another authority, for other names or uses, or with little time left; with `renew` all of them.

    What the user gives is nobody's to issue, and without a key there is only the authority to be made.
    """
    try:
        # ansible-core needs it too, so the controller has it.
        from cryptography import x509
    except ImportError as error:
        raise AnsibleFilterError(f"The controller's Python has no cryptography: {error}.") from None
    authority = _load(x509, os.path.join(folder, AUTHORITY))
    return [
        dict(certificate)
        for certificate in certificates
        if certificate.get("given") is None and _is_due(x509, certificate, authority, folder, host, renew)
    ]


def _is_due(x509: Any, certificate: Mapping[str, Any], authority: Any, folder: str, host: str, renew: bool) -> bool:
    if authority is None or not certificate["key"]:
        return authority is None
    return (
        renew
        or not os.path.exists(f"{base_name(folder, host, certificate['name'])}.key{SUFFIX}")
        or not _is_good(x509, _load(x509, f"{base_name(folder, host, certificate['name'])}.crt{SUFFIX}"), authority, certificate)
    )


def certificate_files(certificates: Sequence[Mapping[str, Any]], folder: str, host: str, owner: str = "") -> list[dict[str, Any]]:
    """Entries for airflow_files: what a host gets of its certificates, with the folders. The keys' content is given apart.

    A key that names no owner gets the one given here.
    """
    entries: list[dict[str, Any]] = []
    for certificate in certificates:
        public = {"owner": "root", "group": "root", "mode": "0644"}
        place = os.path.dirname(certificate["key"] or certificate["authority"])
        folders = [os.path.dirname(place), place] if certificate["key"] else [place]
        folders.append(os.path.dirname(certificate["authority"]))
        entries += [{**public, "path": path, "state": "directory", "mode": "0755"} for path in folders]
        entries.append({**public, "path": certificate["authority"], "content": authorities(folder, certificate.get("given"))})
        if certificate["key"]:
            given = certificate.get("given") or {}
            own = f"{base_name(folder, host, certificate['name'])}.crt{SUFFIX}"
            entries.append({**public, "path": certificate["certificate"], "content": given.get("certificate") or _text(own)})
            users = {name: certificate[name] or owner for name in ("owner", "group")}
            entries.append({"path": certificate["key"], "mode": certificate["mode"], **users})
    return [entry for place, entry in enumerate(entries) if entry not in entries[:place]]


def certificate_keys(certificates: Sequence[Mapping[str, Any]], folder: str, host: str) -> dict[str, str]:
    """The file on the controller that holds each key, by the key's path on the host. Those that the user gives were read before."""
    return {
        certificate["key"]: f"{base_name(folder, host, certificate['name'])}.key{SUFFIX}"
        for certificate in certificates
        if certificate["key"] and certificate.get("given") is None
    }


def authorities(folder: str, given: Mapping[str, Any] | None = None) -> str:
    """Everybody who is trusted: the authority, and while it changes the next or the former one; or whom the user gives.

    Sorted: when the next one becomes the authority, the same two are trusted as before, and nobody has to read another file.
    """
    if given is not None:
        return str(given["authority"])
    others = [os.path.join(folder, name) for name in (NEXT_AUTHORITY, FORMER_AUTHORITY)]
    present = [os.path.join(folder, AUTHORITY), *(path for path in others if os.path.exists(path))]
    return "".join(sorted({_text(path) for path in present}))


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError as error:
        raise AnsibleFilterError(f"{path} cannot be read: {error.strerror}.") from None


def base_name(folder: str, host: str, name: str) -> str:
    """The file of a host's certificate on the controller, without its ending."""
    return os.path.join(folder, f"{host}-{name}")


def _load(x509: Any, path: str) -> Any:
    try:
        with open(path, "rb") as stream:
            return x509.load_pem_x509_certificate(stream.read())
    except (OSError, ValueError):
        return None


def _is_good(x509: Any, found: Any, authority: Any, wanted: Mapping[str, Any]) -> bool:
    if found is None or moment(found, "not_valid_after") - datetime.now(timezone.utc) < RENEWAL or not is_signed_by(found, authority):
        return False
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        usages = {usage._name for usage in found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value}
    except Exception:
        # Whatever is wrong with it, a new one is right.
        return False
    present = {f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)}
    present |= {f"IP:{address}" for address in names.get_values_for_type(x509.IPAddress)}
    return present == {_plain(name) for name in wanted["subject_alt_names"]} and usages == set(wanted["usages"])


def _plain(name: str) -> str:
    """An address in the one way that a certificate tells it."""
    kind, _colon, value = name.partition(":")
    return f"IP:{ipaddress.ip_address(value)}" if kind == "IP" else name


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "authorities": authorities,
            "certificate_files": certificate_files,
            "certificate_keys": certificate_keys,
            "due_certificates": due_certificates,
        }
