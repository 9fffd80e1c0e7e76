# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about versions: of Airflow, of Python, of the executor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import _topology_versions as versions
from ._topology_database import ENGINE_TITLES
from ._topology_model import Draft, Host, listed
from ._topology_stages import source_version

ENVIRONMENT_MB = 600
"""A virtual environment of Airflow with its compiled files."""

COPIES_BROUGHT_UP = 6
"""What it takes to bring a copy of an SQLite file to another schema, as a multiple of the file.

The copy tried before, one as it was, and one whose largest tables are rebuilt: 2.7 (2.x) to 3.3 (3.x, write-ahead log) times the file.
"""

ROWS_WITH_INDEXES = 2
"""What a server needs for the rows of an SQLite file, as a multiple of the file."""

LEAST_MB = 100
"""Of a host on which nothing new is installed."""

NAMED_TABLES = 3
EXECUTORS = ("LocalExecutor", "CeleryExecutor", "SequentialExecutor")


def version_is_supported(draft: Draft) -> Iterator[str]:
    """A version number in the range this collection knows how to run."""
    wanted = draft.values["airflow_version"]
    version = versions.parse_version(wanted or draft.version)
    if version is None:
        yield f"airflow_version is {wanted!r}, which is not a release: write it in full, as in {versions.DEFAULT_VERSION}."
    elif not _is_supported(version):
        yield f"airflow_version {draft.version} is not supported: use 2.10 to 2.11 or 3.x (2.11.2 and 3.3.2 are tested)."


def _is_supported(version: versions.Version) -> bool:
    return version >= versions.OLDEST and version[0] in versions.TESTED


def version_is_tested(draft: Draft) -> Iterator[str]:
    """Warnings: a version without a hash lock."""
    if draft.version not in versions.TESTED.values():
        yield (
            f"Airflow {draft.version} has no hash lock in this collection: it is installed by upstream's constraint file, without "
            "hashes, and was not tested (2.11.2 and 3.3.2 were)."
        )


def no_downgrade(draft: Draft) -> Iterator[str]:
    """An older Airflow does not know the newer schema."""
    running, wanted = versions.parse_version(source_version(draft) or ""), versions.parse_version(draft.version)
    if running and wanted and _is_supported(wanted) and wanted < running:
        yield (
            f"airflow_version {draft.version} is older than the running {source_version(draft)}, and Airflow cannot go back: set "
            f"airflow_version to {source_version(draft)} or newer, or restore a backup."
        )


def schema_stays(draft: Draft) -> Iterator[str]:
    """Another schema needs a migration, which only a move brings along."""
    running, wanted = source_version(draft), versions.parse_version(draft.version)
    there = versions.parse_version(running or "")
    # What is older or unknown has a sentence of its own.
    if moves(draft) or there is None or wanted is None or not _is_supported(wanted) or wanted < there:
        return
    before, after = versions.schema_head(running), versions.schema_head(draft.version)
    if before != after or before is None:
        owner = f"The installation in {(draft.adopted or {}).get('home')}" if draft.taking_over else "The existing installation"
        yield (
            f"{owner} is Airflow {running}, and {draft.version} has another database schema: an upgrade in place is not supported by this "
            f"release; set airflow_version to a version of the schema it has ({running})."
        )


def moves(draft: Draft) -> bool:
    """Whether rows are moved from SQLite to a server."""
    if draft.engine == "sqlite":
        return False
    if draft.taking_over:
        return ((draft.adopted or {}).get("metadata") or {}).get("engine") == "sqlite"
    return draft.installation is not None and draft.installation["engine"] == "sqlite"


def source_can_be_moved(draft: Draft) -> Iterator[str]:
    """The rows are copied at the source's schema, which a tested version must be able to make."""
    running = source_version(draft)
    if not moves(draft) or not running:
        return
    if versions.copied_by(running):
        return
    version = versions.parse_version(running)
    newest = versions.TESTED[3] if version and version[0] >= 3 else versions.TESTED[2]
    place = f"The installation in {(draft.adopted or {}).get('home')}" if draft.taking_over else "The existing installation"
    yield (
        f"{place} is Airflow {running}, and this release moves the data of 2.7 to 2.11 and of 3.0 to 3.3 only: upgrade it to {newest} by "
        "hand first (with a backup), then run again."
    )


def version_knows_moved_schema(draft: Draft) -> Iterator[str]:
    """Older data is brought to the newest schema of its line, which the wanted version must know."""
    running, wanted = source_version(draft) or "", versions.parse_version(draft.version)
    there = versions.parse_version(running)
    if not moves(draft) or not versions.is_brought_up(running) or wanted is None or there is None or wanted < there:
        return
    copied_by = versions.copied_by(running) or ""
    newest = versions.schema_head(copied_by)
    first = min(first for first, head in versions.SCHEMA_HEADS if head == newest)
    if wanted[0] == first[0] and wanted < first:
        yield (
            f"The data of Airflow {running} is brought to the schema of {copied_by} before it is moved, which {draft.version} does not "
            f"know: set airflow_version to {copied_by}."
        )


