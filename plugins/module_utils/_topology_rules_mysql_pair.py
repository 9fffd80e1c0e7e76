# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about a pair of MySQL servers. Who is the source is never guessed where two servers have data."""

from __future__ import annotations

from collections.abc import Iterator

from ._topology_database import follows, holds_databases, is_pair, is_writable, own_mysql, server_host
from ._topology_model import Draft, Host, listed
from ._topology_mysql_pair import PAIR, mysql_series

PROMOTE = "updraft.airflow.promote_replica"


def _hosts(draft: Draft) -> list[Host]:
    """The two servers; another number of them is a finding by itself."""
    hosts = [draft.hosts[name] for name in draft.groups["metadata_db"]]
    return hosts if is_pair(draft) and len(hosts) == PAIR else []


def unit(host: Host) -> str:
    """The server's unit, as the distribution's package calls it."""
    return "mysqld" if host.facts.get("os_family") == "RedHat" else "mysql"


def addresses_can_be_copied_from(draft: Draft) -> Iterator[str]:
    """MySQL takes no IPv6 address of a server to copy from (clone_valid_donor_list)."""
    for host in _hosts(draft):
        if ":" in (host.address or ""):
            yield (
                f"{host.name} has the address {host.address}, and MySQL copies the data of a source from none of IPv6: set "
                "airflow_advertised_address of that host to a name or an IPv4 address."
            )


def servers_answer(draft: Draft) -> Iterator[str]:
    """One that is stopped could be the source or what is left of it."""
    hosts = [host for host in _hosts(draft) if holds_databases(host)]
    for host in hosts:
        if own_mysql(host).get("member") is None and (own_mysql(host).get("in_pair") or len(hosts) > 1):
            yield (
                f"The MySQL server of {host.name} has data and does not answer, so it is not known whether it is the source: start it "
                f"(systemctl start {unit(host)}), or look why it does not run (journalctl -u {unit(host)})."
            )


def one_takes_writes(draft: Draft) -> Iterator[str]:
    """Two that do are two databases."""
    hosts = [host for host in _hosts(draft) if is_writable(host)]
    open_ones = [host.name for host in hosts]
    single = [host.name for host in hosts if not own_mysql(host).get("in_pair") and holds_databases(host)]
    if len(open_ones) > 1 and single:
        yield (
            f"The MySQL servers of {listed(open_ones)} both take writes, and {listed(single)} had data before it was to be one of two: "
            "those of only one server are kept. Save what the other one has, remove its databases, and run this again."
        )
    elif len(open_ones) > 1:
        yield (
            f"The MySQL servers of {listed(open_ones)} both take writes, and which of them is the source is not guessed: on the one that "
            "is not to be it, say SET GLOBAL super_read_only = ON, and run this again."
        )


def source_is_certain(draft: Draft) -> Iterator[str]:
    """A replica becomes the source by a playbook that looks what it has, not by this one."""
    hosts, source = _hosts(draft), server_host(draft)
    if not hosts or source is None or is_writable(source):
        return
    answering = [host for host in hosts if own_mysql(host).get("member") is not None]
    holding = [host for host in answering if holds_databases(host)]
    group = draft.group("metadata_db")
    for host in holding:
        if follows(host) and (host is source or not holds_databases(source)):
            yield (
                f"The MySQL server of {host.name} is a replica, and its source ({follows(host)}) is not in group {group}, or has no data "
                f"any more: let it take over by {PROMOTE}, and run this again."
            )
    if holding == [source] and not follows(source) and own_mysql(source).get("in_pair") and not own_mysql(source).get("is_alone"):
        yield (
            f"The MySQL server of {source.name} is closed and had a replica, which may have taken over and taken writes since, and the "
            f"other host has no data: bring the replica back, or give up what it took by {PROMOTE} with airflow_promote_host: "
            f"{source.name} and airflow_promote_unsynced: true."
        )
    if len(holding) == PAIR and not any(follows(host) for host in holding):
        yield (
            f"The MySQL servers of {listed(host.name for host in holding)} both have data, and neither takes writes or follows the other: "
            f"say which is the source by {PROMOTE} with airflow_promote_host."
        )


def servers_have_one_series(draft: Draft) -> Iterator[str]:
    """A copy of the data is of use to a server of the same series only."""
    known = {host.name: series for host in _hosts(draft) if (series := mysql_series(host))}
    if len(set(known.values())) > 1:
        told = listed(f"{name}: {version}" for name, version in known.items())
        yield f"The two MySQL servers have different versions ({told}), and a replica is a copy of its source: give both the same one."


def copied_anew_is_a_replica(draft: Draft) -> Iterator[str]:
    """What is thrown away is not to be the data of all."""
    name, source = draft.values["airflow_metadata_db_clone_anew"], server_host(draft)
    if not name:
        return
    variable = "airflow_metadata_db_clone_anew"
    if name not in [host.name for host in _hosts(draft)]:
        yield f"{variable} is {name}, which has none of two MySQL servers: name one of group {draft.group('metadata_db')}, or remove it."
    elif source is not None and source.name == name:
        yield f"{variable} is {name}, whose MySQL server is the source: its data are not thrown away; remove it."


RULES = (
    addresses_can_be_copied_from,
    servers_answer,
    one_takes_writes,
    source_is_certain,
    servers_have_one_series,
    copied_anew_is_a_replica,
)
