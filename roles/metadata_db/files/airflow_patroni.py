# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs Patroni so that a leader which was frozen or cut off does not take the lock from the one that followed it.

    airflow_patroni.py CONFIG      what patroni itself is called with

Patroni before 3.0.3, as Debian 12 has it, asks for a new lease when its own is over, and then writes itself into the lock of etcd without a
look at whose it is: the leader of the meantime loses it, and with it every write that was acknowledged meanwhile. Later releases look first
(https://github.com/patroni/patroni/pull/2693) and are run as they are.
"""

from __future__ import annotations

import sys
from typing import Any

FIXED = (3, 0, 3)


def needs_guard(version: str) -> bool:
    """Whether a release writes without a look."""
    numbers = [int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:3]]
    return tuple(numbers) < FIXED


def guard(dcs: Any, client: Any, encode: Any) -> None:
    """Have the classes of Patroni's that speak to etcd write into the lock only if it is their own or nobody's, in one transaction."""
    put, update_leader = client.put, dcs._update_leader

    def put_with_a_look(self: Any, key: str, value: str, lease: Any = None, *further: Any, **named: Any) -> Any:
        is_lock = key.rsplit("/", 1)[-1] == dcs._LEADER
        if not is_lock or further or named.get("create_revision") is not None or named.get("mod_revision") is not None:
            return put(self, key, value, lease, *further, **named)
        fields = {"key": encode(key), "value": encode(value), **({"lease": lease} if lease else {})}
        conditions: tuple[dict[str, Any], ...] = (
            {"target": "VALUE", "value": fields["value"]},
            {"target": "CREATE", "create_revision": "0"},
        )
        self.lock_is_taken = not any(
            self.txn({**condition, "key": fields["key"]}, {"request_put": dict(fields)}, named.get("retry")) for condition in conditions
        )
        return not self.lock_is_taken

    def update_leader_with_a_look(self: Any, *arguments: Any) -> bool:
        self._client.lock_is_taken = False
        # What the write said is not looked at in there.
        return bool(update_leader(self, *arguments)) and not self._client.lock_is_taken

    client.put, dcs._update_leader = put_with_a_look, update_leader_with_a_look


def main() -> None:
    """Run Patroni with the arguments that were given."""
    from patroni.__main__ import main as patroni
    from patroni.version import __version__

    if needs_guard(__version__):
        from patroni.dcs import etcd3

        guard(etcd3.Etcd3, etcd3.Etcd3Client, etcd3.base64_encode)
    sys.exit(patroni())


if __name__ == "__main__":
    main()
