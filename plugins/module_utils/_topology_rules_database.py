# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about the metadata database, and about an installation that is taken over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import _topology_versions as versions
from ._topology_database import ENGINE_TITLES, SERVER_ENGINES, adopted_engine, candidate_clusters, is_cluster, is_established, server_host
from ._topology_model import Database, Draft, listed
from ._topology_mysql import MARIADB
from ._topology_urls import LOOPBACK
from ._topology_webserver_config import lost_imports

ENGINES = (*SERVER_ENGINES, "sqlite")
TAKEN_OVER = ("sqlite", "postgresql")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
IDENTIFIER = r"[a-z_][a-z0-9_]{0,62}"
RESERVED_USERS = ("postgres", "root", "public", "none")
RESERVED_DATABASES = ("postgres", "template0", "template1")
KEPT_AUTH_MANAGERS = ("fab_auth_manager", "simple_auth_manager")
CELERY_DAEMONS = ("celery-worker", "celery-flower")


def engine_is_supported(draft: Draft) -> Iterator[str]:
    """Engines of this release, and those that Airflow itself does not support."""
    engine = draft.values["airflow_metadata_db_engine"]
    if engine == "mariadb":
        yield MARIADB
    elif engine and engine not in ENGINES:
        yield f"airflow_metadata_db_engine {engine} is not supported: use {listed(ENGINES[:-1])} or {ENGINES[-1]}."


def adopted_engine_is_supported(draft: Draft) -> Iterator[str]:
    """Its rows could not be read."""
    adopted = draft.adopted or {}
    if not draft.taking_over or adopted.get("problems") or adopted_engine(draft) in TAKEN_OVER:
        return
    engine = {"mysql": "MySQL", None: "no database that was found"}.get(adopted_engine(draft), "another database")
    yield f"The installation in {adopted['home']} is on {engine}, and this release takes over SQLite and PostgreSQL only."


def engine_fits_inventory(draft: Draft) -> Iterator[str]:
    """SQLite is no server."""
    group, host = draft.groups["metadata_db"], draft.values["airflow_metadata_db_host"]
    if draft.engine == "sqlite" and (group or host):
        what = f"group {draft.group('metadata_db')} has hosts ({listed(group)})" if group else f"airflow_metadata_db_host is {host}"
        yield f"airflow_metadata_db_engine is sqlite and {what}: remove one of them."


def server_is_named(draft: Draft) -> Iterator[str]:
    """A server needs a place: a host of the group or an address."""
    if draft.engine not in SERVER_ENGINES or adopted_engine(draft) in SERVER_ENGINES:
        return
    group, host = draft.groups["metadata_db"], draft.values["airflow_metadata_db_host"]
    managed = draft.values["airflow_metadata_db_managed"]
    if managed and not group:
        yield f"airflow_metadata_db_managed is true and group {draft.group('metadata_db')} has no host: put one into it."
    elif not group and not host:
        subject = "airflow_metadata_db_managed is false" if managed is False else f"airflow_metadata_db_engine is {draft.engine}"
        yield f"{subject} and no server is named: set airflow_metadata_db_host, or put a host into {draft.group('metadata_db')}."
    elif group and host and managed is None:
        yield (
            f"airflow_metadata_db_host is {host} and group {draft.group('metadata_db')} has hosts ({listed(group)}): remove one of them, "
            "or say which it is by airflow_metadata_db_managed."
        )


def managed_needs_server(draft: Draft) -> Iterator[str]:
    """`airflow_metadata_db_managed` says something about a server."""
    if draft.values["airflow_metadata_db_managed"] is False and draft.engine == "sqlite":
        yield "airflow_metadata_db_managed is false and no server is named: set airflow_metadata_db_host and airflow_metadata_db_password."


