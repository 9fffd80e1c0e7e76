# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at Airflow's real web pages with headless Chromium, as a person does.

with pages.browser(folder) as look:
    look.log_in("http://127.0.0.1:8080", "jane", "secret")
    assert look.warnings() == []
    look.picture("home")
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
MILLISECONDS = 60_000
SQLITE_WARNING = "Do not use SQLite as metadata DB in production"
SEQUENTIAL_WARNING = "Do not use the SequentialExecutor in production"
LOGIN_ANSWERED = "() => !location.pathname.includes('/login') || /invalid|incorrect|unauthorized/i.test(document.body?.innerText ?? '')"


class LoginRefused(AssertionError):
    """The page did not let this user in."""


class Browser:
    """One window, logged in or not."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.base_url = ""
        self.line = 0

    def log_in(self, base_url: str, username: str, password: str) -> None:
        """Fill in the login form; the home page is open afterwards."""
        self.base_url = base_url
        self.page.goto(base_url + "/", wait_until="domcontentloaded")
        self.page.locator("input[name=username]").first.wait_for()
        # 2.11's own pages are under /login/; 3.3 has FAB's under /auth/login/ and its simple one at /auth/login.
        self.line = 3 if "/auth/" in self.page.url else 2
        self.page.locator("input[name=username]").first.fill(username)
        self.page.locator("input[name=password]").first.fill(password)
        self.page.locator("input[type=submit], button[type=submit]").first.click()
        self.page.wait_for_function(LOGIN_ANSWERED)
        if "/login" in self.page.url:
            raise LoginRefused(f"{username} could not log in at {base_url}, see {self.picture('login-refused')}.")
        self.home()

    def home(self) -> str:
        """Open the home page; return its text once it shows who is logged in."""
        if self.line == 2:
            self.page.goto(f"{self.base_url}/home", wait_until="domcontentloaded")
            self.page.get_by_text("Auto-refresh").first.wait_for()
        else:
            self.page.goto(f"{self.base_url}/", wait_until="domcontentloaded")
            self.page.get_by_text(re.compile("^dags$", re.IGNORECASE)).first.wait_for()
            self.page.wait_for_load_state("networkidle")
        return self.text()

    def text(self) -> str:
        """Return what can be read on the page."""
        return self.page.locator("body").inner_text()

    def warnings(self) -> list[str]:
        """Return the home page's warnings about SQLite and SequentialExecutor, those that are shown."""
        shown = self.home()
        return [warning for warning in (SQLITE_WARNING, SEQUENTIAL_WARNING) if warning in " ".join(shown.split())]

    def picture(self, name: str) -> Path:
        """Keep a picture of the whole page."""
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / f"{name}.png"
        self.page.screenshot(path=str(place), full_page=True)
        return place

    def task_log(self, dag_id: str, run_id: str, task_id: str, expected: str) -> str:
        """Open the page with a task's log and wait for a text in it; return what can be read."""
        dag, run, task = (quote(part, safe="") for part in (dag_id, run_id, task_id))
        if self.line == 2:
            self.page.goto(f"{self.base_url}/dags/{dag}/grid?dag_run_id={run}&task_id={task}&tab=logs", wait_until="domcontentloaded")
        else:
            self.page.goto(f"{self.base_url}/dags/{dag}/runs/{run}/tasks/{task}", wait_until="domcontentloaded")
        try:
            self.page.get_by_text(expected).first.wait_for()
        except BrowserError as error:
            seen = f"see {self.picture('log-not-shown')}, which ends with: {self.text()[-1500:]}"
            raise AssertionError(f"The log page of {dag_id}.{task_id} in {run_id} does not show {expected!r}, {seen}") from error
        return self.text()


@contextmanager
def browser(folder: str | Path) -> Iterator[Browser]:
    """Start Chromium; pictures go to the folder."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        try:
            # Its authorities are its own; who asks the API verifies.
            page = chromium.new_page(viewport={"width": 1400, "height": 1000}, locale="en-US", ignore_https_errors=True)
            page.set_default_timeout(MILLISECONDS)
            yield Browser(page, Path(folder))
        finally:
            chromium.close()
