# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_status
short_description: Tell the state of an Airflow host
version_added: 0.1.0
description:
  - Reads everything about a host that a status shows, in one call - units, versions, files, the host's own pages, and what the metadata
    database, the broker, the database cluster and the load balancer say when they are asked from here.
  - It changes and starts nothing, and runs no command of Airflow's. What cannot be read is told in C(errors), and is no failure.
  - Database and broker are asked with the drivers of Airflow's virtual environment, at the addresses that the daemons of this host have.
  - The result holds no secret, but is to be seen together with that of the other hosts. M(updraft.airflow.airflow_status_report) does so.
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
    description: Folder of the installation.
    type: path
    default: /opt/airflow
  config_dir:
    description: Folder of the configuration files.
    type: path
    default: /etc/airflow
  line:
    description: Airflow's major version.
    type: int
    choices: [2, 3]
    required: true
  units:
    description: Names of the units to look at. A name may be a pattern.
    type: list
    elements: str
    default: []
  pages:
    description: The pages on which daemons of this host tell that they are well, by the daemon's name.
    type: dict
    default: {}
  ca_path:
    description: The file of the authorities that may have signed the certificates of O(pages); those of the host unless given.
    type: path
  page_names:
    description: What the certificates of O(pages) have to be for, by the daemon's name, where it is not the address.
    type: dict
    default: {}
  certificates:
    description: The files of the certificates of this host's servers.
    type: list
    elements: path
    default: []
  expected_files:
    description: What files and links are to be, by their paths. Each has either a V(sha256) or a V(target).
    type: dict
    default: {}
  database_files:
    description: Environment files of daemons. The first of them that has an address of the metadata database says where it is asked.
    type: list
    elements: path
    default: []
  broker_files:
    description: The same for the broker's address.
    type: list
    elements: path
    default: []
  queues:
    description: The queues whose messages are counted.
    type: list
    elements: str
    default: []
  nodes:
    description: The Celery workers whose answer is waited for.
    type: list
    elements: str
    default: []
  broadcast:
    description: Ask all workers, not only O(nodes).
    type: bool
    default: false
  patroni_url:
    description: The address of this host's Patroni.
    type: str
  patroni_authority:
    description: A file with the certificate of the authority that signed Patroni's.
    type: path
  etcd_url:
    description: The address of this host's etcd.
    type: str
  etcd_tls:
    description: A folder with C(ca.crt), C(server.crt) and C(server.key), with which etcd is asked.
    type: path
  pair_url:
    description: Where this host tells whether its MySQL server is the source or the replica of two.
    type: str
  proxy_socket:
    description: The socket of the proxy by which daemons of this host reach a database with several members.
    type: path
  rabbitmq_vhost:
    description: The virtual host of the queues, where this host has a node of RabbitMQ.
    type: str
  redis:
    description: Where this host has a Redis with a sentinel, its C(address), C(port), C(sentinel_port) and C(master_name).
    type: dict
  load_balancer:
    description: The load balancer on this host.
    type: str
    choices: [nginx, haproxy]
  shared_address:
    description: An address that several load balancers share.
    type: str
  dags:
    description: The link to the revision of the DAGs, where they come as such.
    type: path
  compared_dags:
    description: A folder of DAGs that has to be the same on all hosts.
    type: path
  timeout:
    description: Seconds that the database and the broker have to answer.
    type: int
    default: 40
"""

EXAMPLES = r"""
- name: Look at the host
  updraft.airflow.airflow_status:
    line: 3
    units: [airflow-scheduler.service, airflow-webserver.service]
    pages:
      scheduler: http://127.0.0.1:8974/health
    database_files: [/etc/airflow/scheduler.env]
  register: looked
