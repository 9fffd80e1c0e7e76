# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two actions about DAGs share: the source that `airflow_dags` names, and the folder it works in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ansible import constants
from ansible_collections.updraft.airflow.plugins.module_utils._dag_source_git import GitSource
from ansible_collections.updraft.airflow.plugins.module_utils._dag_source_s3 import S3Source
from ansible_collections.updraft.airflow.plugins.module_utils._dag_sources import Controller, FolderSource, Source

REGISTERED = "__airflow_dag_source"
SOURCES: Mapping[str, Callable[[Mapping[str, Any], Controller], Source]] = {"folder": FolderSource, "git": GitSource, "s3": S3Source}


def work_dir() -> str:
    """A folder that all processes of this run share, and that Ansible removes at its end."""
    path = os.path.join(constants.DEFAULT_LOCAL_TMP, "airflow-dags")
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def open_source(options: Mapping[str, Any], base_dir: str, loader: Any) -> Source:
    """The source of options without problems, with relative paths that start at `base_dir`."""
    return SOURCES[options["source"]](options, Controller(base_dir, work_dir(), loader.get_text_file_contents))
