# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of airflow.cfg: derived ones, under those taken over, under the user's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ._broker_options import MASTER_NAME
from ._topology_api import FAB_AUTH_MANAGER, api_hurdle, has_canary
from ._topology_bundles import canary_bundle, canary_folder, merged_bundles
from ._topology_celery import redis_results_url
from ._topology_connections import async_arguments
from ._topology_dags import BUNDLE_LIST, bundle_settings, secret_bundle_settings
from ._topology_database import adopted_engine
from ._topology_load_balancer import front_url
from ._topology_model import Draft
from ._topology_python_modules import ADDRESS_FUNCTION, ADDRESS_MODULE, QUORUM_MODULE, SENTINEL_MODULE
from ._topology_sizing import IDLE_SLEEP_SECONDS, Machine
from ._topology_stages import options_dir, setting, source_version
from ._topology_tls import AUTHORITY, broker_authority, broker_ssl
from ._topology_urls import LOOPBACK, split_web_url, web_url
from .airflow_options import (
    DATABASE_ENGINE_OPTIONS,
    changed_defaults,
    load_options,
    nearest_options,
    split_secrets,
    without_defaults,
)

Settings = dict[str, dict[str, str]]

CONFIG_DIR = "/etc/airflow"
DEFAULT_TASKS_PER_QUERY = 16
HEARTBEAT_TIMEOUT_SECONDS = 60
HEARTBEAT_CHECK_SECONDS = 5
ORPHANS_CHECK_SECONDS = 60
PUBLISH_RETRIES = 600
"""Airflow gives an attempt to send a task one second, and by itself looks after 600 seconds at tasks that are not under way."""

PUBLISH_POLICY = {"max_retries": 10, "interval_start": 0, "interval_step": 0.2, "interval_max": 1}
"""Celery tries longer than Airflow's second: only an attempt that is out of time is tried again, an error would fail the task."""

CLUSTER_OPERATION_SECONDS = 10
"""To send a task while a node is frozen: its answer is waited for, then it is tried once more, then the next node. See NODE_SECONDS."""

NODE_SECONDS = 2
READ_SECONDS = 2
HEARTBEAT_SECONDS = 3
"""How long a node may take to let somebody in, or to answer; one that sends nothing is given up after two to three heartbeats."""

CLUSTER_PUBLISH_RETRIES = 100
"""Each node is a try of its own, and there is a pause only after all of them."""

REDIS_TIMEOUTS = {"socket_timeout": "5", "socket_connect_timeout": "2", "health_check_interval": "3"}
"""By themselves they wait for ever for a server that is frozen or gone, and a worker looks every 25 seconds."""

REDIS_RESULT_TIMEOUTS = {"redis_socket_timeout": 5.0, "redis_socket_connect_timeout": 2.0, "redis_socket_keepalive": True}

SENTINEL_OPTIONS = {"broker_transport": f"{SENTINEL_MODULE}:Transport", "broker_connection_max_retries": None}
"""Celery by itself ends a worker that could not connect a hundred times."""

QUORUM_QUEUES = {"task_default_queue_type": "quorum", "task_create_missing_queue_type": "quorum"}
"""For the default queue, and for all others that a worker or a scheduler names."""

RESULT_RETRIES = {"result_backend_always_retry": True, "result_backend_base_sleep_between_retries_ms": 1000}
"""A worker waits until it can say how a task ended: else the scheduler takes the task's slot for taken until its next start."""


def merge(*layers: Mapping[str, Mapping[str, str]]) -> Settings:
    """Layers of settings, the last one wins."""
    merged: Settings = {}
    for layer in layers:
        for section, options in layer.items():
            merged.setdefault(section, {}).update(options)
    return merged


def choose_settings(draft: Draft) -> None:
    """All settings, the secret ones apart. Only of a tested version the defaults are known, and left out."""
    settings = merge(_derived(draft), _pinned(draft), _adopted(draft), draft.config)
    draft.api_hurdle = api_hurdle(draft, settings)
    settings = _with_canary_bundle(draft, settings)
    nearest = nearest_options(options_dir(draft), draft.version)
    if nearest is None:
        draft.settings = settings
        return
    draft.settings, secret_settings = split_secrets(settings, nearest)
    secret_bundles = secret_bundle_settings(draft)
    draft.secret_settings = merge(secret_settings, _with_canary_bundle(draft, secret_bundles) if secret_bundles else {})
    if load_options(options_dir(draft), draft.version) is not None:
        draft.settings = without_defaults(draft.settings, nearest, draft.home)


