# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read on a host for its status."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils import host_status
from ansible_collections.updraft.airflow.plugins.module_utils.host_status import StatusError

SHOWN = """\
Result=success
NRestarts=2
ExecMainStatus=0
MemoryCurrent=209715200
Id=airflow-scheduler.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
ActiveEnterTimestamp=@1800000000
InactiveEnterTimestamp=@1799990000

Result=exit-code
NRestarts=0
ExecMainStatus=1
MemoryCurrent=18446744073709551615
Id=airflow-triggerer.service
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=enabled
ActiveEnterTimestamp=
InactiveEnterTimestamp=@1800000100

Id=airflow-flower.service
LoadState=not-found
ActiveState=inactive
"""
HAPROXY = """\
# pxname,svname,qcur,status,weight,
airflow,FRONTEND,,OPEN,,
airflow_webserver,m1,0,UP,1,
airflow_webserver,m2,0,DRAIN,1,
airflow_webserver,m3,0,DOWN,1,
airflow_webserver,BACKEND,0,UP,2,
"""


def answers(out: str, code: int = 0, error: str = "") -> host_status.Run:
    """A command that says this."""
    return lambda _command: (code, out, error)


def test_units_are_read_in_one_call() -> None:
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> tuple[int, str, str]:
        asked.append(command)
        return 0, SHOWN, ""

    found = host_status.units(run, ["airflow-scheduler.service", "airflow-triggerer.service", "airflow-flower.service"])
    assert len(asked) == 1
    assert set(found) == {"airflow-scheduler.service", "airflow-triggerer.service"}
    scheduler, triggerer = found.values()
    assert (scheduler["active"], scheduler["since"], scheduler["restarts"], scheduler["memory"]) == ("active", 1800000000, 2, 209715200)
    assert (triggerer["active"], triggerer["since"], triggerer["memory"], triggerer["exit_status"]) == ("failed", 1800000100, None, 1)
    assert host_status.units(run, []) == {}


