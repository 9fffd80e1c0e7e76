# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a member of a database cluster is asked and told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.patroni_member import Member, PatroniError, differences
from ansible_collections.updraft.airflow.plugins.modules.airflow_patroni import carry_out, left


class Cluster(Member):
    """A member that answers from memory; `self.name` is db1."""

    def __init__(self, leader: str = "db1", *, pending: bool = False, state: str = "running", config: Mapping[str, Any] | None = None):
        super().__init__(
            {"name": "db1", "url": "https://db1:8008", "timeout": 0, "authority": "/ca", "username": "u", "password": "p"},
            lambda _seconds: None,
        )
        self.leader, self.pending, self.state = leader, pending, state
        self.config: dict[str, Any] = dict(config or {})
        self.others = {"db2": "replica", "db3": "sync_standby"}
        self.told: list[tuple[str, str, Any]] = []
        self.silent = False

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, url: str = "", timeout: float = 5) -> Any:
        if self.silent:
            raise PatroniError(f"{method} {path}: refused")
        if method != "GET":
            self.told.append((method, path, body))
        if path == "/switchover":
            assert body is not None
            self.leader = body["candidate"]
        if path in ("/restart", "/switchover"):
            self.pending = False
        return {
            "/patroni": {"state": self.state, "role": "master" if self.leader == self.name else "replica", "pending_restart": self.pending},
            "/cluster": {"members": [self._described(name) for name in ("db1", "db2", "db3")]},
            "/config": self.config,
            "": {"replication": [{"application_name": "db1", "state": "streaming"}]},
        }.get(path)

    def _described(self, name: str) -> dict[str, Any]:
        role = "leader" if name == self.leader else self.others.get(name, "replica")
        return {"name": name, "role": role, "state": "running", "api_url": f"https://{name}:8008/patroni"}


def test_only_what_is_wanted_is_compared() -> None:
    present = {"ttl": 30, "postgresql": {"parameters": {"a": "1", "b": "2"}, "pg_hba": ["x"]}}
    assert differences({"ttl": 30, "postgresql": {"parameters": {"a": "1"}}}, present) == []
    wanted = {"ttl": 20, "postgresql": {"parameters": {"a": "1", "c": "3"}, "pg_hba": ["x", "y"]}}
    assert differences(wanted, present) == ["ttl", "postgresql.parameters.c", "postgresql.pg_hba"]


def test_the_leader_gets_the_settings_that_differ_once() -> None:
    member = Cluster(config={"ttl": 30})
    result = carry_out(member, {"ttl": 20}, "never", False)
    assert result == {"changed": True, "leads": True, "pending_restart": False, "changed_settings": ["ttl"]}
    assert member.told == [("PATCH", "/config", {"ttl": 20})]
    assert carry_out(Cluster(config={"ttl": 20}), {"ttl": 20}, "never", False)["changed"] is False


def test_a_leader_that_has_yet_to_write_the_settings_down_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    member = Cluster(config={"ttl": 30})
    answers = [PatroniError("GET /config: 502"), PatroniError("GET /config: 502")]

    def request(method: str, path: str, *further: Any, **named: Any) -> Any:
        if path == "/config" and answers:
            raise answers.pop()
        return Cluster.request(member, method, path, *further, **named)

    monkeypatch.setattr(member, "request", request)
    with pytest.raises(PatroniError, match="502"):
        carry_out(member, {"ttl": 20}, "never", True)
    answers.append(PatroniError("GET /config: 502"))
    member.timeout = 60
    assert carry_out(member, {"ttl": 20}, "never", False)["changed_settings"] == ["ttl"]
    answers.append(PatroniError("GET /config: 502"))
    member.timeout = -1
    with pytest.raises(PatroniError, match="502"):
        carry_out(member, {"ttl": 30}, "never", False)


def test_a_member_that_follows_tells_nobody_anything() -> None:
    member = Cluster("db2", config={"ttl": 30})
    assert carry_out(member, {"ttl": 20}, "never", False)["leads"] is False
    assert member.told == []


