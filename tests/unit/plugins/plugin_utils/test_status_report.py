# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a status says about installations that are well, and about those that are not."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_text import facts
from status_samples import GB, NOW, SAMPLES, Sample, cluster, dead_leader, dead_scheduler, large, lost_worker, redis_cluster, sample


def sentences(report: dict[str, Any], *levels: str) -> list[str]:
    """The sentences of these levels, or all."""
    return [problem["text"] for problem in report["problems"] if not levels or problem["level"] in levels]


def daemon(report: dict[str, Any], host: str, name: str) -> dict[str, Any]:
    """A daemon of a host."""
    found = next(each for each in report["hosts"] if each["name"].startswith(host))
    return dict(next(entry for entry in [*found["daemons"], *found["servers"]] if entry["name"] == name))


@pytest.mark.parametrize("name", ["sqlite", "local", "celery", "cluster"])
def test_what_is_well_is_healthy(name: str) -> None:
    report = SAMPLES[name]().report()
    assert report["problems"] == []
    assert report["verdict"] == "healthy"
    assert {entry["state"] for host in report["hosts"] for entry in [*host["daemons"], *host["servers"]]} == {"healthy"}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_report_is_json(name: str) -> None:
    report = SAMPLES[name]().report()
    assert json.loads(json.dumps(report)) == report


def test_a_dead_scheduler_of_two_degrades() -> None:
    report = dead_scheduler().report()
    assert report["verdict"] == "degraded"
    assert sentences(report, "problem") == ["master2.example.org: the scheduler failed 1 min 35 s ago (exit-code)."]
    assert sentences(report, "notice") == [
        "2 DAG files cannot be imported: reports/daily.py, sales.py.",
        "worker1.example.org: not as the inventory says: /etc/airflow/airflow.cfg differs; site repairs it.",
    ]
    assert report["summary"] == "Airflow works, but not all of it: 1 problem on 8 hosts, 2 notices."


def test_the_last_scheduler_fails() -> None:
    made = SAMPLES["local"]()
    made.stop("airflow.example.org", "airflow-scheduler.service", "inactive", 7200)
    report = made.report()
    assert report["verdict"] == "failing"
    assert sentences(report) == ["The scheduler does not work.", "airflow.example.org: the scheduler stopped 2 h ago."]


def test_a_scheduler_without_heartbeat_is_not_well_though_it_runs() -> None:
    made = cluster()
    for found in made.found.values():
        for job in (found["database"] or {}).get("jobs", ()):
            if job["type"] == "SchedulerJob" and job["hostname"].startswith("master1"):
                job["beat"] = NOW - 95
    report = made.report()
    assert sentences(report) == ["master1.example.org: the scheduler runs, and has written no heartbeat for 1 min 35 s."]
    assert daemon(report, "master1", "scheduler")["state"] == "unhealthy"
    assert daemon(report, "master1", "scheduler")["heartbeat_seconds"] == 95


def test_a_page_that_does_not_answer_is_a_problem() -> None:
    made = SAMPLES["local"]()
    made.found["airflow.example.org"]["pages"]["webserver"] = {"answers": False, "reason": "answers 503"}
    assert "airflow.example.org: the webserver runs, and its page answers 503." in sentences(made.report())


def test_a_host_that_is_lost_is_told_once_with_what_others_hear_of_it() -> None:
    report = lost_worker().report()
    assert report["verdict"] == "degraded"
    assert sentences(report) == [
        "worker2.example.org: the host does not answer (Failed to connect to the host via ssh: Connection timed out).",
        "worker2.example.org: the worker does not answer over the broker.",
    ]
    assert daemon(report, "worker2", "worker")["state"] == "silent"
    assert daemon(report, "worker2", "way to the database")["state"] == "unknown"


def test_daemons_of_a_host_that_does_not_answer_may_be_at_work() -> None:
    made = cluster()
    made.unreachable["master1.example.org"] = "timed out"
    made.unreachable["worker1.example.org"] = "timed out"
    report = made.report()
    assert sentences(report, "problem", "failing") == [
        "master1.example.org: the host does not answer (timed out).",
        "worker1.example.org: the host does not answer (timed out).",
    ]
    states = [daemon(report, *each)["state"] for each in (("master1", "scheduler"), ("master1", "webserver"), ("worker1", "worker"))]
    assert states == ["healthy", "healthy", "healthy"]


