# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about TLS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ._topology_certificates import certificates, serves
from ._topology_database import ENCRYPTED_SSL_MODES, is_cluster, is_established
from ._topology_handover import executor_changes, left_broker
from ._topology_load_balancer import verified_name
from ._topology_model import TLS_GIVEN, TLS_MODES, TLS_OFF, TLS_OWN_CA, Draft, counted, listed
from ._topology_rules_versions import moves
from ._topology_tls import GIVEN_VARIABLES, tls_changes
from ._topology_urls import LOOPBACK, WEB_PORT, is_ipv4, split_web_url


def tls_is_known(draft: Draft) -> Iterator[str]:
    """Who signs the certificates."""
    mode = draft.values["airflow_tls"]
    if mode not in TLS_MODES:
        yield f"airflow_tls is {mode!r}: use {', '.join(TLS_MODES[:-1])} or {TLS_MODES[-1]}."


def servers_can_have_tls(draft: Draft) -> Iterator[str]:
    """Several servers that this collection does not set up with TLS."""
    if not draft.tls:
        return
    broker, databases, brokers = draft.broker, draft.groups["metadata_db"], draft.groups["broker"]
    if broker is not None and broker.managed and broker.engine == "redis" and len(brokers) > 1:
        yield (
            f"airflow_tls is {draft.tls}, and group {draft.group('broker')} has {counted(len(brokers), 'host')}: several servers of Redis "
            "are not set up with TLS yet; keep one, use RabbitMQ, or set airflow_tls to false."
        )
    if draft.engine == "mysql" and draft.database is not None and draft.database.managed and len(databases) > 1:
        yield (
            f"airflow_tls is {draft.tls}, and group {draft.group('metadata_db')} has {counted(len(databases), 'host')}: several servers of "
            "MySQL are not set up with TLS yet; keep one, use PostgreSQL, or set airflow_tls to false."
        )


def database_is_encrypted(draft: Draft) -> Iterator[str]:
    """The server refuses who comes without TLS."""
    database = draft.database
    if draft.tls and database is not None and database.managed and database.ssl_mode not in ENCRYPTED_SSL_MODES:
        yield (
            f"airflow_metadata_db_ssl_mode is {database.ssl_mode}, and with airflow_tls the database serves nobody in plain text: remove "
            f"it, or use {', '.join(ENCRYPTED_SSL_MODES[:-1])} or {ENCRYPTED_SSL_MODES[-1]}."
        )


def broker_tls_is_anothers(draft: Draft) -> Iterator[str]:
    """One that is managed here goes with the rest."""
    if draft.broker is not None and draft.broker.managed and draft.values["airflow_broker_tls"] is not None:
        yield (
            "airflow_broker_tls says how a broker is reached that others look after, and this one is managed here: remove it, and set "
            "airflow_tls."
        )


def page_has_tls(draft: Draft) -> Iterator[str]:
    """Nobody answers in plain text but with a redirect."""
    if draft.tls and draft.base_url.startswith("http://"):
        yield f"airflow_base_url is {draft.base_url}, and airflow_tls is {draft.tls}: let it begin with https://."
    if draft.tls and draft.load_balancer is not None and draft.load_balancer.port == WEB_PORT:
        yield f"airflow_load_balancer_port is {WEB_PORT}, where people are sent from to TLS: choose another one, or remove it."


def tls_changes_alone(draft: Draft) -> Iterator[str]:
    """Tasks that wait in a broker are handed back by the addresses that are in use, which would not work any more."""
    if tls_changes(draft) and not moves(draft) and (executor_changes(draft) or left_broker(draft) is not None):
        before = (draft.installation or {}).get("tls") or TLS_OFF
        yield (
            f"airflow_tls goes from {before} to {draft.tls or TLS_OFF}, and the executor or the broker changes too: do one after the "
            "other, each with a run of its own."
        )


def authority_is_here(draft: Draft) -> Iterator[str]:
    """A new one would be trusted by nobody who runs, and would trust nobody."""
    missing = draft.inputs.missing_authority
    if not missing or not any(each["given"] is None for name in draft.used_hosts for each in certificates(draft, name)):
        return
    if (draft.installation or {}).get("tls") == TLS_OWN_CA or (is_cluster(draft) and is_established(draft)):
        yield (
            f"This installation's own authority signed what its servers use, and this controller does not have {listed(missing)}: bring "
            "the folder tls back from a backup, or from the controller that made it; docs/tls.md tells how to begin anew where it is lost."
        )


def files_are_meant(draft: Draft) -> Iterator[str]:
    """Files of certificates that nobody would read."""
    if draft.tls == TLS_GIVEN:
        return
    for variable in GIVEN_VARIABLES.values():
        if any(host.variables.get(variable) for host in draft.hosts.values()):
            mode = draft.values["airflow_tls"]
            yield f"{variable} is set, and airflow_tls is {mode}: set that to {TLS_GIVEN}, or remove the name of the file."


