# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of an installation, made of what was found on its hosts: one sentence for each problem, and everything by its part.

Pure Python, and nothing in it is a secret: table, page and JSON all show what is made here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.updraft.airflow.plugins.filter.differences import SUBJECTS, differing
from ansible_collections.updraft.airflow.plugins.module_utils._topology_model import counted, listed
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_words import TITLES, size, span

FORMAT = 1
HEARTBEAT_SECONDS = 30
"""Airflow's own thresholds for scheduler, triggerer and DAG processor, by default."""

CONNECTIONS_SHARE = 0.9
DISK_SHARE, DISK_BYTES = 0.05, 1024**3
LAG_BYTES = 16 * 1024**2
"""A segment of PostgreSQL's log: a member that streams is behind by less."""

FAILING, PROBLEM, NOTICE = "failing", "problem", "notice"
VERDICTS = {FAILING: "failing", PROBLEM: "degraded", NOTICE: "healthy"}
LAG_SECONDS = 10
CERTIFICATE_SECONDS = 30 * 24 * 3600
"""With less time left, site would renew a certificate, or its owner has to."""

GOOD_MEMBERS = ("running", "streaming")
NEEDED = ("webserver", "scheduler", "dag_processor", "triggerer", "worker")
"""Daemons without which Airflow does not do its work: one of each has to be well."""


@dataclass
class Look:
    """A host: what is to be there, and what was found."""

    name: str
    parts: Sequence[str]
    outline: Mapping[str, Any] | None = None
    """None for a host that this run leaves out."""
    found: Mapping[str, Any] | None = None
    reason: str = ""
    """Why nothing was found."""
    is_reached: bool = True

    @property
    def state(self) -> str:
        """Whether the host was looked at, in one word."""
        if self.outline is None:
            return "left out"
        return "read" if self.found is not None else "unread" if self.is_reached else "unreachable"


@dataclass
class Report:
    """The status while it is made."""

    installation: Mapping[str, Any]
    looks: Sequence[Look]
    problems: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, level: str, text: str, host: str | None = None, part: str | None = None) -> None:
        """Add a sentence about a host, or about the whole installation."""
        sentence = f"{host}: {text}" if host else text
        self.problems.append({"level": level, "host": host, "part": part, "text": sentence.rstrip(".") + "."})

    def found(self, part: str) -> Iterator[tuple[Look, Any]]:
        """What hosts found of a part, of those that found any."""
        for look in self.looks:
            if look.found is not None and look.found.get(part) is not None:
                yield look, look.found[part]

    def host_of(self, node: str) -> str:
        """The host of an address, or of a node of RabbitMQ, which is called by its host's name or address."""
        place = node.rpartition("@")[2]
        return next((look.name for look in self.looks if place in _names(look)), node)

    def failures(self, part: str) -> dict[str, str]:
        """The hosts that could not read a part, with the reasons."""
        return {look.name: look.found["errors"][part] for look in self.looks if look.found and part in look.found["errors"]}


