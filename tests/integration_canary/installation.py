# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Airflow with CeleryExecutor and a worker on each of two queues, on a throw-away home and free loopback ports."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from installations.airflow import DAEMONS, KEY, Airflow
from installations.processes import until
from installations.servers import Servers

CHECKOUT = Path(__file__).resolve().parents[2]
CANARY = CHECKOUT / "roles" / "common" / "files" / "canary.py"
OTHER_KEY = base64.urlsafe_b64encode(b"fedcba9876543210fedcba9876543210").decode()
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
BUNDLE = "updraft_canary"
LOCAL_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
USERS_DAG = """
import time
from datetime import datetime
try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow.decorators import task
    from airflow.models.dag import DAG

with DAG("sleeper", schedule=None, start_date=datetime(2026, 1, 1), is_paused_upon_creation=False):

    @task
    def sleep():
        time.sleep(300)

    sleep()
"""


class Installation(Airflow):
    """Airflow of one line."""

    def __init__(self, line: int, home: Path, servers: Servers) -> None:
        super().__init__(line, home, servers, f"airflow{line}")
        self.environment = self._environment()
        (home / "dags").mkdir()
        (home / "dags" / "sleeper.py").write_text(USERS_DAG)
        self.canary_file = home / "canary" / "canary.py"
        self.canary_file.parent.mkdir()
        self.put_canary([])

    def _environment(self) -> dict[str, str]:
        metadata = f"postgresql+psycopg2://airflow@127.0.0.1:{self.servers.postgresql_port}/{self.database}"
        bundles = [{"name": "dags-folder", "classpath": LOCAL_BUNDLE, "kwargs": {}}]
        bundles.append({"name": BUNDLE, "classpath": LOCAL_BUNDLE, "kwargs": {"path": str(self.home / "canary")}})
        return {
            "PATH": f"{self.venv}/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API_AUTH__JWT_SECRET": KEY * 2,
            "AIRFLOW__API__SECRET_KEY": KEY,
            "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{self.servers.redis_port}/{self.line}",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql://airflow@127.0.0.1:{self.servers.postgresql_port}/{self.database}",
            "AIRFLOW__CORE__AUTH_MANAGER": FAB,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__FERNET_KEY": KEY,
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "airflow.utils.net.get_host_ip_address",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self.log_port),
            "AIRFLOW__WEBSERVER__SECRET_KEY": KEY,
            "AIRFLOW__WEBSERVER__WORKERS": "1",
        }

    def put_canary(self, queues: Sequence[str]) -> None:
        """The DAG's file as the role writes it: with the queues, or empty of DAGs."""
        text = CANARY.read_text().replace('QUEUES = ["default"]', f"QUEUES = {list(queues)!r}") if queues else "# Nothing flies.\n"
        self.canary_file.write_text(text)

    def start(self) -> None:
        """The database, and every daemon."""
        self.make_database()
        self.start_webserver()
        for name in DAEMONS[self.line]:
            self.run(name, name)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self.start_worker, ("default", "reports"), (KEY, OTHER_KEY)))
        parsed = "SELECT 1 FROM dag WHERE dag_id = 'sleeper'"
        until("the user's DAG is not parsed", lambda: self.query(parsed))

    def start_worker(self, queue: str, key: str = KEY) -> None:
        """A worker with one slot. That of the queue reports writes its logs elsewhere, so that they are fetched from its log server."""
        section = "WEBSERVER" if self.line == 2 else "API"
        changed = {f"AIRFLOW__{section}__SECRET_KEY": key}
        words = ["celery", "worker", "--queues", queue, "--concurrency", "1", "--celery-hostname", f"{queue}@%h"]
        words += ["--pid", str(self.home / f"worker-{queue}.pid"), "--without-mingle", "--without-gossip"]
        if queue == "reports":
            changed["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] = str(self.home / "elsewhere")
        else:
            words.append("--skip-serve-logs")
        name = f"worker-{queue}"
        self.run(name, *words, **changed)
        until(f"the worker of {queue} is not ready", lambda: " ready." in self.daemons[name].told())

    def left(self) -> dict[str, list[str]]:
        """What is left of a canary in the metadata, table by table."""
        tables = ["dag", "dag_run", "dag_tag", "task_instance", "serialized_dag", "xcom", "rendered_task_instance_fields", "dag_warning"]
        tables += ["dag_version", "dag_code"] if self.line == 3 else ["job"]
        found = {table: self.query(f"SELECT dag_id FROM {table} WHERE dag_id = '{BUNDLE}'") for table in tables}
        found["slot_pool"] = self.query(f"SELECT pool FROM slot_pool WHERE pool = '{BUNDLE}'")
        if self.line == 2:
            found["dag_code"] = self.query(f"SELECT fileloc FROM dag_code WHERE fileloc = '{self.canary_file}'")
            found["ab_view_menu"] = self.query(f"SELECT name FROM ab_view_menu WHERE name LIKE '%{BUNDLE}%'")
        return {table: rows for table, rows in found.items() if rows}
