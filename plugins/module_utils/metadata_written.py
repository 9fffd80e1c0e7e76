# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was written in a metadata database since its rows were copied: the database is compared with the copy that was kept.

Nothing is written, no clock is believed, and no value is told. Many columns have other names or places in 3.x; those that are compared
here are the same in both lines, so a copy of 2.x can be compared with what Airflow's migration made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_losses import changes_of, later_steps
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_marker import Marker
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_target import Server
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import VERSION_TABLES, ColumnType, Source, SourceTable
from ansible_collections.updraft.airflow.plugins.module_utils.metadata_values import encoder_of

LONGEST_LIST = 20
"""So many names are told of each kind; the numbers count all."""


@dataclass(frozen=True)
class Kind:
    """A kind of objects: its table, what names a row, and the columns that people write."""

    name: str
    one: str
    many: str
    table: str
    key: str
    columns: tuple[str, ...]


KINDS = (
    Kind(
        "connections",
        "connection",
        "connections",
        "connection",
        "conn_id",
        ("conn_type", "description", "host", "schema", "login", "password", "port", "extra"),
    ),
    Kind("variables", "variable", "variables", "variable", "key", ("val", "description")),
    Kind("pools", "pool", "pools", "slot_pool", "pool", ("slots", "description", "include_deferred")),
    Kind("users", "user", "users", "ab_user", "username", ("first_name", "last_name", "email", "password", "active")),
)
PAUSED = Kind("paused", "DAG that was paused or unpaused", "DAGs that were paused or unpaused", "dag", "dag_id", ("is_paused",))
# What Airflow's migration to 3.x writes in the place of NULL; of texts it is an empty one.
_FILLED = {"slots": "0", "include_deferred": "0", "active": "0", "is_paused": "0"}
# And in the place of a variable's name.
_NAMELESS = "__airflow_var_fix_"

_TASKS = (
    "SELECT t.dag_id, t.run_id, t.task_id, t.map_index, t.state, CASE WHEN t.start_date IS NULL THEN 0 ELSE 1 END FROM task_instance t"
    " JOIN dag_run r ON r.dag_id = t.dag_id AND r.run_id = t.run_id WHERE r.state IN ('queued', 'running')"
)
_RUNNING = (
    "SELECT dag_id, task_id, run_id, map_index FROM task_instance WHERE state = 'running' ORDER BY dag_id, run_id, task_id, map_index"
)
# A scheduler that starts takes tasks back that were queued, and queues them anew: no task has run for that.
_WAITING = (None, "scheduled", "queued")
_WAITS = ("waits", 0)


def refusals(target: Server, copy: Source, source_name: str) -> list[str]:
    """Why the target cannot be compared with the copy, one sentence each: it has to hold the finished move that the copy was kept of."""
    marker = Marker(target).read()
    place = target.place[:1].upper() + target.place[1:]
    if marker is None:
        return [f"{place} has no marker of a move, so nothing says that it began as the copy in {copy.place}."]
    if marker["source"] != source_name:
        return [f"{place} holds the move of {marker['source']}, not of {source_name}."]
    if marker["phase"] != "switched":
        return [f"The move in {target.place} came to {marker['phase']} and was not switched to: run updraft.airflow.site first."]
    other = _other_counts(copy, marker["tables"])
    if other:
        return [f"{copy.place} is not the copy that {target.place} began as: other numbers of rows in {_listed(other)}."]
    return []


def _other_counts(copy: Source, counts: Mapping[str, int]) -> list[str]:
    """Tables with another number of rows than was moved. Of an older schema a copy was moved that Airflow had migrated, which adds rows."""
    present = {table.name for table in copy.tables()}
    steps = later_steps(copy.revision("alembic_version"))
    if not steps:
        return sorted(name for name, rows in counts.items() if (copy.count(name) if name in present else 0) != rows)
    stay = [name for name in present if changes_of(steps, name)[0].fate == "stays" and name not in VERSION_TABLES]
    return sorted(name for name in stay if name not in counts or counts[name] < copy.count(name))


