# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is now: its units, its files, and what the servers on it say. Each function reads one thing."""

from __future__ import annotations

import configparser
import csv
import glob
import hashlib
import io
import json
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.updraft.airflow.plugins.module_utils.host_dag_revisions import Revisions
from ansible_collections.updraft.airflow.plugins.module_utils.host_state import RECORD, parse_environment_file
from ansible_collections.updraft.airflow.plugins.module_utils.patroni_member import LEADERS
from ansible_collections.updraft.airflow.plugins.module_utils.redis_client import RedisClient, RedisError

Run = Callable[[Sequence[str]], "tuple[int, str, str]"]

ANSWER_SECONDS = 4
UNIT_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "NRestarts",
    "ActiveEnterTimestamp",
    "InactiveEnterTimestamp",
    "MemoryCurrent",
    "ExecMainStatus",
    "ControlGroup",
)
POSTGRESQL_FOLDER = "/etc/postgresql"
CONTROL_GROUPS = "/sys/fs/cgroup"
NO_NUMBER = 2**64 - 1
"""What systemd says where it does not know."""

DATABASE_URL = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
BROKER_URL = "AIRFLOW__CELERY__BROKER_URL"
BROKER_OPTIONS = "celery_broker_transport_options"
FURTHER_CELERY = "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG"
OPTIONS_PREFIX = f"AIRFLOW__{BROKER_OPTIONS.upper()}__"
SENTINEL_SETTINGS = "/etc/*/airflow-sentinel.conf"
SENTINEL_LOGIN = re.compile(r"^sentinel sentinel-(user|pass) (\S+)$", re.MULTILINE)
HAPROXY_SOCKET = "/run/haproxy/admin.sock"
HAPROXY_BACKEND = "airflow_webserver"
PROXY_BACKEND = "database"
NGINX_SERVERS = "/etc/airflow-load-balancer/servers.json"
NGINX_STATE = "/var/lib/airflow-load-balancer"
QUEUE_TYPES = ("quorum", "classic", "stream")
QUEUE_COLUMNS = ("name", "type", "messages_ready", "messages_unacknowledged", "consumers", "leader", "members", "online")


class StatusError(Exception):
    """Something could not be read; the text is for the user, and holds no secret."""


def instances(name: str, folder: str = POSTGRESQL_FOLDER) -> list[str]:
    """The name of a unit, or of those that a pattern of Debian's PostgreSQL stands for.

    systemd knows none of them once it has stopped, so they are found by their settings: this collection's file is in those of its own.
    """
    start, star, end = name.partition("*")
    if not star or not start.startswith("postgresql@"):
        return [name]
    found = sorted(glob.glob(f"{glob.escape(folder)}/*/*/conf.d/airflow.conf"))
    return [f"{start}{'-'.join(path.split(os.sep)[-4:-2])}{end}" for path in found] or [name]


