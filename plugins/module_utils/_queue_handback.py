# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes waiting tasks out of Celery's queues and gives them back to the scheduler. Needs kombu and SQLAlchemy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils._broker_options import transport_options

ANSWER_SECONDS = 10.0
MAP_INDEX_OPTION = "--map-index"
NOT_MAPPED = -1


class HandbackError(Exception):
    """The queues or the database could not be worked on; the text is for the user, and holds no secret."""


@dataclass(frozen=True)
class WaitingTask:
    """The task that a message is about."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = NOT_MAPPED
    try_number: int | None = None
    """On 3.x a message is for one try; 2.x does not say."""

    @property
    def label(self) -> str:
        """Its name for people."""
        mapped = f"[{self.map_index}]" if self.map_index != NOT_MAPPED else ""
        return f"{self.dag_id}/{self.run_id}/{self.task_id}{mapped}"


def task_of(body: Any) -> WaitingTask | None:
    """The task of a message's body, by Celery's protocol `[arguments, keywords, embedded]`; None for what Airflow did not send."""
    try:
        argument = body[0][0]
        return _task_of_workload(json.loads(argument)) if isinstance(argument, str) else _task_of_command(argument)
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def _task_of_workload(workload: Any) -> WaitingTask:
    """3.x sends what is to be run as JSON."""
    task = workload["ti"]
    return WaitingTask(task["dag_id"], task["run_id"], task["task_id"], int(task.get("map_index", NOT_MAPPED)), int(task["try_number"]))


def _task_of_command(command: list[str]) -> WaitingTask | None:
    """2.x sends the words of a command line: airflow tasks run DAG TASK RUN, and options."""
    if command[:3] != ["airflow", "tasks", "run"]:
        return None
    index = int(command[command.index(MAP_INDEX_OPTION) + 1]) if MAP_INDEX_OPTION in command else NOT_MAPPED
    return WaitingTask(command[3], command[5], command[4], index)


SET_BACK = """
    UPDATE task_instance
    SET state = 'scheduled', queued_dttm = NULL, queued_by_job_id = NULL, external_executor_id = NULL
    WHERE dag_id = :dag_id AND run_id = :run_id AND task_id = :task_id AND map_index = :map_index AND state = 'queued'
"""
OF_ONE_TRY = " AND try_number = :try_number"
WAITING = "SELECT dag_id, run_id, task_id, map_index FROM task_instance WHERE state = 'queued'"
QUEUES = "SELECT DISTINCT queue FROM task_instance WHERE state = 'queued' AND queue IS NOT NULL"


def set_back(connection: Any, task: WaitingTask) -> bool:
    """Set a queued task back to scheduled; whether there was one."""
    from sqlalchemy import text

    values = {"dag_id": task.dag_id, "run_id": task.run_id, "task_id": task.task_id, "map_index": task.map_index}
    if task.try_number is None:
        return bool(connection.execute(text(SET_BACK), values).rowcount)
    return bool(connection.execute(text(SET_BACK + OF_ONE_TRY), {**values, "try_number": task.try_number}).rowcount)


@dataclass(frozen=True)
class Handback:
    """What became of the waiting tasks."""

    tasks: list[str]
    """Those that were handed back."""
    left: int = 0
    """Messages that stayed in the queues."""
    broker_error: str = ""
    """Why the broker could not be asked, and every queued task was handed back; empty when it answered."""


def hand_back(broker_url: str, database_url: str, queues: Iterable[str], broker_ssl: Mapping[str, Any] | None = None) -> Handback:
    """Hand every waiting task back; `broker_ssl` is Celery's `broker_use_ssl`. Raises HandbackError."""
    try:
        from kombu import Connection
        from sqlalchemy import create_engine, text
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.pool import NullPool
    except ImportError as error:
        raise HandbackError(f"This Python has no {error.name}: run the module with the Python of Airflow's virtual environment.") from None
    engine = create_engine(database_url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            names = sorted({*queues, *(str(row[0]) for row in connection.execute(text(QUEUES)))})
        try:
            # Of a cluster each node is asked once.
            nodes = broker_url.count(";") + 1
            options = {"transport_options": transport_options(broker_url), "ssl": dict(broker_ssl) if broker_ssl else False}
            with closing(Connection(broker_url, connect_timeout=ANSWER_SECONDS, **options)) as broker:
                broker.ensure_connection(max_retries=nodes, timeout=nodes * ANSWER_SECONDS)
                tasks, left = _empty(broker, names, engine)
        except SQLAlchemyError:
            raise
        except Exception as error:
            return Handback(_set_all_back(engine), broker_error=type(error).__name__)
        return Handback(tasks, left)
    except Exception as error:
        # The text of an error may quote an address, password and all.
        raise HandbackError(f"The waiting tasks could not be handed back ({type(error).__name__}).") from None


def _set_all_back(engine: Any) -> list[str]:
    """Without the broker nobody knows which tasks wait in it: it is all that are queued, for no worker reads it any more."""
    from sqlalchemy import text

    with engine.begin() as connection:
        waiting = [WaitingTask(*row) for row in connection.execute(text(WAITING))]
        return sorted(task.label for task in waiting if set_back(connection, task))


def _empty(broker: Any, queues: list[str], engine: Any) -> tuple[list[str], int]:
    handed_back: list[str] = []
    left = 0
    for name in queues:
        # RabbitMQ closes the channel of whoever asks for a queue that is not there.
        with closing(broker.channel()) as channel:
            others = []
            for message in _messages(broker, channel, name):
                task = task_of(message.payload)
                with engine.begin() as connection:
                    ours = task is not None and set_back(connection, task)
                if ours and task is not None:
                    message.ack()
                    handed_back.append(task.label)
                else:
                    others.append(message)
            # Only now: what is put back earlier would be the next one to be read.
            for message in others:
                message.requeue()
            left += len(others)
    return sorted(handed_back), left


def _messages(broker: Any, channel: Any, name: str) -> Iterator[Any]:
    from kombu import Queue

    queue = Queue(name, channel=channel)
    try:
        queue.queue_declare(passive=True)
    except broker.channel_errors:
        return
    while (message := queue.get(accept=["json"])) is not None:
        yield message
