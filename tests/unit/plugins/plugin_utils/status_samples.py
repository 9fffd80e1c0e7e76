# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installations as the compiler describes them, and what the module airflow_status would find on their hosts when all is well.

Run as a program with a folder, it writes the pages of all samples there, for somebody to look at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs, survey_topology
from ansible_collections.updraft.airflow.plugins.plugin_utils._status_report import Look, make_report

FILES = str(Path(__file__).parents[4] / "roles" / "common" / "files")
NOW = 1_800_000_000
DAY = 86400
GB = 1024**3
CLUSTER = {
    "lb1.example.org": "load_balancer",
    "master1.example.org": "webserver scheduler flower",
    "master2.example.org": "webserver scheduler",
    "data1.example.org": "metadata_db broker",
    "data2.example.org": "metadata_db broker",
    "data3.example.org": "metadata_db broker",
    "worker1.example.org": "worker",
    "worker2.example.org": "worker",
}
CLUSTER_VARIABLES = {
    "airflow_broker_engine": "rabbitmq",
    "airflow_worker_queues": ["default", "reports"],
    "airflow_metadata_db_engine": "postgresql",
}
LARGE = {
    **{f"edge-load-balancer-{number}.frankfurt.example.org": "load_balancer" for number in (1, 2)},
    **{f"web-{number:02}.frankfurt.example.org": "webserver" for number in range(1, 5)},
    **{f"airflow-production-scheduler-{number:02}.frankfurt.example.org": "scheduler" for number in range(1, 4)},
    **{f"parser-{number:02}.frankfurt.example.org": "dag_processor" for number in (1, 2)},
    "trigger-01.frankfurt.example.org": "triggerer",
    **{f"pg-{number:02}.frankfurt.example.org": "metadata_db" for number in range(1, 4)},
    **{f"mq-{number:02}.frankfurt.example.org": "broker" for number in range(1, 4)},
    **{f"worker-{number:02}.frankfurt.example.org": "worker" for number in range(1, 13)},
}


class NoSecrets:
    """A credentials folder with something for every name."""

    directory = "/inventory/credentials/airflow"

    def path(self, name: str) -> str:
        """The file of a secret."""
        return f"{self.directory}/{name}.txt"

    def read(self, _name: str) -> str | None:
        """No secret is there."""
        return None


@dataclass
class Sample:
    """An installation, and what was found on each of its hosts; tests change it before they make a report."""

    installation: dict[str, Any]
    outlines: dict[str, dict[str, Any]]
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)

    def report(self, *notes: str) -> dict[str, Any]:
        """The report about it."""
        looks = [
            Look(
                name,
                self.installation["hosts"][name],
                None if name in self.left_out else outline,
                None if name in self.unreachable or name in self.left_out else self.found[name],
                self.unreachable.get(name, ""),
                name not in self.unreachable,
            )
            for name, outline in self.outlines.items()
        ]
        return make_report(self.installation, looks, NOW, notes)

    def stop(self, host: str, unit: str, active: str = "failed", seconds: int = 95) -> None:
        """Let a unit have stopped, and its heartbeats with it."""
        changed = {"active": active, "sub": active, "result": "exit-code", "since": NOW - seconds, "memory": None}
        self.found[host]["units"][unit] = {**self.found[host]["units"][unit], **changed}

    def silence(self, host: str, seconds: int = 95) -> None:
        """Let nobody have heard of a host's daemons."""
        outline = self.outlines[host]
        nodes = [daemon["node"] for daemon in outline["daemons"] if daemon["node"]]
        for found in self.found.values():
            for job in (found["database"] or {}).get("jobs", ()):
                if job["hostname"] == outline["hostname"]:
                    job["beat"] = NOW - seconds
            for node in nodes:
                ((found["broker"] or {}).get("workers") or {}).pop(node, None)

    def lose(self, host: str) -> None:
        """Let a host not answer any more."""
        self.unreachable[host] = "Failed to connect to the host via ssh: Connection timed out"
        self.silence(host)
        for found in self.found.values():
            if found["load_balancer"] and host in found["load_balancer"]:
                found["load_balancer"][host] = "out"


def unit(seconds: int = 3 * DAY, memory: int = 200 * 1024**2) -> dict[str, Any]:
    """A unit that runs."""
    return {
        "active": "active",
        "sub": "running",
        "result": "success",
        "enabled": "enabled",
        "restarts": 0,
        "since": NOW - seconds,
        "memory": memory,
        "exit_status": 0,
    }


