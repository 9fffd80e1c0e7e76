# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a RabbitMQ cluster and the copies of its queues, asked and told by its own commands."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

PAUSE_SECONDS = 2
SETTLING_SECONDS = 120
"""A queue takes one change of its members at a time, and none while it has no leader."""

HANDLING = "application:get_env(rabbit, cluster_partition_handling, undefined)."
"""RabbitMQ has no command for it. The third is what RabbitMQ 4.3 has where nobody set it."""
HANDLE = "application:set_env(rabbit, cluster_partition_handling, {pause_if_all_down, [%s], autoheal})."

Run = Callable[[list[str]], tuple[int, str, str]]


class NodesError(Exception):
    """The text says what keeps a node from being forgotten or a queue from having its copies, and what to do."""


class Nodes:
    """The cluster, by the node of this host."""

    def __init__(self, vhost: str, run: Run, sleep: Callable[[float], None] = time.sleep) -> None:
        self.vhost = vhost
        self.run = run
        self.sleep = sleep

    def known(self) -> tuple[list[str], list[str]]:
        """All nodes that the cluster knows, and those that run. Raises NodesError."""
        found = self._read("cluster_status")
        return [*found.get("disk_nodes", ()), *found.get("ram_nodes", ())], list(found.get("running_nodes", ()))

    def queues(self) -> dict[str, list[str]]:
        """The quorum queues, each with the nodes that have a copy. Raises NodesError."""
        found = self._read("list_queues", "-p", self.vhost, "name", "type", "members")
        return {each["name"]: list(each["members"] or ()) for each in found if each["type"] == "quorum"}

    def forget(self, node: str) -> None:
        """Let the others know that a node never comes back. Raises NodesError."""
        self._ask("rabbitmqctl", "--quiet", "forget_cluster_node", node)

    def shrink(self, node: str) -> None:
        """Take the copies of a node out of all queues. A queue that cannot do so now is seen by who asks for its members again."""
        self.run(["rabbitmq-queues", "--quiet", "shrink", node])

    def grow(self, node: str) -> None:
        """Give a node a copy of each queue that has none there. A queue that cannot do so now is seen by who asks for its members again."""
        self.run(["rabbitmq-queues", "--quiet", "grow", node, "all", "--vhost-pattern", f"^{re.escape(self.vhost)}$"])

    def needed(self) -> list[str] | None:
        """The nodes of which this one has to see one to serve; None where it handles partitions in another way. Raises NodesError."""
        found = self._read("eval", HANDLING)["value"]
        return sorted(found[1]) if isinstance(found, list) and found[::2] == ["pause_if_all_down", "autoheal"] else None

    def need(self, nodes: Sequence[str]) -> None:
        """Tell this one of which nodes it has to see one to serve, until it starts again. Raises NodesError."""
        self._ask("rabbitmqctl", "--quiet", "eval", HANDLE % ", ".join(f"'{node}'" for node in nodes))

    def _read(self, *words: str) -> Any:
        return json.loads(self._ask("rabbitmqctl", "--quiet", "--formatter", "json", *words))

    def _ask(self, *words: str) -> str:
        code, output, error = self.run(list(words))
        if code:
            said = [line for line in (error or output).strip().splitlines() if line.strip()] or [""]
            raise NodesError(
                f"{' '.join(words)} failed ({said[0][:200]}): the broker of this host must run (systemctl start rabbitmq-server)."
            )
        return output


def bring_up_to_date(nodes: Nodes, wanted: Sequence[str], check_mode: bool) -> tuple[list[str], list[str]]:
    """Forget the nodes that are gone, and give those that run a copy of each queue; the names of both. Raises NodesError.

    In this order: with a copy more, of which one is lost, all others would have to agree, also the one that copies still.
    """
    known, running = nodes.known()
    gone = [node for node in known if node not in wanted]
    for node in gone:
        if node in running:
            raise NodesError(
                f"{node} still runs as a node of RabbitMQ, and is no host of the broker any more: stop it there (systemctl disable --now "
                "rabbitmq-server), and run this again."
            )
    if gone and len(running) <= len(known) // 2:
        raise NodesError(
            f"Of the {len(known)} nodes of RabbitMQ only {', '.join(running)} run, which is no majority, and none is forgotten without "
            "one: start the others (systemctl start rabbitmq-server on their hosts), and run this again."
        )
    for node in gone if not check_mode else ():
        nodes.forget(node)
    grown = sorted(_lacking(nodes, wanted, running))
    if not check_mode:
        _settle(nodes, wanted, running)
    return gone, grown


def tell_needed(nodes: Nodes, needed: Sequence[str], check_mode: bool) -> bool:
    """Let this node know of which others it has to see one to serve; whether it had to be told. Raises NodesError."""
    if nodes.needed() == sorted(needed):
        return False
    if not check_mode:
        nodes.need(needed)
    return True


def _lacking(nodes: Nodes, wanted: Sequence[str], running: Sequence[str]) -> set[str]:
    """Nodes that have no copy of some queue."""
    return {node for copies in nodes.queues().values() for node in wanted if node in running and node not in copies}


def _settle(nodes: Nodes, wanted: Sequence[str], running: Sequence[str]) -> None:
    """Give each queue its copies, on the nodes there are to be and on no other."""
    deadline = time.monotonic() + SETTLING_SECONDS
    while True:
        queues = nodes.queues()
        strays = {node for copies in queues.values() for node in copies if node not in wanted}
        lacking = {node for copies in queues.values() for node in wanted if node in running and node not in copies}
        if not strays and not lacking:
            return
        if time.monotonic() > deadline:
            names = sorted(name for name, copies in queues.items() if strays & set(copies) or lacking - set(copies))
            raise NodesError(
                f"Queues of RabbitMQ have no copy on each node that runs, or one on a node that is gone ({', '.join(names[:5])}): "
                f"sudo rabbitmq-queues quorum_status QUEUE --vhost {nodes.vhost} says how they are. Run this again when each has a leader."
            )
        for node in sorted(strays):
            nodes.shrink(node)
        for node in sorted(lacking):
            nodes.grow(node)
        nodes.sleep(PAUSE_SECONDS)