def source_is_airflows(draft: Draft) -> Iterator[str]:
    """A file that holds something else, or nothing, was named by mistake."""
    found = _source_metadata(draft)
    if found is None or found.get("revision") or "tables" not in found:
        return
    place = f"The database {found['path']} on {move_host(draft)}"
    advice = "correct [database] sql_alchemy_conn of the installation to take over, or restore the file"
    if not found["tables"]:
        yield f"{place} is empty, so there is nothing to move: {advice}."
    else:
        names = list(found["tables"])
        shown = listed(names[:NAMED_TABLES]) + (f" and {len(names) - NAMED_TABLES} more" if len(names) > NAMED_TABLES else "")
        yield f"{place} is none of Airflow's: it has no revision of a schema, and the tables {shown}; {advice}."


def source_has_its_versions_schema(draft: Draft) -> Iterator[str]:
    """The rows are copied with Airflow of the version that runs, which must know the schema that they are in."""
    found, running = _source_metadata(draft), source_version(draft) or ""
    head = versions.schema_head(running)
    if found is None or head is None or found.get("revision") in (None, head):
        return
    place = f"The database {found['path']} on {move_host(draft)}"
    first = next((first for first, revision in versions.SCHEMA_HEADS if revision == found["revision"]), None)
    if first is None:
        yield (
            f"{place} is at the revision {found['revision']}, which is none of Airflow {running}'s: bring it to that by 'airflow db "
            "migrate' of the old installation, or restore it from a backup."
        )
        return
    made_by = ".".join(map(str, first))
    if first > (versions.parse_version(running) or first):
        yield (
            f"{place} has the schema of Airflow {made_by}, which is newer than the {running} that was found there: install that version in "
            "the old environment, or restore the database from a backup."
        )
    else:
        yield (
            f"{place} has the schema of Airflow {made_by}, and the installation there is {running}: run 'airflow db migrate' of the old "
            "installation first."
        )


def _source_metadata(draft: Draft) -> Mapping[str, Any] | None:
    """What was read of the SQLite database that is moved."""
    host = move_host(draft)
    found: Mapping[str, Any] | None = (draft.hosts[host].info or {}).get("metadata") if host is not None else None
    return found


def executor_is_known(draft: Draft) -> Iterator[str]:
    """Executors this release runs."""
    if draft.executor not in EXECUTORS:
        yield f"airflow_executor {draft.executor} is not supported: use {', '.join(EXECUTORS[:-1])} or {EXECUTORS[-1]}."


def executor_fits_version(draft: Draft) -> Iterator[str]:
    """3.x has no SequentialExecutor."""
    if draft.executor == "SequentialExecutor" and draft.line >= 3:
        yield (
            f"airflow_executor SequentialExecutor does not exist in Airflow {draft.version}: use LocalExecutor, which works on SQLite "
            "there."
        )


def executor_fits_database(draft: Draft) -> Iterator[str]:
    """2.x refuses SQLite for anything that runs tasks in parallel."""
    if draft.executor == "LocalExecutor" and draft.line < 3 and draft.engine == "sqlite":
        yield (
            f"airflow_executor LocalExecutor needs a database server with Airflow {draft.version}: put a host into "
            f"{draft.group('metadata_db')} or set airflow_metadata_db_host."
        )


def find_python(host: Host, version: str) -> Mapping[str, Any] | None:
    """The interpreter to use on a host: the one that is asked for, else the newest in the version's range."""
    wanted = host.variables.get("airflow_python")
    found = list((host.info or {}).get("pythons") or [])
    if wanted and wanted.startswith("/"):
        named = next((python for python in found if python["path"] == wanted), None)
        minor = versions.python_minor(wanted.rpartition("python")[2])
        return named or ({"path": wanted, "version": versions.spell(minor)} if minor else None)
    if wanted:
        return next((python for python in found if versions.python_minor(python["version"]) == versions.python_minor(wanted)), None)
    return newest_python(found, version)


def newest_python(pythons: list[Mapping[str, Any]], version: str) -> Mapping[str, Any] | None:
    """The newest interpreter that a version runs with."""
    oldest, newest = versions.python_range(version)
    fitting = [(minor, python) for python in pythons if (minor := versions.python_minor(python["version"])) and oldest <= minor <= newest]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def source_python(draft: Draft, host: Host, version: str) -> Mapping[str, Any] | None:
    """The interpreter for the source's version, which may be the one it was made with."""
    own = (draft.adopted or {}).get("python")
    return newest_python([*((host.info or {}).get("pythons") or []), *([own] if own else [])], version)


