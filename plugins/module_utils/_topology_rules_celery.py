# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about CeleryExecutor: its broker, its workers and their queues, the results, Flower."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping

from ._topology_broker import present_node
from ._topology_celery import CLUSTER_SIZE, INSTANCE_OPTIONS, autoscale_place, default_queue, group_address, node_name, worker_user
from ._topology_daemons import service_user
from ._topology_model import Draft, counted, listed
from ._topology_sentinel import REPLICATION_USER, SENTINEL_USER, servers_keep_their_place
from ._topology_settings import QUORUM_QUEUES, SENTINEL_OPTIONS
from ._topology_stages import setting
from ._topology_urls import LOOPBACK, is_ipv4

BROKER_ENGINES = ("redis", "rabbitmq")
RESULT_BACKENDS = ("database", "redis")
QUEUE_NAME = r"[A-Za-z0-9_.-]+"
INSTANCE_NAME = r"[A-Za-z0-9_-]+"
BROKER_NAME = r"[A-Za-z0-9_.-]+"
COOKIE = r"[A-Za-z0-9_.-]{20,200}"
USER_NAME = r"[a-z_][a-z0-9_-]{0,31}"
LAST_REDIS_DATABASE = 15


def celery_needs_workers(draft: Draft) -> Iterator[str]:
    """Somebody has to run the tasks, and workers have to be asked."""
    workers, wanted = draft.groups["worker"], draft.values["airflow_executor"]
    if draft.uses_celery and not workers:
        yield f"airflow_executor is CeleryExecutor and no worker would run its tasks: put a host into {draft.group('worker')}."
    elif workers and wanted and not draft.uses_celery:
        yield (
            f"Group {draft.group('worker')} has hosts ({listed(workers)}) and airflow_executor is {wanted}, which has no workers: remove "
            "one of them."
        )


def celery_needs_a_database_server(draft: Draft) -> Iterator[str]:
    """SQLite is a file that one process writes."""
    if draft.uses_celery and draft.engine == "sqlite":
        yield (
            f"CeleryExecutor needs a database server, and the inventory names none: put a host into {draft.group('metadata_db')} or set "
            "airflow_metadata_db_host."
        )


def broker_is_named(draft: Draft) -> Iterator[str]:
    """A broker needs a place: a host of the group or an address."""
    if not draft.uses_celery:
        return
    group, host, managed = draft.groups["broker"], draft.values["airflow_broker_host"], draft.values["airflow_broker_managed"]
    if managed and not group:
        yield f"airflow_broker_managed is true and group {draft.group('broker')} has no host: put one into it."
    elif not group and not host:
        subject = "airflow_broker_managed is false" if managed is False else "CeleryExecutor needs a broker for its queues"
        yield f"{subject} and no broker is named: set airflow_broker_host, or put a host into {draft.group('broker')}."
    elif group and managed and host and draft.broker is not None and host != group_address(draft):
        address = group_address(draft)
        yield (
            f"airflow_broker_host is {host}, and the broker that airflow_broker_managed (true) provides is reached at {address}: remove "
            f"airflow_broker_host; airflow_advertised_address of {group[0]} is for another address."
        )
    elif group and host and managed is None:
        yield (
            f"airflow_broker_host is {host} and group {draft.group('broker')} has hosts ({listed(group)}): remove one of them, or say "
            "which it is by airflow_broker_managed."
        )


def broker_engine_is_known(draft: Draft) -> Iterator[str]:
    """The brokers that Celery supports in full."""
    engine = draft.values["airflow_broker_engine"]
    if engine == "valkey":
        yield "airflow_broker_engine is valkey: write redis, which is Valkey where the distribution has it."
    elif engine not in BROKER_ENGINES:
        yield f"airflow_broker_engine is {engine!r}: use {' or '.join(BROKER_ENGINES)}."


