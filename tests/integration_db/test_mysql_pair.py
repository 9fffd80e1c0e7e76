# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two MySQL servers: one follows the other, takes over, and loses nothing that it must not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import database_role
from ansible_collections.updraft.airflow.plugins.module_utils._topology_mysql_pair import SETTINGS
from ansible_collections.updraft.airflow.plugins.module_utils.mysql_member import Member, MemberError
from ansible_collections.updraft.airflow.plugins.modules import airflow_mysql_pair
from metadata_mysql_server import IMAGE

PASSWORD = "p@ss'word"
NAMES = ("db1", "db2")
# Each with an identity of its own; mysqld starts again after a copy, as under systemd.
RUN = """
cp -a /srv/mysql /srv/memory/
rm -f /srv/memory/mysql/auto.cnf
while :; do
  mysqld --user=mysql --datadir=/srv/memory/mysql --secure-file-priv=NULL --mysqlx=OFF "$@"
  sleep 0.2
done
"""


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def openssl(*arguments: str) -> None:
    """Run openssl."""
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def certificates(folder: Path) -> None:
    """An authority, and a certificate for the loopback address."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=authority", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.crt")
    signed = ["-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key", "-addext", "subjectAltName=IP:127.0.0.1"]
    openssl(
        "req", "-x509", *key, "-days", "2", "-subj", "/CN=db", *signed, "-keyout", f"{folder}/server.key", "-out", f"{folder}/server.crt"
    )
    (folder / "server.key").chmod(0o644)


class Server:
    """One of two servers, with what asks it who it is."""

    def __init__(self, folder: Path, name: str, ports: dict[str, int], role_ports: dict[str, int], made: list[Server]) -> None:
        self.name, self.folder = name, folder
        self.units: dict[str, subprocess.Popen[bytes]] = {}
        self.socket = f"{folder}/{name}.sock"
        self.container = f"updraft-pair-{name}-{os.getpid()}"
        peer = next(other for other in NAMES if other != name)
        self.pair: dict[str, Any] = {
            "name": name,
            "peer_name": peer,
            "peer_url": f"http://127.0.0.1:{role_ports[peer]}",
            "own_url": f"http://127.0.0.1:{role_ports[name]}",
            "peer_host": "127.0.0.1",
            "peer_port": ports[peer],
            "user": "replication",
            "hosts": ["127.0.0.1"],
            "password": PASSWORD,
            "authority": f"{folder}/ca.crt",
            "semi_sync_seconds": 10,
        }
        settings = {
            **SETTINGS,
            "server_id": str(ports[name]),
            "ssl_ca": f"{folder}/ca.crt",
            "ssl_cert": f"{folder}/server.crt",
            "ssl_key": f"{folder}/server.key",
            "port": str(ports[name]),
            "socket": self.socket,
            "bind_address": "127.0.0.1",
            "loose_rpl_semi_sync_source_timeout": "1000",
        }
        options = [f"--{option.replace('_', '-')}={value}" for option, value in settings.items()]
        mounts = ["--network", "host", "--tmpfs", "/srv/memory", "--volume", f"{folder}:{folder}"]
        command = [
            "docker",
            "run",
            "--detach",
            "--name",
            self.container,
            *mounts,
            "--entrypoint",
            "sh",
            IMAGE,
            "-c",
            RUN,
            "mysqld",
            *options,
        ]
        # Whoever removes it finds it there, whatever fails from here on.
        made.append(self)
        subprocess.run(command, check=True, capture_output=True)
        self.role = {
            "socket": self.socket,
            "user": "root",
            "listen": "127.0.0.1",
            "port": role_ports[name],
            "peer_url": self.pair["peer_url"],
            "alone": f"{folder}/{name}.alone",
            "closed": f"{folder}/{name}.closed",
        }
        (folder / f"{name}.json").write_text(json.dumps(self.role))
        self.start("serve")
        self.start("open")

    def start(self, unit: str) -> None:
        """Start one of the two units: `serve`, which says who the server is, or `open`, which opens and closes it."""
        self.units[unit] = subprocess.Popen([sys.executable, database_role.__file__, unit, f"{self.folder}/{self.name}.json"])

    def guard(self) -> database_role.Guard:
        """One that opens and closes the server, and has not looked yet."""
        return database_role.Guard(self.role, tell=lambda _text: None)

    def stop(self, unit: str) -> None:
        """End a unit, in the midst of whatever it does."""
        process = self.units.pop(unit)
        process.kill()
        process.wait()

    def remove(self) -> None:
        """End everything of it."""
        for unit in list(self.units):
            self.stop(unit)
        subprocess.run(["docker", "rm", "--force", "--volumes", self.container], check=False, capture_output=True)

    def answers_source(self) -> int:
        """What a proxy is told."""
        try:
            with urllib.request.urlopen(f"{self.pair['own_url']}/source", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    @property
    def member(self) -> Member:
        """The server as the module has it, with nothing done yet."""
        return Member(self.socket, self.pair, timeout=30, alone=self.role["alone"], closed=self.role["closed"])

    def look(self) -> dict[str, Any]:
        """What it says of itself."""
        return self.member.look()

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as root."""
        connection = pymysql.connect(unix_socket=self.socket, user="root", autocommit=True)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def kill(self) -> None:
        """Kill the server, which starts again at once: who answers afterwards is the new one."""
        before = self._process()
        subprocess.run(["docker", "exec", self.container, "pkill", "-9", "mysqld"], check=True)
        wait_until(lambda: self._process() not in ("", before))

    def _process(self) -> str:
        found = subprocess.run(["docker", "exec", self.container, "pgrep", "mysqld"], capture_output=True, text=True, check=False)
        return found.stdout.strip()

    def pause(self, word: str = "pause") -> None:
        """Freeze the host, or let it go on."""
        subprocess.run(["docker", word, self.container], check=True, capture_output=True)


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """The first value that counts."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(pymysql.Error, MemberError):
            if value := condition():
                return value
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """A source with a row, and a fresh server beside it."""
    folder = Path(tempfile.mkdtemp(prefix="updraft-pair."))
    # The server's user makes its socket there.
    folder.chmod(0o777)
    certificates(folder)
    ports, role_ports = ({name: free_port() for name in NAMES} for _kind in range(2))
    made: list[Server] = []
    try:
        for name in NAMES:
            Server(folder, name, ports, role_ports, made)
        for server in made:
            wait_until(server.look)
        first, second = made
        first.member.be_source()
        first.query("CREATE USER replication@'127.0.0.1' IDENTIFIED BY %s REQUIRE SSL", PASSWORD)
        first.query("GRANT REPLICATION SLAVE, BACKUP_ADMIN ON *.* TO replication@'127.0.0.1'")
        first.query("CREATE DATABASE shop")
        first.query("CREATE TABLE shop.writes (number int PRIMARY KEY)")
        first.query("INSERT INTO shop.writes VALUES (1)")
        yield first, second
    finally:
        for server in made:
            server.remove()
        shutil.rmtree(folder)


def together(first: Server, second: Server) -> None:
    """Make a pair of the two."""
    second.member.be_replica()
    first.member.be_confirmed()


def refusal(server: Server) -> str:
    """Why it cannot follow."""
    try:
        server.member.be_replica()
    except MemberError as error:
        return str(error)
    return ""


def numbers(server: Server) -> list[int]:
    """The rows."""
    return sorted(row[0] for row in server.query("SELECT number FROM shop.writes"))


def wait_for_row(server: Server, number: int) -> None:
    """Until the row has come."""
    wait_until(lambda: number in numbers(server))


def test_a_pair_is_made_once_and_hands_over_and_back(servers: tuple[Server, Server]) -> None:
    first, second = servers
    assert first.member.look()["writable"]
    replica = second.member
    replica.be_replica()
    assert replica.done == ["its data are copied from db1", "it follows db1"]
    first.query("CREATE USER replication@'198.18.255.1'")
    source = first.member
    source.be_confirmed()
    assert source.done[0] == "198.18.255.1 is let in no more"
    assert first.query("SELECT host FROM mysql.user WHERE user = 'replication'") == [("127.0.0.1",)]
    for again, ask in ((first.member, Member.be_source), (second.member, Member.be_replica), (first.member, Member.be_confirmed)):
        ask(again)
        assert again.done == []
    first.query("INSERT INTO shop.writes VALUES (2)")
    assert wait_until(lambda: numbers(second) == [1, 2])
    with pytest.raises(pymysql.OperationalError, match="super-read-only"):
        second.query("INSERT INTO shop.writes VALUES (3)")
    for old, new, number in ((first, second, 3), (second, first, 4)):
        old.member.close()
        new.member.take_over(new.member.closed_peer())
        old.member.be_replica()
        new.member.be_confirmed()
        new.query("INSERT INTO shop.writes VALUES (%s)", number)
        wait_for_row(old, number)
        assert new.member.look()["in_sync"]
        assert not old.member.look()["writable"]


def test_a_source_that_starts_again_opens_only_while_it_is_followed(servers: tuple[Server, Server]) -> None:
    first, second = servers
    second.member.be_replica()
    # A run that ended here left the rest to the server.
    wait_until(lambda: first.look()["in_sync"])
    assert not os.path.exists(first.role["alone"])
    first.kill()
    wait_until(lambda: first.look()["in_sync"])
    first.member.close()
    time.sleep(1)
    assert not first.look()["writable"], "what was closed on purpose stays so"
    # One that begins to look now takes it for one to be opened.
    first.guard().step()
    assert not first.look()["writable"], "what was closed on purpose stays so, whoever looks"
    assert second.member.closed_peer() == first.look()["executed"]
    # Started again, it is as ever.
    first.kill()
    wait_until(lambda: first.look()["in_sync"])
    first.member.close()
    second.pause()
    with pytest.raises(MemberError, match="stays closed, for that of db2 does not say that it follows it still"):
        first.member.open_again()
    with pytest.raises(MemberError, match="stays closed: it had a replica, and that of db2 does not say whether it took over"):
        first.member.be_source()
    second.pause("unpause")
    wait_until(lambda: (database_role.ask(second.pair["own_url"]) or {}).get("receives"))
    first.member.open_again()
    wait_until(lambda: first.look()["in_sync"])
    # A hand-over that ended in between is taken back by naming the source that it closed.
    first.member.close()
    airflow_mysql_pair.promote(first.member, {"hand_over": True, "ways": [], "unsynced": False})
    wait_until(lambda: first.look()["in_sync"])
    # One that is alive is not replaced, whatever is given up.
    second.query("STOP REPLICA")
    asked = {"hand_over": False, "ways": [], "unsynced": True}
    with pytest.raises(MemberError, match=r"db1 is alive \(it says that it takes writes\), so that of db2 does not take over"):
        airflow_mysql_pair.promote(second.member, asked)
    first.stop("open")
    first.kill()
    wait_until(lambda: not first.look()["writable"])
    with pytest.raises(MemberError, match="db1 may lack writes that were acknowledged: it follows nobody, so that it is the one that was"):
        airflow_mysql_pair.promote(first.member, {**asked, "unsynced": False})
    # Ended before it was open: it opens when it starts again, and the other one does not.
    second.member._be_alone()
    second.query("RESET REPLICA ALL")
    first.start("open")
    second.kill()
    wait_until(lambda: second.look()["writable"])
    assert not database_role.may_open(first.look(), database_role.ask(first.pair["peer_url"]))
    with pytest.raises(MemberError, match="db2 takes writes, so that of db1 must not"):
        first.member.be_source()
    assert not first.look()["writable"]


def test_a_source_is_closed_after_who_is_opening_it(servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = servers
    together(first, second)
    first.stop("open")
    first.kill()
    wait_until(lambda: (database_role.ask(first.pair["peer_url"]) or {}).get("receives"))
    opening, may_open = threading.Event(), threading.Event()
    let_write = database_role.let_write

    def slowly(connection: Any, confirmed: bool) -> None:
        opening.set()
        assert may_open.wait(60)
        let_write(connection, confirmed)

    monkeypatch.setattr(database_role, "let_write", slowly)
    with ThreadPoolExecutor(2) as pool:
        guards = pool.submit(first.guard().step)
        assert opening.wait(60)
        closes = pool.submit(first.member.close)
        wait_until(lambda: os.path.exists(first.role["closed"]))
        # It takes no writes yet, and is not closed for all that.
        said = database_role.ask(first.pair["own_url"]) or {}
        assert (said["writable"], said["closed"], closes.done()) == (False, False, False)
        with pytest.raises(MemberError, match="The MySQL server of db1 was not closed, so that of db2 does not take over"):
            Member(second.socket, second.pair, timeout=1).closed_peer()
        may_open.set()
        guards.result(60)
        assert not closes.result(60)["writable"]
    assert second.member.closed_peer() == first.look()["executed"]
    assert not first.look()["writable"]


def test_a_source_that_was_frozen_closes_when_the_other_one_took_over(servers: tuple[Server, Server]) -> None:
    first, second = servers
    together(first, second)
    first.query("SET GLOBAL rpl_semi_sync_source_timeout = 20000")
    second.query("SET GLOBAL rpl_semi_sync_source_timeout = 20000")
    assert (first.answers_source(), second.answers_source()) == (200, 503)
    first.stop("open")
    first.pause()
    wait_until(lambda: not second.look()["receives"])
    second.member.take_over(None, None)
    second.query("INSERT INTO shop.writes VALUES (3)")
    assert second.answers_source() == 200
    first.pause("unpause")
    assert wait_until(lambda: first.look()["writable"])
    assert (first.answers_source(), second.answers_source()) == (503, 200)
    outcome: list[str] = []

    def write() -> None:
        try:
            first.query("INSERT INTO shop.writes VALUES (2)")
            outcome.append("acknowledged")
        except pymysql.Error:
            outcome.append("not acknowledged")

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: first.query("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_wait_sessions'")[0][1] == "1")
    first.start("open")
    wait_until(lambda: not first.look()["writable"], 10)
    writer.join(10)
    assert outcome == ["not acknowledged"]
    assert second.look()["writable"] and second.answers_source() == 200
    # Its own session may be among those that ended.
    assert wait_until(lambda: "has transactions that the source on db2 does not have" in refusal(first))
    # Where both say that they took over, neither is written to, and neither is closed: a person has to look.
    first.stop("open")
    second.stop("open")
    first.member._be_alone()
    first.query("SET GLOBAL super_read_only = OFF")
    first.query("SET GLOBAL read_only = OFF")
    wait_until(lambda: (first.answers_source(), second.answers_source()) == (503, 503))
    assert first.look()["writable"] and second.look()["writable"]


def test_what_only_the_old_source_has_is_not_thrown_away(servers: tuple[Server, Server]) -> None:
    first, second = servers
    second.stop("open")
    for statement in (*database_role.OPEN, "CREATE DATABASE own", "RESET BINARY LOGS AND GTIDS", "SET GLOBAL super_read_only = ON"):
        second.query(statement)
    with pytest.raises(MemberError, match="db2 has data that did not come from the source on db1"):
        second.member.be_replica()
    assert second.query("SHOW DATABASES LIKE 'own'")
    second.member.be_replica(clone_anew=True)
    assert not second.query("SHOW DATABASES LIKE 'own'")
    first.member.be_confirmed()
    for statement in (*database_role.OPEN, "INSERT INTO shop.writes VALUES (9)", "SET GLOBAL super_read_only = ON"):
        second.query(statement)
    with pytest.raises(MemberError, match="db2 has transactions that the source on db1 does not have"):
        second.member.be_replica()
    second.member.be_replica(clone_anew=True)
    second.start("open")
    wait_until(lambda: first.look()["in_sync"])
    second.query("STOP REPLICA IO_THREAD")
    # It goes on alone after a second, and is lost with what only it has.
    first.query("INSERT INTO shop.writes VALUES (2)")
    assert not first.member.look()["confirms"]
    first.pause()
    with pytest.raises(MemberError, match="may lack writes that were acknowledged: it was alone"):
        second.member.take_over(None, "it was alone")
    assert not second.member.look()["writable"]
    second.member.take_over(None, "it was alone", unsynced=True)
    second.query("INSERT INTO shop.writes VALUES (3)")
    first.pause("unpause")
    wait_until(lambda: not first.look()["writable"])
    with pytest.raises(MemberError, match="has transactions that the source on db2 does not have"):
        first.member.be_replica()
    assert numbers(first) == [1, 2]
    first.member.be_replica(clone_anew=True)
    assert wait_until(lambda: numbers(first) == [1, 3])
    wait_until(lambda: second.look()["in_sync"])
