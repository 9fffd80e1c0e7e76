# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages that derive what CeleryExecutor needs: broker, workers, the place of the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._topology_database import database_memory_mb
from ._topology_model import Broker, Draft, Host, Results, Worker
from ._topology_sizing import NAMED_SIZES, Machine, auto_slots
from ._topology_stages import setting
from ._topology_urls import LOOPBACK, URL_SEPARATOR, amqp_url, redis_url, sentinel_url

BROKER_PORTS = {"redis": 6379, "rabbitmq": 5672}
BROKER_TLS_PORTS = {"redis": 6379, "rabbitmq": 5671}
BROKER_VHOSTS = {"redis": "0", "rabbitmq": "airflow"}
"""Redis numbers its databases, RabbitMQ names its virtual hosts."""

SENTINEL_PORT = 26379
CLUSTER_SIZE = 3
CLUSTER_VHOSTS = {"redis": "2", "rabbitmq": "airflow-quorum"}
"""From one server to a cluster and back is a change of the broker, so its queues are in a place of their own. With RabbitMQ a queue keeps
its type, and one of another type under the same name is refused; with Redis a replica that is alone again has a copy of the cluster's."""

SENTINEL_BACKEND = "airflow_celery_sentinel:Backend"
"""The class that keeps results there, of the file that daemons get."""

BROKER_DEFAULT_USERS = {"redis": "", "rabbitmq": "airflow"}
"""Redis has a default user that a password alone logs in as."""

RESULTS_SUFFIX = "_results"
REDIS_RESULTS_OFFSET = 1
"""Results in Redis are in the database after the queues'."""

INSTANCE_OPTIONS = ("queues", "concurrency", "autoscale")
DEFAULT_QUEUE = "default"
WORKER_USER = "airflow-worker"


def choose_broker(draft: Draft) -> None:
    """The broker when tasks run on workers."""
    if not draft.uses_celery:
        return
    values, group = draft.values, draft.groups["broker"]
    engine = values["airflow_broker_engine"]
    managed = values["airflow_broker_managed"]
    if managed is None:
        managed = bool(group) and not values["airflow_broker_host"]
    is_cluster = managed and engine in CLUSTER_VHOSTS and len(group) == CLUSTER_SIZE
    wanted_tls = values["airflow_broker_tls"]
    tls = bool(draft.tls) if managed or wanted_tls is None else wanted_tls
    draft.broker = Broker(
        engine=engine,
        managed=managed,
        host=values["airflow_broker_host"] or group_address(draft),
        port=values["airflow_broker_port"] or (BROKER_TLS_PORTS if tls else BROKER_PORTS).get(engine, 0),
        vhost=values["airflow_broker_vhost"] or (CLUSTER_VHOSTS if is_cluster else BROKER_VHOSTS).get(engine, ""),
        user=values["airflow_broker_user"] or BROKER_DEFAULT_USERS.get(engine, ""),
        nodes={name: draft.hosts[name].address or name for name in group} if is_cluster else {},
        tls=tls,
    )


def group_address(draft: Draft) -> str:
    """Where the broker's own host is reached by those who use it."""
    group = draft.groups["broker"]
    if not group or broker_is_alone(draft):
        return LOOPBACK[0]
    return draft.hosts[group[0]].address or group[0]


def node_name(address: str) -> str:
    """What a node of a cluster is called."""
    return f"rabbit@{address}"


def broker_is_alone(draft: Draft) -> bool:
    """Whether everything that reaches the broker is on its own host, and does so by its loopback address."""
    group = draft.groups["broker"]
    return draft.uses_loopback and len(group) < CLUSTER_SIZE and set(draft.celery_hosts) <= set(group[:1])


def choose_results(draft: Draft) -> None:
    """Where Celery keeps the outcome of its tasks: a database of its own, or Redis."""
    if draft.uses_celery and draft.database is not None and draft.values["airflow_result_backend"] == "database":
        draft.results = Results(draft.database.name + RESULTS_SUFFIX, draft.database.user + RESULTS_SUFFIX)


def default_queue(draft: Draft) -> str:
    """The queue of tasks that name none."""
    return setting(draft.config, "operators", "default_queue", DEFAULT_QUEUE)


def choose_workers(draft: Draft) -> None:
    """The workers of each host with their queues; a host's task slots are shared by those that say no number."""
    if draft.uses_celery:
        draft.workers = {name: _workers(draft, name) for name in draft.placement["worker"]}
        draft.slots = sum(most_tasks(worker) for workers in draft.workers.values() for worker in workers)


