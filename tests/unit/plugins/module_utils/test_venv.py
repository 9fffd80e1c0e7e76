# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How environments are installed: what the programs are given, and what becomes of what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._venv import Installer, InstallError

INDEX = "https://jane:s3/cr@et@pypi.example.org/simple"
# Stands for every program: writes down how it was called, makes what it would make, and fails for a package with the words of a file.
PROGRAM = """#!{python}
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
with open(folder / "calls", "a") as calls:
    calls.write(json.dumps([sys.argv, dict(os.environ)]) + "\\n")
def make(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pathlib.Path(__file__).read_text())
    path.chmod(0o755)
if "venv" in sys.argv:
    for name in ("python", "pip"):
        make(pathlib.Path(sys.argv[-1]) / "bin" / name)
elif pathlib.Path(sys.argv[0]).name == "pip":
    make(pathlib.Path(sys.argv[0]).parent / "uv")
elif "-c" in sys.argv:
    print("3.3.2")
for package in sys.argv:
    said = folder / package
    if "install" in sys.argv and "/" not in package and said.is_file() and package != "calls":
        sys.exit(said.read_text())
"""

# As uv 0.13 writes them.
NOT_FOUND = """error: No solution found when resolving dependencies
  cause: Because one was not found in the package registry and you require one, we can conclude that your requirements are unsatisfiable.
"""
CONFLICT = """error: No solution found when resolving dependencies
  cause: Because you require one and six>=1.17, we can conclude that your requirements are unsatisfiable.
"""
NOT_BUILT = """error: Failed to build `one==1.0`
  cause: The build backend returned an error
"""
REFUSED = """error: Failed to fetch: https://jane:s3/cr@et@pypi.example.org/simple/one/
  cause: error sending request for url (https://pypi.example.org/simple/one/)
  cause: Connection refused (os error 111)
"""
NO_LOGIN = f"""{NOT_FOUND}
hint: An index URL (https://pypi.example.org) could not be queried due to a lack of valid authentication credentials (401 Unauthorized)
"""
NOT_BUILT_FOR_WANT_OF_AN_ANSWER = """error: Failed to build `one==1.0`
  cause: Failed to resolve requirements from `build-system.requires`
  cause: No solution found when resolving: `hatchling`
  cause: Failed to fetch: https://pypi.example.org/simple/hatchling/
"""


class Workshop:
    """An installer whose programs are made up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "python3"
        self.python.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
        self.python.chmod(0o755)

    def install(self, carried: list[str], **keywords: Any) -> dict[str, str]:
        """Install an environment with everything in it."""
        installer = Installer(str(self.folder / "uv home"), "uv.txt", {"https_proxy": "http://joe:hidden@proxy:1"}, **keywords)
        locks = {"locks": ["3.3.2.txt"], "packages": [], "constraint_url": None}
        environment = {"path": str(self.folder / "venv"), "python": str(self.python), "version": "3.3.2", **locks}
        return installer.install({**environment, "requirements": ["more"], "carried": carried})

    def says(self, package: str, text: str) -> None:
        """Let the installation of a package fail with these words."""
        (self.folder / package).write_text(text)

    def calls(self) -> list[tuple[list[str], dict[str, str]]]:
        """Arguments and environment of every program that was started."""
        return [tuple(json.loads(line)) for line in (self.folder / "calls").read_text().splitlines()]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Made-up programs."""
    return Workshop(tmp_path)


def test_no_program_has_the_index_among_its_arguments(workshop: Workshop) -> None:
    assert workshop.install(["one"], index_url=INDEX) == {}
    calls = workshop.calls()
    assert [Path(argv[0]).name for argv, _environment in calls] == ["python3", "pip", "uv", "uv", "uv", "uv", "python"]
    for argv, environment in calls:
        assert not [word for word in argv if "://" in word]
        assert environment["UV_DEFAULT_INDEX"] == environment["PIP_INDEX_URL"] == INDEX


def test_a_wheelhouse_stands_in_for_the_index(workshop: Workshop) -> None:
    workshop.install([], index_url=INDEX, wheelhouse="/wheels")
    installs = [(argv, environment) for argv, environment in workshop.calls() if "install" in argv]
    assert len(installs) == 3
    for argv, environment in installs:
        place = argv.index("--no-index")
        assert argv[place + 1 : place + 3] == ["--find-links", "/wheels"]
        assert "UV_DEFAULT_INDEX" not in environment


def test_an_error_shows_no_login(workshop: Workshop) -> None:
    workshop.says("more", f"error: invalid value '{INDEX}', proxy http://joe:hidden@proxy:1, other https://a:b@host/x\n")
    with pytest.raises(InstallError) as error:
        workshop.install([], index_url=INDEX)
    assert str(error.value) == (
        "uv pip install failed: error: invalid value 'https://***@pypi.example.org/simple', proxy http://***@proxy:1, "
        "other https://***@host/x"
    )


@pytest.mark.parametrize("text", [NOT_FOUND, CONFLICT, NOT_BUILT], ids=["not found", "conflict", "not built"])
def test_a_carried_package_that_does_not_fit_is_left_out(text: str, workshop: Workshop) -> None:
    workshop.says("one", text)
    assert workshop.install(["one", "two"]) == {"one": f"uv pip install failed: {text.strip()}"}
    assert [argv for argv, _environment in workshop.calls() if "two" in argv][-1].count("one") == 0


@pytest.mark.parametrize("text", [REFUSED, NO_LOGIN, NOT_BUILT_FOR_WANT_OF_AN_ANSWER], ids=["refused", "no login", "no answer to a build"])
def test_an_index_that_does_not_answer_leaves_nothing_out(text: str, workshop: Workshop) -> None:
    workshop.says("one", text)
    with pytest.raises(InstallError) as error:
        workshop.install(["one", "two"], index_url=INDEX)
    assert str(error.value) == (
        "The packages of the old installation (one, two) could not be looked for: make the package index reachable "
        "(airflow_package_index_url, airflow_proxy_environment, airflow_wheelhouse) and run again. "
        f"uv pip install failed: {text.replace('jane:s3/cr@et', '***').strip()}"
    )
