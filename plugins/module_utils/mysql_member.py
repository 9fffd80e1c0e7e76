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
CLOSE = ("SET SESSION lock_wait_timeout = 10", *database_role.CLOSE)
FORGET = ("STOP REPLICA", "RESET REPLICA ALL")
CATCH_UP_SECONDS = 30
COMMIT_SECONDS = 5
"""What the replica has applied, the source has too: as soon as it knows that the replica has it."""
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
        closed: str = database_role.CLOSED,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.socket = socket
        self.pair = pair
        self.timeout = timeout
        self.check_mode = check_mode
        self.alone = alone
        self.closed = closed
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
            raise MemberError(
                f"The MySQL server of {self.name} does not answer ({_mysql.reason(error)}): journalctl -u {self.service} there says why."
            ) from None
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

    @property
    def service(self) -> str:
        """The server's unit, as the distribution's package calls it."""
        return str(self.pair.get("service", "mysql"))

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
                    raise MemberError(
                        f"The MySQL server of {self.name} refuses to {statement.partition('%')[0].strip()} ({_mysql.reason(error)}): "
                        f"journalctl -u {self.service} there may say why."
                    ) from None

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
                raise MemberError(
                    f"The MySQL server of {self.name} {what}{' (' + found['error'] + ')' if found['error'] else ''}: journalctl -u "
                    f"{self.service} there says more."
                )
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
        confirmed = database_role.may_open(found, peer)
        # A server that starts again is closed, and so is one whose replica took over while it was away.
        if found["has_data"] and not confirmed and not os.path.exists(self.alone):
            raise MemberError(
                f"The MySQL server of {self.name} stays closed: it had a replica, and that of {self.peer} does not say whether it took "
                f"over. Bring {self.peer} back, or give up what it took by {PLAYBOOK} with airflow_promote_host: {self.name} and "
                f"{LOSS_VARIABLE}: true."
            )
        self.open(confirmed)

    def is_followed(self) -> bool:
        """Whether it is a source that was closed, as by a hand-over that ended in between: the other one has not taken over."""
        found = self.look()
        return not found["writable"] and not found["follows"] and database_role.may_open(found, database_role.ask(self.pair["peer_url"]))

    def open_again(self) -> None:
        """Take writes after it was closed. Only where the other one says that it has not taken over: no answer is none."""
        found = self.look()
        if found["writable"]:
            return
        if found["follows"] or not database_role.may_open(found, database_role.ask(self.pair["peer_url"])):
            raise MemberError(
                f"The MySQL server of {self.name} stays closed, for that of {self.peer} does not say that it follows it still: look which "
                f"of them has everything, and say which is to be the source by {PLAYBOOK} with airflow_promote_host."
            )
        self.open(confirmed=True)

    def open(self, confirmed: bool = False) -> None:
        """Let it take writes, also when it starts again before there is a replica."""
        self.done.append("it takes writes")
        if self.check_mode:
            return
        self._be_no_more_closed()
        if not confirmed:
            self._be_alone()
        with self.session() as connection:
            database_role.let_write(connection, confirmed)

    def _be_alone(self) -> None:
        with open(self.alone, "w", encoding="ascii"):
            pass

    def _be_one_of_two(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.alone)

    def _be_no_more_closed(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.closed)

    def be_replica(self, clone_anew: bool = False) -> None:
        """Follow the source, from a copy of its data if there are none here that fit. What only this server has is not thrown away."""
        found = self.look()
        if found["writable"] and found["has_data"]:
            raise MemberError(f"The MySQL server of {self.name} takes writes itself, so it cannot follow: run this again.")
        if not self.check_mode:
            self._be_one_of_two()
        if clone_anew or not found["has_data"]:
            self._source()
            self.clone()
        else:
            source = self._refuse_own_data(found if found["follows"] else self._settled(found))
            if found["follows"] == self.pair["peer_host"] and found["receives"] and found["applies"]:
                return
            if self.ask("GTID_SUBTRACT(%s, %s)", source["purged"], found["executed"]):
                self.clone()
        self.follow()

    def _settled(self, found: dict[str, Any]) -> dict[str, Any]:
        """What a server that was the source has once all commits have ended that were under way: killed sessions end theirs yet."""
        if self.check_mode:
            return found
        self.run("SET SESSION lock_wait_timeout = 10", "FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES")
        return {**found, "executed": self.look()["executed"]}

    def _refuse_own_data(self, found: Mapping[str, Any]) -> dict[str, str]:
        """What the source has, which has to be all that is here. Raises MemberError."""
        deadline = time.monotonic() + COMMIT_SECONDS
        while True:
            source = self._source()
            extra = self.ask("GTID_SUBTRACT(%s, %s)", found["executed"], source["executed"])
            if not extra and found["executed"]:
                return source
            # What the source waits for the replica with, the replica may have applied already.
            if not extra or not found["receives"] or time.monotonic() > deadline:
                break
            self.sleep(POLL_SECONDS)
        throws_away = f"{CLONE_VARIABLE}: {self.name} throws them away, and copies the data from {self.peer}."
        if not found["executed"]:
            raise MemberError(
                f"The MySQL server of {self.name} has data that did not come from the source on {self.peer}: look at them, and save what "
                f"is of use; {throws_away}"
            )
        raise MemberError(
            f"The MySQL server of {self.name} has transactions that the source on {self.peer} does not have ({extra}): what waited "
            f"for the replica when this server was lost, which nobody was told of, or what it wrote alone. Look at them; {throws_away}"
        )

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
                raise MemberError(f"The MySQL server of {self.name} does not come back with a copy: journalctl -u {self.service} says why.")
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
        # It is closed for following now, also after it took over again and ended before it was open.
        self._be_no_more_closed()
        self.run("START REPLICA")
        self.wait(lambda found: bool(found["receives"] and found["applies"]), f"does not follow that of {self.peer}")

    def be_confirmed(self) -> None:
        """On the source, once a replica is there: acknowledge no commit that the replica does not have."""
        if not self.look()["writable"]:
            return
        self._forget_former_replicas()
        found = self.look()
        if found["confirms"] or not found["replicas"]:
            return
        self.done.append("its commits wait for the replica")
        if self.check_mode:
            return
        # From here on the replica may take over, so this one must not open by itself.
        self._be_one_of_two()
        self.run(database_role.CONFIRMED)
        self.wait(lambda now: bool(now["confirms"]), "has no replica that confirms its commits")

    def _forget_former_replicas(self) -> None:
        """Let nobody follow who is none of the two: of a commit that two replicas wait for, it is not known which of them has it."""
        user, hosts = self.pair["user"], list(self.pair.get("hosts") or [])
        if not hosts:
            return
        names = ", ".join(["%s"] * len(hosts))
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT host FROM mysql.user WHERE user = %s AND host NOT IN ({names})", [user, *hosts])
            gone = [row[0] for row in cursor.fetchall()]
            for host in gone:
                self.done.append(f"{host} is let in no more")
                if not self.check_mode:
                    cursor.execute("DROP USER %s@%s", [user, host])
                    cursor.execute(
                        "SELECT processlist_id FROM performance_schema.threads WHERE processlist_user = %s AND processlist_host = %s",
                        [user, host],
                    )
                    for (session,) in cursor.fetchall():
                        cursor.execute(f"KILL {int(session)}")

    # What promote_replica asks for.

    def close(self) -> dict[str, Any]:
        """Take no more writes, before the replica takes over; a commit that is under way ends first.

        A server that just started may be about to be opened by its guard, which then finds that it must not.
        """
        found = self.look()
        is_noted = not found["follows"] and not self.check_mode
        if is_noted:
            # The other one may have taken over when this server starts again.
            self._be_one_of_two()
            database_role.note_closed(self.closed, found["started"], is_closed=False)
            if self.ask(database_role.ONE_AT_A_TIME) != 1:
                raise MemberError(f"The MySQL server of {self.name} is being opened, so it cannot be closed: run this again.")
        if self.look()["writable"]:
            self.change("it takes no more writes", *CLOSE)
        if is_noted:
            database_role.note_closed(self.closed, found["started"], is_closed=True)
        return self.look()

    def closed_peer(self) -> str:
        """What the other server has executed, once somebody closed it: one that just started may open yet. Raises MemberError."""
        deadline = time.monotonic() + self.timeout
        while True:
            found = database_role.ask(self.pair["peer_url"])
            if found and found.get("writable") is False and found.get("closed"):
                return str(found["executed"])
            if time.monotonic() > deadline:
                raise MemberError(
                    f"The MySQL server of {self.peer} was not closed, so that of {self.name} does not take over: journalctl -u "
                    f"airflow-database-role -u {self.service} on {self.peer} says why. Run this again when it answers."
                )
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
        seconds = min(self.timeout, CATCH_UP_SECONDS)
        if executed is None:
            self._apply_what_came(found, unsynced)
        elif not self.ask("WAIT_FOR_EXECUTED_GTID_SET(%s, %s) = 0", executed, str(seconds)):
            raise MemberError(
                f"The MySQL server of {self.name} does not catch up with that of {self.peer} within {seconds} s: run "
                "updraft.airflow.status, which tells how far it is behind and why, and this again."
            )
        self.done.append("it takes over")
        # In this order: none that follows takes writes, and one that is killed before it is open opens when it starts again.
        if found["follows"]:
            self.run("STOP REPLICA")
        self._be_alone()
        if found["follows"]:
            self.run("RESET REPLICA ALL")
        self.open()

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


