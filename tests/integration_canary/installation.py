# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Airflow with CeleryExecutor and a worker on each of two queues, on a throw-away home and free loopback ports."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CANARY = CHECKOUT / "roles" / "common" / "files" / "canary.py"
KEY = base64.urlsafe_b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER_KEY = base64.urlsafe_b64encode(b"fedcba9876543210fedcba9876543210").decode()
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
BUNDLE = "updraft_canary"
LOCAL_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
START_SECONDS = 180
STOP_SECONDS = 60
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


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(what: str, condition: Callable[[], object], seconds: float = START_SECONDS) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} after {seconds} seconds"
        time.sleep(0.2)


class Process:
    """A program that runs beside the tests."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path, user: str | None = None) -> None:
        self.log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                list(command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                user=user,
                cwd="/",
            )

    def told(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text(errors="replace")[-3000:]

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it at once with everything that it started: some of it in a process group of its own, but none in another session."""
        subprocess.run(["pkill", "-KILL", "--session", str(self._process.pid)], check=False)
        self._process.wait()


class Servers:
    """PostgreSQL and Redis, which both lines share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgresql_port, self.redis_port = free_port(), free_port()
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
        if not versions or not shutil.which("redis-server"):
            raise LookupError("PostgreSQL and Redis are needed: install Debian's packages postgresql and redis-server.")
        self._binaries = versions[-1].parent
        self._processes: list[Process] = []

    def start(self) -> None:
        """Both, on loopback."""
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            os.chown(self.folder, pwd.getpwnam(user).pw_uid, -1)
        data = self.folder / "data"
        make = [
            str(self._binaries / "initdb"),
            "-D",
            str(data),
            "-U",
            "airflow",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        subprocess.run(make, user=user, check=True, capture_output=True, cwd="/")
        server = [str(self._binaries / "postgres"), "-D", str(data), "-p", str(self.postgresql_port), "-k", str(self.folder)]
        server += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300"]
        redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.redis_port), "--save", "", "--dir", str(self.folder)]
        for name, command, port in (("postgres", server, self.postgresql_port), ("redis", redis, self.redis_port)):
            self._processes.append(Process(command, dict(os.environ), self.folder / f"{name}.log", user))
            until(f"{name} does not listen", lambda port=port: listens(port))  # type: ignore[misc]

    def stop(self) -> None:
        """Both, with what they kept."""
        for process in self._processes:
            process.kill()
        shutil.rmtree(self.folder)

    def query(self, database: str, statement: str) -> list[str]:
        """Rows of a database, as psql writes them."""
        command = [
            str(self._binaries / "psql"),
            "-h",
            "127.0.0.1",
            "-p",
            str(self.postgresql_port),
            "-U",
            "airflow",
            "-qAtc",
            statement,
            database,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout.splitlines()


class Installation:
    """Airflow of one line."""

    def __init__(self, line: int, home: Path, servers: Servers) -> None:
        folder = os.environ.get(f"UPDRAFT_VENV_{line}", "")
        if not os.access(Path(folder) / "bin/celery", os.X_OK) or not folder:
            raise LookupError(
                f"UPDRAFT_VENV_{line} must name a virtual environment of Airflow {line} with Celery; 'make canary' makes and names it."
            )
        self.line, self.home, self.venv, self.servers = line, home, Path(folder), servers
        self.database = f"airflow{line}"
        self.port, self.log_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.daemons: dict[str, Process] = {}
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

    def airflow(self, *words: str) -> None:
        """Run a command of Airflow's."""
        done = subprocess.run(
            [f"{self.venv}/bin/airflow", *words], env=self.environment, capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def start(self) -> None:
        """The database, and every daemon."""
        self.servers.query("postgres", f"CREATE DATABASE {self.database}")
        self.airflow("db", "migrate")
        web = ("webserver", "--hostname", "127.0.0.1") if self.line == 2 else ("api-server", "--host", "127.0.0.1")
        self.run("webserver", *web, "--port", str(self.port), "--pid", str(self.home / "webserver.pid"))
        until(f"the webserver does not answer: {self.daemons['webserver'].told()}", self.answers)
        for name in ("scheduler", "triggerer", *(("dag-processor",) if self.line == 3 else ())):
            self.run(name, name)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self.start_worker, ("default", "reports"), (KEY, OTHER_KEY)))
        parsed = "SELECT 1 FROM dag WHERE dag_id = 'sleeper'"
        until("the user's DAG is not parsed", lambda: self.query(parsed))

    def run(self, name: str, *words: str, **changed: str) -> None:
        """Start a daemon."""
        self.daemons[name] = Process([f"{self.venv}/bin/airflow", *words], {**self.environment, **changed}, self.home / f"{name}.log")

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

    def stop(self, name: str) -> None:
        """Stop a daemon."""
        self.daemons.pop(name).stop()

    def kill_all(self) -> None:
        """End every daemon at once."""
        for process in self.daemons.values():
            process.kill()

    def answers(self) -> bool:
        """Whether the web server does."""
        assert self.daemons["webserver"].runs(), self.daemons["webserver"].told()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health" if self.line == 2 else "/api/v2/version")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def query(self, statement: str) -> list[str]:
        """Rows of the metadata."""
        return self.servers.query(self.database, statement)

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
