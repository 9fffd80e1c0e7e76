# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection made on SQLite moves to PostgreSQL when the inventory names a server. The last test: it stays there."""

from __future__ import annotations

from typing import Any

from airflow_checks import api, digests, hosts, pages, secrets
from airflow_checks.fixtures import Installation

testinfra_hosts = ["ansible://updraft-sqlite-2"]

# The edit of the inventory: one group more.
EDIT = """\
---
sqlite_2:
  children:
    sqlite_2_metadata_db: {hosts: {updraft-sqlite-2: }}
"""


def taken(installation: Installation, url: str) -> digests.Digests:
    """The digests of a database, read on the host."""
    place = url.removeprefix("sqlite:///").replace("+psycopg2", "")
    return digests.Digests.from_json(installation.on_host("airflow_checks.digests", place))


def test_an_installation_on_sqlite_grows_to_postgresql(installation: Installation, run_site: Any, look: pages.Browser) -> None:
    old_database, (username, password) = installation.database_setting(), installation.admin
    assert old_database.startswith("sqlite:////")
    assert {run["state"] for run in installation.client().runs("eight_sleeps")} <= set(api.ENDED)
    (installation.inventory_dir / "grown.yml").write_text(EDIT, encoding="utf-8")

    grown = run_site("-vvv", "--diff")
    assert grown.failed == 0, grown.in_words()
    hidden = installation.secrets()
    assert secrets.told(grown.output, hidden) == []

    assert installation.database_setting().startswith("postgresql+psycopg2://airflow:")
    assert hosts.run(installation.host, "airflow", "config", "get-value", "core", "executor").split()[-1] == "LocalExecutor"
    before, after = taken(installation, old_database), taken(installation, installation.database_setting())
    assert sum(before.counts().values()) > 100
    assert "\n".join(digests.compare(before, after, digests.RUNNING)) == ""

    look.log_in(installation.base_url, username, password)
    assert look.warnings() == []
    look.picture("home-grown")
    client = installation.client()
    run_id = client.trigger("eight_sleeps")
    assert client.wait_for_run("eight_sleeps", run_id)["state"] == "success"
    assert api.most_at_once(client.tasks("eight_sleeps", run_id)) >= 4

    started = hosts.start_times(installation.host)
    again = run_site()
    assert (again.failed, again.changed) == (0, 0), again.in_words()
    assert hosts.start_times(installation.host) == started
