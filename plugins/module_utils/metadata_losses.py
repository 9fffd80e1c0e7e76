# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Airflow's own migrations do to the data on purpose: from 2.11 to 3.x on a server, and before it within a line on a copy in SQLite.

Read from the migration scripts of Airflow 2.11.2 and 3.3.2 and proved by running them. Every entry names the revision that does it. What is
not listed here must survive, row by row and column by column; anything else is a loss, which the move refuses.
An entry allows a change, it does not demand it: a target of an early 3.0 has not all of these revisions.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TableChange:
    """What happens to a whole table."""

    table: str
    revision: str
    reason: str
    to: str = ""  # its new name
    fate: str = "stays"  # stays, emptied, dropped, moved (some of its rows)
    kept: bool = False  # whether its rows are copied to airflow_kept before
    join: str = ""  # what is joined after the migration to find columns that moved to another table


@dataclass(frozen=True)
class ColumnChange:
    """What happens to a column of a table that stays.

    `before` and `after` are SQL for the value that must be equal on both sides, {} standing for the column. Without `to`, the
    value is found in a joined table by `after`, and without both it is gone.
    """

    table: str
    column: str
    revision: str
    reason: str
    to: str = ""
    before: str = "{}"
    after: str = ""

    @property
    def is_gone(self) -> bool:
        """Whether the values are nowhere afterwards."""
        return not self.to and not self.after

    @property
    def is_joined(self) -> bool:
        """Whether the values are in another table afterwards."""
        return not self.to and bool(self.after)


_DATASETS = {
    "dataset_alias_dataset": "asset_alias_asset",
    "dataset_alias_dataset_event": "asset_alias_asset_event",
    "dataset_alias": "asset_alias",
    "dataset": "asset",
    "dag_schedule_dataset_alias_reference": "dag_schedule_asset_alias_reference",
    "dag_schedule_dataset_reference": "dag_schedule_asset_reference",
    "task_outlet_dataset_reference": "task_outlet_asset_reference",
    "dataset_dag_run_queue": "asset_dag_run_queue",
    "dagrun_dataset_event": "dagrun_asset_event",
    "dataset_event": "asset_event",
}
_WITH_TASK_INSTANCE = "JOIN {task_instance} ti ON ti.id = t.ti_id"

TABLES: tuple[TableChange, ...] = (
    *(TableChange(name, "05234396c6fc", "datasets are called assets", to=to) for name, to in _DATASETS.items()),
    TableChange("dag_code", "2b47dc6bc8df", "made again when the DAGs are parsed", fate="emptied"),
    TableChange("serialized_dag", "2b47dc6bc8df", "made again when the DAGs are parsed", fate="emptied"),
    TableChange("import_error", "fe199e1abd77", "made again when the DAGs are parsed", fate="emptied"),
    TableChange("dag_priority_parsing_request", "be2cc2f742cf", "requests to parse a file soon", fate="emptied"),
    TableChange("callback_request", "b87d2135fa50", "callbacks that wait to be run", to="callback", fate="emptied", kept=True),
    TableChange("task_fail", "5f57a45b8433", "failures are told by task_instance", fate="dropped", kept=True),
    TableChange("dag_pickle", "d03e4a635aa3", "DAGs are no longer pickled", fate="dropped", kept=True),
    TableChange("xcom", "eed27faa34e3", "pickled values move to _xcom_archive", fate="moved"),
    TableChange("task_instance_note", "cf87489a35df", "keyed by the task instance's id", join=_WITH_TASK_INSTANCE),
    TableChange("task_reschedule", "d469d27e2a64", "keyed by the task instance's id", join=_WITH_TASK_INSTANCE),
)


def _gone(table: str, revision: str, reason: str, *columns: str) -> tuple[ColumnChange, ...]:
    return tuple(ColumnChange(table, column, revision, reason) for column in columns)


def _by_task_instance(table: str, revision: str) -> tuple[ColumnChange, ...]:
    names = ("dag_id", "task_id", "run_id", "map_index")
    reason = "found through the task instance's id"
    return tuple(ColumnChange(table, name, revision, reason, after=f"ti.{name}") for name in names)


