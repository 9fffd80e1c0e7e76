# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's part of three servers with sentinels, against servers that answer what they are told to."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import host_sentinel
from ansible_collections.updraft.airflow.plugins.module_utils.host_sentinel import Joining, Place, SentinelError
from ansible_collections.updraft.airflow.plugins.module_utils.redis_client import RedisClient, RedisError

OWN, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"


class Handler(socketserver.StreamRequestHandler):
    """Reads commands as Redis does, and answers from the server's table."""

    server: Server

    def handle(self) -> None:
        while line := self.rfile.readline():
            words = []
            for _word in range(int(line[1:])):
                self.rfile.readline()
                words.append(self.rfile.readline()[:-2].decode())
            self.server.heard.append(" ".join(words))
            self.wfile.write(encoded(self.server.answer(words)))


class Server(socketserver.ThreadingTCPServer):
    """One server or sentinel; its answers may be functions."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__((OWN, 0), Handler)
        self.answers, self.heard = answers, list[str]()
        self.port = int(self.server_address[1])

    def answer(self, words: list[str]) -> Any:
        if words[0] == "AUTH":
            return "+OK" if words[1:] == ["sentinel", "watched"] else "-WRONGPASS invalid username-password pair or user is disabled."
        found = self.answers.get(" ".join(words), "-ERR unknown command")
        return found() if callable(found) else found


def encoded(answer: Any) -> bytes:
    if isinstance(answer, list):
        return b"*%d\r\n" % len(answer) + b"".join(encoded(entry) for entry in answer)
    if answer is None:
        return b"$-1\r\n"
    if answer[:1] in ("+", "-", ":"):
        return f"{answer}\r\n".encode()
    return b"$%d\r\n%s\r\n" % (len(answer.encode()), answer.encode())


@pytest.fixture
def made() -> Iterator[Any]:
    servers: list[Server] = []

    def make(answers: dict[str, Any]) -> Server:
        servers.append(Server(answers))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return servers[-1]

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def place(server: int, sentinel: int) -> Place:
    return Place(OWN, [SECOND, THIRD], server, sentinel, "airflow", "sentinel", "watched")


def fields(**values: str) -> list[str]:
    return [text for name, value in values.items() for text in (name.replace("_", "-"), value)]


def told(master: str = OWN, flags: str = "master", others: tuple[str, ...] = (SECOND, THIRD), gone: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a sentinel answers."""
    down = dict.fromkeys(gone, "s_down,disconnected,")
    seen = [fields(ip=address, port="1", flags=f"{down.get(address, '')}sentinel") for address in (*others, *gone)]
    replicas = [fields(ip=address, port="1", flags=f"{down.get(address, '')}slave") for address in (OWN, *others, *gone)]
    return {
        "SENTINEL MASTER airflow": fields(ip=master, flags=flags, runid="a1", num_other_sentinels=str(len(seen))),
        "SENTINEL SENTINELS airflow": seen,
        "SENTINEL SLAVES airflow": [row for row in replicas if row[1] != master],
        "SENTINEL RESET airflow": ":1",
        "SENTINEL FAILOVER airflow": "+OK",
        "SENTINEL GET-MASTER-ADDR-BY-NAME airflow": [master, "6379"],
    }


MASTER = (
    "role:master\r\nconnected_slaves:2\r\nslave0:ip=127.0.0.2,port=1,state=online,offset=70,lag=0\r\n"
    "slave1:ip=127.0.0.3,port=1,state=online,offset={0},lag=0\r\nmaster_repl_offset:70\r\n"
)


def test_answers_are_read_as_redis_writes_them(made: Any) -> None:
    server = made({"A": [["x", None], ":7"], "B": "-NOPERM no", "INFO replication": "# Replication\r\nrole:master\r\n"})
    with RedisClient(OWN, server.port, "sentinel", "watched") as client:
        assert client.ask("A") == [["x", None], 7]
        assert client.info("replication") == {"role": "master"}
        with pytest.raises(RedisError, match=f"^127.0.0.1:{server.port} says: NOPERM no$"):
            client.ask("B")


def test_a_refused_login_tells_no_password(made: Any) -> None:
    server = made({})
    with pytest.raises(RedisError) as raised:
        RedisClient(OWN, server.port, "sentinel", "s3cret")
    assert "s3cret" not in str(raised.value)


def test_a_host_that_is_new_follows_whom_the_sentinels_name(made: Any) -> None:
    sentinel = made(told(master=THIRD))
    assert host_sentinel.master_to_begin_with(place(1, sentinel.port), OWN, True) == THIRD
    assert host_sentinel.master_to_begin_with(place(1, 1), SECOND, True) == SECOND


def test_a_host_that_lost_what_it_held_does_not_become_the_master(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_sentinel, "FAILOVER_SECONDS", 0.1)
    sentinel = made(told(master=OWN, flags="s_down,master"))
    with pytest.raises(SentinelError, match="which holds nothing"):
        host_sentinel.master_to_begin_with(place(1, sentinel.port), OWN, True)
    # The files of its sentinel alone are missing.
    assert host_sentinel.master_to_begin_with(place(1, sentinel.port), OWN, False) == OWN