def python_is_there(draft: Draft) -> Iterator[str]:
    """Every host that runs Airflow has a Python in the version's range."""
    oldest, newest = versions.python_range(draft.version)
    needed = f"Airflow {draft.version} needs Python {versions.spell(oldest)} to {versions.spell(newest)}"
    for name in draft.airflow_hosts:
        host = draft.hosts[name]
        if host.info is None:
            continue
        wanted, python = host.variables.get("airflow_python"), find_python(host, draft.version)
        have = listed(f"{python['path']} ({python['version']})" for python in host.info.get("pythons") or []) or "none"
        if python is None and wanted:
            yield f"airflow_python of {name} is {wanted!r}, which was not found there (found: {have}): name one of those, or install it."
        elif python is None:
            yield f"{needed}, and {name} has {have}: install one and name its path in airflow_python, or set another airflow_version."
        elif not oldest <= (versions.python_minor(python["version"]) or (0, 0)) <= newest:
            yield f"{needed}, and airflow_python of {name} is {wanted} ({python['version']}): name another one."


def source_python_is_there(draft: Draft) -> Iterator[str]:
    """A move across schemas needs an environment of the source's version too."""
    version = source_environment_version(draft)
    host = move_host(draft)
    if version is None or host is None or draft.hosts[host].info is None:
        return
    if source_python(draft, draft.hosts[host], version) is None:
        oldest, newest = versions.python_range(version)
        yield (
            f"The data is copied by Airflow {version} first, which needs Python {versions.spell(oldest)} to {versions.spell(newest)}, "
            f"and {host} has none: install one there."
        )


def source_environment_version(draft: Draft) -> str | None:
    """The version that makes the source's schema, when the wanted one makes another."""
    copied_by = versions.copied_by(source_version(draft)) if moves(draft) else None
    return copied_by if copied_by and versions.schema_head(copied_by) != versions.schema_head(draft.version) else None


def move_host(draft: Draft) -> str | None:
    """The host with the SQLite file."""
    if not moves(draft):
        return None
    if draft.taking_over:
        return draft.adopted_on
    return next((name for name, host in draft.hosts.items() if (host.installation or {}).get("engine") == "sqlite"), None)


def source_is_at_scheduler(draft: Draft) -> Iterator[str]:
    """The move needs the SQLite file and an environment of Airflow on one host."""
    host = move_host(draft)
    if host is not None and not draft.taking_over and draft.groups["scheduler"] and host not in draft.groups["scheduler"]:
        yield (
            f"The SQLite database to move is on {host}, where no scheduler is to run any more: keep {host} in "
            f"{draft.group('scheduler')} for the move."
        )


def hosts_run_one_version(draft: Draft) -> Iterator[str]:
    """Hosts left behind by an earlier run would be upgraded unseen."""
    running: dict[str, list[str]] = {}
    for name, host in draft.hosts.items():
        if host.installation:
            running.setdefault(str(host.installation["version"]), []).append(name)
    heads = {versions.schema_head(version) for version in running}
    if len(heads) > 1:
        places = listed(f"{version} on {listed(names)}" for version, names in running.items())
        yield f"The hosts have versions with different schemas ({places}): restore the ones that were left behind."


def there_is_room(draft: Draft) -> Iterator[str]:
    """Measured before anything is written: what is needed in the folders that share a file system adds up."""
    limited = draft.inputs.limited
    for name, host in draft.hosts.items():
        if limited is not None and name not in limited:
            continue
        info = host.info or {}
        free, devices = info.get("free_mb") or {}, info.get("devices") or {}
        shared: dict[object, list[str]] = {}
        needed = _needed_mb(draft, host)
        for place in needed:
            if place in free:
                shared.setdefault(devices.get(place), []).append(place)
        for places in shared.values():
            total = sum(needed[place] for place in places)
            if free[places[0]] < total:
                what = draft.home if places[0] == "home" else f"the data of {ENGINE_TITLES[places[0]]}"
                yield f"{name} has {free[places[0]]} MB free for {what}, and about {total} MB are needed: make room."


def _needed_mb(draft: Draft, host: Host) -> dict[str, int]:
    """What is going to be written on a host, by the place that the host information module names."""
    needed = {}
    moved = int(((draft.hosts[move_host(draft) or ""].info or {}).get("metadata") or {}).get("size_mb") or 0) if moves(draft) else 0
    if host.name in draft.airflow_hosts:
        needed["home"] = LEAST_MB if host.installation is not None else ENVIRONMENT_MB
    if move_host(draft) == host.name:
        copies = 1 + (COPIES_BROUGHT_UP if moves(draft) and versions.is_brought_up(source_version(draft)) else 0)
        needed["home"] = 2 * ENVIRONMENT_MB + copies * moved + int((host.info or {}).get("copies_mb") or 0)
    if moves(draft) and draft.database is not None and draft.database.managed and host.name in draft.groups["metadata_db"]:
        needed[draft.database.engine] = ROWS_WITH_INDEXES * moved
    return needed


RULES = (
    version_is_supported,
    no_downgrade,
    schema_stays,
    source_can_be_moved,
    version_knows_moved_schema,
    source_is_airflows,
    source_has_its_versions_schema,
    executor_is_known,
    executor_fits_version,
    executor_fits_database,
    python_is_there,
    source_python_is_there,
    source_is_at_scheduler,
    hosts_run_one_version,
    there_is_room,
)
WARNINGS = (version_is_tested,)
