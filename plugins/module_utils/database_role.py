# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells who a MySQL server is, the source or the replica of two, and sees to it that one of the two takes writes.

    database_role.py serve      answer at /source with 200 while the server is the source, at /role with who it is, in JSON, and at / with
                                everything
    database_role.py open       let the server take writes once it is certain that it is the source, and close it where it is no longer

Both take the path of other settings as a further argument.

A server starts closed. It was the source and still is one only if the other one follows it: one that took over follows nobody. So a source
that was lost and comes back stays closed, and so does one whose other host does not answer. One that took over, and has no replica yet,
has a file that says so: nobody else can have become the source since.

One that was only frozen or cut off comes back open. It finds that the other one takes writes, and closes: of the two, the one that took
over has the file. Until it is closed it does not call itself the source.
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
CLOSED = "/etc/airflow-database/closed"
"""There while the source is closed on purpose, or about to be. Whoever starts it again opens it as ever: the time at which the server had
started is in the file, and once it takes no more writes, the word `closed`."""
SAME_START_SECONDS = 2
"""Both the server's age and its clock are read in whole seconds."""

ANSWER_SECONDS = 2.0
SILENT_SECONDS = 0.5
"""For a server that did not answer last time either: a proxy waits for what it says, three seconds at most."""

PAUSE_SECONDS = 0.5
SAMPLES = 10
SAMPLE_PAUSE_SECONDS = 0.02
STATE = (
    "SELECT @@GLOBAL.read_only, @@GLOBAL.super_read_only, @@GLOBAL.server_uuid, @@GLOBAL.gtid_executed, c.host, s.source_uuid, "
    "s.service_state, s.last_error_message, s.received_transaction_set, a.service_state, "
    "(SELECT MAX(last_error_message) FROM performance_schema.replication_applier_status_by_worker WHERE channel_name = ''), "
    "u.variable_value, UNIX_TIMESTAMP() - u.variable_value, "
    "(SELECT TIMESTAMPDIFF(MICROSECOND, NULLIF(MIN(NULLIF(applying_transaction_original_commit_timestamp, 0)), 0), NOW(6)) / 1000000 "
    "FROM performance_schema.replication_applier_status_by_worker WHERE channel_name = '') "
    "FROM performance_schema.global_status AS u "
    "LEFT JOIN performance_schema.replication_connection_configuration AS c ON c.channel_name = '' "
    "LEFT JOIN performance_schema.replication_connection_status AS s ON s.channel_name = '' "
    "LEFT JOIN performance_schema.replication_applier_status AS a ON a.channel_name = '' "
    "WHERE u.variable_name = 'Uptime'"
)
ROLE = (
    "SELECT @@GLOBAL.read_only, @@GLOBAL.super_read_only, @@GLOBAL.server_uuid, c.host, s.source_uuid "
    "FROM (SELECT 1) AS one "
    "LEFT JOIN performance_schema.replication_connection_configuration AS c ON c.channel_name = '' "
    "LEFT JOIN performance_schema.replication_connection_status AS s ON s.channel_name = ''"
)
"""What decides which of the two is the source. Each proxy asks for it each second, so it is no more than that."""