def alive(peer: Mapping[str, Any] | None, ways: Sequence[Mapping[str, Any]]) -> str | None:
    """What says that the source is not lost, whatever it does not answer to; None where nothing does. Two would take writes then."""
    if peer and peer.get("writable"):
        return "it says that it takes writes"
    return next((f"{way['host']} still reaches it" for way in ways if way.get("up")), None)


def doubt(age: float | None, ways: Sequence[Mapping[str, Any]], seconds: float, follows: bool = True) -> str | None:
    """Why a replica whose source is lost may lack what the source acknowledged, None where it has everything.

    `age` is how long ago the source last said that the replica has everything. It acknowledges nothing alone within `seconds` of that.
    `ways` are what the proxies of Airflow's hosts know: whether the source is `up` for them, or for how long (`age`) it has been down;
    a host without both was not reached. A source that was down for all of them within that time has acknowledged nothing to anybody
    that the replica does not have. One that `follows` nobody was the source, and came back.
    """
    if not follows:
        return "it follows nobody, so that it is the one that was the source, and the other one may have taken over and taken writes since"
    if age is None:
        return "it was not connected to its source since it started"
    if not ways:
        return "no host of Airflow tells when its source was lost"
    for way in ways:
        if way.get("up") is None:
            return f"{way['host']} does not answer, which could tell when its source was lost"
        if age - float(way["age"]) >= seconds:
            return (
                f"its source was last in sync with it {age:.0f} s ago, and took writes of {way['host']} until {float(way['age']):.0f} s ago"
            )
    return None