def sample(hosts: Mapping[str, str], **variables: Any) -> Sample:
    """A healthy installation."""
    groups: dict[str, list[str]] = {"airflow": list(hosts)}
    for name, components in hosts.items():
        for component in components.split():
            groups.setdefault(f"airflow_{component}", []).append(name)
    described = {}
    for number, name in enumerate(hosts, start=2):
        facts = {
            "distribution": "Debian",
            "distribution_major_version": "12",
            "os_family": "Debian",
            "processor_vcpus": 4,
            "memtotal_mb": 8192,
            "nodename": name.partition(".")[0],
            "default_ipv4": {"address": f"198.18.140.{number}", "interface": "eth0"},
        }
        info = {
            "hostname": name,
            "pythons": [{"path": "/usr/bin/python3.11", "version": "3.11.2"}],
            "systemd": True,
            "free_mb": {"home": 20000},
            "installation": None,
            "adopted": None,
        }
        described[name] = Host(name, variables, facts, info)
    topology, findings = survey_topology(Inputs(described, groups, FILES), NoSecrets())
    assert findings == []
    statuses = {name: topology.status(name) for name in hosts}
    installation = {**next(iter(statuses.values()))["installation"], "is_planned": True}
    made = Sample(installation, {name: status["host"] for name, status in statuses.items()})
    made.found = {name: healthy(made, name) for name in hosts}
    return made


def healthy(made: Sample, name: str) -> dict[str, Any]:
    """What is found on a host when all is well."""
    outline, installation = made.outlines[name], made.installation
    probes = outline["probes"]
    names = [daemon["unit"] for daemon in outline["daemons"]] + [server["units"][0] for server in outline["servers"]]
    database_hosts = [each for each, parts in installation["hosts"].items() if "metadata_db" in parts]
    return {
        "at": NOW,
        "names": [name, name.partition(".")[0]],
        "system": {
            "name": "Debian GNU/Linux 12 (bookworm)",
            "cores": 4,
            "memory": 8 * GB,
            "memory_available": 5 * GB,
            "load": 0.42,
            "up_seconds": 40 * DAY,
            "disk_path": "/opt/airflow",
            "disk": 80 * GB,
            "disk_free": 51 * GB,
        },
        "airflow": {
            "version": installation["version"],
            "recorded_version": installation["version"],
            "executor": installation["executor"],
            "venv": f"/opt/airflow/venvs/{installation['version']}-0123456789ab",
            "python": "3.11.2",
        },
        "units": {each.replace("*", "15-main"): unit() for each in names},
        "pages": {daemon["name"]: {"answers": True, "parts": {}} for daemon in outline["daemons"] if daemon["url"]},
        "database": database(made) if probes["database_files"] else None,
        "broker": broker(made) if probes["broker_files"] else None,
        "patroni": patroni(name, database_hosts) if probes["patroni_url"] else None,
        "etcd": {"is_healthy": True, "reason": None, "leads": name == database_hosts[-1], "term": 4, "version": "3.4.23", "bytes": 90_000}
        if probes["etcd_url"]
        else None,
        "rabbitmq": rabbitmq(made) if probes["rabbitmq_vhost"] else None,
        "redis": redis(made, name) if probes["redis"] else None,
        "load_balancer": dict.fromkeys(installation["load_balancer"]["servers"], "in") if probes["load_balancer"] else None,
        "holds_address": name == next(iter(installation["hosts"])) if probes["shared_address"] else None,
        "dags": None,
        "fingerprint": {"packages": "a", "configuration": "b", "fernet_key": "c"} if outline["daemons"] else None,
        "drift": [],
        "errors": {},
    }


def database(made: Sample) -> dict[str, Any]:
    """What the metadata database says."""
    engine = made.installation["database"]["engine"]
    jobs = [
        {"type": daemon["job_type"], "hostname": outline["hostname"], "state": "running", "started": NOW - 3 * DAY, "beat": NOW - 4}
        for outline in made.outlines.values()
        for daemon in outline["daemons"]
        if daemon["job_type"]
    ]
    return {
        "engine": engine,
        "version": {"postgresql": "15.8", "mysql": "8.4.3", "sqlite": "3.40.1"}[engine],
        "bytes": 734_003_200,
        "connections": None if engine == "sqlite" else 38,
        "max_connections": None if engine == "sqlite" else 200,
        "revision": "d2f4e1b3c5a7",
        "jobs": jobs,
        "tasks": {"success": 12873, "failed": 41, "running": 17, "queued": 3, "scheduled": 12, "up_for_retry": 2},
        "import_errors": 0,
        "import_error_files": [],
        "dags": 128,
        "paused_dags": 9,
        "bundles": [{"name": "dags-folder", "version": None, "refreshed": NOW - 60}],
        "unknown": {},
    }


def broker(made: Sample) -> dict[str, Any]:
    """What the broker says."""
    workers = {
        daemon["node"]: list(daemon["queues"]) for outline in made.outlines.values() for daemon in outline["daemons"] if daemon["node"]
    }
    queues = {name: {"messages": 3, "consumers": len(workers)} for name in made.installation["queues"]}
    return {"version": "3.10.8", "queues": queues, "workers": workers}


def nodes(made: Sample) -> list[str]:
    """The nodes of RabbitMQ."""
    return [f"rabbit@{made.outlines[name]['address']}" for name, parts in made.installation["hosts"].items() if "broker" in parts]


def rabbitmq(made: Sample) -> dict[str, Any]:
    """What RabbitMQ says."""
    found = nodes(made)
    queues = [
        {
            "name": name,
            "type": "quorum" if len(found) > 1 else "classic",
            "messages": 3,
            "taken": 4,
            "consumers": 2,
            "leader": found[0] if len(found) > 1 else None,
            "members": found if len(found) > 1 else [],
            "online": found if len(found) > 1 else [],
        }
        for name in made.installation["queues"]
    ]
    return {"version": "3.10.8", "running": found, "nodes": found, "alarms": [], "partitions": False, "queues": queues}