def number_of_brokers(draft: Draft) -> Iterator[str]:
    """One server, or a cluster with a majority."""
    hosts = draft.groups["broker"]
    place = f"Group {draft.group('broker')} has {counted(len(hosts), 'host')} ({listed(hosts)})"
    if len(hosts) == 2:
        yield f"{place}: of two brokers neither has a majority when they lose each other; keep one."
    elif len(hosts) > CLUSTER_SIZE:
        if draft.values["airflow_broker_engine"] == "redis":
            yield f"{place}: Redis has a master, two replicas and three sentinels on three hosts; keep three, or one."
        else:
            yield f"{place}: RabbitMQ keeps three copies of a queue, to which further hosts add none; keep three, or one."


def cluster_has_addresses(draft: Draft) -> Iterator[str]:
    """Nodes are called by their addresses."""
    if draft.broker is None:
        return
    others = "The other nodes of RabbitMQ" if draft.broker.has_quorum_queues else "The sentinels of Redis"
    for name, address in draft.broker.nodes.items():
        if draft.hosts[name].address is not None and not is_ipv4(address):
            yield (
                f"{others} reach {name} at {address}, and a node is called by its IPv4 address: set airflow_advertised_address of {name} "
                "to that."
            )


def nodes_keep_their_names(draft: Draft) -> Iterator[str]:
    """One node may come back with another name, as the others have a majority; what several hold would be out of reach at once."""
    if draft.broker is None or not draft.broker.has_quorum_queues:
        return
    renamed = []
    for name, address in draft.broker.nodes.items():
        present = present_node(draft, name)
        if present and present != node_name(address):
            renamed.append(f"{name} was {present}")
    if len(renamed) > 1:
        yield (
            f"Several nodes of RabbitMQ's cluster would get other names, which are their addresses ({listed(renamed)}), and what they hold "
            "would be out of reach: give them their old airflow_advertised_address, or change one per run."
        )


def cluster_has_one_release(draft: Draft) -> Iterator[str]:
    """Nodes of two versions that are further apart than one step form no cluster."""
    nodes = draft.broker.nodes if draft.broker is not None else {}
    releases: dict[str, list[str]] = {}
    for name in nodes:
        facts = draft.hosts[name].facts
        releases.setdefault(f"{facts.get('distribution')} {facts.get('distribution_major_version')}", []).append(name)
    if len(releases) > 1:
        found = "; ".join(f"{release}: {listed(names)}" for release, names in releases.items())
        engine = "RabbitMQ" if draft.broker is not None and draft.broker.has_quorum_queues else "Redis"
        yield (
            f"The hosts of {draft.group('broker')} have different releases ({found}), whose versions of {engine} form no cluster: use "
            "hosts of one release."
        )


def cluster_is_told_to_celery(draft: Draft) -> Iterator[str]:
    """The user's word takes the place of all that is derived for the option."""
    if draft.broker is None or not draft.broker.is_cluster:
        return
    try:
        options = json.loads(setting(draft.settings, "celery", "extra_celery_config", "{}"))
    except ValueError:
        options = {}
    wanted = QUORUM_QUEUES if draft.broker.has_quorum_queues else SENTINEL_OPTIONS
    if not isinstance(options, Mapping) or any(options.get(name, name) != value for name, value in wanted.items()):
        yield (
            "airflow_config sets [celery] extra_celery_config, which for a cluster of brokers must hold "
            f"{json.dumps(wanted)}: add that, or leave the option out."
        )


def cookie_is_plain(draft: Draft) -> Iterator[str]:
    """Erlang reads it as one word."""
    cookie = draft.values["airflow_broker_cookie"]
    if cookie and not re.fullmatch(COOKIE, cookie):
        yield "airflow_broker_cookie is one word of 20 to 200 letters, digits and . _ -: choose another one, or leave it out."


def cluster_workers_have_a_fixed_size(draft: Draft) -> Iterator[str]:
    """A worker that grows would have to ask for more messages at once, and quorum queues do not let it."""
    if draft.broker is None or not draft.broker.has_quorum_queues:
        return
    for host, workers in draft.workers.items():
        for worker in workers:
            if worker.autoscale:
                place, fixed = autoscale_place(draft, host, worker)
                yield (
                    f"{place} is {worker.autoscale}, and on the quorum queues of a cluster a worker cannot take more "
                    f"tasks at once than at its start: set {fixed} in its place."
                )


