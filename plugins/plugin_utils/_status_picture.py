# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of an installation as SVG: a band for each part, in it a box for each host, in it a line for each daemon.

States differ by shape and by word, not by colour alone. The colours come from the page that the picture is in.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._topology_model import counted
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_words import TITLES, size, span

MARGIN, PADDING, GAP = 14, 12, 14
BAND_GAP = 44
"""Between two bands, where an arrow says what goes from one to the other."""

CAPTION, HEAD, LINE, FOOT = 26, 28, 21, 7
RAIL = 22
"""At the right edge, for the way from the daemons to the database past broker and workers."""

MOST_WIDTH = 250
BUS = 26
"""Between the leader of a database cluster and the members that follow it."""

TEXT_WIDTH, NAME_WIDTH = 7.4, 8.6
"""The mean width of a letter at the sizes of text and of names, in a font with wide ones."""

SIGNS: Mapping[str, tuple[str, str]] = {
    "healthy": ("good", "M-3.4 0.2 L-1 2.7 L3.6 -2.6"),
    "starting": ("warn", "M0 -2.6 V1 M0 3.2 V3.3"),
    "unhealthy": ("bad", "M-2.6 -2.6 L2.6 2.6 M2.6 -2.6 L-2.6 2.6"),
    "unknown": ("idle", "M-1.9 -1.6 C-1.9 -4 2 -3.8 1.9 -1.5 C1.8 0 0 0 0 1.4 M0 3.5 V3.6"),
}
"""The class that gives the colour, and the sign inside the shape."""

SHAPES = {
    "healthy": '<circle r="7"/>',
    "starting": '<path d="M0 -8 L8 6.5 H-8 Z" transform="translate(0 0.6)"/>',
    "unhealthy": '<path d="M-3 -7.2 H3 L7.2 -3 V3 L3 7.2 H-3 L-7.2 3 V-3 Z"/>',
    "unknown": '<path d="M0 -8.4 L8.4 0 L0 8.4 L-8.4 0 Z"/>',
}
KINDS = {"failed": "unhealthy", "stopped": "unhealthy", "missing": "unhealthy", "silent": "unhealthy"}
LEGEND = (("healthy", "works"), ("starting", "starts, or works in part"), ("unhealthy", "does not work"), ("unknown", "not known"))


def kind_of(state: str) -> str:
    """The sign of a state."""
    kind = KINDS.get(state, state)
    return kind if kind in SIGNS else "unknown"


WORKING_MEMBERS = ("running", "streaming", "in sync", "alone", "follows")
"""States in which a member of a database does what it is there for."""


@dataclass
class Row:
    """A daemon in a box."""

    state: str
    text: str
    detail: str = ""
    title: str = ""
    short: str = ""
    """The detail in fewer letters, for where there is little room."""


@dataclass
class Box:
    """A host in a band."""

    name: str
    rows: list[Row]
    is_reached: bool = True
    role: str = ""
    """`leader` or `replica` of a database cluster."""
    follows: bool = True
    """Whether a replica gets what the leader writes."""
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0

    @property
    def wanted_height(self) -> float:
        """What its rows need."""
        return HEAD + LINE * max(1, len(self.rows)) + FOOT


@dataclass
class Band:
    """A part of the installation."""

    title: str
    boxes: list[Box]
    arrow: str = ""
    """What comes to it from the band above."""
    component: str = ""
    y: float = 0
    width: float = 0
    height: float = 0
    lines: list[str] = field(default_factory=list)


def picture(report: Mapping[str, Any], columns: int, width: int) -> str:
    """The whole picture, at most so many boxes wide."""
    bands = bands_of(report)
    rail = RAIL if len(bands) > 2 and bands[-1].component == "metadata_db" and any(band.component == "broker" for band in bands) else 0
    inner = width - 2 * MARGIN - rail
    y: float = MARGIN
    for band in bands:
        band.y, band.width = y, inner
        _place(band, columns)
        y += band.height + BAND_GAP
    height = y - BAND_GAP + MARGIN
    suffix = common_suffix([host["name"] for host in report["hosts"]])
    parts = [_band(band, suffix) for band in bands]
    parts += [_arrow(above, below) for above, below in zip(bands, bands[1:]) if below.arrow]
    if rail:
        parts.append(_rail(bands, inner))
    label = escape(f"Picture of {report['installation']['name']}: {report['summary']}", quote=True)
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" width="{width}" height="{height:.0f}" role="img" aria-label="{label}">'
        f"{ARROWHEAD.format(width=width)}{''.join(parts)}</svg>"
    ).replace("url(#head)", f"url(#head{width})")


ARROWHEAD = (
    '<defs><marker id="head{width}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
    '<path class="head" d="M0 0.8 L10 5 L0 9.2 Z"/></marker></defs>'
)


# What is in the picture.


