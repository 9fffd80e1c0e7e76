# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_host_info
short_description: Describe a host for an installation of Airflow
version_added: 0.1.0
description:
  - Tells which Python interpreters a host has, what this collection installed on it before, and what a hand-made installation to take
    over consists of.
  - It only reads, and starts nothing but the Python interpreters of the system, each once. What runs is found in C(/proc), packages by
    their metadata, and an SQLite database is opened read-only.
  - A hand-made installation whose take-over is already recorded is not looked at again, unless it is the one in service again.
  - The result holds secrets. Set C(no_log) on the task. C(msg) of a failure holds none; M(updraft.airflow.airflow_topology) tells it
    where the task goes on nevertheless (C(failed_when)).
author:
  - the updraft.airflow contributors (@updraft-airflow)
attributes:
  check_mode:
    support: full
    description: The module only reads, so check mode makes no difference.
  diff_mode:
    support: none
    description: Nothing is changed.
options:
  home:
    description: Folder of this collection's installation.
    type: path
    default: /opt/airflow
  config_dir:
    description: Folder of this collection's configuration files.
    type: path
    default: /etc/airflow
  adopt_home:
    description: The C(AIRFLOW_HOME) of a hand-made installation that is to be taken over.
    type: path
  users:
    description: Names of users to look for.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Look at the host
  updraft.airflow.airflow_host_info:
    adopt_home: /home/jane/airflow
  register: __airflow_host
  no_log: true
  failed_when: false
