# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The brokers of a host that somebody else may be using, in the folders that Debian's packages keep them in. No server is asked."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

PACKAGES_STATUS = "/var/lib/dpkg/status"
REDIS_LIKE = {"redis": "Redis", "valkey": "Valkey"}
DATABASE_IN_RDB = re.compile(rb"\xfe[\x00-\x3f]\xfb", re.DOTALL)
"""A numbered database that holds keys, as it begins in Redis's file of them (opcodes SELECTDB and RESIZEDB)."""
SENTINEL_MASTER = re.compile(rb"^sentinel monitor \S+ (\S+) (\d+) \d+$", re.MULTILINE)
ANNOUNCED = re.compile(rb"^replica-announce-ip (\S+)$", re.MULTILINE)
SENTINEL_EPOCH = re.compile(rb"^sentinel config-epoch \S+ (\d+)$", re.MULTILINE)
CLUSTER_PASSWORDS = {
    "broker_replication_password": ("airflow.conf", re.compile(rb"^masterauth (\S+)$", re.MULTILINE)),
    "broker_sentinel_password": ("airflow-sentinel.conf", re.compile(rb"^sentinel sentinel-pass (\S+)$", re.MULTILINE)),
}
RABBITMQ_SETTINGS = "etc/rabbitmq/conf.d/50-airflow.conf"
RABBITMQ_NODES = "etc/rabbitmq/conf.d/51-airflow-nodes.conf"
RABBITMQ_PARTITIONS = "etc/rabbitmq/conf.d/52-airflow-partitions.conf"
RABBITMQ_PEER = re.compile(rb"^cluster_formation\.classic_config\.nodes\.\d+ = (\S+)$", re.MULTILINE)
RABBITMQ_NODE = re.compile(rb"^NODENAME=(\S+)$", re.MULTILINE)
RDB_HEADER_BYTES = 4096
"""The first database follows a few fields about the server."""


def find_brokers(root: str = "/") -> list[dict[str, Any]]:
    """Each with its `engine` (redis or rabbitmq), `title`, `config` file, whether it is this collection's `own`, and what speaks for
    somebody else who uses it: `used`, empty where nothing does. A RabbitMQ also with the name that was given to its `node`, and with the
    `cookie` and the names of the `nodes` of this collection's cluster. A Redis of this collection's with the address of its `master` and
    the number (`epoch`) of that choice, and the servers' `port`, as its sentinel has them on the disk, with the `address` that it has
    itself among them, and with the `passwords` of replicas and sentinels by name and file.
    """
    found = [_redis(root, name, title) for name, title in REDIS_LIKE.items() if _is_installed(root, f"usr/bin/{name}-server")]
    return found + ([_rabbitmq(root)] if _is_installed(root, "usr/sbin/rabbitmq-server") else [])


def _is_installed(root: str, program: str) -> bool:
    return os.path.exists(os.path.join(root, program))


def _redis(root: str, name: str, title: str) -> dict[str, Any]:
    config, data = f"/etc/{name}/{name}.conf", f"/var/lib/{name}"
    used = "its settings were changed" if _was_edited(root, config) else ""
    if _holds_keys(os.path.join(root, data[1:])):
        used = f"it holds data in {data}"
    own = _exists(root, f"/etc/{name}/airflow.conf")
    found = {"engine": "redis", "title": title, "config": config, "own": own, "used": used}
    return {**found, **(_sentinel(root, name) if own else {})}


def _sentinel(root: str, name: str) -> dict[str, Any]:
    state = _read(os.path.join(root, f"var/lib/{name}/airflow-sentinel.conf"))
    address = ANNOUNCED.search(_read(os.path.join(root, f"etc/{name}/airflow.conf")))
    master, epoch = SENTINEL_MASTER.search(state), SENTINEL_EPOCH.search(state)
    passwords = {}
    for secret, (file, line) in CLUSTER_PASSWORDS.items():
        kept = line.search(_read(os.path.join(root, f"etc/{name}/{file}")))
        if kept:
            passwords[secret] = {f"/etc/{name}/{file}": kept[1].decode()}
    return {
        "master": master[1].decode() if master else "",
        "port": int(master[2]) if master else None,
        "address": address[1].decode() if address else None,
        "epoch": int(epoch[1]) if epoch else 0,
        "passwords": passwords,
    }


