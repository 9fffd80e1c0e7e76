# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the packages of a hand-made installation are."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils.host_daemons import find_daemons
from ansible_collections.updraft.airflow.plugins.module_utils.host_source import airflow_version, find_source, read_packages


def test_the_environment_of_a_running_daemon_wins_over_one_nearby(old_airflow: Any, tmp_path: Path) -> None:
    old_airflow.start("scheduler")
    shutil.copytree(old_airflow.prefix, old_airflow.home / "venv", symlinks=True)
    source = find_source(str(old_airflow.home), str(old_airflow.folder), find_daemons(str(old_airflow.home)))
    assert source is not None
    assert (source.prefix, source.site) == (str(old_airflow.prefix), str(old_airflow.site))
    assert source.python_path == os.path.realpath(sys.executable)
    assert source.python_version == ".".join(str(part) for part in sys.version_info[:3])


def test_a_daemon_whose_title_tells_no_path_shows_it_in_its_environment(old_airflow: Any, tmp_path: Path) -> None:
    old_airflow.start("api-server", TITLE="airflow api_server -- host:0.0.0.0 port:8080")
    daemons = find_daemons(str(old_airflow.home))
    source = find_source(str(old_airflow.home), str(tmp_path / "no such home"), daemons)
    assert source is not None and source.prefix == str(old_airflow.prefix)


def test_found_below_the_home_when_nothing_runs(old_airflow: Any) -> None:
    source = find_source(str(old_airflow.home), str(old_airflow.folder), [])
    assert source is not None and source.prefix == str(old_airflow.prefix)


def test_not_searched_for_without_end(old_airflow: Any, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    shutil.move(old_airflow.prefix, deep / "venv")
    found = find_source(str(old_airflow.home), str(tmp_path), [])
    assert found is None or not (found.prefix or "").startswith(str(tmp_path))


def test_an_environment_without_airflow_is_passed_over(old_airflow: Any, tmp_path: Path) -> None:
    other = tmp_path / "a-venv"
    other.mkdir()
    (other / "pyvenv.cfg").write_text("home = /usr/bin\n")
    source = find_source(str(old_airflow.home), str(old_airflow.folder), [])
    assert source is not None and source.prefix == str(old_airflow.prefix)


def test_user_site(old_airflow: Any, tmp_path: Path) -> None:
    site = tmp_path / ".local" / "lib" / "python3.11" / "site-packages"
    site.parent.mkdir(parents=True)
    shutil.move(old_airflow.site, site)
    source = find_source(str(old_airflow.home), str(tmp_path), [])
    assert source is not None
    assert (source.prefix, source.site, source.python_version) == (None, str(site), "3.11")


def test_the_user_site_of_a_running_daemon_is_no_environment(old_airflow: Any, tmp_path: Path) -> None:
    shutil.move(old_airflow.prefix, tmp_path / ".local")
    old_airflow.prefix = tmp_path / ".local"
    old_airflow.script = old_airflow.prefix / "bin" / "airflow"
    (old_airflow.prefix / "pyvenv.cfg").unlink()
    old_airflow.start("scheduler")
    source = find_source(str(old_airflow.home), str(tmp_path), find_daemons(str(old_airflow.home)))
    assert source is not None and source.prefix is None
    assert source.site.startswith(str(tmp_path / ".local" / "lib"))


@pytest.mark.parametrize(("told", "version"), [("version_info = 3.11.9.final.0", "3.11.9"), ("version = 3.10.1", "3.11"), ("", "3.11")])
def test_version_of_the_interpreter(old_airflow: Any, told: str, version: str) -> None:
    site = old_airflow.prefix / "lib" / "python3.11" / "site-packages"
    if old_airflow.site != site:
        site.parent.mkdir()
        shutil.move(old_airflow.site, site)
    (old_airflow.prefix / "pyvenv.cfg").write_text(f"home = /usr/bin\n{told}\n")
    source = find_source(str(old_airflow.home), str(old_airflow.folder), [])
    assert source is not None and source.python_version == version


def test_packages_are_read_from_their_metadata(old_airflow: Any) -> None:
    old_airflow.add_package("Cowsay", "6.1")
    old_airflow.add_package("own-tool", "0.1", url="file:///home/jane/own-tool")
    (old_airflow.site / "damaged-1.0.dist-info").mkdir()
    assert read_packages(str(old_airflow.site)) == [
        {"name": "apache-airflow", "version": "2.11.2", "url": None},
        {"name": "Cowsay", "version": "6.1", "url": None},
        {"name": "own-tool", "version": "0.1", "url": "file:///home/jane/own-tool"},
    ]
    assert airflow_version(str(old_airflow.site)) == "2.11.2"
