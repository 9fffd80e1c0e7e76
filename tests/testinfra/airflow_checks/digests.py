# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Independent digests of the content of a metadata database, and what differs between two of them, in words.

    before = digests.take("/home/jane/airflow/airflow.db")
    after = digests.take({"host": "127.0.0.1", "port": 5432, "dbname": "airflow", "user": "airflow", "password": "..."})
    assert digests.compare(before, after, digests.RUNNING) == []

Also a command, so that a file can be read where it lies: `python3 -m airflow_checks.digests airflow.db > before.json`.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from .reading import Database, Selection, opened
from .survivors import survivors

PACKED = struct.Struct(">QQQ")
ROWS_IN_WORDS = 3
LONGEST_VALUE = 80

# What running daemons write into rows that exist (files may have moved with the DAGs folder), and a login into its user.
VOLATILE: Mapping[str, frozenset[str]] = {
    "ab_user": frozenset({"last_login", "login_count", "fail_login_count"}),
    "dag": frozenset(
        {
            "bundle_name",
            "exceeds_max_non_backfill",
            # A take-over brings the DAG files to another folder.
            "fileloc",
            "has_import_errors",
            "is_active",
            "is_stale",
            "last_expired",
            "last_parse_duration",
            "last_parsed_time",
            "next_dagrun",
            "next_dagrun_create_after",
            "next_dagrun_data_interval_end",
            "next_dagrun_data_interval_start",
            "processor_subdir",
            "relative_fileloc",
        }
    ),
    "dag_bundle": frozenset({"last_refreshed"}),
    "dag_code": frozenset({"last_updated", "fileloc"}),
    "dag_version": frozenset({"last_updated"}),
    "job": frozenset({"end_date", "latest_heartbeat", "state"}),
    "serialized_dag": frozenset({"last_updated", "dag_hash", "data", "data_compressed", "fileloc", "fileloc_hash", "processor_subdir"}),
    "session": frozenset({"data", "expiry"}),
    "trigger": frozenset({"triggerer_id"}),
}


@dataclass(frozen=True)
class Allowed:
    """What may differ between two moments; nothing, unless said."""

    # Tables that may have rows more than before.
    added: frozenset[str] = frozenset()
    # Tables that may have rows less than before.
    removed: frozenset[str] = frozenset()
    # Tables that are not looked at.
    ignored: frozenset[str] = frozenset()
    # Tables that may exist only after, or only before.
    new_tables: frozenset[str] = frozenset()
    gone_tables: frozenset[str] = frozenset()
    # Whether the values named in VOLATILE may differ.
    volatile: bool = False

    def also(self, **more: Collection[str] | bool) -> Allowed:
        """Return these allowances and further ones."""
        merged: dict[str, Any] = {}
        for name, value in vars(self).items():
            other = more.get(name, value)
            merged[name] = other if isinstance(other, bool) else frozenset(value) | frozenset(other)
        return Allowed(**merged)


NOTHING = Allowed()
# What daemons of the same version do to a database by running: they parse, schedule, write heartbeats and audit lines. And what site adds:
# the account that it calls the API with, and the bundle of its canary.
RUNNING = Allowed(
    added=frozenset(
        {"dag_code", "dag_run", "dag_version", "job", "log", "log_template", "rendered_task_instance_fields", "serialized_dag"}
        | {"session", "task_fail", "task_instance", "task_instance_history", "trigger", "xcom", "import_error", "dag_warning"}
        | {"ab_permission", "ab_permission_view", "ab_permission_view_role", "ab_role", "ab_view_menu"}
        | {"ab_user", "ab_user_role", "dag_bundle"}
    ),
    # Airflow 3 forgets which assets a DAG without a file used.
    removed=frozenset(
        {"dag_code", "session", "import_error", "dag_warning", "dag_priority_parsing_request"}
        | {"asset_active", "dag_schedule_asset_reference", "task_outlet_asset_reference"}
    ),
    volatile=True,
)


@dataclass
class Table:
    """The content of one table: for every key the digest of all values, and of those that are not volatile."""

    columns: tuple[str, ...]
    rows: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def digest(self) -> str:
        """Return one digest of all rows in any order."""
        total = blake2b(digest_size=16)
        for key in sorted(self.rows):
            total.update(PACKED.pack(key, *self.rows[key]))
        return total.hexdigest()


@dataclass
class Digests:
    """The content of all tables at one moment. `place` is known while the database can still be asked for the rows."""

    tables: dict[str, Table]
    place: str | Mapping[str, Any] | None = None
    surviving: bool = False
    single: bool = False

    def counts(self) -> dict[str, int]:
        """Return the rows of every table."""
        return {name: len(table) for name, table in self.tables.items()}

    def to_json(self) -> str:
        """Return it as text."""
        packed = {
            name: {
                "columns": table.columns,
                "rows": base64.b64encode(b"".join(PACKED.pack(key, *pair) for key, pair in table.rows.items())).decode(),
            }
            for name, table in self.tables.items()
        }
        return json.dumps({"tables": packed, "surviving": self.surviving})

    @classmethod
    def from_json(cls, text: str) -> Digests:
        """Read it back."""
        content = json.loads(text)
        tables = {}
        for name, packed in content["tables"].items():
            rows = {key: (whole, stable) for key, whole, stable in PACKED.iter_unpack(base64.b64decode(packed["rows"]))}
            tables[name] = Table(tuple(packed["columns"]), rows)
        return cls(tables, None, content["surviving"])


