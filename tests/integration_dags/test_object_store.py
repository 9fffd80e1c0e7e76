# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DAGs from a bucket of a real server."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.updraft.airflow.plugins.module_utils._dag_source_s3 import S3Source
from ansible_collections.updraft.airflow.plugins.module_utils._dag_sources import Controller, SourceError
from object_store import ACCESS_KEY, LISTED_AT_ONCE, REGION, SECRET_KEY, ObjectStore, free_port

Open = Callable[..., S3Source]


@pytest.fixture
def opened(object_store: ObjectStore, controller: Controller) -> Open:
    def make(prefix: str, **options: Any) -> S3Source:
        given = {"bucket": "data", "endpoint_url": object_store.url, "region": REGION, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
        return S3Source({"source": "s3", "prefix": prefix, **given, **options}, controller)

    return make


def put(bucket: Any, **objects: str) -> None:
    """Write objects (`__` is a slash, files end with .py)."""
    for name, content in objects.items():
        bucket.put_object(Bucket="data", Key=name.replace("__", "/") + ".py", Body=content.encode())


def refused(source: S3Source) -> str:
    """The one sentence that speaks against a bucket."""
    with pytest.raises(SourceError) as error:
        source.resolve()
    (sentence,) = error.value.findings
    return sentence


def content(archive: Path) -> dict[str, str]:
    """Files of an archive with their text."""
    with tarfile.open(archive) as members:
        return {name: (members.extractfile(name) or open("/dev/null", "rb")).read().decode() for name in members.getnames()}


def test_a_bucket_is_fetched_whole(bucket: Any, opened: Open, tmp_path: Path) -> None:
    names = [f"whole__lib__m{number}" for number in range(2 * LISTED_AT_ONCE + 3)]
    put(bucket, whole__a="1", **{name: name for name in names}, wholesale__b="2")
    bucket.put_object(Bucket="data", Key="whole/lib/", Body=b"")
    bucket.put_object(Bucket="data", Key="whole/ü & +%20.py", Body=b"3")
    source = opened("whole")
    revision = source.resolve()
    source.pack(revision, str(tmp_path / "a.tar.gz"))
    found = content(tmp_path / "a.tar.gz")
    assert found.pop("a.py") == "1" and found.pop("ü & +%20.py") == "3"
    assert found == {f"lib/{name.rpartition('__')[2]}.py": name for name in names}


def test_a_revision_is_the_content(bucket: Any, opened: Open) -> None:
    put(bucket, same__a="1")
    first = opened("same").resolve()
    put(bucket, same__a="1")
    assert opened("same/").resolve().name == first.name
    put(bucket, same__a="2")
    assert opened("same").resolve().name != first.name


def test_a_bucket_that_changes_meanwhile_is_told(bucket: Any, opened: Open, tmp_path: Path, object_store: ObjectStore) -> None:
    put(bucket, moving__a="1")
    source = opened("moving")
    revision = source.resolve()
    put(bucket, moving__a="2")
    with pytest.raises(SourceError, match=f"^s3://data/moving/ at {object_store.url} changed during the run: run again.$"):
        source.pack(revision, str(tmp_path / "a.tar.gz"))
    with pytest.raises(SourceError, match=r"changed during the run: run again\.$"), source._explained():
        source._fetch("a.py", '"c4ca4238a0b923820dcc509a6f75849b"', str(tmp_path))


def test_requirements_are_beside_the_dags(bucket: Any, opened: Open) -> None:
    put(bucket, mwaa__dags__a="1")
    assert opened("mwaa/dags").resolve().requirements == []
    bucket.put_object(Bucket="data", Key="mwaa/requirements.txt", Body=b"rich\n")
    assert opened("mwaa/dags", requirements="../requirements.txt").resolve().requirements == ["rich"]
    bucket.put_object(Bucket="data", Key="mwaa/dags/requirements.txt", Body=b"humanize\n")
    assert opened("mwaa/dags").resolve().requirements == ["humanize"]
    assert refused(opened("mwaa/dags", requirements="r.txt")) == (
        "There is no s3://data/mwaa/dags/r.txt, which airflow_dags.requirements names: correct it, or remove it."
    )


def test_what_a_server_refuses_is_told(bucket: Any, opened: Open, object_store: ObjectStore) -> None:
    place = f"s3://data/x/ at {object_store.url}"
    put(bucket, x__a="1")
    sentence = f"The server refuses to show {place} ({{}}): correct airflow_dags.access_key and secret_key, or what they may read."
    assert refused(opened("x", secret_key="wrong")) == sentence.format("SignatureDoesNotMatch")
    assert refused(opened("x", access_key="acme:nobody")).startswith("The server refuses to show")
    assert refused(opened("x", bucket="none")) == "There is no bucket none: correct airflow_dags.bucket, endpoint_url or region."
    assert refused(opened("none")) == (
        f"s3://data/none/ at {object_store.url} holds no file that ends with .py or .zip: correct the path in airflow_dags."
    )


def test_a_server_that_is_not_there_is_told(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    address = f"http://127.0.0.1:{free_port()}"
    assert refused(opened("x", endpoint_url=address)) == (
        f"s3://data/x/ at {address} could not be read (EndpointConnectionError): correct airflow_dags.endpoint_url, region or bucket."
    )


def test_keys_may_come_from_the_controllers_profile(bucket: Any, opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(bucket, profile__a="1")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert refused(opened("profile", access_key=None, secret_key=None)).startswith("boto3 found no credentials for s3://data/profile/")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    assert opened("profile", access_key=None, secret_key=None).resolve().name.startswith("s3-")