def bands_of(report: Mapping[str, Any]) -> list[Band]:
    """The bands from top to bottom."""
    hosts = report["hosts"]
    bands = [
        Band("Load balancers", _balancers(report), component="load_balancer"),
        Band("Airflow", _daemon_boxes(hosts, ("webserver", "scheduler", "dag_processor", "triggerer", "flower")), "requests", "airflow"),
        Band(_broker_title(report), _broker_boxes(report), "tasks", "broker"),
        Band("Workers", _daemon_boxes(hosts, ("worker",)), _waiting(report), "worker"),
        Band(_database_title(report), _database_boxes(report), "", "metadata_db"),
    ]
    bands = [band for band in bands if band.boxes]
    if len(bands) > 1 and bands[-1].component == "metadata_db" and bands[-2].component == "airflow":
        bands[-1].arrow = "metadata"
    bands[0].arrow = ""
    return bands


def _daemon_boxes(hosts: Iterable[Mapping[str, Any]], components: Sequence[str]) -> list[Box]:
    boxes = []
    for host in hosts:
        rows = [_daemon_row(daemon) for daemon in host["daemons"] if daemon["component"] in components]
        # A host that this run leaves out has its parts, and nothing is known of them.
        rows = rows or [Row("unknown", TITLES[part]) for part in host["parts"] if part in components and host["state"] == "left out"]
        if rows:
            boxes.append(Box(host["name"], rows, host["state"] != "unreachable"))
    return boxes


def _daemon_row(daemon: Mapping[str, Any]) -> Row:
    title = TITLES[daemon["component"]]
    title = title[0].upper() + title[1:] + (f" {daemon['name'].partition('@')[2]}" if "@" in daemon["name"] else "")
    queues = ", ".join(daemon["queues"])
    told = "; ".join(filter(None, [daemon["problem"] or daemon["state"], queues and f"queues {queues}"]))
    if daemon["state"] != "healthy":
        return Row(daemon["state"], title, daemon["state"], told)
    return Row("healthy", title, queues, told, counted(len(daemon["queues"]), "queue") if queues else "")


def _server_row(server: Mapping[str, Any], detail: str = "") -> Row:
    title = TITLES.get(server["name"], server["name"]).removeprefix("the ")
    title = {"probe of the webservers": "Probe"}.get(title, title)
    return Row(server["state"], title, detail if server["state"] == "healthy" else server["state"], server["problem"] or server["state"])


def _servers(host: Mapping[str, Any], component: str) -> list[Mapping[str, Any]]:
    return [server for server in host["servers"] if server["component"] == component]


def _left_out(host: Mapping[str, Any], component: str) -> list[Row]:
    return [Row("unknown", TITLES[component])] if host["state"] == "left out" and component in host["parts"] else []


def _balancers(report: Mapping[str, Any]) -> list[Box]:
    states = {entry["host"]: entry for entry in report["load_balancers"]}
    boxes = []
    for host in report["hosts"]:
        entry = states.get(host["name"], {})
        rows = [
            _server_row(server, "has the address" if server["name"] == "keepalived" and entry.get("holds_address") else "")
            for server in _servers(host, "load_balancer")
        ]
        servers = entry.get("servers") or {}
        out = [f"{name} {state}" for name, state in servers.items() if state != "in"]
        if servers:
            inside = sum(state == "in" for state in servers.values())
            state = "healthy" if inside == len(servers) else "starting" if inside else "unhealthy"
            rows.append(
                Row(state, "Webservers", f"{inside} of {len(servers)} in", "; ".join(out) or "all get requests", f"{inside}/{len(servers)}")
            )
        rows = rows or _left_out(host, "load_balancer")
        if rows:
            boxes.append(Box(host["name"], rows, host["state"] != "unreachable"))
    return boxes


def _waiting(report: Mapping[str, Any]) -> str:
    counts = [queue["messages"] for queue in (report["broker"] or {"queues": []})["queues"] if queue["messages"]]
    return f"tasks, {sum(counts):,} waiting" if counts else "tasks"


def _broker_title(report: Mapping[str, Any]) -> str:
    broker = report["installation"]["broker"]
    return f"Broker: {TITLES[broker['engine']]}" if broker else "Broker"


def _broker_boxes(report: Mapping[str, Any]) -> list[Box]:
    wanted, broker = report["installation"]["broker"], report["broker"]
    boxes = []
    for host in report["hosts"]:
        rows = [_server_row(server) for server in _servers(host, "broker")]
        queues = [queue for queue in broker["queues"] if queue["leader"] == host["name"]] if broker else []
        if queues:
            rows.append(
                Row("healthy", "Leads queues", f"{len(queues)} of {len(broker['queues'])}", ", ".join(queue["name"] for queue in queues))
            )
        if broker and broker["master"] == host["name"]:
            rows.append(Row("healthy", "Master"))
        rows = rows or _left_out(host, "broker")
        if rows:
            boxes.append(Box(host["name"], rows, host["state"] != "unreachable"))
    if wanted and not wanted["managed"]:
        boxes.append(Box(wanted["place"], [Row("healthy" if broker and broker["version"] else "unknown", "of somebody else")]))
    return boxes