def redis(made: Sample, name: str) -> dict[str, Any]:
    """What a sentinel says of the first host, which is the master."""
    addresses = {each: str(made.outlines[each]["address"]) for each, parts in made.installation["hosts"].items() if "broker" in parts}
    master = next(iter(addresses))
    return {
        "version": "7.0.15",
        "master": addresses[master],
        "master_is_down": False,
        "sentinels": dict.fromkeys(addresses.values(), True),
        "replicas": {address: True for each, address in addresses.items() if each != master},
        "role": "master" if name == master else "replica",
        "follows": None if name == master else True,
    }


def patroni(name: str, hosts: list[str]) -> dict[str, Any]:
    """What a member of Patroni's cluster says."""
    members = [
        {
            "name": each,
            "role": "sync_standby" if place == 1 else "replica" if place else "leader",
            "state": "streaming" if place else "running",
            "timeline": 4,
            "lag": 0 if place else None,
        }
        for place, each in enumerate(hosts)
    ]
    return {
        "state": "running",
        "role": "leader" if name == hosts[0] else "replica",
        "version": "3.0.2",
        "server_version": 150008,
        "timeline": 4,
        "pending_restart": False,
        "is_paused": False,
        "members": members,
    }


def cluster() -> Sample:
    """Eight hosts, all well."""
    return sample(CLUSTER, **CLUSTER_VARIABLES)


def redis_cluster() -> Sample:
    """The cluster with Redis and its sentinels in place of RabbitMQ."""
    return sample(CLUSTER, **{**CLUSTER_VARIABLES, "airflow_broker_engine": "redis"})


def dead_scheduler() -> Sample:
    """The cluster without one of its schedulers, and with what a status should notice besides."""
    made = cluster()
    made.stop("master2.example.org", "airflow-scheduler.service")
    made.found["worker1.example.org"]["drift"] = [{"path": "/etc/airflow/airflow.cfg", "what": "differs"}]
    for found in made.found.values():
        if found["database"]:
            found["database"].update(import_errors=2, import_error_files=["reports/daily.py", "sales.py"])
            found["database"]["jobs"] = [
                {**job, "beat": NOW - 95} if job["hostname"].startswith("master2") and job["type"] == "SchedulerJob" else job
                for job in found["database"]["jobs"]
            ]
    return made


def dead_leader() -> Sample:
    """The cluster after the host of the database's leader was lost."""
    made = cluster()
    made.lose("data1.example.org")
    for name in ("data2.example.org", "data3.example.org"):
        made.found[name]["patroni"]["members"] = [
            {"name": "data1.example.org", "role": "replica", "state": "stopped", "timeline": None, "lag": None},
            {"name": "data2.example.org", "role": "leader", "state": "running", "timeline": 5, "lag": None},
            {"name": "data3.example.org", "role": "sync_standby", "state": "streaming", "timeline": 5, "lag": 0},
        ]
        rabbit = made.found[name]["rabbitmq"]
        rabbit["running"] = rabbit["nodes"][1:]
        for queue in rabbit["queues"]:
            queue.update(leader=rabbit["nodes"][1], online=rabbit["nodes"][1:])
    return made


def lost_worker() -> Sample:
    """The cluster with a worker that does not answer, and is alone with its queue."""
    made = cluster()
    made.lose("worker2.example.org")
    return made


def large() -> Sample:
    """Thirty hosts, each with a part of its own, some of them not well."""
    made = sample(LARGE, airflow_broker_engine="rabbitmq", airflow_load_balancer_address="198.18.140.250")
    made.lose("worker-07.frankfurt.example.org")
    made.stop("worker-11.frankfurt.example.org", "airflow-worker.service", "inactive", 4000)
    made.found["edge-load-balancer-1.frankfurt.example.org"]["load_balancer"]["web-03.frankfurt.example.org"] = "drained"
    made.found["edge-load-balancer-2.frankfurt.example.org"]["load_balancer"]["web-03.frankfurt.example.org"] = "drained"
    return made


def one_host(*components: str) -> Callable[[], Sample]:
    """A single host with these parts besides webserver and scheduler."""
    return lambda: sample({"airflow.example.org": " ".join(["webserver", "scheduler", *components])})


SAMPLES: dict[str, Callable[[], Sample]] = {
    "sqlite": one_host(),
    "local": one_host("metadata_db"),
    "celery": one_host("metadata_db", "broker", "worker", "flower"),
    "cluster": cluster,
    "dead_scheduler": dead_scheduler,
    "dead_leader": dead_leader,
    "lost_worker": lost_worker,
    "large": large,
}


def main(folder: Path) -> None:
    """Write all pages."""
    from ansible_collections.updraft.airflow.plugins.plugin_utils._status_page import page

    folder.mkdir(parents=True, exist_ok=True)
    for name, make in SAMPLES.items():
        (folder / f"{name}.html").write_text(page(make().report()), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
