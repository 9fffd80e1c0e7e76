# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an Airflow 2.11 database must be found in the 3.3 database it became, and where.

Seen in real databases before and after upstream's migration. Labels are Airflow 3's names. Not listed is what the
migration empties (dag_code, serialized_dag, import_error, dag_priority_parsing_request, callback_request) or drops
(task_fail, dag_pickle), and columns without a successor (job_id of tasks, dag_hash and external_trigger of runs ...).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .reading import Column, Database, Selection

Row = dict[str, str]
TASK_KEY = ("dag_id", "task_id", "run_id", "map_index")
# A pickle of any protocol that Airflow ever wrote starts with this byte; spelled, bytes are hexadecimal after "=".
PICKLED = "=80"


@dataclass(frozen=True)
class Pair:
    """One value in both lines: label, how it is written in SQL and of which kind it is."""

    label: str
    two: Column
    three: Column


def pair(label: str, kind: str, two: str = "", three: str = "", two_kind: str = "") -> Pair:
    """Describe a value; where nothing else is said it is a column of the same name and kind in both lines."""
    plain = f't."{label}"'
    return Pair(label, Column(label, two or plain, two_kind or kind), Column(label, three or plain, kind))


def same(kind: str, *labels: str) -> tuple[Pair, ...]:
    """Describe columns that stay as they are."""
    return tuple(pair(label, kind) for label in labels)


@dataclass(frozen=True)
class Survivor:
    """Rows that must survive. In both FROM clauses `t` is the table that has the plain columns."""

    key: tuple[str, ...]
    values: tuple[Pair, ...]
    two: str
    three: str
    # Which rows of Airflow 2 it is about; all, unless said.
    kept: Callable[[Row], bool] | None = None


def whole(table: str, key: tuple[str, ...], *values: tuple[Pair, ...], old: str = "") -> tuple[str, Survivor]:
    """Describe a table, and its name in Airflow 2 where that was another."""
    return table, Survivor(key, sum(values, ()), f'"{old or table}" t', f'"{table}" t')


TASK_VALUES = (
    *same("text", "task_id", "dag_id", "run_id", "state", "hostname", "unixname", "pool", "queue", "operator"),
    *same("text", "custom_operator_name", "executor", "rendered_map_index", "external_executor_id", "next_method"),
    *same("text", "task_display_name"),
    *same("integer", "map_index", "pool_slots", "priority_weight", "queued_by_job_id", "pid", "trigger_id"),
    *same("timestamp", "start_date", "end_date", "queued_dttm", "updated_at", "trigger_timeout"),
    *same("number", "duration"),
    *same("binary", "executor_config"),
    *same("json", "next_kwargs"),
)
RUN_TYPE = """CASE t.run_type WHEN 'dataset_triggered' THEN 'asset_triggered' ELSE t.run_type END"""
XCOM_KEYS = (
    *same("integer", "dag_run_id", "map_index"),
    *same("text", "task_id", "key", "dag_id", "run_id"),
    *same("timestamp", "timestamp"),
)
XCOM_KEY = ("dag_run_id", "task_id", "map_index", "key")
OF_A_TASK = '"{0}" n JOIN task_instance t ON t.id = n.ti_id'
TIMES = same("timestamp", "created_at", "updated_at")


