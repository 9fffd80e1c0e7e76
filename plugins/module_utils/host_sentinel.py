# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's part of a Redis that sentinels look after: who is the master, handing that over, and being one of three."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.redis_client import RedisClient, RedisError

LEVEL_SECONDS = 3.0
FAILOVER_SECONDS = 20.0
PAUSE_MS = 30_000
"""Longer than both together: whoever writes waits until it is over, one way or the other."""
POLL_SECONDS = 0.2
NO_PORT = "0"
"""What a sentinel says of one whose address another one has now."""


class SentinelError(Exception):
    """What keeps this host from its part; the text is for the user, and holds no secret."""


@dataclass(frozen=True)
class Place:
    """The cluster as one of its hosts sees it, and how to log in."""

    address: str
    others: Sequence[str]
    port: int
    sentinel_port: int
    master_name: str
    user: str
    password: str

    def server(self) -> RedisClient:
        """The own Redis."""
        return RedisClient(self.address, self.port, self.user, self.password)

    def sentinel(self, address: str | None = None) -> RedisClient:
        """The own sentinel, or another host's."""
        return RedisClient(address or self.address, self.sentinel_port, self.user, self.password)

    def server_runs(self) -> bool:
        """Whether the server lets somebody in."""
        return _lets_in(self.server)

    def sentinel_runs(self) -> bool:
        """Whether the sentinel lets somebody in."""
        return _lets_in(self.sentinel)


def _lets_in(connect: Callable[[], RedisClient]) -> bool:
    try:
        with connect():
            return True
    except RedisError:
        return False


def wait_until(found: Callable[[], Any], seconds: float) -> Any:
    """The first thing found, None when there was nothing in that time."""
    end = time.monotonic() + seconds
    while True:
        answer = found()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(POLL_SECONDS)


def master_told(place: Place) -> dict[str, str] | None:
    """The master as the first sentinel that answers describes it, None when none does."""
    for address in [place.address, *place.others]:
        with suppress(RedisError), place.sentinel(address) as sentinel:
            return sentinel.fields("SENTINEL", "MASTER", place.master_name)
    return None


def master_to_begin_with(place: Place, first_master: str, is_new: bool) -> str:
    """Whom a server that has no place in the cluster yet follows, or its own address. Raises SentinelError."""
    told = master_told(place)
    if told is None:
        return first_master

    def another() -> str | None:
        found = master_told(place) or {}
        was_never_there = not found.get("runid") and found.get("num-other-sentinels") == "0"
        return found["ip"] if found.get("ip") and (found["ip"] != place.address or was_never_there) else None

    # A host that lost what it held was the master when it went: empty, it would take everything from the others.
    chosen = wait_until(another, FAILOVER_SECONDS * 3) if is_new else told["ip"]
    if not chosen:
        raise SentinelError(
            f"The sentinels call {place.address} the master, which holds nothing: let another one take its place (SENTINEL FAILOVER "
            f"{place.master_name} at a sentinel), and run this again."
        )
    return str(chosen)


def hand_over(place: Place) -> str | None:
    """Make another host the master when this one is, with no write lost in between. Returns the new one's address."""
    try:
        server = place.server()
    except RedisError:
        # One that is down, or that is no part of the cluster yet.
        return None
    with server:
        state = server.info("replication")
        if state.get("role") != "master" or state.get("connected_slaves", "0") == "0":
            return None
        try:
            # Whoever writes waits, until this server is a replica and says so.
            server.ask("CLIENT", "PAUSE", PAUSE_MS, "WRITE")
            if not wait_until(lambda: _replicas_are_level(server), LEVEL_SECONDS):
                raise SentinelError(
                    f"Not every replica of {place.address} has all that it holds, and any of them may be chosen, so that it stays the "
                    "master: run this again."
                )
            with place.sentinel() as sentinel:
                sentinel.ask("SENTINEL", "FAILOVER", place.master_name)
            new = wait_until(lambda: _other_master(place), FAILOVER_SECONDS)
            if not new:
                raise SentinelError(f"No other server became the master in place of {place.address} within {FAILOVER_SECONDS:g} s.")
            server.ask("SLAVEOF", new, place.port)
            server.ask("CONFIG", "REWRITE")
            return str(new)
        except RedisError as error:
            raise SentinelError(f"The master's part cannot be handed over: {error}.") from None
        finally:
            with suppress(RedisError):
                server.ask("CLIENT", "UNPAUSE")


