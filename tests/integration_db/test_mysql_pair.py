# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two MySQL servers: one follows the other, takes over, and loses nothing that it must not."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import database_role
from ansible_collections.updraft.airflow.plugins.module_utils._topology_mysql_pair import SETTINGS
from ansible_collections.updraft.airflow.plugins.module_utils.mysql_member import Member, MemberError
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

    def __init__(self, folder: Path, name: str, ports: dict[str, int], role_ports: dict[str, int]) -> None:
        self.name, self.folder = name, folder
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
            "password": PASSWORD,
            "authority": f"{folder}/ca.crt",
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
        subprocess.run(command, check=True, capture_output=True)
        self.role = {
            "socket": self.socket,
            "user": "root",
            "listen": "127.0.0.1",
            "port": role_ports[name],
            "peer_url": self.pair["peer_url"],
        }
        threading.Thread(target=database_role.serve, args=[self.role], daemon=True).start()

    @property
    def member(self) -> Member:
        """The server as the module has it, with nothing done yet."""
        return Member(self.socket, self.pair, timeout=30, alone=f"{self.folder}/{self.name}.alone")

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
        """Kill the server, which starts again at once."""
        subprocess.run(["docker", "exec", self.container, "pkill", "-9", "mysqld"], check=True)

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
            made.append(Server(folder, name, ports, role_ports))
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
            subprocess.run(["docker", "rm", "--force", "--volumes", server.container], check=False, capture_output=True)
        shutil.rmtree(folder)


def together(first: Server, second: Server) -> None:
    """Make a pair of the two."""
    second.member.be_replica()
    first.member.be_confirmed()


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
    first.member.be_confirmed()
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
    together(first, second)
    first.kill()
    wait_until(lambda: not first.member.look()["writable"])
    peer = wait_until(lambda: database_role.ask(first.pair["peer_url"]))
    assert database_role.may_open(first.member.look(), peer)
    second.query("STOP REPLICA")
    second.member.take_over(None, None)
    assert not database_role.may_open(first.member.look(), database_role.ask(first.pair["peer_url"]))
    with pytest.raises(MemberError, match="db2 takes writes, so that of db1 must not"):
        first.member.be_source()


def test_what_only_the_old_source_has_is_not_thrown_away(servers: tuple[Server, Server]) -> None:
    first, second = servers
    together(first, second)
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
    first.member.close()
    with pytest.raises(MemberError, match="has transactions that the source on db2 does not have"):
        first.member.be_replica()
    assert numbers(first) == [1, 2]
    first.member.be_replica(clone_anew=True)
    second.member.be_confirmed()
    assert wait_until(lambda: numbers(first) == [1, 3])
