# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a host: which run of which controller may change it, and until when."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace

PLACE = "/run/updraft-airflow.lease"
"""Of the folder that a start of the host empties: no run outlives it, and nothing is left of one that was refused."""

# What is written at once is there as a whole or not at all, however its writer ends; this much is one page.
_LONGEST = 4096


class LeaseError(Exception):
    """The file says nothing that can be understood."""


@dataclass(frozen=True)
class Lease:
    """Who holds a host. `run` names one process of the controller, `since` and `expires` are seconds of the host's clock."""

    controller: str
    controller_id: str
    run: str
    playbook: str
    seconds: int
    since: float = 0.0
    expires: float = 0.0

    @property
    def expired(self) -> bool:
        """Whether it is over by the host's clock."""
        return time.time() >= self.expires

    def from_now(self, since: float | None = None) -> Lease:
        """The same lease for its whole length, from now on."""
        now = time.time()
        return replace(self, since=now if since is None else since, expires=now + self.seconds)


def holder(place: str) -> Lease | None:
    """Who holds the host. Raises LeaseError and OSError."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return _read(descriptor, place)
    finally:
        os.close(descriptor)


def take(wanted: Lease, over: str | None, place: str) -> tuple[bool, Lease | None]:
    """Take or renew the lease; whether it is held now, and whose it was before. `over` is a run that is known to have ended.

    One of the same controller is never taken for being old: whether its run lives can be seen there. Raises LeaseError and OSError.
    """
    with _locked(place, os.O_CREAT) as descriptor:
        if descriptor is None:
            raise LeaseError(f"{place} cannot be made.")
        found = _read(descriptor, place)
        if found is None or found.run == over or (found.expired and found.controller_id != wanted.controller_id):
            _write(descriptor, wanted.from_now())
        elif found.run == wanted.run:
            _write(descriptor, wanted.from_now(found.since))
        else:
            return False, found
        return True, found


def renew(run: str, place: str) -> bool:
    """Let a lease last for its whole length from now on; whether that run holds it. Raises LeaseError and OSError."""
    with _locked(place) as descriptor:
        found = None if descriptor is None else _read(descriptor, place)
        if descriptor is None or found is None or found.run != run:
            return False
        _write(descriptor, found.from_now(found.since))
        return True


def release(run: str, place: str) -> bool:
    """Give a lease back; whether that run held it. Raises LeaseError and OSError."""
    with _locked(place) as descriptor:
        found = None if descriptor is None else _read(descriptor, place)
        if found is None or found.run != run:
            return False
        os.unlink(place)
        return True


@contextmanager
def _locked(place: str, flags: int = 0) -> Iterator[int | None]:
    """The file, for nobody else meanwhile; None where there is none."""
    while True:
        try:
            descriptor = os.open(place, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
        except FileNotFoundError:
            yield None
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Who had it before may have removed it: then another one is there, or none.
            if _is_at(descriptor, place):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, place: str) -> bool:
    with suppress(FileNotFoundError):
        found, wanted = os.stat(place, follow_symlinks=False), os.fstat(descriptor)
        return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)
    return False


def _read(descriptor: int, place: str) -> Lease | None:
    """What the first line says. A file without one was made by who was killed before writing it."""
    line, end, _rest = os.pread(descriptor, _LONGEST, 0).partition(b"\n")
    if not end and not line:
        return None
    try:
        return Lease(**json.loads(line))
    except (TypeError, ValueError):
        raise LeaseError(
            f"{place} is not a lease that this release of the collection knows: remove it when no run is under way for this host."
        ) from None


def _write(descriptor: int, lease: Lease) -> None:
    line = json.dumps(asdict(lease)).encode() + b"\n"
    os.pwrite(descriptor, line, 0)
    os.ftruncate(descriptor, len(line))
