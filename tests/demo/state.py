# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the state of the demo's Airflow as its user sees it: the home page, the command line, the API, the database."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import requests
import testinfra
from airflow_checks import api, digests, fixtures, hosts, pages

from .machine import NAME, DemoError
from .progress import Progress
from .report import EightTasks, State

USER = "jane"
HOME = f"/home/{USER}/airflow"
OLD_DATABASE = f"{HOME}/airflow.db"
OLD_COMMAND = ("runuser", "-u", USER, "--", "env", f"AIRFLOW_HOME={HOME}", f"/home/{USER}/airflow-venv/bin/airflow")
NEW_COMMAND = ("airflow",)
DAG = "eight_sleeps"
TASKS = 8
# A slow machine needs a while between two tasks.
SECONDS_FOR_EIGHT = 1200
SECONDS_PER_REQUEST = 60
ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class Page(HTMLParser):
    """The text of a page and the values of its form."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.form: dict[str, str] = {}
        self._texts: list[str] = []
        self.feed(html)
        self.text = " ".join("".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a field of the form holds."""
        field = dict(attrs)
        if tag == "input" and field.get("name"):
            self.form[str(field["name"])] = field.get("value") or ""

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self._texts.append(data)


def warnings(base_url: str, password: str) -> list[str]:
    """Log in with the form as a browser does; return the warnings that the home page shows."""
    session = requests.Session()
    form = Page(session.get(f"{base_url}/login/", timeout=SECONDS_PER_REQUEST).text).form
    answer = {**form, "username": USER, "password": password}
    session.post(f"{base_url}/login/", data=answer, timeout=SECONDS_PER_REQUEST).raise_for_status()
    home = session.get(f"{base_url}/home", timeout=SECONDS_PER_REQUEST)
    if urlsplit(home.url).path != "/home":
        raise DemoError(f"{USER} could not log in at {base_url} with the password that the tutorial's installation had.")
    shown = Page(home.text).text
    return [warning for warning in (pages.SQLITE_WARNING, pages.SEQUENTIAL_WARNING) if warning in shown]


def database_in_words(url: str) -> str:
    """Return the engine and the place of a database, without name and password of its user."""
    parts = urlsplit(url)
    engine = parts.scheme.split("+")[0]
    place = parts.path[1:] if engine == "sqlite" else f"{parts.hostname}:{parts.port}{parts.path}"
    return f"{ENGINES[engine]}, {place}"


class Demo:
    """The installation in the demo's container, before and after."""

    def __init__(self, base_url: str, password: str, folder: Path) -> None:
        host = testinfra.get_host(f"docker://{NAME}")
        self.password = password
        self.installation = fixtures.Installation(host, NAME, {}, base_url, folder)

    def option(self, command: tuple[str, ...], section: str, name: str) -> str:
        """Return the value of an option as Airflow's command line tells it."""
        said = str(hosts.run(self.installation.host, *command, "config", "get-value", section, name))
        return said.strip().splitlines()[-1]

    def digests(self, place: str) -> digests.Digests:
        """Return the digests of all rows of a database."""
        return digests.Digests.from_json(self.installation.on_host("airflow_checks.digests", place))

    def run_eight(self) -> EightTasks:
        """Run the DAG with eight tasks, and show how far it is."""
        with Progress(f"Running the DAG {DAG}, {TASKS} tasks of 10 seconds") as progress:
            client = api.connect(self.installation.base_url, USER, self.password)
            client.wait_for_dag(DAG)
            run_id = client.trigger(DAG)

            def look() -> bool:
                states = {str(task["task_id"]): str(task["state"]) for task in client.tasks(DAG, run_id)}
                running = [name for name, state in sorted(states.items()) if state == "running"]
                ended = list(states.values()).count("success")
                progress.detail = f"{ended} of {TASKS} have ended, {', '.join(running) or 'none'} running"
                return bool(client.run(DAG, run_id)["state"] in api.ENDED)

            api.wait_until(f"the {TASKS} tasks", look, SECONDS_FOR_EIGHT)
            if client.run(DAG, run_id)["state"] != "success":
                raise DemoError(f"The run {run_id} of {DAG} failed: see its log on {self.installation.base_url}.")
        return EightTasks(client.tasks(DAG, run_id))

    def before(self) -> State:
        """Read the state of the tutorial's installation."""
        eight = self.run_eight()
        with Progress("Reading the state before"):
            rows = sum(self.digests(OLD_DATABASE).counts().values())
            return self._state(OLD_COMMAND, rows, eight)

    def after(self) -> tuple[State, list[str]]:
        """Read the state of the lifted installation, and what of the old rows is not there as it was."""
        with Progress("Comparing every row of the old database with the new one"):
            new_database = self.installation.database_setting().replace("postgresql+psycopg2://", "postgresql://")
            found = self.digests(new_database)
            differences = digests.compare(self.digests(OLD_DATABASE), found, digests.RUNNING)
        eight = self.run_eight()
        with Progress("Reading the state after"):
            return self._state(NEW_COMMAND, sum(found.counts().values()), eight), differences

    def _state(self, command: tuple[str, ...], rows: int, eight: EightTasks) -> State:
        return State(
            warnings(self.installation.base_url, self.password),
            self.option(command, "core", "executor"),
            database_in_words(self.option(command, "database", "sql_alchemy_conn")),
            rows,
            eight,
        )
