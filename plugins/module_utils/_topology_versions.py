# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about versions: schema heads, Pythons, databases, operating systems. Data, with the questions asked of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Version = tuple[int, int, int]

TESTED = {2: "2.11.2", 3: "3.3.2"}
"""The version of each line that ships with a hash lock and is fully tested."""

DEFAULT_VERSION = TESTED[3]
OLDEST: Version = (2, 10, 0)
CONSTRAINT_URL = "https://raw.githubusercontent.com/apache/airflow/constraints-{version}/constraints-{python}.txt"

SCHEMA_HEADS: tuple[tuple[Version, str], ...] = (
    ((2, 7, 0), "405de8318b3a"),
    ((2, 8, 0), "10b52ebd31f7"),
    ((2, 8, 1), "88344c1d9134"),
    ((2, 9, 0), "1949afb29106"),
    ((2, 9, 2), "686269002441"),
    ((2, 10, 0), "22ed7efa9da2"),
    ((2, 10, 3), "5f2621c13b39"),
    ((3, 0, 0), "29ce7909c52b"),
    ((3, 0, 3), "fe199e1abd77"),
    ((3, 1, 0), "cc92b33c6709"),
    ((3, 1, 8), "509b94a1042d"),
    ((3, 2, 0), "1d6611b6ab7c"),
    ((3, 3, 0), "d2f4e1b3c5a7"),
)
"""The first version of each schema revision, from Airflow's own map."""

NEWEST_KNOWN = {2: (2, 12), 3: (3, 4)}
"""The first minor version of each line whose schema is not known here."""

COPIED_HEADS = {"5f2621c13b39": "2.11.2", "d2f4e1b3c5a7": "3.3.2"}
"""Revisions at which rows are copied, with the version whose empty schema has that one. Older ones of a line are brought to it."""

PYTHONS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "2.11.2": ((3, 11), (3, 12)),
    "3.3.2": ((3, 11), (3, 14)),
    "2.10": ((3, 9), (3, 12)),
    "2.11": ((3, 10), (3, 12)),
    "3.0": ((3, 9), (3, 12)),
    "3.1": ((3, 10), (3, 13)),
    "3.2": ((3, 10), (3, 14)),
    "3.3": ((3, 10), (3, 14)),
}
"""Pythons by version. The locks need more than Airflow itself: their providers start at 3.11."""

POSTGRESQL = {2: (12, 16), 3: (14, 18)}
"""The oldest PostgreSQL that works and the newest that upstream tests, by line."""

SYSTEM_POSTGRESQL: Mapping[tuple[str, str], int] = {
    ("Debian", "11"): 13,
    ("Debian", "12"): 15,
    ("Debian", "13"): 17,
    ("Ubuntu", "22"): 14,
    ("Ubuntu", "24"): 16,
    ("RedHat", "8"): 16,
    ("RedHat", "9"): 16,
    ("RedHat", "10"): 16,
}
"""The PostgreSQL that is installed on a distribution's release (on 8 and 9 of the RHEL family a module stream)."""

TESTED_SYSTEMS = {("Debian", "12"), ("Debian", "13")}


def parse_version(text: str) -> Version | None:
    """`3.3.2` as numbers, None for anything else."""
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def schema_head(text: str | None) -> str | None:
    """The schema revision of an Airflow version, None when it is not known here."""
    version = parse_version(text or "")
    if version is None or version[:2] >= NEWEST_KNOWN.get(version[0], (0, 0)):
        return None
    heads = [head for first, head in SCHEMA_HEADS if first <= version]
    return heads[-1] if heads else None


def copied_by(text: str | None) -> str | None:
    """The version at whose schema the rows of a version are copied: the tested one of its line. None where its schema is not known."""
    version = parse_version(text or "")
    return TESTED[version[0]] if version and schema_head(text) else None


def is_brought_up(text: str | None) -> bool:
    """Whether the rows of a version have to be brought to another schema before they are copied."""
    head = schema_head(text)
    return head is not None and head not in COPIED_HEADS


def python_range(text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """The oldest and the newest Python that a version runs with."""
    return PYTHONS.get(text) or PYTHONS.get(text.rpartition(".")[0]) or PYTHONS["3.3"]


def python_minor(text: str) -> tuple[int, int] | None:
    """`3.11.2` or `3.11` as (3, 11)."""
    match = re.match(r"(\d+)\.(\d+)(?:\.|$|[a-z+])", text)
    return (int(match[1]), int(match[2])) if match else None


def spell(minor: tuple[int, int]) -> str:
    """(3, 11) as `3.11`."""
    return f"{minor[0]}.{minor[1]}"


def system_key(facts: Mapping[str, Any]) -> tuple[str, str] | None:
    """Distribution and major release as the tables here name them, None for a system that is not supported."""
    distribution, release = str(facts.get("distribution", "")), str(facts.get("distribution_major_version", ""))
    if distribution in ("Debian", "Ubuntu"):
        return distribution, release
    return ("RedHat", release) if facts.get("os_family") == "RedHat" else None
