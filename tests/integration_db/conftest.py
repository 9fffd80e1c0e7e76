# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the tests' own, and databases that real Airflow versions have made in them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from metadata_mysql_server import MysqlServer, fit, running_server
from metadata_seed import Fit, seed
from metadata_server import PASSWORD, SERVER_ZONE, USER, Airflow, Made, Server, mysql_url, url

# Needs versions that only `make test-sources` installs.
collect_ignore = [] if os.environ.get("UPDRAFT_TESTS_SOURCES") else ["test_older_sources.py"]
SEEDED_ROWS = {"task_instance": 1500, "log": 1500, "xcom": 800, "dag_run": 200}


def _as_postgres(command: list[str]) -> list[str]:
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A throw-away server on a free loopback port."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not versions:
        pytest.fail("There is no PostgreSQL server in /usr/lib/postgresql; install Debian's package postgresql.")
    binaries = versions[-1].parent
    # The server's user must reach the folder, which it cannot below pytest's own.
    folder = Path(subprocess.run(["mktemp", "-d", "/tmp/updraft-pg.XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    make = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c timezone={SERVER_ZONE} -c fsync=off"
    start = [str(binaries / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start"]
    for command in (make, start):
        done = subprocess.run(_as_postgres(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd="/")
        if done.returncode:
            pytest.fail(f"The PostgreSQL server of the tests cannot be started: {done.stdout}")
    rules = data / "pg_hba.conf"
    rules.write_text("local all postgres trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    running = Server(port)
    running.query("SELECT pg_reload_conf()")
    running.query(f"CREATE ROLE {USER} LOGIN PASSWORD %s", parameters=(PASSWORD,))
    yield running
    subprocess.run(
        _as_postgres([str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]), check=True, capture_output=True, cwd="/"
    )
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def airflows(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Airflow]:
    """The two versions of Airflow."""
    found = {}
    for line in (2, 3):
        folder = os.environ.get(f"UPDRAFT_VENV_{line}", "")
        if not os.access(Path(folder) / "bin/airflow", os.X_OK) or not folder:
            pytest.fail(f"UPDRAFT_VENV_{line} must name a virtual environment of Airflow {line}; 'make database' makes and names it.")
        found[line] = Airflow(line, Path(folder), tmp_path_factory.mktemp(f"airflow{line} home"))
    return found


@pytest.fixture(scope="session")
def mysql() -> Iterator[MysqlServer]:
    """A throw-away MySQL server."""
    with running_server() as server:
        yield server


def each_line(prepare: Callable[[int], None]) -> None:
    """Do something for both lines, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(prepare, (2, 3)))


@pytest.fixture(scope="session")
def files(airflows: dict[int, Airflow]) -> dict[int, Path]:
    """Per line an SQLite file without data. The first call of a version also writes its airflow.cfg."""
    found = {line: airflow.home / "airflow.db" for line, airflow in airflows.items()}
    each_line(lambda line: airflows[line].migrate(f"sqlite:///{found[line]}"))
    return found


@pytest.fixture(scope="session")
def made(server: Server, airflows: dict[int, Airflow], files: dict[int, Path]) -> Made:
    """Fresh databases of both lines in PostgreSQL, and the reference of a migration without data."""
    templates = {line: server.create() for line in (2, 3)}
    each_line(lambda line: airflows[line].migrate(url(server, templates[line])))
    migrated = server.create(templates[2])
    airflows[3].migrate(url(server, migrated))
    return Made(files, templates, migrated)


@pytest.fixture(scope="session")
def made_in_mysql(mysql: MysqlServer, airflows: dict[int, Airflow], files: dict[int, Path]) -> Made:
    """The same in MySQL."""
    templates = {line: mysql.create() for line in (2, 3)}
    each_line(lambda line: airflows[line].migrate(mysql_url(mysql.port, templates[line])))
    migrated = mysql.create(templates[2])
    airflows[3].migrate(mysql_url(mysql.port, migrated))
    return Made(files, templates, migrated)


@pytest.fixture(scope="session")
def sources(files: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Per line an SQLite database with rows in every table."""
    return _seeded(files, tmp_path_factory.mktemp("sources with spaces"), {})


@pytest.fixture(scope="session")
def sources_for_mysql(mysql: MysqlServer, made_in_mysql: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The same, without what MySQL's columns cannot hold."""
    fits = {line: fit(mysql, template) for line, template in made_in_mysql.templates.items()}
    return _seeded(made_in_mysql.files, tmp_path_factory.mktemp("sources for mysql"), fits)


def _seeded(files: dict[int, Path], folder: Path, fits: dict[int, Fit]) -> dict[int, Path]:
    result = {}
    for line, path in files.items():
        result[line] = folder / f"airflow {line}?.db"
        shutil.copy(path, result[line])
        seed(str(result[line]), SEEDED_ROWS, fits.get(line))
    return result


@pytest.fixture(scope="session")
def copied(server: Server, made: Made, sources: dict[int, Path]) -> dict[int, str]:
    """Per line a database with a finished copy; tests that change it make one of their own out of it."""
    result = {}
    for line, path in sources.items():
        result[line] = server.create(made.templates[line])
        server.copy(path, result[line])
    return result