def test_nobody_says_that_it_works_when_nobody_could_be_asked() -> None:
    made = cluster()
    made.unreachable.update({"master1.example.org": "timed out", "master2.example.org": "timed out"})
    report = made.report()
    assert report["verdict"] == "failing"
    assert sentences(report, "failing") == ["Nothing is known of the metadata database, as no host that uses it could be looked at."]


def test_a_queue_without_a_worker_fails() -> None:
    made = sample({"h1": "webserver scheduler metadata_db broker", "h2": "worker"})
    made.stop("h2", "airflow-worker.service")
    made.silence("h2")
    report = made.report()
    assert "Queue default is served by no worker, and 3 tasks wait." in sentences(report, "failing")
    assert "The worker does not work." in sentences(report, "failing")


def test_a_worker_with_other_queues_is_a_problem() -> None:
    made = cluster()
    for found in made.found.values():
        if found["broker"]:
            found["broker"]["workers"]["celery@worker1"] = ["default"]
    assert sentences(made.report()) == ["worker1.example.org: the worker runs, and serves default, and should serve default, reports."]


def test_a_lost_leader_degrades_once_another_leads() -> None:
    report = dead_leader().report()
    assert report["verdict"] == "degraded"
    assert report["database_cluster"]["leader"] == "data2.example.org"
    assert sentences(report) == [
        "data1.example.org: the host does not answer (Failed to connect to the host via ssh: Connection timed out).",
        "data1.example.org: its node of RabbitMQ's cluster is down.",
        "Queue default has 2 of 3 members.",
        "Queue reports has 2 of 3 members.",
    ]


def test_a_cluster_without_a_leader_fails() -> None:
    made = dead_leader()
    for found in made.found.values():
        for member in (found["patroni"] or {}).get("members", ()):
            member["role"] = "replica"
        if found["database"]:
            found["database"], found["errors"] = None, {"database": "server closed the connection unexpectedly"}
    report = made.report()
    assert sentences(report, "failing") == [
        "No host reaches the metadata database (server closed the connection unexpectedly).",
        "The database cluster has no leader.",
    ]
    assert report["tasks"] is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"state": "starting"}, "data3.example.org: the database is starting."),
        ({"timeline": 3}, "data3.example.org: the database is on timeline 3, and the leader on 4."),
        ({"lag": 50 * 1024**2}, "data3.example.org: the database is 50 MB behind the leader."),
    ],
)
def test_a_member_that_does_not_follow_is_a_problem(change: dict[str, Any], sentence: str) -> None:
    made = cluster()
    for found in made.found.values():
        if found["patroni"]:
            found["patroni"]["members"][2].update(change)
    assert sentences(made.report()) == [sentence]


def test_etcd_needs_a_majority() -> None:
    made = cluster()
    for name in ("data1.example.org", "data2.example.org"):
        made.found[name]["etcd"] = None
        made.found[name]["errors"]["etcd"] = "refused"
    assert "etcd has no majority: 1 of 3 members are healthy." in sentences(made.report(), "failing")


def test_of_two_that_led_when_they_were_asked_the_later_one_leads() -> None:
    made = cluster()
    made.found["data1.example.org"]["etcd"] |= {"leads": True, "term": 3}
    members = made.report()["database_cluster"]["members"]
    assert {member["name"]: member["etcd"] for member in members} == {
        "data1.example.org": "healthy",
        "data2.example.org": "healthy",
        "data3.example.org": "leads",
    }


def test_hosts_that_cannot_reach_a_server_are_told() -> None:
    made = cluster()
    for part in ("database", "broker"):
        made.found["master2.example.org"][part] = None
        made.found["master2.example.org"]["errors"][part] = "connection refused"
    assert sentences(made.report()) == [
        "master2.example.org: the metadata database cannot be reached from here (connection refused).",
        "master2.example.org: the broker cannot be reached from here (connection refused).",
    ]


