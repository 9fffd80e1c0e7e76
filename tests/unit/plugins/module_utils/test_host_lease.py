# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a host: one holds it, whoever else tries at the same moment, and whatever is killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import stat
import time
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import host_lease
from ansible_collections.updraft.airflow.plugins.module_utils.host_lease import Lease, LeaseError

FORK = multiprocessing.get_context("fork")
ALICE = Lease("alice@ops1", "a" * 32, "boot:1:100:5", "site.yml", 3600)
BOB = Lease("bob@ci", "b" * 32, "boot:2:200:7", "rollback.yml", 60)
RACERS = 6
ROUNDS = 40


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Where the lease is."""
    return str(tmp_path / "lease")


def written(place: str) -> dict[str, Any]:
    return dict(json.loads(Path(place).read_text()))


def expire(place: str) -> None:
    """Let the lease be over since a moment ago."""
    Path(place).write_text(json.dumps({**written(place), "expires": time.time() - 0.001}) + "\n")


def test_a_lease_is_taken_renewed_and_given_back(place: str) -> None:
    before = time.time()
    assert host_lease.take(ALICE, None, place) == (True, None)
    first = host_lease.holder(place)
    assert first is not None and before <= first.since <= time.time()
    assert first == replace(ALICE, since=first.since, expires=first.since + 3600)
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o600
    assert host_lease.take(ALICE, None, place) == (True, first)
    second = host_lease.holder(place)
    assert second is not None and second.since == first.since and second.expires > first.expires
    assert host_lease.renew(ALICE.run, place) is True
    third = host_lease.holder(place)
    assert third is not None and third.since == first.since and third.expires > second.expires
    assert host_lease.release(ALICE.run, place) is True
    assert os.listdir(os.path.dirname(place)) == []
    assert host_lease.holder(place) is None


def test_who_does_not_hold_it_neither_renews_nor_gives_it_back(place: str) -> None:
    assert host_lease.renew(BOB.run, place) is False and host_lease.release(BOB.run, place) is False
    assert not os.path.exists(place)
    host_lease.take(ALICE, None, place)
    before = Path(place).read_bytes()
    assert host_lease.renew(BOB.run, place) is False and host_lease.release(BOB.run, place) is False
    assert Path(place).read_bytes() == before


def test_another_controller_waits_until_it_expires(place: str) -> None:
    host_lease.take(ALICE, None, place)
    found = host_lease.holder(place)
    assert host_lease.take(BOB, None, place) == (False, found)
    expire(place)
    held, former = host_lease.take(BOB, None, place)
    assert held and former is not None and (former.run, former.expired) == (ALICE.run, True)
    now = host_lease.holder(place)
    assert now is not None and now.run == BOB.run
    # Who had it before finds out.
    assert host_lease.renew(ALICE.run, place) is False and host_lease.take(ALICE, None, place) == (False, now)


def test_of_the_same_controller_only_a_run_that_is_known_to_be_over_is_followed(place: str) -> None:
    again = replace(ALICE, run="boot:1:101:9")
    host_lease.take(ALICE, None, place)
    assert host_lease.take(again, None, place)[0] is False
    expire(place)
    # It is looked at there, and may live.
    assert host_lease.take(again, None, place)[0] is False
    assert host_lease.take(again, "boot:1:99:1", place)[0] is False
    assert host_lease.take(again, ALICE.run, place)[0] is True
    found = host_lease.holder(place)
    assert found is not None and found.run == again.run and not found.expired


def test_what_a_killed_writer_left_holds_nothing(place: str) -> None:
    Path(place).touch()
    assert host_lease.holder(place) is None
    assert host_lease.take(ALICE, None, place) == (True, None)
    # Written, and killed before the rest of a longer one was cut off.
    with open(place, "ab") as stream:
        stream.write(b'age": 1}\n')
    found = host_lease.holder(place)
    assert found is not None and found.run == ALICE.run


@pytest.mark.parametrize("content", ["\n", "nonsense\n", "[]\n", '{"run": "x"}\n', "\xff\n"])
def test_a_file_that_is_no_lease_is_told(place: str, content: str) -> None:
    Path(place).write_text(content)
    for call in (lambda: host_lease.holder(place), lambda: host_lease.take(ALICE, None, place), lambda: host_lease.release("x", place)):
        with pytest.raises(LeaseError, match=f"{place} is not a lease that this release of the collection knows: remove it when no run"):
            call()
    assert Path(place).read_text() == content


def test_a_link_is_not_followed(place: str, tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", place)
    with pytest.raises(OSError, match="symbolic link"):
        host_lease.take(ALICE, None, place)
    assert not (tmp_path / "elsewhere").exists()


def race(number: int, barrier: Barrier, place: str, rounds: int, won: Any) -> None:
    """Take it as soon as the others do; say who had it."""
    own = replace(ALICE, controller_id=f"{number}", run=f"boot:1:{number}:1")
    for turn in range(rounds):
        barrier.wait()
        if host_lease.take(own, None, place)[0]:
            found = host_lease.holder(place)
            assert found is not None and found.run == own.run
            won[turn] += 1
        barrier.wait()
        # Some are removed under the hands of those who try next.
        host_lease.release(own.run, place)


def test_of_many_at_once_one_gets_it(place: str) -> None:
    barrier, won = FORK.Barrier(RACERS), FORK.Array("i", ROUNDS)
    racers = [FORK.Process(target=race, args=(number, barrier, place, ROUNDS, won)) for number in range(RACERS)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0] * RACERS
    assert won[:] == [1] * ROUNDS


def take_and_hold(number: int, place: str, inside: Any, most: Any) -> None:
    """Again and again: take it, count who is inside, give it back."""
    own = replace(ALICE, controller_id=f"{number}", run=f"boot:1:{number}:1")
    taken = 0
    while taken < ROUNDS:
        if host_lease.take(own, None, place)[0]:
            with inside.get_lock():
                inside.value += 1
                most.value = max(most.value, inside.value)
            host_lease.renew(own.run, place)
            with inside.get_lock():
                inside.value -= 1
            host_lease.release(own.run, place)
            taken += 1


def test_two_never_hold_it(place: str) -> None:
    inside, most = FORK.Value("i", 0), FORK.Value("i", 0)
    racers = [FORK.Process(target=take_and_hold, args=(number, place, inside, most)) for number in range(RACERS)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0] * RACERS
    assert most.value == 1


def work(place: str, begun: Any) -> None:
    """Take, renew and give back without end."""
    while True:
        host_lease.take(ALICE, None, place)
        begun.set()
        host_lease.renew(ALICE.run, place)
        host_lease.release(ALICE.run, place)


def test_whenever_it_is_killed_the_next_one_is_not_kept_from_anything(place: str) -> None:
    chance = random.Random(7)
    for _ in range(ROUNDS):
        begun = FORK.Event()
        worker = FORK.Process(target=work, args=(place, begun))
        worker.start()
        assert begun.wait(10)
        time.sleep(chance.random() / 200)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(10)
        found = host_lease.holder(place)
        assert found is None or found.run == ALICE.run
        assert host_lease.take(replace(ALICE, run="boot:1:101:9"), ALICE.run, place)[0] is True
        assert host_lease.release("boot:1:101:9", place) is True
