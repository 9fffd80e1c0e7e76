# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Airflow 3 itself makes of the settings for bundles."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.updraft.airflow.plugins.module_utils.topology import Host, Inputs, compile_topology

FILES = str(Path(__file__).parents[2] / "roles" / "common" / "files")
CLASS = """
from airflow.dag_processing.bundles.local import LocalDagBundle


class ApiBundle(LocalDagBundle):
    def __init__(self, *, api_token=None, **kwargs):
        super().__init__(**kwargs)
        self.api_token = api_token
"""
ASK = """
import json
from airflow.dag_processing.bundles.base import get_bundle_storage_root_path
from airflow.dag_processing.bundles.manager import DagBundlesManager

found = {bundle.name: [str(bundle.path), getattr(bundle, "api_token", None)] for bundle in DagBundlesManager().get_all_dag_bundles()}
print(json.dumps({"bundles": found, "storage": str(get_bundle_storage_root_path())}))
"""


class EmptyFolder:
    """A credentials folder with nothing in it."""

    directory = "/credentials"

    def read(self, _name: str) -> str | None:
        """No secret."""
        return None

    def path(self, name: str) -> str:
        """Where it would be."""
        return f"{self.directory}/{name}"


def plan(bundles: list[dict[str, Any]]) -> dict[str, Any]:
    """The plan of one host with bundles."""
    facts = {"distribution": "Debian", "distribution_major_version": "12", "os_family": "Debian", "default_ipv4": {"address": "198.18.0.2"}}
    python = {"path": "/usr/bin/python3.11", "version": "3.11.2"}
    info = {"hostname": "h1", "pythons": [python], "systemd": True, "free_mb": {"home": 20000}, "installation": None, "adopted": None}
    variables = {"airflow_dags": {"source": "bundles", "bundles": bundles}}
    groups = {name: ["h1"] for name in ("airflow", "airflow_webserver", "airflow_scheduler")}
    machine = {"processor_vcpus": 2, "memtotal_mb": 4096}
    return compile_topology(Inputs({"h1": Host("h1", variables, {**facts, **machine}, info)}, groups, FILES), EmptyFolder()).plan("h1")


def seen_by(venv: Path, root: Path, found: dict[str, Any], daemon: str) -> Any:
    """The bundles as a daemon of the plan has them."""
    environment = next(entry["environment"] for entry in found["daemons"] if entry["name"] == daemon)
    sections = (
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items()) for name, options in found["settings"].items()
    )
    (root / "airflow.cfg").write_text("".join(sections).replace("%", "%%"))
    given = {**environment, "AIRFLOW_HOME": str(root), "AIRFLOW_CONFIG": str(root / "airflow.cfg"), "PYTHONPATH": str(root)}
    given["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{root}/airflow.db"
    given["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] = str(root / "logs")
    done = subprocess.run([str(venv / "bin" / "python"), "-c", ASK], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_airflow_reads_the_bundles(airflows: dict[int, Path], tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(CLASS)
    token = """t0p's "%s" \\ #x"""
    found = plan(
        [
            {"name": "shared", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {"path": "/srv/50% shared"}},
            {"name": "own", "classpath": "acme.ApiBundle", "kwargs": {"path": "/srv/own", "api_token": token}},
        ]
    )
    canary = {"updraft_canary": ["/opt/airflow/canary", None]}
    expected = {"shared": ["/srv/50% shared", None], "own": ["/srv/own", token], **canary}
    assert seen_by(airflows[3], tmp_path, found, "dag_processor") == {"bundles": expected, "storage": "/opt/airflow/dag_bundles"}
    expected["own"] = ["/srv/own", None]
    assert seen_by(airflows[3], tmp_path, found, "webserver") == {"bundles": expected, "storage": "/opt/airflow/dag_bundles"}