def test_a_drained_webserver_is_a_notice_and_one_that_is_out_a_problem() -> None:
    made = cluster()
    made.found["lb1.example.org"]["load_balancer"] = {"master1.example.org": "drained", "master2.example.org": "out"}
    report = made.report()
    assert sentences(report, "problem") == [
        "lb1.example.org: the webserver of master2.example.org gets no requests, as it does not answer."
    ]
    assert sentences(report, "notice") == ["lb1.example.org: the webserver of master1.example.org was taken out of this load balancer."]


@pytest.mark.parametrize(("holders", "level"), [((), "failing"), ((0, 1), "problem"), ((1,), "")])
def test_one_load_balancer_has_the_shared_address(holders: tuple[int, ...], level: str) -> None:
    made = sample(
        {"a": "load_balancer", "b": "load_balancer", "c": "webserver scheduler metadata_db", "d": "webserver"},
        airflow_load_balancer_address="198.18.140.250",
    )
    for number, name in enumerate("ab"):
        made.found[name]["holds_address"] = number in holders
    assert [problem["level"] for problem in made.report()["problems"]] == ([level] if level else [])


def test_hosts_that_differ_are_a_problem_and_the_plan_a_notice() -> None:
    made = cluster()
    made.found["master2.example.org"]["fingerprint"]["fernet_key"] = "other"
    made.found["master2.example.org"]["airflow"]["version"] = "3.3.1"
    report = made.report()
    assert sentences(report, "problem") == ["master2.example.org: has another Fernet key than master1.example.org."]
    assert sentences(report, "notice") == ["master2.example.org: Airflow 3.3.1 is installed, and 3.3.2 is planned: run site."]
    assert "other" not in json.dumps(report["hosts"])


def test_another_executor_is_told_once() -> None:
    made = cluster()
    for found in made.found.values():
        found["airflow"]["executor"] = "LocalExecutor"
    assert sentences(made.report()) == ["Airflow runs with LocalExecutor, and CeleryExecutor is planned: run site."]


def test_revisions_of_dags_are_compared() -> None:
    made = cluster()
    for name, revision in (("master1.example.org", "abc"), ("master2.example.org", "abc"), ("worker1.example.org", "def")):
        made.found[name]["dags"] = {"revision": revision, "description": "", "is_whole": revision == "abc", "since": NOW}
    report = made.report()
    assert report["dags"]["revisions"]["worker1.example.org"] == "def"
    assert sentences(report) == [
        "worker1.example.org: has another revision of the DAGs than master1.example.org.",
        "worker1.example.org: the DAGs of revision def were changed by hand; site repairs it.",
    ]


def test_little_room_and_many_connections_are_problems() -> None:
    made = SAMPLES["local"]()
    found = made.found["airflow.example.org"]
    found["system"]["disk_free"] = GB // 2
    found["database"]["connections"] = 190
    assert sentences(made.report()) == [
        "airflow.example.org: only 512 MB are free at /opt/airflow.",
        "The metadata database has 190 of at most 200 connections.",
    ]


def test_restarts_by_itself_are_a_notice() -> None:
    made = SAMPLES["local"]()
    made.found["airflow.example.org"]["units"]["airflow-triggerer.service"]["restarts"] = 3
    report = made.report()
    assert report["verdict"] == "healthy"
    assert sentences(report) == ["airflow.example.org: the triggerer was restarted by itself 3 times."]


def test_a_unit_that_is_not_there_is_missing() -> None:
    made = SAMPLES["local"]()
    del made.found["airflow.example.org"]["units"]["airflow-triggerer.service"]
    assert "airflow.example.org: the triggerer is not installed." in sentences(made.report())


def test_celerys_own_queues_are_not_shown() -> None:
    made = cluster()
    for found in made.found.values():
        for name in ("celery@w.celery.pidbox", "1f.reply.celery.pidbox", "celeryev.1f", "celery_delayed_27", "mine"):
            if found["rabbitmq"]:
                found["rabbitmq"]["queues"].append({**found["rabbitmq"]["queues"][0], "name": name})
    assert [queue["name"] for queue in made.report()["broker"]["queues"]] == ["default", "reports", "mine"]


