# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back to the installation that was lifted, and forward again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._topology_rollback import executor_of, old_page
from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs
from topology_inventory import OLD_HOME, MemoryStore, adopted, compiled, facts, findings, info, installation, inventory, single

STORE = MemoryStore(metadata_db_password="old", api_password="api", results_db_password="r", broker_password="b", flower_password="f")
MOVED = {"kind": "adopted", "path": f"{OLD_HOME}/airflow.db", "home": OLD_HOME, "version": "2.11.2", "target_version": "2.11.2"}
LEFT = {
    "source_is_there": True,
    "backup_is_there": True,
    "remembered": ["scheduler", "webserver"],
    "running": [],
    "record_is_there": False,
    "is_gone_back": False,
}
GONE_BACK = {**LEFT, "record_is_there": True, "is_gone_back": True, "running": ["scheduler", "webserver"]}
BY_HAND = "go back by hand, as docs/operations.md tells under 'Going back'"


def record(**changed: Any) -> dict[str, Any]:
    """What was installed by the lift."""
    made: dict[str, Any] = installation("2.11.2", **{"adopted": adopted(), "moved": MOVED, **changed})
    return made


def lifted(found: dict[str, Any] | None = None, components: str = "", goes_back: bool = True, **variables: Any) -> Inputs:
    """A host after its lift."""
    found = info(**{"installation": record(), "lifted": LEFT, **(found or {})})
    variables = {"airflow_adopt_home": OLD_HOME, "airflow_version": "2.11.2", **variables}
    inputs: Inputs = single(f"metadata_db {components}", found=found, **variables)
    return replace(inputs, goes_back=goes_back)


def gone_back(goes_back: bool = False, **variables: Any) -> Inputs:
    """The same host after a rollback, where the old installation is described again."""
    found = {"lifted": GONE_BACK, "adopted": adopted(), "metadata": {"size_mb": 1, "revision": "5f2621c13b39"}}
    return lifted(found, goes_back=goes_back, **variables)


def way_back(inputs: Inputs) -> dict[str, Any]:
    """The plan of the rollback."""
    plan: dict[str, Any] = compiled(inputs, STORE).plan("h1")["rollback"]
    return plan


def test_the_way_back_of_a_lift() -> None:
    plan = way_back(lifted())
    assert {name: plan[name] for name in ("home", "executor", "source_path", "source_name", "page")} == {
        "home": OLD_HOME,
        "executor": "SequentialExecutor",
        "source_path": f"{OLD_HOME}/airflow.db",
        "source_name": f"h1:{OLD_HOME}/airflow.db",
        "page": "http://127.0.0.1:8080/health",
    }
    assert plan["units"] == ["airflow-scheduler.service", "airflow-triggerer.service", "airflow-webserver.service"]
    assert plan["start_units"] == ["airflow-webserver.service", "airflow-scheduler.service", "airflow-triggerer.service"]
    assert (plan["is_gone_back"], plan["goes_forward"]) == (False, False)
    assert plan["record"]["database"] == record()["database"]


def test_workers_stop_after_the_scheduler() -> None:
    celery = {"installation": record(executor="CeleryExecutor")}
    plan = way_back(lifted(celery, "broker worker flower", airflow_worker_instances={"reports": {"queues": ["reports"]}}))
    assert plan["units"] == [
        "airflow-scheduler.service",
        "airflow-worker.service",
        "airflow-worker@reports.service",
        "airflow-flower.service",
        "airflow-triggerer.service",
        "airflow-webserver.service",
    ]


def test_without_an_old_webserver_no_page_is_waited_for() -> None:
    assert way_back(lifted({"lifted": {**LEFT, "remembered": ["scheduler"]}}))["page"] is None
    assert way_back(lifted({"lifted": {**LEFT, "remembered": ["standalone"]}}))["page"] == "http://127.0.0.1:8080/health"


