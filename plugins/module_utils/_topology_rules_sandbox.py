# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about the sandboxes of daemons and tasks."""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterator

from ._topology_model import Draft, listed
from ._topology_sandbox import TASK_PERMISSIONS, task_permissions


def task_permissions_are_known(draft: Draft) -> Iterator[str]:
    """Permissions by name."""
    for host in draft.used_hosts:
        for name in draft.variable(host, "airflow_task_permissions"):
            if name not in TASK_PERMISSIONS:
                near = difflib.get_close_matches(name, TASK_PERMISSIONS, 1)
                meant = f" Did you mean {near[0]}?" if near else ""
                yield f"airflow_task_permissions of {host} has {name!r}: use {listed(TASK_PERMISSIONS)}.{meant}"


def writable_paths_are_absolute(draft: Draft) -> Iterator[str]:
    """systemd passes over any other path with a warning in its journal."""
    for host in draft.used_hosts:
        for variable in ("airflow_writable_paths", "airflow_task_writable_paths"):
            for path in draft.variable(host, variable) or []:
                if not path.startswith("/") or "\n" in path or posixpath.normpath(path) != path.rstrip("/"):
                    yield f"{variable} of {host} has {path!r}: write an absolute path without '.' and '..' in it."


def narrow_tasks_are_in_a_sandbox(draft: Draft) -> Iterator[str]:
    """A list of folders that keeps nobody from writing elsewhere is a mistake."""
    for host in draft.used_hosts:
        if draft.variable(host, "airflow_task_writable_paths") is None:
            continue
        if not draft.variable(host, "airflow_sandbox"):
            yield (
                f"airflow_task_writable_paths of {host} is set, and airflow_sandbox is false, without which nothing is kept from tasks: "
                "remove one."
            )
        elif "sudo" in task_permissions(draft, draft.hosts[host]):
            yield (
                f"airflow_task_writable_paths of {host} is set, and its tasks may use sudo, which is in no sandbox: remove one, or "
                "[core] default_impersonation, which implies it."
            )


def tasks_get_a_sandbox(draft: Draft) -> Iterator[str]:
    """Notes: what was made by hand has none, and a task that needs what it keeps away fails when it runs, which may be a week later."""
    on = draft.adopted_on
    if not draft.taking_over or on is None or not draft.variable(on, "airflow_sandbox") or task_permissions(draft, draft.hosts[on]):
        return
    yield (
        "Tasks run in a sandbox from now on: sudo, setuid programs, devices such as graphics processors, and sandboxes of their own "
        "(browsers) are kept from them. Set airflow_task_permissions where they need these."
    )


NOTES = (tasks_get_a_sandbox,)
RULES = (task_permissions_are_known, writable_paths_are_absolute, narrow_tasks_are_in_a_sandbox)