def test_a_run_without_the_leader_tells_which_settings_stay() -> None:
    member = Cluster("db2", config={"ttl": 30, "loop_wait": 2})
    told = left(member, {"ttl": 20, "loop_wait": 2}, ["db1", "db3"])
    assert told == (
        "These settings of the database cluster are not those of the inventory, and stay as they are, for db2 leads and this run is "
        "limited to others: ttl. Run the playbook without --limit."
    )
    assert member.told == []
    assert left(member, {"ttl": 30}, ["db1", "db3"]) is None
    assert left(member, {"ttl": 20}, ["db1", "db2"]) is None
    assert left(member, {"ttl": 20}, None) is None


def test_check_mode_changes_nothing_and_waits_for_nobody() -> None:
    member = Cluster(config={"ttl": 30})
    assert carry_out(member, {"ttl": 20}, "replica", True)["changed_settings"] == ["ttl"]
    assert member.told == []
    member.silent = True
    assert carry_out(member, {"ttl": 20}, "never", True)["changed"] is False


def test_a_member_that_does_not_come_is_told_with_the_reason() -> None:
    with pytest.raises(PatroniError, match=r"^db1 is no working member of the database cluster after 0 s \(its state is stopped"):
        carry_out(Cluster("db2", state="stopped"), {}, "never", False)
    member = Cluster()
    member.silent = True
    with pytest.raises(PatroniError, match=r"GET /patroni: refused"):
        carry_out(member, {}, "never", False)


def test_who_follows_restarts_first_and_only_where_that_is_due() -> None:
    member = Cluster("db2", pending=True)
    assert carry_out(member, {}, "replica", False)["changed"] is True
    assert member.told == [("POST", "/restart", {"restart_pending": True})]
    for unmoved in (Cluster("db2"), Cluster("db1", pending=True)):
        assert carry_out(unmoved, {}, "replica", False)["changed"] is False
        assert unmoved.told == []


def test_who_leads_hands_over_to_the_synchronous_member() -> None:
    member = Cluster(pending=True)
    result = carry_out(member, {}, "leader", False)
    assert (result["changed"], result["leads"]) == (True, False)
    assert member.told == [("POST", "/switchover", {"leader": "db1", "candidate": "db3"})]
    follower = Cluster("db2", pending=True)
    assert carry_out(follower, {}, "leader", False)["changed"] is False


def test_who_leads_hands_over_when_told_whatever_its_settings_are() -> None:
    member = Cluster()
    result = carry_out(member, {}, "never", False, hand_over=True)
    assert (result["changed"], result["leads"]) == (True, False)
    assert member.told == [("POST", "/switchover", {"leader": "db1", "candidate": "db3"})]
    for unmoved, check_mode in ((Cluster("db2"), False), (Cluster(), True)):
        assert carry_out(unmoved, {}, "never", check_mode, hand_over=True)["changed"] is False
        assert unmoved.told == []


def test_a_member_that_just_came_back_leads_when_it_is_named_as_synchronous() -> None:
    member = Cluster()
    member.others = {"db2": "replica", "db3": "replica"}
    looks = 0

    def name_db3(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            member.others["db3"] = "sync_standby"

    member.sleep = name_db3
    assert member.hand_over(only_pending=False) is True
    assert member.told == [("POST", "/switchover", {"leader": "db1", "candidate": "db3"})]
    assert looks == 3


def test_nobody_to_hand_over_to(monkeypatch: pytest.MonkeyPatch) -> None:
    member = Cluster(pending=True)
    monkeypatch.setattr(
        member,
        "_described",
        lambda name: {"name": name, "role": "leader" if name == "db1" else "replica", "state": "running" if name == "db1" else "stopped"},
    )
    with pytest.raises(PatroniError, match=r"no other member can lead meanwhile"):
        carry_out(member, {}, "leader", False)


def test_one_that_does_not_follow_every_change_never_leads() -> None:
    member = Cluster()
    member.others = {"db2": "replica", "db3": "replica"}
    with pytest.raises(PatroniError, match=r"none follows its every change: start the others"):
        member.hand_over(only_pending=False)
    assert member.told == []
