# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about groups and hosts. Each yields one sentence per thing that cannot work."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from . import _topology_versions as versions
from ._topology_database import CLUSTER_ENGINE, SMALLEST_CLUSTER
from ._topology_model import COMPONENTS, DAEMONS, SERVICES, Draft, counted, listed
from ._topology_sizing import NAMED_SIZES
from ._topology_urls import LOOPBACK
from ._topology_variables import CLOSE_ENOUGH

MOST_APART_SECONDS = 5
"""Between hosts: half of what Airflow forgives a token ([api_auth] jwt_leeway)."""

MOST_OFF_SECONDS = 60
"""Of a host from the controller, whose certificates begin when it makes them."""

SET_CLOCK = "let a time server set the clock (timedatectl set-ntp true)"

NOT_YET = {
    "monitoring": "Monitoring is",
}


def hosts_are_read(draft: Draft) -> Iterator[str]:
    """A topology of half the hosts would be a wrong one for the others."""
    for name in draft.used_hosts:
        host = draft.hosts[name]
        if host.info is None and host.failure:
            yield f"{name} could not be looked at: {' '.join(host.failure.split()).rstrip('.')}.{_without(draft, name)}"
        elif host.info is None or not host.facts:
            needed = "it must be reachable, for what one host gets depends on all of them."
            yield f"{name} was not read in this run: {needed}{_without(draft, name)}"


def _without(draft: Draft, name: str) -> str:
    """What to do while a member of a database cluster is away."""
    group = draft.groups["metadata_db"]
    if name not in group or len(group) < SMALLEST_CLUSTER or draft.engine != CLUSTER_ENGINE:
        return ""
    lost = f"where it is lost for good, put another host into its place in group {draft.group('metadata_db')}"
    if name in draft.airflow_hosts or draft.inputs.limited is not None:
        return f" Start it; {lost}."
    return f" While it is away, leave it out (--limit '{draft.values['airflow_group']}:!{name}'); {lost}."


def groups_are_inside(draft: Draft) -> Iterator[str]:
    """A host outside the parent group would be counted by the others and never be set up."""
    for component in (*DAEMONS, *SERVICES):
        outside = [name for name in draft.inputs.groups.get(draft.group(component), ()) if name not in draft.hosts]
        if outside:
            parent = draft.values["airflow_group"]
            yield f"{draft.group(component)} has hosts that are not in {parent} ({listed(outside)}): make it a child of {parent}."


def groups_are_spelled(draft: Draft) -> Iterator[str]:
    """A name nearly like that of a component's group is a typing error, unless its hosts are in that group too, as a child's are."""
    for name, component in _misspelt(draft).items():
        yield f"{name} is not a group of this collection: {draft.group(component)} is; rename it."


def _misspelt(draft: Draft) -> dict[str, str]:
    components = {draft.group(component): component for component in COMPONENTS}
    found = {}
    for name, hosts in draft.inputs.groups.items():
        if not name.startswith("airflow_") or name in components:
            continue
        near = difflib.get_close_matches(name, components, n=1, cutoff=CLOSE_ENOUGH)
        if near and set(hosts) & set(draft.hosts) - set(draft.inputs.groups.get(near[0], ())):
            found[name] = components[near[0]]
    return found


def groups_have_hosts(draft: Draft) -> Iterator[str]:
    """Without these two there is nothing to run."""
    meant = _misspelt(draft).values()
    for component in ("webserver", "scheduler"):
        if not draft.groups[component] and component not in meant:
            yield f"Group {draft.group(component)} has no host: put one into it."


def components_are_supported(draft: Draft) -> Iterator[str]:
    """Groups of a later release."""
    for component, subject in NOT_YET.items():
        if draft.groups[component]:
            yield f"{subject} not supported by this release: remove the hosts of group {draft.group(component)}."


def schedulers_lock_rows(draft: Draft) -> Iterator[str]:
    """Several schedulers take turns by locking rows, which SQLite cannot."""
    hosts = draft.groups["scheduler"]
    if len(hosts) > 1 and draft.engine == "sqlite":
        yield (
            f"Group {draft.group('scheduler')} has {counted(len(hosts), 'host')} ({listed(hosts)}), and SQLite has no row locks for "
            f"several schedulers: keep one, or put a host into {draft.group('metadata_db')}."
        )


def sqlite_is_on_one_host(draft: Draft) -> Iterator[str]:
    """SQLite is a file."""
    if draft.engine == "sqlite" and len(draft.airflow_hosts) > 1:
        yield (
            f"Airflow runs on {listed(draft.airflow_hosts)}, and SQLite is a file on one host: put a host into "
            f"{draft.group('metadata_db')} or set airflow_metadata_db_host."
        )


