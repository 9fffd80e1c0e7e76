# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child program: ask the metadata database and the broker. It runs in the interpreter of an Airflow installation, which has their drivers.

Request on standard input: line, database_url, broker_url, broker_options, broker_ssl, queues, nodes, broadcast. Answer on standard output:
database, broker; each holds what was found, or `error` with the reason why there is nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, unquote, urlsplit

CONNECT_SECONDS = 5
ANSWER_SECONDS = 3.0
STATEMENT_SECONDS = 10
"""A status is no reason to keep a busy database busy."""

RECENT = timedelta(hours=24)
MOST_NAMES = 20
WAITING = ("running", "queued", "scheduled", "restarting", "deferred", "up_for_retry", "up_for_reschedule")
ENDED = ("success", "failed", "upstream_failed", "skipped")
PREFACES = {
    "postgresql": (
        "SET TRANSACTION READ ONLY",
        f"SET LOCAL statement_timeout = {STATEMENT_SECONDS * 1000}",
        "SET LOCAL timezone = 'UTC'",
    ),
    "mysql": (f"SET SESSION max_execution_time = {STATEMENT_SECONDS * 1000}, time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY"),
}
SERVERS = {
    # What others do is hidden from a plain role, their number is not.
    "postgresql": "SELECT current_setting('server_version'), pg_database_size(current_database()), "
    "(SELECT SUM(numbackends) FROM pg_stat_database), current_setting('max_connections')",
    "mysql": "SELECT VERSION(), (SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()), "
    "(SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Threads_connected'), @@max_connections",
    "sqlite": "SELECT sqlite_version(), page_count * page_size, NULL, NULL FROM pragma_page_count(), pragma_page_size()",
}
JOBS = (
    "SELECT job_type, hostname, state, start_date, latest_heartbeat FROM job "
    "WHERE job_type IN ('SchedulerJob', 'TriggererJob', 'DagProcessorJob') AND (state = 'running' OR latest_heartbeat >= :since) "
    "ORDER BY id DESC LIMIT 200"
)
DAGS = {
    2: "SELECT COUNT(*), SUM(CASE WHEN is_paused THEN 1 ELSE 0 END) FROM dag WHERE is_active",
    3: "SELECT COUNT(*), SUM(CASE WHEN is_paused THEN 1 ELSE 0 END) FROM dag WHERE NOT is_stale",
}
BUNDLES = "SELECT name, version, last_refreshed FROM dag_bundle WHERE active ORDER BY name"


def without_secret(error: BaseException, url: str) -> str:
    """A driver's reason in one line, without the password of an address."""
    text = " ".join(str(getattr(error, "orig", None) or error).split()) or type(error).__name__
    for part in url.split(";"):
        password = urlsplit(part).password or ""
        for secret in {password, unquote(password)} - {""}:
            text = text.replace(secret, "***")
    return f"{text[:300].rstrip('.')}"