def _rabbitmq(root: str) -> dict[str, Any]:
    config = "/etc/rabbitmq/rabbitmq.conf"
    written = {os.path.join(root, path) for path in (RABBITMQ_SETTINGS, RABBITMQ_NODES, RABBITMQ_PARTITIONS)}
    further = [path for path in _below(root, "/etc/rabbitmq/conf.d/*.conf") if path not in written]
    vhosts = _below(root, "/var/lib/rabbitmq/mnesia/*/msg_stores/vhosts/*/.vhost")
    own = _exists(root, f"/{RABBITMQ_SETTINGS}")
    name = RABBITMQ_NODE.search(_read(os.path.join(root, "etc/rabbitmq/rabbitmq-env.conf")))
    node = name[1].decode(errors="replace") if name else ""
    settings = further or _exists(root, config) or _exists(root, "/etc/rabbitmq/advanced.config") or (node and not own)
    used = "it has settings of its own" if settings else ""
    # The package makes one, for the user that comes with it.
    used = "it has further virtual hosts" if len(vhosts) > 1 else used
    data = "/var/lib/rabbitmq/mnesia/*"
    used = "it has queues" if _below(root, f"{data}/msg_stores/vhosts/*/queues/*") or _below(root, f"{data}/quorum/*/*/") else used
    cookie = _read(os.path.join(root, "var/lib/rabbitmq/.erlang.cookie")).decode(errors="replace").strip() if own and node else ""
    peers = RABBITMQ_PEER.findall(b"".join(_read(path) for path in sorted(written))) if own else []
    found = {"engine": "rabbitmq", "title": "RabbitMQ", "config": config, "own": own, "used": used}
    return {**found, "node": node, "cookie": cookie, "nodes": sorted({peer.decode(errors="replace") for peer in peers})}


def _exists(root: str, path: str) -> bool:
    return os.path.exists(os.path.join(root, path[1:]))


def _below(root: str, pattern: str) -> list[str]:
    return glob.glob(os.path.join(glob.escape(root), pattern[1:]))


def _was_edited(root: str, config: str) -> bool:
    """Whether a settings file is another one than its package brought; where no package says so, it counts as the package's."""
    content = _read(os.path.join(root, config[1:]))
    with suppress(OSError), open(os.path.join(root, PACKAGES_STATUS[1:]), encoding="utf-8", errors="replace") as status:
        known = _packaged_digest(status, config)
        return bool(content) and bool(known) and hashlib.md5(content, usedforsecurity=False).hexdigest() != known
    return False


def _packaged_digest(status: Iterable[str], config: str) -> str:
    """The digest that dpkg keeps of a settings file as its package brought it."""
    return next((line.split()[1] for line in status if line.startswith(f" {config} ")), "")


def _holds_keys(folder: str) -> bool:
    if DATABASE_IN_RDB.search(_read(os.path.join(folder, "dump.rdb"), RDB_HEADER_BYTES)):
        return True
    appended = glob.glob(os.path.join(glob.escape(folder), "appendonlydir", "*.incr.aof"))
    bases = glob.glob(os.path.join(glob.escape(folder), "appendonlydir", "*.base.rdb"))
    older = os.path.join(folder, "appendonly.aof")
    has_log = any(_read(path, 1) for path in [*appended, older])
    return has_log or any(DATABASE_IN_RDB.search(_read(path, RDB_HEADER_BYTES)) for path in bases)


def _read(path: str, most: int = -1) -> bytes:
    with suppress(OSError), open(path, "rb") as handle:
        return handle.read(most)
    return b""
