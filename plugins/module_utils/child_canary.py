# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child program: bring the canary's DAG into the metadata database. It runs in the interpreter of an Airflow installation, by its source.

Request on standard input: file, bundle. Answer on standard output: errors [text].
"""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from typing import Any


def ask_for_parsing(bundle: str, name: str) -> list[str]:
    """Airflow 3: let the DAG processor parse the file before all others, and look at the bundle's folder anew."""
    from airflow.models.dagbag import DagPriorityParsingRequest
    from airflow.utils.session import create_session
    from sqlalchemy import select

    wanted = select(DagPriorityParsingRequest).filter_by(bundle_name=bundle, relative_fileloc=name)
    with create_session() as session:
        if session.scalar(wanted) is None:
            session.add(DagPriorityParsingRequest(bundle_name=bundle, relative_fileloc=name))
    return []


def store(file: str) -> list[str]:
    """Airflow 2 has one folder of DAGs, and this one is not in it: store the DAG as if another DAG processor had read it.

    Airflow's own function for this would also make permissions for the DAG, which stay when it goes.
    """
    from airflow.models.dag import DAG
    from airflow.models.dagbag import DagBag
    from airflow.models.dagcode import DagCode
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    bag = DagBag(file, include_examples=False, safe_mode=False)
    if bag.import_errors:
        return list(bag.import_errors.values())
    folder = os.path.dirname(file)
    for dag in bag.dags.values():
        with create_session() as session:
            # One that was stored less than half a minute ago would stay as it is.
            SerializedDagModel.remove_dag(dag.dag_id, session=session)
            DAG.bulk_write_to_db([dag], processor_subdir=folder, session=session)
            SerializedDagModel.write_dag(dag, session=session, processor_subdir=folder)
            # Its source is of no use to anybody, and would stay when the DAG goes.
            session.execute(delete(DagCode).where(DagCode.fileloc == file))
    return [] if bag.dags else [f"{file} holds no DAG."]


def main() -> None:
    """Read the request, do it, answer."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Airflow prints; that must not mix with the answer.
    os.dup2(2, 1)
    request: dict[str, Any] = json.load(sys.stdin)
    if find_spec("airflow.dag_processing.bundles"):
        errors = ask_for_parsing(request["bundle"], os.path.basename(request["file"]))
    else:
        errors = store(request["file"])
    json.dump({"errors": errors}, answer)
    answer.flush()


if __name__ == "__main__":
    main()
