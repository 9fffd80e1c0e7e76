# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brokers found by their files, and whether somebody uses them. The dumps are what a Redis 7.0 wrote, without keys and with one."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_brokers import find_brokers

EMPTY = base64.b64decode(
    "UkVESVMwMDEw+glyZWRpcy12ZXIGNy4wLjE1+gpyZWRpcy1iaXRzwED6BWN0aW1lwnLfAWv6CHVzZWQtbWVtwsDzDQD6CGFvZi1iYXNlwAD/znQaHHkt9Yo="
)
ONE_KEY = base64.b64decode(
    "UkVESVMwMDEw+glyZWRpcy12ZXIGNy4wLjE1+gpyZWRpcy1iaXRzwED6BWN0aW1lwnLfAWv6CHVzZWQtbWVtwui0DgD6CGFvZi1iYXNlwAD+APsBAAAGYW5zd2VywCr/2yRS"
    "EDGTXVs="
)
SETTINGS = b"bind 127.0.0.1\nport 6379\n"
DATA = "var/lib/redis"


def write(root: Path, path: str, content: bytes = b"") -> None:
    """A file and its folders."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host on which Redis was installed and nothing else done."""
    write(tmp_path, "usr/bin/redis-server")
    write(tmp_path, "etc/redis/redis.conf", SETTINGS)
    status = f"Package: redis-server\nConffiles:\n /etc/redis/redis.conf {hashlib.md5(SETTINGS).hexdigest()}\nDescription: keys\n"
    write(tmp_path, "var/lib/dpkg/status", status.encode())
    return tmp_path


def only(root: Path) -> dict[str, Any]:
    """The one broker of a host."""
    (found,) = find_brokers(str(root))
    return found


def test_a_host_without_brokers(tmp_path: Path) -> None:
    assert find_brokers(str(tmp_path)) == []


def test_a_package_that_nobody_uses(host: Path) -> None:
    assert only(host) == {"engine": "redis", "title": "Redis", "config": "/etc/redis/redis.conf", "own": False, "used": ""}


@pytest.mark.parametrize(
    ("path", "content", "used"),
    [
        ("etc/redis/redis.conf", SETTINGS + b"requirepass x\n", "its settings were changed"),
        (f"{DATA}/dump.rdb", ONE_KEY, "it holds data in /var/lib/redis"),
        (f"{DATA}/dump.rdb", EMPTY, ""),
        (f"{DATA}/appendonlydir/appendonly.aof.1.base.rdb", ONE_KEY, "it holds data in /var/lib/redis"),
        (f"{DATA}/appendonlydir/appendonly.aof.1.base.rdb", EMPTY, ""),
        (f"{DATA}/appendonlydir/appendonly.aof.1.incr.aof", b"*1", "it holds data in /var/lib/redis"),
        (f"{DATA}/appendonlydir/appendonly.aof.1.incr.aof", b"", ""),
        (f"{DATA}/appendonly.aof", b"*1", "it holds data in /var/lib/redis"),
    ],
)
def test_who_uses_it_is_seen(host: Path, path: str, content: bytes, used: str) -> None:
    write(host, path, content)
    assert only(host)["used"] == used


def test_our_own_is_known(host: Path) -> None:
    write(host, "etc/redis/airflow.conf", b"port 6379\n")
    write(host, "etc/redis/redis.conf", SETTINGS + b"include /etc/redis/airflow.conf\n")
    assert only(host)["own"] is True


def test_valkey_is_another_one(tmp_path: Path) -> None:
    write(tmp_path, "usr/bin/valkey-server")
    write(tmp_path, "var/lib/valkey/dump.rdb", ONE_KEY)
    assert (only(tmp_path)["title"], only(tmp_path)["used"]) == ("Valkey", "it holds data in /var/lib/valkey")


@pytest.mark.parametrize(
    ("paths", "own", "used"),
    [
        ([], False, ""),
        (["etc/rabbitmq/rabbitmq.conf"], False, "it has settings of its own"),
        (["etc/rabbitmq/conf.d/10-others.conf"], False, "it has settings of its own"),
        (["etc/rabbitmq/conf.d/50-airflow.conf"], True, ""),
        (["var/lib/rabbitmq/mnesia/rabbit@h1/msg_stores/vhosts/A/.vhost"], False, ""),
        (["var/lib/rabbitmq/mnesia/rabbit@h1/msg_stores/vhosts/A/queues/B/.queue_name"], False, "it has queues"),
        (["var/lib/rabbitmq/mnesia/rabbit@h1/quorum/rabbit@h1/C"], False, "it has queues"),
        ([f"var/lib/rabbitmq/mnesia/rabbit@h1/msg_stores/vhosts/{name}/.vhost" for name in "AB"], False, "it has further virtual hosts"),
    ],
)
def test_rabbitmq(tmp_path: Path, paths: list[str], own: bool, used: str) -> None:
    for path in ["usr/sbin/rabbitmq-server", *paths]:
        write(tmp_path, path)
    assert (only(tmp_path)["own"], only(tmp_path)["used"]) == (own, used)


@pytest.mark.parametrize(
    ("content", "own", "node", "cookie"),
    [
        (b"#NODENAME=rabbit\n", True, "", ""),
        (b"export ERL_INETRC=/etc/rabbitmq/airflow.inetrc\n", True, "", ""),
        (b"# ours\nNODENAME=rabbit@198.18.0.4\nUSE_LONGNAME=true\n", True, "rabbit@198.18.0.4", "c00kie"),
        (b"NODENAME=rabbit@198.18.0.4\n", False, "rabbit@198.18.0.4", ""),
    ],
)
def test_a_node_of_a_cluster_tells_its_name_and_cookie(tmp_path: Path, content: bytes, own: bool, node: str, cookie: str) -> None:
    write(tmp_path, "usr/sbin/rabbitmq-server")
    write(tmp_path, "etc/rabbitmq/rabbitmq-env.conf", content)
    write(tmp_path, "var/lib/rabbitmq/.erlang.cookie", b"c00kie")
    if own:
        write(tmp_path, "etc/rabbitmq/conf.d/50-airflow.conf")
    assert (only(tmp_path)["node"], only(tmp_path)["cookie"]) == (node, cookie)
    assert only(tmp_path)["used"] == ("" if own else "it has settings of its own")
