# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a status looks at: the parts of the installation and of each host, as far as they are known when some hosts were not read.

Nothing here is a secret, so that it can be shown and kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._topology_celery import default_queue, most_tasks
from ._topology_certificates import certificates
from ._topology_daemons import BROKER_UNITS, daemon_asked, unit_name
from ._topology_dags import comes_as_revision, compared_dags
from ._topology_database import is_cluster, is_pair, is_patroni
from ._topology_load_balancer import PROBE_UNIT, has_probe
from ._topology_model import CONTROL_DAEMONS, DAEMONS, SERVICES, Draft
from ._topology_mysql_pair import OPEN_UNIT, ROLE_UNIT, role_url
from ._topology_patroni import API_PORT, ETCD_CLIENT_PORT, ETCD_TLS_DIR, PROXY_SOCKET, PROXY_UNIT, TLS_DIR, UNITS, address_of
from ._topology_pgbouncer import POOL_UNIT, has_pool
from ._topology_sentinel import SENTINEL_UNITS, sentinel_place
from ._topology_settings import CONFIG_DIR, folders
from ._topology_tls import AUTHORITY
from ._topology_urls import bracketed

DATABASE_UNITS: Mapping[str, tuple[str, ...]] = {
    "postgresql": ("postgresql@*.service", "postgresql.service"),
    "mysql": ("mysql.service", "mysqld.service"),
}
"""As the distributions name them, the one that counts first: Debian's postgresql.service only stands for its clusters."""

LOAD_BALANCER_UNITS: Mapping[str, tuple[str, ...]] = {"nginx": ("nginx.service",), "haproxy": ("haproxy.service",)}


def installation_status(draft: Draft) -> dict[str, Any]:
    """What holds for all hosts."""
    database, broker, balancer = draft.database, draft.broker, draft.load_balancer
    return {
        "name": draft.values["airflow_installation"],
        "version": draft.version,
        "line": draft.line,
        "executor": draft.executor,
        "size": draft.values["airflow_size"],
        "slots": draft.slots,
        "base_url": draft.base_url,
        "database": {
            "engine": draft.engine,
            "managed": database.managed if database else True,
            "is_cluster": is_cluster(draft),
            "place": f"{database.name} on {database.host}:{database.port}" if database else draft.sqlite_path,
        },
        "broker": None
        if broker is None
        else {
            "engine": broker.engine,
            "managed": broker.managed,
            "is_cluster": broker.is_cluster,
            "place": f"{broker.host}:{broker.port}",
        },
        "load_balancer": None
        if balancer is None
        else {"engine": balancer.engine, "address": balancer.shared_address, "servers": list(draft.placement["webserver"])},
        "queues": queues(draft),
        "hosts": {name: parts(draft, name) for name in draft.hosts},
    }


def parts(draft: Draft, name: str) -> list[str]:
    """What a host is there for, by component."""
    return [part for part in DAEMONS if name in draft.placement[part]] + [part for part in SERVICES if name in draft.groups[part]]


def queues(draft: Draft) -> list[str]:
    """The queues that somebody is to serve."""
    if not draft.uses_celery:
        return []
    served = dict.fromkeys(queue for workers in draft.workers.values() for worker in workers for queue in worker.queues)
    return list(served) or [default_queue(draft)]


def host_status(draft: Draft, name: str) -> dict[str, Any]:
    """What is to be found on one host."""
    host = draft.hosts[name]
    return {
        "name": name,
        "address": host.address,
        "hostname": (host.info or {}).get("hostname"),
        "size": host.variables.get("airflow_size"),
        "parts": parts(draft, name),
        "daemons": _daemons(draft, name),
        "servers": _servers(draft, name),
        "probes": _probes(draft, name),
        # What comes with the DAGs may be installed too, and they are not fetched for a status.
        "unknown_paths": [f"{draft.home}/current"] if comes_as_revision(draft) else [],
    }


def _daemons(draft: Draft, name: str) -> list[dict[str, Any]]:
    host = draft.hosts[name]
    found = []
    for component in DAEMONS:
        if component == "worker":
            for worker in draft.workers.get(name, []):
                asked = daemon_asked(draft, host, component, worker)
                further = {"queues": list(worker.queues), "slots": most_tasks(worker)}
                found.append({"name": worker.name, "component": component, "unit": f"{unit_name(worker.name)}.service", **asked, **further})
        elif name in draft.placement[component]:
            asked = daemon_asked(draft, host, component)
            found.append({"name": component, "component": component, "unit": f"{unit_name(component)}.service", **asked, "slots": None})
    return [
        {key: daemon[key] for key in ("name", "component", "unit", "url", "server_name", "job_type", "node", "queues", "slots")}
        for daemon in found
    ]