def _filled(table: str, column: str, revision: str, value: str) -> ColumnChange:
    return ColumnChange(table, column, revision, "NULL gets a value", to=column, before=f"coalesce({{}}, {value})", after="{}")


_FILL = "888b59e02a5b"
COLUMNS: tuple[ColumnChange, ...] = (
    *_gone("dag", "d0f1c55954fa", "there are no SubDAGs", "is_subdag", "root_dag_id"),
    *_gone("dag", "486ac7936b78", "unused", "scheduler_lock"),
    *_gone("dag", "d03e4a635aa3", "DAGs are no longer pickled", "pickle_id", "last_pickled"),
    *_gone("dag", "5c9c0231baa2", "told by bundles", "processor_subdir"),
    *_gone("dag", "16f7f5ee874e", "the page has one view", "default_view"),
    ColumnChange("dag", "schedule_interval", "0bfc26bc256e", "renamed", to="timetable_summary"),
    ColumnChange("dag", "dataset_expression", "05234396c6fc", "renamed", to="asset_expression"),
    ColumnChange("dag", "is_active", "959e216a3abb", "negated", to="is_stale", before="coalesce(NOT {}, false)"),
    _filled("dag", "is_paused", _FILL, "false"),
    ColumnChange("dag_run", "execution_date", "1cdc775ca98f", "renamed", to="logical_date"),
    *_gone("dag_run", "e00344393f31", "told by run_type", "external_trigger"),
    *_gone("dag_run", "2b47dc6bc8df", "DAGs have versions", "dag_hash"),
    *_gone("dag_run", "e39a26ac59f6", "JSON instead of a pickle, compared on its own", "conf"),
    ColumnChange(
        "dag_run",
        "run_type",
        "0e9519b56710",
        "renamed value",
        to="run_type",
        before="CASE {} WHEN 'dataset_triggered' THEN 'asset_triggered' ELSE {} END",
    ),
    ColumnChange("log", "execution_date", "1cdc775ca98f", "renamed", to="logical_date"),
    _filled("log", "event", "edc4f85a4619", "''"),
    *_gone("dataset", "5a5d66100783", "told by asset_active", "is_orphaned"),
    *(
        ColumnChange(table, "dataset_id", "05234396c6fc", "renamed", to="asset_id")
        for table in (
            "dataset_alias_dataset",
            "dag_schedule_dataset_reference",
            "task_outlet_dataset_reference",
            "dataset_dag_run_queue",
            "dataset_event",
        )
    ),
    *_gone("task_instance", "d8cd3297971e", "task instances have no job of their own", "job_id"),
    *_gone("task_instance_history", "d8cd3297971e", "task instances have no job of their own", "job_id"),
    *_gone("task_instance_history", "7645189f3479", "numbered by UUID", "id"),
    ColumnChange(
        "task_instance",
        "trigger_timeout",
        "038dc8bc6284",
        "with a time zone",
        to="trigger_timeout",
    ),
    _filled("task_instance", "try_number", _FILL, "0"),
    _filled("task_instance", "max_tries", _FILL, "-1"),
    *_by_task_instance("task_instance_note", "cf87489a35df"),
    *_by_task_instance("task_reschedule", "d469d27e2a64"),
    *_gone("task_reschedule", "29ce7909c52b", "only the current try is looked at", "try_number"),
    *_gone("xcom", "eed27faa34e3", "JSON instead of bytes, compared on its own", "value"),
    _filled("connection", "is_encrypted", _FILL, "false"),
    _filled("connection", "is_extra_encrypted", _FILL, "false"),
    _filled("slot_pool", "slots", _FILL, "0"),
    _filled("variable", "val", _FILL, "''"),
    _filled("variable", "is_encrypted", _FILL, "false"),
    ColumnChange(
        "variable",
        "key",
        _FILL,
        "NULL gets a value",
        to="key",
        before="coalesce({}, '__airflow_var_fix_888b59e02a5b_' || t.id)",
    ),
)