def test_what_the_collection_writes_itself_is_known() -> None:
    variables: dict[str, Any] = {
        "airflow_connections": [{"conn_id": "lake", "conn_type": "aws"}],
        "airflow_variables": [{"key": "team", "value": "blue"}],
        "airflow_pools": [{"name": "reports", "slots": 4}],
        "airflow_users": [{"username": "ada", "roles": ["Viewer"], "email": "ada@example.org", "first_name": "A", "last_name": "L"}],
    }
    assert way_back(lifted(**variables))["own"] == {
        "connections": ["lake"],
        "variables": ["team"],
        "pools": ["reports", "updraft_canary"],
        "users": ["ada", "updraft"],
        "dags": ["updraft_canary"],
    }


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "http://127.0.0.1:8080/health"),
        ({"version": "3.3.2"}, "http://127.0.0.1:8080/api/v2/monitor/health"),
        ({"webserver_port": 80}, "http://127.0.0.1/health"),
        (
            {"config": {"webserver": {"web_server_host": "0.0.0.0", "base_url": "http://airflow.example.org/etl/"}}},
            "http://127.0.0.1:8080/etl/health",
        ),
        ({"config": {"webserver": {"web_server_host": "192.0.2.7", "web_server_ssl_cert": "/c"}}}, "https://192.0.2.7:8080/health"),
        (
            {
                "version": "3.3.2",
                "environment": {"AIRFLOW__API__BASE_URL": "https://a.example.org/x"},
                "config": {"api": {"base_url": "/y"}},
            },
            "http://127.0.0.1:8080/x/api/v2/monitor/health",
        ),
    ],
    ids=["2", "3", "port", "path", "address and TLS", "environment"],
)
def test_the_page_of_the_old_webserver(changed: dict[str, Any], expected: str) -> None:
    assert old_page(adopted(**changed)) == expected


def test_the_executor_of_the_old_installation() -> None:
    assert executor_of(adopted()) == "SequentialExecutor"
    assert executor_of(adopted("3.3.2")) == "LocalExecutor"
    assert executor_of(adopted(config={"core": {"executor": "LocalExecutor"}})) == "LocalExecutor"
    environment = {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}
    assert executor_of(adopted(environment=environment, config={"core": {"executor": "x"}})) == "LocalExecutor"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            {"installation": None, "lifted": None},
            "This collection has installed Airflow on none of the hosts, so there is nothing to go back from: run updraft.airflow.site.",
        ),
        (
            {"installation": record(adopted=None, moved=None), "lifted": None},
            "This installation was not lifted from SQLite by this collection, so there is nothing to go back to: restore an older state "
            "from a backup of your own.",
        ),
        (
            {"installation": record(moved=None), "lifted": None},
            f"The installation in {OLD_HOME} of h1 was taken over with its database where that is, so there is no earlier state of it to "
            f"go back to: {BY_HAND}.",
        ),
        (
            {"installation": record(adopted=None, moved={**MOVED, "kind": "own", "home": "/opt/airflow"})},
            "The installation on h1 was made on SQLite by this collection, and the switch has overwritten its settings and units, so there "
            f"is nothing to start again: {BY_HAND}.",
        ),
        (
            {"lifted": {**LEFT, "source_is_there": False}},
            f"{OLD_HOME}/airflow.db is gone from h1, the database of the installation that was lifted: bring it back from a backup.",
        ),
        (
            {"lifted": {**LEFT, "backup_is_there": False}},
            "/opt/airflow/backups/before-the-move.db is gone from h1, without which nobody knows what was written since the switch: bring "
            f"it back from a backup, or {BY_HAND}.",
        ),
        (
            {"lifted": {**LEFT, "remembered": []}},
            f"/opt/airflow/backups/restart.json of h1 does not say how the daemons of {OLD_HOME} were started, for none ran at the lift or "
            f"it is gone: {BY_HAND}.",
        ),
        (
            {"lifted": {**LEFT, "running": ["webserver", "scheduler"]}},
            f"Daemons of {OLD_HOME} on h1 run beside the new ones already (scheduler, webserver): stop them first.",
        ),
    ],
    ids=["nothing", "fresh", "in place", "own", "old database", "copy", "daemons", "both run"],
)
def test_where_there_is_nothing_to_go_back_to(found: dict[str, Any], expected: str) -> None:
    assert expected in findings(lifted(found, airflow_adopt_home=""), STORE)
    # Other playbooks do not ask.
    assert expected not in findings(lifted(found, goes_back=False, airflow_adopt_home=""), STORE)


