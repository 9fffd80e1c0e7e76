# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that DAGs come from, on loopback, and a controller that asks them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from git_servers import HttpsServer, Repository, SshServer
from object_store import ACCESS_KEY, REGION, SECRET_KEY, ObjectStore


def environment_folder(name: str, meaning: str) -> Path:
    """A virtual environment that the Makefile made."""
    folder = os.environ.get(name, "")
    if not folder or not (Path(folder) / "bin" / "python").exists():
        pytest.fail(f"{name} must name a virtual environment of {meaning}; 'make dags' makes and names it.")
    return Path(folder)


@pytest.fixture(scope="session")
def airflows() -> dict[int, Path]:
    """The environments of both lines of Airflow."""
    return {line: environment_folder(f"UPDRAFT_VENV_{line}", f"Airflow {line}") for line in (2, 3)}


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with a tag and a branch."""
    made = Repository(tmp_path_factory.mktemp("repositories") / "dags")
    made.commit({"dags/a.py": "1", "dags/requirements.txt": "rich\n", "README": ""}, tag="v1")
    made.commit({"dags/a.py": "2"}, tag="v2")
    return made


@pytest.fixture(scope="session")
def ssh_server(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """OpenSSH with a deploy key."""
    server = SshServer(tmp_path_factory.mktemp("sshd"), repository.path.parent)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def https_server(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServer]:
    """git over https with a token."""
    server = HttpsServer(tmp_path_factory.mktemp("https"), repository.path.parent)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """OpenStack Swift."""
    store = ObjectStore(environment_folder("UPDRAFT_SWIFT", "OpenStack Swift"), tmp_path_factory.mktemp("swift"))
    try:
        store.start()
        yield store
    finally:
        store.stop()


@pytest.fixture(scope="session")
def bucket(object_store: ObjectStore) -> Any:
    """A bucket with DAGs, as boto3 sees it."""
    settings = Config(s3={"addressing_style": "path"}, signature_version="s3v4")
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": REGION}
    client = boto3.client("s3", endpoint_url=object_store.url, config=settings, **keys)
    client.create_bucket(Bucket="data")
    return client


@pytest.fixture
def controller(tmp_path: Path) -> Any:
    """A controller with a folder for this run."""
    # The collection can be imported only when pytest is set up.
    from ansible_collections.updraft.airflow.plugins.module_utils._dag_sources import Controller

    (tmp_path / "work").mkdir()
    return Controller(str(tmp_path), str(tmp_path / "work"), lambda path: Path(path).read_text(encoding="utf-8"))