def files_are_named(draft: Draft) -> Iterator[str]:
    """Whoever serves has a certificate and its key, and everybody knows the authority."""
    if draft.tls != TLS_GIVEN:
        return
    for part, variable in GIVEN_VARIABLES.items():
        needy = [name for name in draft.used_hosts if part == "authority" or serves(draft, name)]
        missing = [name for name in needy if not draft.hosts[name].variables.get(variable)]
        if missing:
            yield f"airflow_tls is {TLS_GIVEN}, and {variable} is not set ({listed(missing)}): name a file on the controller."


def files_are_right(draft: Draft) -> Iterator[str]:
    """What was found in them."""
    if draft.tls != TLS_GIVEN:
        return
    found: dict[str, list[str]] = {}
    for name, given in draft.inputs.given_certificates.items():
        for problem in given.problems:
            found.setdefault(problem, []).append(name)
    for problem, names in found.items():
        yield f"{problem} ({listed(names)})."


def given_certificates_last(draft: Draft) -> Iterator[str]:
    """Nobody but their owner can renew them."""
    if draft.tls != TLS_GIVEN:
        return
    for name in draft.used_hosts:
        given = draft.inputs.given_certificates.get(name)
        if given is not None and given.ends_soon and serves(draft, name):
            yield (
                f"airflow_tls_certificate of {name} ends on {given.ends_soon}: have it renewed, and run "
                "updraft.airflow.rotate_certificates."
            )


def certificates_cover_the_hosts(draft: Draft) -> Iterator[str]:
    """Those who connect verify the name or address that they use."""
    if draft.tls != TLS_GIVEN:
        return
    for name in draft.used_hosts:
        given = draft.inputs.given_certificates.get(name)
        if given is None or given.problems or not serves(draft, name):
            continue
        missing = [each for each in _needed(draft, name) if not covers(given.names, each)]
        if missing:
            yield (
                f"airflow_tls_certificate of {name} is for {listed(given.names) or 'nobody'}, and not for {listed(missing)}, by which "
                "others reach it: give one that is, or set airflow_advertised_address or airflow_base_url to a name that it has."
            )


def nodes_have_the_names_of_all(draft: Draft) -> Iterator[str]:
    """A client that goes on to another node of a cluster looks for the name of the one that it began with, which may be any of them."""
    if draft.tls != TLS_GIVEN or draft.broker is None or not draft.broker.managed:
        return
    for name in draft.groups["broker"]:
        given = draft.inputs.given_certificates.get(name)
        if given is None or given.problems:
            continue
        others = [each for each in draft.broker.nodes.values() if each != draft.broker.nodes.get(name)]
        missing = [each for each in others if not covers(given.names, each)]
        if missing:
            yield (
                f"airflow_tls_certificate of {name} is not for {listed(missing)}: who goes on from one node of RabbitMQ to another looks "
                "for the name of the first one, so give each node a certificate with the names of all of them."
            )


def webservers_have_a_name(draft: Draft) -> Iterator[str]:
    """Both load balancers verify the webservers behind them by a name, and not by an address."""
    if draft.tls != TLS_GIVEN or draft.load_balancer is None:
        return
    name = verified_name(draft)
    if is_ipv4(name) or ":" in name:
        yield (
            f"airflow_tls is {TLS_GIVEN}, and the page's address {draft.base_url} has no name, by which the load balancer verifies the "
            "webservers: set airflow_base_url to https:// and a name that their certificates have."
        )


def _needed(draft: Draft, name: str) -> list[str]:
    """The names and addresses that a host is asked for by."""
    host, parts = draft.hosts[name], split_web_url(draft.base_url)
    page = parts.hostname if parts else None
    found = [str(host.address or host.name)]
    if name in draft.placement["webserver"] or name in draft.groups["load_balancer"]:
        found.append(str(page or ""))
    if name in draft.groups["load_balancer"] and draft.load_balancer is not None:
        found.append(draft.load_balancer.address)
    return [each for each in dict.fromkeys(found) if each and each not in LOOPBACK]


def covers(names: Iterable[str], wanted: str) -> bool:
    """Whether a certificate is for a name or an address; `*.` stands for one label."""
    return any(
        name.lower() == wanted.lower() or (name.startswith("*.") and name[1:].lower() == "." + wanted.partition(".")[2].lower())
        for name in names
    )


RULES = (
    tls_is_known,
    servers_can_have_tls,
    database_is_encrypted,
    broker_tls_is_anothers,
    page_has_tls,
    tls_changes_alone,
    authority_is_here,
    files_are_meant,
    files_are_named,
    files_are_right,
    certificates_cover_the_hosts,
    nodes_have_the_names_of_all,
    webservers_have_a_name,
)
WARNINGS = (given_certificates_last,)