# The heads this table was made for: 2.10.3 to 2.11 before, any 3.x after.
REVISION_BEFORE = "5f2621c13b39"
# An empty conf, as the pickle protocols 2 to 5 write it; the migration makes it NULL or {}.
EMPTY_PICKLES = ("8002 7d71 002e", "8003 7d71 002e", "8004 7d94 2e", "8005 7d94 2e")


def table_change(table: str) -> TableChange:
    """What happens to a table; one that is not listed stays as it is."""
    for change in TABLES:
        if change.table == table:
            return change
    return TableChange(table, "", "")


def column_changes(table: str) -> dict[str, ColumnChange]:
    """What happens to the columns of a table, by name."""
    return {change.column: change for change in COLUMNS if change.table == table}


@dataclass(frozen=True)
class Step:
    """What the migrations up to a schema head do, beginning at the head before it. On SQLite, whose SQL is in its changes."""

    version: str  # the first version with that head
    head: str
    tables: tuple[TableChange, ...] = ()
    columns: tuple[ColumnChange, ...] = ()


_PARSED = "made again when the DAGs are parsed"
_DEADLINE_CALLBACK = "JOIN callback c ON c.id = t.callback_id"
_OF_CALLBACK = "the callback is a row of its own"


def _same(table: str, column: str, revision: str, reason: str, expression: str) -> ColumnChange:
    """Another form of the same value; the expression makes one of both."""
    return ColumnChange(table, column, revision, reason, to=column, before=expression, after=expression)


def _without_dashes(table: str, column: str) -> ColumnChange:
    return _same(table, column, "f8c9d7e6b5a4", "UUID without dashes", "replace({}, '-', '')")


