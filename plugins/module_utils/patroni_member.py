# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One member of a cluster of Patroni's, asked and told by its REST API."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.urls import open_url

POLL_SECONDS = 0.5
REQUEST_SECONDS = 5
LONGEST_REQUEST_SECONDS = 120
"""A restart or a switchover is answered when it is done."""

SETTLING_SECONDS = 5
"""A member reads new settings once in a round of Patroni's, which takes 2 s here, and tells its need of a restart in the next one."""

NAMING_SECONDS = 15
"""Patroni looks at its members each two seconds, and names a synchronous one when it has followed for a moment."""

LEADERS = ("leader", "master", "primary")
FOLLOWING = ("running", "streaming")
BEING_MADE = ("creating replica", "initializing new cluster", "running custom bootstrap script", "starting after custom bootstrap")


class PatroniError(Exception):
    """The text says which member did what, and holds no secret."""


def differences(wanted: Any, present: Any, path: str = "") -> list[str]:
    """The names of settings that are not as they are wanted. What is not mentioned may be anything."""
    if isinstance(wanted, Mapping) and isinstance(present, Mapping):
        return [
            name for key, value in wanted.items() for name in differences(value, present.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if wanted == present else [path]


class Member:
    """A member, by the address of its REST API."""

    def __init__(self, parameters: Mapping[str, Any], sleep: Callable[[float], None] = time.sleep) -> None:
        self.name: str = parameters["name"]
        self.url: str = parameters["url"]
        self.timeout: int = parameters["timeout"]
        self.authority: str = parameters["authority"]
        self.sleep = sleep
        login = f"{parameters['username']}:{parameters['password']}".encode()
        self.headers = {"Authorization": "Basic " + base64.b64encode(login).decode(), "Content-Type": "application/json"}

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, url: str = "", timeout: float = REQUEST_SECONDS
    ) -> Any:
        """What the member answers, or the text it answers with. Raises PatroniError."""
        address = (url or self.url) + path
        data = None if body is None else json.dumps(body).encode()
        # Asking needs no login, and who answers at the address of another member need not see it.
        headers = self.headers if method != "GET" else {}
        try:
            answer = open_url(
                address,
                data=data,
                headers=headers,
                method=method,
                timeout=timeout,
                use_proxy=False,
                use_netrc=False,
                ca_path=self.authority,
            )
            text = answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            raise PatroniError(f"{method} {path}: {error.code} {_first_line(error.read())}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise PatroniError(f"{method} {path}: {reason}") from None
        try:
            return json.loads(text)
        except ValueError:
            return text

    def look(self) -> dict[str, Any]:
        """What the cluster says of this member: `state`, `role`, whether it `leads`, and whether it `follows` the leader's every change."""
        status, cluster = self.request("GET", "/patroni"), self.request("GET", "/cluster")
        members = {str(member.get("name")): member for member in cluster.get("members") or []}
        leader = next((name for name, member in members.items() if member.get("role") in LEADERS), None)
        found = {
            "state": str(status.get("state") or "unknown"),
            "leader": leader,
            "leads": leader == self.name and status.get("role") in LEADERS and status.get("state") == "running",
            "follows": False,
            "pending_restart": bool(status.get("pending_restart")),
            "members": members,
        }
        if leader is not None and leader != self.name and found["state"] in FOLLOWING:
            api = str(members[leader].get("api_url") or "")
            replication = self.request("GET", "", url=api).get("replication") if api else None
            found["follows"] = any(
                each.get("application_name") == self.name and each.get("state") == "streaming" for each in replication or []
            )
        return found

    def wait(self, wanted: Callable[[dict[str, Any]], bool] | None = None) -> dict[str, Any]:
        """What it says once it leads or follows. A copy of the data takes as long as it takes. Raises PatroniError."""
        wanted = wanted or (lambda found: bool(found["leads"] or found["follows"]))
        deadline, last = time.monotonic() + self.timeout, "nobody answered"
        while True:
            try:
                found = self.look()
                if wanted(found):
                    return found
                last = f"its state is {found['state']}, and the leader is {found['leader'] or 'nobody'}"
                if found["state"] in BEING_MADE:
                    deadline = time.monotonic() + self.timeout
            except PatroniError as error:
                last = str(error)
            if time.monotonic() > deadline:
                raise PatroniError(
                    f"{self.name} is no working member of the database cluster after {self.timeout} s ({last}): journalctl -u patroni "
                    "-u etcd says why."
                )
            self.sleep(POLL_SECONDS)

    def apply(self, settings: Mapping[str, Any], check_mode: bool) -> list[str]:
        """Bring the cluster's settings to the wanted ones; the names of those that differed."""
        changed = differences(settings, self.request("GET", "/config") if check_mode else self._settings())
        if changed and not check_mode:
            self.request("PATCH", "/config", settings)
        return changed

    def _settings(self) -> Any:
        """The cluster's settings. One that began to lead a moment ago has yet to write them down, and answers with an error until then."""
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                return self.request("GET", "/config")
            except PatroniError:
                if time.monotonic() > deadline:
                    raise
            self.sleep(POLL_SECONDS)

    def restart(self) -> bool:
        """Start PostgreSQL again where a setting waits for it. Returns whether that was so."""
        self.sleep(SETTLING_SECONDS)
        if not self.look()["pending_restart"]:
            return False
        self.request("POST", "/restart", {"restart_pending": True}, timeout=LONGEST_REQUEST_SECONDS)
        self.wait()
        return True

    def hand_over(self, only_pending: bool = True) -> bool:
        """Let another member lead where this one leads, if `only_pending` only for a setting that waits. Returns whether it did."""
        found = self.look()
        if not found["leads"] or (only_pending and not found["pending_restart"]):
            return False
        candidate = self._candidate()
        if not candidate:
            raise PatroniError(
                f"{self.name} has to start again for its settings or its program, and no other member can lead meanwhile, for none follows "
                "its every change: start the others (systemctl start patroni), and run this again."
            )
        self.request("POST", "/switchover", {"leader": self.name, "candidate": candidate}, timeout=LONGEST_REQUEST_SECONDS)
        self.wait(lambda after: bool(after["follows"]))
        return True

    def _candidate(self) -> str | None:
        """Who may lead next. In a synchronous cluster, which ours are, nobody else may; one that just came back is not yet named as it."""
        for _look in range(NAMING_SECONDS):
            members = self.look()["members"]
            following = sorted(name for name, member in members.items() if name != self.name and member.get("state") in FOLLOWING)
            synchronous: list[str] = [name for name in following if members[name].get("role") == "sync_standby"]
            if synchronous:
                return synchronous[0]
            self.sleep(1)
        return None


def _first_line(text: bytes) -> str:
    return (text.decode("utf-8", "replace").strip().splitlines() or [""])[0][:200]
