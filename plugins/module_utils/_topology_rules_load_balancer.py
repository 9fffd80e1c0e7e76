# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about several webservers and what stands in front of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ._topology_load_balancer import ENGINES, interfaces, shared_interface
from ._topology_model import Draft, counted, listed

MOST_LOAD_BALANCERS = 2


def webservers_have_one_address(draft: Draft) -> Iterator[str]:
    """Tasks report to one address, and people know one."""
    hosts = draft.groups["webserver"]
    if len(hosts) > 1 and draft.load_balancer is None and not draft.base_url_is_given:
        yield (
            f"Group {draft.group('webserver')} has {counted(len(hosts), 'host')} ({listed(hosts)}) and nothing stands in front of them: "
            f"put a host into {draft.group('load_balancer')}, or set airflow_base_url to the address of what does."
        )


def load_balancer_engine_is_known(draft: Draft) -> Iterator[str]:
    """The two that this collection configures."""
    engine = draft.values["airflow_load_balancer_engine"]
    if engine not in ENGINES:
        yield f"airflow_load_balancer_engine is {engine!r}: use {' or '.join(ENGINES)}."


def load_balancers_share_an_address(draft: Draft) -> Iterator[str]:
    """Two are one for everybody else."""
    hosts, shared = draft.groups["load_balancer"], draft.values["airflow_load_balancer_address"]
    place = f"Group {draft.group('load_balancer')} has {counted(len(hosts), 'host')}"
    if len(hosts) > MOST_LOAD_BALANCERS:
        yield f"{place} ({listed(hosts)}), and one address is shared by two at most: keep two."
    elif len(hosts) == MOST_LOAD_BALANCERS and not shared:
        yield (
            f"{place} ({listed(hosts)}) and no address that they share: set airflow_load_balancer_address to a free one of their network, "
            "or keep one host."
        )
    elif shared and len(hosts) < MOST_LOAD_BALANCERS:
        yield (
            f"airflow_load_balancer_address is {shared}, which two load balancers share, and {place[0].lower()}{place[1:]}: add one, or "
            "remove it."
        )


def shared_address_is_free(draft: Draft) -> Iterator[str]:
    """It goes to whichever of them is there, so it is no host's own."""
    shared = draft.values["airflow_load_balancer_address"]
    if not shared:
        return
    try:
        ipaddress.ip_address(shared)
    except ValueError:
        yield f"airflow_load_balancer_address is {shared!r}: write an IP address without port or network."
        return
    for name, host in draft.hosts.items():
        if shared in (host.address, host.default_address):
            yield f"airflow_load_balancer_address is {shared}, which is {name}'s own address: choose a free one of their network."
    hosts = draft.groups["load_balancer"]
    # With another number of them the address is wrong already.
    for name in hosts if len(hosts) == MOST_LOAD_BALANCERS else []:
        if interfaces(draft.hosts[name]) and shared_interface(draft, name)[0] is None:
            yield (
                f"airflow_load_balancer_address is {shared}, and no interface of {name} is in a network with that address: choose a free "
                "one of a network that all load balancers are in."
            )


RULES = (webservers_have_one_address, load_balancer_engine_is_known, load_balancers_share_an_address, shared_address_is_free)
