# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables Airflow has, for looking at a source when no target is at hand.

The copy itself asks the target's catalogue; a test compares these names with what the two versions make.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.updraft.airflow.plugins.module_utils.metadata_types import ColumnType, SourceColumn


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BOTH = _words(
    """
    ab_permission ab_permission_view ab_permission_view_role ab_register_user ab_role ab_user ab_user_role
    ab_view_menu alembic_version connection dag dag_code dag_owner_attributes dag_priority_parsing_request
    dag_run dag_run_note dag_tag dag_warning import_error job log log_template rendered_task_instance_fields
    serialized_dag session sla_miss slot_pool task_instance task_instance_history task_instance_note task_map
    task_reschedule trigger variable xcom
    """
)
_ONLY_2 = _words(
    """
    callback_request dag_pickle dag_schedule_dataset_alias_reference dag_schedule_dataset_reference
    dagrun_dataset_event dataset dataset_alias dataset_alias_dataset dataset_alias_dataset_event
    dataset_dag_run_queue dataset_event task_fail task_outlet_dataset_reference
    """
)
_ONLY_3 = _words(
    """
    _xcom_archive ab_group ab_group_role ab_user_group alembic_version_fab asset asset_active asset_alias
    asset_alias_asset asset_alias_asset_event asset_dag_run_queue asset_event asset_partition_dag_run
    asset_state_store asset_watcher backfill backfill_dag_run callback connection_test_request dag_bundle
    dag_bundle_team dag_favorite dag_schedule_asset_alias_reference dag_schedule_asset_name_reference
    dag_schedule_asset_reference dag_schedule_asset_uri_reference dag_version dagrun_asset_event deadline
    deadline_alert hitl_detail hitl_detail_history partitioned_asset_key_log revoked_token
    task_inlet_asset_reference task_outlet_asset_reference task_state_store team
    """
)
# Of 3.0 and 3.1, which later versions drop or rename.
_EARLIER_3 = _words("asset_trigger callback_request")
TABLES_2 = _BOTH | _ONLY_2
TABLES_3 = _BOTH | _ONLY_3

# Columns that SQLite declares as JSON like others, but that are jsonb on PostgreSQL (3.3).
JSONB_COLUMNS = frozenset(
    {
        ("callback", "data"),
        ("dag_run", "conf"),
        ("dag_run", "context_carrier"),
        ("serialized_dag", "data"),
        ("task_instance", "context_carrier"),
        ("task_instance", "next_kwargs"),
        ("task_instance_history", "context_carrier"),
        ("task_instance_history", "next_kwargs"),
        ("task_map", "keys"),
        ("xcom", "value"),
    }
)


def known_tables(present: Iterable[str]) -> frozenset[str]:
    """The tables of the line a database belongs to."""
    return TABLES_2 if "dataset" in present else TABLES_3 | _EARLIER_3


# On MySQL text and binary data without a length hold 64 KiB, but for these columns; asset's names are of a character set of their own.
MYSQL_TEXT_SIZE = 65_535
MYSQL_SIZES = {
    ("asset_state_store", "value"): 16_777_215,
    ("dag_code", "source_code"): 16_777_215,
    ("task_state_store", "value"): 16_777_215,
    ("variable", "val"): 16_777_215,
    ("xcom", "value"): None,
}
# MySQL's TIMESTAMP, which Airflow uses for points in time.
MYSQL_MOMENTS = ("1970-01-01 00:00:01.000000", "2038-01-19 03:14:07.499999")


def expected_type(engine: str, table: str, column: SourceColumn) -> ColumnType | None:
    """What Airflow makes of a column of the source on the target's engine, None for a type that Airflow does not use."""
    if column.type is None:
        return None
    if engine == "MySQL":
        return _on_mysql(table, column.name, column.type)
    return _on_postgresql(table, column.name, column.type)


def _on_postgresql(table: str, column: str, source: ColumnType) -> ColumnType:
    if source.kind in ("json", "jsonb"):
        return ColumnType("jsonb" if (table, column) in JSONB_COLUMNS else "json")
    return ColumnType("float" if source.kind == "single" else source.kind, length=source.length, bits=source.bits)


def _on_mysql(table: str, column: str, source: ColumnType) -> ColumnType:
    if source.kind in ("json", "jsonb"):
        return ColumnType("jsonb", engine="MySQL")
    if source.kind == "timestamptz":
        return ColumnType("timestamptz", moments=MYSQL_MOMENTS, engine="MySQL")
    if source.kind == "timestamp":
        return ColumnType("timestamp", fraction=0, engine="MySQL")
    if source.kind in ("float", "single"):
        return ColumnType("single", engine="MySQL")
    is_long = source.kind == "bytes" or (source.kind == "text" and not source.length)
    size = MYSQL_SIZES.get((table, column), MYSQL_TEXT_SIZE) if is_long else None
    return ColumnType(source.kind, length=source.length, bits=source.bits, size=size, engine="MySQL")