def make_report(installation: Mapping[str, Any], looks: Sequence[Look], made_at: float, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Everything about an installation, ready to be written as JSON."""
    report = Report(installation, looks)
    hosts = _hosts(report)
    database = _database(report)
    heard = Heard(report, database)
    for look, host in zip(looks, hosts):
        host["daemons"] = [_daemon(report, look, daemon, heard) for daemon in (look.outline or {}).get("daemons", ())]
        host["servers"] = [_server(report, look, server) for server in (look.outline or {}).get("servers", ())]
    made = {
        "database": database,
        "database_cluster": _database_cluster(report),
        "broker": _broker(report, hosts),
        "load_balancers": _load_balancers(report),
        "dags": _dags(report, database),
        "tasks": database["tasks"] if database else None,
    }
    _nobody_is_left(report, hosts)
    _drift(report, hosts)
    for note in notes:
        report.tell(NOTICE, note)
    order = (FAILING, PROBLEM, NOTICE)
    problems = sorted(report.problems, key=lambda problem: order.index(problem["level"]))
    verdict = VERDICTS[problems[0]["level"]] if problems else "healthy"
    return {
        "format": FORMAT,
        "made_at": datetime.fromtimestamp(made_at, timezone.utc).isoformat(timespec="seconds"),
        "verdict": verdict,
        "summary": _summary(verdict, problems, looks),
        "problems": problems,
        "installation": {name: value for name, value in installation.items() if name != "hosts"},
        "hosts": hosts,
        **made,
    }


def _summary(verdict: str, problems: Sequence[Mapping[str, Any]], looks: Sequence[Look]) -> str:
    bad = sum(problem["level"] != NOTICE for problem in problems)
    notices = len(problems) - bad
    further = f", {counted(notices, 'notice')}" if notices else ""
    where = counted(len(looks), "host")
    if verdict == "healthy":
        return f"Everything works on {where}{further}."
    words = {"degraded": "Airflow works, but not all of it", "failing": "Airflow cannot do all its work"}
    return f"{words[verdict]}: {counted(bad, 'problem')} on {where}{further}."


def _hosts(report: Report) -> list[dict[str, Any]]:
    hosts = []
    for look in report.looks:
        if look.state == "unreachable":
            report.tell(PROBLEM, f"the host does not answer ({look.reason or 'no reason is known'})", look.name, "host")
        elif look.state == "unread":
            report.tell(PROBLEM, f"the host could not be looked at ({look.reason or 'no reason is known'})", look.name, "host")
        found = look.found or {}
        hosts.append(
            {
                "name": look.name,
                "address": (look.outline or {}).get("address"),
                "parts": list(look.parts),
                "state": look.state,
                "reason": look.reason or None,
                "system": found.get("system"),
                "airflow": found.get("airflow") if (look.outline or {}).get("daemons") else None,
                "dags": found.get("dags"),
                "drift": found.get("drift") or [],
                "certificates": {path: _moment(end) for path, end in (found.get("certificates") or {}).items()},
            }
        )
        _certificates(report, look)
        _room(report, look)
    left_out = [look.name for look in report.looks if look.state == "left out"]
    if left_out:
        report.tell(NOTICE, f"This run is limited, and says nothing of {listed(left_out)}")
    return hosts


def _certificates(report: Report, look: Look) -> None:
    found = look.found or {}
    for path, end in (found.get("certificates") or {}).items():
        day = f"{datetime.fromtimestamp(end, timezone.utc):%Y-%m-%d}"
        if end <= found["at"]:
            report.tell(PROBLEM, f"the certificate {path} ended on {day}", look.name, "host")
        elif end - found["at"] < CERTIFICATE_SECONDS:
            report.tell(NOTICE, f"the certificate {path} ends on {day}", look.name, "host")


def _room(report: Report, look: Look) -> None:
    system = (look.found or {}).get("system")
    if system and (system["disk_free"] < DISK_BYTES or system["disk_free"] < DISK_SHARE * system["disk"]):
        report.tell(PROBLEM, f"only {size(system['disk_free'])} are free at {system['disk_path']}", look.name, "host")
    for part in ("system", "airflow", "units", "certificates", "fingerprint", "drift", "dags"):
        reason = (look.found or {}).get("errors", {}).get(part)
        if reason:
            report.tell(PROBLEM, f"{part} could not be read ({reason})", look.name, "host")


# Daemons and servers.


def _unit(look: Look, names: Sequence[str]) -> tuple[str, Mapping[str, Any] | None]:
    """The first of the names under which there is a unit. A pattern stands for the instances of one."""
    units: Mapping[str, Any] = (look.found or {}).get("units") or {}
    for name in names:
        start, star, end = name.partition("*")
        for unit in sorted(units, key=lambda each: units[each]["active"] == "active"):
            if unit == name or (star and unit.startswith(start) and unit.endswith(end)):
                return unit, units[unit]
    return names[0], None


def _state(look: Look, unit: Mapping[str, Any] | None) -> str:
    """`healthy` as far as systemd knows, else what it says."""
    if look.state != "read" or (look.found or {}).get("units") is None:
        return "unknown"
    if unit is None:
        return "missing"
    return {"active": "healthy", "activating": "starting", "reloading": "healthy", "failed": "failed"}.get(unit["active"], "stopped")


def _unit_problem(look: Look, state: str, unit: Mapping[str, Any] | None) -> str | None:
    if state == "missing":
        return "is not installed"
    if unit is None or state in ("healthy", "unknown"):
        return None
    ago = f" {span((look.found or {})['at'] - unit['since'])} ago" if unit["since"] else ""
    if state == "starting":
        return "is starting" + (f", after {counted(unit['restarts'], 'restart')} by itself" if unit["restarts"] else "")
    if state == "failed":
        return f"failed{ago} ({unit['result']})"
    return f"stopped{ago}" if ago else "is stopped"


def _entry(look: Look, name: str, component: str, names: Sequence[str]) -> tuple[dict[str, Any], str | None]:
    unit_name, unit = _unit(look, names)
    state = _state(look, unit)
    problem = _unit_problem(look, state, unit)
    at = (look.found or {}).get("at")
    entry = {
        "name": name,
        "component": component,
        "unit": unit_name,
        "state": state,
        "active": unit["active"] if unit else None,
        "since": _moment(unit["since"]) if unit else None,
        "seconds": max(0, int(at - unit["since"])) if unit and unit["since"] and at else None,
        "restarts": unit["restarts"] if unit else None,
        "memory": unit["memory"] if unit else None,
        "problem": problem,
    }
    return entry, problem


def _moment(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds") if seconds else None


class Heard:
    """What others say of a host's daemons."""

    def __init__(self, report: Report, database: Mapping[str, Any] | None) -> None:
        self.jobs: Sequence[Mapping[str, Any]] | None = database["jobs"] if database and "jobs" not in database["unknown"] else None
        brokers = [broker.get("workers") or {} for _look, broker in report.found("broker")]
        self.workers: dict[str, list[str]] | None = (
            {node: queues for found in brokers for node, queues in found.items()} if brokers else None
        )
        balancers = [servers for _look, servers in report.found("load_balancer")]
        self.webservers: set[str] | None = (
            {name for found in balancers for name, state in found.items() if state == "in"} if balancers else None
        )

    def heartbeat(self, look: Look, job_type: str | None) -> int | None:
        """Seconds since the newest heartbeat that a daemon of the host wrote."""
        names = _names(look)
        beats = [job["seconds"] for job in self.jobs or () if job["type"] == job_type and job["hostname"] in names]
        return min(beats) if beats else None

    def problem(self, entry: Mapping[str, Any], daemon: Mapping[str, Any]) -> str | None:
        """Why a daemon seems not to work, None where it does or nobody knows."""
        if daemon["node"] and self.workers is not None:
            return _worker_problem(entry, daemon)
        if daemon["job_type"] and self.jobs is not None:
            age = entry["heartbeat_seconds"]
            if age is None:
                return "has written no heartbeat"
            return f"has written no heartbeat for {span(age)}" if age > HEARTBEAT_SECONDS else None
        return None

    def knows(self, look: Look, daemon: Mapping[str, Any]) -> bool:
        """Whether somebody else can tell if a daemon works."""
        if daemon["node"]:
            return self.workers is not None
        if daemon["job_type"]:
            return self.jobs is not None
        # One that is out may be drained.
        return daemon["component"] == "webserver" and look.name in (self.webservers or ())


def _daemon(report: Report, look: Look, daemon: Mapping[str, Any], heard: Heard) -> dict[str, Any]:
    entry, problem = _entry(look, daemon["name"], daemon["component"], [daemon["unit"]])
    entry["queues"] = list(daemon["queues"])
    entry["served"] = (heard.workers or {}).get(daemon["node"]) if daemon["node"] else None
    entry["slots"] = daemon["slots"]
    entry["heartbeat_seconds"] = heard.heartbeat(look, daemon["job_type"])
    if entry["state"] == "healthy":
        problem = _page_problem(look, daemon) or heard.problem(entry, daemon)
        if problem:
            entry["state"] = "unhealthy"
            problem = f"runs, and {problem}"
    elif entry["state"] == "unknown" and look.outline is not None and heard.knows(look, daemon):
        # The host does not answer; its daemon may do.
        problem = heard.problem(entry, daemon)
        entry["state"] = "silent" if problem else "healthy"
    entry["problem"] = problem
    title = TITLES.get(daemon["component"], daemon["name"])
    title = title if daemon["name"] == daemon["component"] else f"{title} {daemon['name'].partition('@')[2]}"
    if problem:
        report.tell(PROBLEM, f"the {title} {problem}", look.name, daemon["component"])
    elif entry["restarts"]:
        report.tell(NOTICE, f"the {title} was restarted by itself {counted(entry['restarts'], 'time')}", look.name, daemon["component"])
    return entry


def _page_problem(look: Look, daemon: Mapping[str, Any]) -> str | None:
    page = ((look.found or {}).get("pages") or {}).get(daemon["name"])
    return f"its page {page['reason']}" if page and not page["answers"] else None


def _names(look: Look) -> set[str]:
    """What a host may be called by others."""
    outline = look.outline or {}
    names = [look.name, outline.get("hostname"), outline.get("address"), *((look.found or {}).get("names") or [])]
    return {name for name in names if name}


def _worker_problem(entry: Mapping[str, Any], daemon: Mapping[str, Any]) -> str | None:
    if entry["served"] is None:
        return "does not answer over the broker"
    wanted = sorted(daemon["queues"])
    return (
        None if sorted(entry["served"]) == wanted else f"serves {listed(entry['served']) or 'no queue'}, and should serve {listed(wanted)}"
    )


def _server(report: Report, look: Look, server: Mapping[str, Any]) -> dict[str, Any]:
    entry, problem = _entry(look, server["name"], server["component"], server["units"])
    if problem:
        report.tell(PROBLEM, f"{TITLES.get(server['name'], server['name'])} {problem}", look.name, server["component"])
    return entry


# Database.


def _database(report: Report) -> dict[str, Any] | None:
    wanted = report.installation["database"]
    views = list(report.found("database"))
    failures = report.failures("database")
    for host, reason in failures.items() if views else ():
        report.tell(PROBLEM, f"the metadata database cannot be reached from here ({reason})", host, "metadata_db")
    if failures and not views:
        reason = next(iter(failures.values()))
        report.tell(FAILING, f"No host reaches the metadata database ({reason})", part="metadata_db")
    elif not views and any(look.state in ("unreachable", "unread") for look in report.looks):
        report.tell(FAILING, "Nothing is known of the metadata database, as no host that uses it could be looked at", part="metadata_db")
    if not views:
        return None
    look, view = views[0]
    at = (look.found or {})["at"]
    jobs = [{**job, "seconds": max(0, int(at - job["beat"])) if job["beat"] else None} for job in view["jobs"]]
    used, most = view["connections"], view["max_connections"]
    if used and most and used >= CONNECTIONS_SHARE * most:
        report.tell(PROBLEM, f"The metadata database has {used} of at most {most} connections", part="metadata_db")
    for name, reason in view["unknown"].items():
        report.tell(NOTICE, f"The metadata database did not tell its {name.replace('_', ' ')} ({reason})", part="metadata_db")
    kept = ("version", "bytes", "connections", "max_connections", "revision", "tasks", "unknown")
    return {
        "engine": wanted["engine"],
        "place": wanted["place"],
        "asked_from": look.name,
        **{name: view[name] for name in kept},
        "jobs": [job for job in jobs if job["seconds"] is not None],
        **{name: view[name] for name in ("import_errors", "import_error_files", "dags", "paused_dags", "bundles")},
    }


def _database_cluster(report: Report) -> dict[str, Any] | None:
    if not report.installation["database"]["is_cluster"]:
        return None
    hosts = [look for look in report.looks if "metadata_db" in look.parts]
    if report.installation["database"]["engine"] == "mysql":
        return database_pair(report, hosts)
    views = dict((look.name, view) for look, view in report.found("patroni"))
    stores = dict((look.name, view) for look, view in report.found("etcd"))
    listed_members = next((view["members"] for view in views.values() if any(each["role"] == "leader" for each in view["members"])), None)
    members = {member["name"]: member for member in listed_members or next(iter(views.values()), {"members": []})["members"]}
    leader = next((member for member in members.values() if member["role"] == "leader"), None)
    # They are asked at different moments, between which another one may have been elected.
    term = max((store["term"] or 0 for store in stores.values() if store["leads"]), default=0)
    _judge_cluster(report, hosts, views, members, leader)
    _judge_stores(report, hosts, stores)
    return {
        "leader": leader["name"] if leader else None,
        "timeline": leader["timeline"] if leader else None,
        "is_paused": any(view["is_paused"] for view in views.values()),
        "members": [_member(look, members.get(look.name), views.get(look.name), stores.get(look.name), term) for look in hosts],
    }


def _member(
    look: Look, member: Mapping[str, Any] | None, view: Mapping[str, Any] | None, store: Mapping[str, Any] | None, term: int
) -> dict[str, Any]:
    leads = bool(store and store["leads"] and (store["term"] or 0) == term)
    return {
        "name": look.name,
        "role": member["role"] if member else None,
        "state": member["state"] if member else None,
        "timeline": member["timeline"] if member else None,
        "lag": member["lag"] if member else None,
        "lag_seconds": None,
        "answers": view is not None,
        "version": view["version"] if view else None,
        "etcd": "leads" if leads else "healthy" if store and store["is_healthy"] else "unhealthy" if store else None,
        "etcd_version": store["version"] if store else None,
        "etcd_bytes": store["bytes"] if store else None,
    }


def _judge_cluster(
    report: Report,
    hosts: Sequence[Look],
    views: Mapping[str, Mapping[str, Any]],
    members: Mapping[str, Mapping[str, Any]],
    leader: Mapping[str, Any] | None,
) -> None:
    part = "metadata_db"
    if not views:
        if any(look.state == "read" for look in hosts):
            report.tell(FAILING, "No member of the database cluster tells who leads", part=part)
        return
    if leader is None:
        report.tell(FAILING, "The database cluster has no leader", part=part)
    for look in hosts:
        member = members.get(look.name)
        reason = report.failures("patroni").get(look.name)
        if reason:
            report.tell(PROBLEM, f"Patroni does not answer ({reason})", look.name, part)
        elif member is None and look.state == "read":
            report.tell(PROBLEM, "is no member of the database cluster", look.name, part)
        if member is None or reason or look.state != "read":
            continue
        if member["state"] not in GOOD_MEMBERS:
            report.tell(PROBLEM, f"the database is {member['state']}", look.name, part)
        elif leader and member["timeline"] != leader["timeline"]:
            report.tell(
                PROBLEM, f"the database is on timeline {member['timeline']}, and the leader on {leader['timeline']}", look.name, part
            )
        elif (member["lag"] or 0) > LAG_BYTES:
            report.tell(PROBLEM, f"the database is {size(member['lag'])} behind the leader", look.name, part)
        if (views.get(look.name) or {}).get("pending_restart"):
            report.tell(NOTICE, "PostgreSQL has to start again for a setting", look.name, part)
    if any(view["is_paused"] for view in views.values()):
        report.tell(NOTICE, "Patroni is paused: no member would take over from the leader", part=part)


def _judge_stores(report: Report, hosts: Sequence[Look], stores: Mapping[str, Mapping[str, Any]]) -> None:
    for name, reason in report.failures("etcd").items():
        report.tell(PROBLEM, f"etcd does not answer ({reason})", name, "metadata_db")
    for name, store in stores.items():
        if not store["is_healthy"]:
            report.tell(PROBLEM, f"etcd is not healthy{' (' + store['reason'] + ')' if store['reason'] else ''}", name, "metadata_db")
    healthy = sum(store["is_healthy"] for store in stores.values())
    unseen = sum(look.state != "read" for look in hosts)
    if 2 * (healthy + unseen) <= len(hosts):
        report.tell(FAILING, f"etcd has no majority: {healthy} of {len(hosts)} members are healthy", part="metadata_db")


def database_pair(report: Report, hosts: Sequence[Look]) -> dict[str, Any]:
    """MySQL's source and its replica."""
    views = dict((look.name, view) for look, view in report.found("pair"))
    sources = [name for name, view in views.items() if view["role"] == "source"]
    source = sources[0] if len(sources) == 1 else None
    _judge_pair(report, hosts, views, sources)
    return {
        "leader": source,
        "timeline": None,
        "is_paused": False,
        "members": [
            {
                "name": look.name,
                "role": view["role"] if view else None,
                "state": _pair_state(view) if view else None,
                "timeline": None,
                "lag": None,
                "lag_seconds": view["lag"] if view and view["role"] == "replica" else None,
                "answers": view is not None,
                "version": None,
                "etcd": None,
                "etcd_version": None,
                "etcd_bytes": None,
            }
            for look, view in ((look, views.get(look.name)) for look in hosts)
        ],
    }


def _pair_state(view: Mapping[str, Any]) -> str:
    if view["role"] == "source":
        return "in sync" if view["confirms"] else "alone"
    return "follows" if view["receives"] and view["applies"] else "does not follow"


def _judge_pair(report: Report, hosts: Sequence[Look], views: Mapping[str, Mapping[str, Any]], sources: Sequence[str]) -> None:
    part = "metadata_db"
    for name, reason in report.failures("pair").items():
        report.tell(PROBLEM, f"its MySQL server does not tell what it is ({reason})", name, part)
    if len(sources) > 1:
        report.tell(FAILING, f"Two MySQL servers take writes ({listed(sources)}), so their data are not the same any more", part=part)
    elif views and not sources:
        report.tell(FAILING, "No MySQL server takes writes: updraft.airflow.promote_replica lets the replica take over", part=part)
    for name, view in views.items():
        if view["role"] == "closed":
            report.tell(PROBLEM, "its MySQL server neither takes writes nor follows: updraft.airflow.site makes it the replica", name, part)
        elif view["role"] == "replica" and not (view["receives"] and view["applies"]):
            why = f" ({view['error']})" if view["error"] else ""
            report.tell(PROBLEM, f"its MySQL server does not follow the source{why}", name, part)
        elif view["role"] == "replica" and (view["lag"] or 0) > LAG_SECONDS:
            report.tell(PROBLEM, f"its MySQL server is {span(view['lag'])} behind the source", name, part)
        elif view["role"] == "source" and not view["confirms"] and len(hosts) > 1:
            report.tell(PROBLEM, "its MySQL server goes on alone: the replica does not have what is written now", name, part)


# Broker.


def _broker(report: Report, hosts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    wanted = report.installation["broker"]
    if wanted is None:
        return None
    views = list(report.found("broker"))
    failures = report.failures("broker")
    if failures and not views:
        report.tell(FAILING, f"No host reaches the broker ({next(iter(failures.values()))})", part="broker")
    for host, reason in failures.items() if views else ():
        report.tell(PROBLEM, f"the broker cannot be reached from here ({reason})", host, "broker")
    nodes, details = _rabbitmq(report)
    nodes = nodes or _redis(report)
    counts: Mapping[str, Any] = next((view["queues"] for _look, view in views if view["queues"]), {})
    queues = []
    for name in list(dict.fromkeys([*report.installation["queues"], *details])):
        if name in report.installation["queues"] or not _is_internal(name):
            queues.append(_queue(report, hosts, name, counts.get(name), details.get(name)))
    return {
        "engine": wanted["engine"],
        "place": wanted["place"],
        "is_cluster": wanted["is_cluster"],
        "version": next((view["version"] for _look, view in views if view.get("version")), None) or nodes.get("version"),
        "nodes": [report.host_of(node) for node in nodes.get("nodes", [])],
        "running": [report.host_of(node) for node in nodes.get("running", [])],
        "alarms": nodes.get("alarms", []),
        "master": report.host_of(nodes["master"]) if nodes.get("master") else None,
        "queues": queues,
    }


def _is_internal(name: str) -> bool:
    """Queues by which workers are asked and tell what they do, and those in which Celery lets messages wait."""
    return name.startswith(("celeryev.", "celery_delayed_")) or name.endswith(".celery.pidbox")


def _rabbitmq(report: Report) -> tuple[Mapping[str, Any], dict[str, Mapping[str, Any]]]:
    for host, reason in report.failures("rabbitmq").items():
        report.tell(PROBLEM, f"RabbitMQ cannot be asked ({reason})", host, "broker")
    views = [view for _look, view in report.found("rabbitmq")]
    if not views:
        return {}, {}
    # Who sees the most is the majority.
    best = max(views, key=lambda view: len(view["running"]))
    for node in best["nodes"]:
        if node not in best["running"]:
            report.tell(PROBLEM, "its node of RabbitMQ's cluster is down", report.host_of(node), "broker")
    for alarm in best["alarms"]:
        report.tell(PROBLEM, f"RabbitMQ takes no message: it has an alarm about its {alarm}", part="broker")
    if any(view["partitions"] for view in views):
        report.tell(FAILING, "RabbitMQ's nodes do not see each other (a network partition)", part="broker")
    return best, {queue["name"]: queue for queue in best["queues"]}


def _redis(report: Report) -> Mapping[str, Any]:
    """What the sentinels say: who is the master, and who has a place and is not in it."""
    for host, reason in report.failures("redis").items():
        report.tell(PROBLEM, f"Redis's place among the others cannot be read ({reason})", host, "broker")
    views = [view for _look, view in report.found("redis")]
    if not views:
        return {}
    masters = Counter(view["master"] for view in views)
    master = masters.most_common(1)[0][0]
    agreeing = [view for view in views if view["master"] == master]
    if len(masters) > 1:
        named = listed(sorted(report.host_of(address) for address in masters))
        report.tell(PROBLEM, f"Redis's sentinels do not agree who is the master ({named})", part="broker")
    if 2 * sum(view["master_is_down"] for view in agreeing) > len(views):
        report.tell(FAILING, f"Redis has no master: its sentinels do not reach {report.host_of(master)}", part="broker")
    known = sorted({address for view in agreeing for address in (*view["sentinels"], *view["replicas"], master)})
    running = []
    for address in known:
        follows = any(view["replicas"].get(address) for view in agreeing)
        if address == master or follows:
            running.append(address)
        else:
            report.tell(PROBLEM, "its Redis does not follow the master", report.host_of(address), "broker")
        if not any(view["sentinels"].get(address) for view in agreeing):
            report.tell(PROBLEM, "its sentinel does not answer the others", report.host_of(address), "broker")
    version = next((view["version"] for view in views if view["version"]), None)
    return {"version": version, "master": master, "nodes": known, "running": running}


def _queue(
    report: Report, hosts: Sequence[Mapping[str, Any]], name: str, counts: Mapping[str, Any] | None, details: Mapping[str, Any] | None
) -> dict[str, Any]:
    serving = [
        f"{daemon['name']} on {host['name']}"
        for host in hosts
        for daemon in host["daemons"]
        if name in (daemon.get("served") or ()) and daemon["state"] in ("healthy", "unhealthy")
    ]
    messages = counts["messages"] if counts else details["messages"] if details else None
    if name in report.installation["queues"] and counts is not None and not serving:
        waiting = f", and {counted(messages or 0, 'task')} wait" if messages else ""
        report.tell(FAILING, f"Queue {name} is served by no worker{waiting}", part="worker")
    if details and details["type"] == "quorum":
        if details["leader"] is None:
            report.tell(FAILING, f"Queue {name} has no leader", part="broker")
        elif len(details["online"]) < len(details["members"]):
            report.tell(PROBLEM, f"Queue {name} has {len(details['online'])} of {len(details['members'])} members", part="broker")
    return {
        "name": name,
        "messages": messages,
        "taken": details["taken"] if details else None,
        "consumers": details["consumers"] if details else (counts or {}).get("consumers"),
        "workers": serving,
        "type": details["type"] if details else None,
        "leader": report.host_of(details["leader"]) if details and details["leader"] else None,
        "members": [report.host_of(node) for node in details["members"]] if details else [],
        "online": [report.host_of(node) for node in details["online"]] if details else [],
    }


# Load balancers.


def _load_balancers(report: Report) -> list[dict[str, Any]]:
    balancer = report.installation["load_balancer"]
    if balancer is None:
        return []
    part, found = "load_balancer", []
    for look in report.looks:
        if part not in look.parts:
            continue
        servers = (look.found or {}).get("load_balancer")
        holds = (look.found or {}).get("holds_address")
        found.append({"host": look.name, "servers": servers, "holds_address": holds})
        reason = report.failures(part).get(look.name)
        if reason:
            report.tell(PROBLEM, f"the load balancer does not tell its webservers ({reason})", look.name, part)
        for server, state in (servers or {}).items():
            if state == "drained":
                report.tell(NOTICE, f"the webserver of {server} was taken out of this load balancer", look.name, part)
            elif state == "out":
                report.tell(PROBLEM, f"the webserver of {server} gets no requests, as it does not answer", look.name, part)
    if balancer["address"] and all(entry["holds_address"] is not None for entry in found):
        holders = [str(entry["host"]) for entry in found if entry["holds_address"]]
        if not holders:
            report.tell(FAILING, f"No load balancer has the address {balancer['address']}", part=part)
        elif len(holders) > 1:
            report.tell(PROBLEM, f"{listed(holders)} have the address {balancer['address']} at once", part=part)
    return found


# The whole installation.


def _nobody_is_left(report: Report, hosts: Sequence[Mapping[str, Any]]) -> None:
    if any(look.state == "left out" for look in report.looks):
        return
    for component in NEEDED:
        states = [daemon["state"] for host in hosts for daemon in host["daemons"] if daemon["component"] == component]
        # A daemon of a host that does not answer may well be at work.
        if states and not any(state in ("healthy", "unknown") for state in states):
            report.tell(
                FAILING, f"No {TITLES[component]} of {len(states)} works" if len(states) > 1 else f"The {TITLES[component]} does not work"
            )


def _dags(report: Report, database: Mapping[str, Any] | None) -> dict[str, Any]:
    errors = database["import_errors"] if database else None
    if errors and database:
        names = list(database["import_error_files"])
        shown = listed(names[:5]) + (f" and {errors - 5} more" if errors > 5 else "")
        report.tell(NOTICE, f"{counted(errors, 'DAG file')} cannot be imported: {shown}", part="dag_processor")
    return {
        "dags": database["dags"] if database else None,
        "paused": database["paused_dags"] if database else None,
        "import_errors": errors,
        "import_error_files": list(database["import_error_files"]) if database else [],
        "bundles": [{**bundle, "refreshed": _moment(bundle["refreshed"])} for bundle in database["bundles"]] if database else [],
        "revisions": {look.name: dags["revision"] for look, dags in report.found("dags")},
    }


def _drift(report: Report, hosts: Sequence[Mapping[str, Any]]) -> None:
    wanted = report.installation["version"]
    executors = {host["airflow"]["executor"] for host in hosts if host["airflow"] and host["airflow"]["executor"]}
    for executor in sorted(executors - {report.installation["executor"]}) if report.installation["is_planned"] else ():
        report.tell(NOTICE, f"Airflow runs with {executor}, and {report.installation['executor']} is planned: run site")
    for host in hosts:
        airflow = host["airflow"]
        if airflow and airflow["version"] and airflow["version"] != wanted and report.installation["is_planned"]:
            report.tell(NOTICE, f"Airflow {airflow['version']} is installed, and {wanted} is planned: run site", host["name"])
        if host["drift"]:
            paths = [f"{entry['path']} {'is missing' if entry['what'] == 'missing' else 'differs'}" for entry in host["drift"]]
            shown = listed(paths[:4]) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")
            report.tell(NOTICE, f"not as the inventory says: {shown}; site repairs it", host["name"])
        if host["dags"] and host["dags"]["revision"] and not host["dags"]["is_whole"]:
            report.tell(NOTICE, f"the DAGs of revision {host['dags']['revision']} were changed by hand; site repairs it", host["name"])
    prints = {look.name: fingerprint for look, fingerprint in report.found("fingerprint")}
    for name, host_name, other in differing(prints):
        report.tell(PROBLEM, f"has {SUBJECTS.get(name, (f'another {name}', ''))[0]} than {other}", host_name)
    revisions = {look.name: {"revision": str(dags["revision"])} for look, dags in report.found("dags")}
    for _name, host_name, other in differing(revisions):
        report.tell(PROBLEM, f"has another revision of the DAGs than {other}", host_name)