def systemd_is_there(draft: Draft) -> Iterator[str]:
    """The daemons are units."""
    for name in draft.used_hosts:
        if (draft.hosts[name].info or {}).get("systemd") is False:
            yield f"{name} does not run systemd, which starts and stops the daemons: use a host that does."


def system_is_known(draft: Draft) -> Iterator[str]:
    """Distributions whose package names are known here."""
    for name in draft.used_hosts:
        facts = draft.hosts[name].facts
        if facts and versions.system_key(facts) is None:
            system = f"{facts.get('distribution')} {facts.get('distribution_major_version')}"
            yield f"{name} runs {system}, which is not supported: use Debian 12 or 13."


def untested_systems(draft: Draft) -> Iterator[str]:
    """Warnings: distributions that should work."""
    for name in draft.used_hosts:
        facts = draft.hosts[name].facts
        key = versions.system_key(facts)
        if key is not None and key not in versions.TESTED_SYSTEMS:
            yield f"{name} runs {facts.get('distribution')} {key[1]}, which this collection was not tested on (Debian 12 and 13 were)."


def clocks_agree(draft: Draft) -> Iterator[str]:
    """Between hosts, tokens are refused that seem to come from the future or to have ended; alone, a host starts runs at wrong times."""
    clocks = {name: clock for name in draft.used_hosts if (clock := (draft.hosts[name].info or {}).get("clock"))}
    if not clocks:
        return
    ahead, behind = max(clocks, key=lambda name: clocks[name]["least"]), min(clocks, key=lambda name: clocks[name]["most"])
    apart = clocks[ahead]["least"] - clocks[behind]["most"]
    if apart > MOST_APART_SECONDS:
        yield f"The clock of {ahead} is at least {apart:.0f} seconds ahead of that of {behind}: {SET_CLOCK} on both."
        return
    for name, clock in clocks.items():
        off = max(clock["least"], -clock["most"])
        if off > MOST_OFF_SECONDS:
            side = "ahead of" if clock["least"] > 0 else "behind"
            yield f"The clock of {name} is at least {off:.0f} seconds {side} that of the controller: {SET_CLOCK} on both."


def addresses_are_known(draft: Draft) -> Iterator[str]:
    """Several hosts reach each other."""
    if len(draft.used_hosts) < 2:
        return
    for name in draft.used_hosts:
        if draft.hosts[name].facts and draft.hosts[name].address is None:
            yield f"{name} has no default IPv4 address for the other hosts to reach it by: set airflow_advertised_address on it."


def addresses_differ(draft: Draft) -> Iterator[str]:
    """Two hosts with one address would be one."""
    owners: dict[str, list[str]] = {}
    for name in draft.used_hosts:
        address = draft.hosts[name].address
        if address is not None:
            owners.setdefault(address, []).append(name)
    for address, names in owners.items():
        if len(names) > 1:
            yield f"{listed(names)} have the same address {address}: set airflow_advertised_address on each."


def addresses_are_reachable(draft: Draft) -> Iterator[str]:
    """An advertised loopback address leads every host to itself."""
    if len(draft.used_hosts) < 2:
        return
    for name in draft.used_hosts:
        if draft.hosts[name].address in LOOPBACK:
            yield f"airflow_advertised_address of {name} is {draft.hosts[name].address}, which other hosts cannot reach: set its address."


def address_is_plain(draft: Draft) -> Iterator[str]:
    """The address goes into URLs and pg_hba.conf."""
    for name, host in draft.hosts.items():
        address = host.variables.get("airflow_advertised_address")
        if address and not re.fullmatch(r"[A-Za-z0-9.:_-]+", address):
            yield f"airflow_advertised_address of {name} must be an address or a host name without port, not {address!r}."


def size_is_known(draft: Draft) -> Iterator[str]:
    """Sizes by name."""
    sizes = ("auto", *NAMED_SIZES)
    for name in draft.placement["worker"] if draft.uses_celery else draft.groups["scheduler"]:
        size = draft.variable(name, "airflow_size")
        if size and size not in sizes:
            yield f"airflow_size of {name} is {size!r}: use one of {listed(sizes)}."


def hosts_have_a_part(draft: Draft) -> Iterator[str]:
    """Warnings: a host that is named and does nothing."""
    idle = [name for name in draft.hosts if not any(name in hosts for hosts in draft.groups.values())]
    if idle:
        yield f"{listed(idle)} would do nothing: not in {draft.group('webserver')}, {draft.group('scheduler')} or another group of theirs."


RULES = (
    hosts_are_read,
    groups_are_inside,
    groups_are_spelled,
    groups_have_hosts,
    components_are_supported,
    schedulers_lock_rows,
    sqlite_is_on_one_host,
    systemd_is_there,
    system_is_known,
    clocks_agree,
    addresses_are_known,
    addresses_differ,
    addresses_are_reachable,
    address_is_plain,
    size_is_known,
)
WARNINGS = (untested_systems, hosts_have_a_part)
