# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons of a host: their units, arguments, secrets, users, and the way to ask whether they are well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import _topology_urls as urls
from ._topology_celery import worker_user
from ._topology_connections import Connections, connections, daemon_connections
from ._topology_dags import bundle_storage
from ._topology_database import DATABASE_UNITS, is_cluster, is_patroni
from ._topology_load_balancer import proxy_addresses
from ._topology_model import DAEMONS, Draft, Host, Worker
from ._topology_patroni import PROXY_UNIT
from ._topology_patroni import UNITS as CLUSTER_UNITS
from ._topology_pgbouncer import POOL_UNIT, has_pool
from ._topology_rules_values import has_scheduler_page, scheduler_health_port
from ._topology_sandbox import sandbox
from ._topology_secrets import derived_secrets, readers
from ._topology_settings import base_path
from ._topology_stages import setting
from ._topology_tls import AUTHORITY, WEB_CERTIFICATE, WEB_KEY, web_tls_host
from .airflow_options import environment_name

JOB_TYPES = {"scheduler": "SchedulerJob", "dag_processor": "DagProcessorJob", "triggerer": "TriggererJob"}
DESCRIPTIONS = {
    "webserver": "Airflow's web pages and API",
    "scheduler": "Airflow's scheduler",
    "dag_processor": "Airflow's DAG processor",
    "triggerer": "Airflow's triggerer",
    "worker": "Airflow's Celery worker",
    "flower": "Flower, the pages about Celery's workers",
}
QUICK_STOP_SECONDS = 60
BROKER_UNITS = {
    "redis": ("redis-server.service", "redis.service", "valkey-server.service", "valkey.service"),
    "rabbitmq": ("rabbitmq-server.service",),
}
"""As the distributions name them; a unit that is not there orders nothing."""

NO_DATABASE = "sqlite://"
"""In memory, for daemons without a database: without an address Airflow would make a file in its home."""


def unit_name(daemon: str) -> str:
    """The systemd unit of a daemon, the same in 2.x and 3.x."""
    return "airflow-" + daemon.replace("_", "-")


def daemons_of(draft: Draft, host: Host) -> list[dict[str, Any]]:
    """Everything about the daemons of a host, in the order of their start."""
    found = []
    for component in DAEMONS:
        if component == "worker":
            found += [_worker(draft, host, worker) for worker in draft.workers.get(host.name, [])]
        elif host.name in draft.placement[component]:
            found.append(_daemon(draft, host, component))
    return found