def _servers(draft: Draft, name: str) -> list[dict[str, Any]]:
    """Servers beside Airflow's daemons, each with the names that its unit may have."""
    database, broker, balancer = draft.database, draft.broker, draft.load_balancer
    found: list[tuple[str, str, tuple[str, ...]]] = []
    if database is not None and database.managed and name in draft.groups["metadata_db"]:
        if is_patroni(draft):
            found += [(unit.partition(".")[0], "metadata_db", (unit,)) for unit in UNITS]
        else:
            found.append((database.engine, "metadata_db", DATABASE_UNITS[database.engine]))
        if is_pair(draft):
            found += [("database's role", "metadata_db", (ROLE_UNIT,)), ("database's guard", "metadata_db", (OPEN_UNIT,))]
    if is_cluster(draft) and name in draft.airflow_hosts:
        found.append(("way to the database", "proxy", (PROXY_UNIT,)))
    if has_pool(draft, name):
        found.append(("pool of connections", "proxy", (POOL_UNIT,)))
    if broker is not None and broker.managed and name in draft.groups["broker"]:
        found.append((broker.engine, "broker", BROKER_UNITS[broker.engine]))
        if broker.has_sentinels:
            found.append(("sentinel", "broker", SENTINEL_UNITS))
    if balancer is not None and name in draft.groups["load_balancer"]:
        found.append((balancer.engine, "load_balancer", LOAD_BALANCER_UNITS[balancer.engine]))
        if has_probe(draft, name):
            found.append(("probe of the webservers", "load_balancer", (PROBE_UNIT,)))
        if balancer.shared_address:
            found.append(("keepalived", "load_balancer", ("keepalived.service",)))
    return [{"name": title, "component": component, "units": list(units)} for title, component, units in found]


def _probes(draft: Draft, name: str) -> dict[str, Any]:
    """What the module airflow_status is asked to look at, by its options."""
    host = draft.hosts[name]
    database, broker, balancer = draft.database, draft.broker, draft.load_balancer
    controls = [daemon for daemon in CONTROL_DAEMONS if name in draft.placement[daemon]]
    workers = [daemon["node"] for daemon in _daemons(draft, name) if daemon["component"] == "worker"]
    schedules = "scheduler" in controls and broker is not None
    in_cluster = database is not None and is_patroni(draft) and name in draft.groups["metadata_db"]
    address = bracketed(address_of(host))
    return {
        "database_files": [f"{CONFIG_DIR}/{daemon}.env" for daemon in controls],
        "broker_files": [f"{CONFIG_DIR}/{part}.env" for part, here in (("scheduler", schedules), ("worker", bool(workers))) if here],
        "queues": queues(draft) if schedules else [],
        "nodes": _all_nodes(draft) if schedules else workers,
        "broadcast": schedules,
        "patroni_url": f"https://{address}:{API_PORT}" if in_cluster else None,
        "patroni_authority": f"{TLS_DIR}/ca.crt" if in_cluster else None,
        "etcd_url": f"https://{address}:{ETCD_CLIENT_PORT}" if in_cluster else None,
        "etcd_tls": ETCD_TLS_DIR if in_cluster else None,
        "pair_url": role_url(host) if is_pair(draft) and name in draft.groups["metadata_db"] else None,
        "proxy_socket": PROXY_SOCKET if is_pair(draft) and name in draft.airflow_hosts else None,
        "ca_path": AUTHORITY if draft.tls else None,
        "certificates": sorted({each["certificate"] for each in certificates(draft, name) if each["certificate"]}),
        "rabbitmq_vhost": broker.vhost
        if broker and broker.managed and broker.engine == "rabbitmq" and name in draft.groups["broker"]
        else None,
        "redis": sentinel_place(broker, name) if broker and broker.has_sentinels and name in broker.nodes else None,
        "load_balancer": balancer.engine if balancer and name in draft.groups["load_balancer"] else None,
        "shared_address": balancer.shared_address or None if balancer and name in draft.groups["load_balancer"] else None,
        "dags": folders(draft)["dags"] if comes_as_revision(draft) and controls + workers else None,
        "compared_dags": compared_dags(draft, name, folders(draft)["dags"]),
    }


def _all_nodes(draft: Draft) -> list[str]:
    return [daemon["node"] for name in draft.workers for daemon in _daemons(draft, name) if daemon["component"] == "worker"]