def broker_is_nobody_elses(draft: Draft) -> Iterator[str]:
    """A server in use would get Airflow's password and settings; a Redis that wrote no log of changes would come back empty."""
    broker, hosts = draft.broker, draft.groups["broker"]
    if broker is None or not broker.managed or not hosts:
        return
    for name in broker.nodes or hosts[:1]:
        for server in (draft.hosts[name].info or {}).get("brokers") or []:
            if server["engine"] == broker.engine and server["used"] and not server["own"]:
                yield (
                    f"{name} has a {server['title']} server that is not Airflow's ({server['used']}), and it would get Airflow's password "
                    f"and settings: put another host into {draft.group('broker')}, or use it as it is by airflow_broker_managed (false), "
                    "airflow_broker_host and airflow_broker_password."
                )


def broker_host_is_plain(draft: Draft) -> Iterator[str]:
    """The host goes into a URL as it stands."""
    host = draft.values["airflow_broker_host"]
    if host and not re.fullmatch(r"[A-Za-z0-9.:_-]+", host):
        yield f"airflow_broker_host is {host!r}: write an address or a name, without scheme, port or brackets."


def external_broker_is_reachable(draft: Draft) -> Iterator[str]:
    """`localhost` is another host on every host."""
    broker = draft.broker
    if broker is None or broker.managed or len(draft.celery_hosts) < 2 or broker.host not in LOOPBACK:
        return
    yield f"The broker is at {broker.host}, and several hosts use it ({listed(draft.celery_hosts)}): use an address all of them reach."


def broker_vhost_fits_engine(draft: Draft) -> Iterator[str]:
    """Redis numbers its databases, of which results in Redis take the next one."""
    broker = draft.broker
    if broker is None:
        return
    most = LAST_REDIS_DATABASE - (1 if draft.results is None else 0)
    if broker.engine == "redis" and not (broker.vhost.isdigit() and int(broker.vhost) <= most):
        yield f"airflow_broker_vhost is {broker.vhost!r}: Redis numbers its databases, use 0 to {most}."
    elif broker.engine == "rabbitmq" and broker.managed and not re.fullmatch(BROKER_NAME, broker.vhost):
        yield f"airflow_broker_vhost is {broker.vhost!r}: use letters, digits and . _ - only."


def broker_user_is_own(draft: Draft) -> Iterator[str]:
    """The users that servers come with are not for Airflow."""
    broker = draft.broker
    if broker is None or not broker.managed or not broker.user:
        return
    taken = (REPLICATION_USER, SENTINEL_USER) if broker.has_sentinels else ()
    if broker.user in ("guest", "default"):
        yield f"airflow_broker_user is {broker.user}, which the broker comes with: choose another name."
    elif broker.user in taken:
        yield f"airflow_broker_user is {broker.user}, as which Redis's servers log in to each other: choose another name."
    elif not re.fullmatch(BROKER_NAME, broker.user):
        yield f"airflow_broker_user is {broker.user!r}: use letters, digits and . _ - only."


def result_backend_is_there(draft: Draft) -> Iterator[str]:
    """Results go to the database server or to the Redis that has the queues."""
    backend = draft.values["airflow_result_backend"]
    if backend not in RESULT_BACKENDS:
        yield f"airflow_result_backend is {backend!r}: use {' or '.join(RESULT_BACKENDS)}."
    elif backend == "redis" and draft.broker is not None and draft.broker.engine != "redis":
        yield f"airflow_result_backend is redis and the broker is {draft.broker.engine}: use database."


def longest_task_is_positive(draft: Draft) -> Iterator[str]:
    """Brokers hand a task out again after this time."""
    seconds = draft.values["airflow_longest_task_seconds"]
    if seconds < 1:
        yield f"airflow_longest_task_seconds is {seconds}: it must be 1 or more."


