# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A status as one HTML file, which needs nothing from elsewhere and runs no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._topology_model import counted, listed
from ansible_collections.updraft.airflow.plugins.plugin_utils import _status_text as text
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_picture import LEGEND, picture, sign
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_style import STYLE
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_words import TITLES, size, span

WIDE, WIDE_COLUMNS = 1120, 5
PHONE, PHONE_COLUMNS = 440, 2
VERDICT_SIGNS = {"healthy": "healthy", "degraded": "starting", "failing": "unhealthy"}
WORDS = {"failing": "Failing", "problem": "Problem", "notice": "Notice"}
LOST = {
    "unreachable": "The host does not answer.",
    "unread": "The host could not be looked at.",
    "left out": "This run leaves the host out.",
}


def page(report: Mapping[str, Any]) -> str:
    """The whole file."""
    installation = report["installation"]
    title = f"{installation['name']}: {report['verdict']}"
    body = [
        _verdict(report),
        _tiles(report),
        _section("Picture", _pictures(report)),
        _section("Hosts", _hosts(report)),
        _section("Database cluster", _members(report)),
        _section("Queues", _queues(report)),
        _section("Load balancers", _balancers(report)),
        _section("DAG bundles", _bundles(report)),
        _section("DAG files that cannot be imported", _import_errors(report)),
        _section("Not as the inventory says", _drift(report)),
        f"<footer>Made at {escape(report['made_at'])} by updraft.airflow.status. Nothing was changed or started for it.</footer>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, body))
        + "\n</main>\n</body>\n</html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>" if content else ""


def _sign(state: str) -> str:
    return f'<svg viewBox="-9 -9 18 18" aria-hidden="true">{sign(state, 0, 0)}</svg>'


def _verdict(report: Mapping[str, Any]) -> str:
    installation = report["installation"]
    words = [f"Airflow {installation['version']}", installation["executor"]]
    about = escape(listed(words))
    address = escape(installation["base_url"], quote=True)
    problems = "".join(
        f'<li class="{problem["level"]}"><span class="word">{WORDS[problem["level"]]}</span><span>{escape(problem["text"])}</span></li>'
        for problem in report["problems"]
    )
    return (
        f'<header class="card verdict {report["verdict"]}">{_sign(VERDICT_SIGNS[report["verdict"]])}<div>'
        f"<h1>{escape(installation['name'])}: {escape(report['verdict'])}</h1><p>{escape(report['summary'])}</p>"
        f'<p class="soft">{about}, <a href="{address}">{address}</a>, {escape(report["made_at"])}</p></div></header>'
        + (f'\n<ul class="problems">{problems}</ul>' if problems else "")
    )


def _tiles(report: Mapping[str, Any]) -> str:
    installation = report["installation"]
    slots = f"{installation['slots']} tasks at once ({installation['size']})" if installation["slots"] else installation["size"]
    facts = [(name.strip(), value) for name, value in text.facts(report)] + [("Size", slots)]
    tiles = "".join(f'<div class="card"><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>' for name, value in facts)
    return f'<dl class="tiles">{tiles}</dl>'


def _pictures(report: Mapping[str, Any]) -> str:
    legend = "".join(f'<span class="state">{_sign(state)}{escape(word)}</span>' for state, word in LEGEND)
    return (
        f'<div class="card picture"><div class="wide">{picture(report, WIDE_COLUMNS, WIDE)}</div>'
        f'<div class="narrow">{picture(report, PHONE_COLUMNS, PHONE)}</div><div class="legend">{legend}</div></div>'
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells carry their column's name, for screens on which it becomes a list. Empty columns are left out."""
    lines = [list(row) for row in rows]
    used = [number for number in range(len(head)) if any(line[number] for line in lines)]
    if not lines:
        return ""
    cells = []
    for line in lines:
        columns = [
            f'<td{" class=first" if number == used[0] else ""} data-name="{escape(head[number], quote=True)}">{escape(line[number])}</td>'
            for number in used
        ]
        cells.append(f"<tr>{''.join(columns)}</tr>")
    heads = "".join(f'<th scope="col">{escape(head[number])}</th>' for number in used)
    return f'<div class="card scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(cells)}</tbody></table></div>'


def _hosts(report: Mapping[str, Any]) -> str:
    return f'<div class="hosts">{"".join(_host(host) for host in report["hosts"])}</div>'


def _host(host: Mapping[str, Any]) -> str:
    """A card: its daemons and servers, then what the host is."""
    lines = "".join(_entry(entry) for entry in [*host["daemons"], *host["servers"]])
    lost = "" if host["state"] == "read" else f'<p class="wrong">{escape(LOST[host["state"]])}</p>'
    about = "".join(f'<p class="soft">{escape(line)}</p>' for line in _about(host))
    return f'<div class="card{" lost" if lost else ""}"><h3>{escape(host["name"])}</h3>{lost}<ul>{lines}</ul>{about}</div>'


def _entry(entry: Mapping[str, Any]) -> str:
    title = entry["name"] if entry["component"] == "worker" else TITLES.get(entry["name"], entry["name"]).removeprefix("the ")
    beat = entry.get("heartbeat_seconds")
    details = [span(entry["seconds"]) if entry["state"] == "healthy" else entry["state"], size(entry["memory"])]
    if entry["restarts"]:
        details.append(counted(entry["restarts"], "restart"))
    if beat is not None and entry["state"] == "healthy":
        details.append(f"beat {span(beat)} ago")
    if entry.get("served"):
        details.append(listed(entry["served"]))
    problem = f'<span class="wrong">{escape(entry["problem"])}</span>' if entry["problem"] else ""
    shown = escape(" \N{MIDDLE DOT} ".join(filter(None, details)))
    name = escape(title[0].upper() + title[1:] if title not in ("etcd", "nginx", "keepalived") else title)
    return f'<li>{_sign(entry["state"])}<span>{name}</span><span class="soft">{shown}</span>{problem}</li>'


def _about(host: Mapping[str, Any]) -> list[str]:
    system, airflow, dags = host["system"], host["airflow"], host["dags"]
    lines = []
    if airflow and airflow["version"]:
        revision = f", DAGs {dags['revision']}" if dags and dags["revision"] else ""
        lines.append(f"Airflow {airflow['version']} on Python {airflow['python']}{revision}")
    if system:
        words = [system["name"], host["address"], f"up {span(system['up_seconds'])}"]
        lines.append(listed(filter(None, words)))
        lines.append(f"{counted(system['cores'], 'core')} with load {system['load']}")
        memory = f"memory {size(system['memory_available'])} of {size(system['memory'])}"
        lines.append(f"Free: {memory}, disk {size(system['disk_free'])} of {size(system['disk'])}")
    return lines


def _members(report: Mapping[str, Any]) -> str:
    rows = text.member_rows(report)
    return _table(("Host", "Role", "State", "Timeline", "Lag", "etcd"), rows) if rows else ""


def _queues(report: Mapping[str, Any]) -> str:
    return _table(("Queue", "Waiting", "Taken", "Consumers", "Type", "Leader", "Members", "Workers"), text.queue_rows(report))


def _balancers(report: Mapping[str, Any]) -> str:
    return _table(("Host", "Shared address", "Webservers"), text.balancer_rows(report))


def _bundles(report: Mapping[str, Any]) -> str:
    rows = [(bundle["name"], bundle["version"] or "", bundle["refreshed"] or "") for bundle in report["dags"]["bundles"]]
    return _table(("Bundle", "Version", "Last read"), rows)


def _import_errors(report: Mapping[str, Any]) -> str:
    return _table(("File",), [(name,) for name in report["dags"]["import_error_files"]])


def _drift(report: Mapping[str, Any]) -> str:
    rows = [(host["name"], entry["path"], entry["what"]) for host in report["hosts"] for entry in host["drift"]]
    return _table(("Host", "File", "What"), rows)