"""

RETURN = r"""
status:
  description: What was found.
  returned: always
  type: dict
  contains:
    at:
      description: When it was, in seconds since the epoch by the host's clock.
      type: int
    names:
      description: The names that Airflow may know the host by.
      type: list
      elements: str
    system:
      description: Name of the system, cores, memory, load, room on the disk.
      type: dict
    airflow:
      description: Installed version, the record's version and executor, the virtual environment, its Python.
      type: dict
    units:
      description: State, start, restarts and memory of each unit that is there.
      type: dict
    pages:
      description: Whether each page answers.
      type: dict
    database:
      description: Version, size and connections of the metadata database; heartbeats, tasks of the last 24 hours, errors of imports.
      type: dict
    broker:
      description: Messages in each queue, and the queues of each worker that answered.
      type: dict
    patroni:
      description: State of the member, and the cluster as it sees it.
      type: dict
    etcd:
      description: Health of the member, and whether it leads.
      type: dict
    pair:
      description: Whether the MySQL server is the source or the replica of two, and how it follows.
      type: dict
    ways:
      description: The members of the database as the proxy of this host sees them, with the seconds for which that has been so.
      type: dict
    rabbitmq:
      description: Nodes as this one sees them, and the queues with their members.
      type: dict
    redis:
      description: The master, its replicas and the sentinels as this one sees them.
      type: dict
    load_balancer:
      description: Whether each webserver gets requests.
      type: dict
    holds_address:
      description: Whether the shared address is on this host.
      type: bool
    dags:
      description: The revision in use, and whether its files are as they were stored.
      type: dict
    fingerprint:
      description: Digests of what has to be the same on all hosts.
      type: dict
    certificates:
      description: When each of O(certificates) ends, in seconds since the epoch. Those that are not there are left out.
      type: dict
    drift:
      description: The files that are not what O(expected_files) says.
      type: list
      elements: dict
    errors:
      description: Why a part could not be read, by its name.
      type: dict
"""

import os
import subprocess
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.updraft.airflow.plugins.module_utils import child_status, host_status
from ansible_collections.updraft.airflow.plugins.module_utils._command import run_as
from ansible_collections.updraft.airflow.plugins.module_utils._failure import unforeseen
from ansible_collections.updraft.airflow.plugins.module_utils.host_child import ChildError, base_environment, run_child
from ansible_collections.updraft.airflow.plugins.module_utils.host_fingerprint import fingerprint
from ansible_collections.updraft.airflow.plugins.module_utils.host_pages import verifying

COMMAND_SECONDS = 20


class Look:
    """One look at a host; each part is read on its own, so that one that fails hides no other."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.found: dict[str, Any] = {"errors": {}}

    def part(self, name: str, read: Callable[[], Any]) -> None:
        """Read a part, or keep the reason why it cannot be."""
        self.found[name] = None
        try:
            self.found[name] = read()
        except (host_status.StatusError, OSError) as error:
            self.found["errors"][name] = host_status.one_line(error)
        except subprocess.TimeoutExpired:
            self.found["errors"][name] = "there was no answer in time"
        except Exception as error:
            self.found["errors"][name] = unforeseen(error)

    def take(self) -> dict[str, Any]:
        """All parts. What may have to wait for an answer waits beside the others."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            for done in [pool.submit(each) for each in (self._servers, self._rabbitmq, self._own_http, self._files)]:
                done.result()
        return self.found

    def _files(self) -> None:
        wanted = self.parameters
        self.found["at"] = host_status.now()
        self.part("names", host_status.own_names)
        self.part("system", lambda: host_status.system(wanted["home"]))
        self.part("airflow", lambda: host_status.airflow(wanted["home"], wanted["config_dir"]))
        self.part("units", lambda: host_status.units(run, wanted["units"]))
        self.part("drift", lambda: host_status.drift(wanted["expected_files"]))
        self.part("certificates", lambda: host_status.certificates(run, wanted["certificates"]))
        self.part("fingerprint", self._fingerprint)
        self.part("dags", lambda: host_status.dag_revision(wanted["home"], wanted["dags"]) if wanted["dags"] else None)
        self.part("load_balancer", lambda: host_status.load_balancer(wanted["load_balancer"]) if wanted["load_balancer"] else None)
        self.part("holds_address", lambda: host_status.holds_address(run, wanted["shared_address"]) if wanted["shared_address"] else None)

    def _fingerprint(self) -> dict[str, str] | None:
        wanted = self.parameters
        config_file = os.path.join(wanted["config_dir"], "airflow.cfg")
        files = [path for path in dict.fromkeys([*wanted["database_files"], *wanted["broker_files"]]) if os.path.isfile(path)]
        if not files or not os.path.isfile(config_file):
            return None
        return fingerprint(os.path.join(wanted["home"], "current"), config_file, files, wanted["compared_dags"])

    def _own_http(self) -> None:
        wanted = self.parameters
        self.part("pages", lambda: {name: self._page(name, url) for name, url in wanted["pages"].items()})
        self.part("patroni", lambda: self._patroni() if wanted["patroni_url"] else None)
        self.part("pair", lambda: host_status.pair(wanted["pair_url"]) if wanted["pair_url"] else None)
        self.part("ways", lambda: host_status.database_ways(wanted["proxy_socket"]) if wanted["proxy_socket"] else None)
        self.part("etcd", lambda: host_status.etcd(wanted["etcd_url"], wanted["etcd_tls"]) if wanted["etcd_url"] else None)

    def _page(self, name: str, url: str) -> dict[str, Any]:
        tls = verifying(self.parameters["ca_path"], self.parameters["page_names"].get(name))
        # A proxy of the environment is no way to a daemon of this host.
        return host_status.page(urllib.request.build_opener(urllib.request.ProxyHandler({}), *tls), url)

    def _patroni(self) -> dict[str, Any]:
        return host_status.patroni(self.parameters["patroni_url"], self.parameters["patroni_authority"])

    def _rabbitmq(self) -> None:
        vhost = self.parameters["rabbitmq_vhost"]
        self.part("rabbitmq", lambda: host_status.rabbitmq(run, vhost) if vhost else None)
        self.part("redis", lambda: host_status.redis(self.parameters["redis"]) if self.parameters["redis"] else None)

    def _servers(self) -> None:
        self.part("servers", self._ask_servers)
        answers = self.found.pop("servers") or {}
        reason = self.found["errors"].pop("servers", None)
        for name in ("database", "broker"):
            answer = answers.get(name)
            if self.parameters[f"{name}_files"] and reason:
                self.found["errors"][name] = reason
            if answer and "error" in answer:
                self.found["errors"][name] = answer["error"]
            self.found[name] = answer if answer and "error" not in answer else None

    def _ask_servers(self) -> dict[str, Any]:
        wanted = self.parameters
        database_url = host_status.setting_of(wanted["database_files"], host_status.DATABASE_URL)
        broker_url = host_status.setting_of(wanted["broker_files"], host_status.BROKER_URL)
        if not database_url and not broker_url:
            if wanted["database_files"] or wanted["broker_files"]:
                raise host_status.StatusError(f"no file in {wanted['config_dir']} says where it is")
            return {}
        python = os.path.join(wanted["home"], "current", "bin", "python")
        if not os.path.exists(python):
            raise host_status.StatusError(f"{python} is not there, with which it is asked")
        request = {
            "line": wanted["line"],
            "database_url": database_url,
            "broker_url": broker_url,
            "broker_options": host_status.broker_options(wanted["broker_files"], os.path.join(wanted["config_dir"], "airflow.cfg")),
            "broker_ssl": host_status.broker_ssl(wanted["broker_files"], os.path.join(wanted["config_dir"], "airflow.cfg")),
            **{name: wanted[name] for name in ("queues", "nodes", "broadcast")},
        }
        try:
            return run_child(python, child_status, request, base_environment("/"), timeout=wanted["timeout"])
        except ChildError as error:
            raise host_status.StatusError(str(error)) from None


def run(command: Sequence[str]) -> tuple[int, str, str]:
    """Run a command. Threads share no state of the module's own way to do so."""
    try:
        done = run_as(None, command, base_environment("/root"), timeout=COMMAND_SECONDS)
    except FileNotFoundError:
        return 127, "", f"{command[0]} is not there"
    return done.returncode, done.stdout, done.stderr