"""

RETURN = r"""
airflow_host:
  description: What was found.
  returned: success
  type: dict
  contains:
    hostname:
      description: Fully qualified name of the host.
      type: str
    pythons:
      description: CPython interpreters of 3.9 or newer, newest first.
      type: list
      elements: dict
      sample: [{path: /usr/bin/python3.11, version: 3.11.2}]
    users:
      description: Those of O(users) that the host knows, each with the name of its primary group.
      type: dict
      sample: {airflow: airflow}
    units:
      description: The units that this collection installed on the host.
      type: list
      elements: str
      sample: [airflow-scheduler.service, airflow-worker@reports.service]
    systemd:
      description: Whether systemd is process 1.
      type: bool
    clock:
      description:
        - By how many seconds the host's clock is ahead of the controller's, at least (C(least)) and at most (C(most)), as both were read
          before and after. Where the module is run without its action plugin, it is the host's time.
      type: dict
    free_mb:
      description: Free space for C(home), C(config_dir), and the data of servers of C(postgresql) and C(mysql).
      type: dict
    devices:
      description: The number of the file system that each of these is on.
      type: dict
    copies_mb:
      description: What the DAGs, plugins and task logs take that would be copied.
      type: int
    installation:
      description: The record of this collection's installation, with C(environment) of each daemon; none when there is no installation.
      type: dict
    adopted:
      description:
        - The hand-made installation. None without O(adopt_home), and when it was already taken over.
        - C(environment_unreadable) names the daemons whose environment could not be read.
        - C(strangers) are processes that have its SQLite database open and are none of its daemons.
        - C(problems) are sentences that say why it cannot be taken over.
      type: dict
    lifted:
      description:
        - What is left of the installation that was lifted from SQLite. None where none was.
        - C(source_is_there) (its database), C(backup_is_there) (the copy that the move kept), C(remembered) (kinds of daemons that can be
          started again as they were) and C(running) (kinds of those that run).
        - C(is_gone_back) (whether the playbook C(rollback) has put it into service again) and C(record_is_there) (whether there is a
          record of that).
      type: dict
    metadata:
      description:
        - What the SQLite database holds that a move would read. None when there is no SQLite database.
        - C(import_errors) are the files that do not parse today.
      type: dict
    postgresql_clusters:
      description: The PostgreSQL clusters below C(/etc/postgresql) whose server is installed, with C(name), C(config_dir), C(data_dir),
        C(port), C(own) (whether it serves this collection's database), C(disabled) (whether nothing starts it), C(settings) (what this
        collection set) and C(databases) (how many somebody made).
      type: list
      elements: dict
    patroni:
      description: The member of a highly available cluster of PostgreSQL that this collection made, with C(is_made) (whether it has the
        data), C(version), C(data_dir), C(members) (their addresses), C(settings) and C(passwords). None where there is none.
      type: dict
    etcd:
      description: The member of etcd that this collection made for such a cluster, with C(is_made) (whether it has taken part),
        C(cluster) and C(state) (how it began) and C(members) (the addresses it knew by name then). None where there is none.
      type: dict
    mysql_server:
      description: The server of MySQL or MariaDB that is installed, with C(kind) (V(mysql) or V(mariadb)), C(version) (the last that ran),
        C(own) (whether it serves this collection's database), C(settings) (what this collection set) and C(databases) (how many
        somebody made). Empty where there is none.
      type: dict
    brokers:
      description: The servers of Redis, Valkey and RabbitMQ that are installed, with C(engine) (V(redis) or V(rabbitmq)), C(title),
        C(config), C(own) (whether it is this collection's) and C(used) (why somebody else seems to use it, empty where nobody does).
        RabbitMQ also with the name that was given to its C(node), and the C(cookie) of this collection's cluster.
      type: list
      elements: dict
    load_balancers:
      description: The engines of this collection's load balancers that have settings on the host, V(nginx) or V(haproxy).
      type: list
      elements: str
"""

import glob
import grp
import os
import pwd
import socket
import sqlite3
import time
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.module_utils.host_adopted import describe
from ansible_collections.updraft.airflow.plugins.module_utils.host_brokers import find_brokers
from ansible_collections.updraft.airflow.plugins.module_utils.host_interpreters import find_interpreters
from ansible_collections.updraft.airflow.plugins.module_utils.host_lifted import describe_lift
from ansible_collections.updraft.airflow.plugins.module_utils.host_load_balancer import find_load_balancers
from ansible_collections.updraft.airflow.plugins.module_utils.host_mysql import find_server
from ansible_collections.updraft.airflow.plugins.module_utils.host_patroni import find_etcd, find_patroni
from ansible_collections.updraft.airflow.plugins.module_utils.host_postgresql import find_clusters
from ansible_collections.updraft.airflow.plugins.module_utils.host_restart import RESTART_FILE, RestartFileError
from ansible_collections.updraft.airflow.plugins.module_utils.host_sqlite import read_metadata
from ansible_collections.updraft.airflow.plugins.module_utils.host_state import read_installation

UNIT_FOLDER = "/etc/systemd/system"
OWN_MARK = "(updraft.airflow)"
SERVER_DATA = {"postgresql": "/var/lib/postgresql", "mysql": "/var/lib/mysql"}
"""Where database servers keep their data, unless somebody moved it."""


class HostInfoError(Exception):
    """Something of this collection's own cannot be read; the text is for the user, and holds no secret."""


def room(paths: dict[str, str]) -> dict[str, dict[str, int]]:
    """Free space where each folder is, or where it would be made, and which of them share it."""
    found: dict[str, dict[str, int]] = {"free_mb": {}, "devices": {}}
    for name, path in paths.items():
        while not os.path.exists(path):
            path = os.path.dirname(path)
        status = os.statvfs(path)
        found["free_mb"][name] = status.f_bavail * status.f_frsize // 1024**2
        found["devices"][name] = os.stat(path).st_dev
    return found


def copied_folders(adopted: dict[str, Any] | None) -> list[str]:
    """The folders of a hand-made installation that a take-over copies."""
    return [adopted[name] for name in ("dags_folder", "plugins_folder", "base_log_folder") if adopted.get(name)] if adopted else []


def size_mb(folder: str) -> int:
    """What the files below a folder take."""
    size = 0
    for place, _folders, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                size += os.lstat(os.path.join(place, name)).st_blocks * 512
    return size // 1024**2


def sqlite_path(installation: dict[str, Any] | None, adopted: dict[str, Any] | None) -> str | None:
    """The SQLite database that a move would read."""
    if adopted:
        return (adopted.get("metadata") or {}).get("path")
    if installation and installation.get("engine") == "sqlite":
        return (installation.get("database") or {}).get("path")
    return None


def already_taken_over(installation: dict[str, Any] | None, adopt_home: str) -> bool:
    """Whether the record says that this AIRFLOW_HOME was taken over."""
    return ((installation or {}).get("adopted") or {}).get("home") == adopt_home


def own_units(folder: str = UNIT_FOLDER) -> list[str]:
    """The units of Airflow that this collection wrote, by the first line of their files."""
    found = []
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "airflow-*.service"))):
        with suppress(OSError), open(path, encoding="utf-8", errors="replace") as handle:
            if OWN_MARK in handle.readline():
                found.append(os.path.basename(path))
    return found


