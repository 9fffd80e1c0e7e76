# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox of each daemon, in directives of systemd (systemd.exec(5)): the less foreign code a daemon runs, the less it may do.

Three kinds of daemons are told apart. Some run no code of a DAG. Some run it outside of tasks: they parse DAGs, or run triggers. And some
run tasks, whose work is not known here: these are kept from changing the system, and from little else.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from ._topology_dags import bundle_storage
from ._topology_model import Draft, Host
from ._topology_settings import folders
from ._topology_stages import setting

TASK_PERMISSIONS = ("devices", "namespaces", "sudo")
"""What tasks may be allowed beyond what they usually need."""

WRITTEN_FILES = (
    ("core", "simple_auth_manager_passwords_file"),
    ("logging", "dag_processor_manager_log_location"),
    ("webserver", "access_logfile"),
    ("webserver", "error_logfile"),
)
WRITTEN_FOLDERS = (
    ("dag_processor", "dag_bundle_storage_path"),
    ("logging", "dag_processor_child_process_log_directory"),
    ("scheduler", "child_process_log_directory"),
)
"""Options that name what Airflow writes, outside of the folder of task logs if somebody says so."""

_DEVICES = ("PrivateDevices=yes", "DevicePolicy=closed", "ProtectClock=yes")
_NAMESPACES = ("RestrictNamespaces=yes",)
# With a user of its own a unit gets NoNewPrivileges from most of these, so that they go together with it.
_EVERYWHERE = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "LockPersonality=yes",
    "PrivateMounts=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    # glibc asks the kernel over netlink which addresses the host has.
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    # A call that is not allowed fails, where the default would end the process without a word.
    "SystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service",
)
# Not ProtectHome=yes: an interpreter, DAGs and credentials for other services may be in a home.
_WITHOUT_TASKS = (
    "PrivateTmp=yes",
    "ProtectHome=read-only",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "SystemCallFilter=~@privileged @resources",
)
# Code of DAGs may bring a compiler of its own, such as numba's.
_WITHOUT_DAGS = ("MemoryDenyWriteExecute=yes",)


def parses_dags(draft: Draft, component: str) -> bool:
    """Whether a daemon runs code of DAGs. The scheduler of 2.x parses them itself."""
    return component in ("dag_processor", "triggerer") or (component == "scheduler" and draft.line < 3)


def sandbox(draft: Draft, host: Host, component: str, runs_tasks: bool) -> list[str]:
    """The lines of a daemon's unit that keep it in its sandbox; none where `airflow_sandbox` is false."""
    if not host.variables["airflow_sandbox"]:
        return []
    if runs_tasks:
        return list(_around_tasks(draft, host))
    found = [*_EVERYWHERE, *_DEVICES, *_NAMESPACES, *_WITHOUT_TASKS]
    if not parses_dags(draft, component):
        found += _WITHOUT_DAGS
    return [*found, *_writable(_written_by_daemons(draft, host, component))]


def task_permissions(draft: Draft, host: Host) -> set[str]:
    """What a host's tasks may do beyond what they usually need. Airflow becomes another user by sudo."""
    wanted = set(host.variables["airflow_task_permissions"])
    return wanted | ({"sudo"} if setting(draft.settings, "core", "default_impersonation", "") else set())


def _around_tasks(draft: Draft, host: Host) -> Iterator[str]:
    permissions = task_permissions(draft, host)
    if "sudo" in permissions:
        # Whoever becomes root by it is meant to be able to do what root can.
        return
    yield from _EVERYWHERE
    if "devices" not in permissions:
        yield from _DEVICES
    if "namespaces" in permissions:
        yield "SystemCallFilter=@mount"
    else:
        yield from _NAMESPACES
    narrow = host.variables["airflow_task_writable_paths"]
    if narrow is None:
        yield "ProtectSystem=full"
    else:
        yield "ProtectSystem=strict"
        yield from _writable({*_written_by_airflow(draft), *narrow, "/tmp", "/var/tmp"})


def _written_by_daemons(draft: Draft, host: Host, component: str) -> set[str]:
    found = {*_written_by_airflow(draft), *host.variables["airflow_writable_paths"]}
    if parses_dags(draft, component) and not draft.values["airflow_dags"]:
        # What Python compiles of modules beside the DAGs is kept there, or is compiled anew by every process that parses one.
        found.add(folders(draft)["dags"])
    return found


def _written_by_airflow(draft: Draft) -> Iterator[str]:
    yield from (f"{draft.home}/logs", folders(draft)["logs"])
    if draft.database is None:
        # SQLite writes files beside the database.
        yield posixpath.dirname(draft.sqlite_path or "")
    storage = bundle_storage(draft)
    if storage:
        yield from (storage, f"{storage}-worker")
    for section, option in WRITTEN_FOLDERS:
        yield setting(draft.settings, section, option, "")
    for section, option in WRITTEN_FILES:
        yield posixpath.dirname(setting(draft.settings, section, option, ""))


def _writable(paths: set[str]) -> Iterator[str]:
    """The folders among them, outermost only; one that is not there is passed over, as systemd's hyphen says."""
    found = sorted(path for path in paths if path.startswith("/"))
    outer = [path for path in found if not any(path.startswith(f"{other}/") for other in found)]
    yield from (f'ReadWritePaths="-{_escaped(path)}"' for path in outer)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
