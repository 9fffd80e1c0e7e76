# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about a highly available cluster of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

from . import _topology_mysql as mysql
from . import _topology_versions as versions
from ._topology_database import (
    CLUSTER_ENGINE,
    SMALLEST_CLUSTER,
    etcd_lists,
    has_data,
    is_established,
    is_patroni,
    known_members,
    own_cluster,
    own_etcd,
    own_patroni,
)
from ._topology_model import Draft, Host, counted, listed
from ._topology_mysql_pair import PAIR
from ._topology_patroni import ETCD_DATA_DIR, address_of, changes_members, members

WITH_PATRONI = ("Debian", "Ubuntu")
"""Distributions that have packages of Patroni and of etcd's server."""


def number_of_databases(draft: Draft) -> Iterator[str]:
    """One server, or a cluster with a majority, or MySQL's source and replica."""
    hosts = draft.groups["metadata_db"]
    place = f"Group {draft.group('metadata_db')} has {counted(len(hosts), 'host')} ({listed(hosts)})"
    if draft.engine == mysql.ENGINE:
        if len(hosts) > PAIR:
            yield f"{place}, and MySQL has a single server here, or a source and a replica: keep two."
    elif len(hosts) == 2:
        yield f"{place}: of two database servers neither has a majority when they lose each other; keep one, or make them three."
    elif len(hosts) > 2 and len(hosts) % 2 == 0:
        yield f"{place}: {len(hosts)} members outlive the loss of no more hosts than {len(hosts) - 1} do; take one out, or add one."


def systems_have_patroni(draft: Draft) -> Iterator[str]:
    """The parts come from the distribution's packages."""
    for host in _cluster(draft):
        key = versions.system_key(host.facts)
        if key is not None and key[0] not in WITH_PATRONI:
            yield (
                f"{host.name} runs {host.facts.get('distribution')} {key[1]}, whose packages have no Patroni for a database cluster: use "
                f"Debian 12 or 13, or keep one host in {draft.group('metadata_db')}."
            )


def servers_have_one_version(draft: Draft) -> Iterator[str]:
    """A member follows another one of its own major version only."""
    found = {host.name: _version(host) for host in _cluster(draft)}
    if len({version for version in found.values() if version}) > 1:
        known = listed(f"{name}: {version}" for name, version in found.items())
        yield (
            f"The members of the database cluster would have different versions of PostgreSQL ({known}): give all of them the same release "
            "of the distribution."
        )


def most_members_stay(draft: Draft) -> Iterator[str]:
    """What a majority of the members has is what was acknowledged; without one nobody can say who else takes part."""
    hosts = _cluster(draft)
    if not is_established(draft) or not changes_members(draft):
        return
    group, there = draft.group("metadata_db"), known_members(draft)
    staying = [host.name for host in hosts if has_data(host) and own_etcd(host).get("is_made") and address_of(host) in there]
    if len(staying) <= len(there) // 2:
        yield (
            f"Of the {len(there)} members of the database cluster ({listed(sorted(there))}) only {listed(staying) or 'none'} would stay in "
            f"group {group}, and a member is replaced or added with a majority of them only: put the hosts back that have the data, with "
            "the addresses they had, and replace one after the other."
        )


def members_are_known(draft: Draft) -> Iterator[str]:
    """What a member holds that was removed, or had another address, is of no use to the others, and keeps it from joining them."""
    made = [host for host in _cluster(draft) if own_etcd(host).get("is_made") and not host.is_assumed]
    unknown = {host.name: lists for host in made if (lists := etcd_lists([other for other in made if other is not host]))}
    unknown = {
        name: lists
        for name, lists in unknown.items()
        if not any(entry["address"] == address_of(draft.hosts[name]) for listed_members in lists for entry in listed_members)
    }
    # Most of them are never told to give up what they hold.
    if len(unknown) > (len(made) - 1) // 2:
        return
    for name, lists in unknown.items():
        known = sorted({entry["address"] for listed_members in lists for entry in listed_members})
        yield (
            f"{name} ({address_of(draft.hosts[name])}) has what a member of etcd holds, and etcd does not know it ({listed(known)}): it "
            "was removed, or had another address. Nothing there is of use to the others: keep it aside on that host (systemctl stop etcd; "
            f"mv {ETCD_DATA_DIR} {ETCD_DATA_DIR}.old), and run this again, which adds the host as a new member."
        )


def servers_are_free(draft: Draft) -> Iterator[str]:
    """A server of others has the port and the folder."""
    for host in _cluster(draft):
        clusters = (host.info or {}).get("postgresql_clusters") or []
        others = [cluster["config_dir"] for cluster in clusters if not cluster["own"]]
        if others and not has_data(host):
            yield (
                f"{host.name} has a PostgreSQL server that is not Airflow's ({listed(others)}), where a member of the database cluster is "
                "to be: use another host, or remove the server (pg_dropcluster)."
            )


def data_are_in_one_place(draft: Draft) -> Iterator[str]:
    """Of two servers one would lose what it holds, and of none an installation would begin empty."""
    # Of two none would begin: their number is a finding by itself.
    if len(_cluster(draft)) < SMALLEST_CLUSTER or is_established(draft):
        return
    holding = [host.name for host in members(draft) if own_cluster(host)]
    group = draft.group("metadata_db")
    if len(holding) > 1:
        yield (
            f"{listed(holding)} of group {group} each have a database server of Airflow's, and which of them begins the database cluster "
            "is not guessed: remove the others (pg_dropcluster)."
        )
    record = draft.installation
    if not holding and record is not None and record["engine"] == CLUSTER_ENGINE:
        place = (record.get("database") or {}).get("host")
        yield (
            f"The existing installation's database is at {place}, and no host of group {group} has its data: put the host that has them "
            "into the group, and the database cluster begins with them."
        )


def rules_of_others_are_lost(draft: Draft) -> Iterator[str]:
    """Warnings: what somebody else wrote beside Airflow's settings."""
    for host in _cluster(draft):
        found = own_cluster(host)
        if found is not None and found["databases"] and not is_established(draft):
            yield (
                f"The PostgreSQL server of {host.name} becomes the first member of the database cluster, with all its databases: what "
                f"somebody else wrote into {found['config_dir']}/postgresql.conf and pg_hba.conf does not count any more."
            )


def members_are_away(draft: Draft) -> Iterator[str]:
    """Warnings: those that the run goes on without."""
    for host in _cluster(draft):
        if host.is_assumed:
            yield (
                f"{host.name} could not be read, and is taken for the member of the database cluster at {address_of(host)} that it was: "
                f"where it is lost for good, put another host into its place in group {draft.group('metadata_db')} and run site for all "
                "hosts."
            )


def _cluster(draft: Draft) -> list[Host]:
    return members(draft) if is_patroni(draft) else []


def _version(host: Host) -> str | None:
    """The major version that a member has or gets."""
    if has_data(host):
        return str((own_patroni(host) or {})["version"])
    found, key = own_cluster(host), versions.system_key(host.facts)
    packaged = versions.SYSTEM_POSTGRESQL.get(key) if key else None
    return found["name"].partition("/")[0] if found else str(packaged or "") or None


RULES = (
    number_of_databases,
    systems_have_patroni,
    servers_have_one_version,
    most_members_stay,
    members_are_known,
    servers_are_free,
    data_are_in_one_place,
)
WARNINGS = (rules_of_others_are_lost, members_are_away)