def known_users(names: list[str]) -> dict[str, str]:
    """The names that belong to a user, with their groups; asked one by one, as a directory service need not list all it has."""
    known = {}
    for name in names:
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            known[user.pw_name] = grp.getgrgid(user.pw_gid).gr_name
    return known


def read_record(config_dir: str) -> dict[str, Any] | None:
    """What this collection installed before. Raises HostInfoError."""
    try:
        return read_installation(config_dir)
    except (OSError, ValueError) as error:
        raise HostInfoError(f"The record of the installation in {config_dir} cannot be read ({error}); repair it, or restore it") from None


def read_lift(installation: dict[str, Any] | None, home: str) -> dict[str, Any] | None:
    """What is left of the installation that was lifted. Raises HostInfoError."""
    try:
        return describe_lift(installation, home)
    except ValueError as error:
        raise HostInfoError(f"The record of a rollback cannot be read ({error}); repair it, or remove it") from None


def look(parameters: dict[str, Any]) -> dict[str, Any]:
    """Everything the module returns."""
    pythons = find_interpreters()
    installation = read_record(parameters["config_dir"])
    adopt_home = parameters["adopt_home"]
    lifted = read_lift(installation, parameters["home"])
    adopted = None
    if adopt_home:
        adopt_home = os.path.normpath(adopt_home)
        if not already_taken_over(installation, adopt_home) or (lifted or {}).get("is_gone_back"):
            adopted = describe(adopt_home, pythons, os.path.join(parameters["home"], RESTART_FILE))
    return {
        "hostname": socket.getfqdn(),
        "pythons": pythons,
        "units": own_units(),
        "users": known_users(parameters["users"]),
        "systemd": os.path.isdir("/run/systemd/system"),
        "clock": time.time(),
        **room({"home": parameters["home"], "config_dir": parameters["config_dir"], **SERVER_DATA}),
        "copies_mb": sum(map(size_mb, copied_folders(adopted))),
        "installation": installation,
        "adopted": adopted,
        "lifted": lifted,
        "metadata": read_database(sqlite_path(installation, adopted), adopted),
        "postgresql_clusters": find_clusters(),
        "patroni": find_patroni(),
        "etcd": find_etcd(),
        "mysql_server": find_server(),
        "brokers": find_brokers(),
        "load_balancers": find_load_balancers(),
    }


def read_database(path: str | None, adopted: dict[str, Any] | None) -> dict[str, Any] | None:
    """The database's content; one that cannot be read is a problem of the take-over."""
    if path is None:
        return None
    try:
        found = read_metadata(path)
    except (sqlite3.Error, OSError) as error:
        if adopted is None:
            raise HostInfoError(f"The metadata database {path} cannot be read ({error}); repair it, or restore it") from None
        adopted["problems"].append(why_unread(path, error, adopted.get("strangers") or []))
        return None

    if adopted and adopted.get("strangers"):
        holder = ", ".join(adopted["strangers"])
        adopted["problems"].append(
            f"The metadata database {path} is in use by {holder}, which is none of the daemons that are stopped for a move; end that, and "
            "run again."
        )
    return found


def why_unread(path: str, error: Exception, strangers: list[str]) -> str:
    """A sentence about a database that could not be read."""
    if "locked" in str(error):
        holder = ", ".join(strangers) or "a process"
        return f"The metadata database {path} is locked by {holder}, and could not be read; end that, and run again."
    return f"The metadata database {path} cannot be read ({error}); repair it or correct sql_alchemy_conn."


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "default": "/opt/airflow"},
            "config_dir": {"type": "path", "default": "/etc/airflow"},
            "adopt_home": {"type": "path"},
            "users": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        found = look(module.params)
    except (HostInfoError, RestartFileError, OSError) as error:
        module.fail_json(msg=str(error))
    except Exception as error:
        module.fail_json(msg=unforeseen(error))
    module.exit_json(changed=False, airflow_host=found)


if __name__ == "__main__":
    main()