def cli_environment(draft: Draft, host: Host, daemons: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The environment of a host's command line: what the most privileged daemon has wins.

    It reaches the databases without PgBouncer: a migration holds locks that are its session's, not a transaction's.
    """
    environment: dict[str, str] = {}
    for daemon in reversed(daemons):
        environment.update(daemon["environment"])
    straight = dict(zip(_addresses(daemon_connections(draft, host)), _addresses(connections(draft, host))))
    return {name: straight.get(value, value) for name, value in sorted(environment.items())}


def _addresses(found: Connections) -> tuple[str, ...]:
    return (found.url, found.async_url, f"db+{found.results_url}")


def service_user(draft: Draft) -> dict[str, Any]:
    """The user that the daemons run as."""
    owner = (draft.adopted or {}).get("owner") or {}
    wanted = draft.values["airflow_user"]
    if owner and owner.get("user") != "root" and wanted in (None, owner.get("user")):
        return {"name": owner["user"], "group": owner.get("group") or owner["user"], "create": False}
    name = wanted or "airflow"
    return {"name": name, "group": name, "create": True}


def task_group(draft: Draft, host: Host) -> str:
    """The group that the daemons and the tasks of a host have in common: configuration and task logs belong to it."""
    return _worker_group(draft, host) or str(service_user(draft)["group"])


def _worker_group(draft: Draft, host: Host) -> str | None:
    """The group of a host's tasks when they have a user of their own; a user that is made has a group of its name."""
    user, service = worker_user(draft, host), service_user(draft)
    if user is None:
        return None
    return str(service["group"] if user == service["name"] else ((host.info or {}).get("users") or {}).get(user, user))


def worker_bundle_storage(draft: Draft, host: Host) -> str | None:
    """Where workers with a user of their own keep copies of bundles: git works in no copy that belongs to somebody else."""
    storage = bundle_storage(draft)
    return f"{storage}-worker" if storage and worker_user(draft, host) else None


def _daemon(draft: Draft, host: Host, component: str, name: str = "", arguments: Sequence[str] = ()) -> dict[str, Any]:
    runs_tasks = component == "worker" or (component == "scheduler" and not draft.uses_celery)
    user, group = _run_as(draft, host, component)
    return {
        "name": name or component,
        "component": component,
        "unit": unit_name(name or component),
        "description": DESCRIPTIONS[component],
        "user": user,
        "group": group,
        "supplementary_groups": sorted({task_group(draft, host)} - {group}),
        "arguments": [*(arguments or _arguments(draft, host, component))],
        "environment": _environment_of(draft, host, component),
        "runs_tasks": runs_tasks,
        "sandbox": sandbox(draft, host, component, runs_tasks),
        "starts_at_once": _starts_at_once(component),
        "stop_timeout": draft.values["airflow_drain_timeout"] if runs_tasks else QUICK_STOP_SECONDS,
        "after": _after(draft, host, component),
        "before": [],
        "reads": _reads(draft, component),
        "health": daemon_asked(draft, host, component),
    }


def _starts_at_once(component: str) -> bool:
    """Whether a daemon can start beside the webserver: where that does not get healthy, no task is to have run in the new database."""
    return component not in ("scheduler", "worker")


def _run_as(draft: Draft, host: Host, component: str) -> tuple[str, str]:
    own = worker_user(draft, host) if component == "worker" else None
    return (own, task_group(draft, host)) if own else (service_user(draft)["name"], service_user(draft)["group"])


def _worker(draft: Draft, host: Host, worker: Worker) -> dict[str, Any]:
    unit = unit_name(worker.name)
    arguments = ["celery", "worker", "--queues", ",".join(worker.queues), "--concurrency", str(worker.concurrency)]
    arguments += ["--pid", f"/run/{unit}/worker.pid"]
    if worker.autoscale:
        arguments += ["--autoscale", worker.autoscale]
    if draft.broker is not None and draft.broker.is_cluster:
        # What workers tell each other Airflow does not need, and each of them would wait for it when it goes to another server.
        arguments += ["--without-mingle", "--without-gossip"]
    if worker.instance:
        # systemd reads a single % as the start of a specifier.
        arguments += ["--celery-hostname", f"{worker.instance}@%%h"]
    if not worker.serves_logs:
        arguments.append("--skip-serve-logs")
    daemon = _daemon(draft, host, "worker", worker.name, arguments)
    daemon["health"] = daemon_asked(draft, host, "worker", worker)
    return daemon


def _arguments(draft: Draft, host: Host, component: str) -> list[str]:
    if component == "webserver" and draft.line >= 3:
        return [
            "api-server",
            "--port",
            str(draft.port),
            *(["--proxy-headers"] if draft.load_balancer is not None else []),
            *_web_tls(draft),
        ]
    if component == "webserver":
        # Without --pid it writes into AIRFLOW_HOME, which is not its user's.
        return ["webserver", "--port", str(draft.port), "--pid", f"/run/{unit_name(component)}/webserver.pid", *_web_tls(draft)]
    if component == "flower":
        address = host.variables["airflow_flower_address"]
        return ["celery", "flower", "--hostname", address, "--port", str(draft.values["airflow_flower_port"])]
    return [component.replace("_", "-")]


def _web_tls(draft: Draft) -> list[str]:
    return ["--ssl-cert", WEB_CERTIFICATE, "--ssl-key", WEB_KEY] if draft.tls else []


def _reads(draft: Draft, component: str) -> list[str]:
    """Files that a daemon reads at its start, besides its unit and its settings."""
    if not draft.tls:
        return []
    return [AUTHORITY, *([WEB_CERTIFICATE, WEB_KEY] if component in ("webserver", "flower") else [])]


def _after(draft: Draft, host: Host, component: str) -> list[str]:
    """Units are stopped in the opposite order: who runs tasks first, then the webserver they report to, then the servers."""
    units = ["network-online.target"]
    if draft.database is not None and draft.database.managed and host.name in draft.groups["metadata_db"]:
        units += CLUSTER_UNITS if is_patroni(draft) else DATABASE_UNITS.get(draft.database.engine, ())
    if is_cluster(draft):
        units.append(PROXY_UNIT)
    if has_pool(draft, host.name):
        units.append(POOL_UNIT)
    if draft.broker is not None and draft.broker.managed and host.name in draft.groups["broker"]:
        units += BROKER_UNITS.get(draft.broker.engine, ())
    if component in ("scheduler", "worker") and host.name in draft.placement["webserver"]:
        units.append(unit_name("webserver") + ".service")
    return units


def daemon_asked(draft: Draft, host: Host, component: str, worker: Worker | None = None) -> dict[str, Any]:
    """How a daemon is asked whether it is well."""
    health: dict[str, Any] = {
        "kind": "job",
        "port": None,
        "path": None,
        "url": None,
        "first_url": None,
        "job_type": JOB_TYPES.get(component),
        "node": None,
        "queues": [],
        "ca_path": None,
        "server_name": None,
    }
    address, tls = urls.LOOPBACK[0], False
    if component == "webserver":
        page = "/api/v2/monitor/health" if draft.line >= 3 else "/health"
        health.update(kind="http", port=draft.port, path=base_path(draft) + page)
        address, tls = web_tls_host(draft, host, address), bool(draft.tls)
    elif component == "scheduler" and draft.line >= 3 and has_scheduler_page(draft):
        health.update(kind="http", port=scheduler_health_port(draft), path="/health")
    elif component == "worker":
        health.update(kind="celery")
        if worker is not None:
            health.update(node=f"{worker.instance or 'celery'}@{host.facts.get('nodename') or host.name}", queues=list(worker.queues))
    elif component == "flower":
        prefix = setting(draft.settings, "celery", "flower_url_prefix", "").strip("/")
        health.update(kind="http", port=draft.values["airflow_flower_port"], path=f"/{prefix}/healthcheck".replace("//", "/"))
        address = _own_address(host.variables["airflow_flower_address"])
        tls = bool(draft.tls)
        if not draft.uses_loopback:
            # It listens where the user says, by default for this host alone; its certificate is for how others reach the host.
            health["server_name"] = str(host.address or host.name)
    if health["port"]:
        health["url"] = urls.web_url(address, health["port"], tls) + health["path"]
        health["ca_path"] = AUTHORITY if tls else None
        if component == "webserver" and draft.line >= 3:
            health["first_url"] = f"{urls.web_url(address, health['port'], tls)}{base_path(draft)}/execution/health"
    return health


def _own_address(listens_on: str) -> str:
    """How a host reaches its own listener: one on all addresses answers on loopback."""
    return urls.LOOPBACK[0] if listens_on in ("0.0.0.0", "::", "*") else listens_on


def _environment_of(draft: Draft, host: Host, component: str) -> dict[str, str]:
    """The secrets of one daemon, and the connections and variables that the old daemons had in their environment."""
    found = daemon_connections(draft, host)
    environment = {
        environment_name(section, option): value
        for (section, option), (value, wanted) in derived_secrets(draft, host.name, (found.url, found.async_url, found.results_url)).items()
        if component in wanted
    }
    for section, options in draft.secret_settings.items():
        for option, value in options.items():
            if component in readers(draft.line, section, option):
                environment[environment_name(section, option)] = value
    if component != "flower":
        for key, value in ((draft.adopted or {}).get("environment") or {}).items():
            if key.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_")):
                environment[key] = value
    if component == "flower" and draft.tls:
        # Airflow has no arguments for them, and Flower reads its own from here.
        environment.update(FLOWER_CERTFILE=WEB_CERTIFICATE, FLOWER_KEYFILE=WEB_KEY)
    storage = worker_bundle_storage(draft, host)
    if component == "worker" and storage:
        environment[environment_name("dag_processor", "dag_bundle_storage_path")] = storage
    if component == "webserver" and draft.load_balancer is not None:
        # The web server believes what these say of the request's origin.
        environment["FORWARDED_ALLOW_IPS"] = ",".join([urls.LOOPBACK[0], *proxy_addresses(draft)])
    # Airflow 2 has no command for Celery where the database is SQLite, so it gets the name of a driver that connects to nothing.
    no_database = NO_DATABASE if draft.line >= 3 else found.url.partition("://")[0] + "://"
    environment.setdefault(environment_name("database", "sql_alchemy_conn"), no_database)
    return dict(sorted(environment.items()))
