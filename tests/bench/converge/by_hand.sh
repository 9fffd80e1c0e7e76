#!/usr/bin/env bash
# What somebody who has done it often types on a fresh Debian host, as root: PostgreSQL, Airflow 3.3.2 from the hash locks in a folder, its
# settings and secrets, four units. It ends when Airflow says that all of them are healthy.
set -euo pipefail
locks=$1
version=3.3.2
home=/opt/airflow
config=/etc/airflow
daemons="webserver scheduler dag-processor triggerer"

random() { python3 -c "import secrets; print(secrets.token_hex($1))"; }

as_airflow() { # a command of Airflow's, with the settings of the scheduler
  (
    set -a
    # shellcheck source=/dev/null
    . "$config/scheduler.env"
    export AIRFLOW_HOME=$home AIRFLOW_CONFIG=$config/airflow.cfg
    cd "$home"
    exec runuser -u airflow -- "$home/current/bin/airflow" "$@"
  )
}

# The packages, the account, the folders.
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql python3-psycopg2 python3-venv acl procps >/dev/null
useradd --system --home-dir "$home" --no-create-home --shell /usr/sbin/nologin airflow
install -d -m 0755 "$home" "$home/venvs" "$config"
install -d -m 0755 -o airflow -g airflow "$home/dags" "$home/plugins"
install -d -m 2770 -o airflow -g airflow "$home/logs"

# The environment.
python3 -m venv "$home/uv"
"$home/uv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$locks/uv.txt"
"$home/uv/bin/uv" venv --quiet --no-python-downloads --python /usr/bin/python3 "$home/venvs/$version"
"$home/uv/bin/uv" pip install --quiet --compile-bytecode --python "$home/venvs/$version/bin/python" --require-hashes \
  -r "$locks/$version.txt" -r "$locks/$version-postgresql.txt"
ln -sfn "$home/venvs/$version" "$home/current"

# The database.
cat > /etc/postgresql/15/main/conf.d/airflow.conf <<'CONF'
max_connections = 230
shared_buffers = 512MB
effective_cache_size = 1GB
maintenance_work_mem = 128MB
max_wal_size = 2GB
checkpoint_timeout = 15min
CONF
systemctl restart postgresql
password=$(random 24)
runuser -u postgres -- psql --quiet --set ON_ERROR_STOP=1 --file - <<SQL
CREATE ROLE airflow LOGIN PASSWORD '$password';
CREATE DATABASE airflow OWNER airflow TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
SQL

# Settings, secrets, units.
cat > "$config/airflow.cfg" <<CONF
[core]
load_examples = False
parallelism = 7
auth_manager = airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager
execution_api_server_url = http://127.0.0.1:8080/execution/

[fab]
config_file = $config/webserver_config.py
CONF
cat > "$config/webserver_config.py" <<'CONF'
from flask_appbuilder.const import AUTH_DB

AUTH_TYPE = AUTH_DB
WTF_CSRF_ENABLED = True
CONF
umask 077
cat > "$config/triggerer.env" <<CONF
AIRFLOW__CORE__FERNET_KEY=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')
AIRFLOW__API__SECRET_KEY=$(random 32)
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgresql+psycopg2://airflow:$password@127.0.0.1:5432/airflow
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC=postgresql+asyncpg://airflow:$password@127.0.0.1:5432/airflow
CONF
grep -v SECRET_KEY "$config/triggerer.env" > "$config/dag-processor.env"
{ cat "$config/triggerer.env"; echo "AIRFLOW__API_AUTH__JWT_SECRET=$(random 64)"; } > "$config/webserver.env"
cp "$config/webserver.env" "$config/scheduler.env"
umask 022
for daemon in $daemons; do
  command=$daemon
  [ "$daemon" != webserver ] || command="api-server --port 8080"
  cat > "/etc/systemd/system/airflow-$daemon.service" <<UNIT
[Unit]
Description=Airflow's $daemon
Wants=network-online.target
After=network-online.target postgresql.service

[Service]
User=airflow
Group=airflow
Environment="AIRFLOW_HOME=$home"
Environment="AIRFLOW_CONFIG=$config/airflow.cfg"
Environment="PATH=$home/current/bin:/usr/local/bin:/usr/bin:/bin"
EnvironmentFile=$config/$daemon.env
WorkingDirectory=$home
ExecStart=$home/current/bin/airflow $command
Restart=on-failure
RestartSec=5
KillMode=mixed

[Install]
WantedBy=multi-user.target
UNIT
done

# The schema, the first user, the start.
as_airflow db migrate >/dev/null
(umask 077; random 12 > "$config/first-password")
# Without a terminal it asks for the password on the standard input, and says so.
cat "$config/first-password" "$config/first-password" \
  | as_airflow users create --username admin --role Admin --firstname Admin --lastname Admin --email admin@example.org >/dev/null
systemctl daemon-reload
# shellcheck disable=SC2046
systemctl enable --quiet --now $(printf 'airflow-%s ' $daemons)
python3 - <<'PYTHON'
import json
import time
import urllib.request

PAGE = "http://127.0.0.1:8080/api/v2/monitor/health"
PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
SECONDS = 300


def unhealthy():
    """The parts of which Airflow does not say that they are healthy."""
    try:
        with urllib.request.urlopen(PAGE, timeout=5) as answer:
            told = json.load(answer)
    except OSError:
        return PARTS
    return [part for part in PARTS if (told.get(part) or {}).get("status") != "healthy"]


deadline = time.monotonic() + SECONDS
while missing := unhealthy():
    if time.monotonic() > deadline:
        raise SystemExit(f"Not healthy after {SECONDS} seconds: {', '.join(missing)}")
    time.sleep(0.5)
PYTHON
