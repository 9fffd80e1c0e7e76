# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes of RabbitMQ are forgotten, which get copies of the queues, and when nothing is done."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import rabbitmq_nodes
from ansible_collections.updraft.airflow.plugins.module_utils.rabbitmq_nodes import Nodes, NodesError, bring_up_to_date, tell_needed


class Servers:
    """What RabbitMQ's commands say and do."""

    def __init__(self, known: str, *, down: str = "", queues: str = "") -> None:
        self.known = known.split()
        self.down = down.split()
        self.copies = {f"q{number}": copies.split() for number, copies in enumerate(queues.split(";"))} if queues else {}
        self.done: list[str] = []
        self.busy = 0
        self.handling: Any = "undefined"

    def __call__(self, words: list[str]) -> tuple[int, str, str]:
        """Run a command."""
        if "cluster_status" in words:
            if "n1" in self.down:
                return 69, "", "Error: unable to perform an operation on node 'n1'."
            running = [node for node in self.known if node not in self.down]
            return 0, json.dumps({"disk_nodes": self.known, "ram_nodes": [], "running_nodes": running}), ""
        if "list_queues" in words:
            found: list[dict[str, Any]] = [{"name": name, "type": "quorum", "members": copies} for name, copies in self.copies.items()]
            return 0, json.dumps([*found, {"name": "reply", "type": "classic", "members": ""}]), ""
        if words[-1].startswith("application:get_env"):
            return 0, json.dumps({"node": "n1", "result": "ok", "value": self.handling}), ""
        self.done.append(" ".join(words[2:4]))
        if self.busy:
            self.busy -= 1
            return 69, "", "Error: cluster_change_not_permitted"
        if "forget_cluster_node" in words:
            self.known.remove(words[3])
        for copies in self.copies.values():
            if words[2] in ("shrink", "forget_cluster_node") and words[3] in copies:
                copies.remove(words[3])
            elif words[2] == "grow" and words[3] not in copies:
                copies.append(words[3])
        return 0, "", ""


def change(servers: Servers, wanted: str, check_mode: bool = False) -> tuple[list[str], list[str]]:
    return bring_up_to_date(Nodes("airflow-quorum", servers, lambda _seconds: None), wanted.split(), check_mode)


def test_one_that_is_gone_is_forgotten() -> None:
    servers = Servers("n1 n2 n3", down="n3", queues="n1 n2 n3")
    assert change(servers, "n1 n2 n4") == (["n3"], [])
    assert servers.done == ["forget_cluster_node n3"]


def test_a_new_one_gets_a_copy_of_each_queue() -> None:
    servers = Servers("n1 n2 n4", queues="n1 n2;n1 n2 n4")
    assert change(servers, "n1 n2 n4") == ([], ["n4"])
    assert servers.done == ["grow n4"]
    assert servers.copies == {"q0": ["n1", "n2", "n4"], "q1": ["n1", "n2", "n4"]}


def test_a_queue_that_changes_just_now_is_waited_for() -> None:
    servers = Servers("n1 n2 n4", queues="n1 n2")
    servers.busy = 2
    assert change(servers, "n1 n2 n4") == ([], ["n4"])
    assert servers.done == ["grow n4"] * 3


def test_copies_of_a_node_that_an_interrupted_run_forgot_go_too() -> None:
    servers = Servers("n1 n2", queues="n1 n2 n3")
    assert change(servers, "n1 n2 n4") == ([], [])
    assert servers.done == ["shrink n3"]


def test_all_that_there_are_to_be_are_there() -> None:
    servers = Servers("n1 n2 n3", down="n3", queues="n1 n2 n3;n1 n2")
    assert change(servers, "n1 n2 n3") == ([], [])
    assert servers.done == []


def test_check_mode_only_tells() -> None:
    servers = Servers("n1 n2 n3 n4", down="n3", queues="n1 n2 n3")
    assert change(servers, "n1 n2 n4", check_mode=True) == (["n3"], ["n4"])
    assert servers.done == []


@pytest.mark.parametrize(
    "handling",
    ["undefined", "pause_minority", ["pause_if_all_down", ["n2"], "autoheal"], ["pause_if_all_down", ["n2", "n3"], "ignore"]],
    ids=str,
)
def test_a_node_is_told_whom_it_needs(handling: Any) -> None:
    servers = Servers("n1 n2 n3")
    servers.handling = handling
    nodes = Nodes("", servers)
    assert tell_needed(nodes, ["n2", "n3"], check_mode=True) is True
    assert servers.done == []
    assert tell_needed(nodes, ["n2", "n3"], check_mode=False) is True
    assert servers.done == ["eval application:set_env(rabbit, cluster_partition_handling, {pause_if_all_down, ['n2', 'n3'], autoheal})."]


def test_one_that_knows_whom_it_needs_is_left_alone() -> None:
    servers = Servers("n1 n2 n3")
    servers.handling = ["pause_if_all_down", ["n3", "n2"], "autoheal"]
    assert tell_needed(Nodes("", servers), ["n2", "n3"], check_mode=False) is False
    assert servers.done == []


CASES = {
    "one that still runs": (
        Servers("n1 n2 n3"),
        "n3 still runs as a node of RabbitMQ, and is no host of the broker any more: stop it there (systemctl disable --now "
        "rabbitmq-server), and run this again.",
    ),
    "no majority": (
        Servers("n1 n2 n3", down="n2 n3"),
        "Of the 3 nodes of RabbitMQ only n1 run, which is no majority, and none is forgotten without one: start the others (systemctl "
        "start rabbitmq-server on their hosts), and run this again.",
    ),
    "nobody answers": (
        Servers("n1 n2 n3", down="n1"),
        "rabbitmqctl --quiet --formatter json cluster_status failed (Error: unable to perform an operation on node 'n1'.): the broker of "
        "this host must run (systemctl start rabbitmq-server).",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_is_forgotten_where_messages_could_be_lost(case: str) -> None:
    servers, sentence = CASES[case]
    with pytest.raises(NodesError) as raised:
        change(servers, "n1 n2 n4")
    assert str(raised.value) == sentence
    assert servers.done == []


def test_a_queue_that_never_gets_its_copy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq_nodes, "SETTLING_SECONDS", 0)
    servers = Servers("n1 n2 n4", queues="n1 n2")
    servers.busy = 1000
    with pytest.raises(NodesError) as raised:
        change(servers, "n1 n2 n4")
    assert str(raised.value) == (
        "Queues of RabbitMQ have no copy on each node that runs, or one on a node that is gone (q0): sudo rabbitmq-queues quorum_status "
        "QUEUE --vhost airflow-quorum says how they are. Run this again when each has a leader."
    )
