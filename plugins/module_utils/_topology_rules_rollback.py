# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about going back to the installation that was lifted, and about a host that was gone back from."""

from __future__ import annotations

from collections.abc import Iterator

from ._topology_model import Draft, Host, listed
from ._topology_rollback import gone_back, lifted_host

BY_HAND = "go back by hand, as docs/operations.md tells under 'Going back'"


def gone_back_is_settled(draft: Draft) -> Iterator[str]:
    """Two installations with the same DAGs would run every task twice."""
    if draft.inputs.goes_back or draft.values["airflow_rollback_forward"]:
        return
    for host in gone_back(draft):
        installation = host.installation or {}
        home, database = installation["moved"]["home"], installation["database"]["name"]
        yield (
            f"updraft.airflow.rollback has put {home} of {host.name} into service again: set airflow_rollback_forward to true to go on "
            f"with the database {database} as it was left, or airflow_metadata_db_name to another name to lift {home} anew."
        )


def there_is_a_way_back(draft: Draft) -> Iterator[str]:
    """What is needed to start the old installation, and to know what is lost by that."""
    if not draft.inputs.goes_back:
        return
    host = lifted_host(draft)
    if host is None:
        yield from _never_lifted(draft)
        return
    installation = host.installation or {}
    if installation["moved"].get("kind") == "own" or not installation.get("adopted"):
        yield (
            f"The installation on {host.name} was made on SQLite by this collection, and the switch has overwritten its settings and "
            f"units, so there is nothing to start again: {BY_HAND}."
        )
        return
    yield from _missing(draft, host)
    others = [name for name in draft.airflow_hosts if name != host.name]
    if others:
        yield (
            f"Airflow was lifted on {host.name} and runs on {listed(others)} too by now, and the old installation was on one host: take "
            f"the others out of the groups of daemons and run updraft.airflow.site, or {BY_HAND}."
        )
    if draft.inputs.limited is not None and host.name not in draft.inputs.limited:
        yield f"This run is limited to {listed(draft.inputs.limited)}, and {host.name} is what was lifted: run it without --limit."


def _never_lifted(draft: Draft) -> Iterator[str]:
    if draft.installation is None:
        yield "This collection has installed Airflow on none of the hosts, so there is nothing to go back from: run updraft.airflow.site."
    elif draft.adopted is not None:
        yield (
            f"The installation in {draft.adopted['home']} of {draft.adopted_on} was taken over with its database where that is, so there "
            f"is no earlier state of it to go back to: {BY_HAND}."
        )
    else:
        yield (
            "This installation was not lifted from SQLite by this collection, so there is nothing to go back to: restore an older state "
            "from a backup of your own."
        )


def _missing(draft: Draft, host: Host) -> Iterator[str]:
    lifted, moved = host.lifted, (host.installation or {})["moved"]
    backups = f"{draft.home}/backups"
    if not lifted.get("source_is_there"):
        yield f"{moved['path']} is gone from {host.name}, the database of the installation that was lifted: bring it back from a backup."
    if not lifted.get("backup_is_there"):
        yield (
            f"{backups}/before-the-move.db is gone from {host.name}, without which nobody knows what was written since the switch: "
            f"bring it back from a backup, or {BY_HAND}."
        )
    if not lifted.get("remembered"):
        yield (
            f"{backups}/restart.json of {host.name} does not say how the daemons of {moved['home']} were started, for none ran at the "
            f"lift or it is gone: {BY_HAND}."
        )
    if lifted.get("running") and not lifted.get("is_gone_back"):
        yield (
            f"Daemons of {moved['home']} on {host.name} run beside the new ones already ({listed(sorted(set(lifted['running'])))}): stop "
            "them first."
        )


def what_comes_of_going_forward(draft: Draft) -> Iterator[str]:
    """Notes: what is about to happen to two installations."""
    for host in draft.hosts.values():
        if not host.lifted.get("is_gone_back") or draft.inputs.goes_back:
            continue
        if host.installation is None:
            yield f"{(host.adopted or {}).get('home')} of {host.name}, which was gone back to, is lifted anew."
        else:
            yield (
                f"{host.name} goes forward again: {host.installation['moved']['home']} is stopped, and the database "
                f"{host.installation['database']['name']} goes on as it was left."
            )


RULES = (gone_back_is_settled, there_is_a_way_back)
NOTES = (what_comes_of_going_forward,)
