# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox of each daemon, in directives of systemd (systemd.exec(5)): the less foreign code a daemon runs, the less it may do.

Three kinds of daemons are told apart. Some run no code of a DAG. Some run it outside of tasks: they parse DAGs, or run triggers. And some
run tasks, whose work is not known here: these are kept from changing the system, and from little else.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from ._topology_dags import bundle_storage
from ._topology_model import Draft, Host
from ._topology_settings import folders
from ._topology_stages import setting

TASK_PERMISSIONS = ("devices", "namespaces", "sudo")
"""What tasks may be allowed beyond what they usually need."""

WRITTEN = (
    ("core", "simple_auth_manager_passwords_file"),
    ("dag_processor", "dag_bundle_storage_path"),
    ("logging", "dag_processor_child_process_log_directory"),
    ("logging", "dag_processor_manager_log_location"),
    ("scheduler", "child_process_log_directory"),
    ("webserver", "access_logfile"),
    ("webserver", "error_logfile"),
)
"""Options that name what Airflow writes, outside of the folder of task logs if somebody says so."""

_TEMPORARY = ("/tmp", "/var/tmp")
_OF_THE_SYSTEM = ("/usr", "/boot", "/efi", "/etc")
"""What `ProtectSystem=full` makes read-only."""

_DEVICES = ("PrivateDevices=yes", "DevicePolicy=closed", "ProtectClock=yes")
# Whoever makes namespaces wants to mount a /proc in them, which the kernel refuses where parts of the present one are covered.
_NAMESPACES = ("RestrictNamespaces=yes", "ProtectKernelLogs=yes", "ProtectKernelTunables=yes")
# With a user of its own a unit gets NoNewPrivileges from most of these, so that they go together with it.
_EVERYWHERE = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "LockPersonality=yes",
    "PrivateMounts=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelModules=yes",
    # glibc asks the kernel over netlink which addresses the host has.
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX",
    "RestrictRealtime=yes",
    "SystemCallArchitectures=native",
    # A call that is not allowed fails, where the default would end the process without a word.
    "SystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service",
)
# Not ProtectHome=yes: an interpreter, DAGs and credentials for other services may be in a home.
_WITHOUT_TASKS = (
    "ProtectHome=read-only",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    # Tasks may copy trees with folders that hand down their group.
    "RestrictSUIDSGID=yes",
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
    written = _written(draft, host, parses_dags(draft, component))
    found = [*_EVERYWHERE, *_DEVICES, *_NAMESPACES, *_WITHOUT_TASKS]
    if not any(_is_below(path, _TEMPORARY) for path in {*written, *_looked_at(draft)}):
        found.append("PrivateTmp=yes")
    if not parses_dags(draft, component):
        found += _WITHOUT_DAGS
    return [*found, *_writable(written)]


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
    written, narrow = _written(draft, host, runs_code=True), host.variables["airflow_task_writable_paths"]
    if narrow is None:
        yield "ProtectSystem=full"
        yield from _writable({path for path in written if _is_below(path, _OF_THE_SYSTEM)})
    else:
        yield "ProtectSystem=strict"
        yield from _writable({*written, *narrow, *_TEMPORARY})


def _written(draft: Draft, host: Host, runs_code: bool) -> set[str]:
    """What a daemon writes to, whatever its tasks do."""
    found = {*_written_by_airflow(draft), *host.variables["airflow_writable_paths"]}
    if runs_code and not draft.values["airflow_dags"]:
        # What Python compiles of modules beside the DAGs is kept there, or is compiled anew by every process that parses one.
        found.add(folders(draft)["dags"])
    return {path for path in found if path.startswith("/")}


def _written_by_airflow(draft: Draft) -> Iterator[str]:
    yield from (f"{draft.home}/logs", folders(draft)["logs"])
    if draft.database is None:
        # SQLite writes files beside the database.
        yield posixpath.dirname(draft.sqlite_path or "")
    storage = bundle_storage(draft)
    if storage:
        yield from (storage, f"{storage}-worker")
    for section, option in WRITTEN:
        place = setting(draft.settings, section, option, "")
        for home in ("{AIRFLOW_HOME}", "${AIRFLOW_HOME}", "$AIRFLOW_HOME"):
            place = place.replace(home, draft.home)
        # The folder of a file; and a folder that is not there yet Airflow makes in another one.
        yield posixpath.dirname(place.rstrip("/"))


def _looked_at(draft: Draft) -> Iterator[str]:
    """What a daemon has to see where others see it."""
    yield from (folders(draft)["dags"], folders(draft)["plugins"])
    if setting(draft.settings, "core", "security", "") == "kerberos":
        yield setting(draft.settings, "kerberos", "ccache", _TEMPORARY[0])


def _is_below(path: str, tops: tuple[str, ...]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)


def _writable(paths: Iterable[str]) -> Iterator[str]:
    """The folders among them, outermost only; one that is not there is passed over, as systemd's hyphen says."""
    found = sorted(path.rstrip("/") for path in paths)
    outer = [path for path in found if path and not any(path.startswith(f"{other}/") for other in found if other)]
    yield from (f'ReadWritePaths="-{_escaped(path)}"' for path in dict.fromkeys(outer))


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
