# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of two MySQL servers takes over, by what they say themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

SERVERS = 2
MEMBER = "__airflow_member"
WAY = "__airflow_way"
PROXY_UNIT = "airflow-database-proxy.service"


def mysql_succession(servers: Sequence[str], answers: Mapping[str, Any], witnesses: Sequence[str] = (), wanted: str = "") -> dict[str, Any]:
    """Who takes over (`target`), who is there to follow it then (`old`), and what the `witnesses` know of the way to a source that is lost.

    Witnesses are those hosts that have a proxy, and those of which nobody knows whether they do.
    `refusal` says why nobody can. `is_done` is whether the one that would take over takes writes already.
    """
    found = {name: (_of(answers, name, MEMBER).get("member") or None) for name in servers}
    there = {name: member for name, member in found.items() if member}
    open_ones = [name for name, member in there.items() if member["writable"]]
    followers = [name for name, member in there.items() if member["follows"] and name not in open_ones]
    closed = [name for name in there if name not in open_ones]
    target = wanted or next(iter([*followers, *closed, *open_ones]), "")
    old = next((name for name in there if name != target), None)
    lost = next((name for name in servers if name not in there), None)
    return {
        "refusal": _refusal(servers, answers, there, open_ones, target, wanted, len(followers)),
        "target": target,
        "old": old,
        "lost": lost,
        "is_done": target in open_ones,
        "ways": []
        if old or not lost
        else [_way(answers, witness, lost) for witness in witnesses if witness != lost and _may_know(answers, witness)],
    }


def _of(answers: Mapping[str, Any], name: str, variable: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = answers[name][variable]
    except (KeyError, TypeError):
        return {}
    return found


def _may_know(answers: Mapping[str, Any], witness: str) -> bool:
    """Whether a host has a proxy, or could not be asked."""
    status = _of(answers, witness, WAY).get("status")
    return status is None or PROXY_UNIT in (status.get("units") or {})


def _way(answers: Mapping[str, Any], witness: str, lost: str) -> dict[str, Any]:
    """What a host's proxy knows of the source; neither up nor down where it was not reached."""
    ways = (_of(answers, witness, WAY).get("status") or {}).get("ways") or {}
    return {"host": witness, **ways.get(lost, {})}


def _refusal(
    servers: Sequence[str],
    answers: Mapping[str, Any],
    there: Mapping[str, Any],
    open_ones: Sequence[str],
    target: str,
    wanted: str,
    followers: int,
) -> str | None:
    if len(servers) != SERVERS:
        return f"This playbook is for a source and a replica of MySQL, and the group of databases has {len(servers)} hosts."
    if not there:
        said = dict.fromkeys(str(_of(answers, name, MEMBER).get("msg") or "") for name in servers)
        return " ".join(["No MySQL server of the two answers.", *(f"{text.rstrip('.')}." for text in said if text)])
    if len(open_ones) > 1:
        return (
            f"The MySQL servers of {', '.join(open_ones)} both take writes, and which of them is the source is not guessed: on the one "
            "that is not to be it, say SET GLOBAL super_read_only = ON, and run this again."
        )
    if target not in servers:
        return f"airflow_promote_host is {target}, which is none of the two ({', '.join(servers)}): name one of them."
    if target not in there:
        return f"The MySQL server of {target} does not answer, so it cannot take over."
    if len(there) == 1 and target in open_ones and not wanted:
        lost = next(name for name in servers if name not in there)
        return f"The MySQL server of {target} is the source, and that of {lost} does not answer: there is nobody to take over."
    if len(there) == SERVERS and open_ones and target not in open_ones and not _has_everything(there[target], there[open_ones[0]]):
        return (
            f"The MySQL server of {target} does not follow that of {open_ones[0]}, or does not get on with what comes from there, so that "
            f"it cannot take over: run updraft.airflow.site, which makes it the replica. {open_ones[0]} stays the source."
        )
    if len(there) == SERVERS and not open_ones and not followers and not wanted:
        return "Neither MySQL server takes writes or follows the other: say which is to be the source by airflow_promote_host."
    return None


def _has_everything(target: Mapping[str, Any], source: Mapping[str, Any]) -> bool:
    """Whether a server is the other one's replica in good order. One that is not would be found out when the source is closed."""
    return bool(target["receives"] and target["applies"] and target["follows_uuid"] == source["uuid"])


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"mysql_succession": mysql_succession}