def test_the_master_of_redis_is_named() -> None:
    report = redis_cluster().report()
    assert report["verdict"] == "healthy"
    assert report["broker"]["master"] == "data1.example.org"
    assert report["broker"]["running"] == report["broker"]["nodes"] == ["data1.example.org", "data2.example.org", "data3.example.org"]
    assert "3 of 3 nodes run, data1.example.org is the master" in dict(facts(report))["Broker   "]


def test_after_a_failover_of_redis_the_lost_host_is_told() -> None:
    made = redis_cluster()
    made.lose("data1.example.org")
    first, second, third = (made.found["data2.example.org"]["redis"]["sentinels"]).keys()
    for name in ("data2.example.org", "data3.example.org"):
        made.found[name]["redis"].update(
            master=second, sentinels={first: False, second: True, third: True}, replicas={first: False, third: True}
        )
    report = made.report()
    assert report["broker"]["master"] == "data2.example.org"
    told = sentences(report)
    assert "data1.example.org: its Redis does not follow the master." in told
    assert "data1.example.org: its sentinel does not answer the others." in told


def test_a_redis_without_a_master_fails() -> None:
    made = redis_cluster()
    for name in ("data1.example.org", "data2.example.org", "data3.example.org"):
        made.found[name]["redis"]["master_is_down"] = True
    report = made.report()
    assert report["verdict"] == "failing"
    assert "Redis has no master: its sentinels do not reach data1.example.org." in sentences(report)


def test_sentinels_that_do_not_agree_are_told() -> None:
    made = redis_cluster()
    made.found["data3.example.org"]["redis"]["master"] = made.outlines["data2.example.org"]["address"]
    assert "Redis's sentinels do not agree who is the master (data1.example.org, data2.example.org)." in sentences(made.report())


def test_rabbitmqs_alarms_are_told() -> None:
    made = cluster()
    for found in made.found.values():
        if found["rabbitmq"]:
            found["rabbitmq"]["alarms"] = ["disk"]
    assert sentences(made.report()) == ["RabbitMQ takes no message: it has an alarm about its disk."]


def test_what_could_not_be_read_is_told() -> None:
    made = cluster()
    made.found["data1.example.org"]["rabbitmq"] = None
    made.found["data1.example.org"]["errors"]["rabbitmq"] = "rabbitmqctl says: no"
    made.found["worker1.example.org"]["units"] = None
    made.found["worker1.example.org"]["errors"]["units"] = "systemd does not answer"
    assert sentences(made.report("Not compared, as x")) == [
        "worker1.example.org: units could not be read (systemd does not answer).",
        "data1.example.org: RabbitMQ cannot be asked (rabbitmqctl says: no).",
        "Not compared, as x.",
    ]


def test_thirty_hosts_are_counted() -> None:
    report = large().report()
    assert len(report["hosts"]) == 30
    assert len(report["broker"]["queues"][0]["workers"]) == 10


def test_a_host_that_the_run_leaves_out_is_no_problem() -> None:
    made: Sample = cluster()
    made.left_out = {"worker2.example.org"}
    report = made.report()
    assert report["verdict"] == "healthy"
    assert sentences(report) == ["This run is limited, and says nothing of worker2.example.org."]


def test_the_end_of_a_certificate_is_told_in_time() -> None:
    made = SAMPLES["local"]()
    found = made.found["airflow.example.org"]
    path, day = "/etc/airflow-tls/web/server.crt", 24 * 3600
    found["certificates"] = {path: found["at"] + 31 * day}
    assert sentences(made.report()) == []
    assert list(made.report()["hosts"][0]["certificates"]) == [path]
    for days, level, word in ((29, "notice", "ends"), (-1, "problem", "ended")):
        found["certificates"] = {path: found["at"] + days * day}
        on = datetime.fromtimestamp(found["at"] + days * day, timezone.utc)
        (problem,) = made.report()["problems"]
        assert (problem["level"], problem["text"]) == (level, f"airflow.example.org: the certificate {path} {word} on {on:%Y-%m-%d}.")
