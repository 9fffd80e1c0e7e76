# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells who a MySQL server is, the source or the replica of two, and lets a source that starts again take writes.

    database_role.py serve      answer at /source with 200 while the server takes writes, and at / with everything in JSON
    database_role.py open       wait until it is certain that this server is the source, and let it take writes

A server starts closed. It was the source and still is one only if the other one follows it: one that took over follows nobody. So a source
that was lost and comes back stays closed, and so does one whose other host does not answer. One that took over, and has no replica yet,
has a file that says so: nobody else can have become the source since.
"""

from __future__ import annotations

import http.server
import json
import os
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

SETTINGS = "/etc/airflow-database/role.json"
ALONE = "/etc/airflow-database/alone"
"""There while the source has no replica that could take over."""

ANSWER_SECONDS = 2.0
PAUSE_SECONDS = 0.5
SAMPLES = 10
SAMPLE_PAUSE_SECONDS = 0.02
STATE = (
    "SELECT @@GLOBAL.read_only, @@GLOBAL.super_read_only, @@GLOBAL.server_uuid, @@GLOBAL.gtid_executed, c.host, s.source_uuid, "
    "s.service_state, s.last_error_message, s.received_transaction_set, a.service_state, "
    "(SELECT MAX(last_error_message) FROM performance_schema.replication_applier_status_by_worker WHERE channel_name = ''), "
    "(SELECT TIMESTAMPDIFF(MICROSECOND, NULLIF(MIN(NULLIF(applying_transaction_original_commit_timestamp, 0)), 0), NOW(6)) / 1000000 "
    "FROM performance_schema.replication_applier_status_by_worker WHERE channel_name = '') "
    "FROM (SELECT 1) AS one "
    "LEFT JOIN performance_schema.replication_connection_configuration AS c ON c.channel_name = '' "
    "LEFT JOIN performance_schema.replication_connection_status AS s ON s.channel_name = '' "
    "LEFT JOIN performance_schema.replication_applier_status AS a ON a.channel_name = ''"
)
SEMI_SYNC = (
    "SELECT variable_name, variable_value FROM performance_schema.global_status WHERE variable_name LIKE 'Rpl\\_semi\\_sync\\_source\\_%'"
)
OPEN = ("SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF")
CONFIRMED = "SET GLOBAL rpl_semi_sync_source_enabled = ON"
"""Without a replica each commit would wait in vain until the time is over, once."""


def connect(path: str, user: str) -> Any:
    """A session on the server of this host, which takes the system's word for who it is."""
    import pymysql

    return pymysql.connect(
        unix_socket=path,
        user=user,
        autocommit=True,
        connect_timeout=ANSWER_SECONDS,
        read_timeout=ANSWER_SECONDS,
        init_command="SET time_zone = '+00:00'",
    )


def rows(connection: Any, statement: str) -> list[tuple[Any, ...]]:
    """What a statement returns."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def look(connection: Any, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """What the server says of itself.

    `in_sync` is whether a replica confirms each commit and none waits for that: until the wait is over, and that takes its time, nothing
    can have been acknowledged that the replica does not have.
    """
    (state,) = rows(connection, STATE)
    read_only, super_read_only, uuid, executed, follows, follows_uuid, receives, receive_error, received, applies, apply_error, lag = state
    found = {
        "writable": not read_only and not super_read_only,
        "uuid": uuid,
        "executed": "".join(executed.split()),
        "follows": follows or None,
        "follows_uuid": follows_uuid or None,
        "receives": receives == "ON",
        "applies": applies == "ON",
        "error": one_line(apply_error or receive_error),
        "received": "".join((received or "").split()),
        "lag": float(lag) if lag is not None else 0.0 if applies == "ON" else None,
        **semi_sync(connection),
    }
    for _sample in range(SAMPLES if found["confirms"] else 0):
        if not found["waiting"]:
            break
        sleep(SAMPLE_PAUSE_SECONDS)
        found.update(semi_sync(connection))
    found["in_sync"] = found["writable"] and found["confirms"] and not found["waiting"]
    return found


def semi_sync(connection: Any) -> dict[str, Any]:
    """Whether a replica confirms commits, and how many of them wait for it."""
    status = {str(name).lower(): str(value) for name, value in rows(connection, SEMI_SYNC)}
    replicas = int(status.get("rpl_semi_sync_source_clients", 0))
    return {
        "confirms": status.get("rpl_semi_sync_source_status") == "ON" and replicas > 0,
        "waiting": int(status.get("rpl_semi_sync_source_wait_sessions", 0)),
        "replicas": replicas,
    }


def one_line(text: Any) -> str | None:
    """A message of the server's in one line; addresses and accounts in it are no secret."""
    return " ".join(str(text or "").split())[:300].rstrip(".") or None