def _with_canary_bundle(draft: Draft, settings: Settings) -> Settings:
    """The settings with the canary's folder after all other places that DAGs of 3.x come from. A broken list is a rule's affair."""
    section, option = BUNDLE_LIST
    if draft.line < 3 or not has_canary(draft):
        return settings
    with suppress(ValueError):
        bundles = merged_bundles(setting(settings, section, option, ""), [canary_bundle(canary_folder(draft.home))])
        return merge(settings, {section: {option: bundles}})
    return settings


def folders(draft: Draft) -> dict[str, str]:
    """Folders that the user may move: the variable's word, else the place under the home."""
    dags = f"{draft.home}/dags"
    if draft.adopted is not None and draft.variable(draft.adopted_on or "", "airflow_adopt_dags") == "in_place":
        dags = str(draft.adopted.get("dags_folder") or dags)
    return {
        "dags": setting(draft.config, "core", "dags_folder", dags),
        "plugins": setting(draft.config, "core", "plugins_folder", f"{draft.home}/plugins"),
        "logs": setting(draft.config, "logging", "base_log_folder", f"{draft.home}/logs"),
    }


def _derived(draft: Draft) -> Settings:
    places = folders(draft)
    common: Settings = {
        "core": {
            "executor": draft.executor,
            "dags_folder": places["dags"],
            "plugins_folder": places["plugins"],
            # What was made by hand had the examples, unless it says otherwise.
            "load_examples": "False" if draft.adopted is None else "True",
        },
        "logging": {"base_log_folder": places["logs"]},
    }
    of_line = _derived_2(draft) if draft.line < 3 else merge(_derived_3(draft), _async_arguments(draft))
    further = (_patience(draft), _celery(draft), _log_addresses(draft), _proxy(draft), _tls(draft))
    return merge(common, bundle_settings(draft), _orphans(), _sizes(draft), of_line, *further)


def _patience(draft: Draft) -> Settings:
    """Tasks of 3.x ask the API again and again, with Airflow's defaults for ten seconds.

    They outlast an API server that starts, which takes as long on a busy host, and two failovers of a database cluster. Waits are random,
    from one second on and of three on average: 30 of them take about 80 seconds. A heartbeat is asked for as often, so that one that
    failed is enough to end a task that somebody else may have been given.
    """
    if draft.line < 3:
        return {}
    return {"workers": {"execution_api_retries": "30", "execution_api_retry_wait_max": "5.0", "max_failed_heartbeats": "1"}}


def _orphans() -> Settings:
    """How soon a scheduler takes up what one that is gone had queued, or had watched: after a minute in place of five.

    One that is started again at once is too early for it the first time, because its own last heartbeat is not old enough; and nobody
    else misses a task's heartbeat.
    """
    return {"scheduler": {"orphaned_tasks_check_interval": str(ORPHANS_CHECK_SECONDS)}}


def _sizes(draft: Draft) -> Settings:
    if draft.executor == "SequentialExecutor":
        return {}
    parallelism = slots_of_scheduler(draft)
    # Asking for more tasks at once than may run only makes Airflow warn.
    most_queried = str(min(DEFAULT_TASKS_PER_QUERY, parallelism))
    scheduler = {"max_tis_per_query": most_queried}
    if draft.database is not None:
        # SQLite has one writer at a time, which a scheduler that asks more often would hold up.
        scheduler["scheduler_idle_sleep_time"] = IDLE_SLEEP_SECONDS
    return {"core": {"parallelism": str(parallelism)}, "scheduler": scheduler}


