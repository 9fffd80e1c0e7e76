# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The members of etcd, asked and told by its own command: which there are, and which take part."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TIMEOUT = "5s"
UNSETTLED = "unhealthy cluster"
SETTLING_SECONDS = 30
"""etcd changes no member until all that take part have been connected for five seconds, which one that has just started was not."""

ARGUMENTS = {
    "authority": {"type": "path", "required": True},
    "certificate": {"type": "path", "required": True},
    "key": {"type": "path", "required": True, "no_log": False},
}
"""What the modules take to log in, as in the doc fragment etcd."""

Run = Callable[[list[str]], tuple[int, str, str]]


class EtcdError(Exception):
    """The text says what keeps a member from being removed or added, and what to do."""


def commands_of(module: Any) -> Run:
    """How an Ansible module runs etcd's command."""

    def run(words: list[str]) -> tuple[int, str, str]:
        code, output, error = module.run_command(words, environ_update={"ETCDCTL_API": "3"})
        return int(code), str(output), str(error)

    return run


@dataclass(frozen=True)
class Member:
    """One member, as etcd knows it."""

    identity: int
    name: str
    """Empty for one that was added and has not started yet."""
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.name or ", ".join(self.peer_urls)


class Etcd:
    """etcd, by one member that takes part."""

    def __init__(self, parameters: Mapping[str, Any], run: Run, sleep: Callable[[float], None] = time.sleep) -> None:
        self.endpoint: str = parameters["endpoint"]
        self.options = [
            f"--cacert={parameters['authority']}",
            f"--cert={parameters['certificate']}",
            f"--key={parameters['key']}",
            f"--command-timeout={TIMEOUT}",
        ]
        self.run = run
        self.sleep = sleep

    def members(self) -> list[Member]:
        """All that etcd knows. Raises EtcdError."""
        found = json.loads(self._ask("member", "list", "--write-out=json"))
        return [
            Member(int(each["ID"]), each.get("name", ""), tuple(each.get("peerURLs") or ()), tuple(each.get("clientURLs") or ()))
            for each in found.get("members") or []
        ]

    def is_healthy(self, member: Member) -> bool:
        """Whether it takes part: it answers, and with the others behind it."""
        if not member.client_urls:
            return False
        words = ["etcdctl", f"--endpoints={','.join(member.client_urls[:1])}", *self.options, "endpoint", "health"]
        return self.run(words)[0] == 0

    def remove(self, member: Member) -> None:
        """Let the others forget it. Raises EtcdError."""
        self._ask("member", "remove", f"{member.identity:x}")

    def add(self, name: str, peer_url: str) -> None:
        """Let the others know it, before it starts for the first time. Raises EtcdError."""
        self._ask("member", "add", name, f"--peer-urls={peer_url}")

    def _ask(self, *words: str) -> str:
        command = ["etcdctl", f"--endpoints={self.endpoint}", *self.options, *words]
        code, output, error = self.run(command)
        for _second in range(SETTLING_SECONDS):
            if not code or UNSETTLED not in error:
                break
            self.sleep(1)
            code, output, error = self.run(command)
        if code:
            said = (error or output).strip().splitlines() or [""]
            raise EtcdError(
                f"etcd at {self.endpoint} did not carry out `{' '.join(words[:2])}` ({said[-1][:200]}): a member is removed or added while "
                "a majority of them takes part. Start the others (systemctl start etcd) and run this again."
            )
        return output


def await_part(etcd: Etcd, members: Sequence[Member], name: str, seconds: float) -> None:
    """Wait until a member takes part. Raises EtcdError."""
    own = next(member for member in members if member.name == name)
    if _await(lambda: etcd.is_healthy(own), etcd.sleep, seconds):
        return
    others = ", ".join(member.name for member in members if member is not own and etcd.is_healthy(member)) or "none"
    raise EtcdError(
        f"{name} does not take part in etcd after {seconds:.0f} s (of the others do: {others}): journalctl -u etcd on {name} says why. "
        "Repair that, and run this again."
    )


def await_others(etcd: Etcd, members: Sequence[Member], name: str, seconds: float) -> bool:
    """Wait until the others can do without a member. Raises EtcdError.

    One that takes no part is not waited for: nobody loses anything by its restart. Returns whether the others have a majority, so
    that it can take part afterwards.
    """
    own = next(member for member in members if member.name == name)
    others = [member for member in members if member is not own]

    def missing() -> list[str]:
        return [member.name for member in others if not etcd.is_healthy(member)]

    def suffice() -> bool:
        return len(others) - len(missing()) > len(members) // 2

    if suffice():
        return True
    if not etcd.is_healthy(own):
        return False
    if _await(suffice, etcd.sleep, seconds):
        return True
    raise EtcdError(
        f"etcd on {name} has new settings and starts again when the others have a majority without it, and {', '.join(missing())} did not "
        f"take part for {seconds:.0f} s: journalctl -u etcd there says why. Start it (systemctl start etcd), and run this again."
    )


def _await(condition: Callable[[], bool], sleep: Callable[[float], None], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        sleep(1)
    return True


def bring_up_to_date(etcd: Etcd, wanted: Sequence[Mapping[str, str]], joining: str | None, check_mode: bool) -> tuple[list[str], list[str]]:
    """Remove those that are gone, add the one that joins; the names of both. Raises EtcdError."""
    present = etcd.members()
    urls = {each["peer_url"]: each["name"] for each in wanted}
    own_url = next((url for url, name in urls.items() if name == joining), None)
    # One that started before and comes without what it held has forgotten what it voted for: it must be another member to the others.
    gone = [member for member in present if not urls.keys() & set(member.peer_urls) or (own_url in member.peer_urls and member.name)]
    missing = [name for url, name in urls.items() if not any(url in member.peer_urls for member in present)]
    adds = joining is not None and (joining in missing or any(own_url in member.peer_urls for member in gone))
    if gone or adds:
        _refuse_without_majority(etcd, present, gone)
    for member in gone if not check_mode else ():
        etcd.remove(member)
    if adds and not check_mode:
        etcd.add(str(joining), str(own_url))
    return [member.title for member in gone], [str(joining)] if adds else []


def _refuse_without_majority(etcd: Etcd, present: Sequence[Member], gone: Sequence[Member]) -> None:
    healthy = [member for member in present if etcd.is_healthy(member)]
    for member in gone:
        if member in healthy:
            raise EtcdError(
                f"{member.title} still takes part in etcd, and is no host of the database cluster any more: stop it there "
                "(systemctl disable --now patroni etcd), and run this again."
            )
    if len(healthy) <= len(present) // 2:
        names = ", ".join(member.title for member in healthy) or "none"
        raise EtcdError(
            f"Of the {len(present)} members of etcd only {names} can be reached, which is no majority, and none is removed or added "
            "without one: start the others (systemctl start etcd on their hosts), and run this again."
        )