def database_has_not_vanished(draft: Draft) -> Iterator[str]:
    """What is on a server does not go back to a file."""
    if draft.engine != "sqlite":
        return
    if draft.taking_over:
        if adopted_engine(draft) in SERVER_ENGINES:
            yield _never_to_sqlite(f"The installation in {(draft.adopted or {})['home']} is on {adopted_engine(draft)}")
        return
    if draft.installation is None or draft.installation["engine"] == "sqlite":
        return
    place = f"The existing installation is on {draft.installation['engine']} ({(draft.installation.get('database') or {}).get('host')})"
    if draft.values["airflow_metadata_db_engine"] == "sqlite":
        yield _never_to_sqlite(place)
    else:
        yield (
            f"{place}, and the inventory names no database server any more: put its host back into {draft.group('metadata_db')}, or set "
            "airflow_metadata_db_host."
        )


def _never_to_sqlite(place: str) -> str:
    return f"{place} and airflow_metadata_db_engine is sqlite: data is never moved to SQLite; remove that variable."


def database_stays(draft: Draft) -> Iterator[str]:
    """Another server or another name would be an empty database."""
    if draft.database is None or draft.installation is None or draft.installation["engine"] == "sqlite":
        return
    before, now = draft.installation.get("database") or {}, draft.database
    if draft.installation["engine"] != now.engine:
        yield (
            f"The existing installation is on {ENGINE_TITLES[str(draft.installation['engine'])]}, and the inventory now says "
            f"{ENGINE_TITLES[now.engine]}: moving from server to server is not supported by this release; set "
            f"airflow_metadata_db_engine to {draft.installation['engine']}."
        )
    elif not _is_same_place(draft, before, now):
        yield (
            f"The existing installation is on {before.get('name')} at {before.get('host')}:{before.get('port')}, and the inventory now "
            f"says {now.name} at {now.host}:{now.port}: moving from server to server is not supported by this release; name the old one."
        )


def _is_same_place(draft: Draft, before: Mapping[str, Any], now: Database) -> bool:
    """Whether the recorded place is the wanted one.

    A server that becomes a cluster's first member was recorded by its own port, which the cluster keeps. The proxy's port may change.
    """
    if before.get("name") != now.name:
        return False
    if is_cluster(draft) and is_established(draft) and before.get("host") in LOOPBACK:
        return True
    return before.get("host") in _names_of_server(draft) and before.get("port") in (now.port, now.server_port)


def _names_of_server(draft: Draft) -> set[str]:
    database = draft.database
    names = {database.host} if database else set()
    for name in draft.groups["metadata_db"]:
        names |= {name, str(draft.hosts[name].address), str(draft.hosts[name].default_address)}
        if name in draft.airflow_hosts or draft.hosts[name].installation:
            names |= set(LOOPBACK)
    return names | set(LOOPBACK) if names & set(LOOPBACK) else names


def external_server_is_reachable(draft: Draft) -> Iterator[str]:
    """`localhost` is another host on every host."""
    if draft.database is None or draft.database.managed or len(draft.airflow_hosts) < 2:
        return
    if draft.database.host in LOOPBACK:
        yield (
            f"The metadata database is at {draft.database.host}, and Airflow runs on several hosts ({listed(draft.airflow_hosts)}): use an "
            "address all of them reach."
        )


def _postgresql(draft: Draft) -> int | None:
    """The major version of a managed server of PostgreSQL."""
    database = draft.database
    return database.version[0] if database is not None and database.engine == "postgresql" and database.version else None


def _place(draft: Draft) -> str:
    host = server_host(draft)
    return host.name if host is not None else ""


def postgresql_is_new_enough(draft: Draft) -> Iterator[str]:
    """The cluster that is there, or the distribution's PostgreSQL where it is the one to be installed."""
    server = _postgresql(draft)
    oldest = versions.POSTGRESQL[draft.line][0]
    if server is not None and server < oldest:
        host = _place(draft)
        there = [cluster["name"] for cluster in candidate_clusters(draft)]
        what = f"the cluster {there[0]} of {host} is older" if there else f"{host}'s distribution has {server}"
        yield (
            f"Airflow {draft.version} needs PostgreSQL {oldest} or newer, and {what}: use a newer {'one' if there else 'distribution'} "
            "there, or another server by airflow_metadata_db_host."
        )