def slots_of_scheduler(draft: Draft) -> int:
    """How many tasks one scheduler has under way at most.

    Of Celery's slots each has its share: what they sent together and no worker is free for would wait in the queues, where Airflow takes a
    task for lost after `task_queued_timeout`. A LocalExecutor's slots are its own host's.
    """
    schedulers = max(1, len(draft.placement["scheduler"]))
    return -(-draft.slots // schedulers) if draft.uses_celery else draft.slots


def _celery(draft: Draft) -> Settings:
    broker = draft.broker
    if broker is None:
        return {}
    if broker.engine == "rabbitmq":
        # Without it a message that the broker did not take is lost without a word.
        transport = {"confirm_publish": "True"}
        if broker.has_quorum_queues:
            transport |= {"read_timeout": str(READ_SECONDS), "write_timeout": str(READ_SECONDS)}
            # Longer than an attempt may take: with an error the task would fail, of one that is out of time there is a next attempt.
            transport["connect_retries_timeout"] = str(6 * CLUSTER_OPERATION_SECONDS)
    else:
        # Redis hands a task out again after this time, whether or not its first worker still runs it.
        transport = {"visibility_timeout": str(draft.values["airflow_longest_task_seconds"])}
        if broker.has_sentinels:
            transport |= {"master_name": MASTER_NAME, **REDIS_TIMEOUTS}
    return merge({"celery_broker_transport_options": transport}, _results_in_redis(draft), _outages(draft), _worker_loss(draft))


def _results_in_redis(draft: Draft) -> Settings:
    if draft.broker is None or draft.results is not None or not draft.broker.has_sentinels:
        return {}
    return {"celery_result_backend_transport_options": {"master_name": MASTER_NAME}}


def _outages(draft: Draft) -> Settings:
    """While the broker or the results' database is away, tasks wait for it; Airflow and Celery by themselves soon give them up."""
    options = {
        "task_publish_max_retries": str(PUBLISH_RETRIES),
        "extra_celery_config": json.dumps(
            {"task_publish_retry_policy": PUBLISH_POLICY, **RESULT_RETRIES, **_cluster_options(draft), **_broker_ssl(draft)}
        ),
    }
    if draft.broker is not None and draft.broker.is_cluster:
        options["operation_timeout"] = str(float(CLUSTER_OPERATION_SECONDS))
    if draft.results is not None:
        # Celery's own default, which Airflow takes away: no result is written into a connection that was closed meanwhile.
        options["result_backend_sqlalchemy_engine_options"] = json.dumps({"pool_pre_ping": True})
    return {"celery": options}


def _cluster_options(draft: Draft) -> dict[str, Any]:
    """What Celery is told of a cluster: that its queues are replicated, and when a node counts as lost."""
    if draft.broker is None or not draft.broker.is_cluster:
        return {}
    publish = {"task_publish_retry_policy": {**PUBLISH_POLICY, "max_retries": CLUSTER_PUBLISH_RETRIES}}
    if draft.broker.has_sentinels:
        return {**publish, **SENTINEL_OPTIONS, **({} if draft.results else REDIS_RESULT_TIMEOUTS)}
    return {
        **QUORUM_QUEUES,
        **publish,
        "broker_heartbeat": HEARTBEAT_SECONDS,
        "broker_connection_timeout": NODE_SECONDS,
        "worker_consumer": f"{QUORUM_MODULE}:QuorumConsumer",
    }


def _broker_ssl(draft: Draft) -> dict[str, Any]:
    """How the broker is verified. Results in Redis are on the same server."""
    authority = broker_authority(draft, draft.hosts[draft.main_host or ""])
    if draft.broker is None or authority is None:
        return {}
    options = broker_ssl(draft.broker.engine, authority)
    return {"broker_use_ssl": options, **({"redis_backend_use_ssl": options} if redis_results_url(draft, draft.main_host or "") else {})}


def _worker_loss(draft: Draft) -> Settings:
    """How soon a task whose worker is gone starts again: after a minute in place of five."""
    if draft.line >= 3:
        names = ("task_instance_heartbeat_timeout", "task_instance_heartbeat_timeout_detection_interval")
    else:
        names = ("scheduler_zombie_task_threshold", "zombie_detection_interval")
    return {"scheduler": dict(zip(names, (str(HEARTBEAT_TIMEOUT_SECONDS), str(HEARTBEAT_CHECK_SECONDS))))}


def _log_addresses(draft: Draft) -> Settings:
    """Logs are fetched from the host that wrote them; the name it gives itself may be known to nobody else, or mean itself everywhere."""
    writers = {name for daemon in ("scheduler", "triggerer", "worker") for name in draft.placement[daemon]}
    together = len(draft.placement["webserver"]) < 2 and writers <= set(draft.placement["webserver"])
    return {} if together else {"core": {"hostname_callable": f"{ADDRESS_MODULE}.{ADDRESS_FUNCTION}"}}


def _proxy(draft: Draft) -> Settings:
    """The address and scheme of a request are those that the load balancer names."""
    return {"webserver" if draft.line < 3 else "fab": {"enable_proxy_fix": "True"}} if draft.load_balancer is not None else {}


def _tls(draft: Draft) -> Settings:
    """Cookies are sent by TLS only, and the tasks of 3.x trust nobody but those who signed the installation's certificates.

    The webserver's own certificate is among its arguments: as a setting it would be every host's.
    """
    if not draft.tls:
        return {}
    if draft.line < 3:
        return {"webserver": {"cookie_secure": "True"}}
    return {"fab": {"cookie_secure": "True"}, "api": {"ssl_ca_file": AUTHORITY, "client_use_public_certs": "False"}}


def _derived_2(draft: Draft) -> Settings:
    web = draft.placement["webserver"]
    cpus = Machine.of(draft.hosts[web[0]].facts).cpus if web else 1
    settings: Settings = {
        "webserver": {
            "web_server_port": str(draft.port),
            "base_url": draft.base_url,
            "config_file": f"{CONFIG_DIR}/webserver_config.py",
            "workers": str(max(1, min(4, cpus))),
        },
    }
    if draft.placement["dag_processor"]:
        settings["scheduler"] = {"standalone_dag_processor": "True"}
    elif draft.engine == "sqlite":
        # Airflow itself falls back to one on SQLite, with a warning at each start.
        settings["scheduler"] = {"parsing_processes": "1"}
    return settings


def _derived_3(draft: Draft) -> Settings:
    settings: Settings = {
        "core": {"auth_manager": FAB_AUTH_MANAGER, "execution_api_server_url": execution_api_url(draft)},
        # Not in 2.x, whose health server is made by a fork and keeps the scheduler's connections to the database: a request reads what the
        # scheduler was answered, and the scheduler waits for ever or ends.
        "scheduler": {"enable_health_check": "True"},
        "api": {"port": str(draft.port)},
        "api_auth": {"jwt_issuer": f"airflow:{draft.values['airflow_installation']}"},
        "fab": {"config_file": f"{CONFIG_DIR}/webserver_config.py"},
    }
    if draft.base_url_is_given or draft.load_balancer is not None:
        # Written only when it was asked for, or when there is one address for all: 3.x sends everybody who logs in to this address,
        # whatever name they came by.
        settings["api"]["base_url"] = draft.base_url
    return settings


def _async_arguments(draft: Draft) -> Settings:
    modules = [module for name in draft.airflow_hosts for module in async_arguments(draft, draft.hosts[name])]
    return {"database": {"sql_alchemy_connect_args_async": f"{modules[0]}.connect_args"}} if modules else {}


def base_path(draft: Draft) -> str:
    """The path under which the web page is served, empty for the root."""
    parts = split_web_url(draft.base_url)
    return parts.path.rstrip("/") if parts else ""


def execution_api_url(draft: Draft) -> str:
    """Where the tasks of 3.x report to."""
    hosts = draft.placement["webserver"]
    if draft.load_balancer is None and len(hosts) > 1:
        # Something that others look after is in front of them.
        return f"{draft.base_url}/execution/"
    together = draft.airflow_hosts == hosts[:1] and draft.load_balancer is None
    together = together and draft.uses_loopback
    server = web_url(LOOPBACK[0], draft.port, bool(draft.tls)) if together or not hosts else front_url(draft)
    return f"{server}{base_path(draft)}/execution/"


def _pinned(draft: Draft) -> Settings:
    """Defaults of the old line that the new one changed: DAGs behave as before."""
    before = _line_before(draft)
    return changed_defaults(before, draft.line, options_dir(draft)) if before is not None and before != draft.line else {}


def _line_before(draft: Draft) -> int | None:
    """The line the DAGs were written for, as recorded when the installation came to this collection."""
    version = (draft.adopted or {}).get("version") or _recorded_source(draft) or source_version(draft)
    return 2 if str(version or "").startswith("2.") else 3 if version else None


def _recorded_source(draft: Draft) -> str | None:
    return ((draft.installation or {}).get("moved") or {}).get("version")


def _adopted(draft: Draft) -> Settings:
    """The settings taken over, without those for another database engine."""
    same_engine = adopted_engine(draft) == draft.engine
    kept = {
        section: {name: value for name, value in items.items() if same_engine or (section, name) not in DATABASE_ENGINE_OPTIONS}
        for section, items in draft.adopted_settings.items()
    }
    return {section: items for section, items in kept.items() if items}