def _hash(values: Iterable[str]) -> int:
    # The length before each value keeps ("ab", "c") and ("a", "bc") apart.
    joined = "".join(f"{len(value)}:{value}" for value in values)
    return int.from_bytes(blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class _Keys:
    """Gives every row the digest of its key; where a table has no key, its content and how often it was seen."""

    def __init__(self, selection: Selection) -> None:
        self.names = selection.key
        self.seen: Counter[int] = Counter()

    def of(self, row: dict[str, str]) -> int:
        if self.names:
            return _hash(row[name] for name in self.names)
        content = _hash(row.values())
        self.seen[content] += 1
        return _hash([str(content), str(self.seen[content])])


def _read(database: Database, table: str, selection: Selection) -> Table:
    labels = tuple(sorted(column.label for column in selection.columns))
    stable = tuple(label for label in labels if label not in VOLATILE.get(table, ()))
    keys = _Keys(selection)
    content = Table(labels)
    for row in database.rows(selection):
        whole = _hash(row[label] for label in labels)
        content.rows[keys.of(row)] = (whole, whole if stable == labels else _hash(row[label] for label in stable))
    return content


def _selections(database: Database, surviving: bool, single: bool) -> dict[str, Selection]:
    found = survivors(database) if surviving else {name: database.whole(name) for name in database.tables()}
    return {name: _with_singles(selection) for name, selection in found.items()} if single else found


def _with_singles(selection: Selection) -> Selection:
    columns = (replace(column, kind="single number") if column.kind == "number" else column for column in selection.columns)
    return replace(selection, columns=tuple(columns))


def take(place: str | Mapping[str, Any], surviving: bool = False, single: bool = False) -> Digests:
    """Take the digests of all tables, or of what must survive upstream's migration from Airflow 2 to 3.

    `single` is for databases that are compared with one in MySQL: numbers as its four bytes hold them.
    """
    with opened(place) as database:
        selections = _selections(database, surviving, single)
        tables = {name: _read(database, name, selection) for name, selection in selections.items()}
    return Digests(tables, place, surviving, single)


def compare(before: Digests, after: Digests, allowed: Allowed = NOTHING) -> list[str]:
    """Return every difference that is not allowed, one sentence each; an empty list when there is none."""
    found = []
    for name in sorted(before.tables.keys() | after.tables.keys()):
        if name in allowed.ignored:
            continue
        if name not in after.tables:
            if name not in allowed.gone_tables:
                found.append(f"Table {name} ({len(before.tables[name])} rows) is gone.")
        elif name not in before.tables:
            if name not in allowed.new_tables:
                found.append(f"Table {name} ({len(after.tables[name])} rows) is new.")
        else:
            found += _compare_table(name, before, after, allowed)
    return found


def _compare_table(name: str, before: Digests, after: Digests, allowed: Allowed) -> list[str]:
    old, new = before.tables[name], after.tables[name]
    if old.columns != new.columns:
        gone, more = sorted(set(old.columns) - set(new.columns)), sorted(set(new.columns) - set(old.columns))
        return [f"Table {name} has other columns: gone {gone}, new {more}."]
    part = 1 if allowed.volatile else 0
    removed = old.rows.keys() - new.rows.keys()
    added = new.rows.keys() - old.rows.keys()
    changed = {key for key in old.rows.keys() & new.rows.keys() if old.rows[key][part] != new.rows[key][part]}
    found = []
    if removed and name not in allowed.removed:
        found.append(f"Table {name}: {len(removed)} of {len(old)} rows are missing{_named(before, name, removed)}.")
    if added and name not in allowed.added:
        found.append(f"Table {name}: {len(added)} rows are new beside {len(old)}{_named(after, name, added)}.")
    if changed:
        skipped = VOLATILE.get(name, frozenset()) if allowed.volatile else frozenset()
        found.append(f"Table {name}: {len(changed)} of {len(old)} rows changed{_changes(before, after, name, changed, skipped)}.")
    return found


def _rows(digests: Digests, table: str, wanted: Collection[int]) -> dict[int, dict[str, str]]:
    """Read the first few wanted rows again, where the database can still be asked."""
    if digests.place is None:
        return {}
    found = {}
    with opened(digests.place) as database:
        selection = _selections(database, digests.surviving, digests.single)[table]
        keys = _Keys(selection)
        for row in database.rows(selection):
            key = keys.of(row)
            if key in wanted:
                found[key] = row
            if len(found) == ROWS_IN_WORDS:
                break
    return found


def _short(value: str) -> str:
    shown = "NULL" if value == "~" else value[1:]
    return repr(shown if len(shown) <= LONGEST_VALUE else f"{shown[:LONGEST_VALUE]}... ({len(shown)} characters)")


def _named(digests: Digests, table: str, wanted: Collection[int]) -> str:
    texts = []
    for row in _rows(digests, table, wanted).values():
        texts.append(", ".join(f"{label}={_short(value)}" for label, value in list(row.items())[:6]))
    return "".join(f"; {text}" for text in texts)


def _changes(before: Digests, after: Digests, table: str, wanted: Collection[int], skipped: Collection[str]) -> str:
    texts = []
    old_rows = _rows(before, table, wanted)
    new_rows = _rows(after, table, old_rows.keys()) if old_rows else {}
    for key, new in new_rows.items():
        old = old_rows[key]
        labels = [label for label in old if old[label] != new.get(label) and label not in skipped]
        texts.append(", ".join(f"{label} was {_short(old[label])} and is {_short(new[label])}" for label in labels))
    # Nothing differs any more where a running database is asked again.
    return "".join(f"; {text}" for text in texts if text)


def main(arguments: list[str]) -> None:
    """Print the digests of a database as JSON."""
    print(take(arguments[0], surviving="--surviving" in arguments[1:], single="--single" in arguments[1:]).to_json())


if __name__ == "__main__":
    main(sys.argv[1:])