def test_all_that_is_missing_is_told_at_once() -> None:
    nothing = {"source_is_there": False, "backup_is_there": False, "remembered": []}
    assert len(findings(lifted({"lifted": {**LEFT, **nothing}}), STORE)) == 3


def test_a_cluster_does_not_go_back() -> None:
    variables = {"airflow_version": "2.11.2", "airflow_base_url": "http://a.example.org"}
    details = {
        "h1": Host("h1", {**variables, "airflow_adopt_home": OLD_HOME}, facts(), info(installation=record(), lifted=LEFT)),
        "h2": Host("h2", variables, facts("198.18.0.3"), info(installation=record(adopted=None))),
    }
    inputs = inventory({"h1": "webserver scheduler metadata_db", "h2": "scheduler"}, details=details)
    expected = (
        "Airflow was lifted on h1 and runs on h2 too by now, and the old installation was on one host: take the others out of the groups "
        f"of daemons and run updraft.airflow.site, or {BY_HAND}."
    )
    assert expected in findings(replace(inputs, goes_back=True), STORE)
    assert expected not in findings(inputs, STORE)
    limited = "This run is limited to h2, and h1 is what was lifted: run it without --limit."
    assert limited in findings(replace(inputs, goes_back=True, limited=["h2"]), STORE)


SETTLE = (
    f"updraft.airflow.rollback has put {OLD_HOME} of h1 into service again: set airflow_rollback_forward to true to go on with the "
    f"database airflow as it was left, or airflow_metadata_db_name to another name to lift {OLD_HOME} anew."
)


def test_nothing_starts_the_new_installation_beside_the_old_one_unasked() -> None:
    assert findings(gone_back(), STORE) == [SETTLE]


def test_a_rollback_may_be_run_again() -> None:
    plan = compiled(gone_back(goes_back=True), STORE).plan("h1")
    assert plan["rollback"]["is_gone_back"]
    assert (plan["rollback"]["goes_forward"], plan["rollback_record"]) == (False, None)


def test_forward_again_with_the_database_as_it_was_left() -> None:
    topology = compiled(gone_back(airflow_rollback_forward=True), STORE)
    plan = topology.plan("h1")
    assert plan["rollback"]["goes_forward"]
    assert plan["rollback_record"] == "/opt/airflow/backups/rolled-back.json"
    assert (plan["move"], plan["adopted"]) == (None, None)
    assert plan["notes"] == [f"h1 goes forward again: {OLD_HOME} is stopped, and the database airflow goes on as it was left."]


def test_another_database_lifts_the_old_installation_anew() -> None:
    plan = compiled(gone_back(airflow_metadata_db_name="second"), STORE).plan("h1")
    assert plan["move"]["source"]["path"] == f"{OLD_HOME}/airflow.db"
    assert plan["database"]["name"] == "second"
    assert plan["rollback"] is None
    # It is removed when the new record is written, which names the other database.
    assert plan["rollback_record"] == "/opt/airflow/backups/rolled-back.json"
    assert f"{OLD_HOME} of h1, which was gone back to, is lifted anew." in plan["notes"]


def test_another_database_without_the_old_installations_place_is_refused() -> None:
    found = {"lifted": GONE_BACK, "adopted": None}
    assert SETTLE in findings(lifted(found, goes_back=False, airflow_adopt_home="", airflow_metadata_db_name="second"), STORE)


def test_forward_with_another_database_is_refused() -> None:
    said = findings(gone_back(airflow_rollback_forward=True, airflow_metadata_db_name="second"), STORE)
    assert len(said) == 1 and said[0].startswith(
        "The existing installation is on airflow at 127.0.0.1:5432, and the inventory now says second"
    )


def test_a_record_that_was_left_behind_is_removed() -> None:
    found = {"lifted": {**LEFT, "record_is_there": True}}
    plan = compiled(lifted(found, goes_back=False), STORE).plan("h1")
    assert plan["rollback_record"] == "/opt/airflow/backups/rolled-back.json"
    assert plan["rollback"]["goes_forward"] is False


def test_without_a_rollback_nothing_is_different() -> None:
    plan = compiled(lifted(goes_back=False, airflow_rollback_forward=True), STORE).plan("h1")
    assert (plan["rollback"]["goes_forward"], plan["rollback_record"]) == (False, None)
