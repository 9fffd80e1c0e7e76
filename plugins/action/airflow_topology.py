# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers what is known about all hosts and hands it to the topology compiler."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.updraft.airflow.plugins.module_utils._credentials import CredentialsFolder
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.module_utils._topology_model import COMPONENTS, TLS_GIVEN, GivenCertificate
from ansible_collections.updraft.airflow.plugins.module_utils._topology_tls import GIVEN_VARIABLES
from ansible_collections.updraft.airflow.plugins.module_utils.topology import (
    Host,
    Inputs,
    TopologyError,
    compile_topology,
    survey_topology,
)
from ansible_collections.updraft.airflow.plugins.plugin_utils.given_certificates import read_given

ROLES = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", "..", "roles"))
PREFIX = "airflow_"
DEFAULT_GROUP = "airflow"
HOST_INFO = "__airflow_host"
OTHER_HOSTS = "__airflow_other_hosts"
DAG_SOURCE = "__airflow_dag_source"
AUTHORITY_FILES = (("tls", "ca.crt.txt"), ("tls", "ca.key.txt"))
"""Below the credentials folder: what signs the installation's own certificates."""


class ActionModule(ActionBase):
    """Compile the topology; return this host's plan, or the findings that speak against it."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS: frozenset[str] = frozenset({"survey", "hold_secrets", "goes_back"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """`findings` is empty when there is a plan: a failure here would be hidden by `no_log`, so the role tells them."""
        super().run(tmp, task_vars)
        try:
            return self._result(task_vars or {})
        except (AnsibleError, OSError) as error:
            return self._refusal([f"The topology could not be derived: {str(error).strip().rstrip('.')}."])
        except Exception as error:
            return self._refusal([f"The topology could not be derived: {unforeseen(error)}."])

    def _result(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        current = str(task_vars["inventory_hostname"])
        own = self._own_variables(task_vars)
        inputs = self._inputs(task_vars, own, current)
        if current not in inputs.hosts:
            return self._refusal([f"{current} is in none of the installation's groups: put it into the group it is to serve."])
        store = self._store(task_vars, own, next(iter(inputs.hosts)))
        authority = (os.path.join(store.directory, *place) for place in AUTHORITY_FILES)
        goes_back = boolean(self._task.args.get("goes_back", False))
        inputs = replace(inputs, missing_authority=[path for path in authority if not os.path.isfile(path)], goes_back=goes_back)
        if boolean(self._task.args.get("survey", False)):
            return self._survey(inputs, store, current)
        try:
            return self._plan(inputs, store, current)
        except TopologyError as error:
            return self._refusal(error.findings)

    def _survey(self, inputs: Inputs, store: CredentialsFolder, current: str) -> dict[str, Any]:
        """What there is to look at, with a plan where one can be made of what is known: nothing is fetched or written for it."""
        if inputs.dags is None:
            inputs = replace(inputs, dags={"revision": "", "description": "", "requirements": []})
        topology, findings = survey_topology(inputs, store)
        hosts = [topology.draft.hosts[name] for name in topology.draft.used_hosts]
        unread = {host.name: host.failure for host in hosts if host.info is None or not host.facts}
        if topology.new_secrets and not unread and not findings:
            findings = [f"{', '.join(topology.new_secrets)} would be generated: no file of the credentials folder has them."]
        return {
            "changed": False,
            # Of hosts that are not known the rules say too much.
            "findings": [] if unread else findings,
            "unread": unread,
            "plan": None if unread or findings else topology.plan(current),
            "status": topology.status(current),
        }

    def _plan(self, inputs: Inputs, store: CredentialsFolder, current: str) -> dict[str, Any]:
        topology = compile_topology(inputs, store)
        new_secrets = topology.new_secrets
        # What is refused after a look into a database, or because another controller is at work, must not leave a key behind that disagrees
        # with the right one.
        is_held = bool(new_secrets) and boolean(self._task.args.get("hold_secrets", False))
        if new_secrets and not is_held and not self._task.check_mode:
            for name, value in new_secrets.items():
                store.write(name, value)
            # Another host's run may have been first: what is in the folder now is what counts.
            topology = compile_topology(inputs, store)
        plan = topology.plan(current)
        return {"changed": bool(new_secrets) and not is_held, "findings": [], "plan": plan, "holds_secrets": is_held}

    @staticmethod
    def _refusal(findings: list[str]) -> dict[str, Any]:
        return {"changed": False, "findings": findings, "plan": None, "status": None, "holds_secrets": False}

    def _own_variables(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """This host's variables as the task sees them: with role defaults, play variables and role parameters."""
        return {name: self._templar.template(task_vars[name]) for name in task_vars if name.startswith(PREFIX)}

    def _inputs(self, task_vars: Mapping[str, Any], own: Mapping[str, Any], current: str) -> Inputs:
        groups = {str(name): [str(host) for host in hosts] for name, hosts in task_vars["groups"].items()}
        hostvars = task_vars["hostvars"]
        inventory = self._inventory_variables(hostvars[current])
        # What the play sets is no host's own: it holds for all of them, before or over their inventory's word as it does here.
        under = {**self._defaults(), **{name: value for name, value in own.items() if name not in inventory}}
        over = {name: value for name, value in own.items() if name in inventory and inventory[name] != value}
        others = {str(found["item"]): found for found in (task_vars.get(OTHER_HOSTS) or {}).get("results", [])}
        hosts = {}
        for name in self._members(groups, own):
            variables = own if name == current else {**self._inventory_variables(hostvars[name]), **over}
            found = others.get(name) or hostvars[name].get(HOST_INFO, {})
            facts = hostvars[name].get("ansible_facts", {})
            # Of one that could not be read, Ansible may know which interpreter it looked for.
            hosts[name] = self._host(name, {**under, **variables}, facts if "distribution" in facts else {}, found)
        limited = [name for name in hosts if name not in others] if others else None
        dags = (task_vars.get(DAG_SOURCE) or {}).get("dags")
        given = {name: self._given(host.variables) for name, host in hosts.items() if host.variables.get("airflow_tls") == TLS_GIVEN}
        return Inputs(hosts, groups, os.path.join(ROLES, "common", "files"), known_names(), dags, limited, given)

    def _given(self, variables: Mapping[str, Any]) -> GivenCertificate:
        """What the files of a host's certificate say; Ansible Vault may have encrypted them."""
        files = {name: str(variables[name]) for name in GIVEN_VARIABLES.values() if variables.get(name)}
        return read_given(files, self._loader.get_text_file_contents)

    @staticmethod
    def _host(name: str, variables: Mapping[str, Any], facts: Mapping[str, Any], found: Mapping[str, Any]) -> Host:
        return Host(name, variables, facts, found.get("airflow_host"), found.get("msg"))

    @staticmethod
    def _inventory_variables(hostvars: Mapping[str, Any]) -> dict[str, Any]:
        return {name: hostvars[name] for name in hostvars if name.startswith(PREFIX)}

    @staticmethod
    def _members(groups: Mapping[str, list[str]], own: Mapping[str, Any]) -> list[str]:
        """The hosts of the parent group, or without one those of the components' groups."""
        parent = own.get("airflow_group") or DEFAULT_GROUP
        if parent in groups:
            return groups[parent]
        names = (own.get(f"airflow_{component}_group") or f"airflow_{component}" for component in COMPONENTS)
        return list(dict.fromkeys(host for name in names for host in groups.get(name, ())))

    def _defaults(self) -> dict[str, Any]:
        """The role's static defaults, which no host but the current one has among its variables."""
        defaults: dict[str, Any] = {}
        for path in sorted(glob.glob(os.path.join(ROLES, "common", "defaults", "main", "*.yml"))):
            defaults.update(self._loader.load_from_file(path) or {})
        return defaults

    def _store(self, task_vars: Mapping[str, Any], own: Mapping[str, Any], first: str) -> CredentialsFolder:
        inventory_dir = task_vars["hostvars"][first].get("inventory_dir") or self._loader.get_basedir()
        folder = own.get("airflow_credentials_dir") or os.path.join("credentials", own.get("airflow_installation") or DEFAULT_GROUP)
        path = os.path.join(str(inventory_dir), os.path.expanduser(str(folder)))
        return CredentialsFolder(os.path.normpath(path), self._loader.get_text_file_contents)


def known_names() -> frozenset[str]:
    """Every variable that a role of the collection has among its defaults or arguments."""
    return frozenset(_variable_names(path for part in ("defaults", "meta") for path in _yaml_files(part)))


def _yaml_files(part: str) -> Iterable[str]:
    return glob.glob(os.path.join(ROLES, "*", part, "**", "*.yml"), recursive=True)


def _variable_names(paths: Iterable[str]) -> Iterable[str]:
    for path in paths:
        with open(path, encoding="utf-8") as stream:
            yield from re.findall(r"^\s*(airflow_[a-z0-9_]+):", stream.read(), re.MULTILINE)