class File:
    """An SQLite database, which is only read."""

    def __init__(self, url: str) -> None:
        self.kind = "sqlite"
        path = url.partition("://")[2].partition("?")[0][1:]
        self.connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=CONNECT_SECONDS)

    def ask(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        return [tuple(row) for row in self.connection.execute(statement, values)]


class Server:
    """A metadata database on a server, which is only read."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        self.kind = url.partition(":")[0].partition("+")[0]
        self.connection = create_engine(url, connect_args={"connect_timeout": CONNECT_SECONDS}, poolclass=NullPool).connect()

    def ask(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows, in a transaction of their own: one that fails takes no other with it."""
        from sqlalchemy import text

        with self.connection.begin():
            for preface in PREFACES[self.kind]:
                # MySQL's word for the session counts from the next transaction on.
                self.connection.execute(text(preface))
            return [tuple(row) for row in self.connection.execute(text(statement), values)]


def epoch(value: Any) -> float | None:
    """A moment of the database in seconds; without a zone it is in UTC, and SQLite has it as text."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return float((moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment).timestamp())


def listed(states: tuple[str, ...]) -> str:
    """Words for IN."""
    return ", ".join(f"'{state}'" for state in states)


def look_at_database(url: str, line: int) -> dict[str, Any]:
    """Everything that is asked of the metadata database; what cannot be said is left out, with the reason in `unknown`."""
    database: File | Server = File(url) if url.startswith("sqlite") else Server(url)
    # As SQLite has it; the others take the text for a moment in their session's zone, which is UTC.
    since = (datetime.now(timezone.utc).replace(tzinfo=None) - RECENT).isoformat(" ")
    unknown: dict[str, str] = {}

    def rows(name: str, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        try:
            return database.ask(statement, **values)
        except Exception as error:
            unknown[name] = without_secret(error, url)
            return []

    with closing(database.connection):
        server = rows("server", SERVERS[database.kind])
        jobs = rows("jobs", JOBS, since=since)
        tasks = rows("tasks", f"SELECT state, COUNT(*) FROM task_instance WHERE state IN ({listed(WAITING)}) GROUP BY state")
        ended = f"SELECT state, COUNT(*) FROM task_instance WHERE state IN ({listed(ENDED)}) AND end_date >= :since GROUP BY state"
        tasks += rows("tasks", ended, since=since)
        errors = rows("import_errors", "SELECT COUNT(*) FROM import_error")
        names = rows("import_errors", f"SELECT filename FROM import_error ORDER BY filename LIMIT {MOST_NAMES}")
        dags = rows("dags", DAGS[line])
        bundles = rows("bundles", BUNDLES) if line >= 3 else []
        revision = rows("revision", "SELECT version_num FROM alembic_version")
    return {
        "engine": database.kind,
        **dict(zip(("version", "bytes", "connections", "max_connections"), numbers(server))),
        "revision": str(revision[0][0]) if revision else None,
        "jobs": [dict(zip(("type", "hostname", "state", "started", "beat"), (*row[:3], epoch(row[3]), epoch(row[4])))) for row in jobs],
        "tasks": None if "tasks" in unknown else {str(state): int(count) for state, count in tasks},
        "import_errors": int(errors[0][0]) if errors else None,
        "import_error_files": [str(row[0]) for row in names],
        "dags": int(dags[0][0]) if dags else None,
        "paused_dags": int(dags[0][1] or 0) if dags else None,
        "bundles": [{"name": row[0], "version": row[1], "refreshed": epoch(row[2])} for row in bundles],
        "unknown": unknown,
    }


def numbers(server: list[tuple[Any, ...]]) -> list[Any]:
    """A version, and three numbers that drivers give as numbers or as texts."""
    if not server:
        return [None] * 4
    return [str(server[0][0]).split()[0], *(None if value is None else int(value) for value in server[0][1:])]


def look_at_broker(request: dict[str, Any]) -> dict[str, Any]:
    """How many messages wait in each queue, and which worker serves which."""
    from celery import Celery

    url = request["broker_url"]
    places = url.count(";") + 1
    app = Celery(broker=url, set_as_current=False)
    transport = {
        **request["broker_options"],
        "socket_timeout": CONNECT_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "max_retries": 1,
    }
    if url.startswith("amqp"):
        transport = {"max_retries": 1}
    app.conf.update(
        broker_connection_timeout=CONNECT_SECONDS, broker_transport_options=transport, broker_use_ssl=request.get("broker_ssl") or False
    )
    with closing(app.connection_for_write()) as connection:
        connection.ensure_connection(max_retries=places, timeout=places * CONNECT_SECONDS)
        found: dict[str, Any] = {"version": version_of(connection), "queues": {}}
        for name in request["queues"]:
            found["queues"][name] = waiting(connection, name)
        nodes = request["nodes"]
        if nodes or request["broadcast"]:
            asked = None if request["broadcast"] else nodes
            inspect = app.control.inspect(destination=asked, timeout=ANSWER_SECONDS, connection=connection, limit=len(nodes) or None)
            answers = inspect.active_queues() or {}
            found["workers"] = {node: sorted(str(queue["name"]) for queue in served) for node, served in answers.items()}
    return found


def waiting(connection: Any, name: str) -> dict[str, Any]:
    """What a queue holds. RabbitMQ closes the channel of whoever asks for one that is not there; an empty one of Redis is not there."""
    is_redis = connection.transport.driver_type == "redis"
    channel = connection.channel()
    try:
        answer = channel.queue_declare(queue=name, passive=True)
        return {"messages": int(answer.message_count), "consumers": None if is_redis else int(answer.consumer_count)}
    except connection.channel_errors:
        return {"messages": 0, "consumers": None if is_redis else 0}
    finally:
        # It may be closed already.
        with suppress(Exception):
            channel.close()


def version_of(connection: Any) -> str | None:
    """The server's version, where its user may ask for it."""
    try:
        if connection.transport.driver_type == "redis":
            with closing(connection.channel()) as channel:
                info = channel.client.info("server")
                return str(info.get("valkey_version") or info["redis_version"])
        return str(connection.connection.server_properties["version"])
    except Exception:
        return None


def main() -> None:
    """Read the request, ask, answer."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request: dict[str, Any] = json.load(sys.stdin)
    found: dict[str, Any] = {"database": None, "broker": None}
    if request["database_url"]:
        try:
            found["database"] = look_at_database(request["database_url"], request["line"])
        except Exception as error:
            found["database"] = {"error": without_secret(error, request["database_url"])}
    if request["broker_url"]:
        try:
            found["broker"] = look_at_broker(request)
        except Exception as error:
            found["broker"] = {"error": without_secret(error, request["broker_url"])}
    json.dump(found, answer)
    answer.flush()


if __name__ == "__main__":
    main()
