# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of two MySQL servers, a source and its replica: making it what it is to be, and letting the replica take over."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils import _mysql, database_role

POLL_SECONDS = 0.2
PEER_POLL_SECONDS = 0.05
SYSTEM_SCHEMAS = "('mysql', 'sys', 'information_schema', 'performance_schema')"
CLOSE = ("SET SESSION lock_wait_timeout = 10", "SET GLOBAL super_read_only = ON", "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
FORGET = ("STOP REPLICA", "RESET REPLICA ALL")
CATCH_UP_SECONDS = 30
LOST = (2006, 2013, 3707)
"""The server went away; the last one is that of a server that nobody starts again, which systemd does."""

PLAYBOOK = "updraft.airflow.promote_replica"
CLONE_VARIABLE = "airflow_metadata_db_clone_anew"
LOSS_VARIABLE = "airflow_promote_unsynced"


class MemberError(Exception):
    """A server cannot be what it is to be; the text is for the user, and holds no secret."""


class Member:
    """The server of this host. `pair` is what `pair.json` says of the two."""

    def __init__(
        self,
        socket: str,
        pair: Mapping[str, Any],
        timeout: int = 120,
        check_mode: bool = False,
        alone: str = database_role.ALONE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.socket = socket
        self.pair = pair
        self.timeout = timeout
        self.check_mode = check_mode
        self.alone = alone
        self.sleep = sleep
        self.done: list[str] = []
        """What was changed, in words."""

    # The server.

    @contextlib.contextmanager
    def session(self, patient: bool = False) -> Iterator[Any]:
        """A session as root. A copy of the data takes as long as it takes, so a `patient` one waits."""
        import pymysql

        try:
            connection = pymysql.connect(
                unix_socket=self.socket, user="root", autocommit=True, connect_timeout=10, read_timeout=None if patient else self.timeout
            )
        except pymysql.Error as error:
            raise MemberError(f"The MySQL server of {self.name} does not answer: {_mysql.reason(error)}.") from None
        with connection:
            yield connection

    @property
    def name(self) -> str:
        """The host's name."""
        return str(self.pair["name"])

    @property
    def peer(self) -> str:
        """The other host's name."""
        return str(self.pair["peer_name"])

    def look(self) -> dict[str, Any]:
        """What the server says of itself."""
        with self.session() as connection:
            found = database_role.look(connection)
            ((schemas,),) = database_role.rows(
                connection, f"SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name NOT IN {SYSTEM_SCHEMAS}"
            )
        return {**found, "has_data": bool(schemas)}

    def run(self, *statements: str, parameters: Sequence[Any] = ()) -> None:
        """Run statements; the parameters are the last one's."""
        import pymysql

        with self.session() as connection, connection.cursor() as cursor:
            for number, statement in enumerate(statements, start=1):
                try:
                    cursor.execute(statement, parameters if number == len(statements) and parameters else None)
                except pymysql.Error as error:
                    raise MemberError(f"The MySQL server of {self.name} refuses: {_mysql.reason(error)}.") from None

    def ask(self, expression: str, *values: str) -> Any:
        """The value of an expression."""
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {expression}", values)
            return cursor.fetchone()[0]

    def change(self, what: str, *statements: str, parameters: Sequence[Any] = ()) -> None:
        """Run statements, unless changes are only told."""
        self.done.append(what)
        if not self.check_mode:
            self.run(*statements, parameters=parameters)

    def wait(self, wanted: Callable[[dict[str, Any]], bool], what: str, seconds: float | None = None) -> dict[str, Any]:
        """What it says once it is as wanted. Raises MemberError with `what` was waited for."""
        deadline = time.monotonic() + (self.timeout if seconds is None else seconds)
        while True:
            found = self.look()
            if wanted(found):
                return found
            if time.monotonic() > deadline:
                raise MemberError(f"The MySQL server of {self.name} {what}{': ' + found['error'] if found['error'] else ''}.")
            self.sleep(POLL_SECONDS)

    # What site asks for.

    def be_source(self) -> None:
        """Take writes. Nobody becomes the source here who follows another one, or while another one is it."""
        found = self.look()
        if found["writable"]:
            if found["follows"]:
                self.change("it follows nobody any more", *FORGET)
            return
        if found["follows"]:
            raise MemberError(
                f"The MySQL server of {self.name} is a replica of {found['follows']}: it takes over by {PLAYBOOK}, which looks what it has."
            )
        peer = database_role.ask(self.pair["peer_url"])
        if peer and peer.get("writable"):
            raise MemberError(f"The MySQL server of {self.peer} takes writes, so that of {self.name} must not: run this again.")
        self.open(confirmed=bool(peer) and database_role.may_open(found, peer))

    def open(self, confirmed: bool = False) -> None:
        """Let it take writes, also when it starts again before there is a replica."""
        self.done.append("it takes writes")
        if self.check_mode:
            return
        if not confirmed:
            with open(self.alone, "w", encoding="ascii"):
                pass
        with self.session() as connection:
            database_role.let_write(connection, confirmed)

    def be_replica(self, clone_anew: bool = False) -> None:
        """Follow the source, from a copy of its data if there are none here that fit. What only this server has is not thrown away."""
        found = self.look()
        if found["writable"] and found["has_data"]:
            raise MemberError(f"The MySQL server of {self.name} takes writes itself, so it cannot follow: run this again.")
        if found["follows"] == self.pair["peer_host"] and found["receives"] and found["applies"] and not clone_anew:
            return
        source = self._source()
        if clone_anew or not found["has_data"]:
            self.clone()
        else:
            extra = self.ask("GTID_SUBTRACT(%s, %s)", found["executed"], source["executed"])
            if extra:
                raise MemberError(
                    f"The MySQL server of {self.name} has transactions that the source on {self.peer} does not have ({extra}): what waited "
                    "for the replica when this server was lost, which nobody was told of, or what it wrote alone. Look at them; "
                    f"{CLONE_VARIABLE}: {self.name} throws them away, and copies the data from {self.peer}."
                )
            if self.ask("GTID_SUBTRACT(%s, %s)", source["purged"], found["executed"]):
                self.clone()
        self.follow()

    def _source(self) -> dict[str, str]:
        """What the source has, as the account for replication sees it."""
        import pymysql

        settings = {
            "host": self.pair["peer_host"],
            "port": self.pair["peer_port"],
            "name": None,
            "user": self.pair["user"],
            "password": self.pair["password"],
            "ssl_mode": "verify-ca",
            "ssl_root_cert": self.pair["authority"],
        }
        try:
            with _mysql.connect(settings, connect_timeout=10, read_timeout=self.timeout) as connection:
                ((read_only, executed, purged),) = database_role.rows(
                    connection, "SELECT @@GLOBAL.read_only, @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged"
                )
        except (pymysql.Error, OSError) as error:
            raise MemberError(
                f"{self.name} does not reach the MySQL server of {self.peer}, which it is to follow: {_mysql.reason(error)}."
            ) from None
        if read_only:
            raise MemberError(f"The MySQL server of {self.peer} takes no writes, so it is no source to follow: run updraft.airflow.site.")
        return {"executed": executed, "purged": purged}

    def clone(self) -> None:
        """Replace all data by a copy of the source's, which goes on meanwhile."""
        import pymysql

        self.done.append(f"its data are copied from {self.peer}")
        if self.check_mode:
            return
        pair = self.pair
        self.run("STOP REPLICA")
        self.run("SET GLOBAL clone_valid_donor_list = %s", parameters=[f"{pair['peer_host']}:{pair['peer_port']}"])
        # Nobody may follow, or take over, from what is half a copy. Its own data are dropped first, which root may do then and nobody
        # else; when it starts again, it is closed as ever.
        self.run("RESET REPLICA ALL", "SET GLOBAL read_only = ON", "SET GLOBAL super_read_only = OFF")
        before = self._copies()
        statement = f"CLONE INSTANCE FROM %s@%s:{int(pair['peer_port'])} IDENTIFIED BY %s REQUIRE SSL"
        with self.session(patient=True) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(statement, [pair["user"], pair["peer_host"], pair["password"]])
            except pymysql.Error as error:
                # It starts again at the end, and the session is lost with that.
                if not error.args or error.args[0] not in LOST:
                    raise MemberError(f"The data of {self.peer} cannot be copied to {self.name}: {_mysql.reason(error)}.") from None
        self._wait_for_copy(before)

    def _copies(self) -> list[tuple[Any, ...]]:
        with self.session() as connection:
            return database_role.rows(connection, "SELECT begin_time, state, error_message FROM performance_schema.clone_status")

    def _wait_for_copy(self, before: list[tuple[Any, ...]]) -> None:
        """Until the server is back with the data."""
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                last = self._copies()
            except (MemberError, OSError):
                last = before
            if last and last[0][0] not in [copy[0] for copy in before]:
                if last[0][1] == "Completed":
                    return
                if last[0][1] == "Failed":
                    raise MemberError(f"The data of {self.peer} could not be copied to {self.name}: {last[0][2]}.")
            if time.monotonic() > deadline:
                raise MemberError(f"The MySQL server of {self.name} does not come back with a copy: journalctl -u mysql says why.")
            self.sleep(POLL_SECONDS)

    def follow(self) -> None:
        """Copy from the source, from where the own data end."""
        pair = self.pair
        self.done.append(f"it follows {self.peer}")
        if self.check_mode:
            return
        self.run("SET GLOBAL super_read_only = ON", "SET GLOBAL rpl_semi_sync_source_enabled = OFF", "STOP REPLICA")
        self.run(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = %s, SOURCE_PORT = %s, SOURCE_USER = %s, SOURCE_PASSWORD = %s, SOURCE_SSL = 1, "
            "SOURCE_SSL_CA = %s, SOURCE_SSL_VERIFY_SERVER_CERT = 1, SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1, "
            "SOURCE_RETRY_COUNT = 0, SOURCE_HEARTBEAT_PERIOD = 2",
            parameters=[pair["peer_host"], int(pair["peer_port"]), pair["user"], pair["password"], pair["authority"]],
        )
        self.run("START REPLICA")
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.alone)
        self.wait(lambda found: bool(found["receives"] and found["applies"]), f"does not follow that of {self.peer}")

    def be_confirmed(self) -> None:
        """On the source, once a replica is there: acknowledge no commit that the replica does not have."""
        found = self.look()
        if not found["writable"] or found["confirms"] or not found["replicas"]:
            return
        self.done.append("its commits wait for the replica")
        if self.check_mode:
            return
        # From here on the replica may take over, so this one must not open by itself.
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.alone)
        self.run(database_role.CONFIRMED)
        self.wait(lambda now: bool(now["confirms"]), "has no replica that confirms its commits")

    # What promote_replica asks for.

    def close(self) -> dict[str, Any]:
        """Take no more writes, before the replica takes over; a commit that is under way ends first."""
        if self.look()["writable"]:
            self.change("it takes no more writes", *CLOSE)
        return self.look()

    def closed_peer(self) -> str:
        """What the other server has executed, once it takes no more writes. Raises MemberError."""
        deadline = time.monotonic() + self.timeout
        while True:
            found = database_role.ask(self.pair["peer_url"])
            if found and found.get("writable") is False:
                return str(found["executed"])
            if time.monotonic() > deadline:
                raise MemberError(f"The MySQL server of {self.peer} still takes writes, so that of {self.name} does not take over.")
            self.sleep(PEER_POLL_SECONDS)

    def take_over(self, executed: str | None, evidence: str | None = None, unsynced: bool = False) -> None:
        """Become the source, with everything that the old one has `executed`, or where that is lost, with what has come here.

        `evidence` is why that may lack something that was acknowledged, None when it lacks nothing. Raises MemberError.
        """
        found = self.look()
        if found["writable"]:
            if found["follows"]:
                self.change("it follows nobody any more", *FORGET)
            return
        if executed is None and evidence and not unsynced:
            raise MemberError(
                f"The MySQL server of {self.name} may lack writes that were acknowledged: {evidence}. Bring back the host of {self.peer}, "
                f"or give them up by {LOSS_VARIABLE}: true."
            )
        if self.check_mode:
            self.done.append("it takes over")
            return
        if executed is None:
            self._apply_what_came(found, unsynced)
        elif not self.ask("WAIT_FOR_EXECUTED_GTID_SET(%s, %s) = 0", executed, str(min(self.timeout, CATCH_UP_SECONDS))):
            raise MemberError(f"The MySQL server of {self.name} does not catch up with that of {self.peer}.")
        if found["follows"]:
            self.run("STOP REPLICA")
        self.done.append("it takes over")
        self.open()
        if found["follows"]:
            self.run("RESET REPLICA ALL")

    def _apply_what_came(self, found: Mapping[str, Any], unsynced: bool) -> None:
        if found["receives"]:
            raise MemberError(
                f"The MySQL server of {self.name} still gets writes from {self.peer}, which this playbook does not reach: end it there, or "
                "let it be reached, and run this again."
            )
        if not found["follows"]:
            return
        # The thread that connects stops first, so that a source which comes back now is confirmed nothing any more.
        self.run("STOP REPLICA IO_THREAD")
        try:
            self.wait(
                lambda now: bool(self.ask("GTID_SUBSET(%s, @@GLOBAL.gtid_executed)", now["received"]) or (unsynced and now["error"])),
                "does not apply what it has got",
            )
        except MemberError:
            self.run("START REPLICA IO_THREAD")
            raise


def doubt(age: float | None, ways: Sequence[Mapping[str, Any]], seconds: float) -> str | None:
    """Why a replica whose source is lost may lack what the source acknowledged, None where it has everything.

    `age` is how long ago the source last said that the replica has everything. It acknowledges nothing alone within `seconds` of that.
    `ways` are what the proxies of Airflow's hosts know: whether the source is `up` for them, or for how long (`age`) it has been down;
    a host without both was not reached. A source that was down for all of them within that time has acknowledged nothing to anybody
    that the replica does not have.
    """
    if age is None:
        return "it was not connected to its source since it started"
    if not ways:
        return "no host of Airflow tells when its source was lost"
    for way in ways:
        if way.get("up") is None:
            return f"{way['host']} does not answer, which could tell when its source was lost"
        if way["up"]:
            return f"{way['host']} still reaches its source, which goes on without it"
        if age - float(way["age"]) >= seconds:
            return (
                f"its source was last in sync with it {age:.0f} s ago, and took writes of {way['host']} until {float(way['age']):.0f} s ago"
            )
    return None
