# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about runs that are limited to some hosts: they add to what runs, and change nothing that others share."""

from __future__ import annotations

from collections.abc import Iterator

from ._topology_broker import changes_rabbitmq_nodes
from ._topology_database import is_pair
from ._topology_database_plan import database_plan
from ._topology_handover import handover_plan
from ._topology_model import Draft, listed
from ._topology_mysql_pair import is_settled
from ._topology_patroni import changes_members
from ._topology_rules_versions import moves
from ._topology_sentinel import changes_nodes
from ._topology_stages import source_version
from ._topology_tls import tls_changes

ADVICE = "run the playbook for all hosts, without --limit"


def _beginning(draft: Draft) -> str:
    return f"This run is limited to {listed(draft.inputs.limited or ())}"


def there_is_something_to_add_to(draft: Draft) -> Iterator[str]:
    """The schema is made once, on the first scheduler's host."""
    left_alone = [name for name in draft.used_hosts if name not in (draft.inputs.limited or draft.used_hosts)]
    if left_alone and not any(draft.hosts[name].installation for name in draft.used_hosts):
        yield f"{_beginning(draft)}, and Airflow is on none of the others yet: {ADVICE}."


def nothing_shared_changes(draft: Draft) -> Iterator[str]:
    """What stops the others has to know of them."""
    if draft.inputs.limited is None or draft.installation is None:
        return
    running = source_version(draft)
    if moves(draft):
        yield f"{_beginning(draft)}, and the data would move to another database: {ADVICE}."
    elif running and running != draft.version:
        yield f"{_beginning(draft)}, and the others run Airflow {running}, not {draft.version}: {ADVICE}."
    elif _changes_executor(draft):
        yield f"{_beginning(draft)}, and the executor or the broker of all hosts would change: {ADVICE}."
    elif tls_changes(draft):
        yield f"{_beginning(draft)}, and TLS of all hosts would change: {ADVICE}."
    elif draft.main_host and (database_plan(draft, draft.main_host) or {}).get("restarts"):
        yield f"{_beginning(draft)}, and the database server would have to start again: {ADVICE}."
    elif changes_members(draft):
        yield f"{_beginning(draft)}, and the database cluster would get or lose a member: {ADVICE}."
    elif _holds_a_part(draft, "metadata_db") and is_pair(draft) and not is_settled(draft):
        yield f"{_beginning(draft)}, and the two MySQL servers are not a source and its replica yet: {ADVICE}."
    elif _holds_a_part(draft, "broker") and changes_rabbitmq_nodes(draft):
        yield f"{_beginning(draft)}, and RabbitMQ's cluster would get or lose a node that the others do not know of: {ADVICE}."
    elif _holds_a_part(draft, "broker") and changes_nodes(draft):
        yield f"{_beginning(draft)}, and Redis on three hosts would get a server that the others do not know: {ADVICE}."


def _holds_a_part(draft: Draft, component: str) -> bool:
    """Whether the run is for some hosts of a group and leaves others alone, which have a part in what is done."""
    limited = [name for name in draft.groups[component] if name in (draft.inputs.limited or ())]
    return 0 < len(limited) < len(draft.groups[component])


def _changes_executor(draft: Draft) -> bool:
    handover = handover_plan(draft, draft.main_host or "", ())
    return handover is not None and (handover["changes_executor"] or handover["broker_url"] is not None)


RULES = (there_is_something_to_add_to, nothing_shared_changes)