def queues_are_plain(draft: Draft) -> Iterator[str]:
    """Names of queues stand in a list on a command line."""
    for name, workers in draft.workers.items():
        for worker in workers:
            variable = f"airflow_worker_instances.{worker.instance}.queues" if worker.instance else "airflow_worker_queues"
            for queue in worker.queues:
                if not re.fullmatch(QUEUE_NAME, queue):
                    yield f"{variable} of {name} holds {queue!r}: the name of a queue has letters, digits and . _ - only."


def default_queue_is_served(draft: Draft) -> Iterator[str]:
    """Tasks that name no queue would wait for ever."""
    served = {queue for workers in draft.workers.values() for worker in workers for queue in worker.queues}
    if draft.workers and default_queue(draft) not in served:
        yield (
            f"No worker serves the queue {default_queue(draft)}, where tasks go that name none: add it to airflow_worker_queues of a host "
            f"in {draft.group('worker')}, or set [operators] default_queue in airflow_config."
        )


def instances_are_described(draft: Draft) -> Iterator[str]:
    """Each further worker of a host has a plain name and known options."""
    for host in draft.placement["worker"]:
        for key, entry in draft.variable(host, "airflow_worker_instances").items():
            place = f"airflow_worker_instances of {host}: {key}"
            if not re.fullmatch(INSTANCE_NAME, key):
                yield f"airflow_worker_instances of {host}: {key!r} stands in a unit's name: use letters, digits, _ and - only."
            elif not isinstance(entry, Mapping):
                yield f"{place} must be a mapping with queues, and concurrency or autoscale if wanted."
            else:
                yield from _instance_options(place, entry)


def _instance_options(place: str, entry: Mapping[str, object]) -> Iterator[str]:
    for option in entry:
        if option not in INSTANCE_OPTIONS:
            near = difflib.get_close_matches(str(option), INSTANCE_OPTIONS, n=1, cutoff=0.6)
            advice = f"{near[0]} is; rename it" if near else f"use {listed(INSTANCE_OPTIONS)}"
            yield f"{place} has {option}, which is not an option: {advice}."
    queues = entry.get("queues")
    if not isinstance(queues, (list, tuple)) or not queues:
        yield f"{place} names no queues: give it a list, as in queues: [reports]."


def concurrency_is_positive(draft: Draft) -> Iterator[str]:
    """How many tasks at once, as a number or as a range."""
    for host in draft.placement["worker"]:
        described = {"": {"concurrency": draft.variable(host, "airflow_worker_concurrency")}}
        instances = draft.variable(host, "airflow_worker_instances").items()
        described |= {key: entry for key, entry in instances if isinstance(entry, Mapping)}
        for key, entry in described.items():
            number = entry.get("concurrency")
            if number is not None and not (str(number).isdigit() and int(str(number)) > 0):
                variable = f"airflow_worker_instances.{key}.concurrency" if key else "airflow_worker_concurrency"
                yield f"{variable} of {host} is {number}: it must be a whole number, 1 or more."


def autoscale_is_a_range(draft: Draft) -> Iterator[str]:
    """Celery takes the greater number first."""
    for host, workers in draft.workers.items():
        for worker in workers:
            found = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", worker.autoscale)
            if worker.autoscale and (found is None or not int(found[1]) >= int(found[2]) >= 1):
                place, _fixed = autoscale_place(draft, host, worker)
                yield f"{place} is {worker.autoscale!r}: write the most and the fewest tasks at once, as in 16,4."


def worker_user_is_safe(draft: Draft) -> Iterator[str]:
    """Whoever writes a DAG is this user."""
    for host in draft.placement["worker"]:
        user = draft.variable(host, "airflow_worker_user")
        if user == "root":
            yield f"airflow_worker_user of {host} is root, as which tasks could do anything to the host: name another user."
        elif user and not re.fullmatch(USER_NAME, user):
            yield f"airflow_worker_user of {host} is {user!r}: a user's name has small letters, digits, _ and - only."


def flower_needs_celery(draft: Draft) -> Iterator[str]:
    """Flower shows workers."""
    hosts = draft.groups["flower"]
    if hosts and not draft.uses_celery:
        yield (
            f"Group {draft.group('flower')} has hosts ({listed(hosts)}), and Flower shows Celery's workers, of which there are none: "
            f"remove them, or put a host into {draft.group('worker')}."
        )


