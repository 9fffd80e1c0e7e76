# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the certificates of an installation cannot be renewed now, as one sentence each. Other playbooks do not ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._topology_certificates import certificates
from ._topology_model import TLS_GIVEN, TLS_OFF, Draft, listed
from ._topology_rules_limit import ADVICE
from ._topology_rules_versions import moves
from ._topology_stages import source_version
from ._topology_tls import tls_changes


def rotation_refusals(draft: Draft, name: str, handover: Mapping[str, Any] | None) -> list[str]:
    """What speaks against it on a host; what holds for all of them is the same sentence on each."""
    reasons = _changes(draft, name, handover)
    return [
        *_never(draft),
        *(f"This playbook only renews certificates, and {reason}: run updraft.airflow.site first." for reason in reasons),
    ]


def _never(draft: Draft) -> Iterator[str]:
    if not any(certificates(draft, each) for each in draft.used_hosts):
        yield "No host of this installation has a certificate: set airflow_tls to own_ca or given and run updraft.airflow.site."
    if draft.values["airflow_rotate_authority"] and draft.tls == TLS_GIVEN:
        yield (
            "airflow_rotate_authority is set, and airflow_tls is given, whose authority is not this installation's: name a file with both "
            "authorities as airflow_tls_ca and run this playbook without it, then give the new certificates, then the new authority alone."
        )
    if draft.values["airflow_rotate_authority"] and draft.inputs.limited is not None:
        yield (
            f"airflow_rotate_authority is set, and this run is limited to {listed(draft.inputs.limited)}: the others would neither trust "
            f"the new authority nor have a certificate of it; {ADVICE}."
        )


def _changes(draft: Draft, name: str, handover: Mapping[str, Any] | None) -> Iterator[str]:
    """What the same roles would do beside it, of which the first that is found is told."""
    running = source_version(draft)
    if draft.installation is None:
        yield "Airflow is on none of the hosts yet"
    elif tls_changes(draft):
        yield f"airflow_tls goes from {draft.installation.get('tls') or TLS_OFF} to {draft.tls or TLS_OFF}"
    elif moves(draft):
        yield "the data would move to another database"
    elif running != draft.version:
        yield f"the hosts run Airflow {running}, not {draft.version}"
    elif name in draft.airflow_hosts and draft.hosts[name].installation is None:
        yield f"{name} has no Airflow yet"
    elif handover is not None:
        yield f"daemons of {name} would stop for another change or leave it"