STARTED = "SELECT UNIX_TIMESTAMP() - variable_value FROM performance_schema.global_status WHERE variable_name = 'Uptime'"
"""One statement, for time passes between two."""
SEMI_SYNC = (
    "SELECT variable_name, variable_value FROM performance_schema.global_status WHERE variable_name LIKE 'Rpl\\_semi\\_sync\\_source\\_%'"
)
OPEN = ("SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF")
ONE_AT_A_TIME = "GET_LOCK('updraft.airflow.open', 30)"
"""Until the session ends. Who closes the source waits for who opens it, who then sees that it is closed on purpose."""
CONFIRMED = "SET GLOBAL rpl_semi_sync_source_enabled = ON"
"""Without a replica each commit would wait in vain until the time is over, once."""
CLOSE = ("SET GLOBAL super_read_only = ON", "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
CLOSE_AT_ONCE = ("SET SESSION lock_wait_timeout = 1", *CLOSE)
SESSIONS = (
    "SELECT processlist_id FROM performance_schema.threads WHERE type = 'FOREGROUND' AND processlist_id IS NOT NULL "
    "AND processlist_id <> CONNECTION_ID() AND processlist_user IS NOT NULL AND processlist_user NOT IN ('event_scheduler', 'system user') "
    "AND processlist_command NOT LIKE 'Binlog Dump%'"
)
"""Of whoever may be writing."""


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


def role(connection: Any) -> dict[str, Any]:
    """Who the server is, of the two."""
    ((read_only, super_read_only, uuid, follows, follows_uuid),) = rows(connection, ROLE)
    writable = not read_only and not super_read_only
    return {"writable": writable, "uuid": uuid, "follows": follows or None, "follows_uuid": follows_uuid or None}


def look(connection: Any, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """What the server says of itself.

    `in_sync` is whether the replica confirms each commit and none waits for that: until the wait is over, and that takes its time, nothing
    can have been acknowledged that the replica does not have. With several replicas it is not known which of them confirms.
    """
    ((read_only, super_read_only, uuid, executed, *of_replica, up, started, lag),) = rows(connection, STATE)
    follows, follows_uuid, receives, receive_error, received, applies, apply_error = of_replica
    found = {
        "writable": not read_only and not super_read_only,
        "uuid": uuid,
        "uptime": int(up),
        "started": int(started),
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
    found["in_sync"] = found["writable"] and found["confirms"] and found["replicas"] == 1 and not found["waiting"]
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


WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The other host is near."""


def ask(url: str, seconds: float = ANSWER_SECONDS) -> dict[str, Any] | None:
    """What the other host's server says of itself, None where nobody answers."""
    try:
        with WITHOUT_PROXY.open(url, timeout=seconds) as answer:
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
        self.peer: dict[str, Any] | None = None
        self.answers = True

    def look(self) -> None:
        """Ask once for everything. The moment before counts: it was so when the answer was made, or later."""
        asked = self.clock()
        found = self._ask(self.url, ANSWER_SECONDS)
        if found and found.get("in_sync"):
            self.seen = asked

    def _ask(self, url: str, seconds: float) -> dict[str, Any] | None:
        found = ask(url, seconds)
        self.answers = found is not None
        self.peer = found or self.peer
        return found

    def now(self) -> dict[str, Any] | None:
        """What the other server says now, or said last. What was heard before is not enough: this host may have been frozen since."""
        self._ask(f"{self.url}/role", ANSWER_SECONDS if self.answers else SILENT_SECONDS)
        return self.peer

    def age(self, uptime: float | None) -> float | None:
        """Seconds since then, unless the server started since: it fetches anew what it had received and not yet applied."""
        age = None if self.seen is None else self.clock() - self.seen
        return age if age is not None and uptime is not None and age < uptime - 1 else None

    def run(self) -> None:
        """Ask for ever."""
        while True:
            self.look()
            time.sleep(PAUSE_SECONDS)


def serve(settings: dict[str, Any]) -> None:
    """Answer for ever."""
    watch = Watch(settings["peer_url"])
    alone, closed = settings.get("alone", ALONE), settings.get("closed", CLOSED)
    threading.Thread(target=watch.run, daemon=True).start()

    class Answer(http.server.BaseHTTPRequestHandler):
        """Each request is a session of its own: who asks is few, and a session that hangs holds up nobody."""

        timeout = ANSWER_SECONDS

        def do_GET(self) -> None:
            """Everything, or whether this is the source."""
            found: dict[str, Any] = {}
            is_short = self.path.startswith(("/source", "/role"))
            try:
                with closing(connect(settings["socket"], settings["user"])) as connection:
                    found = role(connection) if is_short else look(connection)
            except Exception as error:
                found = {"failure": one_line(error.args[-1] if error.args else error)}
            found["alone"] = os.path.exists(alone)
            if not is_short:
                found["source_in_sync_age"] = watch.age(found.get("uptime"))
                found["closed"] = "started" in found and closed_on_purpose(closed, found["started"]) == "closed"
            good = "failure" not in found
            if good and self.path.startswith("/source"):
                good = bool(found["writable"]) and is_source(found, watch.now())
                # One that is closed is opened by somebody who knows better.
                watch.peer = watch.peer if found["writable"] else None
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


def must_close(own: dict[str, Any], peer: dict[str, Any] | None) -> bool:
    """Whether the other server became the source in place of this one, which takes writes as well.

    Where both have the file nobody can say which of them took over last, and a person has to.
    """
    if not own["writable"] or not peer or not peer.get("writable"):
        return False
    return bool(own["follows"]) or (peer.get("follows_uuid") != own["uuid"] and not own["alone"])


def is_source(own: dict[str, Any], peer: dict[str, Any] | None) -> bool:
    """Whether a server that takes writes is the one to write to."""
    both_alone = bool(own["alone"] and peer and peer.get("writable") and peer.get("alone"))
    return not must_close(own, peer) and not both_alone


def has_replica(own: dict[str, Any], peer: dict[str, Any] | None) -> bool:
    """Whether the other server follows this one, which takes writes, and is the only one that does."""
    follows = bool(peer and peer.get("writable") is False and peer.get("follows_uuid") == own["uuid"])
    return bool(own["writable"]) and not own["follows"] and own["replicas"] == 1 and follows


def let_write(connection: Any, confirmed: bool) -> None:
    """Make the server a source that takes writes, each of which waits until a replica has it too if they are to be `confirmed`."""
    for statement in (CONFIRMED, *OPEN) if confirmed else OPEN:
        rows(connection, statement)


def note_closed(path: str, started: int, is_closed: bool) -> None:
    """Write down that the server, which started then, is to be closed, or is it."""
    whole = f"{path}.new"
    with open(whole, "w", encoding="ascii") as stream:
        stream.write(f"{started}{' closed' if is_closed else ''}\n")
    # Who tells the other host of it is another user.
    os.chmod(whole, 0o644)
    os.replace(whole, path)


def closed_on_purpose(path: str, started: int) -> str:
    """Whether somebody wanted the server closed since it started then: `asked`, `closed` when it was, or nothing."""
    try:
        with open(path, encoding="ascii") as stream:
            noted, *done = stream.read().split()
            other = abs(started - int(noted)) > SAME_START_SECONDS
    except (OSError, ValueError):
        return ""
    return "" if other else "closed" if done else "asked"


def close_at_once(connection: Any) -> None:
    """Have the server take no more writes.

    Sessions end first: what waits for a replica that is none any more keeps the server from closing, and would be acknowledged at the end.
    """
    for (session,) in rows(connection, SESSIONS):
        # It may have ended by itself.
        with suppress(Exception):
            rows(connection, f"KILL {int(session)}")
    for statement in CLOSE_AT_ONCE:
        rows(connection, statement)


class Guard:
    """Opens the source once after each start of its server, and closes it when the other one has become the source."""

    def __init__(self, settings: dict[str, Any], tell: Callable[[str], Any] = sys.stderr.write) -> None:
        self.settings = settings
        self.alone = settings.get("alone", ALONE)
        self.closed = settings.get("closed", CLOSED)
        self.tell = tell
        self.uptime = 0
        self.may_open = True
        """Until it has been open, or has followed, since its server's start: whoever closes it afterwards means it."""

    def step(self) -> None:
        """Look once, and do what is due."""
        with closing(connect(self.settings["socket"], "root")) as connection:
            own = {**look(connection), "alone": os.path.exists(self.alone)}
            self.may_open = self.may_open or own["uptime"] < self.uptime
            self.uptime = own["uptime"]
            peer = ask(f"{self.settings['peer_url']}/role")
            if must_close(own, peer):
                close_at_once(connection)
                self.tell("The other server became the source: this one takes no more writes.\n")
            elif has_replica(own, peer) and (own["alone"] or not own["confirms"]):
                self._have_confirmed(connection)
            elif not own["writable"] and not own["follows"] and self.may_open and may_open(own, peer, own["alone"]):
                self._open(connection, own)
            self.may_open = self.may_open and not own["writable"] and not own["follows"]

    def _open(self, connection: Any, own: dict[str, Any]) -> None:
        """Open the source, unless it was closed on purpose: the other one may be about to take over, from what was there until then."""
        if rows(connection, f"SELECT {ONE_AT_A_TIME}") != [(1,)]:
            return
        # Since the look time has passed.
        ((started,),) = rows(connection, STARTED)
        if not closed_on_purpose(self.closed, int(started)):
            let_write(connection, confirmed=not own["alone"])
            self.tell("This server is the source: it takes writes again.\n")
        self.may_open = False

    def _have_confirmed(self, connection: Any) -> None:
        """From here on the replica may take over, so this server must not open by itself."""
        with suppress(FileNotFoundError):
            os.remove(self.alone)
        rows(connection, CONFIRMED)

    def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                self.step()
            except Exception as error:
                self.tell(f"It did not work, and is tried again ({one_line(error)}).\n")
            time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Read the settings, do what is asked."""
    with open(sys.argv[2] if len(sys.argv) > 2 else SETTINGS, encoding="utf-8") as stream:
        settings = json.load(stream)
    if sys.argv[1] == "serve":
        serve(settings)
    else:
        Guard(settings).run()


if __name__ == "__main__":
    main()
