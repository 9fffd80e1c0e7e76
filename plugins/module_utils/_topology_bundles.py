# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundles of Airflow 3: the places that DAGs come from. Airflow's own default, or the user's list, and what is added to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ._canary_names import BUNDLE

LOCAL_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
DAGS_FOLDER_BUNDLE: Mapping[str, Any] = {"name": "dags-folder", "classpath": LOCAL_BUNDLE, "kwargs": {}}
"""What Airflow has when the option is not set."""


def canary_folder(home: str) -> str:
    """Where the canary's DAG is handed out, in both lines."""
    return f"{home}/canary"


def canary_bundle(folder: str) -> dict[str, Any]:
    """The folder of the canary, which is none of the user's."""
    return {"name": BUNDLE, "classpath": LOCAL_BUNDLE, "kwargs": {"path": folder}}


def configured_bundles(text: str) -> list[Mapping[str, Any]]:
    """The bundles of a setting. Raises ValueError for what Airflow would not take either."""
    bundles = json.loads(text) if text.strip() else [DAGS_FOLDER_BUNDLE]
    if not isinstance(bundles, list) or not all(isinstance(bundle, dict) and bundle.get("name") for bundle in bundles):
        raise ValueError("no list of bundles with names")
    return bundles


def merged_bundles(text: str, added: Iterable[Mapping[str, Any]]) -> str:
    """The setting with bundles added at its end; those of the same name make way. Raises ValueError as `configured_bundles` does."""
    further = {bundle["name"]: bundle for bundle in added}
    kept = [bundle for bundle in configured_bundles(text) if bundle["name"] not in further]
    return json.dumps([*kept, *further.values()])