def postgresql_is_tested(draft: Draft) -> Iterator[str]:
    """Warnings: a server newer than upstream tests."""
    server = _postgresql(draft)
    newest = versions.POSTGRESQL[draft.line][1]
    if server is not None and server > newest:
        yield f"{_place(draft)} gets PostgreSQL {server}; upstream tests Airflow {draft.version} up to {newest}."


def cluster_is_certain(draft: Draft) -> Iterator[str]:
    """Somebody else's cluster would be given Airflow's settings."""
    clusters = candidate_clusters(draft)
    if draft.database is not None and draft.database.managed and not is_cluster(draft) and len(clusters) > 1:
        host = draft.groups["metadata_db"][0]
        yield (
            f"{host} has several PostgreSQL clusters ({listed(cluster['config_dir'] for cluster in clusters)}), and which one is meant is "
            "not guessed: remove the others (pg_dropcluster), or make the role and the database in one of them yourself and name it by "
            "airflow_metadata_db_managed (false), airflow_metadata_db_host, airflow_metadata_db_port and airflow_metadata_db_password."
        )


def cluster_serves_others(draft: Draft) -> Iterator[str]:
    """Warnings: a server with a life of its own."""
    if draft.database is None or not draft.database.managed or is_cluster(draft):
        return
    for cluster in candidate_clusters(draft):
        if not cluster["own"] and cluster["databases"]:
            host = draft.groups["metadata_db"][0]
            folder = cluster["config_dir"]
            yield (
                f"{host} has a PostgreSQL cluster with databases of others ({cluster['name']}): {folder}/conf.d/airflow.conf and rules in "
                f"{folder}/pg_hba.conf are written there, its port becomes {draft.database.port}, and it is "
                "restarted."
            )


def names_are_identifiers(draft: Draft) -> Iterator[str]:
    """Names of a managed server are created without quotes; any other one only has to fit into a URL. MySQL's have a rule of their own."""
    database = draft.database
    if database is None:
        return
    created = database.managed and database.engine == "postgresql"
    managed_rule = "start with a letter and hold small letters, digits and _ only (63 at most)"
    for variable, value, reserved in (
        ("airflow_metadata_db_name", database.name, RESERVED_DATABASES),
        ("airflow_metadata_db_user", database.user, RESERVED_USERS),
    ):
        if created and not re.fullmatch(IDENTIFIER, value):
            yield f"{variable} is {value!r}: it must {managed_rule}."
        elif created and (value in reserved or value.startswith("pg_")):
            yield f"{variable} is {value!r}, which PostgreSQL keeps for itself: choose another name."
        elif not database.managed and variable.endswith("_name") and not re.fullmatch(r"[A-Za-z0-9_.$-]+", value):
            yield f"{variable} is {value!r}: it may hold letters, digits and _ . $ - only."


def host_is_plain(draft: Draft) -> Iterator[str]:
    """The host goes into a URL as it stands."""
    host = draft.values["airflow_metadata_db_host"]
    if host and not re.fullmatch(r"[A-Za-z0-9.:_-]+", host):
        yield f"airflow_metadata_db_host is {host!r}: write an address or a name, without scheme, port or brackets."


def ssl_mode_is_known(draft: Draft) -> Iterator[str]:
    """libpq's modes."""
    mode = draft.database.ssl_mode if draft.database else None
    if mode is not None and mode not in SSL_MODES:
        yield f"airflow_metadata_db_ssl_mode is {mode!r}: use one of {listed(SSL_MODES)}."


def root_certificate_is_used(draft: Draft) -> Iterator[str]:
    """Whoever names authorities wants the server to be verified."""
    mode = draft.database.ssl_mode if draft.database else ""
    hosts = [name for name in draft.airflow_hosts if draft.variable(name, "airflow_metadata_db_ssl_root_cert")]
    if hosts and mode in SSL_MODES and not mode.startswith("verify-"):
        yield (
            f"airflow_metadata_db_ssl_root_cert of {listed(hosts)} is set, and airflow_metadata_db_ssl_mode {mode} verifies no "
            "certificate: set verify-full, or remove the file's name."
        )