def test_debians_server_is_found_when_it_has_stopped(tmp_path: Path) -> None:
    for name in ("15/main/conf.d/airflow.conf", "15/other/conf.d/mine.conf"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert host_status.instances("postgresql@*.service", str(tmp_path)) == ["postgresql@15-main.service"]
    assert host_status.instances("postgresql@*.service", str(tmp_path / "none")) == ["postgresql@*.service"]
    assert host_status.instances("postgresql.service", str(tmp_path)) == ["postgresql.service"]


def test_memory_is_counted_where_systemd_does_not(tmp_path: Path) -> None:
    inner = tmp_path / "system.slice" / "airflow-scheduler.service" / "inner"
    inner.mkdir(parents=True)
    (inner / "cgroup.procs").write_text(f"{os.getpid()}\n999999999\n")
    assert (host_status.memory_of("/system.slice/airflow-scheduler.service", str(tmp_path)) or 0) > 1024**2
    assert host_status.memory_of("/system.slice/other.service", str(tmp_path)) is None
    assert host_status.memory_of("", str(tmp_path)) is None


def test_no_systemd_is_a_reason() -> None:
    with pytest.raises(StatusError, match="systemd does not answer: no bus"):
        host_status.units(answers("", 1, "no bus\n"), ["a.service"])


def test_a_host_is_described(tmp_path: Path) -> None:
    found = host_status.system(str(tmp_path / "not" / "yet"))
    assert found["disk_path"] == str(tmp_path)
    assert found["cores"] >= 1
    assert 0 < found["memory_available"] <= found["memory"]


def test_the_installed_version_is_that_of_the_package(tmp_path: Path) -> None:
    venv = tmp_path / "venvs" / "3.3.2-abc"
    for name in ("apache_airflow-3.3.2", "apache_airflow_core-3.3.2", "apache_airflow_providers_fab-3.10.0"):
        (venv / "lib" / "python3.11" / "site-packages" / f"{name}.dist-info").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\nversion_info = 3.11.2\n")
    (tmp_path / "current").symlink_to(venv)
    (tmp_path / "installation.json").write_text(json.dumps({"version": "3.3.1", "executor": "LocalExecutor"}))
    assert host_status.airflow(str(tmp_path), str(tmp_path)) == {
        "version": "3.3.2",
        "recorded_version": "3.3.1",
        "executor": "LocalExecutor",
        "venv": str(venv),
        "python": "3.11.2",
    }
    nothing = host_status.airflow(str(tmp_path / "none"), str(tmp_path / "none"))
    assert set(nothing.values()) == {None}


def test_files_and_links_are_compared(tmp_path: Path) -> None:
    (tmp_path / "same").write_text("x")
    (tmp_path / "other").write_text("y")
    (tmp_path / "link").symlink_to("/elsewhere")
    digest = hashlib.sha256(b"x").hexdigest()
    expected: dict[str, dict[str, str]] = {str(tmp_path / name): {"sha256": digest} for name in ("same", "other", "gone", "link")}
    expected[str(tmp_path / "link2")] = {"target": "/there"}
    (tmp_path / "link2").symlink_to("/there")
    assert host_status.drift(expected) == [
        {"path": str(tmp_path / "gone"), "what": "missing"},
        {"path": str(tmp_path / "link"), "what": "differs"},
        {"path": str(tmp_path / "other"), "what": "differs"},
    ]


def test_an_address_without_a_place_is_none(tmp_path: Path) -> None:
    worker, scheduler = tmp_path / "worker.env", tmp_path / "scheduler.env"
    worker.write_text('AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite://"\n')
    scheduler.write_text('AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="postgresql://a:b@c/d"\n')
    files = [str(tmp_path / "none.env"), str(worker), str(scheduler)]
    assert host_status.setting_of(files, host_status.DATABASE_URL) == "postgresql://a:b@c/d"
    assert host_status.setting_of(files[:2], host_status.DATABASE_URL) == ""


def test_what_celery_knows_of_the_broker_is_known_here(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("[celery_broker_transport_options]\nvisibility_timeout = 86400\nmaster_name = queues\n")
    (tmp_path / "worker.env").write_text('AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__SENTINEL_KWARGS="{\\"password\\": \\"x\\"}"\n')
    found = host_status.broker_options([str(tmp_path / "worker.env")], str(tmp_path / "airflow.cfg"))
    assert found == {"visibility_timeout": 86400, "master_name": "queues", "sentinel_kwargs": {"password": "x"}}
    assert host_status.broker_options([], str(tmp_path / "none.cfg")) == {}


def test_haproxys_table_is_read() -> None:
    assert host_status.haproxy_servers(HAPROXY) == {"m1": "in", "m2": "drained", "m3": "out"}


def test_haproxy_may_be_away(tmp_path: Path) -> None:
    with pytest.raises(StatusError, match="HAProxy does not answer"):
        host_status.haproxy_table(str(tmp_path / "none.sock"))


def test_the_probes_file_is_read(tmp_path: Path) -> None:
    names = ("m1", "m2", "m3")
    (tmp_path / "servers.json").write_text(json.dumps({"servers": [{"name": name} for name in names], "path": "/"}))
    lines = [
        f"    server 198.18.0.{number}:8080 max_fails=0{down};  # {name}"
        for number, (name, down) in enumerate(zip(names, ("", " down", " down")))
    ]
    (tmp_path / "upstream.conf").write_text("\n".join(["upstream airflow_webserver {", *lines, "}", ""]))
    (tmp_path / "drained").mkdir()
    (tmp_path / "drained" / "m2").touch()
    assert host_status.nginx_servers(str(tmp_path / "servers.json"), str(tmp_path)) == {"m1": "in", "m2": "drained", "m3": "out"}
    with pytest.raises(StatusError, match="cannot be read"):
        host_status.nginx_servers(str(tmp_path / "none.json"), str(tmp_path))


def test_rabbitmq_tells_of_quorum_queues() -> None:
    cluster = {
        "running_nodes": ["rabbit@b", "rabbit@a"],
        "disk_nodes": ["rabbit@a", "rabbit@b", "rabbit@c"],
        "alarms": [],
        "partitions": {},
        "versions": {"rabbit@a": {"rabbitmq_version": "3.10.8"}},
    }
    queue = {
        "name": "default",
        "type": "rabbit_quorum_queue",
        "messages_ready": 3,
        "messages_unacknowledged": 1,
        "consumers": 2,
        "leader": "rabbit@a",
        "members": ["rabbit@c", "rabbit@a", "rabbit@b"],
        "online": ["rabbit@a", "rabbit@b"],
    }

    def run(command: Sequence[str]) -> tuple[int, str, str]:
        assert command[0] == "rabbitmqctl"
        return 0, json.dumps(cluster if "cluster_status" in command else [queue]), ""

    found = host_status.rabbitmq(run, "airflow-quorum")
    assert found["running"] == ["rabbit@a", "rabbit@b"]
    assert found["partitions"] is False
    assert found["queues"][0]["type"] == "quorum"
    assert (found["queues"][0]["messages"], found["queues"][0]["taken"], found["queues"][0]["leader"]) == (3, 1, "rabbit@a")


def test_a_node_that_is_down_is_a_reason() -> None:
    with pytest.raises(StatusError, match="rabbitmqctl says: Error: unable to perform"):
        host_status.rabbitmq(answers("", 69, "Error: unable to perform\n an operation"), "airflow")


class Patroni:
    """Pages of Patroni and etcd."""

    def __init__(self, **pages: Any) -> None:
        self.pages = pages

    def ask(self, url: str, _authority: str, **_further: Any) -> dict[str, Any]:
        """The answer at a path."""
        answer = self.pages[url.rpartition("/")[2]]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


def test_members_are_described_in_the_same_words_by_all_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [
        {"name": "a", "role": "leader", "state": "running", "timeline": 4},
        {"name": "b", "role": "replica", "state": "streaming", "timeline": 4, "lag": 12},
        {"name": "c", "role": "replica", "state": "stopped", "lag": "unknown"},
    ]
    own = {"state": "running", "role": "master", "timeline": 4, "server_version": 150008, "patroni": {"version": "3.0.2"}}
    monkeypatch.setattr(host_status, "ask", Patroni(patroni=own, cluster={"members": members, "pause": True}).ask)
    found = host_status.patroni("https://a:8008", "/ca")
    assert (found["role"], found["version"], found["is_paused"], found["pending_restart"]) == ("leader", "3.0.2", True, False)
    assert [(member["role"], member["lag"]) for member in found["members"]] == [("leader", None), ("replica", 12), ("replica", None)]


def test_etcds_health_is_told_without_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    status = {"header": {"member_id": "7"}, "leader": "7", "version": "3.4.23", "dbSize": "90000", "raftTerm": "4"}
    monkeypatch.setattr(host_status, "ask", Patroni(health={"health": "true", "reason": ""}, status=status).ask)
    assert host_status.etcd("https://a:2379", "/tls") == {
        "is_healthy": True,
        "reason": None,
        "leads": True,
        "term": 4,
        "version": "3.4.23",
        "bytes": 90000,
    }
    sick = Patroni(health={"health": "false", "reason": "RAFT NO LEADER"}, status=StatusError("no answer"))
    monkeypatch.setattr(host_status, "ask", sick.ask)
    assert host_status.etcd("https://a:2379", "/tls")["reason"] == "RAFT NO LEADER"


def test_an_address_is_looked_for_whole() -> None:
    shown = "2: eth0    inet 198.18.0.20/24 brd 198.18.0.255 scope global eth0\\ valid_lft forever"
    assert host_status.holds_address(answers(shown), "198.18.0.20")
    assert not host_status.holds_address(answers(shown), "198.18.0.2")


def test_the_end_of_each_certificate_is_read_where_there_is_one(tmp_path: Path) -> None:
    path = str(tmp_path / "server.crt")
    assert host_status.certificates(answers("", 1, "not asked"), [path]) == {}
    (tmp_path / "server.crt").write_text("certificate")
    assert host_status.certificates(answers("notAfter=Nov 29 21:00:01 2031 GMT\n"), [path]) == {path: 1953752401}
    with pytest.raises(StatusError, match=r"server\.crt: unable to load certificate"):
        host_status.certificates(answers("", 1, "unable to load certificate\n"), [path])
