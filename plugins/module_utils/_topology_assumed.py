# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of the database cluster that cannot be read while a run leaves them alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ._topology_database import etcd_lists, has_data, own_etcd, own_patroni
from ._topology_model import Draft, Host


def assume_members(draft: Draft) -> None:
    """Take a member that is away for what the others say it was, so that a run for other hosts can go on without it.

    Only in a run that is limited to others, and only for a host that runs no daemon of Airflow's, of which others know too little.
    """
    if draft.inputs.limited is None:
        return
    everybody = [draft.hosts[name] for name in draft.groups["metadata_db"]]
    others = [host for host in everybody if has_data(host)]
    assumed = {
        host.name: _assumed(host, others[0], address)
        for host in everybody
        if (address := _former_address(host, others)) and may_be_assumed(draft, host)
    }
    draft.inputs = replace(draft.inputs, hosts={name: assumed.get(name, host) for name, host in draft.hosts.items()})


def may_be_assumed(draft: Draft, host: Host) -> bool:
    """Whether a run that is limited to others can do without knowing this host."""
    is_left_alone = host.name not in (draft.inputs.limited or ())
    return host.info is None and is_left_alone and host.name not in draft.airflow_hosts


def _former_address(host: Host, others: Sequence[Host]) -> str | None:
    """Where it was a member, None where that is not certain. What etcd says now counts; else with whom the others once began."""
    current = {address for other in others for address in (own_patroni(other) or {})["members"]}
    lists = etcd_lists(others)
    now = {entry["address"] for members in lists for entry in members if entry["name"] == host.name}
    once = {own_etcd(other).get("members", {}).get(host.name) for other in others}
    told = (now if lists else once) | {host.variables.get("airflow_advertised_address")}
    found = [str(address) for address in told if address in current]
    return found[0] if len(found) == 1 else None


def _assumed(host: Host, model: Host, address: str) -> Host:
    facts = {**model.facts, "default_ipv4": {**(model.facts.get("default_ipv4") or {}), "address": address}}
    info: dict[str, Any] = {
        **(model.info or {}),
        "hostname": host.name,
        "units": [],
        "installation": None,
        "adopted": None,
        "brokers": [_broker(server, str(model.address), address) for server in (model.info or {}).get("brokers") or []],
    }
    return replace(host, facts=facts, info=info, is_assumed=True)


def _broker(server: Mapping[str, Any], former: str, address: str) -> dict[str, Any]:
    return {**server, "node": str(server.get("node") or "").replace(f"@{former}", f"@{address}")}
