# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pytest fixtures for the scenarios: the installation on a host, its API, a browser, and running the playbook again."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from . import api, hosts, pages, playbook, secrets

CHECKOUT = Path(__file__).resolve().parents[3]
CHECKS_ON_HOST = "/var/tmp/updraft-checks"
GROUPS = ("airflow_group", "airflow_metadata_db_group", "airflow_broker_group")
TUTORIAL_FILES = CHECKOUT / "tests" / "fixtures" / "tutorial" / "files"
# One line for each file: the same name may have another value in another daemon's.
READ_ENVIRONMENTS = """\
set -a
for file in /etc/airflow/*.env; do
  (. "$file" && /usr/bin/python3 -c 'import json, os; print(json.dumps(dict(os.environ)))')
done
"""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Let a skipped test fail: what is not run proves nothing."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which counts as a failure: {report.longrepr}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files in the order of their numbers, whatever folder each is in: some leave traces that an earlier one would not like."""
    items.sort(key=lambda item: item.path.name)


@dataclass(frozen=True)
class Installation:
    """Airflow on one host of a scenario."""

    host: Any
    name: str
    variables: dict[str, Any]
    base_url: str
    inventory_dir: Path

    @property
    def line(self) -> int:
        """2 or 3."""
        return api.line_at(self.base_url)

    def executions(self, *run_ids: str) -> list[hosts.Execution]:
        """What the tasks of these runs noted outside Airflow; of all runs where none is named."""
        place = str(self.variables.get("test_notes", "/home/jane/tutorial/executions"))
        found = hosts.executions(self.host, place) if self.host.file(place).exists else []
        return [execution for execution in found if not run_ids or execution.run_id in run_ids]

    @property
    def adopted_home(self) -> str:
        """The AIRFLOW_HOME that was taken over."""
        return str(self.variables["airflow_adopt_home"])

    @property
    def admin(self) -> tuple[str, str]:
        """Name and password of an administrator: of the old installation where there was one, else the generated."""
        if "test_admin" in self.variables:
            return self.variables["test_admin"]["username"], self.variables["test_admin"]["password"]
        if "airflow_adopt_home" in self.variables:
            generated = hosts.run(self.host, "cat", f"{self.adopted_home}/simple_auth_manager_passwords.json.generated")
            return "admin", json.loads(generated)["admin"]
        installation = self.variables.get("airflow_installation", "airflow")
        place = self.inventory_dir / "credentials" / installation / "admin_password.txt"
        return "admin", place.read_text(encoding="utf-8").strip()

    def database_setting(self, name: str = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN") -> str:
        """A value of the environment that the command line on the host has."""
        return hosts.run(self.host, "sh", "-c", f'. /etc/airflow/cli.env; printf %s "${name}"')

    def results_setting(self) -> str:
        """The address of the results' database, as a worker has it."""
        url = hosts.run(self.host, "sh", "-c", '. /etc/airflow/worker.env; printf %s "$AIRFLOW__CELERY__RESULT_BACKEND"')
        return str(url.removeprefix("db+"))

    def secrets(self) -> dict[str, str]:
        """Everything that no output may show, by what it is."""
        found: dict[str, str] = {}
        for number, line in enumerate(hosts.run(self.host, "env", "-i", "/bin/sh", "-c", READ_ENVIRONMENTS).splitlines()):
            found |= {f"{name} in environment {number}": value for name, value in secrets.of_environment(json.loads(line)).items()}
        generated = self.inventory_dir / "credentials" / str(self.variables.get("airflow_installation", "airflow"))
        # Certificates are everybody's, their keys are not.
        files = [place for place in generated.rglob("*.txt") if not place.name.endswith(".crt.txt")]
        found |= {place.name: place.read_text(encoding="utf-8").strip() for place in files}
        found["the administrator's password"] = self.admin[1]
        found |= {f"the secret of a {kind}": value for kind, value in self.variables.get("test_secrets", {}).items()}
        if "airflow_adopt_home" in self.variables:
            connections = json.loads((TUTORIAL_FILES / "connections.json").read_text(encoding="utf-8"))
            found |= {f"the password of connection {name}": each.get("password") or "" for name, each in connections.items()}
        return found

    @property
    def engine(self) -> str:
        """postgresql, mysql or sqlite."""
        return self.database_setting().partition(":")[0].partition("+")[0]

    def query(self, statement: str, url: str = "") -> list[list[Any]]:
        """Rows of a statement in the metadata database, or in the one of an SQLAlchemy URL, read on the host with the engine's driver."""
        return list(json.loads(self.on_host("airflow_checks.query", url or self.database_setting(), statement)))

    def on_host(self, module: str, *arguments: str) -> str:
        """Run a module of this package with the host's system Python."""
        ship_checks(self.host, self.name)
        words = ["env", f"PYTHONPATH={CHECKS_ON_HOST}", "/usr/bin/python3", "-m", module, *arguments]
        return hosts.run(self.host, *words)

    def client(self) -> api.Client:
        """The API as an administrator."""
        return api.connect(self.base_url, *self.admin)


def ship_checks(host: Any, name: str) -> None:
    """Put this package on a container, once."""
    if host.file(CHECKS_ON_HOST).exists:
        return
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        with tarfile.open(archive.name, "w") as tar:
            tar.add(Path(__file__).parent, arcname="airflow_checks", filter=lambda entry: None if "__pycache__" in entry.name else entry)
        hosts.run(host, "mkdir", "-p", CHECKS_ON_HOST)
        subprocess.run(["docker", "cp", "-q", "-", f"{name}:{CHECKS_ON_HOST}"], stdin=archive, check=True)


def inventory_dir() -> Path:
    """The folder with the scenario's inventory: molecule's own file and a link to the scenario's."""
    return Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent


def edit_inventory(old: str, new: str) -> None:
    """Replace a part of the scenario's inventory, in the copy that this run of the scenario has."""
    place = inventory_dir() / "hosts"
    text = place.read_text(encoding="utf-8")
    assert old in text, f"{place} has no {old!r}"
    # It may be a link to the scenario's own.
    place.unlink()
    place.write_text(text.replace(old, new), encoding="utf-8")


def published_url(container: str, scheme: str = "http") -> str:
    """Where a container's port 8080 is on this machine."""
    said = subprocess.run(["docker", "port", container, "8080/tcp"], capture_output=True, text=True, check=True).stdout
    return f"{scheme}://{said.splitlines()[0]}"


def installation_on(host: Any) -> Installation:
    """The installation on a host of testinfra's."""
    name = host.backend.get_hostname()
    variables = host.ansible.get_variables()
    scheme = "https" if variables.get("airflow_tls") == "own_ca" else "http"
    if scheme == "https":
        # Whom requests trusts: nobody but the installation's own authority, as its hosts do.
        os.environ["REQUESTS_CA_BUNDLE"] = str(inventory_dir() / "credentials" / "airflow" / "tls" / "ca.crt.txt")
    return Installation(host, name, variables, variables.get("test_base_url") or published_url(name, scheme), inventory_dir())


def play(name: str, *words: str, host: str = "") -> playbook.PlayRun:
    """Run a playbook of the collection on the scenario's inventory; what is counted is what it says of a host, or of all."""
    log = CHECKOUT / ".cache" / "site" / os.environ["MOLECULE_SCENARIO_NAME"] / f"{name}.log"
    return playbook.run(["--inventory", str(inventory_dir()), *words, f"updraft.airflow.{name}"], host, log)


@pytest.fixture
def installation(host: Any) -> Installation:
    """The installation on the host under test."""
    return installation_on(host)


@pytest.fixture
def group() -> Callable[[str], dict[str, Any]]:
    """The hosts of a group of the inventory as it is now, by name, as testinfra's hosts."""
    place = str(inventory_dir())

    def find(name: str) -> dict[str, Any]:
        # testinfra would go on with the inventory that it read first.
        names = [str(each) for each in InventoryManager(DataLoader(), sources=[place]).get_hosts(name)]
        return {each: testinfra.get_host(f"ansible://{each}", ansible_inventory=place) for each in names}

    return find


@pytest.fixture
def pictures(installation: Installation) -> Path:
    """Where this scenario's pictures are kept."""
    return CHECKOUT / ".cache" / "pictures" / os.environ["MOLECULE_SCENARIO_NAME"] / installation.name


@pytest.fixture
def look(pictures: Path) -> Iterator[pages.Browser]:
    """A browser."""
    with pages.browser(pictures) as window:
        yield window


@pytest.fixture
def run_site(installation: Installation) -> Any:
    """Run site once more for the installation on this host, and return what it told."""

    def run(*arguments: str, inventory: Path | None = None) -> playbook.PlayRun:
        # Of several installations in the inventory, this one's groups say which it is.
        groups = [f"--extra-vars={name}={installation.variables[name]}" for name in GROUPS if name in installation.variables]
        words = ["--inventory", str(inventory or inventory_dir()), *groups, *arguments, "updraft.airflow.site"]
        name = "".join([installation.name, *arguments])
        log = CHECKOUT / ".cache" / "site" / os.environ["MOLECULE_SCENARIO_NAME"] / f"{name}.log"
        return playbook.run(words, installation.name, log)

    return run