def test_the_masters_part_is_handed_over_while_writers_wait(made: Any) -> None:
    masters = iter([OWN, OWN, SECOND])
    sentinel = made({**told(), "SENTINEL GET-MASTER-ADDR-BY-NAME airflow": lambda: [next(masters), "6379"]})
    offsets = iter([69, 70])
    server = made(
        {
            "INFO replication": lambda: MASTER.format(next(offsets, 70)),
            "CLIENT PAUSE 30000 WRITE": "+OK",
            "CLIENT UNPAUSE": "+OK",
            "CONFIG REWRITE": "+OK",
        }
    )
    server.answers[f"SLAVEOF {SECOND} {server.port}"] = "+OK"
    assert host_sentinel.hand_over(place(server.port, sentinel.port)) == SECOND
    told_to = [line for line in server.heard if not line.startswith(("AUTH", "INFO"))]
    assert told_to == ["CLIENT PAUSE 30000 WRITE", f"SLAVEOF {SECOND} {server.port}", "CONFIG REWRITE", "CLIENT UNPAUSE"]


def test_writers_wait_longer_than_anything_can_take() -> None:
    assert 1000 * (host_sentinel.LEVEL_SECONDS + host_sentinel.FAILOVER_SECONDS) < host_sentinel.PAUSE_MS


def test_server_and_sentinel_are_judged_apart(made: Any) -> None:
    there = made({})
    found = [(each.server_runs(), each.sentinel_runs()) for each in (place(there.port, 1), place(1, there.port))]
    assert found == [(True, False), (False, True)]


def test_without_a_replica_that_has_everything_it_stays_the_master(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_sentinel, "LEVEL_SECONDS", 0.1)
    sentinel = made(told())
    answers = {"INFO replication": MASTER.format(700), "CLIENT PAUSE 30000 WRITE": "+OK", "CLIENT UNPAUSE": "+OK"}
    server = made(answers)
    with pytest.raises(SentinelError, match=r"^Not every replica of 127\.0\.0\.1 has all that it holds, and any of them may be chosen, so"):
        host_sentinel.hand_over(place(server.port, sentinel.port))
    assert server.heard[-1] == "CLIENT UNPAUSE"
    assert not [line for line in sentinel.heard if "FAILOVER" in line]


@pytest.mark.parametrize("state", ["role:slave\r\n", "role:master\r\nconnected_slaves:0\r\n"])
def test_nothing_is_handed_over_by_a_replica_or_by_one_that_is_alone(made: Any, state: str) -> None:
    server = made({"INFO replication": state})
    assert host_sentinel.hand_over(place(server.port, 1)) is None
    assert host_sentinel.hand_over(place(1, 1)) is None


def test_a_replica_has_its_place_when_it_follows(made: Any) -> None:
    sentinel = made(told(master=SECOND, others=(SECOND, THIRD)))
    server = made({"INFO replication": f"role:slave\r\nmaster_host:{SECOND}\r\nmaster_link_status:up\r\n"})
    assert Joining(place(server.port, sentinel.port)).wait(0.1) == SECOND


@pytest.mark.parametrize(
    ("answers", "state", "problem"),
    [
        (told(others=(SECOND,)), "role:master\r\n", "its sentinel has not heard of that of 127.0.0.3"),
        (told(master=SECOND), "role:slave\r\nmaster_host:127.0.0.3\r\n", "its Redis does not follow 127.0.0.2"),
        (told(master=SECOND), "role:master\r\n", "its Redis does not follow 127.0.0.2"),
        ({}, "role:master\r\n", "says: ERR unknown command"),
    ],
)
def test_what_is_missing_is_told(made: Any, answers: dict[str, Any], state: str, problem: str) -> None:
    sentinel, server = made(answers), made({"INFO replication": state})
    with pytest.raises(SentinelError) as raised:
        Joining(place(server.port, sentinel.port)).wait(0.1)
    assert str(raised.value).startswith("127.0.0.1 has no place among Redis's servers after 0.1 s: ") and problem in str(raised.value)


def test_a_host_that_is_gone_for_good_is_forgotten_once(made: Any) -> None:
    answers = told(gone=("127.0.0.9",))
    sentinel = made(answers)
    server = made({"INFO replication": "role:master\r\n"})
    joining = Joining(place(server.port, sentinel.port))
    assert joining.wait(2) == OWN
    assert joining.forgot == ("127.0.0.9",)
    assert sentinel.heard.count("SENTINEL RESET airflow") == 1


def test_a_host_that_still_takes_part_is_told(made: Any) -> None:
    sentinel = made(told(others=(SECOND, THIRD, "127.0.0.9")))
    server = made({"INFO replication": "role:master\r\n"})
    joining = Joining(place(server.port, sentinel.port))
    joining.wait(0.1)
    assert (joining.strangers, joining.forgot) == (("127.0.0.9",), ())


def test_a_sentinel_that_was_made_anew_takes_the_place_of_the_old_one(made: Any) -> None:
    answers = told()
    old = fields(ip=THIRD, port="0", flags="s_down,sentinel,disconnected")
    answers["SENTINEL SENTINELS airflow"].append(old)

    def reset() -> str:
        answers["SENTINEL SENTINELS airflow"].remove(old)
        return ":1"

    answers["SENTINEL RESET airflow"] = reset
    sentinel, server = made(answers), made({"INFO replication": "role:master\r\n"})
    joining = Joining(place(server.port, sentinel.port))
    assert joining.wait(2) == OWN
    assert joining.forgot == (THIRD,)


def test_a_sentinel_that_answers_is_waited_for(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = told()
    answers["SENTINEL SENTINELS airflow"][1] = fields(ip=THIRD, port="1", flags="s_down,sentinel,disconnected")
    sentinel, server = made(answers), made({"INFO replication": "role:master\r\n"})
    monkeypatch.setattr(Joining, "_answers", lambda _self, _address: True)
    with pytest.raises(SentinelError, match="has not heard of that of"):
        Joining(place(server.port, sentinel.port)).wait(0.1)
    monkeypatch.setattr(Joining, "_answers", lambda _self, _address: False)
    assert Joining(place(server.port, sentinel.port)).wait(0.1) == OWN