def _database_title(report: Mapping[str, Any]) -> str:
    return f"Metadata database: {TITLES[report['installation']['database']['engine']]}"


def _database_boxes(report: Mapping[str, Any]) -> list[Box]:
    wanted, database = report["installation"]["database"], report["database"]
    answers = "healthy" if database else "unknown"
    amount = size(database["bytes"]) if database else ""
    if wanted["engine"] == "sqlite":
        hosts = [host for host in report["hosts"] if host["daemons"]][:1]
        return [
            Box(host["name"], [Row(answers, os.path.basename(wanted["place"] or "SQLite"), amount, wanted["place"] or "")])
            for host in hosts
        ]
    if not wanted["managed"]:
        return [Box(wanted["place"].partition(" on ")[2], [Row(answers, "of somebody else", amount)])]
    members = {member["name"]: member for member in (report["database_cluster"] or {"members": []})["members"]}
    boxes = []
    for host in report["hosts"]:
        member = members.get(host["name"])
        if member:
            boxes.append(_member_box(host, member, amount))
            continue
        rows = [_server_row(server, amount) for server in _servers(host, "metadata_db")] or _left_out(host, "metadata_db")
        if rows:
            boxes.append(Box(host["name"], rows, host["state"] != "unreachable"))
    return boxes


def _member_box(host: Mapping[str, Any], member: Mapping[str, Any], amount: str) -> Box:
    works = member["state"] in WORKING_MEMBERS and host["state"] != "unreachable"
    leads = member["role"] in ("leader", "source")
    role = (member["role"] or "role not known").replace("_", " ")
    lag = size(member["lag"]) or span(member["lag_seconds"])
    detail = amount if leads else f"lag {lag}" if lag else ""
    state = "healthy" if works else "unknown" if member["state"] is None else "unhealthy"
    title = f"The database is {member['state'] or 'not known'}" + (f", timeline {member['timeline']}" if member["timeline"] else "")
    rows = [Row(state, role[0].upper() + role[1:], detail if works else member["state"] or "", title, detail.removeprefix("lag "))]
    for server in _servers(host, "metadata_db"):
        rows.append(_server_row(server, "leads" if server["name"] == "etcd" and member["etcd"] == "leads" else ""))
    kind = "leader" if leads and works else "replica"
    return Box(host["name"], rows or _left_out(host, "metadata_db"), host["state"] != "unreachable", kind, works)


# Where it is.


def _place(band: Band, columns: int) -> None:
    """Give every box its place, and the band its height. Rows are in the middle, and as even as they can be."""
    room = band.width - 2 * PADDING
    leader = next((box for box in band.boxes if box.role == "leader"), None)
    others = [box for box in band.boxes if box is not leader]
    number_of_rows = -(-len(others) // columns)
    per_row = -(-len(others) // number_of_rows) if number_of_rows else 1
    rows = [others[start : start + per_row] for start in range(0, len(others), per_row)]
    width = min(MOST_WIDTH, (room - (per_row - 1) * GAP) / per_row)
    y = band.y + CAPTION
    if leader is not None:
        leader.x, leader.y, leader.width, leader.height = MARGIN + (band.width - width) / 2, y, width, leader.wanted_height
        y += leader.height + (BUS if rows else 0)
    for number, row in enumerate(rows):
        height = max(box.wanted_height for box in row)
        start = MARGIN + (band.width - len(row) * width - (len(row) - 1) * GAP) / 2
        for place, box in enumerate(row):
            box.x, box.y, box.width, box.height = start + place * (width + GAP), y, width, height
        if leader is not None:
            band.lines += _bus(leader, row, y, number)
        y += height + (GAP if leader is None else BUS) * (number < len(rows) - 1)
    band.height = y - band.y + PADDING


def _bus(leader: Box, row: Sequence[Box], y: float, number: int) -> list[str]:
    """The ways from the leader to a row of members that follow it."""
    middle = y - BUS / 2
    start, end = leader.x + leader.width / 2, leader.y + leader.height
    # Past the rows above, down the edge of the band.
    trunk = f"M{start:.1f} {end:.1f} V{middle:.1f}" if number == 0 else f"M{start:.1f} {end:.1f} v{BUS / 2} H{MARGIN + 6} V{middle:.1f}"
    lines = []
    for box in row:
        word = "flow" if box.follows else "flow broken"
        lines.append(f'<path class="{word}" marker-end="url(#head)" d="{trunk} H{box.x + box.width / 2:.1f} V{box.y - 1:.1f}"/>')
    return lines


# How it is drawn.


def common_suffix(names: Sequence[str]) -> str:
    """The domain that all hosts share."""
    words = [name.split(".")[1:] for name in names]
    if len(names) < 2 or not all(words) or any(name.replace(".", "").isdigit() for name in names):
        return ""
    shared: list[str] = []
    for column in zip(*(reversed(each) for each in words)):
        if len(set(column)) > 1:
            break
        shared.insert(0, column[0])
    return "." + ".".join(shared) if shared else ""


def cut(text: str, width: float, letter: float) -> str:
    """A text that fits: its middle goes, as names differ at their ends."""
    most = max(3, int(width / letter))
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - 1 - end]}\N{HORIZONTAL ELLIPSIS}{text[-end:]}"