SURVIVORS: dict[str, Survivor] = dict(
    [
        whole(
            "dag_run",
            ("dag_id", "run_id"),
            same("integer", "id", "creating_job_id", "log_template_id", "clear_number"),
            same("text", "dag_id", "run_id", "state"),
            same("timestamp", "queued_at", "start_date", "end_date", "data_interval_start", "data_interval_end"),
            same("timestamp", "last_scheduling_decision", "updated_at"),
            (
                pair("run_type", "text", two=RUN_TYPE),
                pair("logical_date", "timestamp", two="t.execution_date"),
                pair("run_after", "timestamp", two="COALESCE(t.data_interval_end, t.execution_date)"),
                pair("conf", "filled json", two_kind="pickled json"),
            ),
        ),
        whole(
            "task_instance",
            TASK_KEY,
            TASK_VALUES,
            (
                pair("try_number", "integer", two="COALESCE(t.try_number, 0)"),
                pair("max_tries", "integer", two="COALESCE(t.max_tries, -1)"),
            ),
        ),
        whole("task_instance_history", (*TASK_KEY, "try_number"), TASK_VALUES, same("integer", "try_number", "max_tries")),
        whole(
            "rendered_task_instance_fields",
            TASK_KEY,
            same("text", *TASK_KEY[:3]),
            same("integer", "map_index"),
            same("json", "rendered_fields", "k8s_pod_yaml"),
        ),
        whole("task_map", TASK_KEY, same("text", *TASK_KEY[:3]), same("integer", "map_index", "length"), same("json", "keys")),
        (
            "xcom",
            Survivor(
                XCOM_KEY,
                (*XCOM_KEYS, pair("value", "json", two_kind="xcom json")),
                '"xcom" t',
                '"xcom" t',
                kept=lambda row: not row["value"].startswith("=not JSON: 80"),
            ),
        ),
        (
            "_xcom_archive",
            Survivor(
                XCOM_KEY,
                (*XCOM_KEYS, pair("value", "binary")),
                '"xcom" t',
                '"_xcom_archive" t',
                kept=lambda row: row["value"].startswith(PICKLED),
            ),
        ),
        (
            "task_reschedule",
            Survivor(
                ("id",),
                (
                    pair("id", "integer", two="t.id", three="n.id"),
                    *same("text", *TASK_KEY[:3]),
                    *same("integer", "map_index"),
                    *(pair(name, "timestamp", three=f"n.{name}") for name in ("start_date", "end_date", "reschedule_date")),
                    pair("duration", "integer", three="n.duration"),
                ),
                "task_reschedule t",
                OF_A_TASK.format("task_reschedule"),
            ),
        ),
        (
            "task_instance_note",
            Survivor(
                TASK_KEY,
                (
                    *same("text", *TASK_KEY[:3]),
                    *same("integer", "map_index"),
                    pair("user_id", "text", two="CAST(t.user_id AS VARCHAR)", three="n.user_id"),
                    pair("content", "text", three="n.content"),
                    *(pair(name, "timestamp", three=f"n.{name}") for name in ("created_at", "updated_at")),
                ),
                "task_instance_note t",
                OF_A_TASK.format("task_instance_note"),
            ),
        ),
        whole(
            "dag_run_note",
            ("dag_run_id",),
            same("integer", "dag_run_id"),
            same("text", "content"),
            TIMES,
            (pair("user_id", "text", two="CAST(t.user_id AS VARCHAR)"),),
        ),
        whole(
            "log",
            ("id",),
            same("integer", "id", "map_index", "try_number"),
            same("timestamp", "dttm"),
            same("text", "dag_id", "task_id", "run_id", "owner", "owner_display_name", "extra"),
            (pair("event", "text", two="COALESCE(t.event, '')"), pair("logical_date", "timestamp", two="t.execution_date")),
        ),
        whole(
            "connection",
            ("conn_id",),
            same("integer", "id", "port"),
            same("text", "conn_id", "conn_type", "description", "host", "schema", "login", "password", "extra"),
            tuple(pair(name, "boolean", two=f"COALESCE(t.{name}, false)") for name in ("is_encrypted", "is_extra_encrypted")),
        ),
        whole(
            "variable",
            ("key",),
            same("integer", "id"),
            same("text", "key", "val", "description"),
            (pair("is_encrypted", "boolean", two="COALESCE(t.is_encrypted, false)"),),
        ),
        whole(
            "slot_pool", ("pool",), same("integer", "id", "slots"), same("text", "pool", "description"), same("boolean", "include_deferred")
        ),
        whole(
            "dag",
            ("dag_id",),
            same("text", "dag_id", "owners", "dag_display_name", "description", "fileloc"),
            same("integer", "max_active_tasks", "max_active_runs", "max_consecutive_failed_dag_runs"),
            same("boolean", "is_paused"),
            (pair("is_stale", "boolean", two="COALESCE(NOT t.is_active, false)"),),
        ),
        whole("dag_tag", ("name", "dag_id"), same("text", "name", "dag_id")),
        whole("dag_owner_attributes", ("dag_id", "owner"), same("text", "dag_id", "owner", "link")),
        whole(
            "job",
            ("id",),
            same("integer", "id"),
            same("text", "dag_id", "state", "job_type", "executor_class", "hostname", "unixname"),
            same("timestamp", "start_date", "end_date", "latest_heartbeat"),
        ),
        whole(
            "trigger",
            ("id",),
            same("integer", "id", "triggerer_id"),
            same("text", "classpath", "kwargs"),
            same("timestamp", "created_date"),
        ),
        whole(
            "log_template", ("id",), same("integer", "id"), same("text", "filename", "elasticsearch_id"), same("timestamp", "created_at")
        ),
        whole(
            "sla_miss",
            ("task_id", "dag_id", "execution_date"),
            same("text", "task_id", "dag_id", "description"),
            same("boolean", "email_sent", "notification_sent"),
            same("timestamp", "execution_date", "timestamp"),
        ),
        whole(
            "asset",
            ("id",),
            same("integer", "id"),
            same("text", "uri"),
            same("json", "extra"),
            TIMES,
            (pair("name", "text", two="t.uri"),),
            old="dataset",
        ),
        # Orphans stay as assets and are not active.
        (
            "asset_active",
            Survivor(
                ("uri",),
                (*same("text", "uri"), pair("name", "text", two="t.uri")),
                "(SELECT uri FROM dataset WHERE NOT is_orphaned) t",
                "asset_active t",
            ),
        ),
        whole(
            "asset_event",
            ("id",),
            same("integer", "id", "source_map_index"),
            same("text", "source_task_id", "source_dag_id", "source_run_id"),
            same("json", "extra"),
            same("timestamp", "timestamp"),
            (pair("asset_id", "integer", two="t.dataset_id"),),
            old="dataset_event",
        ),
        whole(
            "dag_schedule_asset_reference",
            ("asset_id", "dag_id"),
            same("text", "dag_id"),
            TIMES,
            (pair("asset_id", "integer", two="t.dataset_id"),),
            old="dag_schedule_dataset_reference",
        ),
        whole(
            "task_outlet_asset_reference",
            ("asset_id", "dag_id", "task_id"),
            same("text", "dag_id", "task_id"),
            TIMES,
            (pair("asset_id", "integer", two="t.dataset_id"),),
            old="task_outlet_dataset_reference",
        ),
        whole("dagrun_asset_event", ("dag_run_id", "event_id"), same("integer", "dag_run_id", "event_id"), old="dagrun_dataset_event"),
        whole(
            "asset_dag_run_queue",
            ("asset_id", "target_dag_id"),
            same("text", "target_dag_id"),
            same("timestamp", "created_at"),
            (pair("asset_id", "integer", two="t.dataset_id"),),
            old="dataset_dag_run_queue",
        ),
        whole(
            "ab_user",
            ("username",),
            same("integer", "id", "login_count", "fail_login_count", "created_by_fk", "changed_by_fk"),
            same("text", "first_name", "last_name", "username", "password", "email"),
            same("boolean", "active"),
            same("timestamp", "last_login", "created_on", "changed_on"),
        ),
        whole("ab_role", ("name",), same("integer", "id"), same("text", "name")),
        whole("ab_user_role", ("id",), same("integer", "id", "user_id", "role_id")),
        whole("ab_permission", ("name",), same("integer", "id"), same("text", "name")),
        whole("ab_view_menu", ("name",), same("integer", "id"), same("text", "name")),
        whole("ab_permission_view", ("id",), same("integer", "id", "permission_id", "view_menu_id")),
        whole("ab_permission_view_role", ("id",), same("integer", "id", "permission_view_id", "role_id")),
    ]
)


def survivors(database: Database) -> dict[str, Selection]:
    """Return what to read of a database of either line; what a database of Airflow 3 has no table for is left out."""
    tables = set(database.tables())
    is_two = "dataset" in tables
    found = {}
    for label, survivor in SURVIVORS.items():
        if not is_two and label not in tables:
            continue
        columns = tuple(value.two if is_two else value.three for value in survivor.values)
        kept = survivor.kept if is_two else None
        found[label] = Selection(survivor.two if is_two else survivor.three, columns, survivor.key, kept)
    return found
