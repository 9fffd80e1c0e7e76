# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the source of the DAGs, once per run, on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.updraft.airflow.plugins.module_utils._dag_options import BUNDLES, NAME, problems_of
from ansible_collections.updraft.airflow.plugins.module_utils._dag_sources import SourceError
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.plugin_utils.dag_source import REGISTERED, open_source


class ActionModule(ActionBase):
    """Return the revision that the source holds, or the findings that speak against it."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """A finding is no failure here: the topology tells all of them together."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        try:
            return {"changed": False, "dags": self._earlier(variables) or self._resolve(variables)}
        except SourceError as error:
            findings = error.findings
        except AnsibleError as error:
            findings = [f"The source of the DAGs could not be read: {str(error).strip().rstrip('.')}."]
        except Exception as error:
            findings = [f"The source of the DAGs could not be read: {unforeseen(error)}."]
        return {"changed": False, "dags": {"findings": findings}}

    @staticmethod
    def _earlier(task_vars: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer that another host of the play got: a play in batches runs a task once per batch."""
        for host in task_vars.get("ansible_play_hosts_all", ()):
            found = (task_vars["hostvars"][host].get(REGISTERED) or {}).get("dags")
            if found and found.get("revision"):
                return dict(found)
        return None

    def _resolve(self, task_vars: Mapping[str, Any]) -> dict[str, Any] | None:
        options = self._templar.template(task_vars[NAME])
        # What is wrong with the variable itself is the topology's to tell.
        if not isinstance(options, Mapping) or problems_of(options) or options["source"] == BUNDLES:
            return None
        # As everywhere in this collection, a relative path starts at the inventory.
        base_dir = str(task_vars.get("inventory_dir") or self._loader.get_basedir())
        found = open_source(options, base_dir, self._loader).resolve()
        return {
            "base_dir": base_dir,
            "revision": found.name,
            "description": found.description,
            "requirements": found.requirements,
            "details": found.details,
        }