def ask(url: str) -> dict[str, Any] | None:
    """What the other host's server says of itself, None where nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            found: dict[str, Any] = json.loads(answer.read(100_000))
        return found
    except (OSError, ValueError):
        return None


class Watch:
    """Remembers when the source of this server last said that it was in sync. It forgets that when it starts again, as it must."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.url = url
        self.clock = clock
        self.seen: float | None = None

    def look(self) -> None:
        """Ask once. The moment before counts: it was so when the answer was made, or later."""
        asked = self.clock()
        found = ask(self.url)
        if found and found.get("in_sync"):
            self.seen = asked

    def age(self) -> float | None:
        """Seconds since then."""
        return None if self.seen is None else self.clock() - self.seen

    def run(self) -> None:
        """Ask for ever."""
        while True:
            self.look()
            time.sleep(PAUSE_SECONDS)


def serve(settings: dict[str, Any]) -> None:
    """Answer for ever."""
    watch = Watch(settings["peer_url"])
    threading.Thread(target=watch.run, daemon=True).start()

    class Answer(http.server.BaseHTTPRequestHandler):
        """Each request is a session of its own: who asks is few, and a session that hangs holds up nobody."""

        timeout = ANSWER_SECONDS

        def do_GET(self) -> None:
            """Everything, or whether this is the source."""
            found: dict[str, Any] = {}
            try:
                with closing(connect(settings["socket"], settings["user"])) as connection:
                    found = look(connection)
            except Exception as error:
                found = {"failure": one_line(error.args[-1] if error.args else error)}
            found["source_in_sync_age"] = watch.age()
            is_source = self.path.startswith("/source")
            good = bool(found.get("writable")) if is_source else "failure" not in found
            body = json.dumps(found).encode()
            # Who asked may have waited long enough.
            with suppress(OSError):
                self.send_response(200 if good else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        do_OPTIONS = do_GET

        def log_message(self, *_arguments: Any) -> None:
            """A proxy asks each second: the journal is for what is rare."""

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in settings["listen"] else socket.AF_INET
        daemon_threads = True

    Server((settings["listen"], settings["port"]), Answer).serve_forever()


def may_open(own: dict[str, Any], peer: dict[str, Any] | None, alone: bool = False) -> bool:
    """Whether this server is the source for certain: the other one follows it and takes no writes, or cannot have taken over."""
    if peer and peer.get("writable"):
        return False
    return alone or bool(peer and "writable" in peer and peer.get("follows_uuid") == own["uuid"])


def let_write(connection: Any, confirmed: bool) -> None:
    """Make the server a source that takes writes, each of which waits until a replica has it too if they are to be `confirmed`."""
    for statement in (CONFIRMED, *OPEN) if confirmed else OPEN:
        rows(connection, statement)


def open_source(settings: dict[str, Any]) -> None:
    """Wait until it is certain who is the source; take writes if it is this one."""
    while True:
        try:
            with closing(connect(settings["socket"], "root")) as connection:
                own = look(connection)
                if own["writable"] or own["follows"]:
                    return
                if may_open(own, ask(settings["peer_url"]), os.path.exists(ALONE)):
                    let_write(connection, confirmed=not os.path.exists(ALONE))
                    sys.stderr.write("This server is the source: it takes writes again.\n")
                    return
        except Exception as error:
            sys.stderr.write(f"MySQL does not answer ({one_line(error)}).\n")
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Read the settings, do what is asked."""
    with open(SETTINGS, encoding="utf-8") as stream:
        settings = json.load(stream)
    {"serve": serve, "open": open_source}[sys.argv[1]](settings)


if __name__ == "__main__":
    main()