def flower_login_is_plain(draft: Draft) -> Iterator[str]:
    """Name and password are one option, which Airflow expands and Flower splits."""
    name, password = draft.values["airflow_flower_username"], draft.values["airflow_flower_password"] or ""
    if not re.fullmatch(r"[A-Za-z0-9._@+-]+", name):
        yield f"airflow_flower_username is {name!r}: use letters, digits and . _ @ + - only."
    if "," in password or "$" in password:
        yield "airflow_flower_password holds a comma or a $, which Flower and Airflow read in a way of their own: choose another one."


def broker_without_celery(draft: Draft) -> Iterator[str]:
    """Warnings: a broker that nobody asks."""
    hosts = draft.groups["broker"]
    if hosts and not draft.uses_celery:
        yield (
            f"Group {draft.group('broker')} has hosts ({listed(hosts)}), and {draft.executor} needs no broker: what runs there is left "
            "as it is."
        )


def broker_without_password(draft: Draft) -> Iterator[str]:
    """Warnings: whoever reaches the broker can run code on the workers."""
    broker = draft.broker
    if broker is not None and not broker.managed and not broker.password:
        yield (
            f"The broker at {broker.host} is used without a password: whoever reaches it can run code on the workers; set "
            "airflow_broker_password."
        )


def management_of_nothing(draft: Draft) -> Iterator[str]:
    """Warnings: a plugin that there is no server for."""
    broker = draft.broker
    if not draft.values["airflow_broker_management"] or broker is None:
        return
    if broker.engine != "rabbitmq":
        yield f"airflow_broker_management is true and the broker is {broker.engine}: only RabbitMQ has that plugin, and nothing is done."
    elif not broker.managed:
        yield (
            f"airflow_broker_management is true and the RabbitMQ at {broker.host} is not managed here: its plugins are left as they are."
        )


def tasks_change_their_user(draft: Draft) -> Iterator[str]:
    """Notes: what tasks read in their user's home."""
    for name in draft.workers:
        own, before = worker_user(draft, draft.hosts[name]), service_user(draft)
        if own and draft.taking_over and not before["create"] and draft.adopted_on == name:
            yield (
                f"Tasks on {name} will run as {own} and no longer as {before['name']}, whose files they may not read: set "
                f"airflow_worker_user to {before['name']} if they need those."
            )


def scaling_workers_may_lose_a_task(draft: Draft) -> Iterator[str]:
    """Its autoscaler ends processes that look idle, as one that was given a task does until its answer is read (celery issue 7266)."""
    for host, workers in draft.workers.items():
        for worker in workers:
            most, _comma, fewest = worker.autoscale.partition(",")
            if most != fewest:
                place, fixed = autoscale_place(draft, host, worker)
                yield (
                    f"{place} is {worker.autoscale}: when the worker gets smaller, Celery now and then ends a process "
                    f"that was just given a task, which fails unless it has retries; {fixed} sets a fixed size in its place."
                )


RULES = (
    celery_needs_workers,
    celery_needs_a_database_server,
    broker_is_named,
    broker_engine_is_known,
    number_of_brokers,
    cluster_has_addresses,
    nodes_keep_their_names,
    servers_keep_their_place,
    cluster_has_one_release,
    cluster_is_told_to_celery,
    cookie_is_plain,
    cluster_workers_have_a_fixed_size,
    broker_is_nobody_elses,
    broker_host_is_plain,
    external_broker_is_reachable,
    broker_vhost_fits_engine,
    broker_user_is_own,
    result_backend_is_there,
    longest_task_is_positive,
    queues_are_plain,
    default_queue_is_served,
    instances_are_described,
    concurrency_is_positive,
    autoscale_is_a_range,
    worker_user_is_safe,
    flower_needs_celery,
    flower_login_is_plain,
)
WARNINGS = (broker_without_celery, broker_without_password, management_of_nothing, scaling_workers_may_lose_a_task)
NOTES = (tasks_change_their_user,)
