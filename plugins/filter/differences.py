# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not the same on all hosts of an installation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

SUBJECTS = {
    "packages": ("another version of Airflow, its providers or Celery", "remove {host}'s virtual environment and run this playbook again"),
    "configuration": ("another airflow.cfg", "run this playbook for all hosts"),
    "fernet_key": ("another Fernet key", "run this playbook for all hosts"),
    "secret_key": ("another secret key", "run this playbook for all hosts"),
    "jwt_secret": ("another key for tokens", "run this playbook for all hosts"),
    "dags": ("other DAGs", "make the folders equal, or set airflow_dags, which does"),
}


def differing(fingerprints: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Each thing in which a host differs from the first one that has it, with both."""
    first: dict[str, tuple[str, str]] = {}
    for host, fingerprint in fingerprints.items():
        for name, value in fingerprint.items():
            other, expected = first.setdefault(name, (host, value))
            if value != expected:
                yield name, host, other


def differences(fingerprints: Mapping[str, Mapping[str, str]], so_far: str = "no daemon was started") -> list[str]:
    """A sentence for each thing in which a host differs from the first one that has it, with what was done so far."""
    found = []
    for name, host, other in differing(fingerprints):
        what, advice = SUBJECTS.get(name, (f"another {name}", "run this playbook for all hosts"))
        found.append(f"{host} has {what} than {other}, and {so_far}: {advice.format(host=host)}.")
    return found


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"differences": differences}
