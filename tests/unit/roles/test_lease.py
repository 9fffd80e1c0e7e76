# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook that changes hosts holds them before it does, and gives them back at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
PLAYBOOKS = CHECKOUT / "playbooks"
MODULE = "updraft.airflow.airflow_lease"
READS_ONLY = {"status"}
IS_SITE = {"scale_out"}
LOOKS_BY_ITSELF = {"promote_replica"}
HOLDING = sorted({path.stem for path in PLAYBOOKS.glob("*.yml")} - READS_ONLY - IS_SITE)


def read(path: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def playbook(name: str) -> list[dict[str, Any]]:
    return read(PLAYBOOKS / f"{name}.yml")


def leases(tasks: list[dict[str, Any]], state: str) -> list[int]:
    """Where in a list of tasks the lease is taken, or given back."""
    return [number for number, task in enumerate(tasks) if MODULE in task and ((task[MODULE] or {}).get("state", "held")) == state]


@pytest.mark.parametrize("name", HOLDING)
def test_the_hosts_are_given_back_by_the_last_play(name: str) -> None:
    plays = playbook(name)
    assert leases(plays[-1]["tasks"], "released")
    # One after the other, the first one would be free while the last one is still to come.
    assert "serial" not in plays[-1]
    assert plays[-1]["hosts"] == plays[0]["hosts"] or name in LOOKS_BY_ITSELF


@pytest.mark.parametrize("name", sorted(set(HOLDING) - LOOKS_BY_ITSELF))
def test_the_hosts_are_held_when_everything_was_found_fit(name: str) -> None:
    first = playbook(name)[0]
    assert first["vars"]["__airflow_holds_hosts"] is True and first["any_errors_fatal"] is True
    assert first["tasks"][0]["ansible.builtin.import_role"]["tasks_from"] == "topology"


def test_nothing_is_kept_or_changed_before_the_hosts_are_held() -> None:
    tasks = read(CHECKOUT / "roles" / "common" / "tasks" / "topology.yml")
    (held,) = leases(tasks, "held")
    after = [task["name"] for task in tasks[held + 1 :]]
    assert after == ["Refuse hosts that another run holds", "Keep the new secrets", "Tell what is worth knowing before the start"]
    (derived,) = (task for task in tasks[:held] if "updraft.airflow.airflow_topology" in task)
    assert derived["updraft.airflow.airflow_topology"]["hold_secrets"] is True
    assert [task["name"] for task in tasks[:held] if task["name"].startswith("Refuse")] == [
        "Refuse what cannot work",
        "Refuse what the databases cannot",
    ]


def test_the_replica_takes_over_when_its_hosts_are_held() -> None:
    (tasks,) = (play["tasks"] for play in playbook("promote_replica")[1:])
    (held,), (given_back, _at_the_end) = leases(tasks, "held"), leases(tasks, "released")
    names = [task["name"] for task in tasks]
    assert names.index("Refuse what cannot take over") < held < given_back < names.index("Hand over")


def test_what_only_reads_holds_nothing() -> None:
    texts = [(PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8") for name in READS_ONLY]
    texts.append((CHECKOUT / "roles" / "common" / "tasks" / "status.yml").read_text(encoding="utf-8"))
    assert [text for text in texts if MODULE in text or "__airflow_holds_hosts" in text] == []


@pytest.mark.parametrize("name", ["move", "handover", "forward_stop"])
def test_it_is_renewed_before_something_is_stopped(name: str) -> None:
    text = (CHECKOUT / "roles" / "common" / "tasks" / f"{name}.yml").read_text(encoding="utf-8")
    stops = {"move": "tasks: move_stop.yml", "handover": "systemd_service", "forward_stop": "airflow_old_daemons"}
    assert 0 < text.index(MODULE) < text.index(stops[name])


@pytest.mark.parametrize("path", ["site.yml", "rolling_restart.yml", "parts/certificates_step.yml"])
def test_a_host_that_waits_for_its_turn_renews_it_then(path: str) -> None:
    turns = [play for play in read(PLAYBOOKS / path) if "serial" in play]
    assert turns and [leases(play["tasks"], "renewed") for play in turns] == [[0]] * len(turns)
