# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A status as text for a terminal: what is wrong first, then a table for each part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._topology_model import counted, listed
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_words import TITLES, size, span

GAP = "  "
MOST_NAMED = 4
LEVELS = {"failing": "FAILING", "problem": "PROBLEM", "notice": "notice"}
WIDEST = max(map(len, LEVELS.values()))
TASKS = (
    "running",
    "queued",
    "scheduled",
    "deferred",
    "up_for_retry",
    "up_for_reschedule",
    "success",
    "failed",
    "upstream_failed",
    "skipped",
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows with their columns below each other; a column with nothing in it is left out."""
    lines = [[cell or "" for cell in row] for row in rows]
    used = [number for number in range(len(head)) if any(line[number] for line in lines)]
    widths = {number: max(len(line[number]) for line in [list(head), *lines]) for number in used}
    return [GAP.join(line[number].ljust(widths[number]) for number in used).rstrip() for line in [list(head), *lines]]


def lines_of(report: Mapping[str, Any]) -> list[str]:
    """The whole status."""
    parts = [
        heading(report),
        [f"{LEVELS[problem['level']]:{WIDEST}}{GAP}{problem['text']}" for problem in report["problems"]],
        daemon_lines(report),
        host_lines(report),
        cluster_lines(report),
        queue_lines(report),
        balancer_lines(report),
        [f"{name}{GAP}{text}" for name, text in facts(report)],
    ]
    lines: list[str] = []
    for part in parts:
        lines += [*part, ""] if part else []
    return lines[:-1]


def heading(report: Mapping[str, Any]) -> list[str]:
    """The verdict, and what it is about."""
    installation = report["installation"]
    words = [f"Airflow {installation['version']}", installation["executor"], installation["base_url"]]
    return [
        f"{report['verdict'].upper()}: {report['summary']}",
        f"{installation['name']}, {listed(filter(None, words))}, {report['made_at']}",
    ]


def daemon_lines(report: Mapping[str, Any]) -> list[str]:
    """A line for each daemon and server of each host."""
    head = ("HOST", "DAEMON", "STATE", "SINCE", "RESTARTS", "MEMORY", "HEARTBEAT", "QUEUES")
    rows = []
    for host in report["hosts"]:
        for entry in [*host["daemons"], *host["servers"]]:
            beat = entry.get("heartbeat_seconds")
            rows.append(
                (
                    host["name"],
                    entry["name"] if entry["component"] == "worker" else TITLES.get(entry["name"], entry["name"]).removeprefix("the "),
                    entry["state"],
                    span(entry["seconds"]),
                    str(entry["restarts"] or ""),
                    size(entry["memory"]),
                    f"{span(beat)} ago" if beat is not None else "",
                    listed(entry.get("served") or ()),
                )
            )
    return table(head, rows) if rows else []


def host_lines(report: Mapping[str, Any]) -> list[str]:
    """A line for each host."""
    head = ("HOST", "STATE", "AIRFLOW", "PYTHON", "CORES", "LOAD", "MEMORY FREE", "DISK FREE", "UP", "DAGS", "DRIFT")
    rows = []
    for host in report["hosts"]:
        system, airflow, dags = host["system"] or {}, host["airflow"] or {}, host["dags"] or {}
        rows.append(
            (
                host["name"],
                host["state"],
                airflow.get("version") or "",
                airflow.get("python") or "",
                str(system.get("cores", "")),
                str(system.get("load", "")),
                f"{size(system['memory_available'])} of {size(system['memory'])}" if system else "",
                f"{size(system['disk_free'])} of {size(system['disk'])}" if system else "",
                span(system.get("up_seconds")),
                dags.get("revision") or "",
                counted(len(host["drift"]), "file") if host["drift"] else "",
            )
        )
    return table(head, rows)


def cluster_lines(report: Mapping[str, Any]) -> list[str]:
    """A line for each member of the database cluster."""
    rows = member_rows(report)
    return table(("DATABASE", "ROLE", "STATE", "TIMELINE", "LAG", "ETCD"), rows) if rows else []


def member_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What is said of each member of the database cluster; nothing without one."""
    return [
        (
            member["name"],
            (member["role"] or "").replace("_", " "),
            member["state"] or "no answer",
            str(member["timeline"] or ""),
            size(member["lag"]) or span(member["lag_seconds"]),
            member["etcd"] or ("" if report["installation"]["database"]["engine"] == "mysql" else "no answer"),
        )
        for member in (report["database_cluster"] or {"members": []})["members"]
    ]


def queue_lines(report: Mapping[str, Any]) -> list[str]:
    """A line for each queue."""
    head = ("QUEUE", "WAITING", "TAKEN", "CONSUMERS", "TYPE", "LEADER", "MEMBERS", "WORKERS")
    return [] if report["broker"] is None else table(head, queue_rows(report))


def queue_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What is said of each queue; nothing without a broker."""
    return [
        (
            queue["name"],
            *("" if queue[name] is None else str(queue[name]) for name in ("messages", "taken", "consumers")),
            queue["type"] or "",
            queue["leader"] or "",
            f"{len(queue['online'])} of {len(queue['members'])}" if queue["members"] else "",
            workers_of(queue),
        )
        for queue in (report["broker"] or {"queues": []})["queues"]
    ]


def workers_of(queue: Mapping[str, Any]) -> str:
    """Who serves a queue, by number where they are many."""
    workers = queue["workers"]
    return counted(len(workers), "worker") if len(workers) > MOST_NAMED else listed(workers) or "none"


def balancer_lines(report: Mapping[str, Any]) -> list[str]:
    """A line for each load balancer."""
    rows = balancer_rows(report)
    return table(("LOAD BALANCER", "ADDRESS", "WEBSERVERS"), rows) if rows else []


def balancer_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What is said of each load balancer."""
    rows: list[tuple[str, ...]] = []
    for entry in report["load_balancers"]:
        servers = listed(f"{name} {state}" for name, state in (entry["servers"] or {}).items()) or "no answer"
        rows.append((entry["host"], "here" if entry["holds_address"] else "", servers))
    return rows


def facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is left to say, by its name."""
    found = [("Database ", database_line(report))]
    if report["broker"]:
        broker = report["broker"]
        leader = f", {broker['master']} is the master" if broker["master"] else ""
        nodes = f"{len(broker['running'])} of {len(broker['nodes'])} nodes run" if broker["is_cluster"] else f"at {broker['place']}"
        found.append(("Broker   ", f"{TITLES[broker['engine']]} {broker['version'] or ''}".rstrip() + f", {nodes}{leader}"))
    if report["tasks"] is not None:
        found.append(("Tasks    ", listed(f"{count:,} {state}" for state, count in tasks(report)) or "none"))
    dags = report["dags"]
    if dags["dags"] is not None:
        errors = f", {counted(dags['import_errors'], 'file')} with an error" if dags["import_errors"] else ""
        found.append(("DAGs     ", f"{dags['dags']}, {dags['paused']} paused{errors}"))
    return found


def tasks(report: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Tasks by state: those that wait or run, and those that ended in the last 24 hours."""
    counts = report["tasks"] or {}
    return [(state.replace("_", " "), counts[state]) for state in TASKS if counts.get(state)]


def database_line(report: Mapping[str, Any]) -> str:
    """The metadata database in a line."""
    database, wanted = report["database"], report["installation"]["database"]
    title = TITLES[wanted["engine"]]
    if database is None:
        return f"{title}, {wanted['place']}: nobody could ask it"
    words = [f"{title} {database['version'] or ''}".rstrip(), str(wanted["place"]), size(database["bytes"])]
    if database["max_connections"]:
        words.append(f"{database['connections']} of {database['max_connections']} connections")
    return listed(word for word in words if word)