def sign(state: str, x: float, y: float) -> str:
    """The shape of a state."""
    kind = kind_of(state)
    colour, path = SIGNS[kind]
    return f'<g class="sign {colour}" transform="translate({x:.1f} {y:.1f})">{SHAPES[kind]}<path class="mark" d="{path}"/></g>'


def _band(band: Band, suffix: str) -> str:
    parts = [
        f'<rect class="band" x="{MARGIN}" y="{band.y:.1f}" width="{band.width:.1f}" height="{band.height:.1f}" rx="10"/>',
        f'<text class="caption" x="{MARGIN + PADDING}" y="{band.y + 18:.1f}">{escape(band.title)}</text>',
        *band.lines,
        *(_box(box, suffix) for box in band.boxes),
    ]
    return "".join(parts)


def _box(box: Box, suffix: str) -> str:
    width = box.width
    kinds = {kind_of(row.state) for row in box.rows}
    worst = next((kind for kind in ("unhealthy", "starting", "unknown") if kind in kinds), "healthy")
    word, told = (f"box {SIGNS[worst][0]}", "") if box.is_reached else ("box bad lost", "no answer")
    room = width - 20 - (len(told) + 1) * TEXT_WIDTH if told else width - 20
    name = escape(cut(box.name.removesuffix(suffix), room, NAME_WIDTH))
    parts = [
        f"<g><title>{escape(' '.join(filter(None, [box.name, told])))}</title>"
        f'<rect class="{word}" x="{box.x:.1f}" y="{box.y:.1f}" width="{width:.1f}" height="{box.height:.1f}" rx="7"/>'
        f'<text class="name" x="{box.x + 10:.1f}" y="{box.y + 19:.1f}">{name}</text>'
        f'<text class="detail" text-anchor="end" x="{box.x + width - 10:.1f}" y="{box.y + 19:.1f}">{told}</text></g>'
    ]
    for number, row in enumerate(box.rows):
        parts.append(_row(row, box.x, box.y + HEAD + LINE * number, width))
    return "".join(parts)


def _row(row: Row, x: float, y: float, width: float) -> str:
    room = width - 40
    text = cut(row.text, room, TEXT_WIDTH)
    left = room - len(text) * TEXT_WIDTH - 8
    detail = next((word for word in (row.detail, row.short) if len(word) * TEXT_WIDTH <= left), "")
    right = f'<text class="detail" text-anchor="end" x="{x + width - 10:.1f}" y="{y + 14.5:.1f}">{escape(detail)}</text>' if detail else ""
    title = escape(": ".join(filter(None, [row.text, row.title or row.detail or row.state])))
    return (
        f"<g><title>{title}</title>{sign(row.state, x + 18, y + 10)}"
        f'<text class="row" x="{x + 31:.1f}" y="{y + 14.5:.1f}">{escape(text)}</text>{right}</g>'
    )


def _arrow(above: Band, below: Band) -> str:
    x, start, end = MARGIN + above.width / 2, above.y + above.height, below.y
    return (
        f'<path class="flow" marker-end="url(#head)" d="M{x:.1f} {start + 3:.1f} V{end - 3:.1f}"/>'
        f'<text class="label" x="{x + 10:.1f}" y="{(start + end) / 2 + 4:.1f}">{escape(below.arrow)}</text>'
    )


def _rail(bands: Sequence[Band], inner: float) -> str:
    """The daemons' way to the database."""
    airflow = next(band for band in bands if band.component == "airflow")
    database = bands[-1]
    edge = MARGIN + inner
    x, start, end = edge + RAIL - 8, airflow.y + airflow.height / 2, database.y + min(database.height / 2, 40)
    return (
        f'<path class="flow" marker-end="url(#head)" d="M{edge:.1f} {start:.1f} H{x:.1f} V{end:.1f} H{edge + 2:.1f}"/>'
        f'<text class="label" text-anchor="end" x="{x - 8:.1f}" y="{database.y - 10:.1f}">metadata</text>'
    )