def units(run: Run, patterns: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What systemd says of units, by their names; a name may be a pattern, and one that is not there is left out."""
    names = [name for pattern in patterns for name in instances(pattern)]
    if not names:
        return {}
    properties = ",".join(UNIT_PROPERTIES)
    code, out, error = run(["systemctl", "show", "--timestamp=unix", f"--property={properties}", *names])
    if code != 0 and not out:
        raise StatusError(f"systemd does not answer: {one_line(error)}")
    found = {}
    for block in out.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("Id") and values.get("LoadState") != "not-found":
            found[values["Id"]] = unit(values)
    return found


def unit(values: Mapping[str, str]) -> dict[str, Any]:
    """One unit by systemd's words for it."""
    active = values.get("ActiveState", "unknown")
    memory = number(values.get("MemoryCurrent", ""))
    return {
        "active": active,
        "sub": values.get("SubState", ""),
        "result": values.get("Result", ""),
        "enabled": values.get("UnitFileState", ""),
        "restarts": number(values.get("NRestarts", "")) or 0,
        "since": number(values.get("ActiveEnterTimestamp" if active == "active" else "InactiveEnterTimestamp", "").lstrip("@")) or None,
        "memory": memory_of(values.get("ControlGroup", "")) if memory in (None, NO_NUMBER) else memory,
        "exit_status": number(values.get("ExecMainStatus", "")),
    }


def memory_of(group: str, folder: str = CONTROL_GROUPS) -> int | None:
    """What the processes of a unit have in memory, where systemd does not count it. What they share counts once."""
    if not group.strip("/"):
        return None
    pids = [pid for path in glob.glob(f"{folder}{group}/**/cgroup.procs", recursive=True) for pid in read(path).split()]
    sizes = [re.search(r"^Pss:\s+(\d+)", read(f"/proc/{pid}/smaps_rollup"), re.MULTILINE) for pid in pids]
    return sum(int(found[1]) for found in sizes if found) * 1024 or None


def number(text: str) -> int | None:
    """A whole number, None for any other text."""
    return int(text) if text.isdigit() else None


def system(home: str) -> dict[str, Any]:
    """Cores, memory, load, and the room where Airflow is."""
    memory = dict(re.findall(r"^(\w+):\s+(\d+)", read("/proc/meminfo"), re.MULTILINE))
    folder = home
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    room = os.statvfs(folder)
    name = re.search(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release"), re.MULTILINE)
    return {
        "name": name[1] if name else "",
        "cores": os.cpu_count() or 1,
        "memory": int(memory.get("MemTotal", 0)) * 1024,
        "memory_available": int(memory.get("MemAvailable", 0)) * 1024,
        "load": round(os.getloadavg()[0], 2),
        "up_seconds": int(float((read("/proc/uptime").split() or ["0"])[0])),
        "disk_path": folder,
        "disk": room.f_blocks * room.f_frsize,
        "disk_free": room.f_bavail * room.f_frsize,
    }


def read(path: str) -> str:
    """A file's text, nothing where it cannot be read."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()
    return ""


def airflow(home: str, config_dir: str) -> dict[str, Any]:
    """What is installed: the version by its package and by the record, the environment in use, its Python."""
    current = os.path.join(home, "current")
    packages = glob.glob(f"{glob.escape(current)}/lib/python3*/site-packages/apache_airflow-*.dist-info")
    python = re.search(r"^version(?:_info)? *= *(\S+)", read(f"{current}/pyvenv.cfg"), re.MULTILINE)
    record: dict[str, Any] = {}
    with suppress(ValueError):
        record = json.loads(read(os.path.join(config_dir, RECORD)) or "{}")
    return {
        "version": os.path.basename(packages[0])[len("apache_airflow-") : -len(".dist-info")] if packages else None,
        "recorded_version": record.get("version"),
        "executor": record.get("executor"),
        "venv": os.readlink(current) if os.path.islink(current) else None,
        "python": python[1] if python else None,
    }


def drift(expected: Mapping[str, Mapping[str, str]]) -> list[dict[str, str]]:
    """Files and links that are not as they are wanted."""
    found = []
    for path, wanted in sorted(expected.items()):
        if not os.path.lexists(path):
            found.append({"path": path, "what": "missing"})
        elif "target" in wanted:
            if not os.path.islink(path) or os.readlink(path) != wanted["target"]:
                found.append({"path": path, "what": "differs"})
        elif not os.path.isfile(path) or digest(path) != wanted["sha256"]:
            found.append({"path": path, "what": "differs"})
    return found


def digest(path: str) -> str:
    """The digest of a file."""
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def dag_revision(home: str, link: str) -> dict[str, Any]:
    """The revision of the DAGs in use, and whether its files are those that were stored."""
    revisions = Revisions(os.path.join(home, "dag_revisions"), link)
    current = revisions.current()
    record = (revisions.record(current) or {}) if current else {}
    return {
        "revision": current,
        "description": record.get("description"),
        "is_whole": revisions.is_whole(current) if current else False,
        "since": os.lstat(link).st_mtime if os.path.islink(link) else None,
    }


def certificates(run: Run, paths: Sequence[str]) -> dict[str, int]:
    """When each certificate that is there ends, in seconds since the epoch. Python cannot read one without further packages."""
    found = {}
    for path in paths:
        if os.path.exists(path):
            code, out, error = run(["openssl", "x509", "-noout", "-enddate", "-in", path])
            if code != 0:
                raise StatusError(f"{path}: {one_line(error or out)}")
            found[path] = int(ssl.cert_time_to_seconds(out.strip().partition("=")[2]))
    return found


def own_names() -> list[str]:
    """The names under which Airflow may have registered this host, by the ways it has of finding one."""
    names = [socket.getfqdn(), socket.gethostname()]
    with suppress(OSError):
        names.append(socket.gethostbyname(names[0]))
    return list(dict.fromkeys(names))


def setting_of(files: Sequence[str], name: str) -> str:
    """The first value that a daemon's environment has for a name; none for an address without a place."""
    for path in files:
        value = parse_environment_file(read(path)).get(name, "")
        if value and not value.endswith("://"):
            return value
    return ""


def broker_options(files: Sequence[str], config_file: str) -> dict[str, Any]:
    """What Celery is to know of the broker beside its address, from airflow.cfg and from the daemons' environment, which wins."""
    config = configparser.RawConfigParser(strict=False)
    with suppress(configparser.Error):
        config.read_string(read(config_file))
    texts = dict(config[BROKER_OPTIONS]) if config.has_section(BROKER_OPTIONS) else {}
    for path in reversed(files):
        for name, value in parse_environment_file(read(path)).items():
            if name.startswith(OPTIONS_PREFIX):
                texts[name[len(OPTIONS_PREFIX) :].lower()] = value
    found: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def broker_ssl(files: Sequence[str], config_file: str) -> dict[str, Any] | None:
    """How Celery verifies the broker, by the same places; None without TLS."""
    config = configparser.RawConfigParser(strict=False)
    with suppress(configparser.Error):
        config.read_string(read(config_file))
    text = setting_of(files, FURTHER_CELERY) or config.get("celery", "extra_celery_config", fallback="{}")
    with suppress(ValueError, AttributeError):
        return json.loads(text).get("broker_use_ssl") or None
    return None


def page(opener: Any, url: str) -> dict[str, Any]:
    """Whether a page answers, and what the daemon says of itself and the others there."""
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            status, text = answer.status, answer.read(100_000)
    except Exception as error:
        status = getattr(error, "code", None)
        return {
            "answers": False,
            "reason": f"answers {status}" if status else f"does not answer ({one_line(getattr(error, 'reason', error))})",
        }
    with suppress(ValueError, AttributeError):
        parts = {name: str(part.get("status")) for name, part in json.loads(text).items() if isinstance(part, dict)}
        return {"answers": True, "parts": parts}
    return {"answers": status == 200, "parts": {}}


def patroni(url: str, authority: str) -> dict[str, Any]:
    """The member's own state, and its cluster as it sees it."""
    own = ask(f"{url}/patroni", authority)
    cluster = ask(f"{url}/cluster", authority)
    members = [
        {
            "name": str(member.get("name")),
            "role": "leader" if member.get("role") in LEADERS else str(member.get("role")),
            "state": str(member.get("state")),
            "timeline": member.get("timeline"),
            # `unknown` where a member does not answer.
            "lag": member.get("lag") if isinstance(member.get("lag"), int) else None,
        }
        for member in cluster.get("members") or []
    ]
    return {
        "state": str(own.get("state")),
        "role": "leader" if own.get("role") in LEADERS else str(own.get("role")),
        "version": (own.get("patroni") or {}).get("version"),
        "server_version": own.get("server_version"),
        "timeline": own.get("timeline"),
        "pending_restart": bool(own.get("pending_restart")),
        "is_paused": bool(cluster.get("pause")),
        "members": members,
    }


def pair(url: str) -> dict[str, Any]:
    """What this host's MySQL server says of itself, where it is one of two."""
    found = ask(url, None)
    if found.get("failure"):
        raise StatusError(f"MySQL does not answer ({one_line(found['failure'])})")
    return {
        "role": "source" if found.get("writable") else "replica" if found.get("follows") else "closed",
        "follows": found.get("follows"),
        "receives": bool(found.get("receives")),
        "applies": bool(found.get("applies")),
        "error": found.get("error"),
        "confirms": bool(found.get("confirms")),
        "lag": round(found["lag"], 1) if found.get("lag") is not None else None,
    }


def etcd(url: str, tls: str) -> dict[str, Any]:
    """The member's health, the leader, and the size of what it holds."""
    login = {"client_cert": f"{tls}/server.crt", "client_key": f"{tls}/server.key"}
    health = ask(f"{url}/health", f"{tls}/ca.crt", **login)
    status: dict[str, Any] = {}
    with suppress(StatusError):
        status = ask(f"{url}/v3/maintenance/status", f"{tls}/ca.crt", method="POST", data=b"{}", **login)
    own = str((status.get("header") or {}).get("member_id", ""))
    return {
        "is_healthy": str(health.get("health")).lower() == "true",
        "reason": health.get("reason") or None,
        "leads": bool(own) and own == str(status.get("leader", "")),
        "term": number(str(status.get("raftTerm", ""))),
        "version": status.get("version"),
        "bytes": number(str(status.get("dbSize", ""))),
    }


def ask(url: str, authority: str | None, **further: Any) -> dict[str, Any]:
    """A page of JSON. A server that is not well says so with another status, and is read all the same. Raises StatusError."""
    try:
        answer = open_url(url, timeout=ANSWER_SECONDS, use_proxy=False, use_netrc=False, ca_path=authority, **further)
    except Exception as error:
        if not hasattr(error, "code") or not hasattr(error, "read"):
            raise StatusError(f"{url} does not answer ({one_line(getattr(error, 'reason', error))})") from None
        answer = error
    try:
        return dict(json.loads(answer.read()))
    except (ValueError, TypeError):
        raise StatusError(f"{url} answers something else than was expected") from None


def rabbitmq(run: Run, vhost: str) -> dict[str, Any]:
    """The nodes of the cluster as this one sees it, and the queues with their leaders."""
    command = ["rabbitmqctl", "--quiet", "--timeout", "15", "--formatter", "json"]
    cluster = _rabbitmq_answer(run([*command, "cluster_status"]))
    queues = _rabbitmq_answer(run([*command, "list_queues", "--vhost", vhost, *QUEUE_COLUMNS]))
    versions = [str(entry.get("rabbitmq_version")) for entry in (cluster.get("versions") or {}).values()]
    return {
        "version": versions[0] if versions else None,
        "running": sorted(cluster.get("running_nodes") or []),
        "nodes": sorted(cluster.get("disk_nodes") or []),
        "alarms": sorted(
            {str(alarm.get("resource") or alarm) if isinstance(alarm, dict) else str(alarm) for alarm in cluster.get("alarms") or []}
        ),
        "partitions": bool(cluster.get("partitions")),
        "queues": [_rabbitmq_queue(queue) for queue in queues],
    }


def _rabbitmq_queue(queue: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": queue["name"],
        "type": next((kind for kind in QUEUE_TYPES if kind in str(queue.get("type"))), None),
        "messages": int(queue.get("messages_ready") or 0),
        "taken": int(queue.get("messages_unacknowledged") or 0),
        "consumers": int(queue.get("consumers") or 0),
        "leader": queue.get("leader") or None,
        "members": sorted(queue.get("members") or []),
        "online": sorted(queue.get("online") or []),
    }


def _rabbitmq_answer(answer: tuple[int, str, str]) -> Any:
    code, out, error = answer
    if code != 0:
        raise StatusError(f"rabbitmqctl says: {one_line(error or out)}")
    try:
        return json.loads(out)
    except ValueError:
        raise StatusError("rabbitmqctl answers something else than was expected") from None


def redis(place: Mapping[str, Any], settings: str = SENTINEL_SETTINGS) -> dict[str, Any]:
    """The master and who follows it, as this host's sentinel sees them; and whether the own server follows."""
    login = next((dict(SENTINEL_LOGIN.findall(read(path))) for path in sorted(glob.glob(settings))), {})
    if not login:
        raise StatusError(f"{settings} is not there, with the login of the sentinels")

    def client(port: int) -> RedisClient:
        return RedisClient(place["address"], port, login.get("user", ""), login.get("pass", ""), ANSWER_SECONDS)

    try:
        with client(place["sentinel_port"]) as sentinel:
            master = sentinel.fields("SENTINEL", "MASTER", place["master_name"])
            sentinels = sentinel.rows("SENTINEL", "SENTINELS", place["master_name"])
            replicas = sentinel.rows("SENTINEL", "SLAVES", place["master_name"])
    except RedisError as error:
        raise StatusError(f"its sentinel: {error}") from None
    state: Mapping[str, str] = {}
    version = None
    with suppress(RedisError), client(place["port"]) as server:
        state = server.info("replication")
        about = server.info("server")
        version = about.get("valkey_version") or about.get("redis_version")
    return {
        "version": version,
        "master": master["ip"],
        "master_is_down": "down" in master["flags"],
        "sentinels": {place["address"]: True, **{row["ip"]: "down" not in row["flags"] for row in sentinels}},
        "replicas": {row["ip"]: "down" not in row["flags"] and row.get("master-link-status") == "ok" for row in replicas},
        "role": {"master": "master", "slave": "replica"}.get(state.get("role", "")),
        "follows": state.get("master_link_status") == "up" if state.get("role") == "slave" else None,
    }


def load_balancer(engine: str) -> dict[str, str]:
    """The webservers by name: `in`, `out` where one does not answer, `drained` where somebody took it out."""
    return haproxy_servers(haproxy_table()) if engine == "haproxy" else nginx_servers()


def haproxy_table(path: str = HAPROXY_SOCKET) -> str:
    """HAProxy's table of its servers."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(path)
            connection.sendall(b"show stat\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")
    except OSError as error:
        raise StatusError(f"HAProxy does not answer at {path} ({one_line(error)})") from None


def haproxy_servers(table: str) -> dict[str, str]:
    """The webservers in HAProxy's table."""
    found = {}
    for row in csv.DictReader(io.StringIO(table.lstrip("# "))):
        if row.get("pxname") == HAPROXY_BACKEND and row.get("svname") not in ("FRONTEND", "BACKEND"):
            word = str(row.get("status") or "").upper()
            found[str(row["svname"])] = "drained" if word.startswith(("DRAIN", "MAINT")) else "in" if word.startswith("UP") else "out"
    return found


def database_ways(path: str) -> dict[str, dict[str, Any]]:
    """The members of the database as the proxy of this host sees them: whether each leads, and for how many seconds so."""
    return {
        str(row["svname"]): {"up": str(row.get("status") or "").upper().startswith("UP"), "age": number(str(row.get("lastchg") or "")) or 0}
        for row in csv.DictReader(io.StringIO(haproxy_table(path).lstrip("# ")))
        if row.get("pxname") == PROXY_BACKEND and row.get("svname") not in ("FRONTEND", "BACKEND")
    }


def nginx_servers(settings: str = NGINX_SERVERS, state: str = NGINX_STATE) -> dict[str, str]:
    """The webservers in the file that the probe writes for nginx."""
    try:
        names = [entry["name"] for entry in json.loads(read(settings))["servers"]]
    except (ValueError, KeyError):
        raise StatusError(f"{settings} cannot be read") from None
    lines = read(f"{state}/upstream.conf").splitlines()
    if not lines:
        raise StatusError(f"{state}/upstream.conf is not there: the probe has not told nginx of any webserver")
    drained = {os.path.basename(path) for path in glob.glob(f"{state}/drained/*")}
    served = {name for name in names for line in lines if line.endswith(f"# {name}") and " down;" not in line}
    return {name: "in" if name in served else "drained" if name in drained else "out" for name in names}


def holds_address(run: Run, address: str) -> bool:
    """Whether an address is one of this host's now."""
    _code, out, _error = run(["ip", "-o", "address", "show"])
    return any(word.partition("/")[0] == address for word in out.split())


def one_line(text: Any) -> str:
    """A message of somebody else in one line."""
    return " ".join(str(text).split())[:300].rstrip(".") or "no answer"


def now() -> int:
    """Seconds since the epoch by this host's clock."""
    return int(time.time())