def _replicas_are_level(server: RedisClient) -> bool:
    """Whether all replicas have everything: which of them becomes the master the sentinels choose."""
    state = server.info("replication")
    replicas = [value for name, value in state.items() if name.startswith("slave") and "offset=" in value]
    level = f"offset={state['master_repl_offset']},"
    return bool(replicas) and all(level in f"{replica}," and "state=online" in replica for replica in replicas)


def _other_master(place: Place) -> str | None:
    with suppress(RedisError), place.sentinel() as sentinel:
        address = str(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", place.master_name)[0])
        return address if address != place.address else None
    return None


@dataclass
class Joining:
    """One host's way into the cluster."""

    place: Place
    problem: str = ""
    """What is still missing."""
    forgot: tuple[str, ...] = ()
    """Hosts that are gone for good, which the own sentinel was made to forget."""
    strangers: tuple[str, ...] = ()
    """Hosts that are no part of the cluster by the inventory, and still take part in it."""

    def wait(self, seconds: float) -> str:
        """Wait until the own server and sentinel have their place. Returns the master's address. Raises SentinelError."""
        master = wait_until(self._look, seconds)
        if not master:
            raise SentinelError(f"{self.place.address} has no place among Redis's servers after {seconds:g} s: {self.problem}.")
        return str(master)

    def _look(self) -> str | None:
        place = self.place
        try:
            with place.sentinel() as sentinel:
                master = sentinel.fields("SENTINEL", "MASTER", place.master_name)
                sentinels = sentinel.rows("SENTINEL", "SENTINELS", place.master_name)
                replicas = sentinel.rows("SENTINEL", "SLAVES", place.master_name)
                if master["flags"] == "master" and self._forget(sentinel, [*sentinels, *replicas]):
                    self.problem = "its sentinel looks around anew"
                    return None
            with place.server() as server:
                state = server.info("replication")
        except RedisError as error:
            self.problem = str(error)
            return None
        known = {row["ip"]: row["flags"] for row in sentinels if row["port"] != NO_PORT}
        missing = set(place.others) - set(known)
        # One that was made anew at an old address is known when it has been heard of, and the old one can be forgotten then.
        missing |= {address for address in place.others if "down" in known.get(address, "") and self._answers(address)}
        members = {place.address, *place.others}
        reached = {master["ip"], *(row["ip"] for row in replicas)}
        if missing:
            self.problem = f"its sentinel has not heard of that of {', '.join(sorted(missing))}"
        elif members - reached:
            self.problem = f"its sentinel knows no server at {', '.join(sorted(members - reached))}"
        elif not self._has_its_part(state, master["ip"]):
            self.problem = f"its Redis does not follow {master['ip']}"
        else:
            return master["ip"]
        return None

    def _has_its_part(self, state: Any, master: str) -> bool:
        if state.get("role") == "master":
            return master == self.place.address
        return bool(state.get("master_host") == master and state.get("master_link_status") == "up")

    def _answers(self, address: str) -> bool:
        try:
            with self.place.sentinel(address):
                return True
        except RedisError:
            return False

    def _forget(self, sentinel: RedisClient, seen: Sequence[Mapping[str, str]]) -> bool:
        """Forget who is no part any more: a sentinel counts all that it ever knew when it asks for a majority."""
        members = (self.place.address, *self.place.others)
        unknown = [row for row in seen if row["ip"] not in members or row["port"] == NO_PORT]
        gone = tuple(sorted({row["ip"] for row in unknown if "down" in row["flags"] or "disconnected" in row["flags"]}))
        self.strangers = tuple(sorted({row["ip"] for row in unknown} - set(gone)))
        if not gone or self.forgot:
            return False
        sentinel.ask("SENTINEL", "RESET", self.place.master_name)
        self.forgot = gone
        return True