def written(before: Source, now: Source, own: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """Everything that people or schedules wrote, by the names of what was written.

    `own` are names that the collection itself may have written, by kind, with `dags` for runs: they are told apart and not counted.
    """
    own = own or {}
    first, second = _Reader(before), _Reader(now)
    found: dict[str, Any] = {"runs": _runs(first, second, own.get("dags", ()))}
    left_out: dict[str, list[str]] = {}
    for kind in KINDS:
        changes = _changes(first.objects(kind), second.objects(kind))
        names = set(own.get(kind.name, ()))
        left_out[kind.name] = sorted(name for listed in changes.values() for name in listed if name in names)
        found[kind.name] = {change: [name for name in listed if name not in names] for change, listed in changes.items()}
    changes = _changes(first.objects(PAUSED), second.objects(PAUSED))
    found[PAUSED.name] = [name for name in changes["changed"] if name not in own.get("dags", ())]
    running = [dict(zip(("dag_id", "task_id", "run_id", "map_index"), row)) for row in now.query(_RUNNING)]
    return {
        "written": found,
        "writes": _count(found),
        "left_out": {name: names for name, names in left_out.items() if names},
        "running": running,
        "told": told(found),
        "told_left_out": told_left_out(left_out),
        "told_running": told_running(running),
    }


class _Reader:
    """Reads what is compared, in the same words of any engine and line."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._tables: dict[str, SourceTable] = {table.name: table for table in source.tables()}
        self._moments = encoder_of(ColumnType("timestamp"))

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The rows of a table; one that this line does not have has none, and a column that it does not have is NULL."""
        found = self._tables.get(table)
        if found is None:
            return
        present = [name for name in columns if name in found.names]
        for batch in self.source.batches(found, present):
            for row in batch:
                values = dict(zip(present, row))
                yield tuple(values.get(name) for name in columns)

    def objects(self, kind: Kind) -> dict[str, bytes]:
        """The digest of each object of a kind."""
        further = self._roles() if kind.name == "users" else {}
        found = {}
        for key, *values in self.rows(kind.table, (kind.key, *kind.columns)):
            if key is not None and not str(key).startswith(_NAMELESS):
                texts = [_text(name, value) for name, value in zip(kind.columns, values)]
                found[str(key)] = _digest([*texts, *further.get(str(key), ())])
        return found

    def _roles(self) -> dict[str, list[str]]:
        """The names of the roles of each user."""
        names = {number: str(name) for number, name in self.rows("ab_user", ("id", "username"))}
        roles = {number: str(name) for number, name in self.rows("ab_role", ("id", "name"))}
        found: dict[str, list[str]] = {}
        for user, role in self.rows("ab_user_role", ("user_id", "role_id")):
            if user in names and role in roles:
                found.setdefault(names[user], []).append(roles[role])
        return {user: sorted(given) for user, given in found.items()}

    def runs(self) -> dict[tuple[str, str], bytes]:
        """The digest of each DAG run's state, beginning and end."""
        return {
            (str(dag), str(run)): _digest([str(state), self._moment(began), self._moment(ended)])
            for dag, run, state, began, ended in self.rows("dag_run", ("dag_id", "run_id", "state", "start_date", "end_date"))
        }

    def _moment(self, value: Any) -> str:
        return "" if value is None else self._moments.one(value)

    def tasks(self) -> dict[tuple[str, str], dict[tuple[str, int], tuple[str, int]]]:
        """The tasks of each unfinished run, with their state and whether they have begun."""
        found: dict[tuple[str, str], dict[tuple[str, int], tuple[str, int]]] = {}
        for dag, run, task, index, state, begun in self.source.query(_TASKS):
            waits = state in _WAITING and not begun
            found.setdefault((dag, run), {})[(task, index)] = _WAITS if waits else (_WAITS[0] if state in _WAITING else state, int(begun))
        return found


def _text(column: str, value: Any) -> str:
    if value is None:
        return _FILLED.get(column, "")
    return str(int(value)) if isinstance(value, (bool, int)) else str(value)


def _digest(texts: Sequence[str]) -> bytes:
    joined = "".join(f"{len(text)}:{text}" for text in texts)
    return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _changes(before: Mapping[str, bytes], now: Mapping[str, bytes]) -> dict[str, list[str]]:
    return {
        "added": sorted(now.keys() - before.keys()),
        "changed": sorted(name for name in now.keys() & before.keys() if now[name] != before[name]),
        "removed": sorted(before.keys() - now.keys()),
    }


def _runs(first: _Reader, second: _Reader, without: Sequence[str]) -> list[dict[str, Any]]:
    """Per DAG, how many runs began, went on (ended, or ran tasks) and were removed since."""
    before, now = first.runs(), second.runs()
    counts: dict[str, dict[str, int]] = {}

    def add(run: tuple[str, str], what: str) -> None:
        if run[0] not in without:
            counts.setdefault(run[0], {"began": 0, "went_on": 0, "removed": 0})[what] += 1

    progress = _with_progress(first, second)
    for run, digest in now.items():
        if run not in before:
            add(run, "began")
        elif digest != before[run] or run in progress:
            add(run, "went_on")
    for run in before.keys() - now.keys():
        add(run, "removed")
    return [{"dag_id": dag, **counts[dag]} for dag in sorted(counts)]


def _with_progress(first: _Reader, second: _Reader) -> set[tuple[str, str]]:
    """Runs that were and are under way, and in which a task ran meanwhile."""
    before, now = first.tasks(), second.tasks()
    return {run for run in before.keys() & now.keys() if any(state != before[run].get(task, _WAITS) for task, state in now[run].items())}


def _count(found: Mapping[str, Any]) -> int:
    objects = sum(len(names) for kind in KINDS for names in found[kind.name].values())
    return _count_runs(found["runs"]) + objects + len(found[PAUSED.name])


def _count_runs(runs: Sequence[Mapping[str, Any]]) -> int:
    return sum(int(each["began"]) + int(each["went_on"]) + int(each["removed"]) for each in runs)


def told(found: Mapping[str, Any]) -> list[str]:
    """What was written, in words: a line for each kind that has something."""
    lines = []
    runs = found["runs"]
    if runs:
        lines.append(f"{_counted(_count_runs(runs), 'DAG run', 'DAG runs')} ({_listed([_told_runs(each) for each in runs])})")
    for kind in KINDS:
        changes = found[kind.name]
        names = [
            name if change == "added" else f"{name} {change}" for change in ("added", "changed", "removed") for name in changes[change]
        ]
        if names:
            lines.append(f"{_counted(len(names), kind.one, kind.many)} ({_listed(names)})")
    if found[PAUSED.name]:
        names = found[PAUSED.name]
        lines.append(f"{_counted(len(names), PAUSED.one, PAUSED.many)} ({_listed(names)})")
    return lines


def told_left_out(left_out: Mapping[str, Sequence[str]]) -> list[str]:
    """What the collection itself wrote, or would write again, in words."""
    parts = [f"{kind.many} ({_listed(left_out[kind.name])})" for kind in KINDS if left_out[kind.name]]
    return [f"Not counted, for site wrote it or would write it again: {', '.join(parts)}"] if parts else []


def told_running(running: Sequence[Mapping[str, Any]]) -> list[str]:
    """The tasks that run now, in words."""
    names = [
        f"{task['task_id']} of {task['dag_id']}, run {task['run_id']}"
        + ("" if task["map_index"] in (None, -1) else f", map index {task['map_index']}")
        for task in running
    ]
    return [f"{_counted(len(names), 'task runs', 'tasks run')} now ({_listed(names, '; ')})"] if names else []


def _told_runs(counts: Mapping[str, Any]) -> str:
    words = {"began": "began", "went_on": "went on", "removed": "removed"}
    return f"{counts['dag_id']}: " + " and ".join(f"{counts[key]} {word}" for key, word in words.items() if counts[key])


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _listed(names: Sequence[str], separator: str = ", ") -> str:
    more = len(names) - LONGEST_LIST
    return separator.join(names[:LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")
