# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo reads and prints."""

from __future__ import annotations

import ipaddress
import socket
from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml
from demo import cluster, demo, lift, machine, progress, report, state, topology


def eight(*times: tuple[int, int]) -> report.EightTasks:
    """Return a run whose tasks ran from one second to another."""

    def at(second: int) -> str:
        return f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"

    return report.EightTasks(
        [{"task_id": f"sleep_{number}", "start_date": at(start), "end_date": at(end)} for number, (start, end) in enumerate(times, 1)]
    )


def test_the_table_has_a_line_for_each_thing_that_is_compared() -> None:
    before = report.State(["Do not use A", "Do not use B"], "SequentialExecutor", "SQLite, /a.db", 1234, eight((0, 10), (12, 22)))
    after = report.State([], "LocalExecutor", "PostgreSQL, h:5432/airflow", 1240, eight((0, 10), (1, 11)))
    assert report.table(before, after) == [
        "                           before              after",
        "-------------------------  ------------------  --------------------------",
        "warnings on the home page  Do not use A        none",
        "                           Do not use B",
        "executor                   SequentialExecutor  LocalExecutor",
        "database                   SQLite, /a.db       PostgreSQL, h:5432/airflow",
        "rows                       1,234               1,240",
        "8 tasks of 10 s            22 s                11 s",
        "at the same time           1 at most           2 at most",
    ]


def test_bars_of_two_runs_have_one_scale() -> None:
    serial, parallel = eight((0, 30), (30, 60)), eight((5, 15), (5, 15))
    width = report.COLUMNS_OF_BARS
    first, second = report.bars(serial, report.scale(serial))
    assert first.count(report.BAR) == second.count(report.BAR) == width / 2
    assert second.endswith(f"{' ' * (width // 2)}{report.BAR * (width // 2)}    30 to 60 s")
    assert [line.count(report.BAR) for line in report.bars(parallel, report.scale(serial))] == [width / 6] * 2


def test_a_page_is_read_as_a_person_reads_it() -> None:
    page = state.Page('<form><input name="csrf_token" value="a&amp;b"><input name="username"></form><p>Do not use\n <b>SQLite</b> here</p>')
    assert page.form == {"csrf_token": "a&b", "username": ""}
    assert page.text == "Do not use SQLite here"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:////home/jane/airflow/airflow.db", "SQLite, /home/jane/airflow/airflow.db"),
        ("postgresql+psycopg2://airflow:s%40cret@localhost:5432/airflow?sslmode=disable", "PostgreSQL, localhost:5432/airflow"),
    ],
)
def test_a_database_is_told_without_its_password(url: str, words: str) -> None:
    assert state.database_in_words(url) == words


def test_a_port_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((machine.ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert machine.free_port(port) > port
        monkeypatch.setattr(machine, "PORTS", 1)
        with pytest.raises(machine.DemoError, match="are taken: free one of them"):
            machine.free_port(port)


def test_a_step_that_fails_shows_the_end_of_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(progress, "CHECKOUT", tmp_path)
    with pytest.raises(machine.DemoError, match=r"(?s)Lifting ended with 3\. The last lines of site\.log:\n\n.*went wrong"):
        progress.run("Lifting", ["sh", "-c", "echo went wrong >&2; exit 3"], tmp_path / "site.log")


def test_a_step_is_told_by_the_ansible_task_it_is_at() -> None:
    assert [progress.TASK.match(line)[1] for line in ("TASK [a.b.c : Copy the data] ****", "TASK [Wait] **")] == ["Copy the data", "Wait"]


def test_the_inventory_has_ten_lines() -> None:
    assert len(lift.INVENTORY_TEXT.splitlines()) == 10
    assert set(yaml.safe_load(lift.INVENTORY_TEXT)["airflow"]["children"]) == {
        "airflow_webserver",
        "airflow_scheduler",
        "airflow_metadata_db",
    }


def test_a_topology_that_there_is_not_is_refused() -> None:
    with pytest.raises(machine.DemoError, match=r"no demo of nothing: use TOPOLOGY=sqlite, .*cluster, or none for the lift\."):
        demo.tell("nothing")


@pytest.mark.parametrize("name", topology.RELEASES)
def test_a_topology_is_the_inventory_of_the_readme(name: str) -> None:
    shown = topology.Topology.of(name)
    assert shown.text in (machine.CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert {host for group in shown.content["children"].values() for host in group["hosts"]} == {topology.HOST}
    assert shown.has_flower is name.startswith("celery")
    assert shown.queues == (["default", "reports"] if name == "celery_rabbitmq" else ["default"])
    assert shown.ports == ([8080, 5555] if shown.has_flower else [8080])


def test_every_inventory_has_its_demo() -> None:
    folders = {path.parent.name for path in (machine.CHECKOUT / "inventories").glob("*/hosts.yml")}
    assert folders - set(demo.TOPOLOGIES) == {"lift"}


@pytest.mark.parametrize("bundle", [None, Path("/etc/ca.crt")])
def test_how_the_host_is_reached_is_said_beside_its_inventory(bundle: Path | None) -> None:
    said = yaml.safe_load(topology.container_text(Path("/dags"), bundle, {"a.example.org": "demo-a", "b.example.org": "demo-b"}))
    hosts = said["all"]["hosts"]
    assert {host: each["ansible_host"] for host, each in hosts.items()} == {"a.example.org": "demo-a", "b.example.org": "demo-b"}
    for each in hosts.values():
        assert each["airflow_dags"] == {"source": "folder", "path": "/dags"}
        assert each.get("airflow_ca_bundle") == (str(bundle) if bundle else None)


def test_the_demo_of_the_cluster_has_a_container_for_each_host_of_the_inventory() -> None:
    shown = topology.Topology.of("cluster")
    containers = cluster.containers(shown)
    assert containers["master1.example.org"] == "updraft-demo-master1"
    assert len(set(containers.values())) == len(containers) == 9
    assert ipaddress.ip_address(cluster.shared_address(shown)) in ipaddress.ip_network(machine.SUBNET)
    assert ipaddress.ip_address(cluster.shared_address(shown)) not in ipaddress.ip_network(machine.CONTAINERS)


def test_the_time_until_work_goes_on_is_that_of_the_first_task_that_began_later() -> None:
    tasks = [{"start_date": f"2026-01-01T00:00:{second:02}Z"} for second in (5, 30, 21)] + [{"start_date": None}]
    moment = datetime(2026, 1, 1, 0, 0, 10, tzinfo=timezone.utc).timestamp()
    assert cluster.seconds_until_a_start(tasks, moment) == 11
    assert cluster.seconds_until_a_start(tasks[:1], moment) is None
