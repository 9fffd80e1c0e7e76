# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which members of etcd are removed and added, and when none is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.etcd_members import (
    Etcd,
    EtcdError,
    Member,
    await_others,
    await_part,
    bring_up_to_date,
)

FILES = {"endpoint": "https://h1:2379", "authority": "/ca", "certificate": "/crt", "key": "/key"}


class Servers:
    """What etcdctl says and does."""

    def __init__(self, names: str, *, down: str = "", unnamed: str = "") -> None:
        self.members: list[dict[str, Any]] = [
            {"ID": 0xA0 + int(name[1:]), "name": name, "peerURLs": [f"https://{name}:2380"], "clientURLs": [f"https://{name}:2379"]}
            for name in names.split()
        ]
        self.members += [{"ID": 0xB0, "name": "", "peerURLs": [f"https://{name}:2380"]} for name in unnamed.split()]
        self.down = down.split()
        self.done: list[str] = []
        self.unsettled = 0

    def __call__(self, words: list[str]) -> tuple[int, str, str]:
        """Run etcdctl."""
        rest = words[words.index("--command-timeout=5s") + 1 :]
        if rest[:2] == ["member", "list"]:
            return (1, "", "Error: context deadline exceeded") if "h1" in self.down else (0, json.dumps({"members": self.members}), "")
        if rest[:2] == ["endpoint", "health"]:
            return int(any(f"//{name}:" in words[1] for name in self.down)), "", ""
        if self.unsettled:
            self.unsettled -= 1
            return 1, "", "Error: etcdserver: unhealthy cluster"
        self.done.append(" ".join(rest))
        return 0, "", ""


def change(servers: Servers, wanted: str, joining: str | None = None, check_mode: bool = False) -> tuple[list[str], list[str]]:
    members = [{"name": name, "peer_url": f"https://{name}:2380"} for name in wanted.split()]
    return bring_up_to_date(Etcd(FILES, servers, lambda _seconds: None), members, joining, check_mode)


def test_one_that_is_gone_is_forgotten_before_another_is_known() -> None:
    servers = Servers("h1 h2 h3", down="h3")
    assert change(servers, "h1 h2 h4") == (["h3"], [])
    assert change(Servers("h1 h2"), "h1 h2 h4", "h4") == ([], ["h4"])
    assert servers.done == ["member remove a3"]


def test_one_that_comes_back_without_its_data_is_another_member() -> None:
    servers = Servers("h1 h2 h3", down="h3")
    assert change(servers, "h1 h2 h3", "h3") == (["h3"], ["h3"])
    assert servers.done == ["member remove a3", "member add h3 --peer-urls=https://h3:2380"]


def test_one_that_was_added_and_has_not_started_stays() -> None:
    servers = Servers("h1 h2", unnamed="h3")
    assert change(servers, "h1 h2 h3", "h3") == ([], [])
    assert servers.done == []


def test_members_that_have_just_met_are_waited_for() -> None:
    servers = Servers("h1 h2")
    servers.unsettled = 6
    assert change(servers, "h1 h2 h3", "h3") == ([], ["h3"])
    assert servers.done == ["member add h3 --peer-urls=https://h3:2380"]
    servers.unsettled = 1000
    with pytest.raises(EtcdError, match="unhealthy cluster"):
        change(servers, "h1 h2 h4", "h4")


def test_all_that_there_are_to_be_are_there() -> None:
    assert change(Servers("h1 h2 h3", down="h3"), "h1 h2 h3") == ([], [])


def test_check_mode_only_tells() -> None:
    servers = Servers("h1 h2 h3", down="h3")
    assert change(servers, "h1 h2 h3", "h3", check_mode=True) == (["h3"], ["h3"])
    assert servers.done == []


CASES = {
    "one that still takes part": (
        Servers("h1 h2 h3"),
        "h1 h2 h4",
        "h3 still takes part in etcd, and is no host of the database cluster any more: stop it there (systemctl disable --now patroni "
        "etcd), and run this again.",
    ),
    "no majority": (
        Servers("h1 h2 h3", down="h2 h3"),
        "h1 h2 h4",
        "Of the 3 members of etcd only h1 can be reached, which is no majority, and none is removed or added without one: start the others "
        "(systemctl start etcd on their hosts), and run this again.",
    ),
    "nobody answers": (
        Servers("h1 h2 h3", down="h1 h2"),
        "h1 h2 h4",
        "etcd at https://h1:2379 did not carry out `member list` (Error: context deadline exceeded): a member is removed or added while a "
        "majority of them takes part. Start the others (systemctl start etcd) and run this again.",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_is_changed_where_it_could_end_the_cluster(case: str) -> None:
    servers, wanted, sentence = CASES[case]
    with pytest.raises(EtcdError) as raised:
        change(servers, wanted)
    assert str(raised.value) == sentence
    assert servers.done == []


MEMBERS = [Member(0, name, (), (f"https://{name}:2379",)) for name in ("h1", "h2", "h3")]


def asking(down: str, heal_after: int = 1000) -> Etcd:
    """Members of which some take no part until there were so many pauses."""
    servers = Servers("h1 h2 h3", down=down)
    pauses = iter(range(heal_after))

    def sleep(_seconds: float) -> None:
        if next(pauses, None) is None:
            servers.down = []

    return Etcd(FILES, servers, sleep)


def test_a_member_restarts_when_the_others_are_a_majority() -> None:
    assert await_others(asking(""), MEMBERS, "h3", 0) is True
    assert await_others(asking("h2", heal_after=2), MEMBERS, "h3", 60) is True


def test_one_that_takes_no_part_restarts_at_once() -> None:
    assert await_others(asking("h3"), MEMBERS, "h3", 0) is True
    assert await_others(asking("h2 h3"), MEMBERS, "h3", 0) is False


def test_one_that_the_others_need_does_not_restart() -> None:
    with pytest.raises(EtcdError) as raised:
        await_others(asking("h2"), MEMBERS, "h3", 0)
    assert str(raised.value) == (
        "etcd on h3 has new settings and starts again when the others have a majority without it, and h2 did not take part for 0 s: "
        "journalctl -u etcd there says why. Start it (systemctl start etcd), and run this again."
    )


def test_a_member_is_waited_for() -> None:
    await_part(asking("h3", heal_after=2), MEMBERS, "h3", 60)
    with pytest.raises(EtcdError) as raised:
        await_part(asking("h2 h3"), MEMBERS, "h3", 0)
    assert str(raised.value) == (
        "h3 does not take part in etcd after 0 s (of the others do: h1): journalctl -u etcd on h3 says why. Repair that, and run this "
        "again."
    )
