# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology compiler: from groups, variables and facts to what is to be true on each host, or to why that cannot be.

Pure Python: no host is touched, nothing of Ansible is imported, no file is written. All findings are reported together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import _topology_rules_api as api_rules
from . import _topology_rules_celery as celery_rules
from . import _topology_rules_dags as dag_rules
from . import _topology_rules_database as database_rules
from . import _topology_rules_hosts as host_rules
from . import _topology_rules_limit as limit_rules
from . import _topology_rules_load_balancer as load_balancer_rules
from . import _topology_rules_mysql as mysql_rules
from . import _topology_rules_mysql_pair as pair_rules
from . import _topology_rules_objects as object_rules
from . import _topology_rules_patroni as cluster_rules
from . import _topology_rules_pgbouncer as pgbouncer_rules
from . import _topology_rules_rollback as rollback_rules
from . import _topology_rules_sandbox as sandbox_rules
from . import _topology_rules_tls as tls_rules
from . import _topology_rules_values as value_rules
from . import _topology_rules_versions as version_rules
from ._topology_celery import derive_celery
from ._topology_model import Draft, Host, Inputs, TopologyError
from ._topology_plan import build_plan
from ._topology_rollback import choose_sides
from ._topology_secrets import SecretStore, needs_admin, resolve_secrets
from ._topology_settings import choose_settings
from ._topology_stages import derive
from ._topology_status import host_status, installation_status
from ._topology_variables import clean_hosts, differing_variables, unknown_variables

__all__ = ["Host", "Inputs", "SecretStore", "Topology", "TopologyError", "compile_topology", "survey_topology"]

Rule = Callable[[Draft], Iterator[str]]
PARTS = (
    host_rules,
    limit_rules,
    load_balancer_rules,
    version_rules,
    rollback_rules,
    database_rules,
    cluster_rules,
    mysql_rules,
    pair_rules,
    pgbouncer_rules,
    celery_rules,
    sandbox_rules,
    tls_rules,
    value_rules,
    dag_rules,
    api_rules,
    object_rules,
)
RULES: tuple[Rule, ...] = tuple(rule for part in PARTS for rule in part.RULES)
WARNINGS: tuple[Rule, ...] = tuple(rule for part in PARTS for rule in getattr(part, "WARNINGS", ()))
NOTES: tuple[Rule, ...] = tuple(rule for part in PARTS for rule in getattr(part, "NOTES", ()))


@dataclass(frozen=True)
class Topology:
    """A topology that can be built."""

    draft: Draft
    store: SecretStore
    new_secrets: Mapping[str, str]
    """Secrets that are not in the store yet: the caller writes them before a plan is used."""

    def plan(self, host: str) -> dict[str, Any]:
        """What is to be true on one host."""
        admin = self.store.path("admin_password") if needs_admin(self.draft) else None
        return build_plan(self.draft, host, self.store.directory, admin)

    def status(self, host: str) -> dict[str, Any]:
        """What there is to look at, in the installation and on one host."""
        return {"installation": installation_status(self.draft), "host": host_status(self.draft, host)}


def compile_topology(inputs: Inputs, store: SecretStore) -> Topology:
    """Derive the topology. Raises TopologyError with every finding."""
    topology, findings = survey_topology(inputs, store)
    if findings:
        raise TopologyError(findings)
    draft = topology.draft
    draft.notes += [note for rule in NOTES for note in rule(draft)]
    draft.warnings = [*(warning for rule in WARNINGS for warning in rule(draft)), *draft.warnings]
    return topology


def survey_topology(inputs: Inputs, store: SecretStore) -> tuple[Topology, list[str]]:
    """The topology as far as it can be derived, and what speaks against building it. With findings it has no plan, only a status.

    Raises TopologyError where there is no host at all.
    """
    if not inputs.hosts:
        raise TopologyError(["The installation has no hosts: put hosts into airflow_webserver and airflow_scheduler, children of airflow."])
    hosts, findings = clean_hosts(inputs.hosts)
    findings += [*unknown_variables(hosts.values(), inputs.known_names), *differing_variables(hosts)]
    draft = Draft(replace(inputs, hosts=choose_sides(hosts, inputs.goes_back)))
    derive(draft)
    derive_celery(draft)
    choose_settings(draft)
    new_secrets = resolve_secrets(draft, store)
    findings += draft.findings
    findings += [finding for rule in RULES for finding in rule(draft)]
    return Topology(draft, store, new_secrets), list(dict.fromkeys(findings))
