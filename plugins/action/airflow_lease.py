# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the module of the same name whose lease it is, and looks whether a run of this controller that holds the host still lives."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase
from ansible_collections.updraft.airflow.plugins.module_utils.host_lease import PLACE
from ansible_collections.updraft.airflow.plugins.plugin_utils.lease_controller import (
    Fate,
    controller_id,
    controller_name,
    fate_of,
    pid_of,
    run_of,
)

MODULE = "updraft.airflow.airflow_lease"


class ActionModule(ActionBase):
    """Take, renew or give back the lease of a host in the name of this run."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module returns; a failure where another run holds the host, in check mode a warning."""
        super().run(tmp, task_vars)
        # This is one of Ansible's processes for hosts; the run is the process that all of them belong to, which may have been killed.
        parent = multiprocessing.parent_process()
        if parent is not None and parent.pid != os.getppid():
            return {"failed": True, "changed": False, "held": False, "msg": "The run that this belongs to has ended."}
        own = {
            "controller": controller_name(),
            "controller_id": controller_id(),
            "run": run_of(os.getppid()),
            "playbook": playbook_name(task_vars or {}),
        }
        result = self._module(own, task_vars)
        if self._task.args.get("state") == "renewed" and not self._task.check_mode:
            return result if result.get("held") or result.get("failed") else self._lost(task_vars)
        holder = result.get("holder")
        if holder is None:
            return result
        if result["held"]:
            return self._taken(result, task_vars)
        fate = fate_of(holder["run"]) if holder["controller_id"] == own["controller_id"] else None
        if fate is Fate.IS_OVER or (fate is Fate.UNKNOWN and holder["expired"]):
            if self._task.check_mode:
                return {"changed": False, "held": False}
            # Where a third one was faster, its lease is what comes back.
            result = self._module({**own, "over": holder["run"]}, task_vars)
            holder = result.get("holder")
            if holder is None or result["held"]:
                return result
            fate = fate_of(holder["run"]) if holder["controller_id"] == own["controller_id"] else None
        sentence = refusal(str((task_vars or {}).get("inventory_hostname", "The host")), holder, fate)
        if self._task.check_mode:
            return {"changed": False, "held": False, "holder": holder, "warnings": [sentence]}
        return {"failed": True, "changed": False, "held": False, "holder": holder, "msg": sentence}

    def _module(self, own: Mapping[str, str], task_vars: Mapping[str, Any] | None) -> dict[str, Any]:
        return dict(self._execute_module(MODULE, module_args={**self._task.args, **own}, task_vars=task_vars))

    def _lost(self, task_vars: Mapping[str, Any] | None) -> dict[str, Any]:
        """What was read of the host may be old by now."""
        host = (task_vars or {}).get("inventory_hostname", "The host")
        told = f"{host} is no longer held by this run, for its lease was over or removed: nothing more is changed; run the playbook again."
        return {"failed": True, "changed": False, "held": False, "msg": told}

    def _taken(self, result: dict[str, Any], task_vars: Mapping[str, Any] | None) -> dict[str, Any]:
        """What was taken over from another controller is told: whoever is there may not know."""
        holder, host = result["holder"], (task_vars or {}).get("inventory_hostname", "The host")
        told = f"{host} was held by {who(holder)} until {moment(holder['expires'])}, and is taken over, as nobody renewed that."
        return {**result, "warnings": [*result.get("warnings", []), told]}


def playbook_name(task_vars: Mapping[str, Any]) -> str:
    """The playbook as it was called, or else the name of the play."""
    called = [os.path.basename(name) for name in context.CLIARGS.get("args") or ()]
    return ", ".join(called) or str(task_vars.get("ansible_play_name", ""))


def who(holder: Mapping[str, Any]) -> str:
    """A run, in words."""
    return f"{holder['playbook'] or 'a playbook'} of {holder['controller']}"


def moment(seconds: float) -> str:
    """A time, in words."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def refusal(host: str, holder: Mapping[str, Any], fate: Fate | None) -> str:
    """Why this run may not have the host, and what to do."""
    since = f"{host} is held by {who(holder)} since {moment(holder['since'])}"
    if fate is Fate.LIVES:
        return f"{since}, whose process {pid_of(holder['run'])} runs on this controller: wait until it has ended, or end it."
    return (
        f"{since}, until {moment(holder['expires'])} unless it is renewed: wait until that run has ended or the time is over, or remove "
        f"{PLACE} on {host} when that run is known to be over."
    )