def adopted_on_one_host(draft: Draft) -> Iterator[str]:
    """One installation is taken over, where its tasks will run."""
    wanted = [name for name in draft.airflow_hosts if draft.variable(name, "airflow_adopt_home")]
    if len(wanted) > 1:
        yield (
            f"airflow_adopt_home is set for {listed(wanted)}: an installation made by hand is taken over on one host; set it on that "
            "host only."
        )
    elif wanted and draft.groups["scheduler"] and wanted[0] not in draft.groups["scheduler"]:
        yield f"airflow_adopt_home is set for {wanted[0]}, where no scheduler is to run: put that host into {draft.group('scheduler')}."


def adopted_is_sound(draft: Draft) -> Iterator[str]:
    """What the host information module says against a take-over."""
    for host in draft.hosts.values():
        adopted = host.adopted
        if adopted is None:
            continue
        for problem in adopted.get("problems") or []:
            yield f"airflow_adopt_home of {host.name} ({adopted['home']}): {problem.rstrip('.')}."


def adopted_environment_agrees(draft: Draft) -> Iterator[str]:
    """Daemons with different environments have no one setting to carry over."""
    for host in draft.hosts.values():
        names = (host.adopted or {}).get("environment_conflicts") or []
        if names:
            yield (
                f"The running daemons of {(host.adopted or {})['home']} on {host.name} have different values of {listed(names)}: start "
                "them with one value, or unset it and set the option in airflow_config."
            )


def adopted_runs_no_celery(draft: Draft) -> Iterator[str]:
    """Workers would be left behind."""
    for host in draft.hosts.values():
        kinds = sorted({str(daemon["kind"]) for daemon in (host.adopted or {}).get("daemons") or []} & set(CELERY_DAEMONS))
        if kinds:
            yield (
                f"The installation in {(host.adopted or {})['home']} runs {listed(kinds)}, and an installation with workers is not taken "
                "over by this release: let their tasks end and stop them first."
            )


def adopted_comes_alone(draft: Draft) -> Iterator[str]:
    """A host with an installation of ours has nothing to take over."""
    for host in draft.hosts.values():
        if host.adopted is not None and host.installation is not None:
            yield (
                f"{host.name} already runs Airflow {host.installation['version']} of this collection, and a second installation "
                f"({host.adopted['home']}) cannot be taken over into it: remove airflow_adopt_home."
            )


def adopted_moves_off_sqlite(draft: Draft) -> Iterator[str]:
    """What was taken over is never written, so its SQLite file is not used on."""
    if draft.taking_over and adopted_engine(draft) == "sqlite" and draft.engine == "sqlite":
        yield (
            f"The installation in {(draft.adopted or {})['home']} is on SQLite and would stay on it, which is not supported by this "
            f"release: put a host into {draft.group('metadata_db')}, or set airflow_metadata_db_host."
        )


def adopted_server_stays(draft: Draft) -> Iterator[str]:
    """A server database is taken over where it is."""
    if adopted_engine(draft) not in SERVER_ENGINES or draft.database is None:
        return
    host = draft.values["airflow_metadata_db_host"]
    other_engine = draft.engine != adopted_engine(draft)
    if draft.groups["metadata_db"] or (host and host != draft.database.host) or other_engine:
        what = f"the hosts of group {draft.group('metadata_db')}" if draft.groups["metadata_db"] else "airflow_metadata_db_host"
        what = "airflow_metadata_db_engine" if other_engine else what
        yield (
            f"The installation in {(draft.adopted or {})['home']} is on a server already ({draft.database.host}), which is taken over "
            f"where it is: remove {what}."
        )


def adopted_server_is_complete(draft: Draft) -> Iterator[str]:
    """A URL without these parts leans on the environment of one user."""
    if adopted_engine(draft) != "postgresql" or draft.database is None:
        return
    parts = {"user": draft.database.user, "database": draft.database.name}
    missing = [name for name, value in parts.items() if not value]
    if missing:
        yield (
            f"[database] sql_alchemy_conn in {(draft.adopted or {}).get('config_file')} names no {' and no '.join(missing)}: write them "
            "there."
        )


