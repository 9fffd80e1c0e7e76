# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child program: parse a folder of DAGs as Airflow does. It runs in the interpreter of an Airflow installation, by its source.

Request on standard input: dags_folder, airflow_home, fernet_key, variables [{key, val, is_encrypted}],
connections [{conn_id, ..., is_encrypted, is_extra_encrypted}].
Answer on standard output: dags [{dag_id, file}], import_errors [{file, error}].
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable

CONNECTION_FIELDS = ("conn_type", "description", "host", "login", "schema", "port")


def decrypter(fernet_key: str) -> Callable[[str], str]:
    """A function that reads what Airflow encrypted; several keys are tried in their order, as Airflow does."""
    from cryptography.fernet import Fernet, MultiFernet

    fernet = MultiFernet([Fernet(key.strip().encode()) for key in fernet_key.split(",")])
    return lambda text: fernet.decrypt(text.encode()).decode()


def offer_secrets(request: dict[str, Any]) -> None:
    """Put variables and connections where Airflow looks before its database. One that cannot be decrypted is not offered."""
    decrypt = decrypter(request["fernet_key"]) if request["fernet_key"] else str

    def plain(value: str | None, encrypted: Any) -> str | None:
        return decrypt(value) if value and encrypted else value

    for row in request["variables"]:
        with suppress(Exception):
            os.environ.setdefault(f"AIRFLOW_VAR_{row['key'].upper()}", plain(row["val"], row["is_encrypted"]) or "")
    for row in request["connections"]:
        with suppress(Exception):
            values = {field: row[field] for field in CONNECTION_FIELDS if row[field] is not None}
            values["password"] = plain(row["password"], row["is_encrypted"])
            values["extra"] = plain(row["extra"], row["is_extra_encrypted"])
            text = json.dumps({name: value for name, value in values.items() if value is not None})
            os.environ.setdefault(f"AIRFLOW_CONN_{row['conn_id'].upper()}", text)


def parse(folder: str, airflow_home: str | None) -> tuple[Any, Callable[[Any], Any]]:
    """The DAGs of a folder, and the function that this version stores a DAG with."""
    from airflow.serialization import serialized_objects

    if find_spec("airflow.dag_processing.dagbag"):
        from airflow.dag_processing.dagbag import BundleDagBag

        _show_home(airflow_home)
        bag = BundleDagBag(folder, bundle_path=Path(folder), bundle_name="dags-folder")
        return bag, serialized_objects.DagSerialization.to_dict
    from airflow.models.dagbag import DagBag

    _show_home(airflow_home)
    return DagBag(folder, include_examples=False), serialized_objects.SerializedDAG.to_dict


def _show_home(airflow_home: str | None) -> None:
    """Airflow has read its settings; DAGs may look for their own files below the AIRFLOW_HOME they will have."""
    if airflow_home:
        os.environ["AIRFLOW_HOME"] = airflow_home


def main() -> None:
    """Read the request, parse, answer."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Airflow and DAGs print; that must not mix with the answer.
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    offer_secrets(request)
    bag, serialize = parse(request["dags_folder"], request["airflow_home"])
    errors = dict(bag.import_errors)
    dags = []
    for dag_id, dag in sorted(bag.dags.items()):
        try:
            serialize(dag)
        except Exception as error:
            # A DAG that cannot be stored counts as broken for the DAG processor too.
            errors.setdefault(dag.fileloc, f"{type(error).__name__}: {error}")
        else:
            dags.append({"dag_id": dag_id, "file": dag.fileloc})
    json.dump({"dags": dags, "import_errors": [{"file": file, "error": str(error)} for file, error in sorted(errors.items())]}, answer)
    answer.flush()
    # Threads that a DAG started must not hold this up.
    os._exit(0)


if __name__ == "__main__":
    main()