def main() -> None:
    """Run the module."""
    texts = {"type": "list", "elements": "str", "default": []}
    paths = {"type": "list", "elements": "path", "default": []}
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "default": "/opt/airflow"},
            "config_dir": {"type": "path", "default": "/etc/airflow"},
            "line": {"type": "int", "choices": [2, 3], "required": True},
            "units": texts,
            "pages": {"type": "dict", "default": {}},
            "ca_path": {"type": "path"},
            "page_names": {"type": "dict", "default": {}},
            "certificates": paths,
            "expected_files": {"type": "dict", "default": {}},
            "database_files": paths,
            "broker_files": paths,
            "queues": texts,
            "nodes": texts,
            "broadcast": {"type": "bool", "default": False},
            "patroni_url": {"type": "str"},
            "patroni_authority": {"type": "path"},
            "etcd_url": {"type": "str"},
            "etcd_tls": {"type": "path"},
            "pair_url": {"type": "str"},
            "proxy_socket": {"type": "path"},
            "rabbitmq_vhost": {"type": "str"},
            "redis": {"type": "dict"},
            "load_balancer": {"choices": ["nginx", "haproxy"]},
            "shared_address": {"type": "str"},
            "dags": {"type": "path"},
            "compared_dags": {"type": "path"},
            "timeout": {"type": "int", "default": 40},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, status=Look(module.params).take())


if __name__ == "__main__":
    main()