STEPS: dict[int, tuple[Step, ...]] = {
    2: (
        Step("2.7.0", "405de8318b3a"),
        Step("2.8.0", "10b52ebd31f7"),
        Step("2.8.1", "88344c1d9134"),
        Step(
            "2.9.0",
            "1949afb29106",
            columns=(_same("trigger", "kwargs", "1949afb29106", "encrypted", "trigger_kwargs({})"),),
        ),
        Step(
            "2.9.2",
            "686269002441",
            columns=_gone("dag", "686269002441", "0 until the DAG is parsed", "max_consecutive_failed_dag_runs"),
        ),
        Step("2.10.0", "22ed7efa9da2"),
        # Airflow does it whenever it migrates 2.x to another schema.
        Step("2.10.3", "5f2621c13b39", tables=(TableChange("serialized_dag", "5f2621c13b39", _PARSED, fate="emptied"),)),
    ),
    3: (
        Step("3.0.0", "29ce7909c52b"),
        Step("3.0.3", "fe199e1abd77", tables=(TableChange("import_error", "fe199e1abd77", _PARSED, fate="emptied"),)),
        Step(
            "3.1.0",
            "cc92b33c6709",
            tables=(TableChange("deadline", "e812941398f4", "keyed by its callback", join=_DEADLINE_CALLBACK),),
            columns=(
                ColumnChange("deadline", "deadline", "0242ac120002", "renamed", to="deadline_time"),
                ColumnChange("deadline", "callback", "808787349f22", _OF_CALLBACK, after="json_extract(c.data, '$.path')"),
                ColumnChange(
                    "deadline",
                    "callback_kwargs",
                    "808787349f22",
                    _OF_CALLBACK,
                    before="CASE json_type({}) WHEN 'object' THEN json({}) ELSE json_object() END",
                    after="json_extract(c.data, '$.kwargs')",
                ),
                *_gone("deadline", "a169942745c2", "told by its DAG run", "dag_id"),
                ColumnChange(
                    "dag",
                    "bundle_name",
                    "7582ea3f3dd5",
                    "NULL gets a value",
                    to="bundle_name",
                    before="coalesce({}, CASE WHEN t.fileloc LIKE '%/airflow/example_dags/%' THEN 'example_dags' ELSE 'dags-folder' END)",
                ),
            ),
        ),
        Step("3.1.8", "509b94a1042d"),
        Step(
            "3.2.0",
            "1d6611b6ab7c",
            tables=(
                TableChange("asset_trigger", "15d84ca19038", _PARSED, fate="dropped"),
                TableChange("callback_request", "b87d2135fa50", "callbacks that wait to be run", to="callback", fate="emptied"),
                TableChange("deadline", "e812941398f4", "keyed by its callback", join=_DEADLINE_CALLBACK),
            ),
            columns=(
                ColumnChange(
                    "deadline",
                    "callback",
                    "e812941398f4",
                    _OF_CALLBACK,
                    before="json_array(json_extract({}, '$.__data__.path'), json_extract({}, '$.__data__.kwargs'))",
                    after="json_array(json_extract(c.data, '$.path'), json_extract(c.data, '$.kwargs'))",
                ),
                ColumnChange(
                    "deadline",
                    "callback_state",
                    "e812941398f4",
                    _OF_CALLBACK,
                    before="CASE WHEN {} IN ('success', 'failed') THEN {} ELSE 'pending' END",
                    after="c.state",
                ),
                *_gone("deadline", "e812941398f4", _OF_CALLBACK, "trigger_id"),
                *_gone("team", "b12d4f98a91e", "known by its name", "id"),
                *(
                    ColumnChange(table, "team_id", "b12d4f98a91e", "renamed", to="team_name")
                    for table in ("connection", "variable", "slot_pool", "dag_bundle_team")
                ),
                _filled("log", "event", "edc4f85a4619", "''"),
                _filled("dag", "is_stale", "edc4f85a4619", "0"),
                *(
                    _same("serialized_dag", column, "55297ae24532", "deadlines are rows of their own", "without_deadlines({})")
                    for column in ("data", "data_compressed")
                ),
                _same(
                    "serialized_dag",
                    "dag_hash",
                    "55297ae24532",
                    "deadlines are rows of their own",
                    "CASE WHEN has_deadlines(coalesce(t.data, t.data_compressed)) THEN '' ELSE {} END",
                ),
                _without_dashes("task_instance", "id"),
                _without_dashes("task_instance_note", "ti_id"),
                _without_dashes("task_reschedule", "ti_id"),
                _without_dashes("hitl_detail", "ti_id"),
                _without_dashes("task_instance_history", "task_instance_id"),
                _filled("connection", "is_encrypted", _FILL, "0"),
                _filled("connection", "is_extra_encrypted", _FILL, "0"),
                _filled("dag", "is_paused", _FILL, "0"),
                _filled("slot_pool", "slots", _FILL, "0"),
                _filled("task_instance", "try_number", _FILL, "0"),
                _filled("task_instance", "max_tries", _FILL, "-1"),
                _filled("variable", "val", _FILL, "''"),
                _filled("variable", "is_encrypted", _FILL, "0"),
                _filled("variable", "key", _FILL, "'__airflow_var_fix_888b59e02a5b_' || t.id"),
            ),
        ),
        Step(
            "3.3.0",
            "d2f4e1b3c5a7",
            columns=(
                ColumnChange(
                    "deadline_alert",
                    "interval",
                    "8812eb67b63c",
                    "JSON instead of a number, of 15 digits",
                    to="interval",
                    before="CAST({} AS TEXT) + 0.0",
                    after="json_extract({}, '$.__data__') + 0.0",
                ),
            ),
        ),
    ),
}
"""The schema heads of a line, in their order: the last one is that of the version which copies the line's rows."""


def later_steps(revision: str | None) -> tuple[Step, ...] | None:
    """The steps from a schema head to the last one of its line, none where it is that; None for a revision that is no head."""
    for steps in STEPS.values():
        for index, step in enumerate(steps):
            if step.head == revision:
                return steps[index + 1 :]
    return None


def changes_of(steps: tuple[Step, ...], table: str) -> tuple[TableChange, dict[str, ColumnChange]]:
    """What becomes of a table and its columns. Of several changes to one the first counts, which says where the value is in the end."""
    tables = [change for step in steps for change in step.tables if change.table == table]
    columns: dict[str, ColumnChange] = {}
    for step in steps:
        for change in step.columns:
            if change.table == table:
                columns.setdefault(change.column, change)
    return (tables[0] if tables else TableChange(table, "", "")), columns