def _workers(draft: Draft, name: str) -> list[Worker]:
    instances = {key: entry for key, entry in draft.variable(name, "airflow_worker_instances").items() if isinstance(entry, Mapping)}
    first = {
        "queues": draft.variable(name, "airflow_worker_queues"),
        "concurrency": draft.variable(name, "airflow_worker_concurrency"),
        "autoscale": draft.variable(name, "airflow_worker_autoscale"),
    }
    share = max(1, _host_slots(draft, name) // (1 + len(instances)))
    workers = [_worker(draft, "", first, share, serves_logs=True)]
    return workers + [_worker(draft, key, entry, share, serves_logs=False) for key, entry in sorted(instances.items())]


def _worker(draft: Draft, instance: str, options: Mapping[str, Any], share: int, serves_logs: bool) -> Worker:
    queues, number = options.get("queues"), options.get("concurrency")
    return Worker(
        instance=instance,
        queues=tuple(str(queue) for queue in queues) if isinstance(queues, (list, tuple)) and queues else (default_queue(draft),),
        concurrency=int(str(number)) if str(number).isdigit() else share,
        # One word, as systemd takes arguments apart at blanks.
        autoscale=",".join(part.strip() for part in str(options.get("autoscale") or _autoscale_of_all(draft)).split(",")),
        serves_logs=serves_logs,
    )


def _autoscale_of_all(draft: Draft) -> str:
    """Airflow's own option, which it takes for every worker that is started without the argument."""
    return setting(draft.config, "celery", "worker_autoscale", "")


def autoscale_place(draft: Draft, host: str, worker: Worker) -> tuple[str, str]:
    """Where somebody says that a worker scales itself, and the variable that sets a fixed size in its place."""
    if worker.instance:
        entry = draft.variable(host, "airflow_worker_instances")[worker.instance]
        said, prefix = entry.get("autoscale"), f"airflow_worker_instances.{worker.instance}."
    else:
        said, prefix = draft.variable(host, "airflow_worker_autoscale"), "airflow_worker_"
    return (f"{prefix}autoscale of {host}" if said else "[celery] worker_autoscale in airflow_config"), f"{prefix}concurrency"


def _host_slots(draft: Draft, name: str) -> int:
    size = draft.variable(name, "airflow_size")
    return NAMED_SIZES.get(size) or auto_slots(Machine.of(draft.hosts[name].facts), database_memory_mb(draft, name))


def queues_only_on(draft: Draft, hosts: Sequence[str]) -> list[str]:
    """The queues that no worker of another host serves."""
    served = {name: {queue for worker in workers for queue in worker.queues} for name, workers in draft.workers.items()}
    elsewhere = {queue for name, queues in served.items() if name not in hosts for queue in queues}
    return sorted({queue for name in hosts for queue in served.get(name, ())} - elsewhere)


def most_tasks(worker: Worker) -> int:
    """How many tasks a worker runs at once at most."""
    most = worker.autoscale.partition(",")[0].strip()
    return int(most) if most.isdigit() else worker.concurrency


def broker_url(draft: Draft, name: str) -> str:
    """The address of the queues as a host uses it, empty without a broker. The nodes of a cluster are alternatives to each other."""
    broker = draft.broker
    if broker is None:
        return ""
    if broker.has_sentinels:
        return _sentinel_urls(draft, broker, name, broker.vhost)
    make = amqp_url if broker.engine == "rabbitmq" else redis_url
    hosts = _nodes_in_order(draft, broker, name) or [broker.host]
    return URL_SEPARATOR.join(make(broker.user, broker.password, host, broker.port, broker.vhost, broker.tls) for host in hosts)


def _sentinel_urls(draft: Draft, broker: Broker, name: str, number: str) -> str:
    hosts = _nodes_in_order(draft, broker, name)
    return URL_SEPARATOR.join(sentinel_url(broker.user, broker.password, host, SENTINEL_PORT, number) for host in hosts)


def _nodes_in_order(draft: Draft, broker: Broker, name: str) -> list[str]:
    """The own node first; hosts without one begin with another each, so that their connections are spread."""
    nodes = list(broker.nodes.values())
    if not nodes:
        return []
    others = [host for host in draft.hosts if host not in broker.nodes]
    first = list(broker.nodes).index(name) if name in broker.nodes else others.index(name) % len(nodes)
    return nodes[first:] + nodes[:first]


def redis_results_url(draft: Draft, name: str) -> str:
    """The address of the results in the broker's Redis as a host uses it, empty when they are elsewhere."""
    broker = draft.broker
    if broker is None or draft.results is not None or broker.engine != "redis" or not broker.vhost.isdigit():
        return ""
    number = str(int(broker.vhost) + REDIS_RESULTS_OFFSET)
    if broker.has_sentinels:
        return f"{SENTINEL_BACKEND}+{_sentinel_urls(draft, broker, name, number)}"
    return redis_url(broker.user, broker.password, broker.host, broker.port, number, broker.tls)


def shares_host_with_control(draft: Draft, name: str) -> bool:
    """Whether a daemon with the installation's secrets runs beside a host's workers."""
    return any(name in hosts for daemon, hosts in draft.placement.items() if daemon != "worker")


def worker_user(draft: Draft, host: Host) -> str | None:
    """The user that a host's tasks run as when it is not the daemons' own.

    On 3.x a worker needs neither the database nor the key that tokens are signed with: beside the daemons that have them it gets a
    user of its own, so that no task reads them.
    """
    if host.name not in draft.workers:
        return None
    wanted = host.variables.get("airflow_worker_user")
    if wanted:
        return str(wanted)
    return WORKER_USER if draft.line >= 3 and shares_host_with_control(draft, host.name) else None


def derive_celery(draft: Draft) -> None:
    """All stages in order."""
    choose_broker(draft)
    choose_results(draft)
    choose_workers(draft)
