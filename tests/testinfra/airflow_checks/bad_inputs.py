# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of bad inputs: each entry becomes the words of a run of site, which ends with one sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TESTINFRA = Path(__file__).resolve().parent.parent
INSTALLED = TESTINFRA / "celery" / "bad_inputs.yml"
BEFORE = TESTINFRA / "before" / "bad_inputs.yml"
REST = "..."
HOME = "{home}"
SIDE = "{side}"


@dataclass(frozen=True)
class BadInput:
    """One mistake.

    What is below `arguments` is for a host with an installation made by hand, of which each entry gets a copy.
    """

    theme: str
    number: int
    rule: str
    says: str
    variables: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    prepare: str = ""
    sql: tuple[str, ...] = ()
    holder: str = ""
    host: str = ""
    undo: str = ""
    server: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A name of its own."""
        return f"{self.theme}-{self.number:02}-{self.rule}"

    def words(self, host: str, folder: Path, home: str = "", side: str = "") -> list[str]:
        """The words that the playbook is run with; `folder` takes the inventory of further hosts."""
        words = [word.format(host=host) for word in self.arguments]
        variables = self.filled(home, side)
        if variables:
            words += ["--extra-vars", json.dumps(variables)]
        if self.hosts:
            place = folder / f"{self.name}.yml"
            place.write_text(_filled(json.dumps(self.inventory(host)), home, side), encoding="utf-8")
            words += ["--inventory", str(place)]
        return words

    def filled(self, home: str, side: str) -> dict[str, Any]:
        """The variables, with the AIRFLOW_HOME of the entry's own and the server beside the host in their places."""
        adopted = {"airflow_adopt_home": home} if home else {}
        return {name: _filled(value, home, side) for name, value in {**adopted, **self.variables}.items()}

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

    def is_told(self, host: str, findings: list[str], home: str = "", side: str = "") -> bool:
        """Whether just this was told."""
        expected = _filled(self.says.replace("{host}", host), home, side)
        if len(findings) != 1 or "\n" in findings[0]:
            return False
        return findings[0].startswith(expected.removesuffix(REST)) if expected.endswith(REST) else findings[0] == expected


def _filled(value: Any, home: str, side: str) -> Any:
    return value.replace(HOME, home).replace(SIDE, side) if isinstance(value, str) else value


def table(path: Path = INSTALLED) -> list[BadInput]:
    """Every entry of a table."""
    themes = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [_entry(theme, number, fields) for theme, entries in themes.items() for number, fields in enumerate(entries, start=1)]


def _entry(theme: str, number: int, fields: dict[str, Any]) -> BadInput:
    frozen: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return BadInput(theme, number, **frozen)


# Makes what an entry says of its copy: a home beside the installation's own, whose settings lead to a copy of its database.
COPY = """\
set -e
mkdir -p "$home"
sed "s|sqlite:///.*|sqlite:///$home/airflow.db|" "$old/airflow.cfg" > "$home/airflow.cfg"
python3 - "$old/airflow.db" "$home/airflow.db" <<'END'
import sqlite3, sys
source, copy = (sqlite3.connect(path) for path in sys.argv[1:])
source.backup(copy)
copy.execute("PRAGMA journal_mode = DELETE")
END
"""
GIVE_AWAY = 'chown -R --reference="$old" "$home"\n'
STATEMENTS = """\
python3 - "$home/airflow.db" <<'END'
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
for statement in json.loads(r'''{statements}'''):
    connection.execute(statement)
connection.commit()
END
"""


def copying(entry: BadInput) -> str:
    """The script that makes the AIRFLOW_HOME of an entry: `$old` is the installation's, `$home` is its own."""
    changes = STATEMENTS.format(statements=json.dumps(entry.sql)) if entry.sql else ""
    return f"{COPY}{changes}{entry.prepare}\n{GIVE_AWAY}"
