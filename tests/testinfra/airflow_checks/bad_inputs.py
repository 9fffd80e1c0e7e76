# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of bad inputs: each becomes the words of a run of site, which ends with one sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).resolve().parent.parent / "celery" / "bad_inputs.yml"
REST = "..."


@dataclass(frozen=True)
class BadInput:
    """One mistake."""

    theme: str
    number: int
    rule: str
    says: str
    variables: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A name of its own."""
        return f"{self.theme}-{self.number:02}-{self.rule}"

    def words(self, host: str, folder: Path) -> list[str]:
        """The words that the playbook is run with; `folder` takes the inventory of further hosts."""
        words = [word.format(host=host) for word in self.arguments]
        if self.variables:
            words += ["--extra-vars", json.dumps(self.variables)]
        if self.hosts:
            place = folder / f"{self.name}.yml"
            place.write_text(json.dumps(self.inventory(host)), encoding="utf-8")
            words += ["--inventory", str(place)]
        return words

    def inventory(self, host: str) -> dict[str, Any]:
        """Further hosts, each another name of the same machine, unless it has an `ansible_host` of its own."""
        found: dict[str, Any] = {}
        for name, described in self.hosts.items():
            variables = {"ansible_connection": "community.docker.docker", "ansible_host": host}
            variables |= {key: value for key, value in described.items() if key not in ("groups", "parent")}
            children = found.setdefault(described.get("parent", "airflow"), {"children": {}})["children"]
            for group in described["groups"]:
                children.setdefault(group, {"hosts": {}})["hosts"][name] = variables
        return found

    def is_told(self, host: str, findings: list[str]) -> bool:
        """Whether just this was told."""
        expected = self.says.replace("{host}", host)
        if len(findings) != 1 or "\n" in findings[0]:
            return False
        return findings[0].startswith(expected.removesuffix(REST)) if expected.endswith(REST) else findings[0] == expected


def table() -> list[BadInput]:
    """Every entry of the table."""
    themes = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return [
        BadInput(theme, number, **{**entry, "arguments": tuple(entry.get("arguments", ()))})
        for theme, entries in themes.items()
        for number, entry in enumerate(entries, start=1)
    ]