def adopted_dags_are_readable(draft: Draft) -> Iterator[str]:
    """Root's folders are closed to the user that Airflow runs as."""
    adopted = draft.adopted or {}
    owner = (adopted.get("owner") or {}).get("user")
    if owner == "root" and draft.variable(draft.adopted_on or "", "airflow_adopt_dags") == "in_place":
        yield (
            f"airflow_adopt_dags of {draft.adopted_on} is in_place, and {adopted.get('dags_folder')} belongs to root, as whom Airflow does "
            "not run: use copy."
        )


def adopted_webserver_config_fits(draft: Draft) -> Iterator[str]:
    """An edited webserver_config.py is carried over as it is."""
    adopted = draft.adopted or {}
    if not draft.taking_over or draft.line < 3:
        return
    for line, module, advice in lost_imports(adopted.get("webserver_config_content") or ""):
        place = f"{adopted.get('webserver_config')} on {draft.adopted_on}, line {line}"
        yield f"{place}, imports {module}, which Airflow 3 does not have: {advice}."


def adopted_environment_is_read(draft: Draft) -> Iterator[str]:
    """Settings in an environment that cannot be read would be lost without a word."""
    for host in draft.hosts.values():
        kinds = (host.adopted or {}).get("environment_unreadable") or []
        if kinds:
            yield f"The environment of the running {listed(sorted(set(kinds)))} on {host.name} cannot be read: run as root (become)."


def packages_are_left(draft: Draft) -> Iterator[str]:
    """Notes: packages that no index has."""
    left = [f"{package['name']} ({package['url']})" for package in (draft.adopted or {}).get("packages") or [] if package.get("url")]
    if draft.taking_over and left:
        yield f"Packages that did not come from an index are not carried over: {listed(left)}; name them in airflow_requirements."


def users_have_no_password(draft: Draft) -> Iterator[str]:
    """Notes: users that SimpleAuthManager knows by name only."""
    simple = (draft.adopted or {}).get("simple_auth") or {}
    names = [user["username"] for user in simple.get("users") or [] if not (simple.get("passwords") or {}).get(user["username"])]
    if draft.taking_over and names:
        yield f"Users without a password in {simple.get('passwords_file')} are not carried over: {listed(names)}."


def auth_manager_is_replaced(draft: Draft) -> Iterator[str]:
    """Notes: users come from Flask-AppBuilder's tables."""
    manager = ((draft.adopted or {}).get("config") or {}).get("core", {}).get("auth_manager", "")
    if draft.taking_over and manager and not any(kept in manager.lower() for kept in KEPT_AUTH_MANAGERS):
        yield f"[core] auth_manager {manager} is not carried over: set it in airflow_config to keep it."


def adopt_dags_is_known(draft: Draft) -> Iterator[str]:
    """Two ways to take DAGs over."""
    for name, host in draft.hosts.items():
        way = host.variables.get("airflow_adopt_dags")
        if way and way not in ("copy", "in_place"):
            yield f"airflow_adopt_dags of {name} is {way!r}: use copy or in_place."


RULES = (
    engine_is_supported,
    adopted_engine_is_supported,
    engine_fits_inventory,
    server_is_named,
    managed_needs_server,
    database_has_not_vanished,
    database_stays,
    external_server_is_reachable,
    postgresql_is_new_enough,
    cluster_is_certain,
    names_are_identifiers,
    host_is_plain,
    ssl_mode_is_known,
    root_certificate_is_used,
    adopted_on_one_host,
    adopted_is_sound,
    adopted_environment_agrees,
    adopted_environment_is_read,
    adopted_runs_no_celery,
    adopted_comes_alone,
    adopted_moves_off_sqlite,
    adopted_server_stays,
    adopted_server_is_complete,
    adopted_dags_are_readable,
    adopted_webserver_config_fits,
    adopt_dags_is_known,
)
WARNINGS = (postgresql_is_tested, cluster_serves_others)
NOTES = (packages_are_left, users_have_no_password, auth_manager_is_replaced)
