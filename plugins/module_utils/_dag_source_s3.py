# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DAGs in a bucket of S3 or of a server that speaks its protocol, read on the controller by boto3."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ._dag_options import NAME, base_path, requirements_path
from ._dag_sources import (
    DIGEST_LENGTH,
    LEFT_OUT_FOLDERS,
    LEFT_OUT_SUFFIXES,
    Controller,
    Revision,
    SourceError,
    pack_folder,
    refuse_without_dags,
    requirements_of,
)

PARALLEL = 8
# What a server answers when the request itself was right and the key is not.
REFUSALS = ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")


class S3Source:
    """The objects under a prefix; the revision is a digest of their keys and ETags."""

    def __init__(self, options: Mapping[str, Any], controller: Controller) -> None:
        self.options = options
        self.controller = controller
        self.bucket = str(options["bucket"])
        folder = base_path(options)
        self.prefix = f"{folder}/" if folder else ""
        endpoint = options.get("endpoint_url")
        self.place = f"s3://{self.bucket}/{self.prefix}" + (f" at {endpoint}" if endpoint else "")
        self._opened: Any = None

    def resolve(self) -> Revision:
        """List the bucket."""
        with self._explained():
            objects = self._objects()
            digest = self._digest(objects)
            requirements = self._requirements()
        return Revision(f"s3-{digest}", f"those of {self.place} ({digest})", requirements)

    def pack(self, revision: Revision, target: str) -> None:
        """Fetch every object, unless the bucket holds something else by now."""
        folder = tempfile.mkdtemp(prefix="s3-", dir=self.controller.work_dir)
        try:
            with self._explained():
                objects = self._objects()
                if revision.name != f"s3-{self._digest(objects)}":
                    raise SourceError(f"{self.place} changed during the run: run again.")
                with ThreadPoolExecutor(PARALLEL) as pool:
                    list(pool.map(lambda item: self._fetch(item[0], item[1], folder), objects.items()))
            pack_folder(folder, target)
        finally:
            shutil.rmtree(folder)

    @property
    def _client(self) -> Any:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise SourceError(f"{NAME} has the source s3, and Ansible's Python on the controller has no boto3: install it there.") from None
        given = self.options
        # A server of one's own seldom has a name per bucket.
        style = {"addressing_style": "path"} if given.get("endpoint_url") else {}
        return boto3.client(
            "s3",
            endpoint_url=given.get("endpoint_url") or None,
            region_name=given.get("region") or None,
            aws_access_key_id=given.get("access_key") or None,
            aws_secret_access_key=given.get("secret_key") or None,
            config=Config(signature_version="s3v4", s3=style, connect_timeout=20, read_timeout=60, max_pool_connections=PARALLEL),
        )

    def _objects(self) -> dict[str, str]:
        """ETags by path under the prefix."""
        found = {}
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
            for entry in page.get("Contents", ()):
                path = entry["Key"][len(self.prefix) :]
                # Web consoles write an empty object for a folder.
                if path and not path.endswith("/") and not self._is_left_out(path):
                    found[path] = entry["ETag"]
        self._refuse_names_that_are_no_paths(found)
        refuse_without_dags(found, self.place)
        return found

    def _refuse_names_that_are_no_paths(self, objects: Mapping[str, str]) -> None:
        folders = {path[:position] for path in objects for position, character in enumerate(path) if character == "/"}
        for path in objects:
            if path in folders or any(part in ("", ".", "..") for part in path.split("/")):
                raise SourceError(f"{path!r} in {self.place} cannot be a file on a host: rename the object.")

    @staticmethod
    def _is_left_out(path: str) -> bool:
        return path.endswith(LEFT_OUT_SUFFIXES) or any(part in LEFT_OUT_FOLDERS for part in path.split("/"))

    @staticmethod
    def _digest(objects: Mapping[str, str]) -> str:
        text = "".join(f"{path}\0{tag}\0" for path, tag in sorted(objects.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]

    def _fetch(self, path: str, tag: str, folder: str) -> None:
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        # Only the content that was listed: an object that was written since answers with an error.
        answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + path, IfMatch=tag)
        with open(target, "wb") as stream:
            shutil.copyfileobj(answer["Body"], stream)

    def _requirements(self) -> list[str]:
        key = requirements_path(self.options)
        if not key:
            return []
        try:
            text = self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode(errors="replace")
        except self._client.exceptions.NoSuchKey:
            text = None
        return requirements_of(text, f"s3://{self.bucket}/{key}", bool(self.options.get("requirements")))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of boto3 as sentences; none of them quotes a secret."""
        try:
            yield
        except Exception as error:
            if not type(error).__module__.startswith("botocore."):
                raise
            raise SourceError(self._explain(error)) from None

    def _explain(self, error: Exception) -> str:
        code = str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))
        if code in REFUSALS:
            return f"The server refuses to show {self.place} ({code}): correct {NAME}.access_key and secret_key, or what they may read."
        if code in ("404", "NoSuchBucket"):
            return f"There is no bucket {self.bucket}: correct {NAME}.bucket, endpoint_url or region."
        if code in ("412", "PreconditionFailed", "NoSuchKey"):
            return f"{self.place} changed during the run: run again."
        if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
            return f"boto3 found no credentials for {self.place}: set {NAME}.access_key and secret_key, or give the controller a profile."
        return f"{self.place} could not be read ({code or type(error).__name__}): correct {NAME}.endpoint_url, region or bucket."
